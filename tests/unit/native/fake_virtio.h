/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A virtio device in host memory: registers as virtio_io sees them, queues at the
 * addresses it is told (host pointers), and a disk that remembers. It works only when
 * fake_run() is called, and can be told to lie. Tests of other devices than disks take
 * requests out of the queues themselves.
 */
#ifndef TESTS_UNIT_FAKE_VIRTIO_H
#define TESTS_UNIT_FAKE_VIRTIO_H

#include "native.h"

#include "libs/virtio/virtio.h"

#define FAKE_SECTORS 4096U
#define FAKE_QUEUES  16U

struct fake_queue {
	uint16_t size, vector, enabled;
	uint64_t descriptors, avail, used;
	uint16_t taken; /* avail index */
	uint16_t given; /* used index */
	uint16_t notify;
};

static struct {
	uint64_t offers, accepted;
	uint32_t feature_select, driver_select;
	uint16_t queue_select, config_vector;
	uint8_t status, generation;
	struct fake_queue queue[FAKE_QUEUES];
	uint16_t queue_count, queue_size;
	uint8_t config[64];
	uint16_t doorbell[FAKE_QUEUES];
	uint8_t disk[FAKE_SECTORS * 512];
	char name[20];
	uint32_t requests, indirect, resets, interrupts, waits;
	/* lies */
	bool never_resets, refuses_features, refuses_vectors, no_doorbell;
	bool prompt;         /* works while it is waited for; no lie */
	bool silent;         /* takes requests and does not answer */
	uint32_t bad_status; /* answers with this and does nothing */
	uint32_t short_by;   /* says it wrote so many bytes less */
	bool shaky;          /* its configuration changes all the time */
} fake;

static struct fake_queue *fake_selected(void) {
	static struct fake_queue none;

	none = (struct fake_queue){0};
	return fake.queue_select < fake.queue_count ? &fake.queue[fake.queue_select] : &none;
}

static uint32_t fake_common_read(uint32_t at) {
	const struct fake_queue *q = fake_selected();

	switch (at) {
	case 16: return fake.refuses_vectors ? VIRTIO_NO_VECTOR : fake.config_vector;
	case 4: return (uint32_t)(fake.offers >> (fake.feature_select ? 32 : 0));
	case 18: return fake.queue_count;
	case 20: return fake.status;
	case 21: return fake.shaky ? fake.generation++ : fake.generation;
	case 24: return q->size;
	case 26: return fake.refuses_vectors ? VIRTIO_NO_VECTOR : q->vector;
	case 30: return fake.queue_select;
	default: CHECK(!"a register that is read"); return 0;
	}
}

static uint32_t fake_read(void *context, unsigned region, uint32_t at, unsigned width) {
	(void)context;
	if (region == VIRTIO_COMMON) return fake_common_read(at);
	CHECK(region == VIRTIO_DEVICE && width == 1 && at < sizeof(fake.config));
	return fake.config[at];
}

static void fake_set_status(uint8_t value) {
	if (!value) {
		if (fake.never_resets) return;
		fake.resets++;
		for (unsigned n = 0; n < fake.queue_count; n++)
			fake.queue[n] = (struct fake_queue){.size = fake.queue_size};
		fake.accepted = 0;
	}
	if (value & 8 && fake.refuses_features) value &= ~8;
	fake.status = value;
}

static void fake_half(uint64_t *to, bool high, uint32_t value) {
	*to = high ? (*to & UINT32_MAX) | (uint64_t)value << 32 : (*to >> 32 << 32) | value;
}

static void fake_write(void *context, unsigned region, uint32_t at, unsigned width,
		       uint32_t value) {
	struct fake_queue *q = fake_selected();

	(void)context;
	(void)width;
	CHECK(region == VIRTIO_COMMON);
	switch (at) {
	case 0: fake.feature_select = value; break;
	case 8: fake.driver_select = value; break;
	case 12: fake_half(&fake.accepted, fake.driver_select, value); break;
	case 16: fake.config_vector = (uint16_t)value; break;
	case 20: fake_set_status((uint8_t)value); break;
	case 22: fake.queue_select = (uint16_t)value; break;
	case 24: q->size = (uint16_t)value; break;
	case 26: q->vector = (uint16_t)value; break;
	case 28: q->enabled = (uint16_t)value; break;
	case 32:
	case 36: fake_half(&q->descriptors, at == 36, value); break;
	case 40:
	case 44: fake_half(&q->avail, at == 44, value); break;
	case 48:
	case 52: fake_half(&q->used, at == 52, value); break;
	default: CHECK(!"a register that is written");
	}
}

static volatile uint16_t *fake_doorbell(void *context, uint32_t offset) {
	(void)context;
	return fake.no_doorbell || offset >= FAKE_QUEUES ? NULL : &fake.doorbell[offset];
}

static inline unsigned fake_run(void);

static void fake_wait(void *context, uint32_t microseconds) {
	(void)context;
	(void)microseconds;
	fake.waits++;
	if (fake.prompt) fake_run();
}

static const struct virtio_io fake_io = {
	.read = fake_read,
	.write = fake_write,
	.doorbell = fake_doorbell,
	.wait = fake_wait,
};

