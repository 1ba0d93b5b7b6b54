/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Capabilities: tables, derivation, the rules of invocation, and what ends with
 * a capability. The real kernel/cap on the host machine.
 */
#include "machine.h"

#include <stdio.h>
#include <string.h>

#include "event/channel.h"

#define OP(operation, slot, ...) OP_(operation, slot, __VA_ARGS__, 0, 0, 0, 0)
#define OP_(operation, slot, a1, a2, a3, a4, ...) \
	machine_invoke(root, operation, slot, (u64)(a1), (u64)(a2), (u64)(a3), (u64)(a4))

#define ALL_DOMAIN 0x7fU
#define SLOTS      200

static struct domain *root;

static void start(void) {
	machine_init(2000);
	root = machine_root(SLOTS);
	CHECK(cap_boot(root, 3, CAP_IRQ, 0, 24, 0));
	CHECK(cap_boot(root, 4, CAP_IOPORTS, 0, 0x10000, 0));
	CHECK(cap_boot(root, 5, CAP_MMIO, 0x100000, 0x1000, 0));
	CHECK(cap_boot(root, 6, CAP_CONSOLE, 0, 1, 0));
	CHECK(cap_boot(root, 7, CAP_CPU, 0, 1, 0));
}

/* A domain in `slot`, out of Memory in slot + 1. */
static struct domain *make_domain(u64 slot, u16 domid) {
	struct domain_create create = {.domid = domid,
				       .vcpus = 2,
				       .grant_frames = 1,
				       .event_ports = 64,
				       .cap_slots = 32,
				       .map_handles = 8,
				       .maximum_pages = 100,
				       .name = "guest"};
	u64 rest = root->caps[2].count;

	CHECK(OP(MEMORY_SPLIT, 2, rest - 40, slot + 1) == 0);
	CHECK(OP(MEMORY_CREATE_DOMAIN, slot + 1, slot, &create) == 0);
	CHECK(root->caps[slot].type == CAP_DOMAIN);
	return root->caps[slot].domain;
}

static void check_tree(const struct cap *first) {
	for (; first->next; first = first->next) {
		CHECK(first->next->previous == first);
		CHECK(first->next->depth <= CAP_MAX_DEPTH);
	}
}

static void test_arguments(void) {
	struct cap_info info;

	start();
	CHECK(OP(0, 1, 0) == -EINVAL);
	CHECK(OP(0x7f, 1, 0) == -EINVAL);
	CHECK(OP(1UL << 40, 1, 0) == -EINVAL);
	CHECK(OP(CAP_DELETE, 0, 0) == -EBADF);
	CHECK(OP(CAP_DELETE, SLOTS, 0) == -EBADF);
	CHECK(OP(CAP_DELETE, ~0UL, 0) == -EBADF);
	CHECK(OP(CAP_DELETE, 50, 0) == -EBADF);
	CHECK(OP(CAP_DELETE, 3, 1) == -EINVAL);  /* unused argument */
	CHECK(OP(DOMAIN_PAUSE, 3, 0) == -EPERM); /* not a Domain */
	CHECK(OP(CAP_INSPECT, 50, &info) == 0 && info.type == CAP_NONE);
	CHECK(OP(CAP_INSPECT, 0, &info) == -EBADF);
	CHECK(OP(CAP_INSPECT, 3, &info) == 0 && info.type == CAP_IRQ && info.count == 24);
	CHECK(OP(CAP_INSPECT, 3, 16) == -EFAULT);
}

static void test_copy(void) {
	start();
	CHECK(OP(CAP_COPY, 3, 20, RIGHT_COPY | RIGHT_USE, 4, 2) == 0);
	CHECK(root->caps[20].depth == 1 && root->caps[20].first == 4);
	CHECK(OP(CAP_COPY, 3, 20, RIGHT_USE, 4, 2) == -EEXIST);
	CHECK(OP(CAP_COPY, 3, 0, RIGHT_USE, 4, 2) == -EBADF);
	CHECK(OP(CAP_COPY, 3, SLOTS, RIGHT_USE, 4, 2) == -EBADF);
	CHECK(OP(CAP_COPY, 20, 21, RIGHT_USE, 4, 3) == -EINVAL); /* wider */
	CHECK(OP(CAP_COPY, 20, 21, RIGHT_USE, 3, 1) == -EINVAL);
	CHECK(OP(CAP_COPY, 20, 21, RIGHT_USE, 5, ~0UL) == -EINVAL);
	CHECK(OP(CAP_COPY, 20, 21, RIGHT_USE, 5, 0) == -EINVAL);
	CHECK(OP(CAP_COPY, 20, 21, RIGHT_USE | RIGHT_READ << 1, 5, 1) == -EINVAL); /* more rights */
	CHECK(OP(CAP_COPY, 20, 21, 0, 5, 1) == -EINVAL);
	CHECK(OP(CAP_COPY, 20, 21, RIGHT_USE, 5, 1) == 0);
	CHECK(OP(CAP_COPY, 21, 22, RIGHT_USE, 5, 1) == -EPERM);   /* no RIGHT_COPY */
	CHECK(OP(CAP_COPY, 2, 22, RIGHT_COPY, 0, 0) == -EPERM);   /* Memory */
	CHECK(OP(CAP_COPY, 1, 22, RIGHT_EVENT, 0, 1) == -EINVAL); /* not a range */
	CHECK(OP(CAP_COPY, 1, 22, RIGHT_EVENT) == 0);
	check_tree(&root->caps[3]);
}

