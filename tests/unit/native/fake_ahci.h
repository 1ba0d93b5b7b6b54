/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A small AHCI adapter: registers of 32 ports, and disks that remember the last
 * 8192 blocks. It does what the driver asks only when fake_run() is called, and
 * can be told to lie.
 */
#ifndef TESTS_UNIT_FAKE_AHCI_H
#define TESTS_UNIT_FAKE_AHCI_H

#include "drivers/ahci/spec.h"
#include "fake_dma.h"

#define FAKE_BLOCKS 8192U
#define FAKE_PORTS  32U

enum fake_kind { FAKE_EMPTY, FAKE_DISK, FAKE_ATAPI, FAKE_DEAD_LINK };

struct fake_port {
	enum fake_kind kind;
	uint64_t clb, fb;
	uint32_t is, ie, cmd, tfd, sig, ssts, sctl, serr, sact, ci;
	uint32_t first_error; /* the queued command that failed first, + 1 */
	/* the disk */
	uint64_t blocks;
	uint32_t block, depth;
	bool fua, trim, no_cache, no_lba48;
	char serial;
	bool checksum_wrong;
	/* lies */
	uint32_t error;   /* the next so many commands fail */
	uint64_t bad;     /* commands that touch this block fail, + 1 */
	bool no_log;      /* it does not know which command failed */
	uint32_t log_lie; /* it says that it was this one, + 1 */
	bool stuck;       /* does nothing until the link is reset */
	bool always_stuck;
	bool late;      /* the first completion after a reset is said of all slots */
	bool said_late; /* it has been */
	bool never_ready, never_stops, halves;
	uint32_t gone_bits; /* completes what was not asked: these slots */
};

static struct {
	uint32_t cap, ghc, is, pi, cap2, bohc;
	struct fake_port port[FAKE_PORTS];
	struct {
		uint64_t lba;
		uint8_t data[4096];
	} block[FAKE_BLOCKS];
	uint32_t regions; /* of the last transfer */
	uint32_t issues, accesses, commands, queued, flushes, fua, trimmed, links, resets;
	bool absent, never_resets, keeps_bios, silent;
	uint32_t slow; /* reads of GHC until the reset is over */
} fake;

static void fake_interrupt(struct fake_port *p, uint32_t bits) {
	p->is |= bits;
	if (p->is & p->ie) fake.is |= 1U << (p - fake.port);
}

/* The link comes up and the disk says what it is. */
static void fake_link(struct fake_port *p) {
	p->tfd = 0x7f;
	p->sig = UINT32_MAX;
	p->sact = p->ci = p->first_error = 0;
	p->said_late = !p->late;
	p->stuck = p->always_stuck;
	p->ssts = p->kind == FAKE_EMPTY ? 0 : p->kind == FAKE_DEAD_LINK ? 1 : 0x123;
	if (p->ssts == 0x123) fake_interrupt(p, 1U << 22);
	fake.links++;
}

static void fake_ready(struct fake_port *p) {
	if (p->ssts != 0x123 || !(p->cmd & CMD_FIS) || p->sig != UINT32_MAX || p->never_ready)
		return;
	p->sig = p->kind == FAKE_ATAPI ? SIG_ATAPI : SIG_DISK;
	p->tfd = 0x50;
}

static void fake_reset(void) {
	for (uint32_t i = 0; i < FAKE_PORTS; i++) {
		struct fake_port *p = &fake.port[i];

		p->is = p->ie = p->cmd = p->serr = 0;
		p->sctl = 0;
		fake_link(p);
		p->is = 0;
	}
	fake.is = 0;
	fake.ghc = 0;
	fake.resets++;
}

static uint32_t fake_port_read(struct fake_port *p, uint32_t offset) {
	switch (offset) {
	case PORT_IS: return p->is;
	case PORT_CMD:
		return p->cmd | (p->cmd & CMD_FIS ? CMD_FIS_RUNS : 0) |
		       (p->never_stops && p->ci ? CMD_RUNS : 0) |
		       (p->cmd & CMD_START ? CMD_RUNS : 0);
	case PORT_TFD: return p->tfd;
	case PORT_SIG: return p->sig;
	case PORT_SSTS: return p->ssts;
	case PORT_SACT: return p->sact;
	case PORT_CI: return p->ci;
	default: CHECK(!"a register that the driver has no business with"); return 0;
	}
}

static uint32_t fake_read(void *context, uint32_t offset) {
	(void)context;
	fake.accesses++;
	if (fake.absent) return UINT32_MAX;
	if (offset >= PORT(0))
		return fake_port_read(&fake.port[(offset - 0x100) / 0x80], offset % 0x80);
	switch (offset) {
	case REG_CAP: return fake.cap;
	case REG_GHC:
		if (fake.ghc & GHC_RESET && !fake.never_resets && !fake.slow) fake_reset();
		if (fake.slow) fake.slow--;
		return fake.ghc;
	case REG_IS: return fake.is;
	case REG_PI: return fake.pi;
	case REG_CAP2: return fake.cap2;
	case REG_BOHC: return fake.bohc;
	default: CHECK(!"a register that the driver has no business with"); return 0;
	}
}

