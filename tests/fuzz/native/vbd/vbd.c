/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The disk server among liars, in the world of its unit tests: guest 0 writes
 * anything into its rings and its pages of segments, and takes grants back; the
 * lifeboat holds anything when the server starts again; the driver comes and
 * goes. The world checks that the disk touches nothing but what the window
 * holds; guest 1 is honest, and is served as long as nobody has touched the
 * records of what it asked for.
 */
#include "tests/unit/native/vbd/rig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool boat_touched;

static void serve(uint32_t rounds) {
	while (rounds--) {
		rig_time += 100000;
		rig_serve();
		blk_driver_work(&rig_driver);
		rig_device(false);
		blk_driver_work(&rig_driver);
	}
}

static void begin(uint8_t how) {
	if (!world) world = calloc(1, sizeof(*world));
	rig_world_again();
	rig_default(1 + (how & 1) * 3, how >> 1 & 1, how >> 2 & 1);
	world->rings[1].queues = 1;
	rig_blob.config.disk_count = 2;
	rig_blob.disk[0].flags = VBD_SHARED;
	rig_blob.disk[1] = rig_blob.disk[0];
	rig_blob.disk[1].guest = rig_string("two");
	boat_touched = false;
	rig_driver_start(&rig_disk);
	rig_server();
	serve(6);
}

/* A request that is nearly good: the fields that matter, from the input. */
static void request(const uint8_t *from) {
	struct blkif_sring *ring = (void *)world->guest[0].ring[from[0] & 3];
	struct blkif_request r = {
		.operation = from[1] & 7,
		.nr_segments = from[2] & 15,
		.id = from[3],
		.sector_number = (uint64_t)from[4] << (from[5] & 63),
	};
	uint32_t slots = world->rings[0].pages > 1 ? 64 : 32;

	for (uint32_t i = 0; i < BLKIF_MAX_SEGMENTS_PER_REQUEST; i++)
		r.seg[i] = (struct blkif_request_segment){
			.gref = from[6] + i, .first_sect = from[7] & 1, .last_sect = 7};
	memcpy((uint8_t *)(ring + 1) + (size_t)(ring->req_prod & (slots - 1)) * BLKIF_SLOT_SIZE, &r,
	       sizeof(r));
	ring->req_prod++;
}

static void poke(void *at, size_t limit, const uint8_t *from) {
	size_t offset = (from[1] | from[2] << 8 | (size_t)from[3] << 16) % (limit - 3);

	memcpy((uint8_t *)at + offset, from + 4, 4);
}

static void act(const uint8_t *from) {
	switch (from[0] >> 2 & 15) {
	case 0:
	case 1:
	case 2:
	case 3: request(from); break;
	case 4: poke(world->guest[0].ring[from[0] & 3], VBD_RING_PAGES * PAGE_SIZE, from); break;
	case 5: poke(world->guest[0].ring[from[0] & 3], 64, from); break;
	case 6: poke(world->guest[0].page, 64 * PAGE_SIZE, from); break;
	case 7: world->guest[0].granted[from[1] % 64] = from[2] & 1; break;
	case 8:
		poke(world->lifeboat, sizeof(world->lifeboat), from);
		boat_touched = true;
		break;
	case 9: rig_server(); break;
	case 10: rig_driver_start(&rig_disk); break;
	case 11: blk_server_renew(&vbd.driver[0].blk); break;
	case 12: world->front[0] = from[1] & 7; break;
	case 13: rig_fail_status = from[1] & 7; break;
	default: serve(1 + from[1] % 8); break;
	}
}

static void honest(void) {
	struct blkif_sring *ring = (void *)world->guest[1].ring[1];
	struct blkif_request r = {
		.operation = BLKIF_OP_READ, .nr_segments = 1, .seg = {{.gref = 9, .last_sect = 7}}};
	uint32_t before = ring->rsp_prod;
	const struct blkif_response *answer;

	memcpy(ring + 1, &r, sizeof(r));
	ring->req_prod++;
	for (uint32_t i = 0; i < 2000 && ring->rsp_prod == before; i++) {
		rig_fail_status = 0;
		serve(1);
	}
	answer = (const void *)(ring + 1);
	if (ring->rsp_prod != before + 1 || answer->status) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	if (!size) return 0;
	begin(data[0]);
	for (size_t i = 1; i + 8 <= size; i += 8) act(data + i);
	serve(4);
	if (!boat_touched) honest();
	return 0;
}
