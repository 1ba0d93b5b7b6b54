/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Guests that ring for nothing. Each event wakes us, before whoever runs, and that costs several
 * times what it costs the guest to send it: one that does nothing else would take its neighbours'
 * time in our name. So events that bring nothing are paid for with time, some of which may be
 * saved up. Who has none left is not listened to for a while, and looked at when that is over.
 * A frontend rings when it has put something into a ring, so only a race makes it ring for nothing.
 *
 * That is a token bucket as libs/bucket has them, in one word: the time up to which is paid. With
 * the 50 ms that those save up a guest could ring a thousand times at once.
 */
#include "libs/log/log.h"
#include "switch.h"

#define PRICE  50000U   /* ns: of one event */
#define SAVED  64U      /* events */
#define DEAF   1000000U /* ns */
#define SPEECH 10000000000U

/* There is more in a ring than when it was rung for last; requests that wait are no news. */
static bool has_news(struct ring *ring) {
	uint32_t prod = __atomic_load_n(&ring->shared->req_prod, __ATOMIC_ACQUIRE);
	bool news = prod != ring->rung_for;

	ring->rung_for = prod;
	return news;
}

static void idle(struct port *port, uint64_t now) {
	struct vif *vif = &port->vif;
	const uint64_t saved = (uint64_t)PRICE * SAVED;

	vif->kicks_paid = MAX(vif->kicks_paid, now > saved ? now - saved : 0) + PRICE;
	if (vif->kicks_paid <= now || vif->deaf_until) return;
	vif->deaf_until = now + DEAF;
	sw.deaf |= 1ULL << port_index(port);
	link_listen(port, false);
	pump_soon(); /* which sets the timer */
	if (now < vif->kicks_told) return;
	vif->kicks_told = now + SPEECH;
	log_print("%s rings for nothing: it is looked at once in a while", port->name);
}

/* New buffers are only of interest while frames wait, and the pump looks at those. */
void kick_heard(struct queue *queue, bool tx, bool rx, uint64_t now) {
	struct port *port = queue_port(queue);
	bool sent = tx && has_news(&queue->tx), posted = rx && has_news(&queue->rx);

	if (sent) sw.ready |= 1ULL << port_index(port);
	if (sent || sw.starved >> port_index(port) & 1) pump_soon();
	if (!sent && !posted) idle(port, now);
}

void kick_forget(struct port *port) {
	port->vif.kicks_paid = port->vif.deaf_until = 0;
	sw.deaf &= ~(1ULL << port_index(port));
}

void kick_listen(void) {
	for (uint64_t bits = sw.deaf; bits; bits &= bits - 1) {
		uint32_t n = (uint32_t)__builtin_ctzll(bits);
		struct vif *vif = &sw.port[n].vif;

		if (sw.now < vif->deaf_until) {
			sw_wake_at(vif->deaf_until);
			sw.ready |= 1ULL << n;
			continue;
		}
		sw.deaf &= ~(1ULL << n);
		vif->deaf_until = 0;
		link_listen(&sw.port[n], true);
		sw.ready |= 1ULL << n;
	}
}