static void test_depth(void) {
	u64 i;

	start();
	CHECK(OP(CAP_COPY, 4, 20, RIGHTS_ALL, 0, 10) == 0);
	for (i = 20; i < 20 + CAP_MAX_DEPTH - 1; i++)
		CHECK(OP(CAP_COPY, i, i + 1, RIGHTS_ALL, 0, 10) == 0);
	CHECK(root->caps[i].depth == CAP_MAX_DEPTH);
	CHECK(OP(CAP_COPY, i, i + 1, RIGHTS_ALL, 0, 10) == -E2BIG);
	CHECK(OP(CAP_REVOKE, 4, 0) == 0);
	for (i = 20; i < 20 + CAP_MAX_DEPTH; i++) CHECK(root->caps[i].type == CAP_NONE);
	CHECK(!root->caps[4].next);
}

/* Who was a child of a deleted capability is nobody else's child afterwards. */
static void test_orphans(void) {
	start();
	CHECK(OP(CAP_COPY, 4, 20, RIGHTS_ALL, 0, 10) == 0);  /* B of A */
	CHECK(OP(CAP_COPY, 20, 21, RIGHTS_ALL, 0, 10) == 0); /* C of B */
	CHECK(OP(CAP_DELETE, 20, 0) == 0);
	CHECK(OP(CAP_COPY, 4, 22, RIGHTS_ALL, 0, 10) == 0);  /* E of A */
	CHECK(OP(CAP_COPY, 22, 23, RIGHTS_ALL, 0, 10) == 0); /* F of E */
	CHECK(OP(CAP_REVOKE, 22, 0) == 0);
	CHECK(root->caps[21].type == CAP_IOPORTS && root->caps[23].type == CAP_NONE);
	/* Nor of a sibling of the deleted one. */
	CHECK(OP(CAP_COPY, 4, 20, RIGHTS_ALL, 0, 10) == 0);
	CHECK(OP(CAP_COPY, 20, 25, RIGHTS_ALL, 0, 10) == 0);
	CHECK(OP(CAP_COPY, 25, 26, RIGHTS_ALL, 0, 10) == 0);
	CHECK(OP(CAP_COPY, 4, 24, RIGHTS_ALL, 0, 10) == 0); /* in front of 20 */
	CHECK(OP(CAP_DELETE, 20, 0) == 0 && root->caps[25].depth == 1);
	CHECK(OP(CAP_REVOKE, 24, 0) == 0 && root->caps[25].type == CAP_IOPORTS);
	CHECK(OP(CAP_REVOKE, 25, 0) == 0 && root->caps[26].type == CAP_NONE);
	CHECK(OP(CAP_REVOKE, 4, 0) == 0);
	CHECK(root->caps[21].type == CAP_NONE && root->caps[22].type == CAP_NONE);
	CHECK(root->caps[25].type == CAP_NONE);
}

static void test_move(void) {
	start();
	CHECK(OP(CAP_COPY, 4, 20, RIGHTS_ALL, 0, 10) == 0);
	CHECK(OP(CAP_COPY, 20, 21, RIGHTS_ALL, 0, 10) == 0);
	CHECK(OP(CAP_MOVE, 20, 21) == -EEXIST);
	CHECK(OP(CAP_MOVE, 20, 30) == 0);
	CHECK(root->caps[20].type == CAP_NONE && root->caps[30].depth == 1);
	check_tree(&root->caps[4]);
	CHECK(OP(CAP_REVOKE, 30, 0) == 0);
	CHECK(root->caps[21].type == CAP_NONE && root->caps[30].type == CAP_IOPORTS);
	/* A Domain capability is counted once wherever it goes. */
	CHECK(root->cap_count == 1);
	CHECK(OP(CAP_MOVE, 1, 31) == 0 && root->cap_count == 1);
}