static void half(uint64_t *to, bool upper, uint32_t value) {
	*to = upper ? (*to & 0xffffffff) | (uint64_t)value << 32 : (*to & ~0xffffffffULL) | value;
}

static void fake_port_write(struct fake_port *p, uint32_t offset, uint32_t value) {
	switch (offset) {
	case PORT_CLB:
	case PORT_CLB + 4:
		CHECK(!(p->cmd & CMD_START));
		half(&p->clb, offset & 4, value);
		break;
	case PORT_FB:
	case PORT_FB + 4: half(&p->fb, offset & 4, value); break;
	case PORT_IS: p->is &= ~value; break;
	case PORT_IE:
		p->ie = value;
		fake_interrupt(p, 0);
		break;
	case PORT_CMD:
		CHECK(!(value & CMD_FIS) || fake_dma(p->fb, 256));
		if (value & CMD_START)
			CHECK(value & CMD_FIS && fake_dma(p->clb, 1024) && !(p->tfd & 0x88));
		if (p->cmd & CMD_START && !(value & CMD_START) && !p->never_stops)
			p->ci = p->sact = 0;
		p->cmd = value & (CMD_START | CMD_FIS | CMD_SPIN_UP | CMD_POWER);
		fake_ready(p);
		break;
	case PORT_SCTL:
		if (p->sctl & 1 && !(value & 1)) {
			CHECK(!(p->cmd & CMD_START));
			fake_link(p);
			fake_ready(p);
		}
		p->sctl = value;
		break;
	case PORT_SERR: p->serr &= ~value; break;
	case PORT_SACT:
		CHECK(p->cmd & CMD_START);
		p->sact |= value;
		break;
	case PORT_CI:
		CHECK(p->cmd & CMD_START && !(p->ci & value));
		p->ci |= value;
		fake.issues++;
		break;
	default: CHECK(!"a register that the driver has no business with");
	}
}

static void fake_write(void *context, uint32_t offset, uint32_t value) {
	(void)context;
	fake.accesses++;
	if (offset >= PORT(0)) {
		CHECK(offset < PORT(FAKE_PORTS));
		fake_port_write(&fake.port[(offset - 0x100) / 0x80], offset % 0x80, value);
		return;
	}
	switch (offset) {
	case REG_GHC: fake.ghc = value; break;
	case REG_IS:
		fake.is &= ~value;
		for (uint32_t i = 0; i < FAKE_PORTS; i++) fake_interrupt(&fake.port[i], 0);
		break;
	case REG_BOHC: fake.bohc = fake.keeps_bios ? value : value & ~BOHC_BIOS; break;
	default: CHECK(!"a register that the driver has no business with");
	}
}

static void put16(uint8_t *data, uint32_t word, uint32_t value) {
	data[2 * word] = (uint8_t)value;
	data[2 * word + 1] = (uint8_t)(value >> 8);
}

static void fake_identify(const struct fake_port *p, uint8_t *data) {
	uint8_t sum = 0;

	memset(data, 0, 512);
	memset(data + 20, ' ', 20);
	data[21] = (uint8_t)p->serial; /* swapped within the word */
	data[20] = '1';
	if (p->depth) {
		put16(data, 75, p->depth - 1);
		put16(data, 76, 1U << 8);
	}
	put16(data, 83, 1U << 14 | 1U << 13 | (p->no_lba48 ? 0 : 1U << 10));
	put16(data, 84, 1U << 14 | (p->fua ? 1U << 6 : 0));
	put16(data, 85, p->no_cache ? 0 : 1U << 5);
	memcpy(data + 200, &p->blocks, 8);
	if (p->block == 4096) {
		put16(data, 106, 1U << 14 | 1U << 12);
		put16(data, 117, 2048);
	} else {
		put16(data, 106, 1U << 14 | 1U << 13 | 3);
	}
	put16(data, 169, p->trim);
	data[510] = 0xa5;
	for (uint32_t i = 0; i < 511; i++) sum = (uint8_t)(sum + data[i]);
	data[511] = (uint8_t)(p->checksum_wrong - sum);
}

static uint8_t *fake_block(uint64_t lba) {
	uint32_t n = lba % FAKE_BLOCKS;

	if (fake.block[n].lba != lba) memset(fake.block[n].data, 0, 4096);
	fake.block[n].lba = lba;
	return fake.block[n].data;
}

/* Copies between the disk and the regions of a slot; how many bytes. */
static uint32_t fake_transfer(const struct fake_port *p, const struct ahci_header *h, bool write,
			      uint64_t lba, uint64_t total) {
	uint32_t done = 0;

	fake.regions = h->prds;
	for (uint32_t i = 0; i < h->prds; i++) {
		struct ahci_prd prd;

		memcpy(&prd, fake_dma(h->table + 128 + i * 16, 16), 16);
		for (uint32_t k = 0; k <= prd.length; k++, done++) {
			uint8_t *at = fake_dma(prd.address + k, 1);
			uint8_t *on_disk = fake_block(lba + done / p->block) + done % p->block;

			if (write)
				*on_disk = *at;
			else
				*at = *on_disk;
		}
	}
	CHECK(done == total);
	return done;
}

