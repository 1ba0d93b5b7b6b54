/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The switch dies at any instruction of taking, judging and answering, again and again, while
 * three guests send to each other and to the card, through several queues, and the wire
 * sends to them. Each request is answered once and without error, each frame
 * that comes is whole, and a netfront finds nothing to complain about. The switch is a process of
 * its own; the world (rig.h) is memory that outlives it. Now and then the driver dies instead.
 *
 * The functions that the pump calls are wrapped (ld --wrap): in them the processor
 * single-steps, and the trap handler ends the process when its time has come.
 */
#define _GNU_SOURCE /* kill */

#include "rig.h"

#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEATHS 250U
#define LIFE   3000U /* instructions of the last call, at most */
#define FRONTS (GUESTS * QUEUES)

static struct netfront front[FRONTS];
static uint32_t lives, number;

/* How this life ends: at an instruction of one call of one function. */
enum function { TAKE, FORWARD, ANSWER, CONNECT, NEVER };
static enum function doomed;
static uint32_t calls_left, instructions_left;

static void one_instruction(int signal) {
	(void)signal;
	if (!instructions_left--) _exit(0);
}

/* The flag TF; the stack below may be in use without a pointer to it (red zone). */
static inline void trace(bool on) {
	__asm__ volatile("leaq -128(%%rsp), %%rsp; pushfq; andq $~0x100, (%%rsp)\n\t"
			 "orq %0, (%%rsp); popfq; leaq 128(%%rsp), %%rsp"
			 :
			 : "r"(on ? 0x100UL : 0UL)
			 : "memory", "cc");
}

/* True: this call is the last one. */
static bool last_begins(enum function function) {
	bool last = function == doomed && !calls_left--;

	trace(last);
	return last;
}

static void last_ends(bool last) {
	trace(false);
	if (last) _exit(0);
}

uint32_t __real_share_take(struct frame **round, uint32_t most);
uint32_t __wrap_share_take(struct frame **round, uint32_t most);
void __real_forward(struct frame *frame);
void __wrap_forward(struct frame *frame);
void __real_answer_all(void);
void __wrap_answer_all(void);
void __real_answer_connect(struct port *port, bool adopt);
void __wrap_answer_connect(struct port *port, bool adopt);

uint32_t __wrap_share_take(struct frame **round, uint32_t most) {
	bool last = last_begins(TAKE);
	uint32_t count = __real_share_take(round, most);

	last_ends(last);
	return count;
}

void __wrap_forward(struct frame *frame) {
	bool last = last_begins(FORWARD);

	__real_forward(frame);
	last_ends(last);
}

void __wrap_answer_all(void) {
	/* A call without anything to answer is no death worth dying. */
	bool last = sw.dirty && last_begins(ANSWER);

	__real_answer_all();
	last_ends(last);
}

void __wrap_answer_connect(struct port *port, bool adopt) {
	bool last = last_begins(CONNECT);

	__real_answer_connect(port, adopt);
	last_ends(last);
}

NORETURN static void server(void) {
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* a failed check leaves no server behind */
	signal(SIGTRAP, one_instruction);
	rig_server();
	for (;;) {
		rig_time += 1000;
		/* The driver is the other process; here is only our end of the connection. */
		for (uint32_t i = 0; i < sw.uplink_count; i++) net_server_work(&sw.uplink[i].net);
		rig_store();
		for (uint32_t i = 0; i < GUESTS; i++)
			if (sw.port[i].vif.end.state == BACKEND_LIVE) sw.ready |= 1ULL << i;
		pump(NULL);
		sched_yield();
	}
}

static pid_t start_server(enum function function) {
	pid_t child = fork();

	CHECK(child >= 0);
	doomed = function;
	calls_left = noise() % (function == CONNECT ? GUESTS : 12);
	instructions_left = noise() % LIFE;
	if (!child) server();
	lives++;
	return child;
}

static void wire_talks(void) {
	static uint8_t bytes[9100];
	uint32_t length = 60 + noise() % 3000, to = noise() % (GUESTS + 1);

	frame_write(bytes, GUESTS + 1, to == GUESTS ? EVERYBODY : to, number++, length);
	rig_receive(bytes, length, NET_RX_CSUM_OK);
}

static void world_turns(bool ending) {
	uint32_t before = rig_left, from, to;

	for (uint32_t i = 0; i < FRONTS; i++) {
		for (uint32_t n = ending ? 0 : noise() % 6; n; n--) front_random(&front[i], 9000);
		front_push(&front[i]);
		front_collect(&front[i]);
		front_post(&front[i], noise() % 8);
	}
	if (!ending && noise() % 4 == 0) wire_talks();
	rig_driver_serve();
	for (; before != rig_left; before++) {
		const struct wire *wire = &rig_wire[before % WIRE];

		frame_check(wire->bytes, wire->length, &from, &to);
	}
	if (!ending && noise() % 4096 == 0) rig_driver_start();
	sched_yield();
}

static bool idle(void) {
	for (uint32_t i = 0; i < FRONTS; i++)
		if (front[i].tx_cons != front[i].tx_prod) return false;
	return true;
}

static void test_killed(void) {
	uint64_t answered = 0, came = 0;
	int status;
	pid_t child;

	rig_world();
	rig_describe(QUEUES);
	for (uint32_t i = 0; i < FRONTS; i++) front_init(&front[i], i / QUEUES, i % QUEUES);
	rig_driver_start();
	while (lives < DEATHS) {
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
	for (uint32_t i = 0; i < FRONTS; i++) {
		CHECK(!front[i].errors);
		answered += front[i].answered;
		came += front[i].came;
	}
	printf("# %u lives, %lu answers, %lu frames came, %u left\n", lives, answered, came,
	       rig_left);
	CHECK(answered > DEATHS && came && rig_left);
}

int main(void) {
	static const struct test tests[] = {{"killed at any instruction", test_killed}};

	return RUN("switch_crash", tests);
}
