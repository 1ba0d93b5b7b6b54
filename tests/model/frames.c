/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Frame types under two CPUs: the real kernel/mem/frame.c and validate.c with
 * tables of four entries, a handful of frames, and guests that try everything:
 * pin and unpin, change entries, write into whatever a mapping, or a translation
 * that was not flushed, lets them write, map and unmap, give frames away. Calls
 * may run out of their allowance at any point.
 *
 * In every state:
 *   - a valid table's entries point to frames of its owner, the writable ones to
 *     frames of type writable, those of upper tables to valid tables of the level
 *     below: so no table is mapped writable and nobody reaches a stranger's frame;
 *   - nobody can write to a valid table, not even through a stale translation.
 * Whenever both CPUs are between two operations:
 *   - the counts of every frame equal the mappings and pins that exist.
 *
 * A write of the guest is one atomic step of its own. The table that backs the
 * stale translations knows of no address: any that was ever possible since the
 * last flush is assumed.
 */
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS */
#include "explore.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "cap/cap.h"
#include "domain/domain.h"
#include "entry/hypercall.h"
#include "mem/frame.h"
#include "mem/tlb.h"
#include "mem/validate.h"

#define MAX_FRAMES 4
#define OPTIONS    512
#define MAX_STATES 14000000

struct setup {
	const char *name;
	unsigned frames, domains;
	unsigned levels; /* of the tables to begin with, in frames 1, 2 ... */
	unsigned operations[EXPLORE_CPUS];
	s32 budgets[3]; /* allowances that long operations are tried with */
};

#define ENOUGH HYPERCALL_BUDGET

/* 32 is a table above L1, 4 is an L1: they stop before, inside, or below a table. */
static const struct setup setups[] = {
	{"two levels, one CPU", 4, 1, 2, {3, 0}, {ENOUGH, 33, 0}},
	{"three levels, one CPU", 4, 1, 3, {3, 0}, {ENOUGH, 69, 37}},
	{"two levels", 4, 1, 2, {1, 1}, {ENOUGH, 33, 0}},
	{"three levels", 4, 1, 3, {1, 1}, {ENOUGH, 69, 37}},
	{"two domains", 4, 2, 1, {2, 1}, {ENOUGH, 0, 0}},
	{"one domain", 3, 1, 1, {2, 1}, {ENOUGH, 0, 0}},
};
static const struct setup *setup;

static struct world {
	struct frame frames[MAX_FRAMES + 1];
	int holds[EXPLORE_CPUS];       /* a frame it maps writable elsewhere, 0 = none */
	bool between[EXPLORE_CPUS];    /* not inside an operation */
	u8 left[EXPLORE_CPUS];         /* operations to go */
	bool writable[MAX_FRAMES + 1]; /* some TLB may let its owner write */
} world;

struct cpu model_cpus[EXPLORE_CPUS];
u64 pte_forbidden = 0xfUL << 48;
u32 tlb_clock;
static u64 core_table[PTES_PER_TABLE];
static struct domain domains[2];
static unsigned frames;         /* frames 1 .. frames */
static enum frame_type low = 1; /* the guests pin tables of this level and the next */
static struct vcpu vcpus[EXPLORE_CPUS];

static inline u64 *table(unsigned f) { return mfn_to_virt(f); }

static inline u64 state_of(unsigned f) { return world.frames[f].state; }

static bool is_valid(unsigned f, enum frame_type type) {
	return frame_type_of(state_of(f)) == type && (state_of(f) & FRAME_VALID) &&
	       (state_of(f) & FRAME_COUNT_MASK);
}

/* --- What the core calls --- */

void panic(const char *format, ...) {
	explore_fail(format[0] == '%' ? "an assertion of the core failed" : format);
}

bool cap_covers(struct domain *d, u32 type, u64 first, u64 count, u32 rights) {
	(void)d, (void)type, (void)first, (void)count, (void)rights;
	return false;
}

static bool is_mapped_writable(unsigned f) {
	unsigned t, i;

	for (t = 0; t < EXPLORE_CPUS; t++)
		if (world.holds[t] == (int)f) return true;
	for (t = 1; t <= frames; t++)
		for (i = 0; is_valid(t, TYPE_L1) && i < PTES_PER_TABLE; i++)
			if ((table(t)[i] & PTE_P) && (table(t)[i] & PTE_RW) &&
			    pte_mfn(table(t)[i]) == f)
				return true;
	return false;
}

