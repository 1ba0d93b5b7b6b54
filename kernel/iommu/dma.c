/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * DmaSpace objects: which frames a PCI function may reach, slot by slot.
 *
 * A mapping belongs to the DmaSpace and not to who made it: it outlives its maker's
 * reset, so that a server's successor reads what is mapped (DMA_READ) and goes on.
 * It holds what a grant mapping holds: the pin of the grant, a reference to the
 * frame, and unless read-only a reference as `writable`, so that no frame a device
 * may write ever becomes a page table. A page of the caller's own holds the same
 * without a pin. All that goes with DMA_UNMAP or DMA_EMPTY, and with nothing else:
 * until then the frame's Memory cannot be reclaimed, whatever becomes of its owner.
 *
 * With an IOMMU slot n is the page at IOVA + n pages of what the device says, far from
 * address 0 and from the messages at 0xfee00000, and the entries of all slots lie one
 * behind the other, so that nothing is walked.
 *
 * Unmapping goes in two passes, for no frame may be anybody else's while the device
 * can reach it: the slots are closed and chained through their records, the IOMMU is
 * flushed, then all is dropped. The chain never outlives the call.
 */
#include "iommu/dma.h"
#include "cap/invoke.h"
#include "cpu/time.h"
#include "event/channel.h"
#include "grant/pin.h"
#include "iommu/vtd.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "mem/guest_copy.h"
#include "mem/memory.h"
#include "mem/validate.h"

#define RECORD_OWN 0x10000U /* not granted */
#define LAST       (~0U)
#define SLOTS_MAX  65536U
#define IOVA       GIB(1)
#define SAY_AGAIN  1000000000UL /* ns between two messages about one function */

#define ENTRY_READ       1UL
#define ENTRY_WRITE      2UL
#define REASON_WRITE     (1U << 31)
/* Reasons of the IOMMU from this one on are about interrupts. */
#define REASON_INTERRUPT 0x20U

/* The list, and what faults leave in its members; innermost. It changes under tree_lock too. */
static struct lock spaces_lock;
static struct dmaspace *spaces;

u64 dmaspace_frames(const struct dmaspace_create *create) {
	u64 size = sizeof(struct dmaspace) + create->slots * sizeof(struct dma_record);

	if (!create->slots || create->slots % PTES_PER_TABLE || create->slots > SLOTS_MAX) return 0;
	size = DIV_UP(size, PAGE_SIZE);
	return iommu.levels ? size + create->slots / PTES_PER_TABLE + iommu.levels - 1 : size;
}

/* By its function, or by its id. */
static struct dmaspace *find(u32 source, u32 id) {
	struct dmaspace *s = spaces;

	while (s && s->source != source && s->id != id) s = s->next;
	return s;
}

/* The lowest id that is free; 0 is the hardware's own. */
static u32 free_id(void) {
	u32 id = 1;

	while (find(SOURCE_ANY, id)) id++;
	return id;
}

int dmaspace_check(u32 source) {
	if (find(source, 0)) return -EEXIST;
	return iommu.levels && free_id() >= iommu.domains ? -ENOSPC : 0;
}

/* Tables over all slots, empty at the leaves; the address of the topmost. */
static paddr_t build_tables(struct dmaspace *s, u64 *tables) {
	u64 *table = tables + s->slots;

	for (u32 i = 0; i < s->slots / PTES_PER_TABLE; i++)
		table[table_index(IOVA, 2) + i] =
			virt_to_paddr(tables + i * PTES_PER_TABLE) | ENTRY_READ | ENTRY_WRITE;
	for (u32 i = 3; i <= iommu.levels; i++, table += PTES_PER_TABLE)
		table[PTES_PER_TABLE + table_index(IOVA, i)] =
			virt_to_paddr(table) | ENTRY_READ | ENTRY_WRITE;
	s->leaves = tables;
	vtd_wrote(tables, (u64)(table + PTES_PER_TABLE) - (u64)tables);
	return virt_to_paddr(table);
}

static void set_leaf(struct dmaspace *s, u32 slot, u64 entry) {
	if (!s->leaves) return;
	atomic_store(&s->leaves[slot], entry);
	if (iommu.incoherent) vtd_wrote(&s->leaves[slot], sizeof(entry));
}

struct dmaspace *dmaspace_create(mfn_t mfn, const struct dmaspace_create *create) {
	struct dmaspace *s = mfn_to_virt(mfn);

	s->source = create->source;
	s->slots = create->slots;
	string_copy(s->name, create->name, sizeof(s->name));
	s->records = (struct dma_record *)(s + 1);
	s->id = free_id();
	frames_claim(mfn, dmaspace_frames(create));
	if (iommu.levels) {
		u64 end = ROUND_UP((u64)&s->records[s->slots], PAGE_SIZE);

		vtd_attach(s->source, s->id, build_tables(s, (u64 *)end));
	}
	lock_take(&spaces_lock);
	s->next = spaces;
	spaces = s;
	lock_drop(&spaces_lock);
	return s;
}

