/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The virtio network card with a card that is the input: it writes anything into the
 * rings, the headers, the answers to commands and its configuration, at any moment
 * between two calls. A tag comes back once and only while it is in the card, a length
 * within its buffer, a checksum within the packet; after a reset everything works.
 */
#include "../../unit/native/fake_virtio.h"

#include "drivers/virtio_net/spec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct vnet card;
static uint8_t pages[VNET_PAGES * 4096] __attribute__((aligned(4096)));
static struct vnet_memory memory = {.at = pages};
static bool sent[NET_TX_TAGS], posted[NET_RX_TAGS];
static unsigned sent_count, posted_count;

static void send(uint8_t tag, uint8_t b) {
	struct net_segment segments[NET_MAX_SEGMENTS] = {{0}};
	struct net_tx packet = {
		.tag = tag,
		.segments = (uint8_t)(1 + b % NET_MAX_SEGMENTS),
		.flags = b >> 7,
		.gso = b >> 5 & 1 ? NET_GSO_TCP4 : NET_GSO_NONE,
		.queue = b,
	};

	if (sent[tag]) return;
	for (uint32_t i = 0; i < packet.segments; i++)
		segments[i] = (struct net_segment){.address = 4096 * i, .length = 100};
	if (vnet_send(&card, &packet, segments) != VNET_TAKEN) return;
	sent[tag] = true;
	sent_count++;
}

static void post(uint16_t tag) {
	if (posted[tag] || !vnet_post(&card, tag, 2048U * tag)) return;
	posted[tag] = true;
	posted_count++;
}

static void reap(void) {
	struct net_rx packet;
	uint16_t tag;

	for (unsigned n = 0; n < card.pairs; n++) {
		while (vnet_sent(&card, n, &tag)) {
			if (tag >= NET_TX_TAGS || !sent[tag]) abort();
			sent[tag] = false;
			sent_count--;
		}
		while (vnet_received(&card, n, &packet)) {
			uint32_t end = (uint32_t)packet.csum_start + packet.csum_offset + 2;

			if (packet.tag >= NET_RX_TAGS || !posted[packet.tag]) abort();
			if (packet.length > NET_BUFFER || packet.queue != n) abort();
			if (packet.flags & NET_RX_CSUM_BLANK && end > packet.length) abort();
			if (!(packet.flags & NET_RX_BAD) && !packet.length) abort();
			posted[packet.tag] = false;
			posted_count--;
		}
	}
}

/* The card does what it should, but for the length. */
static void answer(uint8_t a, uint8_t value) {
	struct virtq_descriptor d[256];
	unsigned count, queue = a % 9;
	int head = fake.queue[queue].enabled ? fake_take(queue, d, &count) : -1;

	if (head >= 0) fake_answer(queue, (uint32_t)head, value * 16U);
}

/* The card writes wherever it can. */
static void scribble(uint8_t a, uint8_t b, uint8_t value) {
	struct virtqueue *queue = a & 1 ? &card.rx[b % card.pairs] : &card.tx[b % card.pairs];
	struct virtq_rings *rings = a & 2 && card.has_control ? card.control.rings : queue->rings;
	struct virtq_used_entry *entry = &rings->used.ring[b % VIRTQUEUE_MAX];

	switch (a >> 4) {
	case 0: pages[(a * 256U + b) * 64 % sizeof(pages)] = value; break;
	case 1: pages[VNET_FIRST_RX * 4096 + b * VNET_RX_SLOT + 32 + a % 12] = value; break;
	case 2: fake.config[b % sizeof(fake.config)] = value; break;
	case 3: entry->id = value; break;
	case 4: entry->id = entry->length = value * 0x01010101U; break;
	case 5: entry->length = value * 16U; break;
	case 6: pages[VNET_CONTROL_PAGE * 4096 + b % 4 * 1024 + 1023] = value; break;
	case 7: fake.shaky = value & 1; break;
	default: rings->used.index = (uint16_t)(rings->used.index + value % 4); break;
	}
}

static void restart(void) {
	memset(sent, 0, sizeof(sent));
	memset(posted, 0, sizeof(posted));
	sent_count = posted_count = 0;
	if (!vnet_start(&card, 5)) return;
	/* The driver ends here; its successor finds a card that is as it should be. */
	memset(fake.config, 0, sizeof(fake.config));
	fake_set(8, 2, 4);
	if (vnet_start(&card, 5)) abort();
}

static void begin(uint8_t features) {
	for (size_t i = 0; i < VNET_PAGES; i++) memory.address[i] = (uintptr_t)pages + i * 4096;
	memset(&card, 0, sizeof(card));
	fake_device((F_WANTED & ~(VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX)) |
		    (features & 8 ? F_LARGE : 0) | (features & 1 ? VIRTIO_F_INDIRECT_DESC : 0) |
		    (features & 2 ? VIRTIO_F_EVENT_IDX : 0));
	fake.queue_count = 9;
	fake.queue_size = (uint16_t)(features & 4 ? 64 : 256);
	memset(fake.config, 0, sizeof(fake.config));
	fake_set(8, 2, 4);
	card.virtio = (struct virtio){.io = fake_io, .device_size = sizeof(fake.config)};
	card.memory = &memory;
	card.large = features & 16;
	card.buffer = NET_BUFFER;
	restart();
}

static void filter(uint8_t a, uint8_t b) {
	struct net_filter wanted = {.flags = a & 3, .count = b % (NET_MAX_FILTER + 8)};

	for (uint32_t i = 0; i < NET_MAX_FILTER; i++) wanted.address[i].mac[0] = (uint8_t)(a * i);
	vnet_set_filter(&card, &wanted);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	if (!size) return 0;
	begin(data[0]);
	for (size_t i = 1; i + 4 <= size; i += 4) {
		uint8_t a = data[i + 1], b = data[i + 2];

		switch (data[i] % 11) {
		case 0:
		case 1: send(a, b); break;
		case 2:
		case 3: post((a << 8 | b) % NET_RX_TAGS); break;
		case 4: vnet_kick(&card); break;
		case 5:
			reap();
			vnet_control(&card);
			vnet_want_interrupts(&card, b);
			break;
		case 6: filter(a, b); break;
		case 7:
			card.tick += a;
			vnet_missed(&card);
			if (vnet_stuck(&card, 100)) restart();
			break;
		case 8: answer(a, b); break;
		default: scribble(a, b, data[i + 3]); break;
		}
		if (card.tx_in_flight != sent_count || card.rx_in_flight != posted_count) abort();
		if (!card.active || card.active > card.pairs) abort();
	}
	return 0;
}
