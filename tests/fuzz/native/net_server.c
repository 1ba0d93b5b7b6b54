/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The switch's end of a packet connection, whose driver is the input: it writes anything
 * anywhere into the shared pages between any two events. A tag that was given out comes back
 * once, what is received has lengths that can be, and a session's end forgets all.
 */
#include <stdlib.h>
#include <string.h>

#include "libs/net/server.h"
#include "tests/unit/native/net_events.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct net_server server;
static bool tx_out[NET_TX_TAGS], rx_out[NET_RX_TAGS], is_up;

static void must(bool condition) {
	if (!condition) abort();
}

static void forget(void) {
	memset(tx_out, 0, sizeof(tx_out));
	memset(rx_out, 0, sizeof(rx_out));
}

static void post(uint32_t count) {
	while (count--) {
		int tag = net_server_post(&server, 2048UL * count);

		if (tag < 0) return;
		must(tag < (int)NET_RX_TAGS && !rx_out[tag]);
		rx_out[tag] = true;
	}
}

static void transmit(uint32_t segments) {
	struct net_tx packet = {.segments = (uint8_t)(1 + segments % NET_MAX_SEGMENTS)};
	struct net_segment segment[NET_MAX_SEGMENTS] = {{.length = 64}};
	int tag = net_server_transmit(&server, &packet, segment);

	if (tag < 0) return;
	must(is_up && tag < (int)NET_TX_TAGS && !tx_out[tag]);
	tx_out[tag] = true;
}

static void on_up(void *context) {
	(void)context;
	must(!is_up);
	is_up = true;
	must(server.mtu >= 68 && server.mtu <= 65535);
	post(100);
}

static void on_down(void *context) {
	(void)context;
	must(is_up);
	is_up = false;
	forget();
}

static void on_sent(void *context, uint16_t tag, uint32_t status) {
	(void)context;
	must(is_up && tx_out[tag] && status <= NET_STATUS_RESET);
	tx_out[tag] = false;
}

static void on_received(void *context, const struct net_rx *entries, uint32_t count) {
	uint32_t bytes = 0;

	(void)context;
	must(is_up && count && count <= NET_SERVER_ENTRIES);
	for (uint32_t i = 0; i < count; i++) {
		must(rx_out[entries[i].tag]);
		rx_out[entries[i].tag] = false;
		bytes += entries[i].length;
		if (entries[0].flags & NET_RX_BAD) continue;
		must(entries[i].length && entries[i].length <= NET_BUFFER);
	}
	if (entries[0].flags & NET_RX_BAD) return;
	if (entries[0].flags & NET_RX_CSUM_BLANK)
		must(entries[0].csum_start + entries[0].csum_offset + 2U <= bytes);
	must(entries[0].gso <= NET_GSO_TCP6);
	if (entries[0].gso) must(entries[0].gso_size && entries[0].flags & NET_RX_CSUM_BLANK);
}

static void on_batch(void *context) {
	(void)context;
	post(10);
}

static void on_nothing(void *context) { (void)context; }

/* Whatever the input says next. */
static struct net_header next_header;

static void on_header(void *context, uint16_t tag, struct net_header *header) {
	(void)context;
	must(is_up && server.skip && rx_out[tag]);
	*header = next_header;
}

static const struct net_server_ops ops = {on_up,     on_down,  on_sent,    on_received,
					  on_header, on_batch, on_nothing, on_nothing};

/* features: of the card; version: that its driver speaks. */
static void start(uint32_t features, uint32_t version) {
	memset(net_pages, 0, sizeof(net_pages));
	is_up = false;
	forget();
	net_server_start(&server, net_pages, NET_SERVER_PORT, &ops, NULL);
	net_page()->driver = 1;
	net_page()->speaks = NET_SPEAKS(version, 1U);
	net_page()->features = features;
	net_server_work(&server);
	net_page()->session = net_page()->wanted;
	net_server_work(&server);
	must(is_up);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	if (!size) return 0;
	start(data[0], data[0] & 1 ? 2 : data[0] >> 1);
	for (size_t i = 1; i + 9 <= size; i += 9) {
		const uint8_t *d = data + i + 1;
		uint16_t pair[2];

		memcpy(pair, d, sizeof(pair));
		switch (data[i] % 11) {
		case 0:
			memcpy(net_pages + (d[6] | d[7] << 8) % (sizeof(net_pages) - 4), d, 4);
			break;
		case 1:
			*net_done(net_page()->tx_done.prod++) =
				(struct net_tx_done){.tag = d[0], .status = d[1] % 5};
			break;
		case 2: net_server_work(&server); break;
		case 3: net_page()->session = net_page()->wanted; break;
		case 4: transmit(d[0]); break;
		case 5: net_server_publish(&server); break;
		case 10:
			memcpy(&next_header, d, 8);
			next_header.buffers = d[7] % 24;
			break;
		case 6: net_page()->tx.cons += d[0] % 32; break;
		case 7:
			if (d[0] % 32 == 0) net_server_renew(&server);
			break;
		default:
			*net_entry(net_page()->rx.prod++) = (struct net_rx){
				.tag = pair[0] % 600,
				.flags = d[2] % 16,
				.length = d[3] % 16 ? d[4] * 8U : pair[1],
				.csum_start = d[5],
				.csum_offset = d[6],
				.gso_size = d[5],
				.gso = d[6] % 4,
			};
			break;
		}
	}
	net_server_work(&server);
	return 0;
}
