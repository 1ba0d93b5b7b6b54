/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * See driver.h and proto/blk.h. Everything that decides is private: the indices,
 * the set of tags in use, the copy of the request. The server's index is read
 * once per batch, each word of the ring once.
 *
 * The completion ring needs no look at the server's index: no more than BLK_TAGS
 * tags are in use and each is completed once, so a slot that is written over has
 * been read, unless the server lies, and then it alone loses.
 *
 * Sleeping: publish, say which index is of interest, fence, look once more. All of
 * it is one step at the end of a batch (settle), with one fence for both rings.
 */
#include "libs/blk/driver.h"

#include "libs/event/event.h"
#include "libs/rt/time.h"

#define REQUEST_WORDS 2U
#define SECTOR_SHIFT  9
#define OUT_OF_PAGE   (4096U - 1)

static uint32_t load(const uint32_t *index) { return __atomic_load_n(index, __ATOMIC_ACQUIRE); }

static void store(uint32_t *index, uint32_t value) {
	__atomic_store_n(index, value, __ATOMIC_RELEASE);
}

static bool passed(uint32_t now, uint32_t before, uint32_t event) {
	return now - event < now - before;
}

/* One word of the ring; it may change meanwhile, so each half is read exactly once. */
static inline void copy_word(const struct blk_driver *driver, uint32_t index, uint64_t to[2]) {
	const uint64_t *word = driver->words[index & (BLK_WORDS - 1)];

	to[0] = __atomic_load_n(&word[0], __ATOMIC_RELAXED);
	to[1] = __atomic_load_n(&word[1], __ATOMIC_RELAXED);
}

static inline void mark(struct blk_driver *driver, uint32_t tag) {
	driver->outstanding[tag / 64] |= 1ULL << tag % 64;
	driver->under_way++;
}

/* The answer to a tag that is outstanding. */
static void answer(struct blk_driver *driver, uint16_t tag, uint32_t status,
		   uint32_t device_status) {
	struct blk_completion *slot =
		&driver->completions[driver->completed++ & (BLK_COMPLETIONS - 1)];

	driver->outstanding[tag / 64] &= ~(1ULL << tag % 64);
	driver->under_way--;
	*slot = (struct blk_completion){
		.tag = tag,
		.status = (uint16_t)status,
		.device_status = device_status,
	};
}

bool blk_driver_complete(struct blk_driver *driver, uint16_t tag, uint32_t status,
			 uint32_t device_status) {
	if (driver->state != BLK_DRIVER_UP || !blk_driver_waits(driver, tag)) {
		driver->stray++;
		return false;
	}
	answer(driver, tag, status, device_status);
	return true;
}

/* Counts what had to be refused, where the server sees it too. */
static void count_error(struct blk_driver *driver, uint32_t *reason) {
	++*reason;
	store(&driver->page->errors, driver->broken + driver->refused + driver->dropped);
}

/* The server's indices are impossible: nothing in the rings means anything. */
static void break_session(struct blk_driver *driver) {
	count_error(driver, &driver->broken);
	driver->state = BLK_DRIVER_IDLE;
	driver->stalled = false;
	store(&driver->page->session, 0);
	event_send(driver->port);
}

/* --- sessions --- */

/* A session that a live server asks of this incarnation. */
static bool is_ours(const struct blk_driver *driver, uint32_t wanted) {
	uint32_t version = load(&driver->page->version);

	return wanted >> 16 == (driver->incarnation & 0xffff) && (wanted & 0xffff) &&
	       version >= BLK_OLDEST && version <= BLK_VERSION;
}

static void finish_session(struct blk_driver *driver) {
	struct blk_page *page = driver->page;
	uint32_t wanted = load(&page->wanted);

	driver->state = BLK_DRIVER_IDLE;
	if (!is_ours(driver, wanted)) return;
	driver->consumed = driver->released = 0;
	driver->completed = driver->published = 0;
	page->request = (struct ring_header){.prod_event = 1};
	page->completion = (struct ring_header){.prod_event = 1};
	driver->session = wanted;
	driver->sessions++;
	driver->state = BLK_DRIVER_UP;
	store(&page->session, wanted);
	event_send(driver->port);
}

