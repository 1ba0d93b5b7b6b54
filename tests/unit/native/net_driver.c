/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the driver's end of a packet connection lets through to the card: a table of
 * packets and buffers, each with one thing wrong, and the right one beside it. The
 * fuzzer of the same name finds what the table does not think of; net_pair runs both ends.
 */
#include "libs/net/driver.h"

#include "tests/unit/native/native.h"
#include "tests/unit/native/net_events.h"

#define MTU 1500U

static struct net_driver driver;
static uint32_t transmits, posts;

static bool transmit(void *card, const struct net_tx *packet, const struct net_segment *segments) {
	(void)card, (void)packet, (void)segments;
	transmits++;
	return true;
}

static bool post(void *card, uint16_t tag, uint64_t address) {
	(void)card, (void)tag, (void)address;
	posts++;
	return true;
}

static bool quiesce(void *card) {
	(void)card;
	return true;
}

static void set_filter(void *card, const struct net_filter *filter) { (void)card, (void)filter; }

static const struct net_driver_ops ops = {transmit, post, NULL, quiesce, set_filter};

static void begin(uint32_t features) {
	struct net_card card = {.features = features, .mtu = MTU};

	memset(net_pages, 0, sizeof(net_pages));
	transmits = posts = 0;
	net_page()->version = NET_VERSION;
	net_driver_start(&driver, net_pages, NET_DRIVER_PORT, 1, &ops, NULL);
	net_driver_online(&driver, &card);
	net_page()->wanted = 1U << 16 | 1;
	net_driver_work(&driver);
	CHECK(driver.state == NET_DRIVER_UP);
}

/* A packet with a header in its first segment, and the second that the table wants. */
struct sample {
	const char *what;
	uint32_t features;
	struct net_tx packet; /* tag and segments apart */
	struct net_segment segments[2];
};

#define GOOD                                                                            \
	{                                                                               \
		{.address = 0x1000, .length = 54}, { .address = 0x2000, .length = 446 } \
	}
#define FULL                                                                             \
	{                                                                                \
		{.address = 0x1000, .length = 54}, { .address = 0x2000, .length = 4096 } \
	}
#define CSUM .flags = NET_TX_CSUM, .csum_start = 34, .csum_offset = 16
#define TSO  CSUM, .gso = NET_GSO_TCP4, .gso_size = 1446, .header = 54
#define SECOND(at, bytes)                                                                 \
	{                                                                                 \
		{.address = 0x1000, .length = 54}, { .address = (at), .length = (bytes) } \
	}

static const struct sample right[] = {
	{"plain", 0, {0}, GOOD},
	{"as long as it may be", 0, {0}, SECOND(0x2000, MTU + 22 - 54)},
	{"at the end of its page", 0, {0}, SECOND(0x2fff, 1)},
	{"checksum", NET_TX_CSUM4, {CSUM}, GOOD},
	{"to be cut", NET_TX_CSUM4 | NET_TX_TSO4, {TSO}, FULL},
};

