/* SPDX-License-Identifier: BSD-2-Clause */
/* When a server leaves the CPU to those who ask it. */
#include "native.h"

#include "libs/event/event.h"
#include "proto/cap/cap.h"

_Static_assert(EVENT_PATIENCE <= PLAN_PATIENCE_MAX, "what the core grants");

static uint64_t now, takes; /* ns; that a wake-up lasts */

uint64_t time_now(void) { return now; }

static bool patient(uint32_t most) {
	uint64_t since = now;

	now += takes;
	event_asked(most, since);
	return event_patience != 0;
}

static uint64_t patience_after(uint32_t times, uint64_t ns) {
	takes = ns;
	for (uint32_t i = 0; i < times; i++) (void)patient(2);
	return event_patience;
}

static void test_patience(void) {
	/* Nobody has asked yet. */
	CHECK(!event_patience);
	/* One that asks several things is left alone as long as it does so, */
	CHECK(patient(2) && patient(32));
	/* whatever else wakes the server meanwhile; */
	CHECK(patient(0) && patient(0));
	/* one that asks a single thing is answered at once, */
	CHECK(!patient(1) && !patient(0) && !patient(1));
	/* but more may not be asked at once for want of patience: now and then it is tried. */
	for (uint32_t round = 0; round < 3; round++) {
		uint32_t tries = 0;

		for (uint32_t i = 0; i < 64; i++) tries += patient(1);
		CHECK(tries == 2);
	}
	while (!patient(1)) continue;
	CHECK(patient(7) && !patient(1));
}

/* As long as 64 wake-ups take; but never less than is worth it anywhere, nor more than is granted.
 */
static void test_length(void) {
	uint64_t length = patience_after(1000, 10000);

	CHECK(length > 550000 && length < 700000);
	CHECK(patience_after(1000, 1000) == EVENT_PATIENCE);
	CHECK(patience_after(1000, 100000) == PLAN_PATIENCE_MAX);
	/* One in which somebody else had the processor is no measure, nor are those without
	 * clients. */
	length = patience_after(1000, 10000);
	CHECK(patience_after(1, 1000000000) < length + length / 8);
	takes = 1000000000;
	for (uint32_t i = 0; i < 1000; i++) CHECK(patient(0));
	CHECK(patience_after(1, 10000) < length + length / 8);
}

int main(void) {
	static const struct test tests[] = {
		{"patience", test_patience},
		{"for how long", test_length},
	};

	return RUN("patience", tests);
}
