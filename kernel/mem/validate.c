/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What page-table entries and descriptors may say. Every present entry stands
 * for references: an L1 entry for a general one, and a writable one if it can be
 * written through; entries above for a type reference on the next table.
 *
 * So no table is ever mapped writable (its type is not `writable`), no frame of
 * another domain is mapped but by grant (the owner is compared), and the core is
 * not mapped at all (its frames have no owner). Tables that point to their own
 * level are refused, but for one: an L4 may name itself, read-only.
 */
#include "mem/validate.h"
#include "cap/cap.h"
#include "cpu/cpu.h"
#include "entry/hypercall.h"
#include "mem/guest_copy.h"
#include "mem/tlb.h"

/* The same frame, and only these bits differ: no reference changes. */
#define PTE_HARMLESS (PTE_US | PTE_A | PTE_D | PTE_G | PTE_AVL | PTE_AVL_HIGH | PTE_NX)
#define PTE_CACHE    (PTE_PWT | PTE_PCD | PTE_PAT)

u64 *core_root;
mfn_t l1tf_limit;
mfn_t core_devices[CORE_DEVICES_MAX];
u32 core_device_count;

static inline u64 *table_of(struct frame *f) { return mfn_to_virt(frame_to_mfn(f)); }

/*
 * The ABI's marks: every leaf is a user page for the CPU; bit 52 tells whose it
 * is. None is global.
 */
static inline u64 l1_adjust(u64 pte) {
	pte &= ~PTE_G;
	return pte & PTE_US ? pte : pte | PTE_US | PTE_GUEST_KERNEL;
}

/* Whatever is written to these 256 frames may be taken for an interrupt message. */
#define MESSAGES(mfn) ((mfn) >> 8 == 0xfee)

static bool is_core_device(mfn_t mfn) {
	u32 i;

	for (i = 0; i < core_device_count && core_devices[i] != mfn; i++)
		;
	return i < core_device_count || MESSAGES(mfn);
}

/*
 * Device memory, by capability, uncached; or RAM that is not to be had. Frames that the
 * table knows (holes below the end of RAM) count references, so that l1_put need not
 * tell them from RAM.
 */
static COLD NOINLINE int l1_get_mmio(u64 *pte, struct domain *d) {
	u64 reserved = *pte & pte_forbidden;
	mfn_t mfn = pte_mfn(*pte);

	if (mfn_valid(mfn) && !frame_is_device(mfn_to_frame(mfn)))
		return reserved ? -EINVAL : -EBUSY;
	if (reserved & ~(PTE_ADDRESS | PTE_CACHE)) return -EINVAL;
	if ((reserved & PTE_ADDRESS) || is_core_device(mfn) ||
	    !cap_covers(d, CAP_MMIO, mfn, 1, RIGHT_USE))
		return -EPERM;
	if (mfn_valid(mfn) && !frame_get_device(mfn_to_frame(mfn), *pte & PTE_RW)) return -EBUSY;
	*pte = l1_adjust((*pte & ~PTE_PAT) | PTE_PCD | PTE_PWT);
	return 0;
}

/* Not present, or not to be had as RAM: 0 and the entry as it is to be written, or -errno. */
static int l1_get_rare(u64 *pte, struct domain *d) {
	u64 entry = *pte;

	if (!(entry & PTE_P)) return !entry || pte_mfn(entry) >= l1tf_limit ? 0 : -EINVAL;
	return l1_get_mmio(pte, d);
}

/* The references that an entry for RAM stands for. */
static ALWAYS_INLINE bool l1_take(u64 entry, mfn_t mfn, struct domain *d) {
	if (entry & PTE_RW) return likely(!frame_get_type(mfn_to_frame(mfn), d, TYPE_WRITABLE));
	return likely(frame_get(mfn_to_frame(mfn), d));
}

static ALWAYS_INLINE int l1_get(u64 *pte, struct domain *d) {
	u64 entry = *pte;
	mfn_t mfn = pte_mfn(entry);

	if (unlikely((entry & (pte_forbidden | PTE_P)) != PTE_P || mfn >= frame_count ||
		     !l1_take(entry, mfn, d)))
		return l1_get_rare(pte, d);
	*pte = l1_adjust(entry);
	return 0;
}

static ALWAYS_INLINE void l1_put(u64 pte) {
	mfn_t mfn = pte_mfn(pte);

	if (!(pte & PTE_P) || unlikely(mfn >= frame_count)) return;
	if (pte & PTE_RW)
		frame_put_writable(mfn_to_frame(mfn));
	else
		frame_put(mfn_to_frame(mfn));
}