static void flush_all(void) {
	unsigned f;

	tlb_clock++;
	for (f = 1; f <= frames; f++) world.writable[f] = is_mapped_writable(f);
}

void tlb_flush_since(struct domain *d, u32 stamp) {
	(void)d;
	if ((s32)(tlb_clock - stamp) <= 0) flush_all();
}

void tlb_flush_later(struct vcpu *v) { (void)v; }

/* --- Invariants --- */

static const char *check_entry(unsigned t, enum frame_type level, u64 pte) {
	unsigned f = (unsigned)pte_mfn(pte);

	if (!(pte & PTE_P)) return NULL;
	if (f < 1 || f > frames) return "an entry points out of memory";
	if (world.frames[f].owner != world.frames[t].owner)
		return "an entry points to a frame of another domain";
	if (level == TYPE_L1 && (pte & PTE_RW) && frame_type_of(state_of(f)) != TYPE_WRITABLE)
		return "a frame is mapped writable that is not of that type";
	if (level == TYPE_L1 && (pte & PTE_RW) && !(state_of(f) & FRAME_COUNT_MASK))
		return "a writable mapping is not counted";
	if (level == TYPE_L1 && !(state_of(f) & FRAME_REF_MASK)) return "a mapping is not counted";
	if (level > TYPE_L1 && !is_valid(f, (enum frame_type)(level - 1)))
		return "a table points to one that is not valid";
	return NULL;
}

/* References that tables hold on f: those of valid ones, and of the done part of partial ones. */
static void expected(unsigned f, u64 *refs, u64 *types) {
	unsigned t, i;

	*refs = !!(state_of(f) & FRAME_OWNED);
	*types = 0;
	if (state_of(f) & FRAME_PINNED) ++*refs, ++*types;
	for (t = 0; t < EXPLORE_CPUS; t++) {
		if (world.holds[t] == (int)f) ++*refs, ++*types;
		if (vcpus[t].deferred == &world.frames[f]) ++*refs, ++*types;
	}
	for (t = 1; t <= frames; t++) {
		enum frame_type level = frame_type_of(state_of(t));
		unsigned n = state_of(t) & FRAME_PARTIAL ? world.frames[t].progress
			     : is_valid(t, level)        ? PTES_PER_TABLE
							 : 0;

		if (level < TYPE_L1 || level > TYPE_L4) continue;
		for (i = 0; i < n; i++) {
			u64 pte = table(t)[i];

			if (!(pte & PTE_P) || pte_mfn(pte) != f) continue;
			++*refs;
			*types += level > TYPE_L1 || (pte & PTE_RW);
		}
	}
}

static const char *check_counts(void) {
	u64 refs, types;
	unsigned f;

	for (f = 1; f <= frames; f++) {
		expected(f, &refs, &types);
		if ((state_of(f) & FRAME_REF_MASK) != refs)
			return "a reference count differs from the references that exist";
		if ((state_of(f) & FRAME_COUNT_MASK) / FRAME_TYPE_ONE != types)
			return "a type count differs from the type references that exist";
		if (state_of(f) & FRAME_BUSY) return "a frame is busy, and nobody is at it";
	}
	return NULL;
}

static const char *check(void) {
	const char *wrong;
	unsigned f, i;

	for (f = 1; f <= frames; f++) world.writable[f] |= is_mapped_writable(f);
	for (f = 1; f <= frames; f++) {
		enum frame_type level = frame_type_of(state_of(f));

		if (level < TYPE_L1 || level > TYPE_L4 || !is_valid(f, level)) continue;
		if (world.writable[f]) return "a valid table can be written to";
		for (i = 0; i < PTES_PER_TABLE; i++) {
			wrong = check_entry(f, level, table(f)[i]);
			if (wrong) return wrong;
		}
	}
	return world.between[0] && world.between[1] ? check_counts() : NULL;
}

/* --- What a guest can do --- */

enum action { PIN_LOW, PIN_HIGH, UNPIN, UPDATE, WRITE, HOLD, DROP, GIVE, FINISH };

struct option {
	u8 action, frame, budget;
	u64 value;
};

static unsigned values(u64 out[]) {
	unsigned n = 0, f;

	out[n++] = 0;
	for (f = 1; f <= frames; f++) {
		out[n++] = pte_make(f, PTE_P | PTE_US | PTE_GUEST_KERNEL);
		out[n++] = pte_make(f, PTE_P | PTE_US | PTE_GUEST_KERNEL | PTE_RW);
	}
	return n;
}

