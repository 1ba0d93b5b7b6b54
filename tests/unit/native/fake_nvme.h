/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A small NVMe controller: registers, queues, two namespaces' worth of identify
 * data, and a disk that remembers the last 8192 blocks. It does what the driver
 * asks only when fake_run() is called, and can be told to lie.
 */
#ifndef TESTS_UNIT_FAKE_NVME_H
#define TESTS_UNIT_FAKE_NVME_H

#include "drivers/nvme/spec.h"
#include "fake_dma.h"

#define FAKE_QUEUES 8U
#define FAKE_BLOCKS 8192U
#define FAKE_SPACES 16U

struct fake_queue {
	bool exists;
	uint64_t commands, completions;
	uint32_t size, head, tail, done, phase, vector, taken;
};

static struct {
	uint32_t cc, csts, aqa;
	uint64_t asq, acq, cap;
	struct fake_queue queue[FAKE_QUEUES];
	uint32_t max_queues, mdts, oncs, vwc, spaces;
	uint64_t blocks;
	uint32_t shift, metadata, protect, sgls, sgl_commands;
	struct {
		uint64_t lba;
		uint8_t data[4096];
	} block[FAKE_BLOCKS];
	uint32_t interrupts; /* vectors that are raised */
	uint32_t doorbells, accesses, io_commands, flushes, fua, zeroed, discarded, resets;
	/* lies */
	uint32_t error, errors; /* this status for so many I/O commands */
	uint32_t lost_admin;    /* this admin command is not answered, counted from 1 */
	bool bad_admin;         /* another one is said to be done before */
	bool stuck;             /* does nothing any more */
	uint32_t stuck_resets;  /* and that many resets do not help */
	bool never_stops, never_starts, absent, silent;
	uint32_t refuse; /* this admin opcode + 1 */
	uint32_t slow;   /* reads of CSTS until it changes */
	uint32_t bad_id; /* completions get a wrong identifier: 1 outside, 2 other slot, 3 twice, 4
			    wrong queue */
} fake;

static void fake_reset(void) {
	memset(fake.queue, 0, sizeof(fake.queue));
	fake.interrupts = 0;
	fake.resets++;
	if (fake.stuck_resets)
		fake.stuck_resets--;
	else
		fake.stuck = false;
}

static void fake_settle(void) {
	if (fake.slow) {
		fake.slow--;
		return;
	}
	if (!(fake.cc & CC_ENABLE)) {
		if (!fake.never_stops) fake.csts = 0;
	} else if (!fake.never_starts && !(fake.csts & CSTS_READY)) {
		fake.csts = CSTS_READY;
		fake.queue[0] = (struct fake_queue){
			.exists = true,
			.commands = fake.asq,
			.completions = fake.acq,
			.size = (fake.aqa & 0xfff) + 1,
			.phase = 1,
		};
	}
}

static uint32_t fake_read(void *context, uint32_t offset) {
	(void)context;
	fake.accesses++;
	if (fake.absent) return 0xffffffff;
	if (offset == REG_CSTS) fake_settle();
	switch (offset) {
	case REG_CAP: return (uint32_t)fake.cap;
	case REG_CAP + 4: return (uint32_t)(fake.cap >> 32);
	case REG_CC: return fake.cc;
	case REG_CSTS: return fake.csts;
	default: CHECK(!"a register that the driver has no business with"); return 0;
	}
}

static void fake_doorbell(uint32_t index, uint32_t value) {
	struct fake_queue *q = &fake.queue[index / 2];

	CHECK(index / 2 < FAKE_QUEUES);
	if (!(fake.csts & CSTS_READY)) return;
	CHECK(q->exists && value < q->size);
	fake.doorbells += !(index & 1);
	if (index & 1)
		q->taken = value;
	else
		q->tail = value;
}

static void half(uint64_t *to, bool upper, uint32_t value) {
	*to = upper ? (*to & 0xffffffff) | (uint64_t)value << 32 : (*to & ~0xffffffffULL) | value;
}

static void fake_write(void *context, uint32_t offset, uint32_t value) {
	(void)context;
	fake.accesses++;
	switch (offset) {
	case REG_CC:
		if (fake.cc & CC_ENABLE && !(value & CC_ENABLE)) fake_reset();
		CHECK(!(value & CC_ENABLE) || value == 0x460001);
		fake.cc = value;
		if (!fake.slow) fake_settle();
		break;
	case REG_AQA: fake.aqa = value; break;
	case REG_ASQ:
	case REG_ASQ + 4: half(&fake.asq, offset & 4, value); break;
	case REG_ACQ:
	case REG_ACQ + 4: half(&fake.acq, offset & 4, value); break;
	default: CHECK(offset >= REG_DOORBELLS); fake_doorbell((offset - REG_DOORBELLS) / 4, value);
	}
}

