/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How the two ends of a disk connection sleep and wake each other, as settle() of
 * libs/blk/server.c and libs/blk/driver.c do it: event thresholds, one fence for
 * both rings, a second look. The machine is x86: the stores of a CPU wait in a
 * buffer, in order, while its later loads go ahead; only a fence (or a locked
 * operation, as the core's when an event is sent) waits for the buffer to empty.
 * Each CPU loads only what the other one stores, so loads need no forwarding.
 *
 * The server asks for REQUESTS with TAGS tags through a ring of SIZE slots, so that
 * it has to wait for tags and for space. Indices are bytes that wrap on the way.
 * When nothing moves any more, every request must have been answered: else a
 * wake-up was lost.
 *
 * Left out: sessions and deaths, which session.pml has.
 */
#ifndef REQUESTS
#define REQUESTS 5
#endif
#define SIZE 2
#define TAGS 3
#define START 254	/* of all indices */

/* Shared memory, each written by one CPU. */
#define REQ_PROD 0	/* server */
#define REQ_CONS_EVENT 1
#define CPL_PROD_EVENT 2
#define REQ_CONS 3	/* driver */
#define REQ_PROD_EVENT 4
#define CPL_PROD 5
byte memory[6] = START;

chan buffer[2] = [4] of { byte, byte };	/* store buffers: 0 the server's, 1 the driver's */
bool event[2];				/* pending at the server, at the driver */
byte in_device, interrupts;
byte answered;

#define STORE(cpu, where, what) buffer[cpu]!where, what
#define DRAINED(cpu) (len(buffer[cpu]) == 0)
#define MINUS(a, b) ((a - b) & 255)
/* Did an index that went from `old` to `new` pass the threshold? */
#define PASSED(new, old, threshold) (MINUS(new, threshold) < MINUS(new, old))

#ifdef BUG_SERVER_FENCE
#define SERVER_FENCE skip
#else
#define SERVER_FENCE DRAINED(0)
#endif
#ifdef BUG_DRIVER_FENCE
#define DRIVER_FENCE skip
#else
#define DRIVER_FENCE DRAINED(1)
#endif

inline send(cpu, peer) {
	atomic { DRAINED(cpu) -> event[peer] = true }
}

proctype drain_server() {
	byte where, what;
end:	do
	:: atomic { buffer[0]?where, what -> memory[where] = what }
	od
}

proctype drain_driver() {
	byte where, what;
end:	do
	:: atomic { buffer[1]?where, what -> memory[where] = what }
	od
}

proctype server() {
	byte produced = START, published = START, completed = START, asked = 0;
	byte free = TAGS, seen;
	bool short_of, again;

	goto ask;
end:	do
	:: event[0] || again ->
		atomic { event[0] = false; again = false }
		seen = memory[CPL_PROD];
		free = free + MINUS(seen, completed);
		answered = answered + MINUS(seen, completed);
		completed = seen;
		assert(free <= TAGS);
ask:		short_of = false;
		do
		:: asked == REQUESTS -> break
		:: asked < REQUESTS && free > 0 && MINUS(produced, memory[REQ_CONS]) < SIZE ->
			atomic { produced = (produced + 1) & 255; asked++; free-- }
		:: asked < REQUESTS -> short_of = true; break
		od;
		/* settle */
#ifndef BUG_SERVER_THRESHOLD
		STORE(0, CPL_PROD_EVENT, ((completed + 1) & 255));
#endif
		if
		:: produced != published -> STORE(0, REQ_PROD, produced)
		:: else
		fi;
		if
		:: short_of -> STORE(0, REQ_CONS_EVENT, MINUS(produced, (SIZE - 1)))
		:: else
		fi;
		SERVER_FENCE;
		if
		:: PASSED(produced, published, memory[REQ_PROD_EVENT]) -> send(0, 1)
		:: else
		fi;
		published = produced;
#ifndef BUG_SERVER_LOOK
		if
		:: short_of && free > 0 && MINUS(produced, memory[REQ_CONS]) < SIZE ->
			again = true
		:: else
		fi;
		if
		:: memory[CPL_PROD] != completed -> again = true
		:: else
		fi
#endif
	od
}

proctype driver() {
	byte consumed = START, released = START, completed = START, published = START;
	byte available;

	/* The session has just begun: the threshold is set. */
end:	do
	:: event[1] ->
		event[1] = false;
again:		atomic {
			completed = (completed + interrupts) & 255;
			interrupts = 0
		}
		available = MINUS(memory[REQ_PROD], consumed);
		assert(available <= SIZE);
		do
		:: available > 0 -> /* to the device, or answered here: a flush, a refusal */
			atomic {
				available--;
				consumed = (consumed + 1) & 255;
				if
				:: in_device++
				:: completed = (completed + 1) & 255
				fi
			}
		:: else -> break
		od;
		/* settle */
		if
		:: consumed != released -> STORE(1, REQ_CONS, consumed)
		:: else
		fi;
		if
		:: completed != published -> STORE(1, CPL_PROD, completed)
		:: else
		fi;
		STORE(1, REQ_PROD_EVENT, ((consumed + 1) & 255));
		DRIVER_FENCE;
		if
		:: PASSED(consumed, released, memory[REQ_CONS_EVENT]) ||
		   PASSED(completed, published, memory[CPL_PROD_EVENT]) -> send(1, 0)
		:: else
		fi;
		atomic { released = consumed; published = completed }
#ifndef BUG_DRIVER_LOOK
		if
		:: memory[REQ_PROD] != consumed -> goto again
		:: else
		fi
#endif
	od
}

/* Does one after the other, and interrupts whenever it likes. */
proctype device() {
end:	do
	:: atomic { in_device > 0 -> in_device--; interrupts++; event[1] = true }
	od
}

proctype monitor() {
end:	do
	:: timeout -> assert(answered == REQUESTS); break
	od
}

init {
	atomic {
		/* What the driver sets when the session begins. */
		memory[REQ_PROD_EVENT] = (START + 1) & 255;
		memory[CPL_PROD_EVENT] = (START + 1) & 255;
		run drain_server();
		run drain_driver();
		run server();
		run driver();
		run device();
		run monitor()
	}
}
