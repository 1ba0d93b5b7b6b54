/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How many instructions a verdict costs: the test steps through it, one instruction at a time. So
 * the number is the same in each run, whatever else the machine does.
 *
 * Built without sanitizers. The limits leave room for another compiler, not for another
 * algorithm: a look at the whole table or at each port's rules would not pass.
 */
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../native.h"

#include "fw_rig.h"

#define NOW 1000000000000ULL

static uint8_t frame[1514] = {
	0x52, 0x54, 0,    0,    0, 2, 0x52, 0x54, 0,  0, 0, 1, 8,    0, /* Ethernet */
	0x45, 0,    0x05, 0xdc, 0, 0, 0x40, 0,    64, 6, 0, 0, 10,   0, 0,    1, 10, 0, 0, 2,
	0x0f, 0xa0, 0,    80,   0, 0, 0x03, 0xe8, 0,  0, 0, 0, 0x50, 2, 0x20, 0, 0,  0, 0, 0,
};
static uint8_t answer[sizeof(frame)];
static struct packet packet;
static struct fw_verdict verdict;

/* drop state invalid; accept state established; drop for `more` ports; accept */
static void rules(uint32_t direction, uint32_t more) {
	static struct {
		struct rules_header header;
		struct rules_rule rule[103];
		struct rules_range range[2];
	} set;
	struct fw_error error;
	struct rules_header *h = &set.header;

	*h = (struct rules_header){RULES_MAGIC,
				   RULES_VERSION,
				   sizeof(set),
				   sizeof(*h),
				   more + 3,
				   sizeof(set) - 8,
				   2,
				   sizeof(set),
				   0,
				   sizeof(set),
				   0,
				   sizeof(set),
				   0};
	set.rule[0] = (struct rules_rule){
		.action = RULES_DROP, .match = RULES_STATE, .states = RULES_INVALID};
	set.rule[1] = (struct rules_rule){
		.action = RULES_ACCEPT, .match = RULES_STATE, .states = RULES_ESTABLISHED};
	set.range[0] = (struct rules_range){6, 6};
	set.range[1] = (struct rules_range){22, 22};
	for (uint32_t i = 0; i < more; i++) {
		struct rules_rule *r = &set.rule[2 + i];

		*r = (struct rules_rule){.action = RULES_DROP,
					 .match = RULES_PROTOCOL | RULES_DPORT};
		r->list[6] = (struct rules_list){0, 1};
		r->list[8] = (struct rules_list){1, 1};
	}
	set.rule[2 + more] = (struct rules_rule){.action = RULES_ACCEPT};
	CHECK(!fw_swap(&rig.fw, 0, direction, &set, sizeof(set), NOW, &error));
}

static void judge(uint32_t direction, const uint8_t *data) {
	CHECK(packet_parse(&packet, data, 512, sizeof(frame)) == PACKET_OK);
	fw_judge(&rig.fw, 0, direction, 1, &packet, NOW, &verdict);
}

static void start(uint32_t more) {
	static const uint8_t mac[6] = {0x52, 0x54, 0, 0, 0, 1};

	rig_start(4096, 9);
	memcpy(rig.config[0].mac, mac, 6);
	rig.config[0].prefix_count = 1;
	rig.prefix[0][0] = (struct switch_prefix){{10, 0, 0, 1}, 4, 32, {0}};
	fw_port_open(&rig.fw, 0, &rig.config[0], rig.prefix[0]);
	rules(NETCTL_OUT, more);
	rules(NETCTL_IN, more);
	memcpy(answer, frame, sizeof(frame));
	memcpy(answer + 26, frame + 30, 4);
	memcpy(answer + 30, frame + 26, 4);
	memcpy(answer + 34, frame + 36, 2);
	memcpy(answer + 36, frame + 34, 2);
	memcpy(answer + 42, (uint8_t[4]){0, 0, 0x03, 0xe9}, 4);
	answer[47] = 0x12;
}

static void open_connection(void) {
	judge(NETCTL_OUT, frame);
	CHECK(verdict.state == RULES_NEW && verdict.action == RULES_ACCEPT);
	judge(NETCTL_IN, answer);
	CHECK(verdict.state == RULES_ESTABLISHED && verdict.action == RULES_ACCEPT);
	frame[47] = 0x10;
	memcpy(frame + 38, (uint8_t[4]){0, 0, 0x03, 0xe9}, 4);
	memcpy(frame + 42, (uint8_t[4]){0, 0, 0x03, 0xe9}, 4);
}

static uint64_t steps(pid_t child) {
	uint64_t count = 0;
	int status;

	CHECK(waitpid(child, &status, 0) == child && WIFSTOPPED(status));
	for (;;) {
		CHECK(!ptrace(PTRACE_SINGLESTEP, child, 0, 0));
		CHECK(waitpid(child, &status, 0) == child && WIFSTOPPED(status));
		if (WSTOPSIG(status) != SIGTRAP) break;
		count++;
	}
	CHECK(!ptrace(PTRACE_CONT, child, 0, 0));
	CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && !WEXITSTATUS(status));
	return count;
}

/* Of one more judgement of `frame`, less what the stops themselves cost. */
static uint64_t cost(bool really) {
	pid_t child = fork();

	CHECK(child >= 0);
	if (child) return steps(child);
	ptrace(PTRACE_TRACEME, 0, 0, 0);
	raise(SIGSTOP);
	if (really) judge(NETCTL_OUT, frame);
	raise(SIGSTOP);
	_exit(0);
}

static uint64_t nothing;

static void measure(const char *what, uint64_t limit) {
	uint64_t count = cost(true) - nothing;

	printf("# %s: %llu instructions\n", what, (unsigned long long)count);
	CHECK(count < limit);
}

static void test_established(void) {
	start(0);
	open_connection();
	judge(NETCTL_OUT, frame);
	CHECK(verdict.state == RULES_ESTABLISHED && verdict.action == RULES_ACCEPT);
	measure("parse and judge, established TCP", 1500);
}

static void test_new(void) {
	frame[47] = 2;
	memset(frame + 42, 0, 4);
	start(100);
	judge(NETCTL_OUT, frame);
	CHECK(verdict.state == RULES_NEW && verdict.rule == 102);
	measure("parse and judge, new TCP behind 100 rules", 30000);
}

int main(void) {
	static const struct test tests[] = {
		{"an established connection", test_established},
		{"a new one, behind many rules", test_new},
	};

	nothing = cost(false);
	return RUN("fw_cost", tests);
}
