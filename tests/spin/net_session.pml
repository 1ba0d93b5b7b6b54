/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The session handshake of proto/net.h, with deaths of either end between any two
 * accesses to shared memory, and with a card that has to be reset in between, as libs/net
 * does it.
 *
 * A packet may be lost, so nothing is asked for again as disks do. What counts is memory:
 * the server has SLOTS buffers. One is posted, comes back when the card has filled it, and
 * is posted again; when the session ends, all are void until the next one is up. The card
 * may write to a buffer at any time, but only to one that is its own.
 *
 * Checked in every state:
 *   - the card writes no buffer that the server believes to be its own again;
 *   - a buffer that comes back was filled in the session that it came back in;
 *   - a server never asks for a session that there was before;
 *   - both ends of a session speak the same version of the protocol, one that both know, whoever
 *     of them came anew and knows more or less than his predecessor;
 *   - when both ends sleep and nothing is on its way to them, the session is up and the
 *     card has all buffers: no wake-up was lost, nobody waits for the other.
 *
 * Left out: store buffers and event thresholds, which net_wakeup.pml has. Here an end that
 * publishes sends always, and looks at everything when it is woken.
 */
#define SLOTS 2
#ifndef SERVER_DEATHS
#define SERVER_DEATHS 1
#endif
#ifndef DRIVER_DEATHS
#define DRIVER_DEATHS 1
#endif
#ifndef RESETS
#define RESETS 1	/* of the card, by a driver that lives */
#endif
#ifndef RENEWS
#define RENEWS 0	/* of sessions that the server finds broken */
#endif
#ifdef BUG_VERSION_ONCE
#define VERSION_ONCE true
#else
#define VERSION_ONCE false
#endif
#ifdef MIXED		/* both ends may know one version or two, else all know two */
#define FEWER true
#else
#define FEWER false
#endif
#ifndef FILLS
#define FILLS 2		/* how often the card receives */
#endif
#define SIZE 4		/* of both rings; tags are the buffers' numbers */

/* A session: the driver's incarnation + 1, and the server's count. */
#define SESSION(driver, n) ((driver) * 16 + (n))
#define DRIVER_OF(session) ((session) / 16)
#define COUNT_OF(session) ((session) % 16)
#define OVER(session) (255 - (session))	/* ~session: the driver has ended it */

/* The page. */
byte wanted;			/* the server's */
byte version = 1;		/* as well, of the session that is wanted */
byte ready, session;		/* the driver's; `ready` is net_page.driver */
byte speaks;			/* and up to which version, for which incarnation */
byte post_prod, rx_prod;	/* nobody reads the others: there is always space */
byte post_ring[SIZE], rx_ring[SIZE];	/* tags */
byte rx_ghost[SIZE];			/* in which session it was filled: not in the page */

#define SPEAKS(driver, newest) ((driver) * 4 + (newest))
byte driver_version;		/* of the session that it is in: not in the page */

bool event_server, event_driver;
bool kill_server, kill_driver, reset_card;

/* The server may use the buffer for anything. Survives it: a pool that is root's. */
bool free[SLOTS] = false;

/* The card: buffers that it may write, and those it has and the driver has not seen. */
bool in_card[SLOTS], filled[SLOTS];
byte card_session[SLOTS];
byte fills, deaths, resets, renews, asks;
byte up_in;	/* the server is up in this session; 0: it is not */