static uint16_t *fake_avail(const struct fake_queue *q) { return (uint16_t *)q->avail; }
static uint16_t *fake_used(const struct fake_queue *q) { return (uint16_t *)q->used; }

/* Answers with any id and length. */
static inline void fake_answer(unsigned n, uint32_t id, uint32_t length) {
	struct fake_queue *q = &fake.queue[n];
	uint16_t *used = fake_used(q);
	uint32_t entry[2] = {id, length};
	uint16_t event = fake_avail(q)[2 + q->size];

	memcpy((uint8_t *)used + 4 + (q->given % q->size) * 8, entry, 8);
	used[1] = ++q->given;
	if (!(fake.accepted & VIRTIO_F_EVENT_IDX) || (uint16_t)(q->given - event - 1) < 1)
		fake.interrupts |= 1U << n;
}

/* The bytes that it moved to or from one buffer of the data. */
static void fake_move(uint32_t type, uint64_t *at, const struct virtq_descriptor *d) {
	uint8_t *memory = (uint8_t *)d->address;

	CHECK(*at + d->length <= sizeof(fake.disk));
	if (type == 0)
		memcpy(memory, fake.disk + *at, d->length);
	else
		memcpy(fake.disk + *at, memory, d->length);
	*at += d->length;
}

/* A request: header, data, status. How many bytes it wrote. */
static uint32_t fake_request(const struct virtq_descriptor *d, unsigned count) {
	uint32_t type, written = 1;
	uint64_t sector, at, range[2];
	uint8_t status = 0;

	CHECK(count >= 2 && d[0].length == 16 && !(d[0].flags & VIRTQ_WRITE));
	CHECK(d[count - 1].length == 1 && d[count - 1].flags & VIRTQ_WRITE);
	memcpy(&type, (void *)d[0].address, 4);
	memcpy(&sector, (uint8_t *)d[0].address + 8, 8);
	at = sector * 512;
	fake.requests++;
	for (unsigned i = 1; i + 1 < count && !fake.bad_status; i++) {
		bool writes = d[i].flags & VIRTQ_WRITE;

		CHECK(writes == (type == 0 || type == 8));
		if (writes) written += d[i].length;
		if (type <= 1)
			fake_move(type, &at, &d[i]);
		else if (type == 8)
			memcpy((void *)d[i].address, fake.name, MIN(d[i].length, 20U));
		else
			memcpy(range, (void *)d[i].address, 16);
	}
	if (type == 13 && !fake.bad_status)
		memset(fake.disk + range[0] * 512, 0, (uint32_t)range[1] * 512);
	if (type > 1 && type != 4 && type != 8 && type != 11 && type != 13) status = 2;
	*(uint8_t *)d[count - 1].address = fake.bad_status ? (uint8_t)fake.bad_status : status;
	return written - MIN(written, fake.short_by);
}

/* Takes the next request of a queue; its head, -1: there is none. */
static inline int fake_take(unsigned n, struct virtq_descriptor *d, unsigned *count) {
	struct fake_queue *q = &fake.queue[n];
	struct virtq_descriptor *table = (struct virtq_descriptor *)q->descriptors;
	uint16_t head, at;

	if (!q->enabled || fake_avail(q)[1] == q->taken) return -1;
	head = at = fake_avail(q)[2 + q->taken++ % q->size];
	CHECK(head < q->size);
	if (fake.accepted & VIRTIO_F_EVENT_IDX)
		memcpy((uint8_t *)fake_used(q) + 4 + q->size * 8, &q->taken, 2);
	if (table[head].flags & VIRTQ_INDIRECT) {
		CHECK(table[head].length % 16 == 0 && !(table[head].flags & VIRTQ_NEXT));
		fake.indirect++;
		at = 0;
		table = (struct virtq_descriptor *)table[head].address;
	}
	for (*count = 0;; at = table[at].next) {
		CHECK(*count < 256);
		d[(*count)++] = table[at];
		if (!(table[at].flags & VIRTQ_NEXT)) return head;
	}
}

/* Carries out what is in all queues; how many. */
static inline unsigned fake_run(void) {
	struct virtq_descriptor d[256];
	unsigned done = 0, count;

	for (unsigned n = 0; n < fake.queue_count; n++)
		for (int head; (head = fake_take(n, d, &count)) >= 0; done++)
			if (!fake.silent) fake_answer(n, (uint32_t)head, fake_request(d, count));
	return done;
}

static inline void fake_set(uint32_t at, unsigned bytes, uint64_t value) {
	memcpy(fake.config + at, &value, bytes);
}

/* A good device: 4096 sectors, everything that it can offer. */
static inline void fake_device(uint64_t features) {
	memset(&fake, 0, sizeof(fake));
	fake.offers = features | VIRTIO_F_VERSION_1;
	fake.queue_count = 1;
	fake.queue_size = 256;
	memcpy(fake.name, "a b\tserial", 10);
	fake_set(0, 8, FAKE_SECTORS);
	fake_set(8, 4, 4096);
	fake_set(12, 4, 254);
	fake_set(20, 4, 512);
	fake_set(24, 1, 3);
	fake_set(34, 2, 1);
	fake_set(36, 4, 1000);
	fake_set(40, 4, 1);
	fake_set(44, 4, 8);
	fake_set(48, 4, 2000);
	fake_set(52, 4, 1);
}

#endif
