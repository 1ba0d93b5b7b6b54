/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Virtqueues and the transport's setting up, against a device of our own that does
 * what is asked, and one that lies in everything it says.
 */
#include "fake_virtio.h"

static uint8_t pages[2 * 4096] __attribute__((aligned(4096)));
static struct virtio virtio;
static struct virtqueue queue;

static const char *begin(uint64_t offers, uint64_t wanted, uint16_t size) {
	uint64_t addresses[2] = {(uintptr_t)pages, (uintptr_t)pages + 4096};
	const char *why;

	fake_device(offers);
	fake.queue_size = size;
	virtio = (struct virtio){.io = fake_io, .device_size = sizeof(fake.config)};
	why = virtio_begin(&virtio, wanted);
	if (!why) why = virtio_queue(&virtio, 0, &queue, pages, addresses, 256, 0);
	if (!why) virtio_ready(&virtio);
	return why;
}

/* One buffer in, one out, as chains. */
static bool add(uint16_t token) {
	static uint8_t header[16], status;
	struct virtq_descriptor d[2] = {
		{.address = (uintptr_t)header, .length = 16},
		{.address = (uintptr_t)&status, .length = 1, .flags = VIRTQ_WRITE},
	};

	header[0] = 4;
	return virtqueue_add(&queue, d, 2, token);
}

static void agrees(void) {
	CHECK(!begin(VIRTIO_F_EVENT_IDX | 1ULL << 5 | VIRTIO_F_ACCESS_PLATFORM,
		     VIRTIO_F_EVENT_IDX | 1ULL << 6, 64));
	CHECK(virtio.features ==
	      (VIRTIO_F_EVENT_IDX | VIRTIO_F_ACCESS_PLATFORM | VIRTIO_F_VERSION_1));
	CHECK(fake.accepted == virtio.features && fake.status == 15);
	CHECK(queue.size == 64 && fake.queue[0].size == 64 && fake.queue[0].enabled);
	CHECK(!begin(0, 0, 1000) && queue.size == 256);
	CHECK(!begin(0, 0, 200) && queue.size == 128);
}

static void refuses(void) {
	uint64_t addresses[2] = {0, 0};

	fake_device(0);
	virtio = (struct virtio){.io = fake_io};
	fake.offers = 0;
	CHECK(virtio_begin(&virtio, 0));
	fake_device(0);
	fake.status = 1;
	fake.never_resets = true;
	CHECK(virtio_begin(&virtio, 0) && fake.waits <= 10000);
	fake_device(0);
	fake.refuses_features = true;
	CHECK(virtio_begin(&virtio, 0));
	CHECK(!begin(0, 0, 16));
	CHECK(virtio_queue(&virtio, 1, &queue, pages, addresses, 256, 0));
	fake.refuses_vectors = true;
	CHECK(virtio_queue(&virtio, 0, &queue, pages, addresses, 256, 0));
	fake.refuses_vectors = false;
	fake.no_doorbell = true;
	CHECK(virtio_queue(&virtio, 0, &queue, pages, addresses, 256, 0));
}

static void configuration(void) {
	uint8_t bytes[80];

	CHECK(!begin(0, 0, 16));
	virtio_config(&virtio, bytes, sizeof(bytes));
	CHECK(!memcmp(bytes, fake.config, 64) && !bytes[64] && !bytes[79]);
	fake.shaky = true; /* bounded */
	virtio_config(&virtio, bytes, sizeof(bytes));
}

/* Full, empty, and around several times, in any order of completion. */
static void goes_round(uint64_t features) {
	struct virtqueue_done done;
	bool busy[64] = {false};
	uint32_t sent = 0, got = 0;

	CHECK(!begin(features, features, 64));
	for (uint32_t round = 0; got < 200000; round++) {
		uint32_t burst = noise() % 40;

		while (burst-- && queue.free_count >= 2) {
			uint16_t token = 0;

			while (busy[token]) token++;
			CHECK(token < 32 && add(token));
			busy[token] = true;
			sent++;
		}
		if (queue.free_count < 2) CHECK(!add(0));
		virtqueue_kick(&queue);
		if (noise() % 3) fake_run();
		while (virtqueue_reap(&queue, &done)) {
			CHECK(done.token < 32 && busy[done.token] && done.written == 1);
			busy[done.token] = false;
			got++;
		}
		CHECK(sent - got == queue.outstanding && queue.free_count == 64 - 2 * (sent - got));
	}
	CHECK(!queue.stray && !queue.broken);
}

static void rounds(void) {
	goes_round(0);
	goes_round(VIRTIO_F_EVENT_IDX);
}

