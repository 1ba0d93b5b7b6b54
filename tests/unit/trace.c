/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Traces and the inspection of capability tables: who may hand in a buffer, what
 * comes into it, how it goes round; what a table shows of itself, in pieces.
 */
#include "machine.h"

#include <stdio.h>
#include <string.h>

#include "trace/trace.h"

#define OP(operation, slot, ...) OP_(operation, slot, __VA_ARGS__, 0, 0, 0, 0)
#define OP_(operation, slot, a1, a2, a3, a4, ...) \
	machine_invoke(root, operation, slot, (u64)(a1), (u64)(a2), (u64)(a3), (u64)(a4))

#define SLOTS   200
#define TRACE   8
#define BUFFER  40 /* slot of the Memory that becomes the buffer */
#define FRAMES  3
#define RECORDS 256 /* of two frames */

static struct domain *root;

static void start(void) {
	machine_init(2000);
	root = machine_root(SLOTS);
	CHECK(cap_boot(root, TRACE, CAP_TRACE, 0, 1, 0));
	CHECK(cap_boot(root, 3, CAP_IRQ, 0, 24, 0));
}

/* The last frames of root's Memory are given to itself. */
static mfn_t take_frames(u64 slot, u64 frames) {
	u64 rest = root->caps[2].count;

	CHECK(OP(MEMORY_SPLIT, 2, rest - frames, slot) == 0);
	CHECK(OP(MEMORY_GIVE, slot, 0, root->caps[slot].first) == 0);
	return root->caps[slot].first;
}

/* Once for the whole program: a buffer is never given back. */
static void test_buffer(void) {
	struct trace_header *header;
	const struct trace_record *record;
	mfn_t mfn;

	start();
	/* What lies behind it is free. */
	CHECK(OP(MEMORY_SPLIT, 2, root->caps[2].count - 4, BUFFER + 1) == 0);
	mfn = take_frames(BUFFER, FRAMES);
	CHECK(OP(TRACE_SET, TRACE, 1U << TRACE_POINTS) == -EINVAL);
	CHECK(OP(TRACE_BUFFER, TRACE, cpu_count, mfn, FRAMES) == -EINVAL);
	CHECK(OP(TRACE_BUFFER, TRACE, 0, mfn, 1) == -EINVAL);
	CHECK(OP(TRACE_BUFFER, TRACE, 0, mfn, TRACE_FRAMES_MAX + 1) == -EINVAL);
	CHECK(OP(TRACE_BUFFER, TRACE, 0, mfn, FRAMES + 1) == -EINVAL); /* one is not root's */
	CHECK(OP(TRACE_BUFFER, TRACE, 0, ~0UL, FRAMES) == -EINVAL);
	CHECK(frame_refs(mfn_to_frame(mfn)) == 1); /* nothing is left of those */
	trace_points = TRACE_ALL;
	trace(TRACE_IRQ, 1, 2); /* without a buffer */
	trace_points = 0;
	CHECK(OP(TRACE_BUFFER, TRACE, 0, mfn, FRAMES) == 0);
	CHECK(OP(TRACE_BUFFER, TRACE, 0, mfn, FRAMES) == -EBUSY);
	CHECK(OP(MEMORY_RECLAIM, BUFFER, 0) == -EBUSY);
	header = mfn_to_virt(mfn);
	CHECK(header->magic == TRACE_MAGIC && header->records == RECORDS && !header->written);

	CHECK(OP(TRACE_SET, TRACE, 1U << TRACE_INVOKE) == 0 && !fake.hypercalls_traced);
	CHECK(header->written == 1); /* the call that turned it on comes to its end */
	CHECK(OP(CAP_COPY, 3, 20, RIGHT_USE, 4, 2) == 0);
	trace(TRACE_IRQ, 1, 2); /* off */
	CHECK(header->written == 2);
	record = (const struct trace_record *)(header + 1) + 1;
	CHECK(record->point == TRACE_INVOKE && record->domain == root->id && !record->vcpu);
	CHECK(record->a == ((u64)CAP_COPY << 32 | 3) && record->b == 0);
	CHECK(OP(TRACE_SET, TRACE, TRACE_ALL) == 0 && fake.hypercalls_traced);
	CHECK(OP(TRACE_SET, TRACE, 0) == 0 && !fake.hypercalls_traced);
}

/* Two domains' doings are not recorded: those who carry the records away. */
static void test_unseen(void) {
	const struct trace_header *header = mfn_to_virt(root->caps[BUFFER].first);
	struct domain *d = this_cpu()->current->domain;
	u16 was = d->id;
	u64 first;

	for (u16 other = 1; other < 4; other++) {
		u64 seen = other == 3;

		CHECK(OP(TRACE_SET, TRACE, 1U << TRACE_IRQ, 1 | 2U << 16) == 0);
		first = header->written;
		d->id = other;
		trace(TRACE_IRQ, 1, 2);
		d->id = was;
		CHECK(header->written - first == seen);
	}
	/* Nobody is named: not even root, the domid of which is 0. */
	CHECK(!root->id && OP(TRACE_SET, TRACE, 1U << TRACE_IRQ) == 0);
	first = header->written;
	trace(TRACE_IRQ, 1, 2);
	CHECK(header->written == first + 1);
	CHECK(OP(TRACE_SET, TRACE, 0) == 0);
}