static inline bool is_self_map(const struct frame *table, u64 pte) {
	return pte_mfn(pte) == frame_to_mfn(table);
}

/* An entry of an L2, L3 or L4 table. */
static int upper_entry_get(struct frame *table, unsigned level, u64 *pte, struct domain *d) {
	u64 entry = *pte;
	mfn_t mfn = pte_mfn(entry);

	if (!(entry & PTE_P)) return likely(!entry) || mfn >= l1tf_limit ? 0 : -EINVAL;
	/* Bit 7 is the page size here, and one of the forbidden cache bits of an L1. */
	if ((entry & (pte_forbidden | PTE_PSE)) || mfn >= frame_count) return -EINVAL;
	if (level == TYPE_L4 && is_self_map(table, entry)) {
		if (entry & PTE_RW) return -EINVAL;
		*pte = (entry & ~PTE_G) | PTE_US | PTE_A;
		return 0;
	}
	int r = frame_get_type(mfn_to_frame(mfn), d, (enum frame_type)(level - 1));
	if (r) return r;
	*pte = (entry & ~PTE_G) | PTE_US | (level == TYPE_L4 ? PTE_A : 0);
	return 0;
}

static int upper_entry_put(struct frame *table, unsigned level, u64 pte) {
	if (!(pte & PTE_P) || (level == TYPE_L4 && is_self_map(table, pte))) return 0;
	return frame_put_type(mfn_to_frame(pte_mfn(pte)));
}

static inline bool is_core_slot(unsigned level, unsigned index) {
	return level == TYPE_L4 && index >= HV_SLOT_FIRST && index <= HV_SLOT_LAST;
}

/* Tables are mostly empty: eight entries at a look. */
#define ENTRIES_AT_ONCE 8

static inline bool all_empty(const u64 *e) {
	return !(e[0] | e[1] | e[2] | e[3] | e[4] | e[5] | e[6] | e[7]);
}

/* The first entry from i on that is not empty; PTES_PER_TABLE: none. */
static ALWAYS_INLINE unsigned entry_from(const u64 *table, unsigned i) {
	while (i < PTES_PER_TABLE) {
		if (i % ENTRIES_AT_ONCE == 0 && all_empty(&table[i]))
			i += ENTRIES_AT_ONCE;
		else if (table[i])
			break;
		else
			i++;
	}
	return i;
}

/* The number of entries up to and with the last of the first n that is not empty. */
static ALWAYS_INLINE unsigned entry_below(const u64 *table, unsigned n) {
	while (n) {
		if (n % ENTRIES_AT_ONCE == 0 && all_empty(&table[n - ENTRIES_AT_ONCE]))
			n -= ENTRIES_AT_ONCE;
		else if (table[n - 1])
			break;
		else
			n--;
	}
	return n;
}

static int l1_validate(struct frame *f, struct domain *d) {
	u64 *table = table_of(f);

	for (unsigned i = entry_from(table, f->progress); i < PTES_PER_TABLE;
	     i = entry_from(table, i + 1)) {
		if (unlikely(l1_get(&table[i], d))) {
			f->progress = i;
			return -EINVAL;
		}
	}
	f->progress = PTES_PER_TABLE;
	return 0;
}

/*
 * Taking this table apart may have stopped inside the table that its last counted
 * entry points to. That one must be whole again before this one is.
 */
static int last_entry_mend(struct frame *f, struct domain *d, unsigned level) {
	unsigned i = f->progress - 1;
	u64 pte = table_of(f)[i];
	struct frame *below = mfn_to_frame(pte_mfn(pte));

	if (!(pte & PTE_P) || is_core_slot(level, i) || (level == TYPE_L4 && is_self_map(f, pte)))
		return 0;
	int r = frame_get_type(below, d, (enum frame_type)(level - 1));
	if (r) return r;
	r = frame_put_type(below);
	assert(!r, "the entry itself holds another reference");
	return r;
}

static int upper_validate(struct frame *f, struct domain *d, unsigned level) {
	u64 *table = table_of(f);

	if (f->progress) {
		int r = last_entry_mend(f, d, level);

		if (r) return r;
	}
	for (unsigned i = entry_from(table, f->progress); i < PTES_PER_TABLE;
	     i = entry_from(table, i + 1)) {
		u64 pte = table[i];
		int r;

		if (is_core_slot(level, i)) continue;
		r = upper_entry_get(f, level, &pte, d);
		if (r) {
			f->progress = i;
			return r;
		}
		table[i] = pte;
	}
	f->progress = PTES_PER_TABLE;
	if (level == TYPE_L4)
		for (unsigned i = HV_SLOT_FIRST; i <= HV_SLOT_LAST; i++) table[i] = core_root[i];
	return 0;
}

