/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Commands in a slot: header, register FIS, and the list of memory regions. Each
 * slot has a page for its table; regions that adjoin become one (none is longer than a request may
 * be, 1 MiB). What TRIM sends to the disk lies at the end of the same page, where no list of one
 * region reaches.
 */
#include "ahci.h"

#define TRIM_OFFSET (4096U - DATA_BYTES)
#define TRIM_RANGES (DATA_BYTES / 8U)
#define TRIM_BLOCKS 0xffffU

struct slot_memory {
	struct ahci_header *header;
	struct ahci_table *table;
	uint64_t address; /* of the table */
};

static struct slot_memory memory_of(struct ahci *ahci, const struct ahci_port *port,
				    uint32_t slot) {
	struct ahci_header *list = ahci_page(ahci, port->page + PAGE_LISTS);
	uint32_t page = port->page + PAGE_TABLES + slot;

	return (struct slot_memory){
		.header = list + slot,
		.table = ahci_page(ahci, page),
		.address = ahci->memory.address[page],
	};
}

/* A register FIS, host to device; `count` and `features` as ACS-3 has them. */
static void make(const struct slot_memory *slot, uint8_t command, uint64_t lba, uint32_t count,
		 uint32_t features, uint8_t device, uint32_t prds, bool write) {
	uint8_t *fis = slot->table->fis;

	*slot->header = (struct ahci_header){
		.flags = (uint16_t)(HEADER_FIS_DWORDS | (write ? HEADER_WRITE : 0)),
		.prds = (uint16_t)prds,
		.table = slot->address,
	};
	memset(fis, 0, sizeof(slot->table->fis));
	fis[0] = FIS_H2D;
	fis[1] = FIS_COMMAND;
	fis[2] = command;
	fis[3] = (uint8_t)features;
	for (uint32_t i = 0; i < 3; i++) {
		fis[4 + i] = (uint8_t)(lba >> 8 * i);
		fis[8 + i] = (uint8_t)(lba >> (24 + 8 * i));
	}
	fis[7] = device;
	fis[11] = (uint8_t)(features >> 8);
	fis[12] = (uint8_t)count;
	fis[13] = (uint8_t)(count >> 8);
}

static void set_region(struct ahci_prd *prd, uint64_t address, uint32_t length) {
	*prd = (struct ahci_prd){.address = address, .length = length - 1};
}

void command_of_drivers(struct ahci *ahci, struct ahci_port *port, uint8_t command, uint64_t lba) {
	struct slot_memory slot = memory_of(ahci, port, SLOT_OF_DRIVERS);
	uint8_t *data = ahci_page(ahci, port->page + PAGE_DATA);

	memset(data, 0, DATA_BYTES);
	set_region(&slot.table->prd[0], ahci->memory.address[port->page + PAGE_DATA], DATA_BYTES);
	make(&slot, command, lba, command == ATA_READ_LOG, 0, command == ATA_READ_LOG ? ATA_LBA : 0,
	     1, false);
}

/* How many regions; 0: the adapter cannot reach one of them. */
static uint32_t set_regions(const struct ahci *ahci, struct ahci_table *table,
			    const struct ahci_request *r) {
	uint32_t prds = 0;
	uint64_t start = 0, end = 0;

	for (uint32_t i = 0; i < r->request.segments; i++) {
		const struct blk_segment *segment = &r->segments[i];

		if (!(ahci->capabilities & CAP_64) && segment->address >> 32) return 0;
		if (!prds || segment->address != end) {
			if (prds == AHCI_PRDS) return 0;
			start = segment->address;
			prds++;
		}
		end = segment->address + segment->length;
		set_region(&table->prd[prds - 1], start, (uint32_t)(end - start));
	}
	return prds;
}

bool command_is_queued(const struct ahci_port *port, const struct ahci_request *r) {
	return port->identity.depth && r->request.op <= BLK_OP_WRITE;
}

