/* SPDX-License-Identifier: BSD-2-Clause */
/* When a server leaves the CPU to those who ask it. */
#include "native.h"

#include "libs/event/event.h"
#include "proto/cap/cap.h"

_Static_assert(EVENT_PATIENCE <= PLAN_PATIENCE_MAX, "what the core grants");

static bool patient(uint32_t most) {
	event_asked(most);
	return event_patience == EVENT_PATIENCE;
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

int main(void) {
	static const struct test tests[] = {{"patience", test_patience}};

	return RUN("patience", tests);
}
