/* SPDX-License-Identifier: BSD-2-Clause */
#include "rig.h"

#include "libs/cap/cap.h"
#include "libs/control/control.h"
#include "libs/event/event.h"
#include "libs/rt/time.h"

struct vbd vbd;
struct world *world;
uint64_t rig_time = 1;
struct rig_blob rig_blob;
struct blk_driver rig_driver;
struct rig_disk_request rig_request[BLK_TAGS];
uint32_t rig_fail_status, rig_order;
bool rig_events;
static struct native_start start;
const struct native_start *rt_start_page = &start;
static uint32_t strings_end;

const struct blk_disk rig_disk = {
	.sectors = SECTORS,
	.block = 512,
	.physical_block = 4096,
	.flags = BLK_DISK_PRESENT | BLK_DISK_FLUSH | BLK_DISK_DISCARD,
	.max_segments = 24,
	.max_sectors = 160,
	.max_discard = 64,
	.discard_granularity = 4096,
	.queues = 1,
	.name = "rig",
};

/* --- the runtime --- */

void event_handle(uint32_t port, event_handler handler, void *context) {
	(void)port, (void)handler, (void)context;
}
void event_again(uint32_t port) { (void)port; }
void event_send(uint32_t port) { (void)port; }
void event_send_last(uint32_t port) { (void)port; }
uint32_t rig_asked;
void event_asked(uint32_t most, uint64_t since) {
	CHECK(since <= rig_time);
	rig_asked = most;
}
void event_timer_arm(struct event_timer *timer, uint64_t deadline) { timer->deadline = deadline; }
void control_scan(void) {}
uint32_t rig_wanted[CONTROL_DEVICES], rig_done[CONTROL_DEVICES];
uint32_t control_device(unsigned n) { return rig_wanted[n]; }
bool control_device_settled(unsigned n) {
	return (rig_wanted[n] ^ rig_done[n]) >> CONTROL_DEVICE_SHIFT == 0;
}
void control_device_done(unsigned n, uint32_t wanted, uint32_t flags) {
	rig_done[n] = wanted | flags;
}
uint64_t time_now(void) { return rig_time; }
int grant_map(struct grant_mapping *mapping, uint16_t domid, uint32_t ref, uint32_t pages) {
	(void)domid, (void)ref, (void)pages;
	mapping->at = world->blk;
	return 0;
}
const struct native_connection *rt_connection(uint16_t protocol, unsigned n) {
	(void)protocol, (void)n;
	return &start.connections[GUESTS];
}

/* --- the core's window --- */

int cap_inspect(uint32_t slot, struct cap_info *info) {
	(void)slot;
	*info = (struct cap_info){.type = CAP_DMASPACE, .first = 0, .count = WINDOW};
	return 0;
}

int cap_dma_map(uint32_t slot, struct dma_map *maps, uint32_t count) {
	int good = 0;

	(void)slot;
	world->dma_maps++;
	for (uint32_t i = 0; i < count; i++) {
		struct dma_map *m = &maps[i];
		struct world_slot *s = &world->slot[m->slot];
		uint32_t guest = m->domid - FIRST_DOMID;

		CHECK(m->slot < WINDOW);
		CHECK(!s->used);
		m->status = -XEN_EINVAL;
		if (m->domid != DMA_ROOT &&
		    (guest >= GUESTS || m->what >= PAGES || !world->guest[guest].granted[m->what]))
			continue;
		*s = (struct world_slot){true, m->flags & DMA_READONLY, m->domid, m->what};
		m->address = (uint64_t)(m->slot + 1) << 12;
		m->machine = m->address + (1ULL << 40);
		m->status = 0;
		good++;
	}
	return good;
}

int cap_dma_unmap(uint32_t slot, const uint32_t *slots, uint32_t count) {
	(void)slot;
	world->dma_unmaps++;
	for (uint32_t i = 0; i < count; i++) {
		CHECK(slots[i] < WINDOW);
		world->slot[slots[i]].used = false;
	}
	return 0;
}

int cap_dma_read(uint32_t slot, uint32_t first, struct dma_map *maps, uint32_t count) {
	(void)slot;
	for (uint32_t i = 0; i < count; i++) {
		const struct world_slot *s = &world->slot[first + i];

		maps[i] = (struct dma_map){
			.slot = first + i,
			.domid = s->domid,
			.flags = s->readonly ? DMA_READONLY : 0,
			.what = s->what,
			.address = (uint64_t)(first + i + 1) << 12,
			.machine = ((uint64_t)(first + i + 1) << 12) + (1ULL << 40),
			.status = s->used ? 0 : -XEN_ENOENT,
		};
	}
	return (int)count;
}

/* --- links --- */

