/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The domain around the card: its PCI function, the switch, interrupts, time. It
 * keeps nothing that a successor needs: a network may lose packets.
 *
 * One batch is one wake-up: on an interrupt everything that is done is taken, then
 * shown once, then what the server asked meanwhile is given to the card with one
 * ring of the doorbell. While that goes on the card's interrupts are off, by event
 * indices; with a moderation they stay off until its time is over.
 *
 * A card that keeps a packet for five seconds, or writes nonsense to its rings, is
 * reset, and the session ends: the server asks for a new one. So is a card whose
 * server begins a new session while it has packets or buffers: a reset is the one
 * thing that makes a card of Virtio 1.0 forget them.
 */
#include "card.h"

#include "libs/control/control.h"
#include "libs/event/event.h"
#include "libs/log/log.h"
#include "libs/rt/time.h"

#define BUDGET        VIRTQUEUE_MAX /* of each queue, per wake-up: all, so no packet is torn */
#define TICK          MILLISECONDS(1000)
#define TIMEOUT_TICKS 6U /* at least five seconds */

static struct pci pci;
static struct vnet card;
static struct net_driver net;
static struct event_timer tick_timer, later;
static uint64_t moderation; /* ns between interrupts, at least */
static unsigned vectors;
static bool in_batch;   /* which ends with asking for interrupts */
static bool unfinished; /* an interrupt whose work goes on */

static uint8_t pages[VNET_PAGES * PAGE_SIZE] __attribute__((aligned(4096)));
static struct vnet_memory memory = {.at = pages};

static void show_link(void) {
	bool up = vnet_link(&card);

	if (up == !!(net.flags & NET_PAGE_LINK)) return;
	log_print("the link is %s", up ? "up" : "down");
	net_driver_link(&net, up, card.mbit);
}

/* If the card does not come back, root resets it and starts the driver again. */
static void restart_card(void) {
	const char *why = vnet_start(&card, vectors);

	if (why) rt_panic("after a reset, %s", why);
	unfinished = false;
	show_link();
}

static void recover(const char *reason) {
	log_print("%s: the card is reset, %u packets in flight", reason, card.tx_in_flight);
	net.counters.resets++;
	restart_card();
	net_driver_lost(&net);
}

static bool is_broken(void) {
	for (unsigned n = 0; n < card.pairs; n++)
		if (card.rx[n].broken || card.tx[n].broken) return true;
	return card.has_control && card.control.broken;
}

static unsigned reap_sent(unsigned n) {
	unsigned done = 0;
	uint16_t tag;

	for (; done < BUDGET && vnet_sent(&card, n, &tag); done++)
		net_driver_sent(&net, tag, NET_STATUS_OK);
	return done;
}

static unsigned reap_received(unsigned n) {
	struct net_rx packet;
	unsigned done = 0;

	for (; done < BUDGET && vnet_received(&card, n, &packet); done++) {
		net.counters.rx_errors += !!(packet.flags & NET_RX_BAD);
		net_driver_received(&net, &packet);
	}
	return done;
}

/* Packets that may leave before the server wants to hear of one. */
static uint32_t lazy(void) {
	uint32_t event = __atomic_load_n(&net.page->tx_done.prod_event, __ATOMIC_RELAXED);

	return MIN(event - net.sent - 1, NET_TX_TAGS);
}

/* A batch: what is done, then what the server asks. How much was done; *more: there is more. */
static unsigned batch(bool *more) {
	unsigned total = 0;

	*more = false;
	in_batch = true;
	for (unsigned n = 0; n < card.pairs; n++) {
		unsigned sent = reap_sent(n), received = reap_received(n);

		*more |= sent == BUDGET || received == BUDGET;
		total += sent + received;
	}
	vnet_control(&card);
	if (is_broken()) recover("the rings make no sense");
	net_driver_work(&net);
	in_batch = false;
	return total;
}

/* True: there is no more for now. */
static bool serve(void) {
	bool more;

	batch(&more);
	if (more) return false;
	if (!moderation) return vnet_want_interrupts(&card, lazy());
	if (!later.deadline) event_timer_arm(&later, time_now() + moderation);
	return true;
}

/* Interrupts stay off until a whole interval brings nothing. */
static void on_later(void *context) {
	bool more;

	(void)context;
	if (!batch(&more) && vnet_want_interrupts(&card, lazy())) return;
	event_timer_arm(&later, time_now() + (more ? 0 : moderation));
}

static bool on_interrupt(void *context) {
	(void)context;
	if (!vectors) {
		/* A line may be shared, and reading the reason is what ends the interrupt. */
		uint8_t reason = virtio_isr(&card.virtio);

		if (reason & 2) show_link();
		if (!reason && !unfinished) return true;
	} else if (vectors == 1) {
		show_link();
	}
	unfinished = !serve();
	return !unfinished;
}

