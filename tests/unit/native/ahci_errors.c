/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The AHCI driver against an adapter and disks that fail, lie, hang and go away:
 * every request is answered exactly once, in a bounded time, and only those fail
 * that have to.
 */
#include "ahci_rig.h"

static void errors(void) {
	/* One command fails once: nobody notices. */
	for (uint32_t depth = 0; depth <= 32; depth += 32) {
		up(depth);
		fake.port[1].error = 1;
		ask_many(50);
		CHECK(!failed(50) && ahci.recoveries == 1);
		/* One block is bad: one request fails, whether the disk says which or not. */
		fake.port[1].bad = 100 + 1;
		for (uint32_t lie = 0; lie < 3; lie++) {
			fake.port[1].no_log = lie == 1;
			fake.port[1].log_lie = lie == 2 ? 32 : 0;
			ask_many(50);
			CHECK(failed(50) == 1 && status[12] == BLK_STATUS_IO);
		}
		fake.port[1].bad = 0;
		ask_many(50);
		CHECK(!failed(50));
	}
	/* If the disk says which, the others are done together again. */
	up(32);
	fake.port[1].bad = 100 + 1;
	fake.issues = 0;
	ask_many(20);
	CHECK(failed(20) == 1 && fake.issues < 12);
	/* One that was not even asked: then nobody knows. */
	fake.port[1].log_lie = 32;
	ask_many(20);
	CHECK(failed(20) == 1 && status[12] == BLK_STATUS_IO);
	/* It blames one that is innocent: that one is done alone, and well. */
	up(32);
	fake.port[1].bad = 100 + 1;
	fake.port[1].log_lie = 5 + 1;
	ask_many(20);
	CHECK(failed(20) == 1 && status[12] == BLK_STATUS_IO);
	/* Everything fails. */
	up(32);
	fake.port[1].error = UINT32_MAX;
	ask_many(100);
	CHECK(failed(100) == 100);
	/* So does a flush. */
	up(32);
	fake.port[1].error = 2;
	ask_range(7, BLK_OP_FLUSH, 0, 0);
	go(SECOND);
	CHECK(answers[7] == 1 && status[7] == BLK_STATUS_IO);
}

static void short_transfers(void) {
	up(0);
	fake.port[1].halves = true;
	ask(1, BLK_OP_READ, 0, 0, 2);
	go(SECOND);
	CHECK(answers[1] == 1 && status[1] == BLK_STATUS_IO && ahci.short_transfers == 2);
	ask(2, BLK_OP_WRITE, 0, 0, 2);
	go(SECOND);
	CHECK(answers[2] == 1 && status[2] == BLK_STATUS_IO && ahci.short_transfers == 4);
	fake.port[1].halves = false;
	ask(1, BLK_OP_READ, 0, 0, 2);
	go(SECOND);
	CHECK(answers[1] == 2 && !status[1]);
}

static void wrong_tags(void) {
	up(32);
	fake.port[1].gone_bits = 0xfffffff0;
	ask(1, BLK_OP_READ, 0, 0, 1);
	ask(2, BLK_OP_READ, 8, 1, 1);
	go(SECOND);
	CHECK(answered == 2);
	fake.is = UINT32_MAX;
	ahci_interrupt(&ahci, now);
	CHECK(answered == 2);
	/* An interrupt before the adapter has been told. */
	ask(3, BLK_OP_READ, 8, 1, 1);
	fake.is = 2;
	ahci_interrupt(&ahci, now);
	CHECK(answered == 2);
}

/* The fake checks that a queued command's bit is still set when it is carried out. */
static void late_completions(void) {
	setup(32);
	fake.port[1].late = true;
	start();
	for (uint16_t tag = 0; tag < 20; tag++) ask(tag, BLK_OP_READ, tag * 8, tag, 1);
	go(SECOND);
	CHECK(answered == 20 && !failed(20));
	fake.port[1].stuck = true;
	for (uint16_t tag = 0; tag < 20; tag++) ask(tag, BLK_OP_READ, tag * 8, tag, 1);
	go(12 * SECOND);
	CHECK(answered == 40 && !failed(20) && ahci.recoveries == 1);
}

static void hangs(void) {
	up(32);
	fake.port[1].stuck = true;
	ask(1, BLK_OP_WRITE, 8, 0, 1);
	go(5 * SECOND);
	/* Younger than the one that is overdue: not its fault. */
	ask(2, BLK_OP_WRITE, 16, 1, 1);
	go(8 * SECOND);
	CHECK(answers[1] == 1 && answers[2] == 1 && !status[1] && !status[2]);
	CHECK(ahci.timeouts == 1 && ahci.recoveries == 1);
	/* It comes up and never does a thing. */
	fake.port[1].stuck = fake.port[1].always_stuck = true;
	ask(1, BLK_OP_WRITE, 8, 0, 1);
	go(100 * SECOND);
	CHECK(answers[1] == 2 && status[1] == BLK_STATUS_GONE);
	/* The port cannot even be stopped: the whole adapter is reset. */
	up(32);
	fake.port[1].stuck = fake.port[1].never_stops = true;
	ask(1, BLK_OP_WRITE, 8, 0, 1);
	go(20 * SECOND);
	CHECK(answers[1] == 1 && !status[1] && fake.resets == 2);
	/* Nor that: nobody is told that its pages are free. */
	up(32);
	fake.port[1].stuck = fake.port[1].never_stops = fake.never_resets = true;
	ask(1, BLK_OP_WRITE, 8, 0, 1);
	go(60 * SECOND);
	CHECK(ahci.state == AHCI_DEAD && ahci.running && !answered);
}

