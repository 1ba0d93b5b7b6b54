/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Plans that make no sense, in any order: libFuzzer makes up commits for two CPUs (slots of
 * nobody, budgets of nothing and of an hour, empty ones, frames, guards, vCPUs of the other
 * CPU's plan), and wakes, blocks, yields, resets and time in between. What a
 * commit is read from changes under the core's eyes: it is scribbled over as soon as a
 * part was copied.
 *
 * Beside it stands a second account of it all: the plans that were accepted, as the core saw
 * them, and what each vCPU has had. After each step, with both CPUs between two
 * instructions of a guest:
 *   - no vCPU is on two CPUs, and whoever runs is in that CPU's plan and may run;
 *   - it has not had more than its budget in this round (with PLAN_ONCE, in this frame),
 *     though a plan left it out in between, or it was in the other CPU's;
 *   - nobody who stands before it could run: so a CPU idles only if nobody at all can;
 *   - a refused commit has changed nothing; each is counted.
 */
#include "guests.h"
#include "../input.h"

#include <setjmp.h>
#include <string.h>

#include "cpu/time.h"
#include "event/channel.h"

#define CPUS   2U
#define GUESTS 3U
#define VCPUS  (3 * GUESTS) /* and one more: root's */
#define MOST   12U
#define STEPS  60

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct cpu *cpus[CPUS];
static struct cpu second;
static struct domain *root;
static u32 port;
static bool idle[CPUS];
static jmp_buf out;

/* A plan as the core has taken it. */
static struct mirror {
	struct vcpu *vcpus[MOST + 1];
	struct plan_entry entries[MOST + 1];
	u64 frames[PLAN_MAX_FRAMES];
	u32 count, frame_count;
	u64 epoch, rounds, frame, refused;
} mirrors[CPUS], seen;

static struct vcpu *guards[CPUS];
/* By vCPU: ns in this round, ns in this frame, gave way in this round. */
static u64 used[VCPUS + 1], used_once[VCPUS + 1];
static bool yielded[VCPUS + 1];
/* Where it was last seen by a commit: CPU, round, and what it had had of its budget in that. */
static struct {
	u32 cpu;
	u64 round, used;
} kept[VCPUS + 1];

/* --- What the input is about --- */

static struct vcpu *vcpu(u32 n) {
	return n == VCPUS ? root->vcpus[0] : guest((u16)(1 + n / 3))->vcpus[n % 3];
}

static u32 number(const struct vcpu *v) {
	return v->domain == root ? VCPUS : 3U * (v->domain->id - 1U) + v->id;
}

/* --- What the core reads --- */

static struct plan_commit commit;
static struct plan_entry entries[MOST];
static u64 lengths[PLAN_MAX_FRAMES];
static bool committing;
static unsigned copies; /* of the commit under way: it, its frames if any, its entries */

static void scribble(void) {
	u8 *const at[] = {(u8 *)&commit, (u8 *)entries, (u8 *)lengths};
	const size_t size[] = {sizeof(commit), sizeof(entries), sizeof(lengths)};
	u32 which = below(3);

	for (u32 n = below(4); n > 0; n--)
		at[which][(byte() << 8 | byte()) % size[which]] ^= (u8)byte();
}

/* In the place of tests/host/fakes.c's. */
int copy_from_guest(void *to, gva_t from, u64 size) {
	if (from < PAGE_SIZE) return -EFAULT;
	/* Scribbled addresses lead anywhere: nothing else of this program is the policy's. */
	if (committing && (from < (u64)&commit || from + size > (u64)(&commit + 1)) &&
	    (from < (u64)entries || from + size > (u64)(entries + MOST)) &&
	    (from < (u64)lengths || from + size > (u64)(lengths + PLAN_MAX_FRAMES)))
		return -EFAULT;
	memcpy(to, (const void *)from, size);
	if (!committing) return 0;
	if (!copies++) {
		seen.frame_count = ((const struct plan_commit *)to)->frame_count;
		seen.epoch = ((const struct plan_commit *)to)->epoch;
	} else if (copies == 2 && seen.frame_count) {
		memcpy(seen.frames, to, size);
	} else {
		CHECK(size == sizeof(struct plan_entry) && seen.count <= MOST);
		seen.entries[seen.count++] = *(const struct plan_entry *)to;
	}
	if (below(8) == 0) scribble();
	return 0;
}

/* --- The second account --- */

/* On CPU 0, whoever runs there: the plan is not to notice who asked. */
static long as_root(u64 operation, u32 cpu, u64 a1, u64 a2, u64 a3) {
	struct vcpu *current = cpus[0]->current, *asker = root->vcpus[0];
	long r;

	host_cpu = cpus[0];
	if (current != asker) asker->work = 0;
	r = machine_invoke(root, operation, 7 + cpu, a1, a2, a3, 0);
	current->work |= asker->work;
	host_cpu->current = current;
	return r;
}

static u64 cycle(const struct mirror *m) {
	u64 sum = 0;

	for (u32 i = 0; i < m->frame_count; i++) sum += m->frames[i];
	return sum;
}

/* Which frame it is, counted from the epoch on. */
static u64 frame_now(const struct mirror *m) {
	u64 into, n;

	if (!m->frame_count) return 0;
	into = (host_now - m->epoch) % cycle(m);
	for (n = 0; into >= m->frames[n]; n++) into -= m->frames[n];
	return (host_now - m->epoch) / cycle(m) * m->frame_count + n;
}

static bool could_run(const struct mirror *m, u32 i) {
	const struct plan_entry *e = &m->entries[i];
	struct vcpu *v = m->vcpus[i];
	u64 frame = m->frame_count ? frame_now(m) % m->frame_count : 0;

	if (!v || v->blocked_on || !(e->frames >> frame & 1)) return false;
	return e->flags & PLAN_ONCE ? used_once[number(v)] < e->budget
				    : used[number(v)] < e->budget;
}

static u32 place(const struct mirror *m, const struct vcpu *v) {
	u32 i;

	for (i = 0; i < m->count && m->vcpus[i] != v; i++) continue;
	return i;
}

/* New rounds and new frames, since the last look. */
static void look(void) {
	for (u32 cpu = 0; cpu < CPUS; cpu++) {
		struct mirror *m = &mirrors[cpu];
		struct plan_report report;
		bool round, frame = frame_now(m) != m->frame;

		CHECK(as_root(PLAN_READ, cpu, (u64)&report, 0, 0) >= 0);
		CHECK(report.refused == m->refused);
		round = report.rounds != m->rounds;
		for (u32 i = 0; i < m->count; i++) {
			if (!m->vcpus[i]) continue;
			if (round) used[number(m->vcpus[i])] = 0;
			if (frame) used_once[number(m->vcpus[i])] = 0;
			if (round || frame) yielded[number(m->vcpus[i])] = false;
		}
		m->rounds = report.rounds;
		m->frame = frame_now(m);
	}
}

static struct vcpu *running(u32 cpu) {
	struct vcpu *found = NULL;

	for (u32 n = 0; n <= VCPUS; n++) {
		struct vcpu *v = vcpu(n);

		if (v->runstate.state != RUNSTATE_running || v->cpu != cpus[cpu]) continue;
		CHECK(!found);
		found = v;
	}
	return found;
}

static void check(void) {
	look();
	CHECK(cpus[0]->current != cpus[1]->current);
	for (u32 cpu = 0; cpu < CPUS; cpu++) {
		const struct mirror *m = &mirrors[cpu];
		struct vcpu *v = running(cpu);
		u32 at = v ? place(m, v) : m->count;

		CHECK(!v || (!idle[cpu] && cpus[cpu]->current == v));
		CHECK(!v || (at < m->count && v->plan_private == cpus[cpu]->plan));
		CHECK(!v || could_run(m, at));
		for (u32 i = 0; i < at; i++)
			CHECK(!could_run(m, i) || yielded[number(m->vcpus[i])]);
	}
	for (u32 n = 0; n <= VCPUS; n++) CHECK(!(vcpu(n)->blocked_on & BLOCK_MOVING));
}

/* --- The machine --- */

static void wait(void) {
	idle[host_cpu->id] = true;
	longjmp(out, 1);
}

static bool asked(const struct cpu *cpu) { return cpu->current->work & (WORK_SWITCH | WORK_PAUSE); }

/* Both CPUs, until none of them has to look at its plan. */
static void settle(void) {
	unsigned patience = 1000;

	while (asked(cpus[0]) || asked(cpus[1])) {
		host_cpu = cpus[asked(cpus[0]) ? 0 : 1];
		CHECK(patience--);
		idle[host_cpu->id] = false;
		if (!setjmp(out)) plan_dispatch(host_cpu);
	}
}

/* Who is asked to look at its plan does so at once. */
static void pass(u64 ns) {
	u64 end = host_now + ns;

	settle();
	look();
	while (host_now < end) {
		u64 step = end;

		for (u32 cpu = 0; cpu < CPUS; cpu++)
			if (cpus[cpu]->slice_end > host_now) step = MIN(step, cpus[cpu]->slice_end);
		for (u32 cpu = 0; cpu < CPUS; cpu++) {
			struct vcpu *v = running(cpu);

			if (!v) continue;
			used[number(v)] += step - host_now;
			used_once[number(v)] += step - host_now;
		}
		host_now = step;
		for (u32 cpu = 0; cpu < CPUS; cpu++) {
			host_cpu = cpus[cpu];
			if (host_cpu->slice_end <= host_now) timer_interrupt();
		}
		settle();
		check();
	}
}

/* --- Steps --- */

static u64 budget(void) {
	static const u64 odd[] = {0,
				  PLAN_BUDGET_MIN - 1,
				  PLAN_BUDGET_MIN,
				  PLAN_BUDGET_MAX,
				  PLAN_BUDGET_MAX + 1,
				  3600000000000,
				  ~0UL,
				  1UL << 63};
	u32 n = byte();

	return n < 8 ? odd[n] : PLAN_BUDGET_MIN + n * 7919;
}

static void make_commit(void) {
	u32 kind = byte();

	commit = (struct plan_commit){.entries = (u64)entries,
				      .frames = (u64)lengths,
				      .epoch = byte() < 8 ? ~0UL - byte() : host_now - byte() % 100,
				      .count = kind < 4    ? ~0U >> kind
					       : kind == 4 ? PLAN_MAX + 1
							   : kind % (MOST + 1),
				      .frame_count = below(2)     ? 0
						     : byte() < 4 ? 65
								  : below(5),
				      .port = below(2)     ? port
					      : byte() < 4 ? byte()
							   : 0};
	commit.flags = commit.port ? below(byte() < 4 ? 16 : 8) : byte() < 4;
	for (u32 i = 0; i < MOST; i++)
		entries[i] = (struct plan_entry){
			.domain = byte() < 4 ? byte() << 4 : SLOT(1 + (i / 3 + kind) % GUESTS),
			.vcpu = byte() < 4 ? byte() : i % 3,
			.budget = budget(),
			.frames = below(2) ? ~0UL : byte(),
			.flags = byte() < 64  ? PLAN_ONCE
				 : byte() < 2 ? byte()
					      : 0,
			.pad = byte() < 2};
	for (u32 i = 0; i < PLAN_MAX_FRAMES; i++)
		lengths[i] = byte() < 4 ? byte() : PLAN_FRAME_MIN + byte() * 1000UL;
}

/* Whoever leaves a plan, or may leave it, will have had this of its budget when it is back. */
static void keep(u32 cpu, u32 i) {
	const struct mirror *m = &mirrors[cpu];
	u32 n = number(m->vcpus[i]);

	kept[n].cpu = cpu;
	kept[n].round = m->rounds;
	kept[n].used = m->entries[i].flags & PLAN_ONCE ? 0 : used[n];
}

/* v comes into this CPU's plan, or stays in it. */
static void enter(u32 cpu, u32 n) {
	struct mirror *other = &mirrors[1 - cpu];
	u32 there = place(other, vcpu(n));
	bool known = kept[n].cpu == cpu && kept[n].round == mirrors[cpu].rounds;
	u64 had = known ? kept[n].used : 0;

	if (there < other->count) {
		keep(1 - cpu, there);
		other->vcpus[there] = NULL;
	}
	used[n] = had;
	used_once[n] = 0;
	yielded[n] = false;
}

/* The core has taken `seen` for this CPU. */
static void accepted(u32 cpu) {
	struct mirror *m = &mirrors[cpu], before = *m;
	u64 first = guards[cpu] != NULL;

	for (u32 i = 0; i < m->count; i++)
		if (m->vcpus[i]) keep(cpu, i);
	*m = seen;
	m->refused = before.refused;
	m->rounds = before.rounds;
	m->frame = frame_now(m);
	memmove(m->entries + first, m->entries, seen.count * sizeof(*m->entries));
	m->count += first;
	if (first) m->entries[0] = (struct plan_entry){.budget = 10000000, .frames = ~0UL};
	for (u32 i = 0; i < m->count; i++) {
		struct vcpu *v = i < first ? guards[cpu]
					   : guest((u16)(m->entries[i].domain / 10))
						     ->vcpus[m->entries[i].vcpu];

		if (v->domain->state == DOMAIN_STATE_DYING) v = NULL;
		m->vcpus[i] = v;
		if (v) enter(cpu, number(v));
	}
}

static void do_commit(u32 cpu) {
	make_commit();
	look();
	memset(&seen, 0, sizeof(seen));
	committing = true;
	copies = 0;
	if (as_root(PLAN_COMMIT, cpu, (u64)&commit, 0, 0) == 0)
		accepted(cpu);
	else
		mirrors[cpu].refused++;
	committing = false;
}

/* As a domain's reset does: its CPU has let go of it before. */
static void forget(struct vcpu *v) {
	vcpu_block(v, BLOCK_PAUSED);
	settle();
	plan_forget(v);
	for (u32 cpu = 0; cpu < CPUS; cpu++) {
		u32 at = place(&mirrors[cpu], v);

		if (at < mirrors[cpu].count) mirrors[cpu].vcpus[at] = NULL;
		if (guards[cpu] == v) guards[cpu] = NULL;
	}
	used[number(v)] = used_once[number(v)] = 0;
}

/* Its domain is being reset; or it is there again. */
static void reset(struct domain *d) {
	if (d->state == DOMAIN_STATE_RUNNING) {
		d->state = DOMAIN_STATE_DYING;
		for (u32 n = 0; n < 3; n++) forget(d->vcpus[n]);
	} else {
		d->state = DOMAIN_STATE_RUNNING;
	}
}

static void set_guard(u32 cpu, u32 n) {
	if (as_root(PLAN_GUARD, cpu, SLOT(1 + n / 3), n % 3, 0) == 0) guards[cpu] = vcpu(n);
}

static void step(void) {
	u32 what = below(16), cpu = below(CPUS), n = below(VCPUS);
	struct vcpu *v = vcpu(n), *here;

	host_cpu = cpus[cpu];
	here = running(cpu);
	switch (what) {
	case 0:
	case 1:
	case 2: do_commit(cpu); break;
	case 3:
	case 4: vcpu_block(v, BLOCK_EVENT); break;
	case 5:
	case 6:
	case 7: vcpu_wake(v, BLOCK_EVENT); break;
	case 8: vcpu_block(v, BLOCK_PAUSED); break;
	case 9: vcpu_wake(v, BLOCK_PAUSED); break;
	case 10:
		look(); /* a round that has begun is not the one that it gives way in */
		host_cpu = cpus[cpu];
		if (here) yielded[number(here)] = true;
		plan_yield(host_cpu);
		break;
	case 11:
		if (byte() < 32) forget(v);
		if (byte() < 32) reset(v->domain);
		break;
	case 12:
		if (byte() < 16) set_guard(cpu, n);
		break;
	default: pass(byte() * 20000UL); break;
	}
	if (below(4)) {
		settle();
		check();
	}
}

static void start(void) {
	static char space[1 << 20] __attribute__((aligned(64)));
	static struct cpu *first;
	struct evtchn_bind_virq virq = {.virq = VIRQ_PLAN};

	if (!first) first = host_cpu;
	host_cpu = first;
	root = guests_start(GUESTS);
	host_wait = wait;
	cpus[0] = host_cpu;
	cpus[1] = &second;
	memset(&second, 0, sizeof(second));
	memset(space, 0, plan_memory());
	second.id = 1;
	second.timer_armed = second.slice_end = ~0UL;
	plan_init(&second, space);
	CHECK(cap_boot(root, 7, CAP_CPU, 0, 1, 0) && cap_boot(root, 8, CAP_CPU, 1, 1, 0));
	CHECK(event_op(root, EVTCHNOP_bind_virq, &virq) == 0);
	port = virq.port;
	/* Root sleeps until it is notified; it is alone in the first plan. */
	vcpu_block(root->vcpus[0], BLOCK_EVENT);
	host_cpu->current = root->vcpus[0];
	root->vcpus[0]->work |= WORK_SWITCH;
	memset(mirrors, 0, sizeof(mirrors));
	mirrors[0] = (struct mirror){.vcpus = {root->vcpus[0]},
				     .entries = {{.budget = 10000000, .frames = ~0UL}},
				     .count = 1};
	memset(guards, 0, sizeof(guards));
	memset(used, 0, sizeof(used));
	memset(used_once, 0, sizeof(used_once));
	memset(yielded, 0, sizeof(yielded));
	memset(kept, 0, sizeof(kept));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	input_begin(data, size);
	start();
	settle();
	check();
	for (u32 i = 0; i < STEPS; i++) step();
	settle();
	check();
	return 0;
}