static void test_long_revoke(void) {
	u64 i;

	start();
	for (i = 20; i < SLOTS; i++) CHECK(OP(CAP_COPY, 4, i, RIGHTS_ALL, i, 1) == 0);
	CHECK(OP(CAP_REVOKE, 4, 0) == 0);
	CHECK(machine_restarts >= 2); /* it can be pre-empted */
	for (i = 20; i < SLOTS; i++) CHECK(root->caps[i].type == CAP_NONE);
}

/* Names mean what the caller's own table says. */
static void test_names(void) {
	struct domain *a, *b;
	int error = 0;

	start();
	a = make_domain(10, 5);
	b = make_domain(12, 21); /* 5 and 21 share a hint */
	CHECK(cap_resolve_domid(a, DOMID_SELF, RIGHT_CONTROL, &error) == a);
	CHECK(cap_resolve_domid(a, 5, RIGHT_CONTROL, &error) == a);
	CHECK(!cap_resolve_domid(a, 21, RIGHT_EVENT, &error) && error == -ESRCH);
	CHECK(OP(DOMAIN_CAP, 10, 12, 9, RIGHT_EVENT) == 0); /* b into a's slot 9 */
	CHECK(cap_resolve_domid(a, 21, RIGHT_EVENT, &error) == b);
	CHECK(!cap_resolve_domid(a, 21, RIGHT_GRANT, &error) && error == -EPERM);
	CHECK(!cap_resolve_domid(a, 21, RIGHT_GRANT | RIGHT_EVENT, &error) && error == -EPERM);
	CHECK(OP(DOMAIN_CAP, 10, 12, 8, RIGHT_GRANT) == 0); /* rights do not add up */
	CHECK(cap_resolve_domid(a, 21, RIGHT_GRANT, &error) == b);
	CHECK(!cap_resolve_domid(a, 21, RIGHT_GRANT | RIGHT_EVENT, &error));
	CHECK(cap_resolve_domid(root, 5, RIGHT_CONTROL, &error) == a);
	CHECK(cap_resolve_domid(root, 21, RIGHT_CONTROL, &error) == b);
	CHECK(b->cap_count == 3);
	CHECK(OP(CAP_REVOKE, 12, 0) == 0);
	CHECK(!cap_resolve_domid(a, 21, RIGHT_EVENT, &error) && error == -ESRCH);
	CHECK(b->cap_count == 1);
	CHECK(OP(DOMAIN_CAP, 10, 2, 9, RIGHT_COPY) == -EPERM);    /* no Memory into a */
	CHECK(OP(DOMAIN_CAP, 10, 12, 32, RIGHT_EVENT) == -EBADF); /* out of a's table */
	CHECK(OP(DOMAIN_CAP, 10, 99, 9, RIGHT_EVENT) == -EBADF);
	CHECK(OP(CAP_COPY, 12, 40, RIGHT_EVENT) == 0);
	CHECK(OP(DOMAIN_CAP, 10, 40, 9, RIGHT_EVENT) == -EPERM); /* 40 is without RIGHT_COPY */
}

static void test_covers(void) {
	start();
	CHECK(cap_covers(root, CAP_MMIO, 0x100000, 0x1000, RIGHT_USE));
	CHECK(cap_covers(root, CAP_MMIO, 0x100fff, 1, RIGHT_USE));
	CHECK(!cap_covers(root, CAP_MMIO, 0x101000, 1, RIGHT_USE));
	CHECK(!cap_covers(root, CAP_MMIO, 0x100fff, 2, RIGHT_USE));
	CHECK(!cap_covers(root, CAP_MMIO, 0xfffff, 1, RIGHT_USE));
	CHECK(!cap_covers(root, CAP_MMIO, 0x100fff, ~0UL, RIGHT_USE));
}