void blk_driver_quiesced(struct blk_driver *driver) {
	if (driver->state == BLK_DRIVER_QUIESCING) finish_session(driver);
}

static void begin_session(struct blk_driver *driver) {
	driver->state = BLK_DRIVER_QUIESCING;
	driver->stalled = false;
	memset(driver->outstanding, 0, sizeof(driver->outstanding));
	driver->under_way = 0;
	if (driver->ops->quiesce(driver->device)) blk_driver_quiesced(driver);
}

/* --- requests --- */

/* Copies the segments. Their sum in bytes; 0: one of them is malformed. */
static uint64_t copy_segments(struct blk_driver *driver, uint32_t at, uint32_t count) {
	uint64_t bytes = 0, wrong = 0;

	for (uint32_t i = 0; i < count; i++) {
		uint64_t word[2];
		uint32_t length;

		copy_word(driver, at + i, word);
		length = (uint32_t)word[1];
		driver->segments[i].address = word[0];
		driver->segments[i].length = length;
		wrong |= (word[0] | length) & (BLK_SECTOR - 1);
		/* A length of zero wraps, and fails as one that is too long does. */
		wrong |= length - 1 > OUT_OF_PAGE - (word[0] & OUT_OF_PAGE);
		bytes += length;
	}
	return wrong ? 0 : bytes;
}

static uint32_t check_range(const struct blk_disk *disk, const struct blk_request *request) {
	uint64_t blocks = disk->block / BLK_SECTOR - 1;

	if ((request->sector | request->count) & blocks || !request->count) return BLK_STATUS_RANGE;
	if (request->count > disk->sectors || request->sector > disk->sectors - request->count)
		return BLK_STATUS_RANGE;
	return BLK_STATUS_OK;
}

static uint32_t check_transfer(struct blk_driver *driver, const struct blk_disk *disk,
			       const struct blk_request *request, uint32_t at) {
	uint32_t status = check_range(disk, request);

	if (status) return status;
	if (!request->segments || request->segments > disk->max_segments ||
	    request->count > disk->max_sectors)
		return BLK_STATUS_RANGE;
	if (copy_segments(driver, at, request->segments) != request->count << SECTOR_SHIFT)
		return BLK_STATUS_RANGE;
	return BLK_STATUS_OK;
}

static uint32_t check_without_data(const struct blk_disk *disk, const struct blk_request *request) {
	uint32_t needed = request->op == BLK_OP_DISCARD ? BLK_DISK_DISCARD : BLK_DISK_WRITE_ZEROES;

	if (request->segments) return BLK_STATUS_RANGE;
	if (request->op == BLK_OP_FLUSH)
		return request->sector || request->count ? BLK_STATUS_RANGE : BLK_STATUS_OK;
	if (!(disk->flags & needed)) return BLK_STATUS_UNSUPPORTED;
	if (request->count > disk->max_discard) return BLK_STATUS_RANGE;
	return check_range(disk, request);
}

/* Checks driver->request, whose segments begin at word `at`. A BLK_STATUS_*. */
static uint32_t check(struct blk_driver *driver, uint32_t at) {
	const struct blk_request *request = &driver->request;
	const struct blk_disk *disk = &driver->disk[request->disk % BLK_MAX_DISKS];
	bool writes = request->op != BLK_OP_READ && request->op != BLK_OP_FLUSH;

	if (request->op > BLK_OP_WRITE_ZEROES) return BLK_STATUS_UNSUPPORTED;
	if (request->disk >= BLK_MAX_DISKS || !(disk->flags & BLK_DISK_PRESENT))
		return BLK_STATUS_GONE;
	if (request->pad || request->flags & ~BLK_F_FUA) return BLK_STATUS_RANGE;
	if (request->flags && (!(disk->flags & BLK_DISK_FUA) ||
			       (request->op != BLK_OP_WRITE && request->op != BLK_OP_WRITE_ZEROES)))
		return BLK_STATUS_UNSUPPORTED;
	if (writes && disk->flags & BLK_DISK_READONLY) return BLK_STATUS_READONLY;
	if (request->op > BLK_OP_WRITE) return check_without_data(disk, request);
	return check_transfer(driver, disk, request, at);
}

