/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * See explore.h. A stack is saved from its stack pointer up, as it is; it can be
 * restored because it always lies at the same address.
 */
#include "explore.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STACK_SIZE  32768
#define BELOW       1024
#define MAX_REGIONS 96
#define MAX_DEPTH   4000
#define TABLE_BITS  24

/* Saves the callee's registers and the stack pointer in *from, goes on at `to`. */
void explore_switch(void **from, void *to);
__asm__(".pushsection .text\n"
	"explore_switch:\n"
	"push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
	"mov %rsp, (%rdi)\n"
	"mov %rsi, %rsp\n"
	"pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n"
	"ret\n"
	".popsection");

struct cpu_thread {
	void *sp;
	unsigned (*count)(unsigned cpu); /* waits for a choice; NULL: just to go on */
	unsigned choices;                /* of this state; 0 = ended */
};

struct node {
	struct cpu_thread threads[EXPLORE_CPUS];
	uint8_t *bytes;      /* regions, then stacks */
	unsigned next, last; /* alternatives: which is next, how many there are */
};

static uint8_t stacks[EXPLORE_CPUS][STACK_SIZE] __attribute__((aligned(64)));
static struct cpu_thread threads[EXPLORE_CPUS];
static struct {
	uint8_t *start;
	size_t size;
} regions[MAX_REGIONS];
static unsigned region_count;

static void (*thread_body)(unsigned cpu);
static void *scheduler_sp;
static int running = -1;
static unsigned chosen;
static const char *failure;
static uint64_t *seen; /* hashes, open addressing */
static struct node path[MAX_DEPTH];
bool explore_verbose;

void explore_region(void *start, size_t size) {
	if (region_count == MAX_REGIONS) {
		fprintf(stderr, "explore: too many regions\n");
		abort();
	}
	regions[region_count].start = start;
	regions[region_count++].size = size;
}

unsigned explore_cpu(void) { return running < 0 ? 0 : (unsigned)running; }

static void give_way(unsigned choices, unsigned (*count)(unsigned cpu)) {
	threads[running].choices = choices;
	threads[running].count = count;
	explore_switch(&threads[running].sp, scheduler_sp);
}

void explore_step(void) {
	if (running >= 0) give_way(1, NULL);
}

unsigned explore_choose(unsigned (*count)(unsigned cpu)) {
	if (running < 0) return 0;
	give_way(0, count);
	return chosen;
}

void explore_fail(const char *what) {
	if (running < 0) {
		fprintf(stderr, "before exploring: %s\n", what);
		exit(2);
	}
	failure = what;
	for (;;) give_way(0, NULL);
}

static void thread_start(void) {
	thread_body((unsigned)running);
	for (;;) give_way(0, NULL);
}

static void thread_prepare(unsigned i) {
	void **top = (void **)(void *)(stacks[i] + STACK_SIZE - 16);

	memset(stacks[i], 0, STACK_SIZE);
	*--top = NULL; /* alignment as after a call */
	*--top = (void *)thread_start;
	threads[i] = (struct cpu_thread){.sp = top - 6, .choices = 1};
}

/* Runs one CPU to the next point where it gives way. */
static void thread_run(unsigned i, unsigned choice) {
	/* What other paths left below the stack would make equal states look different. */
	memset((uint8_t *)threads[i].sp - BELOW, 0, BELOW);
	running = (int)i;
	chosen = choice;
	explore_switch(&scheduler_sp, threads[i].sp);
	running = -1;
}

static size_t stack_used(const struct cpu_thread *t, unsigned i) {
	return (size_t)(stacks[i] + STACK_SIZE - (uint8_t *)t->sp);
}

static uint64_t mix(uint64_t h, const uint8_t *bytes, size_t size) {
	uint64_t word;

	for (; size >= 8; size -= 8, bytes += 8) {
		memcpy(&word, bytes, 8);
		h = (h ^ word) * 0x9e3779b97f4a7c15ULL;
		h ^= h >> 29;
	}
	while (size--) h = (h ^ *bytes++) * 0x100000001b3ULL;
	return h;
}

