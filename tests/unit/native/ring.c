/* SPDX-License-Identifier: BSD-2-Clause */
/* The native ring: order, notification, restart of either end, peers that lie. */
#include "native.h"

#include "libs/ring/ring.h"

#define SIZE 8U

static struct ring_header header;
static uint32_t data[SIZE];
static struct ring producer, consumer;

static void start_at(uint32_t index) {
	memset(&header, 0, sizeof(header));
	header.prod = header.cons = index;
	ring_attach_producer(&producer, &header, data, SIZE, sizeof(*data));
	ring_attach_consumer(&consumer, &header, data, SIZE, sizeof(*data));
}

static void test_order(void) {
	uint32_t in[SIZE + 3], out[SIZE + 3];

	/* The indices wrap in the middle. */
	start_at(UINT32_MAX - 2);
	for (uint32_t i = 0; i < SIZE + 3; i++) in[i] = 100 + i;
	CHECK(ring_put(&producer, in, SIZE + 3) == SIZE);
	CHECK(ring_available(&consumer) == 0);
	ring_publish(&producer);
	CHECK(ring_available(&consumer) == SIZE && ring_space(&producer) == 0);
	CHECK(ring_peek(&consumer, 3, out, 2) && out[0] == 103 && out[1] == 104);
	CHECK(!ring_peek(&consumer, 7, out, 2));
	CHECK(ring_get(&consumer, out, SIZE + 3) == SIZE);
	for (uint32_t i = 0; i < SIZE; i++) CHECK(out[i] == 100 + i);
	CHECK(ring_space(&producer) == 0);
	ring_release(&consumer);
	CHECK(ring_space(&producer) == SIZE && ring_unread(&producer) == 0);
}

static void test_notification(void) {
	uint32_t value = 1, out[SIZE];

	start_at(0);
	CHECK(!ring_want_data(&consumer));
	ring_put(&producer, &value, 1);
	CHECK(ring_publish(&producer));
	/* The consumer has been told; it did not ask again. */
	ring_put(&producer, &value, 1);
	CHECK(!ring_publish(&producer));
	CHECK(!ring_publish(&producer));
	CHECK(ring_want_data(&consumer));
	while (ring_put(&producer, &value, 1)) ring_publish(&producer);
	/* Space for three: told at the third, not before, and not after. */
	CHECK(!ring_want_space(&producer, 3));
	ring_get(&consumer, out, 2);
	CHECK(!ring_release(&consumer));
	ring_get(&consumer, out, 1);
	CHECK(ring_release(&consumer));
	ring_get(&consumer, out, 1);
	CHECK(!ring_release(&consumer));
	CHECK(ring_want_space(&producer, 3));
	CHECK(!ring_want_drained(&producer));
	ring_get(&consumer, out, 3);
	CHECK(!ring_release(&consumer));
	ring_get(&consumer, out, 3);
	CHECK(ring_release(&consumer));
	CHECK(ring_want_drained(&producer));
}

static void test_lies(void) {
	uint32_t value = 7;

	start_at(5);
	header.prod = 5 + SIZE + 1;
	CHECK(ring_available(&consumer) == 0 && consumer.broken);
	header.prod = 6;
	CHECK(ring_available(&consumer) == 0 && !ring_get(&consumer, &value, 1));

	start_at(5);
	header.cons = 6;
	CHECK(ring_space(&producer) == 0 && producer.broken);
	CHECK(!ring_put(&producer, &value, 1) && !ring_publish(&producer));
	CHECK(header.prod == 5);
}

/* Both ends die and come back at random moments: nothing is lost or doubled. */
static void test_restarts(void) {
	uint32_t next_in = 0, next_out = 0;

	start_at(UINT32_MAX - 1000);
	for (unsigned i = 0; i < 200000; i++) {
		uint32_t batch[3] = {next_in, next_in + 1, next_in + 2}, put, got;

		switch (noise() % 8) {
		case 0: ring_attach_producer(&producer, &header, data, SIZE, sizeof(*data)); break;
		case 1: ring_attach_consumer(&consumer, &header, data, SIZE, sizeof(*data)); break;
		case 2:
		case 3:
		case 4:
			put = ring_put(&producer, batch, 1 + noise() % 3);
			if (noise() % 4 == 0) { /* dies before it shows them */
				ring_attach_producer(&producer, &header, data, SIZE, sizeof(*data));
				break;
			}
			ring_publish(&producer);
			next_in += put;
			break;
		default:
			got = ring_get(&consumer, batch, 1 + noise() % 3);
			for (uint32_t k = 0; k < got; k++) CHECK(batch[k] == next_out + k);
			if (noise() % 4 == 0) { /* dies before it has taken them */
				ring_attach_consumer(&consumer, &header, data, SIZE, sizeof(*data));
				break;
			}
			ring_release(&consumer);
			next_out += got;
		}
		CHECK(!producer.broken && !consumer.broken);
		CHECK(next_in - next_out <= SIZE);
	}
	CHECK(next_out > 10000);
}

int main(void) {
	static const struct test tests[] = {
		{"order across the wrap of indices", test_order},
		{"who is told when", test_notification},
		{"a peer that lies breaks the ring for good", test_lies},
		{"either end is restarted", test_restarts},
	};

	return RUN("ring", tests);
}
