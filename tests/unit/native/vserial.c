/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The virtio console as a serial line: bytes in both directions and in order, whoever is slow;
 * what is under way when a driver dies; a device that lies about what it has written, answers
 * what nobody asked, or says nothing; a server whose indices are impossible.
 */
#include "fake_virtio.h"

#include "drivers/virtio_serial/port.h"
#include "proto/serial.h"

static struct vserial port;
static struct serial_page page;
static uint8_t queue_pages[2][VIRTQUEUE_PAGES * 4096] __attribute__((aligned(4096)));
static uint8_t in_page[4096], out_page[4096];
static uint16_t doorbells[2];
static struct ring to_line, from_line; /* the server's ends */

static void connect_queue(struct virtqueue *queue, unsigned n) {
	struct fake_queue *q = &fake.queue[n];

	memset(queue_pages[n], 0, sizeof(queue_pages[n]));
	virtqueue_init(queue, queue_pages[n], 16, false);
	queue->doorbell = &doorbells[n];
	queue->number = (uint16_t)n;
	*q = (struct fake_queue){
		.size = 16,
		.enabled = 1,
		.descriptors = (uintptr_t)queue->descriptors,
		.avail = (uintptr_t)&queue->rings->avail,
		.used = (uintptr_t)&queue->rings->used,
	};
}

/* A driver that starts; the serial page is as it was. */
static void start(void) {
	fake_device(0);
	memset(&port, 0, sizeof(port));
	port.in_page = in_page;
	port.out_page = out_page;
	port.in_address = (uintptr_t)in_page;
	port.out_address = (uintptr_t)out_page;
	connect_queue(&port.in, 0);
	connect_queue(&port.out, 1);
	ring_attach_consumer(&port.tx, &page.tx, page.tx_data, SERIAL_TX_SIZE, 1);
	ring_attach_producer(&port.rx, &page.rx, page.rx_data, SERIAL_RX_SIZE, 1);
	vserial_start(&port);
}

static void fresh(void) {
	memset(&page, 0, sizeof(page));
	ring_attach_producer(&to_line, &page.tx, page.tx_data, SERIAL_TX_SIZE, 1);
	ring_attach_consumer(&from_line, &page.rx, page.rx_data, SERIAL_RX_SIZE, 1);
	start();
}

/* The device takes a piece: how many bytes, copied to `to`; -1: there is none. */
static int device_takes(uint8_t *to) {
	struct virtq_descriptor d[16];
	unsigned count;
	int head = fake_take(1, d, &count);

	if (head < 0) return -1;
	CHECK(count == 1 && !(d[0].flags & VIRTQ_WRITE) && d[0].length <= VSERIAL_TX_SIZE);
	memcpy(to, (void *)d[0].address, d[0].length);
	fake_answer(1, (uint32_t)head, 0);
	return (int)d[0].length;
}

/* The device fills a buffer, and says so much. False: it has none. */
static bool device_brings(const uint8_t *bytes, uint32_t length, uint32_t says) {
	struct virtq_descriptor d[16];
	unsigned count;
	int head = fake_take(0, d, &count);

	if (head < 0) return false;
	CHECK(count == 1 && d[0].flags & VIRTQ_WRITE && d[0].length == VSERIAL_RX_SIZE);
	memcpy((void *)d[0].address, bytes, length);
	fake_answer(0, (uint32_t)head, says);
	return true;
}

static void work(void) {
	for (unsigned i = 0; i < 64 && vserial_work(&port) & VSERIAL_AGAIN; i++) continue;
}

static void both_ways(void) {
	uint8_t put = 0, expect_out = 0, brought = 0, expect_in = 0, bytes[4096];
	uint64_t out = 0, in = 0;

	fresh();
	for (unsigned round = 0; round < 4000; round++) {
		uint32_t count = noise() % 300;
		int taken;

		for (uint32_t i = 0; i < count && ring_space(&to_line); i++, put++)
			ring_put(&to_line, &put, 1);
		ring_publish(&to_line);
		work();
		if (noise() % 3 && (taken = device_takes(bytes)) > 0) {
			for (int i = 0; i < taken; i++) CHECK(bytes[i] == expect_out++);
			out += (unsigned)taken;
		}
		count = noise() % (VSERIAL_RX_SIZE + 1);
		for (uint32_t i = 0; i < count; i++) bytes[i] = (uint8_t)(brought + i);
		if (noise() % 2 && device_brings(bytes, count, count))
			brought = (uint8_t)(brought + count);
		work();
		count = ring_get(&from_line, bytes, noise() % 600);
		for (uint32_t i = 0; i < count; i++) CHECK(bytes[i] == expect_in++);
		in += count;
		ring_release(&from_line);
	}
	CHECK(out > 10000 && in > 10000 && !port.strange);
}

/* The server does not read: the device gets no buffers back, and nothing is lost. */
static void slow_server(void) {
	uint8_t bytes[VSERIAL_RX_SIZE], got[VSERIAL_RX_SIZE];
	uint32_t brought = 0, taken = 0;

	fresh();
	memset(bytes, 'x', sizeof(bytes));
	for (unsigned i = 0; i < 100; i++) {
		brought += device_brings(bytes, sizeof(bytes), sizeof(bytes));
		work();
	}
	CHECK(brought == VSERIAL_RX_BUFFERS + SERIAL_RX_SIZE / VSERIAL_RX_SIZE);
	for (unsigned i = 0; i < 100; i++) {
		taken += ring_get(&from_line, got, sizeof(got));
		ring_release(&from_line);
		work();
	}
	CHECK(taken == brought * VSERIAL_RX_SIZE);
}

/* What the device had not taken when the driver died, its successor sends again. */
static void successor(void) {
	uint8_t bytes[4096];

	fresh();
	CHECK(ring_put(&to_line, "hello", 5) == 5);
	ring_publish(&to_line);
	work();
	start();
	work();
	CHECK(device_takes(bytes) == 5 && !memcmp(bytes, "hello", 5));
	work();
	start();
	work();
	CHECK(device_takes(bytes) == -1);
}

static void lies(void) {
	uint8_t bytes[4096] = {0};
	uint32_t got = 0;

	fresh();
	/* More than a buffer holds. */
	CHECK(device_brings(bytes, VSERIAL_RX_SIZE, 1u << 30));
	for (unsigned i = 0; i < 4; i++) {
		work();
		got += ring_get(&from_line, bytes, sizeof(bytes));
		ring_release(&from_line);
	}
	CHECK(got == VSERIAL_RX_SIZE && port.strange == 1);
	/* Answers to what it was not asked. */
	for (unsigned i = 0; i < 20; i++) {
		fake_answer(1, noise() % 64, noise());
		fake_answer(0, 100 + noise() % 64, noise());
		work();
	}
	CHECK(!port.under_way && ring_available(&from_line) <= SERIAL_RX_SIZE);
}

static void server_lies(void) {
	fresh();
	page.tx.prod = 1u << 20;
	page.rx.cons = 1u << 20;
	CHECK(device_brings((const uint8_t *)"a", 1, 1));
	work();
	CHECK(port.tx.broken && port.rx.broken && !port.under_way);
}

int main(void) {
	static const struct test tests[] = {
		{"bytes come in order, both ways", both_ways},
		{"a server that does not read loses nothing", slow_server},
		{"a successor sends what was under way", successor},
		{"a device that lies", lies},
		{"a server that lies", server_lies},
	};

	return RUN("virtio serial", tests);
}