bool dmaspace_close(struct dmaspace *s) {
	if (!s->mapped) s->closing = true;
	return s->closing;
}

void dmaspace_dissolve(struct dmaspace *s) {
	const struct dmaspace_create create = {.slots = s->slots};
	struct dmaspace **link = &spaces;

	lock_take(&spaces_lock);
	while (*link != s) link = &(*link)->next;
	*link = s->next;
	lock_drop(&spaces_lock);
	if (s->leaves) vtd_attach(s->source, s->id, 0);
	frames_disclaim(virt_to_mfn(s), dmaspace_frames(&create));
}

/* --- Mapping --- */

/* For a page of the caller's own its page table is a hint: grant_hold looks at the owner. */
static int hold(struct domain *caller, const struct dma_map *m, struct dma_record *r) {
	bool readonly = m->flags & DMA_READONLY, own = m->domid == DOMID_SELF;
	struct domain *d = caller;
	int error;
	mfn_t mfn;

	if (own) {
		u64 pte = table_peek(current_vcpu(), m->what);

		if (m->what & ~PAGE_MASK) return -EINVAL;
		if (!(pte & PTE_P) || !(readonly || pte & PTE_RW)) return -EFAULT;
		mfn = pte_mfn(pte);
	} else {
		if (m->what >> 32) return -EINVAL;
		d = cap_resolve_domid(caller, m->domid, RIGHT_GRANT, &error);
		if (unlikely(!d)) return error;
		if (unlikely(d->state == DOMAIN_STATE_DYING)) return -EAGAIN;
		if (unlikely(grant_pin(d, (u32)m->what, caller, readonly, &mfn))) return -EINVAL;
	}
	if (unlikely(grant_hold(d, mfn, readonly))) {
		if (!own) grant_unpin(d, (u32)m->what, readonly);
		return -EFAULT;
	}
	*r = (struct dma_record){.what = m->what,
				 .owner = (u32)d->mfn,
				 .mfn = (u32)mfn,
				 .flags = m->flags | (own ? RECORD_OWN : 0)};
	return 0;
}

static void set_addresses(const struct dmaspace *s, struct dma_map *m) {
	m->machine = (u64)s->records[m->slot].mfn << PAGE_SHIFT;
	m->address = s->leaves ? IOVA + (u64)m->slot * PAGE_SIZE : m->machine;
}

static int map_one(struct invocation *in, struct dma_map *m) REQUIRES(tree_lock) {
	struct dmaspace *s = in->cap->space;

	if (unlikely(!cap_includes(in->cap, m->slot))) return -ERANGE;
	if (unlikely(m->flags & ~DMA_READONLY || m->pad)) return -EINVAL;
	struct dma_record *r = &s->records[m->slot];
	if (unlikely(r->owner)) return -EEXIST;
	int error = hold(in->caller, m, r);
	if (unlikely(error)) return error;
	s->mapped++;
	set_addresses(s, m);
	set_leaf(s, m->slot, m->machine | ENTRY_READ | (m->flags & DMA_READONLY ? 0 : ENTRY_WRITE));
	return 0;
}

/* The elements done so far with status 0 are counted in the upper half of the last argument. */
static long pause(u64 array, u64 done, u64 left) {
	hypercall_set_arg(3, array);
	hypercall_set_arg(4, done << 32 | left);
	return -ERESTART;
}

long dma_op_map(struct invocation *in) {
	u64 array = in->arg[0], left = (u32)in->arg[1], done = in->arg[1] >> 32;
	const u64 result = offsetof(struct dma_map, address); /* and machine, status */
	const struct dmaspace *s = in->cap->space;
	struct dma_map m;
	long error = 0;

	if (left > DMA_BATCH || done > DMA_BATCH) return -EINVAL;
	if (s->closing) return -EBUSY;
	for (; left && !error; left--, array += sizeof(m)) {
		error = likely(budget_spend(GRANT_UNITS)) ? copy_from_guest(&m, array, sizeof(m))
							  : pause(array, done, left);
		if (unlikely(error)) break;
		m.status = map_one(in, &m);
		done += !m.status;
		error = copy_to_guest(array + result, &m.address, sizeof(m) - result);
	}
	if (s->leaves && iommu.flush_new) vtd_flush(s->id);
	return error ? error : (long)done;
}

/* --- Unmapping --- */

