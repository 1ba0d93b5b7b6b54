/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The disk server dies at any instruction of taking and answering, again and
 * again, while two guests read and write through several queues: each request is
 * answered once, what was acknowledged is on the disk, and the disk never touches
 * a page that its window does not hold. The server is a process of its own; the
 * world (rig.h) is memory that outlives it. Now and then the driver dies instead.
 *
 * The functions that the pump calls for a ring are wrapped (ld --wrap): in them
 * the processor single-steps, and the trap handler ends the process when its
 * time has come.
 */
#define _GNU_SOURCE /* kill, MAP_ANONYMOUS */

#include "rig.h"
#include "../dying.h"

#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEATHS 400U
#define LIFE   1500U /* instructions of the last call, at most */

static struct frontend front[3];
static uint32_t lives;

/* Where a life ends. */
enum function { TAKE, ANSWER, CONNECT, NEVER };

enum ring_taken __real_ring_take(struct device *device, uint32_t number);
enum ring_taken __wrap_ring_take(struct device *device, uint32_t number);
void __real_ring_answer(void);
void __wrap_ring_answer(void);
void __real_ring_connect(struct device *device, bool adopt);
void __wrap_ring_connect(struct device *device, bool adopt);

enum ring_taken __wrap_ring_take(struct device *device, uint32_t number) {
	bool last = last_begins(TAKE);
	enum ring_taken taken = __real_ring_take(device, number);

	last_ends(last);
	return taken;
}

void __wrap_ring_answer(void) {
	/* A call without anything to answer is no death worth dying. */
	bool last = vbd.answers.first != VBD_NONE && last_begins(ANSWER);

	__real_ring_answer();
	last_ends(last);
}

void __wrap_ring_connect(struct device *device, bool adopt) {
	bool last = last_begins(CONNECT);

	__real_ring_connect(device, adopt);
	last_ends(last);
}

NORETURN static void server(void) {
	dying_begin();
	rig_server();
	for (;;) {
		rig_time += 1000;
		if (!rig_serve()) sched_yield();
	}
}

static pid_t start_server(enum function function) {
	pid_t child = fork();

	CHECK(child >= 0);
	doomed = function;
	calls_left = noise() % (function == CONNECT ? 2 : 12);
	instructions_left = noise() % LIFE;
	if (!child) server();
	lives++;
	return child;
}

static void world_turns(bool ending) {
	for (uint32_t i = 0; i < ARRAY_SIZE(front); i++) {
		for (uint32_t n = ending ? 0 : noise() % 8; n; n--) front_random(&front[i]);
		front_push(&front[i]);
		front_collect(&front[i]);
	}
	blk_driver_work(&rig_driver);
	for (uint32_t i = noise() % 12; i && rig_device(true); i--)
		;
	blk_driver_work(&rig_driver);
	if (!ending && noise() % 4096 == 0) rig_driver_start(&rig_disk);
	sched_yield();
}

static bool idle(void) {
	for (uint32_t i = 0; i < ARRAY_SIZE(front); i++)
		if (!front_idle(&front[i])) return false;
	return true;
}

/* Guest 0 has two queues, guest 1 one; both use all of the disk, with persistent grants or not. */
static void describe(bool persistent) {
	rig_world();
	rig_default(2, 0, persistent);
	world->rings[1].queues = 1;
	rig_blob.config.disk_count = 2;
	rig_blob.disk[0].flags = VBD_SHARED;
	rig_blob.disk[1] = rig_blob.disk[0];
	rig_blob.disk[1].guest = rig_string("two");
	front_init(&front[0], 0, 0, 0);
	front_init(&front[1], 0, 0, 1);
	front_init(&front[2], 1, 1, 0);
}

static void killed(bool persistent) {
	uint32_t end = lives + DEATHS;
	uint64_t answers = 0;
	int status;
	pid_t child;

	describe(persistent);
	rig_driver_start(&rig_disk);
	while (lives < end) {
		child = start_server((enum function)(noise() % NEVER));
		while (waitpid(child, &status, WNOHANG) == 0) world_turns(false);
		CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	}
	/* The last one lives until everything is answered. */
	child = start_server(NEVER);
	for (uint32_t n = 0; n < 2000000 && !idle(); n++) world_turns(true);
	kill(child, SIGKILL);
	CHECK(waitpid(child, &status, 0) == child);
	CHECK(idle());
	front_check_disk();
	for (uint32_t i = 0; i < ARRAY_SIZE(front); i++) answers += front[i].answers;
	printf("# %u lives, %lu answers\n", lives, answers);
	CHECK(answers > DEATHS * 2);
}

static void test_persistent(void) { killed(true); }
static void test_others(void) { killed(false); }

int main(void) {
	static const struct test tests[] = {
		{"killed at any instruction, persistent grants", test_persistent},
		{"killed at any instruction, other grants", test_others},
	};

	world = mmap(NULL, sizeof(*world), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		     0);
	CHECK(world != MAP_FAILED);
	return RUN("vbd_crash", tests);
}