static bool on_change(void *context) {
	(void)context;
	show_link();
	unfinished = !serve();
	return !unfinished;
}

static void on_tick(void *context) {
	(void)context;
	card.tick++;
	if (vnet_missed(&card)) log_print("packets came without an interrupt");
	on_later(NULL); /* packets that have left come without one */
	if (vnet_stuck(&card, TIMEOUT_TICKS)) {
		recover("a packet does not leave, or the card has failed");
		net_driver_work(&net);
	}
	event_timer_arm(&tick_timer, time_now() + TICK);
}

/* --- what the server asks for --- */

static bool transmit(void *device, const struct net_tx *packet,
		     const struct net_segment *segments) {
	enum vnet_taken taken = vnet_send(&card, packet, segments);

	(void)device;
	if (taken == VNET_BAD) net_driver_sent(&net, packet->tag, NET_STATUS_BAD);
	return taken != VNET_FULL;
}

static bool post(void *device, uint16_t tag, uint64_t address) {
	(void)device;
	return vnet_post(&card, tag, address);
}

/* What the server asked for by itself: a look at what has left saves interrupts. */
static void kick(void *device) {
	(void)device;
	vnet_kick(&card);
	if (in_batch) return;
	for (unsigned n = 0; n < card.pairs; n++) reap_sent(n);
	if (!later.deadline && !vnet_want_sent(&card, lazy())) event_timer_arm(&later, time_now());
}

static bool quiesce(void *device) {
	bool differs = net.buffer_bytes != card.buffer; /* as it does with the version */

	(void)device;
	card.large = net.version >= 2;
	card.buffer = net.buffer_bytes;
	if (card.tx_in_flight || card.rx_in_flight || differs) restart_card();
	return true;
}

static void filter(void *device, const struct net_filter *wanted) {
	(void)device;
	moderation = wanted->moderation_us * 1000ULL;
	vnet_set_filter(&card, wanted);
}

static const struct net_driver_ops ops = {
	.transmit = transmit, .post = post, .kick = kick, .quiesce = quiesce, .filter = filter};

/* --- bringing it up --- */

/* A card that does not offer it goes past the IOMMU, and has to be told so. */
static void choose_addresses(void) {
	const char *why = virtio_begin(&card.virtio, 0);

	if (why) rt_panic("%s", why);
	pci.machine = !virtio_has(&card.virtio, VIRTIO_F_ACCESS_PLATFORM);
	if (pci.machine && pci.device->flags & PCI_DEVICE_IOMMU)
		log_print("the card goes past the IOMMU (with QEMU: iommu_platform=on), so it "
			  "is trusted");
}

/* The address of a card that has none: always the same, and nobody else's here. */
static void choose_mac(void) {
	uint32_t source = pci.device->function.source;

	card.mac[0] = 2; /* administered locally */
	memcpy(card.mac + 1, &source, sizeof(source));
}

static void bring_up(void) {
	const char *why = virtio_open(&card.virtio, &pci);
	int error;

	if (why) rt_panic("%s", why);
	choose_addresses();
	choose_mac();
	if (!pci_irq_count(&pci)) rt_panic("the card has no interrupt");
	if (pci.device->irq_kind == PCI_IRQ_MSIX) vectors = pci_irq_count(&pci);
	error = pci_dma_map(&pci, pages, VNET_PAGES, 0, memory.address);
	if (error) rt_panic("%u pages cannot be mapped for DMA (%d)", VNET_PAGES, error);
	card.memory = &memory;
	card.large = true;
	card.buffer = NET_BUFFER;
	why = vnet_start(&card, vectors);
	if (why) rt_panic("%s", why);
}

static void go_online(void) {
	struct net_card is = {
		.features = card.features,
		.mtu = card.mtu,
		.queues = card.pairs,
		.machine = pci.machine,
	};

	memcpy(is.mac, card.mac, sizeof(is.mac));
	log_print("%02x:%02x:%02x:%02x:%02x:%02x, %u queues, MTU %u, features 0x%x", is.mac[0],
		  is.mac[1], is.mac[2], is.mac[3], is.mac[4], is.mac[5], is.queues, is.mtu,
		  is.features);
	net_driver_online(&net, &is);
	show_link();
}

void native_main(void) {
	unsigned used;
	int error;

	control_init(NULL, NULL);
	tick_timer.handler = on_tick;
	later.handler = on_later;
	error = net_driver_attach(&net, 0, &ops, NULL);
	if (error) rt_panic("no switch is connected (%d)", error);
	pci_open(&pci, 0);
	bring_up();
	go_online();
	used = vnet_vectors(&card, vectors);
	for (unsigned n = 0; n < used; n++)
		pci_irq(&pci, n, used > 1 && n == used - 1 ? on_change : on_interrupt, NULL);
	event_timer_arm(&tick_timer, time_now() + TICK);
	event_loop();
}
