/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The domain around the card: its PCI function, the switch, interrupts, time. It
 * keeps nothing that a successor needs: a network may lose packets.
 *
 * One batch is one wake-up: everything that is done is taken, then shown once, then
 * what the server asked meanwhile is given to the card with one write for each ring.
 * Interrupts for packets that have left are on only while the server waits for one;
 * how close interrupts may follow each other is the card's to keep (ITR).
 *
 * A card that keeps a packet for five seconds is reset, and the session ends: the
 * server asks for a new one. So is a card that holds packets or buffers when a new
 * session begins. Without a link nothing is given to the card: it would keep it.
 */
#include "card.h"

#include "libs/control/control.h"
#include "libs/event/event.h"
#include "libs/log/log.h"
#include "libs/pci/pci.h"
#include "libs/rt/time.h"

#define TICK          MILLISECONDS(1000)
#define TIMEOUT_TICKS 6U /* at least five seconds */

static struct pci pci;
static struct e1000e card;
static struct net_driver net;
static struct event_timer tick_timer, later;
static bool in_batch;   /* which ends with asking for interrupts */
static bool unfinished; /* an interrupt whose work goes on */

static uint8_t pages[E1000E_PAGES * PAGE_SIZE] __attribute__((aligned(4096)));

static uint32_t read_register(void *context, uint32_t at) {
	return mmio_read32((uint8_t *)context + at);
}

static void write_register(void *context, uint32_t at, uint32_t value) {
	mmio_write32((uint8_t *)context + at, value);
}

static void wait(void *context, uint32_t microseconds) {
	(void)context;
	time_sleep(microseconds * 1000ULL);
}

/* shown: as the server knows it; a reset does not make it go up and down. */
static void show_link(void) {
	bool shown = net.flags & NET_PAGE_LINK;
	uint32_t mbit;

	(void)e1000e_look_at_link(&card, &mbit);
	if (card.link == shown) return;
	log_print("the link is %s, %u Mbit/s", card.link ? "up" : "down", mbit);
	net_driver_link(&net, card.link, mbit);
}

/* If the card does not come back, root resets it and starts the driver again. */
static void restart_card(void) {
	const char *why = e1000e_start(&card);

	if (why) rt_panic("after a reset, %s", why);
	show_link();
}

static void recover(void) {
	log_print("a packet does not leave: the card is reset, %u packets in flight",
		  e1000e_in_flight(&card));
	net.counters.resets++;
	restart_card();
	net_driver_lost(&net);
}

/* --- batches --- */

static unsigned reap_sent(void) {
	unsigned done = 0;
	uint16_t tag;

	for (; done < E1000E_RING && e1000e_sent(&card, &tag); done++)
		net_driver_sent(&net, tag, NET_STATUS_OK);
	return done;
}

static unsigned reap_received(void) {
	struct net_rx packet;
	unsigned done = 0;

	for (; done < E1000E_RING && e1000e_received(&card, &packet); done++) {
		net.counters.rx_errors += !!(packet.flags & NET_RX_BAD);
		net_driver_received(&net, &packet);
	}
	return done;
}

/* The server would like to hear of the next packet that has left. */
static bool is_awaited(void) {
	uint32_t event = __atomic_load_n(&net.page->tx_done.prod_event, __ATOMIC_RELAXED);

	return event - net.sent - 1 < e1000e_in_flight(&card);
}

/* A batch: what is done, then what the server asks. True: there is no more for now. */
static bool serve(void) {
	bool more;

	in_batch = true;
	more = reap_sent() == E1000E_RING;
	more |= reap_received() == E1000E_RING;
	net_driver_work(&net);
	in_batch = false;
	return !more && e1000e_want_interrupts(&card, is_awaited());
}

static void on_later(void *context) {
	(void)context;
	if (!serve()) event_timer_arm(&later, time_now());
}

/* The queues have a message for themselves, which needs no acknowledgement by a register. */
static bool on_queues(void *context) {
	(void)context;
	return serve();
}

static bool on_change(void *context) {
	(void)context;
	e1000e_causes(&card);
	show_link();
	return serve();
}

