/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * See server.h and proto/blk.h. The page's `wanted` is this end's own field: it
 * outlives an incarnation, so a successor counts on from there and never asks for
 * a session that there has been.
 *
 * The driver is asked for a new session whenever what it shows does not fit: its
 * field `session` is not ours any more, or an index is out of distance. While the
 * session is asked for, the rings are not touched.
 */
#include "libs/blk/server.h"

#include "libs/event/event.h"

#define REQUEST_WORDS 2U
#define PAGE_SECTORS  (4096U / BLK_SECTOR)

static uint32_t load(const uint32_t *index) { return __atomic_load_n(index, __ATOMIC_ACQUIRE); }

static void store(uint32_t *index, uint32_t value) {
	__atomic_store_n(index, value, __ATOMIC_RELEASE);
}

static bool passed(uint32_t now, uint32_t before, uint32_t event) {
	return now - event < now - before;
}

static inline bool is_outstanding(const struct blk_server *server, uint32_t tag) {
	return tag < BLK_TAGS && server->outstanding[tag / 64] >> tag % 64 & 1;
}

static void free_all_tags(struct blk_server *server) {
	memset(server->outstanding, 0, sizeof(server->outstanding));
	for (uint32_t i = 0; i < BLK_TAGS; i++) server->free[i] = (uint16_t)(BLK_TAGS - 1 - i);
	server->free_count = BLK_TAGS;
}

/* --- sessions --- */

static void fall(struct blk_server *server) {
	server->state = BLK_SERVER_DOWN;
	server->short_of = 0;
	free_all_tags(server);
	server->ops->down(server->context);
}

static void fall_broken(struct blk_server *server) {
	server->broken++;
	fall(server);
	/* What follows is a new session; the event loop comes back here for it. */
	event_again(server->port);
}

void blk_server_renew(struct blk_server *server) {
	if (server->state != BLK_SERVER_UP) return;
	fall(server);
	event_again(server->port);
}

/* Takes what the driver says of a disk, made fit to be relied on. False: it makes no sense. */
static bool copy_disk(struct blk_disk *disk, const struct blk_disk *shared) {
	memcpy(disk, shared, sizeof(*disk));
	__atomic_signal_fence(__ATOMIC_SEQ_CST); /* only the copy is looked at */
	if (!(disk->flags & BLK_DISK_PRESENT)) return true;
	if (disk->block != 512 && disk->block != 4096) return false;
	if (!disk->sectors || disk->sectors % (disk->block / BLK_SECTOR) ||
	    disk->sectors > UINT64_MAX / BLK_SECTOR)
		return false;
	if (!disk->max_segments || disk->max_sectors < PAGE_SECTORS) return false;
	disk->max_segments = MIN(disk->max_segments, BLK_MAX_SEGMENTS);
	disk->max_sectors = MIN(disk->max_sectors, BLK_MAX_SEGMENTS * PAGE_SECTORS);
	if (disk->physical_block < disk->block || disk->physical_block > 1U << 20)
		disk->physical_block = disk->block;
	if (!disk->max_discard) disk->flags &= ~(BLK_DISK_DISCARD | BLK_DISK_WRITE_ZEROES);
	disk->name[sizeof(disk->name) - 1] = '\0';
	for (char *c = disk->name; *c; c++)
		if (*c < ' ' || *c > '~') *c = '?';
	return true;
}

static void come_up(struct blk_server *server) {
	struct blk_page *page = server->page;

	server->produced = server->published = server->consumed = 0;
	server->completed = 0;
	server->short_of = 0;
	server->flags = load(&page->flags) & BLK_PAGE_MACHINE;
	server->disk_count = MIN(load(&page->disk_count), BLK_MAX_DISKS);
	memset(server->disk, 0, sizeof(server->disk));
	for (uint32_t i = 0; i < server->disk_count; i++) {
		if (copy_disk(&server->disk[i], &page->disk[i])) continue;
		server->disk[i].flags = 0;
		server->bad_disks++;
	}
	server->state = BLK_SERVER_UP;
	server->sessions++;
	server->ops->up(server->context);
}

/* The newest version that this driver knows as well. */
static uint32_t common_version(const struct blk_server *server, uint32_t driver) {
	uint32_t speaks = load(&server->page->speaks);

	if (speaks != BLK_SPEAKS(speaks >> 16, driver)) return BLK_OLDEST;
	return MAX(MIN(speaks >> 16, BLK_VERSION), BLK_OLDEST);
}

static void ask(struct blk_server *server, uint32_t driver) {
	uint32_t n = (server->wanted + 1) & 0xffff;

	store(&server->page->version, common_version(server, driver));
	server->wanted = driver << 16 | (n ? n : 1);
	server->driver = driver;
	server->state = BLK_SERVER_ASKED;
	store(&server->page->wanted, server->wanted);
	event_send(server->port);
}

/* Not up: looks how far the driver is. */
static void connect(struct blk_server *server) {
	uint32_t driver = load(&server->page->driver);

	if (!driver)
		server->state = BLK_SERVER_DOWN;
	else if (server->state != BLK_SERVER_ASKED || driver != server->driver)
		ask(server, driver);
	else if (load(&server->page->session) == server->wanted)
		come_up(server);
}

