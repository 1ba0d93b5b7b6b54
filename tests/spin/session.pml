/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The session handshake of proto/blk.h, with deaths of either end between any two
 * accesses to shared memory, as libs/blk does it.
 *
 * REQUESTS block requests stand in the server's lifeboat; a server asks for
 * those that are not answered. The device does what it was asked whenever it
 * likes, also while nobody is alive to hear of it. When the driver dies, root
 * quiesces the device before it starts the next one.
 *
 * Checked in every state:
 *   - a request is answered once, and only after the device did it in the session
 *     that the answer came in;
 *   - the device does nothing for an old session once the server is up in a new one;
 *   - a server never asks for a session that there was before, and not oftener
 *     than somebody dies.
 *   - when both ends sleep and nothing is on its way to them, everything has been
 *     answered: no wake-up was lost.
 *
 * Left out: store buffers, space and event thresholds, which wakeup.pml has. Here
 * an end that publishes sends always, and looks at everything when it is woken.
 */
#define REQUESTS 2
#ifndef SERVER_DEATHS
#define SERVER_DEATHS 2
#endif
#ifndef DRIVER_DEATHS
#define DRIVER_DEATHS 2
#endif
#define SIZE 4	/* of both rings; tags are the requests' numbers */
#define NOBODY 255

/* A session: the driver's incarnation + 1, and the server's count. */
#define SESSION(driver, n) ((driver) * 16 + (n))
#define DRIVER_OF(session) ((session) / 16)
#define COUNT_OF(session) ((session) % 16)

/* The page. */
byte wanted;		    /* the server's */
byte ready, session;	    /* the driver's; `ready` is blk_page.driver */
byte req_prod, cpl_prod;    /* nobody reads the others: there is always space */
byte req_ring[SIZE], cpl_ring[SIZE];	/* tags */
byte cpl_ghost[SIZE];			/* in which session the device did it: not in the page */

bool event_server, event_driver;
bool kill_server, kill_driver;
byte deaths;

/* What survives the server. */
bool answered[REQUESTS];
byte count_answered;

/* The device: what it was asked, and what it has done and the driver has not seen. */
bool asked_of_device[REQUESTS], done_by_device[REQUESTS];
byte device_session[REQUESTS];

byte asks, up_in;	/* the server is up in this session; 0: it is not */

proctype server() {
	byte mine, driver, produced, completed, seen, i;
	bool up, asked, outstanding[REQUESTS];

start:	atomic { event_server = true; kill_server = false }
	{
#ifndef BUG_COUNT_ANEW
		mine = wanted;
#endif
end:		do
		:: atomic { event_server -> event_server = false; i = 0; seen = 0 }
			if
			:: up && session != mine ->
				d_step {
					up = false; up_in = 0;
					for (i : 0 .. REQUESTS - 1) { outstanding[i] = false }
				}
			:: else
			fi;
			if
			:: !up ->
				seen = ready;
				if
				:: seen == 0 -> asked = false
#ifdef BUG_ASK_ONCE
				:: seen != 0 && !asked ->
#else
				:: seen != 0 && (!asked || seen != driver) ->
#endif
					d_step {
						driver = seen;
						mine = SESSION(driver, COUNT_OF(mine) + 1);
						asked = true;
						asks++;
						assert(asks <= 1 + deaths && COUNT_OF(mine) != 0)
					}
					wanted = mine;
					event_driver = true
				:: else
				fi;
				if
#ifdef BUG_BELIEVE_OLD
				:: asked ->
#else
				:: asked && session == mine ->
#endif
					d_step {
						up = true; up_in = mine; asked = false;
						produced = 0; completed = 0;
						/* Requests that are asked for again must not be written by old DMA. */
						for (i : 0 .. REQUESTS - 1) {
							assert(!asked_of_device[i] || device_session[i] == mine)
						}
					}
				:: else
				fi
			:: else
			fi;
			/* collect */
			do
			:: up && cpl_prod != completed ->
				assert(cpl_prod - completed <= SIZE && cpl_prod > completed);
				i = cpl_ring[completed % SIZE];
				d_step {
					/* Not outstanding: ignored. */
					if
					:: outstanding[i] ->
						assert(!answered[i]);
						assert(cpl_ghost[completed % SIZE] == mine);
						outstanding[i] = false;
						answered[i] = true;
						count_answered++
					:: else
					fi;
					completed++
				}
			:: else -> break
			od;
			/* submit what is not answered (nobody sees it yet), and publish */
			if
			:: up ->
				d_step {
					for (i : 0 .. REQUESTS - 1) {
						if
						:: !answered[i] && !outstanding[i] ->
							outstanding[i] = true;
							req_ring[produced % SIZE] = i;
							produced++
						:: else
						fi
					}
				}
				if
				:: req_prod != produced ->
					req_prod = produced;
					event_driver = true
				:: else
				fi
			:: else
			fi
		od
	} unless { kill_server };
	d_step {
		/* Its memory is gone; its successor begins with nothing. */
		mine = 0; driver = 0; produced = 0; completed = 0; seen = 0; i = 0;
		up = false; asked = false; up_in = 0;
		for (i : 0 .. REQUESTS - 1) { outstanding[i] = false }
		i = 0
	}
	goto start
}