/* One interrupt for all, perhaps a line that others share. */
static bool on_interrupt(void *context) {
	uint32_t causes = e1000e_causes(&card);

	(void)context;
	if (causes & CAUSE_LINK) show_link();
	if (!causes && !unfinished && !card.vectors) return true;
	unfinished = !serve();
	return !unfinished;
}

static void on_tick(void *context) {
	(void)context;
	card.tick++;
	e1000e_count(&card, &net.counters);
	show_link();
	on_later(NULL);
	if (e1000e_stuck(&card, TIMEOUT_TICKS)) {
		recover();
		net_driver_work(&net);
	}
	event_timer_arm(&tick_timer, time_now() + TICK);
}

/* --- what the server asks for --- */

static bool transmit(void *device, const struct net_tx *packet,
		     const struct net_segment *segments) {
	enum e1000e_taken taken;

	(void)device;
	if (!card.link) {
		net_driver_sent(&net, packet->tag, NET_STATUS_IO);
		return true;
	}
	taken = e1000e_send(&card, packet, segments);
	if (taken == E1000E_BAD) net_driver_sent(&net, packet->tag, NET_STATUS_BAD);
	return taken != E1000E_FULL;
}

static bool post(void *device, uint16_t tag, uint64_t address) {
	(void)device;
	return e1000e_post(&card, tag, address);
}

/* A look at what has left already saves interrupts. */
static void kick(void *device) {
	(void)device;
	e1000e_kick(&card);
	reap_sent();
	if (in_batch) return;
	if (is_awaited() && !card.sent_wanted && !e1000e_want_interrupts(&card, true))
		event_timer_arm(&later, time_now());
}

static bool quiesce(void *device) {
	bool large = net.version >= 2, differs = large != card.large;

	(void)device;
	card.large = large;
	if (e1000e_in_flight(&card) || e1000e_buffers(&card) || differs) restart_card();
	return true;
}

static void filter(void *device, const struct net_filter *wanted) {
	(void)device;
	e1000e_set_filter(&card, wanted);
}

static const struct net_driver_ops ops = {
	.transmit = transmit, .post = post, .kick = kick, .quiesce = quiesce, .filter = filter};

/* --- bringing it up --- */

static void bring_up(void) {
	const char *why;
	int error;

	card.io = (struct e1000e_io){
		.context = pci_map_bar(&pci, 0, 0, REGISTERS),
		.read = read_register,
		.write = write_register,
		.wait = wait,
	};
	if (!card.io.context) rt_panic("the card has no registers in BAR 0");
	if (!pci_irq_count(&pci)) rt_panic("the card has no interrupt");
	if (pci.device->irq_kind == PCI_IRQ_MSIX) card.vectors = pci_irq_count(&pci);
	card.memory.at = pages;
	card.large = true;
	error = pci_dma_map(&pci, pages, E1000E_PAGES, 0, card.memory.address);
	if (error) rt_panic("%u pages cannot be mapped for DMA (%d)", E1000E_PAGES, error);
	why = e1000e_start(&card);
	if (why) rt_panic("%s", why);
}

static void go_online(void) {
	struct net_card is = {
		.features =
			NET_TX_CSUM4 | NET_TX_CSUM6 | NET_TX_TSO4 | NET_TX_TSO_BARE | NET_RX_CSUM,
		.mtu = E1000E_MTU,
		.queues = 1,
	};

	memcpy(is.mac, card.mac, sizeof(is.mac));
	log_print("%02x:%02x:%02x:%02x:%02x:%02x, MTU %u, features 0x%x", is.mac[0], is.mac[1],
		  is.mac[2], is.mac[3], is.mac[4], is.mac[5], is.mtu, is.features);
	net_driver_online(&net, &is);
	show_link();
}

void native_main(void) {
	int error;

	control_init(NULL, NULL);
	tick_timer.handler = on_tick;
	later.handler = on_later;
	error = net_driver_attach(&net, 0, &ops, NULL);
	if (error) rt_panic("no switch is connected (%d)", error);
	pci_open(&pci, 0);
	bring_up();
	go_online();
	if (card.vectors > 1) {
		pci_irq(&pci, 0, on_queues, NULL);
		pci_irq(&pci, 1, on_change, NULL);
	} else {
		pci_irq(&pci, 0, on_interrupt, NULL);
	}
	event_timer_arm(&tick_timer, time_now() + TICK);
	event_loop();
}
