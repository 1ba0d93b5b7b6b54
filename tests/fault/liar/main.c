/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A disk driver that lies to the disk server in every field that it can write:
 * tags that were never given out, completions twice and for others, statuses that
 * do not exist, indices that cannot be, sessions and disks that make no sense. It
 * carries nothing out, but every request is answered in the end, so that the
 * guest of this disk goes on; what another driver serves must not notice at all.
 *
 * It has a device, since without one the server would not talk to it, and never
 * touches it.
 */
#include "libs/control/control.h"
#include "libs/event/event.h"
#include "libs/grant/grant.h"
#include "libs/log/log.h"
#include "libs/rt/package.h"
#include "libs/rt/time.h"
#include "proto/blk.h"
#include "proto/system.h"

PACKAGE_CLIENT(SYSTEM_CONN_DISK, BLK_OLDEST, BLK_VERSION);

#define PERIOD MILLISECONDS(1)

static struct blk_page *page;
static struct blk_completion *completions;
static const uint64_t (*words)[2];
static uint32_t port, consumed, completed, lies, sessions;
static struct event_timer timer;

static uint32_t noise(void) {
	static uint64_t state = 88172645463325252ULL;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 16);
}

static void complete(uint16_t tag, uint16_t status) {
	completions[completed++ % BLK_COMPLETIONS] =
		(struct blk_completion){.tag = tag, .status = status, .device_status = noise()};
}

/* Does not end the session: counted by the server, and nothing else. */
static void lie(uint16_t tag) {
	switch (noise() % 5) {
	case 0: complete((uint16_t)noise(), 0); break;
	case 1: complete((uint16_t)(tag ^ (1U << noise() % 16)), 0); break;
	case 2: complete(tag, (uint16_t)(BLK_STATUS_READONLY + 1 + noise() % 60000)); break;
	case 3: complete(tag, 0), complete(tag, 0); break;
	default: page->errors = noise(); break;
	}
	lies++;
}

/* Ends it. */
static void break_session(void) {
	switch (noise() % 6) {
	case 0: page->completion.prod = completed + BLK_COMPLETIONS + 1 + noise() % 1000; break;
	case 1: page->completion.prod = completed - 1 - noise() % 1000; break;
	case 2: page->request.cons = consumed + 3000 + noise() % 1000; break;
	case 3: page->session = noise(); break;
	case 4: page->session = 0; break;
	default: page->driver = noise(); break;
	}
	lies++;
}

static void senseless_disk(uint32_t n) {
	uint32_t *at = (uint32_t *)&page->disk[n];

	for (uint32_t i = 0; i < sizeof(page->disk[n]) / 4; i++) at[i] = noise() >> noise() % 32;
}

/* Disk 0 makes sense, at least until the server has looked. */
static void describe_disks(void) {
	for (uint32_t i = 0; i < BLK_MAX_DISKS; i++) senseless_disk(i);
	page->disk[0] = (struct blk_disk){
		.sectors = 65536,
		.block = 512,
		.physical_block = 512,
		.flags = BLK_DISK_PRESENT | BLK_DISK_FLUSH,
		.max_segments = 32,
		.max_sectors = 256,
	};
	page->disk_count = 1 + noise() % 100;
}

static void begin_session(uint32_t wanted) {
	page->request = page->completion = (struct ring_header){.prod_event = 1};
	consumed = completed = 0;
	describe_disks();
	__atomic_store_n(&page->session, wanted, __ATOMIC_RELEASE);
	sessions++;
	event_send(port);
}

static void serve(void) {
	uint32_t prod = __atomic_load_n(&page->request.prod, __ATOMIC_ACQUIRE);

	while (prod - consumed - 1 < BLK_WORDS) {
		uint64_t word = words[consumed % BLK_WORDS][0]; /* tag, op, flags, segments */

		consumed += 2 + (uint16_t)(word >> 32);
		if (noise() % 4 == 0) lie((uint16_t)word);
		complete((uint16_t)word, 0);
	}
	page->request.cons = consumed;
	page->request.prod_event = consumed + 1;
	__atomic_store_n(&page->completion.prod, completed, __ATOMIC_SEQ_CST);
	event_send(port);
}

static void work(void *context) {
	uint32_t wanted = __atomic_load_n(&page->wanted, __ATOMIC_ACQUIRE);
	uint32_t incarnation = rt_start_page->incarnation + 1U;

	(void)context;
	__atomic_store_n(&page->driver, incarnation, __ATOMIC_RELEASE);
	if (wanted >> 16 == incarnation && wanted != page->session)
		begin_session(wanted);
	else if (wanted >> 16 == incarnation)
		serve();
	else
		event_send(port);
}

static void tick(void *context) {
	static uint32_t ticks;

	work(context);
	if (++ticks % 8 == 0) {
		break_session();
		event_send(port);
	}
	if (ticks % 1000 == 0) log_print("%u lies in %u sessions", lies, sessions);
	event_timer_arm(&timer, time_now() + PERIOD);
}

void native_main(void) {
	const struct native_connection *connection = rt_connection(SYSTEM_CONN_DISK, 0);
	static struct grant_mapping mapping;
	uint8_t *pages;

	control_init(NULL, NULL);
	if (!connection ||
	    grant_map(&mapping, connection->ring_domid, connection->ring_ref, BLK_PAGES))
		rt_panic("there is nobody to lie to");
	pages = mapping.at;
	page = (struct blk_page *)pages;
	completions = (struct blk_completion *)(pages + PAGE_SIZE);
	words = (const uint64_t(*)[2])(pages + 2 * PAGE_SIZE);
	port = connection->port;
	describe_disks();
	event_handle(port, work, NULL);
	timer.handler = tick;
	tick(NULL);
	event_loop();
}
