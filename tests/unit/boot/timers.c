/* SPDX-License-Identifier: BSD-2-Clause */
/* kernel/cpu/timer.c: the heap against an array, and when the APIC is programmed. */
#include "stubs.h"

#include "cpu/time.h"

#define TIMERS 50

static struct vcpu running;

static struct timer timers[TIMERS];
static u64 deadline[TIMERS]; /* 0: not armed */
static u64 last;

static void fired(struct timer *t) {
	size_t i = (size_t)(t - timers);

	CHECK(deadline[i] && deadline[i] == t->deadline && deadline[i] <= fake_now);
	CHECK(deadline[i] >= last); /* in order */
	last = deadline[i];
	deadline[i] = 0;
}

static u64 earliest(void) {
	u64 first = ~0UL;

	for (size_t i = 0; i < TIMERS; i++)
		if (deadline[i]) first = MIN(first, deadline[i]);
	return first;
}

static void test_heap(void) {
	srand(1);
	this_cpu()->current = &running;
	fake_now = 1000;
	for (int step = 0; step < 200000; step++) {
		size_t i = (size_t)rand() % TIMERS;

		timers[i].fire = fired;
		switch (rand() % 4) {
		case 0:
		case 1:
			deadline[i] = fake_now + 1 + (u64)rand() % 1000;
			timer_arm(&timers[i], deadline[i]);
			break;
		case 2:
			deadline[i] = 0;
			timer_cancel(&timers[i]);
			break;
		default:
			fake_now += (u64)rand() % 100;
			last = 0;
			timer_interrupt();
			CHECK(earliest() > fake_now);
		}
		CHECK(fake_armed <= earliest());
	}
	for (size_t i = 0; i < TIMERS; i++) {
		timer_cancel(&timers[i]);
		deadline[i] = 0;
	}
	timer_interrupt();
}

static void test_slice(void) {
	this_cpu()->current = &running;
	fake_now = 5000000;
	timer_interrupt();
	running.work = 0;
	timer_set_slice_end(this_cpu(), fake_now + 10);
	CHECK(fake_armed == fake_now + 10);
	/* Later deadlines leave the APIC alone. */
	timers[0].fire = fired;
	deadline[0] = fake_now + 20;
	timer_arm(&timers[0], deadline[0]);
	CHECK(fake_armed == fake_now + 10);
	fake_now += 10;
	timer_interrupt();
	CHECK(running.work == WORK_SWITCH && fake_armed == fake_now + 10);
	running.work = 0;
	timer_set_slice_end(this_cpu(), ~0UL);
	fake_now += 10;
	last = 0;
	timer_interrupt();
	CHECK(!running.work && !deadline[0]);
	/* A deadline in the past fires at once. */
	timer_set_slice_end(this_cpu(), 1);
	CHECK(fake_armed == fake_now);
}

int main(void) {
	static const struct test tests[] = {
		{"timers fire in order, once, when they are due", test_heap},
		{"the end of a slice shares the APIC's deadline", test_slice},
	};

	return run_tests(tests, ARRAY_SIZE(tests));
}
