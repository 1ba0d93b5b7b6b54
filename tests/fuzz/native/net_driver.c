/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The driver's end of a packet connection, whose server is the input: it writes anything
 * anywhere into the shared pages between any two events. Only what a card can be asked for
 * reaches the card, and a tag is answered once.
 */
#include <stdlib.h>
#include <string.h>

#include "libs/net/driver.h"
#include "tests/unit/native/net_events.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MTU 1500U

static struct net_driver driver;
static bool tx_used[NET_TX_TAGS], rx_used[NET_RX_TAGS]; /* by the card */
static uint32_t tx_count, rx_count, depth;

static void must(bool condition) {
	if (!condition) abort();
}

static bool transmit(void *card, const struct net_tx *packet, const struct net_segment *segments) {
	uint32_t bytes = 0;

	(void)card;
	must(driver.state == NET_DRIVER_UP && net_driver_tx_waits(&driver, packet->tag));
	must(packet->segments && packet->segments <= NET_MAX_SEGMENTS);
	for (uint32_t i = 0; i < packet->segments; i++) {
		must(segments[i].length && segments[i].length <= 4096);
		must((segments[i].address & 4095) + segments[i].length <= 4096);
		bytes += segments[i].length;
	}
	must(bytes >= 14 && bytes <= NET_MAX_PACKET && packet->flags <= NET_TX_CSUM);
	must(!packet->flags || packet->csum_start + packet->csum_offset + 2U <= bytes);
	must(packet->gso ? packet->gso == NET_GSO_TCP4 && packet->flags && packet->gso_size &&
				   packet->header <= segments[0].length && packet->header < bytes
			 : bytes <= MTU + 22);
	if (tx_count >= depth) return false;
	must(!tx_used[packet->tag]);
	tx_used[packet->tag] = true;
	tx_count++;
	return true;
}

static bool post(void *card, uint16_t tag, uint64_t address) {
	(void)card;
	must(net_driver_rx_waits(&driver, tag) && address % driver.buffer_bytes == 0);
	if (rx_count >= depth) return false;
	must(!rx_used[tag]);
	rx_used[tag] = true;
	rx_count++;
	return true;
}

static bool quiesce(void *card) {
	(void)card;
	memset(tx_used, 0, sizeof(tx_used));
	memset(rx_used, 0, sizeof(rx_used));
	tx_count = rx_count = 0;
	return depth % 2;
}

static void set_filter(void *card, const struct net_filter *filter) {
	(void)card;
	must(filter->count <= NET_MAX_FILTER);
}

static const struct net_driver_ops ops = {transmit, post, NULL, quiesce, set_filter};

static void start(uint32_t version) {
	struct net_card card = {.features = NET_TX_CSUM4 | NET_TX_TSO4 | NET_RX_HEADERS,
				.mtu = MTU};

	memset(net_pages, 0, sizeof(net_pages));
	quiesce(NULL);
	net_page()->version = version;
	net_driver_start(&driver, net_pages, NET_DRIVER_PORT, 1, &ops, NULL);
	net_driver_online(&driver, &card);
	net_page()->wanted = 1U << 16 | 1;
	net_driver_work(&driver);
}

/* Nearly right more often than not. */
static void put(const uint8_t *data) {
	uint32_t prod = net_page()->tx.prod, count = data[0] % 24;
	struct net_tx packet = {
		.tag = data[1],
		.segments = (uint8_t)count,
		.flags = data[2] % 3,
		.csum_start = data[3],
		.csum_offset = data[4] % 32,
		.gso = data[2] >> 6,
		.gso_size = (uint16_t)(data[3] * 8),
		.header = data[5],
	};

	memcpy(net_word(prod), &packet, sizeof(packet));
	for (uint32_t i = 0; i < count; i++) {
		struct net_segment segment = {.address = 4096UL * i + 64U * (data[6] % 70),
					      .length = data[7] * 16U};

		memcpy(net_word(prod + 1 + i), &segment, sizeof(segment));
	}
	net_page()->tx.prod = prod + 1 + count;
}

static void put_buffer(const uint8_t *data) {
	uint32_t prod = net_page()->rx_buffer.prod;

	*net_post(prod) = (struct net_rx_buffer){.address = data[2] * (data[3] % 8 ? 2048UL : 1),
						 .tag = (uint16_t)(data[0] | data[1] % 4 << 8)};
	net_page()->rx_buffer.prod = prod + 1;
}

/* The card is done with something, or believes so. */
static void complete(const uint8_t *data) {
	uint16_t tx = data[0], rx = (uint16_t)(data[1] | data[0] % 2 << 8);
	struct net_rx entry = {.tag = rx, .length = 60};

	if (tx_used[tx]) {
		tx_used[tx] = false;
		tx_count--;
		must(net_driver_sent(&driver, tx, 0) || driver.state != NET_DRIVER_UP);
	}
	if (rx_used[rx]) {
		rx_used[rx] = false;
		rx_count--;
		must(net_driver_received(&driver, &entry) || driver.state != NET_DRIVER_UP);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	depth = size ? 1 + data[0] % 40 : 1;
	start(size && data[0] & 1 ? NET_VERSION : NET_OLDEST);
	for (size_t i = 1; i + 9 <= size; i += 9) {
		const uint8_t *d = data + i + 1;

		switch (data[i] % 10) {
		case 0:
			memcpy(net_pages + (d[6] | d[7] << 8) % (sizeof(net_pages) - 4), d, 4);
			break;
		case 1: net_page()->wanted = 1U << 16 | (d[0] & 3); break;
		case 2: net_page()->tx.prod += d[0] % 8; break;
		case 3: net_driver_quiesced(&driver); break;
		case 4: complete(d); break;
		case 5: net_driver_work(&driver); break;
		case 6: put_buffer(d); break;
		case 7: net_page()->filter_wanted += d[0] % 3; break;
		case 8:
			if (d[0] % 16 == 0) quiesce(NULL), net_driver_lost(&driver);
			break;
		default: put(d); break;
		}
	}
	net_driver_work(&driver);
	return 0;
}