const char *link_connect(struct device *device) {
	uint32_t n = (uint32_t)(device - vbd.device);

	for (uint32_t i = 0; i < device->queue_count; i++) {
		uint32_t bytes = device->front.pages * (uint32_t)PAGE_SIZE - 64;
		uint32_t guest = device->end.domid - FIRST_DOMID;

		/* Device n of a guest has queue n and those behind it. */
		device->queue[i].shared = (void *)world->guest[guest].ring[(n + i) % VBD_QUEUES];
		device->queue[i].mask = (1U << (31 - __builtin_clz(bytes / BLKIF_SLOT_SIZE))) - 1;
		device->queue[i].port = 1 + i;
	}
	return NULL;
}

void link_disconnect(struct device *device) {
	CHECK(!device->jobs);
	device->queue_count = 0;
}

void link_notify(uint32_t port) {
	CHECK(port);
	world->notified++;
}

int link_copy(uint16_t domid, uint32_t ref, void *to, uint32_t size) {
	const struct world_guest *guest = &world->guest[domid - FIRST_DOMID];

	CHECK(size <= PAGE_SIZE);
	if (ref >= PAGES || !guest->granted[ref]) return -XEN_EINVAL;
	memcpy(to, guest->page[ref], size);
	return 0;
}

/* --- the driver and its device --- */

static bool device_submit(void *device, const struct blk_request *request,
			  const struct blk_segment *segments) {
	struct rig_disk_request *r = &rig_request[request->tag];

	(void)device;
	CHECK(!r->used);
	r->used = true;
	r->request = *request;
	r->order = rig_order++;
	memcpy(r->segment, segments, request->segments * sizeof(segments[0]));
	return true;
}

static bool device_quiesce(void *device) {
	(void)device;
	memset(rig_request, 0, sizeof(rig_request));
	return true;
}

static const struct blk_driver_ops driver_ops = {
	.submit = device_submit,
	.quiesce = device_quiesce,
};

void rig_driver_start(const struct blk_disk *disk) {
	static uint32_t incarnation;

	for (uint32_t i = 0; i < WINDOW; i++) world->slot[i].used = false;
	memset(rig_request, 0, sizeof(rig_request));
	blk_driver_start(&rig_driver, world->blk, 9, ++incarnation, &driver_ops, NULL);
	CHECK(blk_driver_disk(&rig_driver, 0, disk));
	blk_driver_online(&rig_driver, 0);
}

static uint8_t *reach(uint64_t address, bool write) {
	const struct world_slot *s = &world->slot[(address >> 12) - 1];

	CHECK((address >> 12) - 1 < WINDOW);
	CHECK(s->used);
	CHECK(!write || !s->readonly);
	if (s->domid == DMA_ROOT) {
		CHECK(s->what - scan_ref < SCAN_PAGES);
		return world->scan[s->what - scan_ref] + address % PAGE_SIZE;
	}
	return world->guest[s->domid - FIRST_DOMID].page[s->what] + address % PAGE_SIZE;
}

static void carry_out(const struct rig_disk_request *r) {
	uint8_t *at = (uint8_t *)world->disk + r->request.sector * BLK_SECTOR;
	bool read = r->request.op == BLK_OP_READ;
	uint64_t sectors = 0;

	if (!read && r->request.op != BLK_OP_WRITE) return;
	for (uint32_t i = 0; i < r->request.segments; i++) {
		const struct blk_segment *s = &r->segment[i];

		memcpy(read ? reach(s->address, true) : at, read ? at : reach(s->address, false),
		       s->length);
		at += s->length;
		sectors += s->length / BLK_SECTOR;
	}
	CHECK(sectors == r->request.count);
	CHECK(r->request.sector + sectors <= SECTORS);
}

bool rig_device(bool any) {
	uint32_t found = BLK_TAGS, first = any ? noise() : 0;
	struct rig_disk_request done;

	for (uint32_t i = 0; i < BLK_TAGS; i++) {
		uint32_t tag = (first + i) % BLK_TAGS;

		if (!rig_request[tag].used ||
		    (found < BLK_TAGS &&
		     (any || rig_request[found].order < rig_request[tag].order)))
			continue;
		found = tag;
	}
	if (found == BLK_TAGS) return false;
	done = rig_request[found];
	rig_request[found].used = false;
	if (!rig_fail_status) carry_out(&done);
	blk_driver_complete(&rig_driver, done.request.tag, (uint16_t)rig_fail_status, 0);
	rig_fail_status = 0;
	return true;
}

/* --- start --- */

uint32_t rig_string(const char *text) {
	uint32_t at = strings_end;

	strings_end += (uint32_t)strlen(text) + 1;
	CHECK(strings_end <= sizeof(rig_blob.strings));
	strcpy(rig_blob.strings + at, text);
	return at;
}

