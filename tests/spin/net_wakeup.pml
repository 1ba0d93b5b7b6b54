/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How the two ends of a packet connection sleep and wake each other, as settle() of
 * libs/net/server.c and libs/net/driver.c do it: four rings, thresholds that are often
 * 'never', one fence, a second look. The machine is that of wakeup.pml: stores wait in a
 * buffer while later loads go ahead; a fence waits for it to empty, and so does whoever
 * sends an event.
 *
 * The server has PACKETS to transmit with TAGS tags through a ring of SIZE slots, and does
 * not care to hear of the last LAZY that they have left. It posts BUFFERS buffers, and posts
 * them again. The card has room for DEPTH packets and HOLDS buffers; the driver does not
 * care to hear of new buffers as long as the card has LOW of them. ARRIVALS packets come in.
 *
 * When nothing moves any more, all has left, all that came was taken, and the card has
 * buffers: else a wake-up was lost. Left out: sessions, which net_session.pml has.
 */
#ifndef PACKETS
#define PACKETS 3
#endif
#ifndef ARRIVALS
#define ARRIVALS 3
#endif
#define SIZE 2
#define TAGS 2
#define LAZY 1
#define BUFFERS 2
#define LOW 1
#define HOLDS 2
#define DEPTH 1
#define START 254	/* of all indices */

/* Shared memory, each written by one CPU. */
#define TX_PROD 0		/* server */
#define TX_CONS_EVENT 1
#define DONE_PROD_EVENT 2
#define POST_PROD 3
#define RX_PROD_EVENT 4
#define TX_CONS 5		/* driver */
#define TX_PROD_EVENT 6
#define DONE_PROD 7
#define POST_PROD_EVENT 8
#define RX_PROD 9
byte memory[10] = START;

chan buffer[2] = [5] of { byte, byte };	/* store buffers: 0 the server's, 1 the driver's */
bool event[2];				/* pending at the server, at the driver */

byte in_card, left, tx_interrupts;	/* packets */
byte card_buffers, to_come = ARRIVALS, rx_interrupts;
byte flying, taken;

#define STORE(cpu, where, what) buffer[cpu]!where, what
#define DRAINED(cpu) (len(buffer[cpu]) == 0)
#define MINUS(a, b) ((a - b) & 255)
#define PLUS(a, b) ((a + b) & 255)
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
	:: atomic { buffer[0]?where, what -> memory[where] = what; where = 0; what = 0 }
	od
}

proctype drain_driver() {
	byte where, what;
end:	do
	:: atomic { buffer[1]?where, what -> memory[where] = what; where = 0; what = 0 }
	od
}

proctype server() {
	byte tx = START, tx_shown = START, sent = START, posted = START, posted_shown = START;
	byte received = START, asked, out, seen, wanted;
	bool short_of, again;

	goto ask;
end:	do
	:: atomic { event[0] || again -> event[0] = false; again = false }
		atomic {
			seen = memory[DONE_PROD];
			flying = flying - MINUS(seen, sent);
			sent = seen
		}
		atomic {
			seen = memory[RX_PROD];
			out = out - MINUS(seen, received);
			taken = taken + MINUS(seen, received);
			received = seen;
			seen = 0
		}
ask:		skip;
		atomic { short_of = false; posted = PLUS(posted, BUFFERS - out); out = BUFFERS }
		do
		:: atomic { asked == PACKETS -> break }
		:: atomic {
			asked < PACKETS && flying < TAGS && MINUS(tx, memory[TX_CONS]) < SIZE ->
			tx = PLUS(tx, 1); asked++; flying++
		   }
		:: atomic {
			asked < PACKETS && !(flying < TAGS && MINUS(tx, memory[TX_CONS]) < SIZE) ->
			short_of = true; break
		   }
		od;
		/* settle */
		if
#ifndef BUG_LAZY
		:: short_of -> wanted = 1
		:: !short_of && flying > LAZY -> wanted = flying - LAZY
		:: !short_of && flying <= LAZY -> wanted = 0
#else
		:: wanted = 0
#endif
		fi;
#ifndef BUG_SERVER_THRESHOLD
		STORE(0, RX_PROD_EVENT, PLUS(received, 1));
#endif
		STORE(0, DONE_PROD_EVENT, PLUS(sent, wanted));
		if
		:: short_of -> STORE(0, TX_CONS_EVENT, MINUS(tx, (SIZE - 1)))
		:: else
		fi;
		if
		:: tx != tx_shown -> STORE(0, TX_PROD, tx)
		:: else
		fi;
		if
		:: posted != posted_shown -> STORE(0, POST_PROD, posted)
		:: else
		fi;
		SERVER_FENCE;
		if
		:: PASSED(tx, tx_shown, memory[TX_PROD_EVENT]) -> send(0, 1)
		:: else
		fi;
		if
		:: PASSED(posted, posted_shown, memory[POST_PROD_EVENT]) -> send(0, 1)
		:: else
		fi;
		atomic { tx_shown = tx; posted_shown = posted }
#ifndef BUG_SERVER_LOOK
		if
		:: short_of && flying < TAGS && MINUS(tx, memory[TX_CONS]) < SIZE -> again = true
		:: else
		fi;
		if
		:: wanted && MINUS(memory[DONE_PROD], sent) >= wanted -> again = true
		:: else
		fi;
		if
		:: memory[RX_PROD] != received -> again = true
		:: else
		fi;
#endif
		atomic { wanted = 0; short_of = false }
	od
}