static void put(uint8_t *data, uint32_t at, uint64_t value, uint32_t bytes) {
	memcpy(data + at, &value, bytes);
}

static void fake_identify(const struct nvme_command *c) {
	uint8_t *data = fake_dma(c->prp1, 4096);

	memset(data, 0, 4096);
	switch (c->cdw10) {
	case IDENTIFY_CONTROLLER:
		memcpy(data + 4, "SERIAL-1            ", 20);
		data[77] = (uint8_t)fake.mdts;
		data[512] = 0x66;
		data[513] = 0x44;
		put(data, 516, fake.spaces, 4);
		put(data, 520, fake.oncs, 2);
		data[525] = (uint8_t)fake.vwc;
		data[536] = (uint8_t)fake.sgls;
		break;
	case IDENTIFY_LIST:
		for (uint32_t i = 0; i < fake.spaces; i++) put(data, i * 4, i + 1, 4);
		break;
	default:
		put(data, 0, fake.blocks, 8);
		data[25] = 1;
		data[26] = 1;
		put(data, 132, fake.shift << 16 | fake.metadata, 4);
		data[99] = (uint8_t)fake.protect;
	}
}

static uint16_t fake_admin(const struct nvme_command *c, uint32_t *result) {
	uint32_t id = c->cdw10 & 0xffff;

	if (fake.refuse == c->opcode + 1U) return STATUS_INVALID_FIELD;
	switch (c->opcode) {
	case ADMIN_IDENTIFY: fake_identify(c); break;
	case ADMIN_SET_FEATURES:
		CHECK(c->cdw10 == FEATURE_QUEUES);
		*result = (fake.max_queues - 1) << 16 | (fake.max_queues - 1);
		break;
	case ADMIN_CREATE_CQ:
		CHECK(id && id < FAKE_QUEUES && (c->cdw11 & 0xffff) == 3);
		fake.queue[id] = (struct fake_queue){
			.completions = c->prp1, .phase = 1, .vector = c->cdw11 >> 16};
		break;
	case ADMIN_CREATE_SQ:
		CHECK(id && id < FAKE_QUEUES && fake.queue[id].completions);
		CHECK(c->cdw11 == (id << 16 | 1));
		fake.queue[id].commands = c->prp1;
		fake.queue[id].size = (c->cdw10 >> 16) + 1;
		fake.queue[id].exists = true;
		break;
	default: return STATUS_INVALID_OPCODE;
	}
	return 0;
}

/* The next piece of a command's data: what the PRPs say, in order. */
static uint8_t *fake_prp(const struct nvme_command *c, uint32_t done, uint32_t *length) {
	uint32_t first = PAGE_SIZE - c->prp1 % PAGE_SIZE;
	uint32_t total = ((c->cdw12 & 0xffff) + 1) << fake.shift, index;
	uint64_t entry;

	if (!done) {
		*length = MIN(first, total);
		return fake_dma(c->prp1, *length);
	}
	index = (done - first) / PAGE_SIZE;
	*length = MIN(total - done, PAGE_SIZE);
	if (first + PAGE_SIZE >= total) {
		entry = c->prp2;
	} else {
		memcpy(&entry, fake_dma(c->prp2 + index * 8, 8), 8);
	}
	CHECK(entry % PAGE_SIZE == 0);
	return fake_dma(entry, *length);
}

/* The same for a list of descriptors. */
static uint8_t *fake_sgl(const struct nvme_command *c, uint32_t done, uint32_t *length) {
	CHECK(fake.sgls && c->sgl.type == 0x30 && c->sgl.length <= 2048);
	for (uint32_t i = 0; i < c->sgl.length / 16; i++) {
		struct nvme_sgl entry;

		memcpy(&entry, fake_dma(c->sgl.address + i * 16, 16), 16);
		CHECK(entry.type == 0 && entry.length);
		*length = entry.length;
		if (!done) return fake_dma(entry.address, entry.length);
		CHECK(done >= entry.length);
		done -= entry.length;
	}
	CHECK(!"the list is long enough");
	return NULL;
}