static unsigned add(struct option *list, unsigned n, enum action action, unsigned frame, u64 value,
		    unsigned budget) {
	list[n] = (struct option){(u8)action, (u8)frame, (u8)budget, value};
	return n + 1;
}

/* With every allowance of the setup; the first one is always enough. */
static unsigned add_long(struct option *list, unsigned n, enum action action, unsigned frame) {
	unsigned b;

	for (b = 0; b < sizeof(setup->budgets) / sizeof(setup->budgets[0]); b++)
		if (b == 0 || setup->budgets[b] != setup->budgets[b - 1])
			n = add(list, n, action, frame, 0, b);
	return n;
}

/* All that makes sense now. */
static unsigned list_options(unsigned cpu, struct option *list) {
	const struct domain *d = vcpus[cpu].domain;
	u64 value[2 * MAX_FRAMES + 1];
	unsigned count = values(value), n = 0, f, i;

	if (vcpus[cpu].deferred) return add_long(list, 0, FINISH, 0);
	for (f = 1; f <= frames; f++) {
		bool own = world.frames[f].owner == d->mfn;

		if (!own) /* one try is enough to see it refused */
			continue;
		n = add_long(list, n, PIN_LOW, f);
		n = add_long(list, n, PIN_HIGH, f);
		if (state_of(f) & FRAME_PINNED) n = add_long(list, n, UNPIN, f);
		if (is_valid(f, low) || is_valid(f, low + 1))
			for (i = 0; i < count; i++) n = add(list, n, UPDATE, f, value[i], 0);
		if (world.writable[f])
			for (i = 0; i < count; i++)
				if (table(f)[0] != value[i])
					n = add(list, n, WRITE, f, value[i], 0);
		if (!world.holds[cpu]) n = add(list, n, HOLD, f, 0, 0);
		if ((state_of(f) & FRAME_REF_MASK) == 1) n = add(list, n, GIVE, f, 0, 0);
	}
	if (world.holds[cpu]) n = add(list, n, DROP, 0, 0, 0);
	return n;
}

/* As mem/mmu_ops.c does it. */
static void table_release(unsigned cpu, struct frame *f) {
	while (frame_put_type(f) == -ERESTART) {
		if (!vcpus[cpu].deferred) {
			vcpus[cpu].deferred = f;
			break;
		}
		model_cpus[cpu].budget = HYPERCALL_BUDGET;
	}
}

static void update(unsigned cpu, struct frame *f, u64 value) {
	struct vcpu *v = &vcpus[cpu];
	enum frame_type type = frame_type_of(atomic_load(&f->state));

	if (type < low || type > low + 1 || !frame_is_table(f, type) ||
	    frame_get_type(f, v->domain, type))
		return;
	(void)!table_update(v, f, 0, value, false);
	table_release(cpu, f);
}

static void give(unsigned cpu, struct frame *f) {
	struct domain *other = vcpus[cpu].domain == &domains[0] ? &domains[1] : &domains[0];

	if (!frame_release(f)) return;
	explore_step();
	flush_all();
	memset(table((unsigned)frame_to_mfn(f)), 0, sizeof(core_table));
	frame_assign(f, other);
}

static void hold(unsigned cpu, unsigned f) {
	if (!frame_get_type(&world.frames[f], vcpus[cpu].domain, TYPE_WRITABLE))
		world.holds[cpu] = (int)f;
}

static void drop(unsigned cpu) {
	struct frame *f = &world.frames[world.holds[cpu]];

	world.holds[cpu] = 0;
	frame_put_writable(f);
}

static void perform(unsigned cpu, const struct option *o) {
	struct frame *f = &world.frames[o->frame];
	struct domain *d = vcpus[cpu].domain;

	switch ((enum action)o->action) {
	case PIN_LOW:
	case PIN_HIGH: (void)!frame_pin(f, d, o->action == PIN_LOW ? low : low + 1); break;
	case UNPIN: (void)!frame_unpin(f); break;
	case UPDATE: update(cpu, f, o->value); break;
	case WRITE:
		explore_step();
		if (world.writable[o->frame] && f->owner == d->mfn) table(o->frame)[0] = o->value;
		break;
	case HOLD: hold(cpu, o->frame); break;
	case DROP: drop(cpu); break;
	case GIVE: give(cpu, f); break;
	case FINISH:
		if (frame_put_type(vcpus[cpu].deferred) == 0) vcpus[cpu].deferred = NULL;
		break;
	}
}