/* Doorbell and interrupt only when the other side asked for it. */
static void event_indices(void) {
	struct virtqueue_done done;

	CHECK(!begin(VIRTIO_F_EVENT_IDX, VIRTIO_F_EVENT_IDX, 64));
	fake.doorbell[0] = 99;
	CHECK(add(1));
	virtqueue_kick(&queue);
	CHECK(fake.doorbell[0] == 0);
	fake.doorbell[0] = 99;
	CHECK(add(2));
	virtqueue_kick(&queue); /* the device has not come to the first one yet */
	CHECK(fake.doorbell[0] == 99);
	virtqueue_kick(&queue);
	CHECK(fake_run() == 2 && fake.interrupts == 1);
	CHECK(!virtqueue_want_interrupt(&queue));
	CHECK(virtqueue_reap(&queue, &done) && done.token == 1);
	CHECK(virtqueue_reap(&queue, &done) && done.token == 2);
	CHECK(!virtqueue_reap(&queue, &done) && virtqueue_want_interrupt(&queue));
	fake.interrupts = 0;
	CHECK(add(3));
	virtqueue_kick(&queue);
	CHECK(fake.doorbell[0] == 0 && fake_run() == 1 && fake.interrupts == 1);
}

static void tables(void) {
	static uint8_t header[16], status;
	struct virtq_descriptor table[2] = {
		{.address = (uintptr_t)header, .length = 16, .flags = VIRTQ_NEXT, .next = 1},
		{.address = (uintptr_t)&status, .length = 1, .flags = VIRTQ_WRITE},
	};
	struct virtqueue_done done;

	header[0] = 4;
	CHECK(!begin(VIRTIO_F_INDIRECT_DESC, VIRTIO_F_INDIRECT_DESC, 16));
	for (uint16_t i = 0; i < 16; i++)
		CHECK(virtqueue_add_table(&queue, (uintptr_t)table, 2, (uint16_t)(100 + i)));
	CHECK(!virtqueue_add_table(&queue, (uintptr_t)table, 2, 0));
	virtqueue_kick(&queue);
	CHECK(fake_run() == 16 && fake.indirect == 16);
	for (uint16_t i = 0; i < 16; i++)
		CHECK(virtqueue_reap(&queue, &done) && done.token == 100 + i);
	CHECK(!virtqueue_reap(&queue, &done));
}

static void lies(void) {
	struct virtqueue_done done;
	struct virtq_descriptor d[256];
	unsigned count;
	int head;

	/* ids: out of range, free, twice */
	CHECK(!begin(0, 0, 16));
	for (uint16_t i = 0; i < 4; i++) CHECK(add(i));
	virtqueue_kick(&queue);
	head = fake_take(0, d, &count);
	fake_answer(0, 16, 0);
	fake_answer(0, UINT32_MAX, 0);
	fake_answer(0, (uint32_t)head, 7);
	fake_answer(0, (uint32_t)head, 7);
	CHECK(virtqueue_reap(&queue, &done) && done.token == 0 && done.written == 7);
	CHECK(!virtqueue_reap(&queue, &done) && !queue.broken && queue.stray == 3);
	CHECK(queue.outstanding == 3);
	/* more than it was given */
	for (unsigned i = 0; i < 4; i++) fake_answer(0, 5, 0);
	CHECK(!virtqueue_reap(&queue, &done) && queue.broken);
	CHECK(!begin(0, 0, 16));
	CHECK(add(1));
	virtqueue_kick(&queue);
	fake.queue[0].given = 0x7fff;
	fake_answer(0, 0, 0);
	CHECK(!virtqueue_reap(&queue, &done) && queue.broken);
	CHECK(virtqueue_want_interrupt(&queue)); /* no reason to look again */
	/* the shared descriptors are scribbled over: private ones count */
	CHECK(!begin(0, 0, 16));
	for (uint16_t i = 0; i < 8; i++) CHECK(add(i));
	virtqueue_kick(&queue);
	CHECK(fake_run() == 8);
	memset(queue.descriptors, 0xff, 4096);
	memset(&queue.rings->avail, 0xff, sizeof(queue.rings->avail));
	for (uint16_t i = 0; i < 8; i++) CHECK(virtqueue_reap(&queue, &done) && done.token == i);
	CHECK(queue.free_count == 16);
}

static const struct test tests[] = {
	{"features and sizes are agreed on", agrees},
	{"devices that cannot be driven", refuses},
	{"configuration, also one that changes all the time", configuration},
	{"200000 chains, around and around", rounds},
	{"doorbells and interrupts by event index", event_indices},
	{"tables of buffers", tables},
	{"ids and indices that are lies", lies},
};

int main(void) { return RUN("virtio", tests); }
