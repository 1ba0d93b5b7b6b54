/* SPDX-License-Identifier: BSD-2-Clause */
/* A frontend that knows what must be on the disk, and is told once about each request. */
#include "rig.h"

static uint32_t versions[SECTORS]; /* as acknowledged; 0: never written */
static bool busy[SECTORS];
static bool page_used[GUESTS][PAGES];

static void fill(uint8_t *at, uint64_t sector, uint32_t version) {
	for (uint32_t i = 0; i < BLK_SECTOR / 8; i++) {
		uint64_t word = version ? (sector << 32 | version) * 2654435761U + i : 0;

		memcpy(at + i * 8, &word, 8);
	}
}

static bool is(const uint8_t *at, uint64_t sector, uint32_t version) {
	uint8_t expected[BLK_SECTOR];

	fill(expected, sector, version);
	return !memcmp(at, expected, BLK_SECTOR);
}

static struct blkif_sring *ring_of(const struct frontend *front) {
	return (void *)world->guest[front->guest].ring[(front->device + front->queue) % VBD_QUEUES];
}

void front_init(struct frontend *front, uint32_t guest, uint32_t device, uint32_t queue) {
	uint32_t bytes = world->rings[device].pages * (uint32_t)PAGE_SIZE - 64;

	memset(front, 0, sizeof(*front));
	front->guest = guest;
	front->device = device;
	front->queue = queue;
	front->slots = MIN(1U << (31 - __builtin_clz(bytes / BLKIF_SLOT_SIZE)), IDS);
	front->persistent = world->rings[device].persistent;
	if (!guest && !device && !queue) {
		memset(versions, 0, sizeof(versions));
		memset(busy, 0, sizeof(busy));
		memset(page_used, 0, sizeof(page_used));
	}
}

bool front_room(const struct frontend *front) {
	return front->req_prod - front->rsp_cons < front->slots;
}

void front_put(struct frontend *front, const void *request, size_t size) {
	uint8_t *slots = (uint8_t *)(ring_of(front) + 1);

	memcpy(slots + (size_t)(front->req_prod++ & (front->slots - 1)) * BLKIF_SLOT_SIZE, request,
	       size);
}

void front_push(struct frontend *front) {
	struct blkif_sring *ring = ring_of(front);
	uint32_t before = ring->req_prod, now = front->req_prod;

	__atomic_store_n(&ring->req_prod, now, __ATOMIC_RELEASE);
	/* The rule of the ring: who asked not to be told is not told. */
	if (now - ring->req_event < now - before) bits_add(&vbd.ready, front->device);
}

static uint16_t take_page(uint32_t guest) {
	/* The lowest first: persistent grants are used again. 0 is no page. */
	for (uint16_t i = 1; i < PAGES; i++) {
		if (page_used[guest][i]) continue;
		page_used[guest][i] = true;
		return i;
	}
	return UINT16_MAX;
}

static bool mapped(uint32_t guest, uint32_t ref) {
	for (uint32_t i = 0; i < WINDOW; i++)
		if (world->slot[i].used && world->slot[i].domid == FIRST_DOMID + guest &&
		    world->slot[i].what == ref)
			return true;
	return false;
}

static void mark(const struct rig_io *io, bool value) {
	for (uint32_t i = 0; i < io->sectors; i++) busy[io->sector + i] = value;
}

static bool free_range(uint64_t sector, uint32_t count) {
	for (uint32_t i = 0; i < count; i++)
		if (busy[sector + i]) return false;
	return true;
}

/* Segments with noise for offsets; their pages, and for a write what is in them. */
static bool make_segments(struct frontend *front, struct rig_io *io, uint32_t count,
			  struct blkif_request_segment *segments) {
	uint32_t at = 0;

	io->pages = 0;
	for (uint32_t i = 0; i < count; i++) {
		uint8_t first = (uint8_t)(noise() % 3 ? 0 : noise() % 8);
		uint8_t last = (uint8_t)(noise() % 3 ? 7 : first + noise() % (8U - first));
		uint16_t ref = take_page(front->guest);

		if (ref == UINT16_MAX) return false;
		io->ref[io->pages++] = ref;
		segments[i] = (struct blkif_request_segment){
			.gref = ref, .first_sect = first, .last_sect = last};
		at += last - first + 1U;
	}
	io->sectors = at;
	io->sector = noise() % (SECTORS - at);
	return free_range(io->sector, at);
}

static void fill_pages(struct frontend *front, const struct rig_io *io,
		       const struct blkif_request_segment *segments) {
	uint64_t sector = io->sector;

	for (uint32_t i = 0; i < io->pages; i++)
		for (uint32_t s = segments[i].first_sect; s <= segments[i].last_sect; s++)
			fill(world->guest[front->guest].page[io->ref[i]] + s * BLK_SECTOR, sector++,
			     io->version);
}