static void tell(unsigned cpu, const struct option *o) {
	static const char *const names[] = {
		"pin as low", "pin as high", "unpin", "update entry 0 of", "write to", "map",
		"unmap",      "give away",   "finish"};

	if (explore_verbose)
		fprintf(stderr, "  cpu %u (domain %u): %s frame %u, value %lx, allowance %d\n", cpu,
			(unsigned)(vcpus[cpu].domain - domains), names[o->action], o->frame,
			o->value, setup->budgets[o->budget]);
}

static struct option options[OPTIONS];

static unsigned count_options(unsigned cpu) {
	return world.left[cpu] ? list_options(cpu, options) : 0;
}

static void body(unsigned cpu) {
	for (;;) {
		struct option o;
		unsigned n;

		world.between[cpu] = true;
		n = explore_choose(count_options);
		list_options(cpu, options);
		o = options[n];
		world.between[cpu] = false;
		world.left[cpu]--;
		tell(cpu, &o);
		model_cpus[cpu].budget = setup->budgets[o.budget];
		perform(cpu, &o);
		model_cpus[cpu].budget = 0;
	}
}

/* --- The machine at the start --- */

static void prepare(void) {
	unsigned f, i;

	memset(&world, 0, sizeof(world));
	memset((void *)DIRECT_BASE, 0, (MAX_FRAMES + 1) * PAGE_SIZE);
	world.frames[0].state = FRAME_CORE;
	frames = setup->frames;
	frame_count = frames + 1;
	tlb_clock = 1;
	domains[0].mfn = 100;
	domains[1].mfn = 101;
	for (i = 0; i < EXPLORE_CPUS; i++) {
		vcpus[i].domain = &domains[i % setup->domains];
		vcpus[i].deferred = NULL;
		model_cpus[i].current = &vcpus[i];
		model_cpus[i].budget = HYPERCALL_BUDGET;
		world.left[i] = (u8)setup->operations[i];
	}
	for (f = 1; f <= frames; f++)
		frame_assign(&world.frames[f], &domains[setup->domains == 2 && f > 2]);
	/* Tables, each maps the next frame twice; the lowest makes it writable. */
	low = setup->levels > 2 ? setup->levels - 1 : TYPE_L1;
	for (f = 1; f <= setup->levels && f < frames; f++)
		table(f)[0] = table(f)[1] =
			pte_make(f + 1, f == setup->levels ? PTE_P | PTE_RW : PTE_P);
	if (frame_pin(&world.frames[1], &domains[0], (enum frame_type)setup->levels))
		explore_fail("the first table is not valid");
	if (setup->domains == 2) {
		table(3)[1] = pte_make(4, PTE_P | PTE_RW);
		if (frame_pin(&world.frames[3], &domains[1], TYPE_L1))
			explore_fail("the first table is not valid");
	}
	for (i = 0; i < EXPLORE_CPUS; i++) model_cpus[i].budget = 0;
}

static const char *run(void) {
	struct explore_result r;

	prepare();
	r = explore(body, check, MAX_STATES);
	printf("# %s, %u frames, %u and %u operations: %lu states, %lu steps, longest path "
	       "%u%s%s\n",
	       setup->name, frames, setup->operations[0], setup->operations[1], r.states,
	       r.transitions, r.depth, r.violation ? ": " : "", r.violation ? r.violation : "");
	fflush(stdout);
	return r.violation;
}

/* With --seeded-bug a violation is what is wanted. */
int main(int argc, char **argv) {
	bool seeded = argc > 1 && !strcmp(argv[1], "--seeded-bug");
	bool found = false;
	unsigned i;

	if (mmap((void *)DIRECT_BASE, (MAX_FRAMES + 1) * PAGE_SIZE, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != (void *)DIRECT_BASE)
		return 2;
	frame_table = world.frames;
	core_root = core_table;
	explore_region(&world, sizeof(world));
	explore_region(&tlb_clock, sizeof(tlb_clock));
	for (i = 1; i <= MAX_FRAMES; i++) explore_region(table(i), sizeof(core_table));
	for (i = 0; i < EXPLORE_CPUS; i++) {
		explore_region(&vcpus[i].deferred, sizeof(vcpus[i].deferred));
		explore_region(&model_cpus[i].budget, sizeof(model_cpus[i].budget));
	}
	for (i = 0; i < sizeof(setups) / sizeof(setups[0]) && !found; i++)
		setup = &setups[i], found = run();
	printf("%s 1 - frames: %s\n", found == seeded ? "ok" : "not ok",
	       seeded ? "the seeded bug is found" : "types and counts hold");
	return found != seeded;
}