#ifdef BUG_LOW
#define WANTS_BUFFERS false
#else
#define WANTS_BUFFERS (!post_stalled && card_has < LOW)
#endif

proctype driver() {
	byte tx = START, tx_shown = START, sent = START, sent_shown = START, posted = START;
	byte received = START, received_shown = START, available, card_has;
	bool tx_stalled, post_stalled;	/* one is taken out of the ring and waits */

	/* The session has just begun: the thresholds are set. */
end:	do
	:: atomic { event[1] -> event[1] = false }
again:		atomic {
			sent = PLUS(sent, tx_interrupts);
			tx_interrupts = 0;
			received = PLUS(received, rx_interrupts);
			card_has = card_has - rx_interrupts;
			rx_interrupts = 0
		}
		available = MINUS(memory[POST_PROD], posted);
		do
		:: atomic {
			post_stalled && card_buffers < HOLDS ->
			post_stalled = false; card_buffers++
		   }
		:: atomic {
			!post_stalled && available > 0 ->
			available--; posted = PLUS(posted, 1); post_stalled = true; card_has++
		   }
		:: atomic { (post_stalled && card_buffers == HOLDS) || (!post_stalled && !available) ->
			break }
		od;
		available = MINUS(memory[TX_PROD], tx);
		do
		:: atomic { tx_stalled && in_card < DEPTH -> tx_stalled = false; in_card++ }
		:: atomic {
			!tx_stalled && available > 0 ->
			available--; tx = PLUS(tx, 1);
			if
			:: tx_stalled = true
			:: sent = PLUS(sent, 1); left++ /* refused: answered here */
			fi
		   }
		:: atomic { (tx_stalled && in_card == DEPTH) || (!tx_stalled && !available) ->
			available = 0; break }
		od;
		/* settle */
		if
		:: tx != tx_shown -> STORE(1, TX_CONS, tx)
		:: else
		fi;
		if
		:: sent != sent_shown -> STORE(1, DONE_PROD, sent)
		:: else
		fi;
		if
		:: received != received_shown -> STORE(1, RX_PROD, received)
		:: else
		fi;
		STORE(1, TX_PROD_EVENT, PLUS(tx, (tx_stalled -> 0 : 1)));
		STORE(1, POST_PROD_EVENT, PLUS(posted, (WANTS_BUFFERS -> 1 : 0)));
		DRIVER_FENCE;
		if
		:: PASSED(tx, tx_shown, memory[TX_CONS_EVENT]) ||
		   PASSED(sent, sent_shown, memory[DONE_PROD_EVENT]) ||
		   PASSED(received, received_shown, memory[RX_PROD_EVENT]) -> send(1, 0)
		:: else
		fi;
		atomic { tx_shown = tx; sent_shown = sent; received_shown = received }
#ifndef BUG_DRIVER_LOOK
		if
		:: WANTS_BUFFERS && memory[POST_PROD] != posted -> goto again
		:: else
		fi;
		if
		:: !tx_stalled && memory[TX_PROD] != tx -> goto again
		:: else
		fi
#endif
	od
}

/* Does one after the other, and interrupts whenever it likes. */
proctype card() {
end:	do
	:: atomic { in_card > 0 -> in_card--; left++; tx_interrupts++; event[1] = true }
	:: atomic {
		card_buffers > 0 && to_come > 0 ->
		card_buffers--; to_come--; rx_interrupts++; event[1] = true
	   }
	od
}

proctype monitor() {
end:	do
	:: timeout -> assert(left == PACKETS && flying <= LAZY && taken == ARRIVALS); break
	od
}

init {
	atomic {
		/* What the driver sets when the session begins. */
		memory[TX_PROD_EVENT] = (START + 1) & 255;
		memory[DONE_PROD_EVENT] = (START + 1) & 255;
		memory[POST_PROD_EVENT] = (START + 1) & 255;
		memory[RX_PROD_EVENT] = (START + 1) & 255;
		run drain_server();
		run drain_driver();
		run server();
		run driver();
		run card();
		run monitor()
	}
}