inline quiesce_device() {
	for (i : 0 .. REQUESTS - 1) { asked_of_device[i] = false; done_by_device[i] = false; device_session[i] = 0 }
	i = 0
}

proctype driver() {
	byte incarnation, mine, consumed, completed, published, w, i;
	bool up, online, outstanding[REQUESTS];

start:	atomic { kill_driver = false; event_driver = false; incarnation++ }
	{
		ready = 0;
#ifndef BUG_KEEP_SESSION
		session = 0;
#endif
		ready = incarnation;
		event_server = true;
end:		do
		:: atomic { event_driver -> event_driver = false; i = 0; w = 0 }
			w = wanted;
			if
#ifdef BUG_ANY_INCARNATION
			:: w != mine && COUNT_OF(w) != 0 ->
#else
			:: w != mine && DRIVER_OF(w) == incarnation && COUNT_OF(w) != 0 ->
#endif
				d_step {
					up = false;
					for (i : 0 .. REQUESTS - 1) { outstanding[i] = false }
					i = 0
				}
#ifndef BUG_NO_QUIESCE
				if
				:: true -> d_step { quiesce_device() } /* resets it */
				:: !asked_of_device[0] && !asked_of_device[1] -> /* it has done all */
					d_step { quiesce_device() } /* nobody looks at what */
				fi;
#endif
				w = wanted;
				if
#ifdef BUG_ANY_INCARNATION
				:: true ->
#else
				:: DRIVER_OF(w) == incarnation ->
#endif
					req_prod = 0;
#ifndef BUG_KEEP_INDEX
					cpl_prod = 0;
#endif
					d_step {
						mine = w; consumed = 0; completed = 0; published = 0; up = true;
						/* What lies in the rings means nothing any more. */
						for (i : 0 .. SIZE - 1) {
							req_ring[i] = 0; cpl_ring[i] = 0; cpl_ghost[i] = 0
						}
						i = 0
					}
					session = mine;
					event_server = true
				:: else
				fi
			:: else
			fi;
			/* what the device has done; the server does not see it yet */
			d_step {
				for (i : 0 .. REQUESTS - 1) {
					if
					:: up && done_by_device[i] && outstanding[i] ->
						outstanding[i] = false;
						cpl_ring[completed % SIZE] = i;
						cpl_ghost[completed % SIZE] = device_session[i];
						completed++
					:: else
					fi;
					done_by_device[i] = done_by_device[i] && !up
				}
				i = 0
			}
			do
			:: up && req_prod != consumed ->
				assert(req_prod > consumed && req_prod - consumed <= SIZE);
				i = req_ring[consumed % SIZE];
				d_step {
					consumed++;
					assert(!outstanding[i] && !asked_of_device[i]);
					outstanding[i] = true;
					asked_of_device[i] = true;
					device_session[i] = mine
				}
			:: else -> break
			od;
			if
			:: up ->
				if
				:: published != completed ->
					cpl_prod = completed;
					published = completed;
					event_server = true
				:: else
				fi
			:: else
			fi
		od
	} unless { kill_driver };
	d_step {
		mine = 0; consumed = 0; completed = 0; published = 0; w = 0; up = false;
		for (i : 0 .. REQUESTS - 1) { outstanding[i] = false }
		i = 0
	}
	/* The device goes on until root has quiesced it. */
	d_step { quiesce_device() }
	goto start
}

inline carry_out(n) {
	d_step {
		asked_of_device[n] ->
		assert(up_in == 0 || up_in == device_session[n]);
		asked_of_device[n] = false;
		done_by_device[n] = true;
		event_driver = true
	}
}

proctype device() {
end:	do
	:: carry_out(0)
	:: carry_out(1)
	od
}

proctype killer() {
	byte server_deaths, driver_deaths;

end:	do
	:: server_deaths < SERVER_DEATHS && !kill_server ->
		atomic { kill_server = true; server_deaths++; deaths++ }
	:: driver_deaths < DRIVER_DEATHS && !kill_driver ->
		atomic { kill_driver = true; driver_deaths++; deaths++ }
	od
}

/* Both ends sleep, nobody has been told anything, the device has nothing to do. */
#define AT_REST (server[SERVER]@end && driver[DRIVER]@end && !event_server && !event_driver && \
		 !kill_server && !kill_driver && !asked_of_device[0] && !asked_of_device[1])
#define SERVER 1
#define DRIVER 2

proctype monitor() {
end:	do
	:: AT_REST -> assert(count_answered == REQUESTS)
	od
}

init {
	atomic { run server(); run driver(); run device(); run killer(); run monitor() }
}