static int descriptors_validate(struct frame *f) {
	u64 *table = table_of(f);

	for (unsigned i = 0; i < PTES_PER_TABLE; i++) {
		u64 descriptor = table[i];

		if (descriptor && descriptor_check(&descriptor)) return -EINVAL;
		table[i] = descriptor;
	}
	return 0;
}

/*
 * A bounded amount of work: an L1 is done in one go, tables above it stop
 * between two entries when the hypercall's budget is spent.
 */
int table_validate(struct frame *f, struct domain *d, enum frame_type type) {
	switch (type) {
	case TYPE_L1:
		if (!budget_spend(PTES_PER_TABLE)) return -ERESTART;
		return l1_validate(f, d);
	case TYPE_L2:
	case TYPE_L3:
	case TYPE_L4:
		if (!budget_spend(32)) return -ERESTART;
		return upper_validate(f, d, type);
	case TYPE_SEGDESC: return descriptors_validate(f);
	default: return -EINVAL;
	}
}

int table_invalidate(struct frame *f, enum frame_type type) {
	u64 *table = table_of(f);
	unsigned i = f->progress;

	if (type == TYPE_SEGDESC) return 0;
	if (!budget_spend(type == TYPE_L1 ? PTES_PER_TABLE : 32)) return -ERESTART;
	while ((i = entry_below(table, i))) {
		u64 pte = table[--i];

		if (type == TYPE_L1) {
			l1_put(pte);
		} else if (!is_core_slot(type, i) && upper_entry_put(f, type, pte)) {
			f->progress = i + 1;
			return -ERESTART;
		}
	}
	f->progress = 0;
	return 0;
}

/* Drops a table's reference; what cannot be finished now waits in v->deferred. */
static int drop_table(struct vcpu *v, struct frame *table, unsigned level, u64 old) {
	int r = upper_entry_put(table, level, old);

	if (r == -ERESTART) {
		assert(!v->deferred,
		       "the deferred table is finished before another is taken apart");
		v->deferred = mfn_to_frame(pte_mfn(old));
	}
	return 0;
}

static inline u64 swap_entry(u64 *entry, u64 pte, bool preserve_ad) {
	u64 old = atomic_load_relaxed(entry);

	if (!preserve_ad) return atomic_swap(entry, pte);
	while (!atomic_cas(entry, &old, pte | (old & (PTE_A | PTE_D))))
		;
	return old;
}

int l1_update(struct domain *d, u64 *entry, u64 pte, bool preserve_ad) {
	u64 old = atomic_load_relaxed(entry);

	/* The hardware may set A and D meanwhile; with preserve_ad they are kept. */
	if ((old & pte & PTE_P) && !((old ^ pte) & ~PTE_HARMLESS)) {
		u64 keep = preserve_ad ? PTE_A | PTE_D : 0;

		pte = l1_adjust(pte);
		while (!((old ^ pte) & ~PTE_HARMLESS))
			if (atomic_cas(entry, &old, pte | (old & keep))) return 0;
	}
	int r = l1_get(&pte, d);
	if (r) return r;
	l1_put(swap_entry(entry, pte, preserve_ad));
	return 0;
}

int l1_replace(struct domain *d, u64 *entry, u64 pte, u64 *old) {
	if (pte && l1_get(&pte, d)) return -EINVAL;
	*old = atomic_swap(entry, pte);
	l1_put(*old);
	return 0;
}

int l1_entry_swap(struct domain *d, u64 *entry, u64 *old, u64 pte) {
	u64 was = *old;

	if ((was & pte & PTE_P) && !((was ^ pte) & ~PTE_HARMLESS))
		return atomic_cas(entry, old, l1_adjust(pte)) ? 0 : -EAGAIN;
	int r = l1_get(&pte, d);
	if (r) return r;
	if (unlikely(!atomic_cas(entry, old, pte))) {
		l1_put(pte);
		return -EAGAIN;
	}
	l1_put(was);
	return 0;
}

