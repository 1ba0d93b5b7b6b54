/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A disk server that lies to a disk driver: for ROUNDS rounds it writes garbage into
 * the request ring (requests that are nearly right, and words that are none),
 * publishes indices that cannot be, and asks for sessions in the middle. WILD times
 * an address makes the driver's device reach for memory that is not in its window,
 * which costs the driver its life: so this is for a machine with an IOMMU.
 *
 * Then it is an honest server (libs/blk) and wants a write, a read and a flush of
 * the same driver. The log says whether that worked.
 */
#include "libs/blk/server.h"
#include "libs/cap/cap.h"
#include "libs/control/control.h"
#include "libs/event/event.h"
#include "libs/grant/grant.h"
#include "libs/log/log.h"
#include "libs/rt/package.h"
#include "libs/rt/time.h"
#include "proto/system.h"
#include "proto/xen/xen.h"

PACKAGE_SERVER(SYSTEM_CONN_DISK, BLK_OLDEST, BLK_VERSION);

#define ROUNDS 3000U
#define WILD   4U
#define PERIOD MILLISECONDS(1)
#define STEPS  3U /* of the honest server: write, read, flush */

static const struct native_connection *connection;
static struct grant_mapping mapping;
static struct blk_page *page;
static uint64_t (*words)[2];
static uint32_t produced, rounds, sessions;
static struct event_timer timer;
static struct blk_server server;
static uint8_t buffer[PAGE_SIZE] __attribute__((aligned(4096)));
static uint64_t address;
static bool wild;
static uint32_t mapped_for; /* incarnation + 1 of the driver */
static uint32_t refused;    /* by all drivers; page->errors is the present one's */

static uint32_t noise(void) {
	static uint64_t state = 0x2545f4914f6cdd1dULL;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 16);
}

/* --- lies --- */

/* The driver's device reaches the buffer from now on. A new driver's window is empty. */
static void map_buffer(uint32_t driver) {
	struct dma_map map = {.domid = DOMID_SELF, .what = (uintptr_t)buffer};

	for (uint32_t i = 0; i < rt_start_page->cap_count; i++)
		if (rt_start_page->caps[i].slot == connection->dma_slot)
			map.slot = rt_start_page->caps[i].first_low;
	if (mapped_for == driver) return;
	mapped_for = driver;
	if (cap_dma_map(connection->dma_slot, &map, 1) != 1)
		rt_panic("the buffer cannot be mapped for DMA (%d)", map.status);
	address = page->flags & BLK_PAGE_MACHINE ? map.machine : map.address;
}

static void put(const void *word) { memcpy(words[produced++ % BLK_WORDS], word, 16); }

/* Wrong in one field or two. */
static void put_request(void) {
	struct blk_request request = {
		.tag = (uint16_t)(noise() % 300),
		.op = noise() % 8 ? noise() % 2 : (uint8_t)noise(),
		.flags = noise() % 8 ? 0 : (uint8_t)noise(),
		.segments = noise() % 8 ? 1 : (uint16_t)(noise() % 300),
		.disk = noise() % 8 ? 0 : (uint8_t)noise(),
		.sector = noise() % 8 ? noise() % 1000 : (uint64_t)noise() << noise() % 64,
		.count = noise() % 8 ? 8 : (uint64_t)noise() << noise() % 64,
		.pad = noise() % 16 ? 0 : noise(),
	};

	put(&request);
	put((uint8_t *)&request + 16);
	for (uint32_t i = 0; i < request.segments; i++) {
		struct blk_segment segment = {
			.address =
				noise() % 4 ? noise() & ~511U : (uint64_t)noise() << noise() % 40,
			.length = noise() % 8 ? 4096 : noise() >> noise() % 32,
		};

		if (wild) segment.address = (uint64_t)noise() << 20;
		put(&segment);
	}
}

static void ask(void) {
	map_buffer(page->driver);
	page->version = BLK_VERSION;
	page->wanted = page->driver << 16 | (++sessions & 0xffff);
	produced = 0;
}

static void lie(void) {
	uint32_t n = noise() % 40;

	wild = rounds % (ROUNDS / WILD) > ROUNDS / WILD - 10;
	while (n--) put_request();
	__atomic_store_n(&page->request.prod, produced, __ATOMIC_SEQ_CST);
	if (noise() % 32 == 0) page->request.prod = noise();
	if (noise() % 32 == 0) page->completion.cons = noise();
	if (noise() % 16 == 0 || page->session != page->wanted) ask();
	if (noise() % 64 == 0) page->wanted = noise();
	event_send(connection->port);
}

/* --- the truth --- */

static uint32_t step;

static void submit_next(void) {
	static const uint8_t ops[STEPS] = {BLK_OP_WRITE, BLK_OP_READ, BLK_OP_FLUSH};
	struct blk_segment segment = {.address = address, .length = PAGE_SIZE};
	struct blk_request request = {.op = ops[step]};

	if (step == 0) memset(buffer, 0x5a, PAGE_SIZE);
	if (step == 1) memset(buffer, 0, PAGE_SIZE);
	if (step < 2) request.sector = 64, request.count = 8, request.segments = 1;
	if (blk_server_submit(&server, &request, &segment) < 0) log_print("FAIL: no room");
	blk_server_publish(&server);
}

/* Also after the last step: the core may find a wild address late, and the driver dies then. */
static void on_up(void *context) {
	(void)context;
	map_buffer(server.driver);
	if (step < STEPS) submit_next();
}

static void on_nothing(void *context) { (void)context; }

static void on_done(void *context, uint16_t tag, uint32_t status, uint32_t device_status) {
	(void)context, (void)tag;
	if (status) log_print("FAIL: step %u: status %u, %u", step, status, device_status);
	if (step == 1 && (buffer[0] != 0x5a || buffer[PAGE_SIZE - 1] != 0x5a))
		log_print("FAIL: another content");
	if (++step < STEPS)
		submit_next();
	else
		log_print("done: %u sessions of lies", sessions);
}

static const struct blk_server_ops ops = {on_up, on_nothing, on_done, on_nothing};

static void on_event(void *context) {
	(void)context;
	if (server.port) blk_server_work(&server);
}

static void count_refused(void) {
	static uint32_t before;
	uint32_t now = page->errors;

	refused += now < before ? now : now - before;
	before = now;
}

static void tick(void *context) {
	(void)context;
	count_refused();
	if (++rounds < ROUNDS) {
		if (page->driver) lie();
		event_timer_arm(&timer, time_now() + PERIOD);
		return;
	}
	log_print("now honest; the driver refused %u", refused);
	blk_server_start(&server, mapping.at, connection->port, &ops, NULL);
	blk_server_work(&server);
}

void native_main(void) {
	control_init(NULL, NULL);
	connection = rt_connection(SYSTEM_CONN_DISK, 0);
	if (!connection ||
	    grant_map(&mapping, connection->ring_domid, connection->ring_ref, BLK_PAGES))
		rt_panic("there is nobody to lie to");
	page = mapping.at;
	words = (uint64_t(*)[2])((uint8_t *)mapping.at + 2 * PAGE_SIZE);
	event_handle(connection->port, on_event, NULL);
	timer.handler = tick;
	tick(NULL);
	event_loop();
}