static void goes_away(void) {
	/* The link never stays up for long. */
	up(32);
	ask(1, BLK_OP_READ, 8, 0, 1);
	ahci_kick(&ahci);
	for (uint32_t i = 0; i < 60; i++) {
		fake.port[1].stuck = ahci.port[1].state == PORT_RUN;
		fake_interrupt(&fake.port[1], 1U << 22);
		ahci_interrupt(&ahci, now);
		fake.port[1].stuck = false;
		while (!port_settled(&ahci.port[1])) {
			now = MAX(now, ahci.wake);
			ahci_timer(&ahci, now);
			if (!(fake.port[1].sact)) fake_run(1);
		}
	}
	CHECK(answers[1] == 1 && status[1] == BLK_STATUS_GONE);
	up(32);
	fake.port[1].stuck = true;
	ask(1, BLK_OP_READ, 8, 0, 1);
	ahci_kick(&ahci);
	fake.port[1].kind = FAKE_EMPTY;
	fake.port[1].ssts = 0;
	fake_interrupt(&fake.port[1], 1U << 22);
	run(now + 3 * SECOND);
	CHECK(answers[1] == 1 && status[1] == BLK_STATUS_GONE);
	ask(2, BLK_OP_READ, 8, 0, 1);
	CHECK(answers[2] == 1 && status[2] == BLK_STATUS_GONE);
	/* The link only flickers. */
	up(32);
	fake.port[1].stuck = true;
	ask(1, BLK_OP_READ, 8, 0, 1);
	ahci_kick(&ahci);
	fake_interrupt(&fake.port[1], 1U << 22);
	run(now + 3 * SECOND);
	CHECK(answers[1] == 1 && !status[1]);
	/* Another disk is put in. */
	fake.port[1].serial = 'Z';
	fake_interrupt(&fake.port[1], 1U << 6);
	run(now + 3 * SECOND);
	ask(3, BLK_OP_READ, 8, 0, 1);
	CHECK(answers[3] == 1 && status[3] == BLK_STATUS_GONE);
	/* And stays away. */
	ahci_reset(&ahci, "test", now);
	run(now + 3 * SECOND);
	ask(4, BLK_OP_READ, 8, 0, 1);
	CHECK(ahci.state == AHCI_RUN && answers[4] == 1 && status[4] == BLK_STATUS_GONE);
	/* The whole adapter. */
	up(32);
	fake.port[1].stuck = true;
	ask(1, BLK_OP_READ, 8, 0, 1);
	ahci_kick(&ahci);
	fake.absent = true;
	run(now + 3 * SECOND);
	CHECK(ahci.state == AHCI_DEAD && answers[1] == 1 && status[1] == BLK_STATUS_GONE);
}

static void loses_interrupts(void) {
	up(32);
	fake.silent = true;
	ask(1, BLK_OP_READ, 8, 0, 1);
	go(3 * SECOND);
	CHECK(answers[1] == 1 && !status[1] && !ahci.recoveries);
	setup(32);
	fake.silent = true;
	start();
	CHECK(ahci.disk_count == 1);
}

static void two_disks(void) {
	setup(32);
	add_disk(2, 16);
	start();
	CHECK(ahci.disk_count == 2);
	fake.port[1].stuck = true;
	for (uint16_t tag = 0; tag < 200; tag++)
		ask_disk(tag, BLK_OP_READ, tag * 8, tag, 1, tag & 1, 0);
	go(SECOND / 2);
	for (uint16_t tag = 0; tag < 200; tag++) CHECK(answers[tag] == (tag & 1U));
	go(15 * SECOND);
	CHECK(answered == 200 && !failed(200));
}

static void new_session(void) {
	up(32);
	CHECK(ahci_idle(&ahci));
	for (uint16_t tag = 0; tag < 100; tag++) ask(tag, BLK_OP_READ, 8, 0, 1);
	ahci_kick(&ahci);
	ahci_drop(&ahci);
	CHECK(!ahci_idle(&ahci));
	run(now + SECOND / 2);
	CHECK(ahci_idle(&ahci) && !answered);
	fake.port[1].stuck = true;
	for (uint16_t tag = 0; tag < 100; tag++) ask(tag, BLK_OP_READ, 8, 0, 1);
	ahci_kick(&ahci);
	ahci_drop(&ahci);
	ahci_reset(&ahci, "test", now);
	ask(9, BLK_OP_READ, 8, 0, 1); /* waits */
	run(now + SECOND / 10);
	CHECK(ahci_idle(&ahci) && answered == 1 && answers[9] == 1 && !status[9]);
}

static const struct test tests[] = {
	{"errors cost the one that failed, after a second try", errors},
	{"short transfers", short_transfers},
	{"completions of what was not asked", wrong_tags},
	{"completions that a reset left behind", late_completions},
	{"commands that never end", hangs},
	{"a disk or the adapter goes away", goes_away},
	{"lost interrupts", loses_interrupts},
	{"two disks", two_disks},
	{"a new session", new_session},
};

int main(void) { return RUN("ahci_errors", tests); }