/* Closes a slot and puts it in front of the chain. */
static void take_out(struct dmaspace *s, u32 slot, u32 *chain) {
	struct dma_record *r = &s->records[slot];

	if (!r->owner || r->behind) return;
	set_leaf(s, slot, 0);
	r->behind = *chain;
	*chain = slot + 1;
}

static void release(struct dmaspace *s, u32 chain) {
	if (s->leaves && chain != LAST) vtd_flush(s->id);
	while (chain != LAST) {
		struct dma_record *r = &s->records[chain - 1];
		bool readonly = r->flags & DMA_READONLY;

		chain = r->behind;
		grant_drop(r->mfn, readonly);
		if (!(r->flags & RECORD_OWN))
			grant_unpin(domain_by_mfn(r->owner), (u32)r->what, readonly);
		*r = (struct dma_record){0};
		s->mapped--;
	}
}

long dma_op_unmap(struct invocation *in) {
	u64 array = in->arg[0], left = in->arg[1];
	u32 slot, chain = LAST;
	long error = 0;

	if (left > DMA_BATCH) return -EINVAL;
	for (; left; left--, array += sizeof(slot)) {
		if (unlikely(!budget_spend(GRANT_UNITS)))
			error = pause(array, 0, left);
		else if (unlikely(copy_from_guest(&slot, array, sizeof(slot))))
			error = -EFAULT;
		else if (unlikely(!cap_includes(in->cap, slot)))
			error = -ERANGE;
		if (unlikely(error)) break;
		take_out(in->cap->space, slot, &chain);
	}
	release(in->cap->space, chain);
	return error;
}

bool dmaspace_empty(struct dmaspace *s, u64 *slot) {
	u32 chain = LAST;

	for (; *slot < s->slots; ++*slot) {
		if (!budget_spend(s->records[*slot].owner ? GRANT_UNITS : 1)) break;
		take_out(s, (u32)*slot, &chain);
	}
	release(s, chain);
	return *slot >= s->slots;
}

/* The argument is where a restarted call goes on. */
long dma_op_empty(struct invocation *in) {
	if (dmaspace_empty(in->cap->space, &in->arg[0])) return 0;
	hypercall_set_arg(3, in->arg[0]);
	return -ERESTART;
}

/* --- What there is --- */

long dma_op_read(struct invocation *in) {
	u64 slot = in->arg[0], array = in->arg[1], count = in->arg[2];
	const struct dmaspace *s = in->cap->space;

	if (count > DMA_BATCH ||
	    (count && (!cap_includes(in->cap, slot) || !cap_includes(in->cap, slot + count - 1))))
		return -EINVAL;
	for (u64 i = 0; i < count; i++, slot++) {
		const struct dma_record *r = &s->records[slot];
		struct dma_map m = {.slot = (u32)slot, .status = -ENOENT};

		if (r->owner) {
			m.domid = r->owner == in->caller->mfn && r->flags & RECORD_OWN
					  ? DOMID_SELF
					  : domain_by_mfn(r->owner)->id;
			m.flags = (u16)r->flags;
			m.what = r->what;
			m.status = 0;
			set_addresses(s, &m);
		}
		if (copy_to_guest(array + i * sizeof(m), &m, sizeof(m))) return -EFAULT;
	}
	return (long)count;
}

long dma_op_info(struct invocation *in) {
	const struct dmaspace *s = in->cap->space;
	struct dma_info info = {
		.source = s->source,
		.flags = s->leaves ? DMASPACE_ENFORCED : 0,
		.slots = s->slots,
		.mapped = s->mapped,
		.faults = s->faults,
		.last_address = s->last_address,
		.last_reason = s->last_reason,
	};

	return copy_to_guest(in->arg[0], &info, sizeof(info));
}

static void say_fault(const char *name, u32 source, u64 address, u32 reason, bool write) {
	printf("dma: %s (%02x:%02x.%x) tried to ", name, source >> 8, source >> 3 & 31, source & 7);
	if (reason >= REASON_INTERRUPT)
		printf("raise an interrupt that is not its own: blocked\n");
	else
		printf("%s 0x%lx: blocked\n", write ? "write" : "read", address);
}

void dma_fault(u32 source, u64 address, u32 reason, bool write) {
	static u64 said_of_others;
	u64 now = time_now(), *said = &said_of_others;

	lock_take(&spaces_lock);
	struct dmaspace *s = find(source, 0);
	if (s) {
		s->faults++;
		s->last_address = address;
		s->last_reason = reason | (write ? REASON_WRITE : 0);
		said = &s->last_said;
	}
	if (!*said || now - *said >= SAY_AGAIN) {
		say_fault(s ? s->name : "a device without a driver", source, address, reason,
			  write);
		*said = now;
	}
	lock_drop(&spaces_lock);
	if (s) virq_send(domain_find(0)->vcpus[0], VIRQ_DOM_EXC);
}