/* The oldest go; nothing is written behind the end. */
static void test_wrap(void) {
	static struct trace_record behind;
	struct trace_header *header = mfn_to_virt(root->caps[BUFFER].first);
	struct trace_record *records = (struct trace_record *)(header + 1);
	u64 first = header->written;

	behind = records[RECORDS];
	trace_points = 1U << TRACE_IRQ;
	for (u64 i = 0; i < 2 * RECORDS + 7; i++) trace(TRACE_IRQ, i, ~i);
	trace_points = 0;
	CHECK(header->written == first + 2 * RECORDS + 7);
	for (u64 n = header->written - RECORDS; n < header->written; n++)
		CHECK(records[n % RECORDS].a == n - first &&
		      records[n % RECORDS].b == ~(n - first));
	CHECK(!memcmp(&behind, &records[RECORDS], sizeof(behind)));
	CHECK(header->records == RECORDS);
	header->records = 1; /* nobody believes it */
	trace_points = 1U << TRACE_IRQ;
	trace(TRACE_IRQ, 77, 0);
	trace_points = 0;
	CHECK(records[(header->written - 1) % RECORDS].a == 77);
}

static void test_rights(void) {
	start();
	CHECK(OP(CAP_COPY, TRACE, 20, RIGHT_READ, 0, 0) == 0);
	CHECK(OP(TRACE_SET, 20, 0) == -EPERM);
	CHECK(OP(TRACE_SET, 3, 0) == -EPERM);
	CHECK(OP(CAP_COPY, 1, 21, RIGHT_CONTROL, 0, 0) == 0);
	CHECK(OP(DOMAIN_CAPS, 21, 0, 4096, 1) == -EPERM);
}

static void test_table(void) {
	struct cap_info info[CAPS_BATCH];
	u64 seen = 0, used = 0, next = 0;

	start();
	CHECK(OP(CAP_COPY, 3, 20, RIGHT_COPY | RIGHT_USE, 4, 2) == 0);
	CHECK(OP(CAP_COPY, 20, 150, RIGHT_USE, 5, 1) == 0);
	CHECK(OP(CAP_COPY, 20, 160, RIGHT_USE, 4, 1) == 0);
	CHECK(OP(DOMAIN_CAPS, 1, 0, info, 0) == -EINVAL);
	CHECK(OP(DOMAIN_CAPS, 1, 0, info, CAPS_BATCH + 1) == -EINVAL);
	CHECK(OP(DOMAIN_CAPS, 1, 0, 16, 1) == -EFAULT);
	CHECK(OP(DOMAIN_CAPS, 1, ~0UL, info, 1) == 0);
	CHECK(OP(DOMAIN_CAPS, 1, SLOTS, info, 1) == 0);
	memset(info, 0, sizeof(info));
	CHECK(OP(DOMAIN_CAPS, 1, 150, info, CAPS_BATCH) == 0);
	CHECK(info[0].slot == 150 && info[0].type == CAP_IRQ && info[0].rights == RIGHT_USE);
	CHECK(info[0].first == 5 && info[0].count == 1 && info[0].depth == 2);
	CHECK(info[0].parent_domain == root->id && info[0].parent_slot == 20);
	CHECK(info[1].slot == 160 && info[1].parent_slot == 20 && info[2].type == CAP_NONE);
	do {
		memset(info, 0, sizeof(info));
		next = (u64)OP(DOMAIN_CAPS, 1, next, info, 2);
		seen += (info[0].type != CAP_NONE) + (info[1].type != CAP_NONE);
	} while (next);
	for (unsigned i = 0; i < SLOTS; i++) used += root->caps[i].type != CAP_NONE;
	CHECK(seen == used && used > 5);
}

/* What becomes of Memory shows whose it is; what is found says nothing false afterwards. */
static void test_objects(void) {
	struct domain_create create = {.domid = 9,
				       .vcpus = 1,
				       .grant_frames = 1,
				       .event_ports = 64,
				       .cap_slots = 32,
				       .map_handles = 8,
				       .maximum_pages = 100,
				       .name = "guest"};
	struct cap_info info;

	start();
	CHECK(OP(CAP_INSPECT, 2, &info) == 0 && info.object == CAP_NO_OBJECT && !info.parent_slot);
	take_frames(50, 4);
	CHECK(OP(CAP_INSPECT, 50, &info) == 0 && info.object == root->id);
	CHECK(info.state == MEMORY_STATE_GIVEN);
	CHECK(OP(MEMORY_SPLIT, 2, root->caps[2].count - 60, 51) == 0);
	CHECK(OP(MEMORY_CREATE_DOMAIN, 51, 52, &create) == 0);
	CHECK(OP(CAP_INSPECT, 51, &info) == 0 && info.object == 9);
	CHECK(OP(CAP_INSPECT, 52, &info) == 0 && info.type == CAP_DOMAIN && info.first == 9);
	CHECK(info.parent_slot == 51);
	CHECK(OP(DOMAIN_CAP, 52, 3, 7, RIGHT_USE) == 0);
	memset(&info, 0, sizeof(info));
	CHECK(OP(DOMAIN_CAPS, 52, 0, &info, 1) == 8 && info.slot == 7);
	CHECK(info.parent_domain == root->id && info.parent_slot == 3);
	CHECK(OP(CAP_REVOKE, 3, 0) == 0);
	memset(&info, 0, sizeof(info));
	CHECK(OP(DOMAIN_CAPS, 52, 0, &info, 1) == 0 && info.type == CAP_NONE);
}

int main(void) {
	static const struct {
		const char *name;
		void (*run)(void);
	} tests[] = {
		{"a buffer is handed in once", test_buffer}, {"the oldest records go", test_wrap},
		{"those who carry them away", test_unseen},  {"rights", test_rights},
		{"a table in pieces", test_table},           {"objects and parents", test_objects},
	};

	for (unsigned i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
		tests[i].run();
		printf("ok %u - trace: %s\n", i + 1, tests[i].name);
	}
	return 0;
}