/*
 * Takes the next request out of the ring; there are `available` words. Afterwards
 * it is answered, dropped, or stalled: to be submitted. False: the session broke.
 */
static bool take(struct blk_driver *driver, uint32_t available) {
	struct blk_request *request = &driver->request;
	uint32_t at = driver->consumed, status;
	uint64_t words[2 * REQUEST_WORDS];

	if (available < REQUEST_WORDS) return false;
	copy_word(driver, at, words);
	copy_word(driver, at + 1, words + 2);
	__builtin_memcpy(request, words, sizeof(*request));
	if (request->segments > available - REQUEST_WORDS) return false;
	driver->consumed = at + REQUEST_WORDS + request->segments;

	if (request->tag >= BLK_TAGS || blk_driver_waits(driver, request->tag)) {
		count_error(driver, &driver->dropped);
		return true;
	}
	mark(driver, request->tag);
	driver->requests++;
	status = check(driver, at + REQUEST_WORDS);
	if (status) {
		count_error(driver, &driver->refused);
		answer(driver, request->tag, status, 0);
	} else if (request->op == BLK_OP_FLUSH &&
		   !(driver->disk[request->disk].flags & BLK_DISK_FLUSH)) {
		answer(driver, request->tag, BLK_STATUS_OK, 0);
	} else {
		driver->stalled = true;
	}
	return true;
}

/* Takes and submits until the ring is empty, the device full, or the budget spent. */
static void serve(struct blk_driver *driver, uint32_t *budget) {
	uint32_t available = load(&driver->page->request.prod) - driver->consumed;
	bool submitted = false;
	uint32_t before;

	if (available > BLK_WORDS) {
		break_session(driver);
		return;
	}
	for (;;) {
		if (driver->stalled) {
			if (!driver->ops->submit(driver->device, &driver->request,
						 driver->segments))
				break;
			driver->stalled = false;
			submitted = true;
		}
		if (!available || !*budget) break;
		--*budget;
		before = driver->consumed;
		if (!take(driver, available)) {
			break_session(driver);
			break;
		}
		available -= driver->consumed - before;
	}
	if (submitted && driver->ops->kick) driver->ops->kick(driver->device);
}

/* --- the end of a batch --- */

static void on_gathered(void *context) {
	struct blk_driver *driver = context;

	driver->overdue = true;
	if (!driver->ops->look)
		blk_driver_work(driver);
	else if (!driver->ops->look(driver->device))
		event_timer_arm(&driver->gather_timer, time_now());
	driver->overdue = false;
}

void blk_driver_gather(struct blk_driver *driver, uint64_t ns) {
	driver->gather = ns;
	driver->gather_timer = (struct event_timer){.handler = on_gathered, .context = driver};
}

/* So many answers are missing before the server is told of any; 0: it is told of what there is. */
static uint32_t missing(const struct blk_driver *driver) {
	uint32_t share = driver->gather ? driver->under_way / BLK_DRIVER_SHARE : 0;
	uint32_t held = driver->completed - driver->published;

	return share > held ? share - held : 0;
}

uint32_t blk_driver_wants(const struct blk_driver *driver) { return MAX(missing(driver), 1U); }

