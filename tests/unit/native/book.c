/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * root's book of memory against a model of the core's Memory capabilities: every
 * split, merge, gift and reclaim must be one that the core would accept, and
 * whatever happened, all memory comes back in one piece.
 */
#include "native.h"

#include "libs/cap/cap.h"
#include "servers/root/memory.h"

#define SLOTS  6000U
#define FRAMES 100000U

/* The core's side: what each slot holds. */
static struct {
	uint64_t mfn, frames; /* frames = 0: empty */
	bool given, busy;
} slot[SLOTS];
static unsigned refuse_splits;

int cap_memory_split(uint32_t from, uint64_t frames, uint32_t tail) {
	CHECK(from < SLOTS && tail < SLOTS && tail && !slot[tail].frames);
	CHECK(slot[from].frames > frames && frames && !slot[from].given);
	if (refuse_splits && !--refuse_splits) return -XEN_ENOMEM;
	slot[tail].mfn = slot[from].mfn + frames;
	slot[tail].frames = slot[from].frames - frames;
	slot[tail].given = false;
	slot[from].frames = frames;
	return 0;
}

int cap_memory_merge(uint32_t to, uint32_t next) {
	CHECK(slot[to].frames && slot[next].frames && !slot[to].given && !slot[next].given);
	CHECK(slot[to].mfn + slot[to].frames == slot[next].mfn);
	slot[to].frames += slot[next].frames;
	slot[next].frames = 0;
	return 0;
}

int cap_memory_give(uint32_t from, uint32_t domain, uint64_t pfn) {
	(void)domain;
	(void)pfn;
	CHECK(slot[from].frames);
	slot[from].given = true;
	return 0;
}

int cap_memory_reclaim(uint32_t from) {
	CHECK(slot[from].frames && slot[from].given);
	if (slot[from].busy) return -XEN_EBUSY;
	slot[from].given = false;
	return 0;
}

/* Two pieces of RAM with a hole, as a PC has. */
static void start(void) {
	memset(slot, 0, sizeof(slot));
	slots_init(10, SLOTS);
	slot[1].mfn = 1000;
	slot[1].frames = FRAMES;
	slot[2].mfn = 1000000;
	slot[2].frames = FRAMES;
	memory_add(slot[2].mfn, slot[2].frames, 2);
	memory_add(slot[1].mfn, slot[1].frames, 1);
}

static uint64_t owned(uint16_t owner) {
	uint64_t frames = 0;

	for (struct extent *e = memory_next(owner, NULL); e; e = memory_next(owner, e)) {
		CHECK(slot[e->slot].mfn == e->mfn && slot[e->slot].frames == e->frames);
		frames += e->frames;
	}
	return frames;
}

static void check_whole(void) {
	struct extent *e = memory_next(MEMORY_NOBODY, NULL);

	CHECK(memory_free_frames() == 2 * FRAMES);
	CHECK(e && e->frames == FRAMES && e->mfn == 1000);
	e = memory_next(MEMORY_NOBODY, e);
	CHECK(e && e->frames == FRAMES && !memory_next(MEMORY_NOBODY, e));
}

static void test_take(void) {
	struct extent *e;

	start();
	check_whole();
	e = memory_take_one(3, 7, 100);
	CHECK(e && e->frames == 100 && e->pfn == 7 && owned(3) == 100);
	/* More than one piece has, in consecutive PFNs. */
	CHECK(memory_take(4, 50, FRAMES + 5000));
	CHECK(owned(4) == FRAMES + 5000);
	CHECK(!memory_take_one(5, 0, FRAMES));
	CHECK(!memory_take(5, 0, 2 * FRAMES) && owned(5) == 0);
	memory_release(4);
	memory_release(3);
	check_whole();
}

static void test_give(void) {
	struct extent *e;

	start();
	CHECK(memory_take(4, 0, FRAMES + 10));
	for (e = memory_next(4, NULL); e; e = memory_next(4, e))
		CHECK(!memory_give_self(e) && !memory_give(e, 99));
	e = memory_next(4, NULL);
	slot[e->slot].busy = true;
	CHECK(memory_reclaim(4) == -XEN_EBUSY);
	slot[e->slot].busy = false;
	CHECK(!memory_reclaim(4) && !memory_reclaim(4));
	memory_release(4);
	check_whole();
}

static void test_failing_split(void) {
	start();
	refuse_splits = 1;
	CHECK(!memory_take_one(3, 0, 10));
	CHECK(owned(3) == 0);
	check_whole();
}

static void test_noise(void) {
	uint64_t has[20] = {0};

	start();
	for (unsigned i = 0; i < 20000; i++) {
		uint16_t owner = (uint16_t)(noise() % 20);

		if (has[owner]) {
			for (struct extent *e = memory_next(owner, NULL); e;
			     e = memory_next(owner, e))
				CHECK(!memory_give(e, 1));
			CHECK(!memory_reclaim(owner));
			memory_release(owner);
			has[owner] = 0;
		} else {
			uint64_t frames = 1 + noise() % 30000;

			if (memory_take(owner, 0, frames))
				has[owner] = frames;
			else
				memory_release(owner);
		}
		for (uint16_t n = 0; n < 20; n++) CHECK(owned(n) == has[n]);
	}
	for (uint16_t n = 0; n < 20; n++) {
		memory_release(n);
	}
	check_whole();
}

int main(void) {
	static const struct test tests[] = {
		{"taking and releasing", test_take},
		{"giving and reclaiming", test_give},
		{"a split that the core refuses", test_failing_split},
		{"much coming and going", test_noise},
	};

	return RUN("book", tests);
}