proctype server() {
	byte mine, driver, posted, received, seen, i, newest, spoken;
	bool up, asked, out[SLOTS];

start:	atomic {
		event_server = true; kill_server = false;
		if :: FEWER -> newest = 1 :: newest = 2 fi
	}
	{
#ifndef BUG_COUNT_ANEW
		mine = wanted;
#endif
end:		do
		:: atomic { event_server -> event_server = false; i = 0; seen = 0 }
			if
			:: up && (session != mine || renews < RENEWS) ->
				d_step {
					/* If it was without a reason: it asks without an event too. */
					if
					:: session == mine -> renews++; event_server = true
					:: else
					fi;
					up = false; up_in = 0;
					for (i : 0 .. SLOTS - 1) {
						out[i] = false;
#ifdef BUG_FREE_EARLY
						free[i] = true
#else
						free[i] = false
#endif
					}
					i = 0
				}
			:: else
			fi;
			if
			:: !up ->
				seen = ready;
				if
				:: seen == 0 -> asked = false
				:: seen != 0 -> i = session;
					if
#ifdef BUG_NO_OVER
					:: !asked || seen != driver ->
#else
					:: !asked || seen != driver || i == OVER(mine) ->
#endif
						d_step {
							driver = seen;
							mine = SESSION(driver, COUNT_OF(mine) + 1);
							asked = true;
							asks++;
							assert(asks <= 1 + deaths + resets + renews);
							assert(COUNT_OF(mine) != 0)
						}
						i = speaks;
						d_step {
							spoken = 1;
							if
							:: i == SPEAKS(driver, 2) -> spoken = newest
							:: else
							fi;
							i = 0
						}
#ifdef BUG_VERSION_LATE
						wanted = mine;
						version = spoken;
#else
						version = spoken;
						wanted = mine;
#endif
						event_driver = true
					:: else ->
						if
						:: i == mine -> d_step {
							assert(session != mine || driver_version == spoken);
							up = true; up_in = mine; asked = false;
							posted = 0; received = 0;
							for (i : 0 .. SLOTS - 1) { free[i] = true; out[i] = false }
						}
						:: else
						fi
					fi;
					i = 0
				fi
			:: else
			fi;
			/* what was received */
			do
			:: up && rx_prod != received ->
				assert(rx_prod - received <= SIZE && rx_prod > received);
				i = rx_ring[received % SIZE];
				d_step {
					if
					:: out[i] ->
						assert(rx_ghost[received % SIZE] == mine);
						out[i] = false; free[i] = true
					:: else
					fi;
					received++
				}
			:: else -> break
			od;
			/* post what is free, and publish */
			if
			:: up ->
				d_step {
					for (i : 0 .. SLOTS - 1) {
						if
						:: free[i] ->
							free[i] = false; out[i] = true;
							post_ring[posted % SIZE] = i; posted++
						:: else
						fi
					}
					i = 0
				}
				if
				:: post_prod != posted -> post_prod = posted; event_driver = true
				:: else
				fi
			:: else
			fi
		od
	} unless { kill_server };
	d_step {
		/* Its memory is gone; its successor knows nothing of who has the buffers. */
		mine = 0; driver = 0; posted = 0; received = 0; seen = 0; i = 0;
		newest = 0; spoken = 0;
		up = false; asked = false; up_in = 0;
		for (i : 0 .. SLOTS - 1) { out[i] = false; free[i] = false }
		i = 0
	}
	goto start
}

inline quiesce() {
	for (i : 0 .. SLOTS - 1) { in_card[i] = false; filled[i] = false; card_session[i] = 0 }
	i = 0
}