/* Answers are held here, or by a device that counts them too: for a bounded time. */
static void bound_waiting(struct blk_driver *driver) {
	bool here = driver->completed != driver->published;
	bool there = driver->ops->look && missing(driver) > 1;

	if ((here || there) && !driver->gather_timer.deadline)
		event_timer_arm(&driver->gather_timer, time_now() + driver->gather);
}

/* Shows what was done. True: there is more to take. */
static bool settle(struct blk_driver *driver) {
	struct ring_header *request = &driver->page->request;
	struct ring_header *completion = &driver->page->completion;
	uint32_t released = driver->released, published = driver->published;

	if (released != driver->consumed) store(&request->cons, driver->consumed);
	if (!missing(driver) || driver->overdue) driver->published = driver->completed;
	bound_waiting(driver);
	if (published != driver->published) store(&completion->prod, driver->published);
	if (!driver->stalled) store(&request->prod_event, driver->consumed + 1);
	driver->released = driver->consumed;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (passed(driver->consumed, released, load(&request->cons_event)) ||
	    passed(driver->published, published, load(&completion->prod_event)))
		event_send(driver->port);
	return !driver->stalled && load(&request->prod) != driver->consumed;
}

void blk_driver_work(struct blk_driver *driver) {
	uint32_t wanted = load(&driver->page->wanted), budget = BLK_DRIVER_BUDGET;
	bool more;

	if (driver->state == BLK_DRIVER_OFFLINE || driver->state == BLK_DRIVER_QUIESCING) return;
	if (wanted != driver->session && is_ours(driver, wanted)) begin_session(driver);
	do {
		if (driver->state == BLK_DRIVER_UP) serve(driver, &budget);
		if (driver->state != BLK_DRIVER_UP) return;
		more = settle(driver);
	} while (more && budget);
	if (more) event_again(driver->port);
}

/* --- start --- */

bool blk_driver_disk(struct blk_driver *driver, uint32_t n, const struct blk_disk *disk) {
	if (n >= BLK_MAX_DISKS) return false;
	if (disk->block != 512 && disk->block != 4096) return false;
	if (!disk->sectors || disk->sectors % (disk->block / BLK_SECTOR) ||
	    disk->sectors > UINT64_MAX >> SECTOR_SHIFT)
		return false;
	if (!disk->max_segments || disk->max_segments > BLK_MAX_SEGMENTS ||
	    disk->max_sectors < disk->block / BLK_SECTOR)
		return false;
	driver->disk[n] = *disk;
	driver->disk[n].flags |= BLK_DISK_PRESENT;
	driver->disk_count = MAX(driver->disk_count, n + 1);
	return true;
}

void blk_driver_online(struct blk_driver *driver, uint32_t flags) {
	struct blk_page *page = driver->page;

	memcpy(page->disk, driver->disk, sizeof(page->disk));
	page->disk_count = driver->disk_count;
	page->flags = flags;
	driver->state = BLK_DRIVER_IDLE;
	store(&page->driver, driver->incarnation);
	event_send(driver->port);
}

static void on_event(void *context) { blk_driver_work(context); }

void blk_driver_start(struct blk_driver *driver, void *pages, uint32_t port, uint32_t incarnation,
		      const struct blk_driver_ops *ops, void *device) {
	uint8_t *first = pages;

	*driver = (struct blk_driver){
		.ops = ops,
		.device = device,
		.page = pages,
		.completions = (struct blk_completion *)(first + PAGE_SIZE),
		.words = (const uint64_t(*)[2])(first + 2 * PAGE_SIZE),
		.port = port,
		.incarnation = incarnation,
	};
	/* In this order: who sees that the session is over does not ask the predecessor for one. */
	store(&driver->page->driver, 0);
	store(&driver->page->session, 0);
	store(&driver->page->errors, 0);
	if (BLK_VERSION > 1) store(&driver->page->speaks, BLK_SPEAKS(BLK_VERSION, incarnation));
	event_handle(port, on_event, driver);
}