static uint32_t make_transfer(struct ahci *ahci, struct ahci_port *port, uint32_t number,
			      const struct ahci_request *r) {
	struct slot_memory slot = memory_of(ahci, port, number);
	bool write = r->request.op == BLK_OP_WRITE, fua = write && r->request.flags & BLK_F_FUA;
	uint32_t shift = port->identity.block == 4096 ? 3 : 0;
	uint64_t lba = r->request.sector >> shift;
	uint32_t count = (uint32_t)(r->request.count >> shift);
	uint32_t prds = set_regions(ahci, slot.table, r);

	if (!prds) return BLK_STATUS_UNSUPPORTED;
	if (command_is_queued(port, r))
		make(&slot, write ? ATA_WRITE_FPDMA : ATA_READ_FPDMA, lba, number << 3, count,
		     fua ? ATA_LBA | ATA_FUA : ATA_LBA, prds, write);
	else
		make(&slot,
		     fua     ? ATA_WRITE_DMA_FUA
		     : write ? ATA_WRITE_DMA
			     : ATA_READ_DMA,
		     lba, count, 0, ATA_LBA, prds, write);
	return BLK_STATUS_OK;
}

/* The list of ranges is a block of 512 bytes: 48 bits of LBA, 16 of count each. */
static void make_trim(struct ahci *ahci, struct ahci_port *port, uint32_t number,
		      const struct ahci_request *r) {
	struct slot_memory slot = memory_of(ahci, port, number);
	uint64_t *ranges = (uint64_t *)((uint8_t *)slot.table + TRIM_OFFSET);
	uint32_t shift = port->identity.block == 4096 ? 3 : 0;
	uint64_t lba = r->request.sector >> shift, left = r->request.count >> shift;

	for (uint32_t i = 0; i < TRIM_RANGES; i++) {
		uint64_t count = MIN(left, TRIM_BLOCKS);

		ranges[i] = count ? lba | count << 48 : 0;
		lba += count;
		left -= count;
	}
	set_region(&slot.table->prd[0], slot.address + TRIM_OFFSET, DATA_BYTES);
	make(&slot, ATA_DATA_SET, 0, 1, ATA_TRIM, ATA_LBA, 1, true);
}

uint32_t command_of_request(struct ahci *ahci, struct ahci_port *port, uint32_t number,
			    const struct ahci_request *r) {
	struct slot_memory slot;

	switch (r->request.op) {
	case BLK_OP_READ:
	case BLK_OP_WRITE: return make_transfer(ahci, port, number, r);
	case BLK_OP_FLUSH:
		slot = memory_of(ahci, port, number);
		make(&slot, ATA_FLUSH, 0, 0, 0, ATA_LBA, 0, false);
		return BLK_STATUS_OK;
	case BLK_OP_DISCARD: make_trim(ahci, port, number, r); return BLK_STATUS_OK;
	default: return BLK_STATUS_UNSUPPORTED;
	}
}

void ahci_describe(const struct ahci *ahci, uint32_t n, struct blk_disk *disk) {
	const struct ahci_identity *identity = &ahci->port[ahci->disk_port[n]].identity;

	*disk = (struct blk_disk){
		.sectors = identity->sectors,
		.block = identity->block,
		.physical_block = identity->physical_block,
		.flags = BLK_DISK_PRESENT,
		.max_segments = AHCI_PRDS,
		.max_sectors = AHCI_PRDS * PAGE_SIZE / BLK_SECTOR,
		.discard_granularity = identity->block,
		.queues = 1,
	};
	if (identity->cache && identity->flush) disk->flags |= BLK_DISK_FLUSH;
	if (identity->fua) disk->flags |= BLK_DISK_FUA;
	if (identity->trim) {
		disk->flags |= BLK_DISK_DISCARD;
		disk->max_discard = TRIM_RANGES * TRIM_BLOCKS * (identity->block / BLK_SECTOR);
	}
	rt_strcopy(disk->name, identity->serial, sizeof(disk->name));
}