proctype driver() {
	byte incarnation, mine, taken, received, published, w, v, i;
	bool up, waits[SLOTS];

start:	atomic { kill_driver = false; reset_card = false; event_driver = false; incarnation++ }
	{
		ready = 0;
#ifndef BUG_KEEP_SESSION
		session = 0;
#endif
		/* One that knows one version only says nothing. */
		if
		:: speaks = SPEAKS(incarnation, 2)
		:: FEWER
		fi;
		ready = incarnation;
		event_server = true;
end:		do
		:: atomic { event_driver -> event_driver = false; i = 0; w = 0 }
			if
			:: reset_card ->
				d_step { reset_card = false; quiesce() }
				if
				:: up -> up = false;
#ifdef BUG_RESET_IN_SILENCE
					session = mine;
#else
#ifdef BUG_NO_OVER
					session = 0;
#else
					session = OVER(mine);
#endif
#endif
					event_server = true
				:: else
				fi
			:: else
			fi;
			w = wanted;
			if
#ifdef BUG_ANY_INCARNATION
			:: w != mine && COUNT_OF(w) != 0 ->
#else
			:: w != mine && DRIVER_OF(w) == incarnation && COUNT_OF(w) != 0 ->
#endif
				v = version;
				d_step {
					up = false;
					for (i : 0 .. SLOTS - 1) { waits[i] = false }
					i = 0
				}
#ifndef BUG_NO_QUIESCE
				d_step { quiesce() }
#endif
				w = wanted;
				if
#ifdef BUG_ANY_INCARNATION
				:: true ->
#else
#ifndef BUG_VERSION_ONCE
				:: DRIVER_OF(w) == incarnation && version != v -> event_driver = true
#endif
				:: DRIVER_OF(w) == incarnation && (version == v || VERSION_ONCE) ->
#endif
					post_prod = 0;
#ifndef BUG_KEEP_INDEX
					rx_prod = 0;
#endif
					d_step {
						mine = w; taken = 0; received = 0; published = 0; up = true;
						driver_version = v;
						for (i : 0 .. SIZE - 1) {
							post_ring[i] = 0; rx_ring[i] = 0; rx_ghost[i] = 0
						}
						i = 0
					}
					session = mine;
					event_server = true
				:: else
				fi;
				v = 0
			:: else
			fi;
			/* what the card has filled; the server does not see it yet */
			d_step {
				for (i : 0 .. SLOTS - 1) {
					if
					:: up && filled[i] && waits[i] ->
						waits[i] = false;
						rx_ring[received % SIZE] = i;
						rx_ghost[received % SIZE] = card_session[i];
						received++
					:: else
					fi;
					filled[i] = filled[i] && !up
				}
				i = 0
			}
			do
			:: up && post_prod != taken ->
				assert(post_prod > taken && post_prod - taken <= SIZE);
				i = post_ring[taken % SIZE];
				d_step {
					taken++;
					assert(!waits[i] && !in_card[i]);
					waits[i] = true; in_card[i] = true; card_session[i] = mine
				}
			:: else -> break
			od;
			if
			:: up && published != received ->
				rx_prod = received; published = received;
				event_server = true
			:: else
			fi
		od
	} unless { kill_driver };
	d_step {
		mine = 0; taken = 0; received = 0; published = 0; w = 0; v = 0; up = false;
		for (i : 0 .. SLOTS - 1) { waits[i] = false }
		i = 0
	}
	/* The card goes on until root has quiesced it. */
	d_step { quiesce() }
	goto start
}

inline fill(n) {
	d_step {
		in_card[n] && fills < FILLS ->
		assert(!free[n]);
		assert(up_in == 0 || up_in == card_session[n]);
		fills++;
		in_card[n] = false;
		filled[n] = true;
		event_driver = true
	}
}

proctype card() {
end:	do
	:: fill(0)
	:: fill(1)
	od
}

proctype killer() {
	byte server_deaths, driver_deaths;

end:	do
	:: server_deaths < SERVER_DEATHS && !kill_server ->
		atomic { kill_server = true; server_deaths++; deaths++ }
	:: driver_deaths < DRIVER_DEATHS && !kill_driver ->
		atomic { kill_driver = true; driver_deaths++; deaths++ }
	:: resets < RESETS && !reset_card ->
		atomic { reset_card = true; resets++; event_driver = true }
	od
}

/* Both ends sleep, nobody has been told anything. */
#define SERVER 1
#define DRIVER 2
#define AT_REST (server[SERVER]@end && driver[DRIVER]@end && !event_server && !event_driver && \
		 !kill_server && !kill_driver)

proctype monitor() {
end:	do
	:: atomic { AT_REST -> assert(up_in != 0 && in_card[0] && in_card[1]) }
	od
}

init {
	atomic { run server(); run driver(); run card(); run killer(); run monitor() }
}