static uint64_t fake_lba(const uint8_t *fis) {
	return fis[4] | fis[5] << 8 | (uint64_t)fis[6] << 16 | (uint64_t)fis[8] << 24 |
	       (uint64_t)fis[9] << 32 | (uint64_t)fis[10] << 40;
}

static void fake_trim(const struct ahci_header *h) {
	struct ahci_prd prd;
	uint64_t ranges[64];

	memcpy(&prd, fake_dma(h->table + 128, 16), 16);
	CHECK(prd.length == 511 && h->flags & HEADER_WRITE);
	memcpy(ranges, fake_dma(prd.address, 512), 512);
	for (uint32_t i = 0; i < 64; i++) fake.trimmed += (uint32_t)(ranges[i] >> 48);
}

/* A command that reads 512 bytes about the disk itself. */
static void fake_tell(struct fake_port *p, struct ahci_header *h, bool log) {
	struct ahci_prd prd;
	uint8_t *data;

	memcpy(&prd, fake_dma(h->table + 128, 16), 16);
	CHECK(h->prds == 1 && prd.length == 511);
	data = fake_dma(prd.address, 512);
	if (!log) {
		fake_identify(p, data);
		return;
	}
	memset(data, 0, 512);
	data[0] = (uint8_t)(p->log_lie ? p->log_lie - 1 : p->first_error - 1);
	data[2] = 0x41;
	p->first_error = 0;
}

static bool fake_fails(struct fake_port *p, uint64_t lba, uint64_t count) {
	if (p->error) {
		p->error--;
		return true;
	}
	return (p->bad && p->bad - 1 >= lba && p->bad - 1 - lba < count) || lba > p->blocks ||
	       count > p->blocks - lba;
}

/* False: it failed. */
static bool fake_command(struct fake_port *p, uint32_t slot, const uint8_t *fis,
			 struct ahci_header *h) {
	bool queued = (fis[2] & 0xfe) == ATA_READ_FPDMA, write = false;
	uint64_t lba = fake_lba(fis), count;

	fake.commands++;
	switch (fis[2]) {
	case ATA_IDENTIFY: fake_tell(p, h, false); return true;
	case ATA_READ_LOG:
		if (p->no_log) return false;
		CHECK(lba == 0x10 && fis[12] == 1);
		fake_tell(p, h, true);
		return true;
	case ATA_FLUSH: fake.flushes++; return !p->error || p->error-- == 0;
	case ATA_DATA_SET:
		CHECK(fis[3] == 1 && fis[12] == 1);
		fake_trim(h);
		return true;
	case ATA_WRITE_DMA_FUA:
	case ATA_WRITE_DMA:
	case ATA_WRITE_FPDMA: write = true; break;
	case ATA_READ_DMA:
	case ATA_READ_FPDMA: break;
	default: CHECK(!"a command that a disk knows");
	}
	count = queued ? fis[3] | fis[11] << 8 : fis[12] | fis[13] << 8;
	if (queued) {
		CHECK(fis[12] >> 3 == slot && p->sact & 1U << slot);
		fake.queued++;
	}
	fake.fua += fis[2] == ATA_WRITE_DMA_FUA || (queued && fis[7] & 0x80);
	CHECK(fis[7] & 0x40 && !!(h->flags & HEADER_WRITE) == write);
	if (fake_fails(p, lba, count)) return false;
	h->bytes = fake_transfer(p, h, write, lba, count * p->block);
	if (p->halves) h->bytes /= 2;
	return true;
}

static void fake_slot(struct fake_port *p, uint32_t slot) {
	struct ahci_header *h = (void *)fake_dma(p->clb + slot * 32, 32);
	uint8_t fis[64];
	bool good;

	memcpy(fis, fake_dma(h->table, 64), 64);
	CHECK(fis[0] == 0x27 && fis[1] == 0x80 && (h->flags & 0x1f) == 5);
	good = fake_command(p, slot, fis, h);
	p->ci &= ~(1U << slot);
	p->tfd = good ? 0x50 : 0x4041;
	if (good) {
		p->sact &= p->said_late ? ~(1U << slot) : 0;
		p->said_late |= fis[2] >> 4 == 6;
		fake_interrupt(p, 1U << (fis[2] >> 4 == 6 ? 3 : 0));
	} else {
		if (p->sact & 1U << slot && !p->first_error) p->first_error = slot + 1;
		fake_interrupt(p, IS_TASK_FILE);
	}
}

/* Does up to `most` commands; how many. After an error a port does nothing until it is stopped. */
static uint32_t fake_run(uint32_t most) {
	uint32_t did = 0;

	if (fake.absent) return 0;
	for (uint32_t i = 0; i < FAKE_PORTS; i++) {
		struct fake_port *p = &fake.port[i];

		p->sact &= ~p->gone_bits;
		p->ci &= ~p->gone_bits;
		while (p->cmd & CMD_START && p->ci && did < most && !p->stuck &&
		       !(p->is & IS_TASK_FILE)) {
			fake_slot(p, (uint32_t)__builtin_ctz(p->ci));
			did++;
		}
	}
	return did;
}

#endif
