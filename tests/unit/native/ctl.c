/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The server's end of proto/ctl.h with two clients: what a successor finds of limits that were
 * set through either, and of what was typed at a console when its predecessor died.
 */
#include "native.h"

#include "libs/ctl/record.h"
#include "libs/event/event.h"
#include "libs/grant/grant.h"
#include "proto/blkctl.h"
#include "proto/consctl.h"
#include "proto/system.h"
#include "servers/console/tap.h"

#define CLIENTS 2U

static _Alignas(4096) uint8_t pages[CLIENTS][CTL_TAP_PAGES * PAGE_SIZE];
static struct native_start start = {.name = "server", .connection_count = CLIENTS};
const struct native_start *rt_start_page = &start;

static event_handler handlers[CLIENTS];
static void *contexts[CLIENTS];

void event_handle(uint32_t port, event_handler handler, void *context) {
	handlers[port] = handler;
	contexts[port] = context;
}
void event_again(uint32_t port) { (void)port; }
void event_send(uint32_t port) { (void)port; }
int grant_map_for_life(void **at, uint16_t domid, uint32_t ref, uint32_t count) {
	(void)domid, (void)count;
	*at = pages[ref];
	return 0;
}

static struct ctl_page *page_of(uint32_t client) {
	return (struct ctl_page *)(void *)pages[client];
}

static void begin(uint16_t protocol, uint32_t flags) {
	for (uint32_t i = 0; i < CLIENTS; i++)
		start.connections[i] = (struct native_connection){.protocol = protocol,
								  .role = NATIVE_SERVER,
								  .port = i,
								  .ring_ref = i,
								  .ring_pages = CTL_TAP_PAGES,
								  .flags = flags};
}

/* --- limits --- */

static struct ctl_server servers[CLIENTS];
static struct ctl_records records = {
	.servers = servers,
	.right = BLKCTL_F_LIMITS,
	.things = BLKCTL_RECORDS,
	.size = sizeof(struct blkctl_limits),
};
static const struct ctl_op no_ops[] = {{0, 0, NULL}};

static void restart(void) {
	records.count =
		ctl_servers_open(servers, CLIENTS, SYSTEM_CONN_BLKCTL, BLKCTL_PAGES, no_ops, NULL);
	CHECK(records.count == CLIENTS);
}

static void set(uint32_t client, uint32_t n, uint64_t bytes) {
	struct blkctl_limits limits = {.bytes = bytes};

	ctl_record_set(&records, &servers[client], n, &limits);
}

static uint64_t found(uint32_t n) {
	struct blkctl_limits limits;

	return ctl_record_get(&records, n, &limits) ? limits.bytes : 0;
}

static void last_one_holds(void) {
	memset(pages, 0, sizeof(pages));
	begin(SYSTEM_CONN_BLKCTL, BLKCTL_F_WATCH | BLKCTL_F_LIMITS);
	restart();
	CHECK(!found(3));
	set(0, 3, 100);
	restart();
	CHECK(found(3) == 100);
	/* Whichever connection comes first. */
	set(1, 3, 200);
	restart();
	CHECK(found(3) == 200);
	set(0, 3, 300);
	set(1, 4, 400);
	restart();
	CHECK(found(3) == 300 && found(4) == 400);
	set(0, BLKCTL_RECORDS - 1, 500);
	CHECK(found(BLKCTL_RECORDS - 1) == 500 && found(4) == 400);
}

static void who_has_no_right(void) {
	memset(pages, 0, sizeof(pages));
	begin(SYSTEM_CONN_BLKCTL, BLKCTL_F_WATCH | BLKCTL_F_LIMITS);
	start.connections[0].flags = BLKCTL_F_WATCH;
	restart();
	memset(servers[0].behind, 1, PAGE_SIZE);
	CHECK(!found(3));
	set(1, 3, 7);
	CHECK(found(3) == 7 && servers[0].behind[3] == 1);
}

/* --- a console --- */

#define GUEST 1U

static struct mux mux;
static struct xencons_interface ring;

static void pump(void *context) { (void)context; }

static void console(void) {
	memset(&mux, 0, sizeof(mux));
	mux.source[GUEST].is_guest = true;
	mux.source[GUEST].ring = &ring;
	mux.source[GUEST].in_prod = ring.in_prod;
	mux.source[GUEST].out_cons = ring.out_cons;
	tap_open(&mux, pump);
}

/* What of these bytes the guest has room for, as the server says. */
static uint32_t type(uint32_t length) {
	struct ctl_page *page = page_of(0);
	uint32_t taken;

	memset(pages[0] + PAGE_SIZE, 'x', length);
	page->op = CONSCTL_TYPE;
	page->port = GUEST;
	page->length = length;
	page->request++;
	handlers[0](contexts[0]);
	CHECK(page->done == page->request && page->status == CTL_OK);
	memcpy(&taken, pages[0] + PAGE_SIZE, sizeof(taken));
	return taken;
}

/* The one before died when the guest had the bytes, and before it said so. */
static uint32_t again(void) {
	struct ctl_page *page = page_of(0);
	uint32_t taken;

	page->done = page->request - 1;
	memset(pages[0] + PAGE_SIZE, 'x', page->length);
	console();
	handlers[0](contexts[0]);
	memcpy(&taken, pages[0] + PAGE_SIZE, sizeof(taken));
	return taken;
}

static void typed_once(void) {
	memset(pages, 0, sizeof(pages));
	memset(&ring, 0, sizeof(ring));
	begin(SYSTEM_CONN_CONSCTL, CONSCTL_F_WATCH | CONSCTL_F_TYPE);
	console();
	CHECK(type(1000) == 1000 && ring.in_prod == 1000);
	CHECK(again() == 1000 && ring.in_prod == 1000);
	/* There is room for some of it, and none. */
	CHECK(type(100) == XENCONS_IN_SIZE - 1000 && ring.in_prod == XENCONS_IN_SIZE);
	CHECK(again() == XENCONS_IN_SIZE - 1000 && ring.in_prod == XENCONS_IN_SIZE);
	CHECK(type(10) == 0 && again() == 0 && ring.in_prod == XENCONS_IN_SIZE);
	/* It had died before the guest had them. */
	ring.in_cons = ring.in_prod;
	CHECK(type(10) == 10);
	ring.in_prod -= 10;
	CHECK(again() == 10 && ring.in_prod == XENCONS_IN_SIZE + 10);
	/* A client that writes there is told nothing impossible. */
	page_of(0)->note[2] = UINT32_MAX;
	CHECK(again() <= 10);
}

int main(void) {
	static const struct test tests[] = {
		{"of limits the last one holds, whoever set it", last_one_holds},
		{"of who may set none, nothing is read", who_has_no_right},
		{"what a predecessor has typed is not typed again", typed_once},
	};

	return RUN("ctl", tests);
}