static uint64_t hash_now(void) {
	uint64_t h = 1;
	unsigned i;

	for (i = 0; i < region_count; i++) h = mix(h, regions[i].start, regions[i].size);
	for (i = 0; i < EXPLORE_CPUS; i++) {
		h = mix(h, (uint8_t *)&threads[i].sp, sizeof(void *));
		h = mix(h, threads[i].sp, stack_used(&threads[i], i));
	}
	h ^= h >> 31;
	return h ? h : 1;
}

static bool first_time(uint64_t hash) {
	uint64_t mask = (1ULL << TABLE_BITS) - 1, at = hash & mask;

	while (seen[at] && seen[at] != hash) at = (at + 1) & mask;
	if (seen[at]) return false;
	seen[at] = hash;
	return true;
}

static void count_choices(void) {
	unsigned i;

	for (i = 0; i < EXPLORE_CPUS; i++)
		if (threads[i].count) threads[i].choices = threads[i].count(i);
}

static void save(struct node *n) {
	uint8_t *to;
	size_t size = 0;
	unsigned i;

	count_choices();
	for (i = 0; i < region_count; i++) size += regions[i].size;
	for (i = 0; i < EXPLORE_CPUS; i++) size += stack_used(&threads[i], i);
	to = n->bytes = realloc(n->bytes, size);
	for (i = 0; i < region_count; i++, to += regions[i - 1].size)
		memcpy(to, regions[i].start, regions[i].size);
	n->next = n->last = 0;
	for (i = 0; i < EXPLORE_CPUS; i++) {
		n->threads[i] = threads[i];
		memcpy(to, threads[i].sp, stack_used(&threads[i], i));
		to += stack_used(&threads[i], i);
		n->last += threads[i].choices;
	}
}

static void restore(const struct node *n) {
	const uint8_t *from = n->bytes;
	unsigned i;

	for (i = 0; i < region_count; i++) {
		memcpy(regions[i].start, from, regions[i].size);
		from += regions[i].size;
	}
	for (i = 0; i < EXPLORE_CPUS; i++) {
		threads[i] = n->threads[i];
		memcpy(threads[i].sp, from, stack_used(&threads[i], i));
		from += stack_used(&threads[i], i);
	}
}

/* Alternatives are numbered over the CPUs. */
static void take(unsigned alternative) {
	unsigned i = 0;

	while (alternative >= threads[i].choices) alternative -= threads[i++].choices;
	thread_run(i, alternative);
}

static void tell_path(unsigned depth, const char *(*check)(void)) {
	unsigned i;

	explore_verbose = true;
	restore(&path[0]);
	for (i = 0; i < depth; i++) {
		take(path[i].next - 1);
		(void)check(); /* it may note something in the state */
		count_choices();
	}
	explore_verbose = false;
}

struct explore_result explore(void (*body)(unsigned cpu), const char *(*check)(void),
			      uint64_t max_states) {
	struct explore_result result = {0};
	unsigned depth = 0, i;

	thread_body = body;
	failure = NULL;
	memset(path, 0, sizeof(path)); /* what an earlier exploration kept is small */
	seen = calloc(1ULL << TABLE_BITS, sizeof(*seen));
	for (i = 0; i < EXPLORE_CPUS; i++) thread_prepare(i);
	first_time(hash_now());
	result.states = 1;
	save(&path[0]);
	for (;;) {
		struct node *n = &path[depth];

		if (n->next == n->last) {
			if (depth-- == 0) break;
			continue;
		}
		restore(n);
		take(n->next++);
		result.transitions++;
		result.violation = failure ? failure : check();
		if (result.violation) {
			tell_path(depth + 1, check);
			break;
		}
		if (!first_time(hash_now())) continue;
		if (++result.states >= max_states || depth + 2 >= MAX_DEPTH) {
			result.violation = "too many states";
			break;
		}
		depth++;
		if (depth > result.depth) result.depth = depth;
		save(&path[depth]);
	}
	restore(&path[0]);
	free(seen);
	return result;
}