static void check_pages(struct frontend *front, const struct rig_io *io,
			const struct blkif_request_segment *segments) {
	uint64_t sector = io->sector;

	for (uint32_t i = 0; i < io->pages; i++)
		for (uint32_t s = segments[i].first_sect; s <= segments[i].last_sect; s++) {
			CHECK(is(world->guest[front->guest].page[io->ref[i]] + s * BLK_SECTOR,
				 sector, versions[sector]));
			sector++;
		}
}

static struct blkif_request_segment kept[GUESTS * VBD_QUEUES][IDS][VBD_SEGMENTS];

static struct blkif_request_segment *segments_of(const struct frontend *front, uint32_t id) {
	return kept[front->guest * VBD_QUEUES + front->queue][id];
}

static void release(struct frontend *front, struct rig_io *io) {
	for (uint32_t i = 0; i < io->pages; i++) page_used[front->guest][io->ref[i]] = false;
	if (io->indirect) page_used[front->guest][io->indirect] = false;
	io->pages = io->indirect = 0;
	io->used = false;
}

static void put_direct(struct frontend *front, const struct rig_io *io, uint32_t id) {
	struct blkif_request r = {
		.operation = io->op,
		.nr_segments = (uint8_t)io->pages,
		.id = id,
		.sector_number = io->sector,
	};

	memcpy(r.seg, segments_of(front, id), io->pages * sizeof(r.seg[0]));
	front_put(front, &r, sizeof(r));
}

static void put_indirect(struct frontend *front, const struct rig_io *io, uint32_t id) {
	struct blkif_request_indirect r = {
		.operation = BLKIF_OP_INDIRECT,
		.indirect_op = io->op,
		.nr_segments = (uint16_t)io->pages,
		.id = id,
		.sector_number = io->sector,
	};

	memcpy(world->guest[front->guest].page[io->indirect], segments_of(front, id),
	       io->pages * sizeof(struct blkif_request_segment));
	r.indirect_grefs[0] = io->indirect;
	front_put(front, &r, sizeof(r));
}

bool front_random(struct frontend *front) {
	uint32_t id = noise() % front->slots, kind = noise() % 16;
	struct rig_io *io = &front->io[id];
	uint32_t count = kind < 4 ? 12 + noise() % (VBD_SEGMENTS - 12) : 1 + noise() % 11;
	static uint32_t version;

	if (io->used || !front_room(front)) return false;
	*io = (struct rig_io){.used = true, .op = BLKIF_OP_FLUSH_DISKCACHE};
	if (kind == 15) {
		put_direct(front, io, id);
		return true;
	}
	io->op = kind % 2 ? BLKIF_OP_READ : BLKIF_OP_WRITE;
	if (kind == 14) io->op = BLKIF_OP_WRITE_BARRIER;
	if (count > BLKIF_MAX_SEGMENTS_PER_REQUEST) io->indirect = take_page(front->guest);
	if (io->indirect == UINT16_MAX) {
		*io = (struct rig_io){0};
		return false;
	}
	if (!make_segments(front, io, count, segments_of(front, id))) {
		release(front, io);
		return false;
	}
	mark(io, true);
	io->version = ++version;
	if (io->op != BLKIF_OP_READ) fill_pages(front, io, segments_of(front, id));
	if (count > BLKIF_MAX_SEGMENTS_PER_REQUEST)
		put_indirect(front, io, id);
	else
		put_direct(front, io, id);
	return true;
}

static void answered(struct frontend *front, const struct blkif_response *r) {
	struct rig_io *io = &front->io[r->id];

	CHECK(r->id < IDS && io->used);
	CHECK(r->operation == io->op);
	CHECK(r->status == BLKIF_RSP_OKAY);
	front->answers++;
	if (io->op == BLKIF_OP_READ) check_pages(front, io, segments_of(front, (uint32_t)r->id));
	if (io->op == BLKIF_OP_WRITE || io->op == BLKIF_OP_WRITE_BARRIER)
		for (uint32_t i = 0; i < io->sectors; i++) versions[io->sector + i] = io->version;
	for (uint32_t i = 0; i < io->pages && !front->persistent; i++)
		CHECK(!mapped(front->guest, io->ref[i]));
	mark(io, false);
	release(front, io);
}

void front_collect(struct frontend *front) {
	struct blkif_sring *ring = ring_of(front);
	uint32_t prod = __atomic_load_n(&ring->rsp_prod, __ATOMIC_ACQUIRE);

	CHECK(prod - front->rsp_cons <= front->req_prod - front->rsp_cons);
	for (; front->rsp_cons != prod; front->rsp_cons++) {
		struct blkif_response r;

		memcpy(&r,
		       (uint8_t *)(ring + 1) +
			       (size_t)(front->rsp_cons & (front->slots - 1)) * BLKIF_SLOT_SIZE,
		       sizeof(r));
		answered(front, &r);
	}
	ring->rsp_event = front->rsp_cons + 1;
}

bool front_idle(const struct frontend *front) { return front->req_prod == front->rsp_cons; }

void front_check_disk(void) {
	for (uint32_t s = 0; s < SECTORS; s++) {
		if (busy[s]) continue;
		CHECK(is((uint8_t *)world->disk + (size_t)s * BLK_SECTOR, s, versions[s]));
	}
}