int table_update(struct vcpu *v, struct frame *table, unsigned index, u64 pte, bool preserve_ad) {
	unsigned level = frame_type_of(atomic_load_relaxed(&table->state));
	u64 *entry = table_of(table) + index;

	if (likely(level == TYPE_L1)) return l1_update(v->domain, entry, pte, preserve_ad);
	if (is_core_slot(level, index)) return -EINVAL;
	int r = upper_entry_get(table, level, &pte, v->domain);
	if (r) return r;
	u64 old = swap_entry(entry, pte, preserve_ad);
	if (old & PTE_P) tlb_flush_later(v);
	return drop_table(v, table, level, old);
}

/*
 * Tables are read through the direct map, where every frame can be read whatever
 * has become of it.
 */
static ALWAYS_INLINE u64 *walk(const struct vcpu *v, gva_t va, mfn_t *table) {
	mfn_t mfn = 0;

	if (unlikely(!guest_address_ok(va) || !v->root)) return NULL;
	const u64 *t = table_of(v->root);
#pragma GCC unroll 3
	for (unsigned level = 4; level > 1; level--) {
		u64 pte = atomic_load_relaxed(&t[table_index(va, level)]);

		mfn = pte_mfn(pte);
		if (unlikely(!(pte & PTE_P) || mfn >= frame_count)) return NULL;
		t = mfn_to_virt(mfn);
	}
	*table = mfn;
	return (u64 *)&t[table_index(va, 1)];
}

u64 table_peek(const struct vcpu *v, gva_t va) {
	mfn_t mfn;
	u64 *entry = walk(v, va, &mfn);

	return entry ? atomic_load_relaxed(entry) : 0;
}

u64 *table_walk_l1(struct vcpu *v, gva_t va, struct frame **table) {
	mfn_t mfn;
	u64 *entry = walk(v, va, &mfn);

	/* Through a self map of the L4, what lies here is an upper table. */
	if (unlikely(!entry || frame_get_type(mfn_to_frame(mfn), v->domain, TYPE_L1))) return NULL;
	*table = mfn_to_frame(mfn);
	return entry;
}

static void table_drop(struct vcpu *v, struct frame *table) {
	if (unlikely(frame_put_type(table))) v->deferred = table;
}

/* The entry that a grant operation names, with a type reference on its table. */
static u64 *host_entry(struct vcpu *v, u64 host, bool contains_pte, struct frame **table) {
	if (!contains_pte) return table_walk_l1(v, host, table);
	if ((host & 7) || host >> PAGE_SHIFT >= frame_count) return NULL;
	*table = mfn_to_frame(host >> PAGE_SHIFT);
	return frame_get_table(*table, v->domain, TYPE_L1) ? paddr_to_virt(host) : NULL;
}

int pte_install(struct vcpu *v, u64 host, bool contains_pte, u64 pte) {
	struct frame *table;
	u64 *entry = host_entry(v, host, contains_pte, &table);

	if (!entry) return -EINVAL;
	l1_put(atomic_swap(entry, l1_adjust(pte)));
	table_drop(v, table);
	return 0;
}

int pte_withdraw(struct vcpu *v, u64 host, bool contains_pte, mfn_t mfn, bool writable) {
	struct frame *table;
	u64 *entry = host_entry(v, host, contains_pte, &table);
	int r = 0;

	if (!entry) return -EINVAL;
	u64 pte = atomic_load_relaxed(entry);
	do {
		if (!(pte & PTE_P) || pte_mfn(pte) != mfn || !(pte & PTE_RW) != !writable)
			r = -EINVAL;
	} while (!r && !atomic_cas(entry, &pte, 0));
	table_drop(v, table);
	return r;
}

#define DESC_PRESENT   (1UL << 47)
#define DESC_CODE_DATA (1UL << 44)
#define DESC_TYPE(d)   ((d) >> 40 & 0xf)
#define DESC_DPL3      (3UL << 45)
#define DESC_CODE      (1UL << 43)
#define DESC_LONG      (1UL << 53)
#define DESC_BIG       (1UL << 54)

/*
 * Guests may have code and data segments of ring 3, and nothing that switches
 * rings: gates and TSSs are refused (no stock guest makes any).
 */
int descriptor_check(u64 *descriptor) {
	u64 d = *descriptor;

	if (!(d & DESC_PRESENT)) return 0;
	if (!(d & DESC_CODE_DATA)) return DESC_TYPE(d) == 0 ? 0 : -EINVAL;
	if ((d & DESC_CODE) && (d & DESC_LONG) && (d & DESC_BIG)) return -EINVAL;
	*descriptor = d | DESC_DPL3;
	return 0;
}