void rig_default(uint32_t queues, uint32_t order, bool persistent) {
	struct rig_blob *b = &rig_blob;

	memset(b, 0, sizeof(*b));
	strings_end = 1;
	b->config = (struct vbd_config){
		.magic = VBD_CONFIG_MAGIC,
		.version = VBD_CONFIG_VERSION,
		.total_size = sizeof(*b),
		.volumes = offsetof(struct rig_blob, volume),
		.volume_count = 1,
		.extents = offsetof(struct rig_blob, extent),
		.extent_count = 1,
		.disks = offsetof(struct rig_blob, disk),
		.disk_count = 1,
		.limits = offsetof(struct rig_blob, limit),
		.strings = offsetof(struct rig_blob, strings),
		.strings_size = sizeof(b->strings),
	};
	b->volume[0] = (struct vbd_volume){.name = rig_string("all"), .extent_count = 1};
	b->extent[0] = (struct vbd_extent){.driver = rig_string("driver")};
	b->disk[0] = (struct vbd_disk){
		.name = rig_string("root"),
		.guest = rig_string("one"),
		.virtual_device = 51712,
	};
	for (uint32_t i = 0; i < VBD_DEVICES; i++) {
		struct front *front = &world->rings[i];

		*front = (struct front){
			.pages = 1U << order, .queues = queues, .persistent = persistent};
	}
}

static void clear_all(struct world *w) { memset(w, 0, sizeof(*w)); }

/* What is in pages and on the disk may stay: clearing it takes its time. */
static void clear_most(struct world *w) {
	memset(w->blk, 0, sizeof(w->blk));
	memset(w->slot, 0, sizeof(w->slot));
	memset(w->lifeboat, 0, sizeof(w->lifeboat));
	memset(w->counts, 0, sizeof(w->counts));
	memset(w->backend, 0, sizeof(w->backend));
	memset(w->front, 0, sizeof(w->front));
	for (uint32_t g = 0; g < GUESTS; g++) memset(w->guest[g].ring, 0, sizeof(w->guest[g].ring));
}

void rig_world(void) {
	clear_all(world);
	rig_world_again();
}

void rig_world_again(void) {
	struct world *w = world;

	clear_most(w);
	for (uint32_t g = 0; g < GUESTS; g++) {
		for (uint32_t i = 0; i < PAGES; i++) w->guest[g].granted[i] = true;
		for (uint32_t q = 0; q < VBD_QUEUES; q++) {
			struct blkif_sring *ring = (void *)w->guest[g].ring[q];

			ring->req_event = ring->rsp_event = 1;
		}
	}
	memset(&start, 0, sizeof(start));
	start.domid = 3;
	start.connection_count = GUESTS + 1;
	for (uint32_t g = 0; g < GUESTS; g++) {
		struct native_connection *c = &start.connections[g];

		strcpy(c->peer, g ? "two" : "one");
		c->protocol = SYSTEM_CONN_BLOCK;
		c->peer_domid = (uint16_t)(FIRST_DOMID + g);
	}
	strcpy(start.connections[GUESTS].peer, "driver");
	start.connections[GUESTS].protocol = SYSTEM_CONN_DISK;
	start.connections[GUESTS].dma_slot = 7;
	start.connections[GUESTS].ring_pages = BLK_PAGES;
	start.connections[GUESTS].port = 9;
}

void rig_server(void) {
	CHECK(!config_check(&rig_blob, sizeof(rig_blob)));
	memset(&vbd, 0, sizeof(vbd));
	rig_store_forget();
	scan_abort(&vbd.driver[0]);
	scan_buffer = world->scan;
	scan_ref = 100;
	vbd.now = rig_time;
	vbd.job_cap = VBD_JOBS;
	vbd.driver[0].connection = &start.connections[GUESTS];
	vbd.driver[0].dma.frozen = true;
	vbd.driver_count = 1;
	device_begin();
	config_apply(&rig_blob.config);
	vbd.boat = (struct boat *)world->lifeboat;
	for (uint32_t i = 0; i < vbd.device_count; i++) vbd.device[i].count = &world->counts[i];
	boat_check(vbd.boat, vbd.device_count, VBD_QUEUES);
	job_init();
	rig_present();
	CHECK(!driver_open(&vbd.driver[0], vbd.driver[0].connection));
}

void rig_present(void) {
	for (uint16_t g = 0; g < GUESTS; g++)
		if (!backend_guest_is_here(g)) device_present(g, 0);
}

bool rig_serve(void) {
	uint64_t before = vbd.driver[0].blk.requests;

	blk_server_work(&vbd.driver[0].blk);
	rig_store();
	for (uint32_t i = 0; !rig_events && i < vbd.device_count; i++) bits_add(&vbd.ready, i);
	pump(NULL);
	return vbd.driver[0].blk.requests != before;
}