/* What a capability enabled ends with it. */
static void test_disable(void) {
	u64 position = 0;
	char text[8];

	start();
	CHECK(OP(IOPORTS_ENABLE, 4, 0) == -EINVAL); /* all ports: derive first */
	CHECK(OP(CAP_COPY, 4, 20, RIGHTS_ALL, 0x3f8, 8) == 0);
	CHECK(OP(IOPORTS_ENABLE, 20, 0) == 0 && OP(IOPORTS_ENABLE, 20, 0) == 0);
	CHECK(root->ports[0].first == 0x3f8 && root->ports[0].count == 8);
	CHECK(root->ports[1].count == 0 && fake.ports_changed == 1);
	CHECK(OP(CAP_REVOKE, 4, 0) == 0);
	CHECK(root->ports[0].count == 0 && fake.ports_changed == 2);

	/* Of several ranges those that are left move to the front, where a switch looks. */
	for (u32 i = 0; i < DOMAIN_MAX_PORT_RANGES; i++) {
		CHECK(OP(CAP_COPY, 4, 20 + i, RIGHTS_ALL, 0x100 * (i + 1), 4) == 0);
		CHECK(OP(IOPORTS_ENABLE, 20 + i, 0) == 0);
	}
	CHECK(OP(CAP_DELETE, 20, 0) == 0 && OP(CAP_DELETE, 22, 0) == 0);
	CHECK(root->ports[0].first == 0x200 && root->ports[1].first == 0x400);
	CHECK(root->ports[1].count == 4 && !root->ports[2].count && !root->ports[3].count);
	CHECK(OP(CAP_REVOKE, 4, 0) == 0 && !root->ports[0].count && fake.ports_changed == 10);

	CHECK(OP(CAP_COPY, 3, 20, RIGHTS_ALL, 4, 1) == 0);
	CHECK(OP(IRQ_BIND, 20, 5, 0, 0) == -EINVAL);
	CHECK(OP(IRQ_BIND, 20, 4, 0, 8) == -EINVAL);
	CHECK(OP(IRQ_BIND, 20, 4, 64, 0) == -EINVAL);
	CHECK(OP(IRQ_BIND, 20, 4, 0, IRQ_LEVEL) == 9);
	CHECK(OP(CAP_COPY, 20, 21, RIGHTS_ALL, 4, 1) == 0);
	CHECK(OP(CAP_DELETE, 21, 0) == 0 && fake.irq_released == 0);
	CHECK(OP(CAP_DELETE, 20, 0) == 0 && fake.irq_released == 1 && fake.irq_first == 4);
	CHECK(OP(IRQ_BIND, 3, 0, 0, IRQ_ISA) == 9); /* ISA 0 is line 2, which 3 covers */

	CHECK(OP(CONSOLE_READ, 6, text, 8, &position) == 3 && position == 3);
	CHECK(fake.log_readers == 1);
	CHECK(OP(CONSOLE_WRITE, 6, "a\033b\n", 4) == 0 && !strcmp(fake.text, "root: a?b\n"));
	CHECK(OP(CONSOLE_WRITE, 6, "x", 5000) == -EINVAL);
}

static void test_watch(void) {
	struct domain *a;

	start();
	a = make_domain(10, 5);
	CHECK(OP(DOMAIN_WATCH, 10, 3) == -EINVAL); /* not the port of VIRQ_DOM_EXC */
	CHECK(OP(DOMAIN_WATCH, 10, 64) == -EINVAL);
	CHECK(OP(DOMAIN_WATCH, 10, FAKE_WATCH_PORT) == 0 && a->watcher == root);
	a->vcpus[0]->regs.rip = 0x1234;
	domain_crash(a->vcpus[0], 14, "page fault at %x", 0x99);
	CHECK(fake.notified == 1 && a->state == DOMAIN_STATE_CRASHED);
	CHECK(!strcmp(a->crash_text, "page fault at 99") &&
	      strstr(fake.text, "guest (d5): crashed: "));
	domain_crash(a->vcpus[0], 13, "again");
	domain_shutdown(a, 1);
	CHECK(fake.notified == 1 && a->crash_vector == 14);
	CHECK(OP(CAP_MOVE, 10, 30) == 0 && a->watcher == root);
	CHECK(OP(CAP_COPY, 30, 31, RIGHTS_ALL & ALL_DOMAIN) == 0);
	CHECK(OP(CAP_DELETE, 30, 0) == 0 && !a->watcher);
}

int main(void) {
	static const struct {
		const char *name;
		void (*run)(void);
	} tests[] = {
		{"arguments are checked", test_arguments},
		{"copies only shrink", test_copy},
		{"depth is bounded", test_depth},
		{"orphans stay apart", test_orphans},
		{"move keeps the place in the tree", test_move},
		{"revocation can be pre-empted", test_long_revoke},
		{"names mean what the table says", test_names},
		{"ranges are covered whole", test_covers},
		{"what was enabled ends", test_disable},
		{"the watcher is told", test_watch},
	};
	unsigned i;

	for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
		tests[i].run();
		printf("ok %u - capability: %s\n", i + 1, tests[i].name);
	}
	return 0;
}
