/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The NVMe driver, whose controller is the input: registers, identify data and
 * completions say anything at any time, with enough honest answers in between to
 * get through the setup. Each request is answered at most once, and work is
 * bounded.
 */
#include <stdlib.h>

#include "drivers/nvme/nvme.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct nvme nvme;
static uint8_t own[NVME_PAGES][4096] __attribute__((aligned(4096)));
static bool asked[BLK_TAGS];
static uint32_t status_register, accesses;
static uint64_t capabilities;

static const uint8_t *input;
static size_t left;

static uint8_t byte(void) { return left ? (left--, *input++) : 0; }

static uint64_t word(uint32_t bytes) {
	uint64_t value = 0;

	while (bytes--) value = value << 8 | byte();
	return value;
}

static uint32_t reg_read(void *context, uint32_t offset) {
	(void)context;
	accesses++;
	if (offset == REG_CAP) return (uint32_t)capabilities;
	if (offset == REG_CAP + 4) return (uint32_t)(capabilities >> 32);
	return status_register;
}

static void reg_write(void *context, uint32_t offset, uint32_t value) {
	(void)context;
	accesses++;
	if (offset + 4 > nvme.registers) abort();
	/* Mostly it does as it is told. */
	if (offset == REG_CC) status_register = value & CC_ENABLE;
}

static void answer(void *context, uint16_t tag, uint32_t status, uint32_t device_status) {
	(void)context;
	(void)device_status;
	if (tag >= BLK_TAGS || !asked[tag] || status > BLK_STATUS_READONLY) abort();
	asked[tag] = false;
}

/* A completion as an honest controller would make it. */
static void complete(struct nvme_queue *queue, uint16_t id, uint16_t status, uint32_t result) {
	if (!queue->completions) return;
	queue->completions[queue->head] = (struct nvme_completion){
		.result = result,
		.sq_id = queue->id,
		.id = id,
		.status = (uint16_t)(status << 1 | queue->phase),
	};
}

static void identify(void) {
	uint8_t *page = own[2];

	switch (nvme.step) {
	case STEP_CONTROLLER:
		page[512] = 0x66;
		page[513] = 0x44;
		page[77] = byte() % 10;
		page[520] = byte();
		page[536] = byte();
		break;
	case STEP_LIST:
		for (uint32_t i = byte() % 12; i; i--) page[i * 4 - 4] = (uint8_t)i;
		break;
	case STEP_NAMESPACE:
		page[5] = byte();
		page[130] = byte() % 2 ? 9 : 12;
		break;
	default: break;
	}
	for (uint32_t n = byte() % 4; n; n--) page[word(2) % 4096] = byte();
	complete(&nvme.admin, nvme.admin.slot[0].id, byte() % 16 ? 0 : 2, (uint32_t)word(4));
}

static void submit(uint64_t now) {
	struct blk_segment segments[BLK_MAX_SEGMENTS];
	struct blk_request request = {.tag = byte(), .op = byte() % 5, .queue = byte()};

	if (asked[request.tag] || !nvme.namespace_count) return;
	request.disk = (uint8_t)(byte() % nvme.namespace_count);
	request.sector = word(4) * 8;
	request.count = request.op == BLK_OP_FLUSH ? 0 : (word(2) + 1) * 8;
	if (request.op <= BLK_OP_WRITE) {
		request.count = 0;
		request.segments = byte() + 1;
		for (uint32_t i = 0; i < request.segments; i++) {
			uint32_t from = byte() % 8, length = 1 + byte() % (8 - from);

			segments[i] =
				(struct blk_segment){word(2) * 4096 + from * 512, length * 512, 0};
			request.count += length;
		}
	}
	asked[request.tag] = true;
	nvme_submit(&nvme, &request, segments, now);
}

static void honest(void) {
	struct nvme_queue *queue = &nvme.queue[byte() % NVME_MAX_QUEUES];

	if (nvme.state == NVME_READY)
		complete(queue, queue->slot[byte() % NVME_SLOTS].id,
			 byte() % 4 ? 0 : (uint16_t)word(2), 0);
	else
		identify();
}

static void act(uint8_t what, uint64_t *now) {
	uint32_t before = accesses;

	switch (what % 10) {
	case 0: status_register = byte() % 8 ? byte() % 4 : REG_ABSENT; break;
	case 1: own[byte() % NVME_PAGES][word(2) % 4096] = byte(); break;
	case 2: nvme_interrupt(&nvme, byte() % 4, *now); break;
	case 3:
		*now = nvme.wake > *now ? nvme.wake : *now + 1;
		nvme_timer(&nvme, *now);
		break;
	case 4: submit(*now); break;
	case 5: nvme_kick(&nvme); break;
	case 6:
		if (byte() % 8) break;
		nvme_drop(&nvme);
		memset(asked, 0, sizeof(asked));
		break;
	case 7:
		if (!(byte() % 16)) nvme_reset(&nvme, "test", *now);
		break;
	default: honest(); nvme_interrupt(&nvme, nvme.vectors > 1 ? byte() % 4 : 0, *now);
	}
	if (accesses - before > 100) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
	uint64_t now = 1;

	memset(&nvme, 0, sizeof(nvme));
	memset(asked, 0, sizeof(asked));
	memset(own, 0, sizeof(own));
	input = bytes;
	left = size;
	status_register = accesses = 0;
	capabilities = CAP_CSS_NVM | 1U << 24 | (uint64_t)(byte() & 7) << 32 | 63;
	nvme.host = (struct nvme_host){.read = reg_read, .write = reg_write, .answer = answer};
	nvme.memory.at = own[0];
	nvme.memory.pages = NVME_PAGES - byte() % 128;
	for (uint32_t i = 0; i < NVME_PAGES; i++) nvme.memory.address[i] = i * 8192;
	nvme.registers = 0x2000;
	nvme.vectors = 1 + byte() % 5;
	nvme.timeout = 1000000000;
	nvme_start(&nvme, now);
	while (left) act(byte(), &now);
	return 0;
}
