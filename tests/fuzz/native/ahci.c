/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The AHCI driver, whose adapter is the input: registers and identify data say
 * anything at any time, with enough honest answers in between to get through the
 * setup. Each request is answered at most once, and work is bounded.
 */
#include <stdlib.h>

#include "drivers/ahci/ahci.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct ahci ahci;
static uint8_t own[AHCI_PAGES][4096] __attribute__((aligned(4096)));
static bool asked[BLK_TAGS];
static uint32_t adapter[PORT(0) / 4], ports[AHCI_PORTS][PORT_BYTES / 4], accesses;

static const uint8_t *input;
static size_t left;

static uint8_t byte(void) { return left ? (left--, *input++) : 0; }

static uint64_t word(uint32_t bytes) {
	uint64_t value = 0;

	while (bytes--) value = value << 8 | byte();
	return value;
}

static uint32_t *reg(uint32_t offset) {
	accesses++;
	if (offset % 4 || offset + 4 > ahci.registers) abort();
	if (offset < PORT(0)) return &adapter[offset / 4];
	return &ports[(offset - PORT(0)) / PORT_BYTES][offset % PORT_BYTES / 4];
}

static uint32_t reg_read(void *context, uint32_t offset) {
	(void)context;
	return *reg(offset);
}

/* Mostly it does as it is told, at once. */
static void reg_write(void *context, uint32_t offset, uint32_t value) {
	uint32_t *at = reg(offset), inside = offset % PORT_BYTES;

	(void)context;
	if (offset == REG_GHC) {
		*at = value & ~GHC_RESET;
	} else if (offset == REG_IS || (offset >= PORT(0) && inside == PORT_IS)) {
		*at &= ~value;
	} else if (offset >= PORT(0) && (inside == PORT_CI || inside == PORT_SACT)) {
		*at |= value;
	} else if (offset >= PORT(0) && inside == PORT_CMD) {
		*at = value | (value & CMD_START ? CMD_RUNS : 0);
		if (!(value & CMD_START)) at[(PORT_CI - PORT_CMD) / 4] = 0;
	} else {
		*at = value;
	}
}

static void answer(void *context, uint16_t tag, uint32_t status, uint32_t device_status) {
	(void)context;
	(void)device_status;
	if (tag >= BLK_TAGS || !asked[tag] || status > BLK_STATUS_READONLY) abort();
	asked[tag] = false;
}

static void submit(uint64_t now) {
	struct blk_segment segments[BLK_MAX_SEGMENTS];
	struct blk_request request = {.tag = byte(), .op = byte() % 5};

	if (asked[request.tag] || !ahci.disk_count) return;
	request.disk = (uint8_t)(byte() % ahci.disk_count);
	request.sector = word(4) * 8;
	request.count = request.op == BLK_OP_FLUSH ? 0 : (word(2) + 1) * 8;
	if (request.op <= BLK_OP_WRITE) {
		request.count = 0;
		request.segments = byte() % AHCI_PRDS + 1;
		for (uint32_t i = 0; i < request.segments; i++) {
			uint32_t from = byte() % 8, length = 1 + byte() % (8 - from);

			segments[i] =
				(struct blk_segment){word(2) * 4096 + from * 512, length * 512, 0};
			request.count += length;
		}
	}
	asked[request.tag] = true;
	ahci_submit(&ahci, &request, segments, now);
}

/* A disk as an honest one would show itself, and what it says of itself. */
static void identify(const struct ahci_port *port) {
	uint8_t *page = own[port->page + PAGE_DATA];

	page[150] = 31;
	page[153] = byte() & 1;
	page[167] = 0x64;
	page[203] = byte();
	page[213] = byte();
	page[235] = byte();
	for (uint32_t n = byte() % 4; n; n--) page[word(2) % DATA_BYTES] = byte();
}

static void honest(void) {
	uint32_t n = byte() % 4;
	struct ahci_port *port = &ahci.port[n];
	uint32_t *p = ports[n];

	p[PORT_SSTS / 4] = DET_UP;
	p[PORT_SIG / 4] = SIG_DISK;
	p[PORT_TFD / 4] = 0x50;
	if (port->has_pages && port->state != PORT_RUN) identify(port);
	p[PORT_CI / 4] &= byte();
	p[PORT_SACT / 4] &= p[PORT_CI / 4];
	adapter[REG_IS / 4] |= 1U << n;
}

static void act(uint8_t what, uint64_t *now) {
	uint32_t before = accesses;

	switch (what % 10) {
	case 0: ports[byte() % 4][byte() % (PORT_BYTES / 4)] = (uint32_t)word(4); break;
	case 1:
		adapter[byte() % (REG_BOHC / 4)] = byte() % 8 ? (uint32_t)word(4) : REG_ABSENT;
		break;
	case 2: own[byte()][word(2) % 4096] = byte(); break;
	case 3:
		*now = ahci.wake > *now ? ahci.wake : *now + 1;
		ahci_timer(&ahci, *now);
		break;
	case 4: submit(*now); break;
	case 5: ahci_kick(&ahci); break;
	case 6:
		if (byte() % 8) break;
		ahci_drop(&ahci);
		memset(asked, 0, sizeof(asked));
		break;
	case 7:
		if (!(byte() % 16)) ahci_reset(&ahci, "test", *now);
		ports[byte() % 4][PORT_IS / 4] |= byte() % 2 ? IS_TASK_FILE : IS_LINK;
		break;
	default: honest(); ahci_interrupt(&ahci, *now);
	}
	for (uint32_t i = 0; i < ahci.disk_count; i++) {
		struct blk_disk disk;

		ahci_describe(&ahci, i, &disk);
		if (!disk.sectors || disk.sectors > UINT64_MAX / BLK_SECTOR) abort();
	}
	/* All 32 ports brought up at once, at most. */
	if (accesses - before > 1000) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
	uint64_t now = 1;

	memset(&ahci, 0, sizeof(ahci));
	memset(asked, 0, sizeof(asked));
	memset(own, 0, sizeof(own));
	memset(adapter, 0, sizeof(adapter));
	memset(ports, 0, sizeof(ports));
	input = bytes;
	left = size;
	accesses = 0;
	adapter[REG_CAP / 4] = CAP_64 | CAP_NCQ | (uint32_t)(byte() & 31) << 8;
	adapter[REG_PI / 4] = byte() % 8 ? byte() : UINT32_MAX;
	adapter[REG_CAP2 / 4] = byte() & 1;
	ahci.host = (struct ahci_host){.read = reg_read, .write = reg_write, .answer = answer};
	ahci.memory.at = own[0];
	ahci.memory.pages = AHCI_PAGES - byte() % 128;
	for (uint32_t i = 0; i < AHCI_PAGES; i++) ahci.memory.address[i] = i * 8192;
	ahci.registers = byte() % 4 ? 0x1100 : (uint32_t)word(2) & ~3U;
	if (ahci.registers > 0x1100) ahci.registers = 0x1100;
	ahci.use = UINT32_MAX;
	ahci.timeout = 1000000000;
	ahci_start(&ahci, now);
	while (left) act(byte(), &now);
	return 0;
}