/* --- requests --- */

static uint32_t space(const struct blk_server *server) {
	return BLK_WORDS - (server->produced - server->consumed);
}

/* Looks how much the driver has taken. False: it cannot be so. */
static bool look_at_consumed(struct blk_server *server) {
	uint32_t consumed = load(&server->page->request.cons);

	if (server->produced - consumed > BLK_WORDS) return false;
	server->consumed = consumed;
	return true;
}

static inline void put_word(struct blk_server *server, uint32_t index, const void *from) {
	__builtin_memcpy(server->words[index & (BLK_WORDS - 1)], from, 16);
}

int blk_server_submit(struct blk_server *server, struct blk_request *request,
		      const struct blk_segment *segments) {
	uint32_t at = server->produced, needed = REQUEST_WORDS + request->segments;
	uint16_t tag;

	if (server->state != BLK_SERVER_UP) return -XEN_ENOTCONN;
	rt_assert(request->segments <= BLK_MAX_SEGMENTS, "a request is no longer than the ring");
	if (space(server) < needed && !look_at_consumed(server)) event_again(server->port);
	if (!server->free_count || space(server) < needed) {
		server->short_of = needed;
		return -XEN_EAGAIN;
	}
	tag = server->free[--server->free_count];
	server->outstanding[tag / 64] |= 1ULL << tag % 64;
	server->requests++;
	request->tag = tag;
	put_word(server, at, request);
	put_word(server, at + 1, (const uint8_t *)request + 16);
	for (uint32_t i = 0; i < request->segments; i++)
		put_word(server, at + REQUEST_WORDS + i, &segments[i]);
	server->produced = at + needed;
	return tag;
}

/* True: the submit() that found no room would find it now. */
static bool has_room(const struct blk_server *server) {
	return server->short_of && server->free_count && space(server) >= server->short_of;
}

/*
 * Shows what was submitted and taken, and says what is of interest next. True:
 * some of that is there already.
 */
static bool settle(struct blk_server *server) {
	struct ring_header *request = &server->page->request;
	struct ring_header *completion = &server->page->completion;
	uint32_t published = server->published;

	store(&completion->cons, server->completed);
	store(&completion->prod_event, server->completed + 1);
	if (published != server->produced) store(&request->prod, server->produced);
	if (server->short_of)
		store(&request->cons_event, server->produced - (BLK_WORDS - server->short_of));
	server->published = server->produced;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (passed(server->produced, published, load(&request->prod_event))) {
		if (server->in_loop)
			event_send_last(server->port);
		else
			event_send(server->port);
	}
	if (server->short_of && (!look_at_consumed(server) || has_room(server))) return true;
	return load(&completion->prod) != server->completed;
}

void blk_server_publish(struct blk_server *server) {
	if (server->state == BLK_SERVER_UP && settle(server)) event_again(server->port);
}

/* --- completions --- */

static void take_completion(struct blk_server *server, uint64_t word) {
	uint32_t tag = (uint16_t)word, status = (uint16_t)(word >> 16);

	if (!is_outstanding(server, tag)) {
		server->bad_tags++;
		return;
	}
	server->outstanding[tag / 64] &= ~(1ULL << tag % 64);
	server->free[server->free_count++] = (uint16_t)tag;
	if (status > BLK_STATUS_READONLY) {
		server->bad_status++;
		status = BLK_STATUS_IO;
	}
	server->ops->done(server->context, (uint16_t)tag, status, (uint32_t)(word >> 32));
}

/* Takes what is there; at most one ring full of it. False: the driver's index is impossible. */
static bool collect(struct blk_server *server) {
	uint32_t available = load(&server->page->completion.prod) - server->completed;

	if (available > BLK_COMPLETIONS) return false;
	while (available--) {
		uint32_t slot = server->completed++ & (BLK_COMPLETIONS - 1);
		const uint64_t *word = (const uint64_t *)&server->completions[slot];

		take_completion(server, __atomic_load_n(word, __ATOMIC_RELAXED));
	}
	return true;
}

void blk_server_work(struct blk_server *server) {
	if (server->state == BLK_SERVER_UP && load(&server->page->session) != server->wanted)
		fall(server);
	if (server->state != BLK_SERVER_UP) connect(server);
	if (server->state != BLK_SERVER_UP) return;
	if (!collect(server) || !look_at_consumed(server)) {
		fall_broken(server);
		return;
	}
	if (has_room(server)) {
		server->short_of = 0;
		server->ops->room(server->context);
	}
	if (settle(server)) event_again(server->port);
}

/* --- start --- */

static void on_event(void *context) { blk_server_work(context); }

void blk_server_start(struct blk_server *server, void *pages, uint32_t port,
		      const struct blk_server_ops *ops, void *context) {
	uint8_t *first = pages;

	*server = (struct blk_server){
		.ops = ops,
		.context = context,
		.page = pages,
		.completions = (const struct blk_completion *)(first + PAGE_SIZE),
		.words = (uint64_t(*)[2])(first + 2 * PAGE_SIZE),
		.port = port,
	};
	server->wanted = load(&server->page->wanted);
	free_all_tags(server);
	store(&server->page->version, BLK_VERSION);
	event_handle(port, on_event, server);
}