static uint8_t *fake_block(uint64_t lba) {
	uint32_t n = lba % FAKE_BLOCKS;

	if (fake.block[n].lba != lba) memset(fake.block[n].data, 0, 4096);
	fake.block[n].lba = lba;
	return fake.block[n].data;
}

static void fake_transfer(const struct nvme_command *c, uint64_t lba) {
	uint32_t total = ((c->cdw12 & 0xffff) + 1) << fake.shift, done = 0, length;
	uint32_t block = 1U << fake.shift;

	fake.sgl_commands += c->flags == 0x40;
	CHECK(!fake.mdts || total <= PAGE_SIZE << fake.mdts);
	while (done < total) {
		uint8_t *at =
			c->flags & 0x40 ? fake_sgl(c, done, &length) : fake_prp(c, done, &length);

		for (uint32_t i = 0; i < length; i++) {
			uint32_t byte = done + i;
			uint8_t *on_disk = fake_block(lba + byte / block) + byte % block;

			if (c->opcode == NVM_READ)
				at[i] = *on_disk;
			else
				*on_disk = at[i];
		}
		done += length;
	}
}

static uint16_t fake_io(const struct nvme_command *c) {
	uint64_t lba = c->cdw10 | (uint64_t)c->cdw11 << 32;
	uint64_t count = (c->cdw12 & 0xffff) + 1;
	struct nvme_range range;

	fake.io_commands++;
	CHECK(c->nsid && c->nsid <= FAKE_SPACES);
	if (fake.errors) {
		fake.errors--;
		return (uint16_t)fake.error;
	}
	switch (c->opcode) {
	case NVM_FLUSH: fake.flushes++; break;
	case NVM_READ:
	case NVM_WRITE:
		if (lba > fake.blocks || count > fake.blocks - lba) return STATUS_LBA_RANGE;
		fake.fua += (c->cdw12 & RW_FUA) != 0;
		fake_transfer(c, lba);
		break;
	case NVM_WRITE_ZEROES:
		fake.zeroed += count;
		for (uint64_t i = 0; i < MIN(count, FAKE_BLOCKS); i++)
			memset(fake_block(lba + i), 0, 4096);
		break;
	case NVM_DATASET:
		CHECK(c->cdw10 == 0 && c->cdw11 == DATASET_DEALLOCATE);
		memcpy(&range, fake_dma(c->prp1, sizeof(range)), sizeof(range));
		fake.discarded += range.blocks;
		break;
	default: return STATUS_INVALID_OPCODE;
	}
	return 0;
}

static void fake_post(uint32_t n, uint16_t id, uint16_t sq_id, uint16_t status, uint32_t result) {
	struct fake_queue *q = &fake.queue[n];
	struct nvme_completion entry = {
		.result = result,
		.sq_head = (uint16_t)q->head,
		.sq_id = sq_id,
		.id = id,
		.status = (uint16_t)(status << 1 | q->phase),
	};

	memcpy(fake_dma(q->completions + q->done * 16, 16), &entry, 16);
	q->done = (q->done + 1) % q->size;
	if (!q->done) q->phase ^= 1;
	if (!fake.silent) fake.interrupts |= 1U << q->vector;
}

static void fake_one(uint32_t n) {
	struct fake_queue *q = &fake.queue[n];
	struct nvme_command c;
	uint32_t result = 0;
	uint16_t status, id;

	memcpy(&c, fake_dma(q->commands + q->head * 64, 64), 64);
	q->head = (q->head + 1) % q->size;
	if (!n && fake.lost_admin && !--fake.lost_admin) return;
	if (!n && fake.bad_admin) fake_post(n, (uint16_t)(c.id + 1), 0, 0, 0);
	status = n ? fake_io(&c) : fake_admin(&c, &result);
	id = c.id;
	if (n && fake.bad_id == 1) id |= 63;
	if (n && fake.bad_id == 2) id += 64;
	if (n && fake.bad_id == 3) fake_post(n, id, (uint16_t)n, status, result);
	fake_post(n, id, (uint16_t)(n + (n && fake.bad_id == 4)), status, result);
}

/* Does up to `most` commands; how many. */
static uint32_t fake_run(uint32_t most) {
	uint32_t did = 0;

	if (!(fake.csts & CSTS_READY) || fake.absent) return 0;
	for (uint32_t n = 0; n < FAKE_QUEUES; n++) {
		struct fake_queue *q = &fake.queue[n];

		while (q->exists && q->head != q->tail && did < most && !(fake.stuck && n)) {
			fake_one(n);
			did++;
		}
	}
	return did;
}

#endif