static const struct sample wrong[] = {
	{"too long", 0, {0}, SECOND(0x2000, MTU + 23 - 54)},
	{"an empty segment", 0, {0}, SECOND(0x2000, 0)},
	{"an empty segment within a page", 0, {0}, SECOND(0x2040, 0)},
	{"out of its page", 0, {0}, SECOND(0x2fff, 2)},
	{"more than a page", NET_TX_CSUM4 | NET_TX_TSO4, {TSO}, SECOND(0x2000, 4097)},
	{"a length that wraps", 0, {0}, SECOND(0x2000, 0xffffffff)},
	{"a flag that nobody knows", NET_TX_CSUM4, {.flags = 0x80}, GOOD},
	{"a checksum that the card cannot do", 0, {CSUM}, GOOD},
	{"a checksum behind the end", NET_TX_CSUM4, {.flags = 1, .csum_start = 499}, GOOD},
	{"to be cut by a card that cannot", NET_TX_CSUM4, {TSO}, FULL},
	{"TCP over IPv6, where the card can do IPv4",
	 NET_TX_CSUM4 | NET_TX_TSO4,
	 {CSUM, .gso = NET_GSO_TCP6, .gso_size = 1446, .header = 54},
	 FULL},
	{"a kind of cutting that nobody knows",
	 NET_TX_CSUM4 | NET_TX_TSO4 | NET_TX_TSO6,
	 {CSUM, .gso = NET_GSO_TCP6 + 1, .gso_size = 1446, .header = 54},
	 FULL},
	{"cut into nothing",
	 NET_TX_CSUM4 | NET_TX_TSO4,
	 {CSUM, .gso = NET_GSO_TCP4, .header = 54},
	 FULL},
	{"cut larger than the MTU",
	 NET_TX_CSUM4 | NET_TX_TSO4,
	 {CSUM, .gso = NET_GSO_TCP4, .gso_size = 1469, .header = 54},
	 FULL},
	{"cut without a checksum",
	 NET_TX_CSUM4 | NET_TX_TSO4,
	 {.csum_start = 34, .gso = NET_GSO_TCP4, .gso_size = 1446, .header = 54},
	 FULL},
	{"headers beyond the first segment",
	 NET_TX_CSUM4 | NET_TX_TSO4,
	 {CSUM, .gso = NET_GSO_TCP4, .gso_size = 1446, .header = 55},
	 FULL},
	{"no room for TCP's header",
	 NET_TX_CSUM4 | NET_TX_TSO4,
	 {CSUM, .gso = NET_GSO_TCP4, .gso_size = 1446, .header = 53},
	 FULL},
};

static void send(const struct sample *sample) {
	struct net_tx packet = sample->packet;

	begin(sample->features);
	packet.tag = 7;
	packet.segments = 2;
	memcpy(net_word(0), &packet, sizeof(packet));
	memcpy(net_word(1), &sample->segments[0], sizeof(struct net_segment));
	memcpy(net_word(2), &sample->segments[1], sizeof(struct net_segment));
	net_page()->tx.prod = 3;
	net_driver_work(&driver);
}

static void test_packets(void) {
	for (uint32_t i = 0; i < ARRAY_SIZE(right); i++) {
		send(&right[i]);
		if (transmits != 1) printf("# %s\n", right[i].what);
		CHECK(transmits == 1 && !driver.counters.tx_refused);
	}
	for (uint32_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		send(&wrong[i]);
		if (transmits) printf("# %s\n", wrong[i].what);
		CHECK(!transmits && driver.counters.tx_refused == 1);
		CHECK(net_page()->tx_done.prod == 1 && net_done(0)->tag == 7 &&
		      net_done(0)->status == NET_STATUS_BAD);
	}
}

static void test_buffers(void) {
	static const struct net_rx_buffer bad[] = {
		{.address = 0x1000, .tag = NET_RX_TAGS}, /* no such tag */
		{.address = 0x1800, .tag = 2},           /* not at a buffer's place */
		{.address = 0x1000, .tag = 1},           /* in use */
	};

	begin(0);
	*net_post(0) = (struct net_rx_buffer){.address = 0x3000, .tag = 1};
	memcpy(net_post(1), bad, sizeof(bad));
	net_page()->rx_buffer.prod = 1 + ARRAY_SIZE(bad);
	net_driver_work(&driver);
	CHECK(posts == 1 && driver.dropped == ARRAY_SIZE(bad) && net_driver_rx_waits(&driver, 1));
}

/* An index that cannot be ends the session, and nothing of it reaches the card. */
static void test_indices(void) {
	begin(0);
	net_page()->tx.prod = NET_TX_WORDS + 1;
	net_driver_work(&driver);
	CHECK(driver.state == NET_DRIVER_IDLE && driver.broken == 1 && !transmits);
	begin(0);
	net_page()->rx_buffer.prod = NET_RX_TAGS + 1;
	net_driver_work(&driver);
	CHECK(driver.state == NET_DRIVER_IDLE && driver.broken == 1 && !posts);
}

static const struct test tests[] = {
	{"what a card may be asked to transmit", test_packets},
	{"buffers", test_buffers},
	{"impossible indices", test_indices},
};

int main(void) { return RUN("net_driver", tests); }
