/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The 82574 with a card that is the input: it writes anything into its rings and
 * registers between two calls. Tags come back in the order in which they were given,
 * each once, a length within its buffer; after a start everything works.
 */
#include "../../unit/native/fake_e1000e.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct e1000e card;
static uint8_t pages[E1000E_PAGES * 4096] __attribute__((aligned(4096)));
static struct {
	uint16_t tag[E1000E_RING];
	unsigned head, tail;
} sent, posted;

static void send(uint8_t tag, uint8_t b, uint8_t c) {
	struct net_segment segments[NET_MAX_SEGMENTS] = {{0}};
	struct net_tx packet = {
		.tag = tag,
		.segments = (uint8_t)(1 + b % NET_MAX_SEGMENTS),
		.flags = b >> 7,
		.csum_start = c,
		.csum_offset = b & 64 ? 16 : 6,
		.gso = b >> 7 && b & 32 ? NET_GSO_TCP4 : NET_GSO_NONE,
		.header = c + 20U,
		.network = 14,
	};

	for (uint32_t i = 0; i < packet.segments; i++)
		segments[i] = (struct net_segment){.address = 4096 * i, .length = 300};
	if (e1000e_send(&card, &packet, segments) != E1000E_TAKEN) return;
	sent.tag[sent.tail++ % E1000E_RING] = tag;
}

static void reap(void) {
	struct net_rx packet = {0};
	uint16_t tag;

	while (e1000e_sent(&card, &tag))
		if (sent.head == sent.tail || tag != sent.tag[sent.head++ % E1000E_RING]) abort();
	while (e1000e_received(&card, &packet)) {
		if (posted.head == posted.tail) abort();
		if (packet.tag != posted.tag[posted.head++ % E1000E_RING]) abort();
		if (packet.length > E1000E_BUFFER) abort();
		if (!(packet.flags & NET_RX_BAD) && !packet.length) abort();
	}
	if (packet.flags & NET_RX_MORE) abort(); /* a packet comes as a whole */
}

/* The card writes wherever it can. */
static void scribble(uint8_t a, uint8_t b, uint8_t value) {
	struct descriptor *d = (struct descriptor *)pages + (a & 1) * E1000E_RING + b;
	const uint64_t plausible = RX_DONE | RX_END | RX_TCP_CHECKED;

	switch (a >> 5) {
	case 0: d->word |= 1ULL << value % 64; break;
	case 1: d->word &= ~(1ULL << value % 64); break;
	case 2: d->address = value * 0x0101010101010101U; break;
	case 3: d->word = value * 0x0101010101010101U; break;
	case 4: memset(pages + (a & 1) * 4096, value, 4096); break;
	case 5: fake_set(STATUS, value); break;
	case 6:
		card.rx.descriptors[card.rx.head % E1000E_RING].word = plausible | value * 16U;
		break;
	default: fake_set(b * 4, value * 0x01010101U); break;
	}
}

static void restart(uint8_t how) {
	sent.head = sent.tail = posted.head = posted.tail = 0;
	card.vectors = how % 3;
	card.large = how & 16;
	fake.never_idle = how & 4;
	fake.never_resets = how & 8;
	if (!e1000e_start(&card)) return;
	/* The driver ends here; its successor finds a card that is as it should be. */
	fake_device();
	if (e1000e_start(&card)) abort();
}

static void begin(uint8_t how) {
	memset(&card, 0, sizeof(card));
	fake_device();
	card.io = fake_io;
	card.memory.at = pages;
	for (unsigned i = 0; i < E1000E_PAGES; i++)
		card.memory.address[i] = (uintptr_t)pages + i * 4096;
	restart(how);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	struct net_filter filter = {0};
	uint32_t mbit;

	if (!size) return 0;
	begin(data[0]);
	for (size_t i = 1; i + 4 <= size; i += 4) {
		uint8_t a = data[i + 1], b = data[i + 2], c = data[i + 3];

		switch (data[i] % 8) {
		case 0: send(a, b, c); break;
		case 1:
			if (e1000e_post(&card, a, 4096U * a))
				posted.tag[posted.tail++ % E1000E_RING] = a;
			break;
		case 2: e1000e_kick(&card); break;
		case 3:
			reap();
			e1000e_want_interrupts(&card, a & 1);
			break;
		case 4:
			filter.count = b % NET_MAX_FILTER;
			filter.flags = a & 3;
			filter.address[0].mac[0] = c;
			e1000e_set_filter(&card, &filter);
			break;
		case 5:
			card.tick += a;
			e1000e_causes(&card);
			e1000e_look_at_link(&card, &mbit);
			if (e1000e_stuck(&card, 100)) restart(b);
			break;
		default: scribble(a, b, c); break;
		}
		if (e1000e_in_flight(&card) != sent.tail - sent.head) abort();
		if (e1000e_buffers(&card) != posted.tail - posted.head) abort();
		if (card.tx.tail - card.tx.head >= E1000E_RING) abort();
	}
	return 0;
}
