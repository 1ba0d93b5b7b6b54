/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * DmaSpaces: what a mapping holds and for how long, what is refused, what a successor
 * reads, and the end of the object. A driver (guest 1) maps pages of its own and of a
 * guest (2) in the slots that root gave it.
 */
#include "guests.h"

#include <string.h>

#include "iommu/dma.h"
#include "iommu/vtd.h"
#include "mem/validate.h"

#define SPACE  100U       /* root's capability */
#define OBJECT 101U       /* the Memory that it is made of */
#define MINE   5U         /* the driver's capability to slots 16 .. 31 */
#define VA     0x400000UL /* where the driver's PFN 4 is mapped; 5 read-only behind it */
#define IDLE   1UL

static struct domain *root, *driver, *owner;
static struct iommu hardware; /* what start() finds */
static struct dmaspace *space;
static struct dmaspace_create parameters;

static u64 state(const struct domain *d, u64 pfn) {
	return mfn_to_frame(guest_mfn(d, pfn))->state & (FRAME_REF_MASK | FRAME_COUNT_MASK);
}

static struct grant_entry_v1 *entry(u32 ref) {
	return (struct grant_entry_v1 *)&owner->grant_entries[ref];
}

static void grant(u32 ref, u64 pfn, u16 flags) {
	*entry(ref) = (struct grant_entry_v1){
		.flags = flags, .domid = 1, .frame = (u32)guest_mfn(owner, pfn)};
}

/* PFN 0 .. 3 of the driver are its tables. */
static void build_tables(void) {
	u64 *l4 = guest_page(driver, 0), *l3 = guest_page(driver, 1);
	u64 *l2 = guest_page(driver, 2), *l1 = guest_page(driver, 3);
	const u64 flags = PTE_P | PTE_RW | PTE_US | PTE_A;

	l4[0] = pte_make(guest_mfn(driver, 1), flags);
	l3[0] = pte_make(guest_mfn(driver, 2), flags);
	l2[VA >> 21] = pte_make(guest_mfn(driver, 3), flags);
	l1[0] = pte_make(guest_mfn(driver, 4), flags);
	l1[1] = pte_make(guest_mfn(driver, 5), flags & ~PTE_RW);
	l1[2] = pte_make(guest_mfn(owner, 4), flags); /* not its own */
	driver->vcpus[0]->root = mfn_to_frame(guest_mfn(driver, 0));
}

static void start(void) {
	root = guests_start(2);
	iommu = hardware;
	driver = guest(1);
	owner = guest(2);
	guests_introduce(driver, owner, RIGHT_GRANT);
	build_tables();
	CHECK(machine_invoke(root, MEMORY_SPLIT, 2, root->caps[2].count - 20, OBJECT, 0, 0) == 0);
	parameters = (struct dmaspace_create){.source = 0x10, .slots = 512, .name = "disk"};
	CHECK(machine_invoke(root, MEMORY_CREATE_DMASPACE, OBJECT, SPACE, (u64)&parameters, 0, 0) ==
	      0);
	space = root->caps[SPACE].space;
	CHECK(machine_invoke(root, CAP_COPY, SPACE, SPACE + 2, RIGHT_DMA_MAP | RIGHT_COPY, 16,
			     16) == 0);
	CHECK(machine_invoke(root, DOMAIN_CAP, SLOT(1), SPACE + 2, MINE, RIGHT_DMA_MAP, 0) == 0);
}

static int map(u32 slot, u16 domid, u64 what, u16 flags) {
	struct dma_map m = {.slot = slot, .domid = domid, .what = what, .flags = flags};
	long done = machine_invoke(driver, DMA_MAP, MINE, (u64)&m, 1, 0, 0);

	CHECK(done == !m.status);
	return m.status;
}

static void unmap(u32 slot) {
	CHECK(machine_invoke(driver, DMA_UNMAP, MINE, (u64)&slot, 1, 0, 0) == 0);
}

static struct dma_map what_is(u32 slot) {
	struct dma_map m;

	CHECK(machine_invoke(driver, DMA_READ, MINE, slot, (u64)&m, 1, 0) == 1);
	return m;
}

static void test_grants(void) {
	struct dma_map m;

	start();
	grant(8, 3, GTF_permit_access);
	CHECK(map(16, 2, 8, 0) == 0 && space->mapped == 1);
	CHECK(state(owner, 3) == IDLE + FRAME_REF + FRAME_TYPE_ONE);
	CHECK(entry(8)->flags == (GTF_permit_access | GTF_reading | GTF_writing));
	CHECK(frame_get_type(mfn_to_frame(guest_mfn(owner, 3)), owner, TYPE_L1) == -EINVAL);
	m = what_is(16);
	CHECK(m.status == 0 && m.domid == 2 && m.what == 8 && m.flags == 0 && m.slot == 16);
	CHECK(m.machine == guest_mfn(owner, 3) << PAGE_SHIFT && m.address == m.machine);
	/* The same grant once more, for reading. */
	CHECK(map(17, 2, 8, DMA_READONLY) == 0);
	CHECK(state(owner, 3) == IDLE + 2 * FRAME_REF + FRAME_TYPE_ONE);
	unmap(16);
	CHECK(state(owner, 3) == IDLE + FRAME_REF && what_is(16).status == -ENOENT);
	CHECK(entry(8)->flags == (GTF_permit_access | GTF_reading));
	unmap(17);
	unmap(17); /* empty: passed over */
	CHECK(state(owner, 3) == IDLE && entry(8)->flags == GTF_permit_access && !space->mapped);
}

static void test_own(void) {
	start();
	CHECK(map(16, DOMID_SELF, VA, 0) == 0);
	CHECK(state(driver, 4) == IDLE + FRAME_REF + FRAME_TYPE_ONE);
	CHECK(what_is(16).domid == DOMID_SELF && what_is(16).what == VA);
	CHECK(map(17, DOMID_SELF, VA + PAGE_SIZE, 0) == -EFAULT); /* read-only for itself */
	CHECK(map(17, DOMID_SELF, VA + PAGE_SIZE, DMA_READONLY) == 0);
	CHECK(map(18, DOMID_SELF, VA + 2 * PAGE_SIZE, 0) == -EFAULT); /* another's */
	CHECK(map(18, DOMID_SELF, VA + 3 * PAGE_SIZE, 0) == -EFAULT); /* nothing there */
	CHECK(map(18, DOMID_SELF, VA + 8, 0) == -EINVAL);
	CHECK(map(18, DOMID_SELF, DIRECT_BASE, 0) == -EFAULT);
	CHECK(map(18, DOMID_SELF, ~0UL << 12, 0) == -EFAULT);
	CHECK(state(owner, 4) == IDLE && space->mapped == 2);
}

static void test_refusals(void) {
	struct dma_map m[3] = {{.slot = 16, .domid = 2, .what = 8},
			       {.slot = 16, .domid = 2, .what = 8},
			       {.slot = 31, .domid = 2, .what = 8, .flags = DMA_READONLY}};
	u32 slots[3] = {16, 15, 31};

	start();
	grant(8, 3, GTF_permit_access);
	grant(9, 3, GTF_permit_access | GTF_readonly);
	CHECK(map(15, 2, 8, 0) == -ERANGE && map(32, 2, 8, 0) == -ERANGE &&
	      map(~0U, 2, 8, 0) == -ERANGE);
	CHECK(map(16, 7, 8, 0) == -ESRCH && map(16, 2, 10, 0) == -EINVAL);
	CHECK(map(16, 2, 100000, 0) == -EINVAL && map(16, 2, 1UL << 32 | 8, 0) == -EINVAL);
	CHECK(map(16, 2, 8, 2) == -EINVAL && map(16, 2, 9, 0) == -EINVAL);
	CHECK(map(16, 2, 9, DMA_READONLY) == 0);
	unmap(16);
	entry(9)->frame = ~0U;
	CHECK(map(16, 2, 9, DMA_READONLY) == -EFAULT &&
	      entry(9)->flags == (GTF_permit_access | GTF_readonly));
	owner->state = DOMAIN_STATE_DYING;
	CHECK(map(16, 2, 8, 0) == -EAGAIN);
	owner->state = DOMAIN_STATE_RUNNING;
	/* A domain that may send events only. */
	CHECK(machine_invoke(driver, CAP_DELETE, 2, 0, 0, 0, 0) == 0);
	guests_introduce(driver, owner, RIGHT_EVENT);
	CHECK(map(16, 2, 8, 0) == -EPERM);
	CHECK(machine_invoke(driver, CAP_DELETE, 2, 0, 0, 0, 0) == 0);
	guests_introduce(driver, owner, RIGHT_GRANT);
	CHECK(state(owner, 3) == IDLE && !space->mapped);

	CHECK(machine_invoke(driver, DMA_MAP, MINE, (u64)m, 3, 0, 0) == 2);
	CHECK(!m[0].status && m[1].status == -EEXIST && !m[2].status);
	CHECK(machine_invoke(driver, DMA_MAP, MINE, (u64)m, DMA_BATCH + 1, 0, 0) == -EINVAL);
	CHECK(machine_invoke(driver, DMA_MAP, MINE, 8, 1, 0, 0) == -EFAULT);
	CHECK(machine_invoke(driver, DMA_UNMAP, MINE, 8, 1, 0, 0) == -EFAULT);
	CHECK(machine_invoke(driver, DMA_UNMAP, MINE, (u64)slots, DMA_BATCH + 1, 0, 0) == -EINVAL);
	/* What came before the mistake is unmapped. */
	CHECK(machine_invoke(driver, DMA_UNMAP, MINE, (u64)slots, 3, 0, 0) == -ERANGE);
	CHECK(space->mapped == 1 && what_is(31).status == 0);
	CHECK(machine_invoke(driver, DMA_READ, MINE, 15, (u64)m, 2, 0) == -EINVAL);
	CHECK(machine_invoke(driver, DMA_READ, MINE, 31, (u64)m, 2, 0) == -EINVAL);
	CHECK(machine_invoke(driver, DMA_READ, MINE, ~0UL, (u64)m, 2, 0) == -EINVAL);
	CHECK(machine_invoke(driver, DMA_READ, MINE, 16, 8, 1, 0) == -EFAULT);
	CHECK(machine_invoke(driver, DMA_READ, MINE, 16, 8, 0, 0) == 0);
	/* Not among the driver's rights. */
	CHECK(machine_invoke(driver, DMA_EMPTY, MINE, 0, 0, 0, 0) == -EPERM);
	CHECK(machine_invoke(driver, DMA_INFO, MINE, (u64)m, 0, 0, 0) == -EPERM);
	CHECK(machine_invoke(owner, DMA_MAP, MINE, (u64)m, 1, 0, 0) == -EBADF);
}

static void test_create(void) {
	struct dmaspace_create c = {.source = 0x18, .slots = 512, .name = "other"};

	start();
	CHECK(parameters.frames ==
		      DIV_UP(sizeof(*space) + 512 * sizeof(struct dma_record), PAGE_SIZE) &&
	      parameters.flags == 0);
	CHECK(machine_invoke(root, MEMORY_SPLIT, 2, root->caps[2].count - 20, 110, 0, 0) == 0);
#define CREATE() machine_invoke(root, MEMORY_CREATE_DMASPACE, 110, 111, (u64)&c, 0, 0)
	c.slots = 0;
	CHECK(CREATE() == -EINVAL);
	c.slots = 500;
	CHECK(CREATE() == -EINVAL);
	c.slots = 65536 + 512;
	CHECK(CREATE() == -EINVAL);
	c.slots = 65536;
	CHECK(CREATE() == -ENOMEM && c.frames > 20);
	c.slots = 512;
	c.source = 0x10000;
	CHECK(CREATE() == -EINVAL);
	c.source = 0x10;
	CHECK(CREATE() == -EEXIST);
	c.source = 0x18;
	c.name[0] = 0;
	CHECK(CREATE() == -EINVAL);
	c.name[0] = 'o';
	CHECK(machine_invoke(root, MEMORY_CREATE_DMASPACE, OBJECT, 111, (u64)&c, 0, 0) == -EBUSY);
	CHECK(machine_invoke(root, MEMORY_CREATE_DMASPACE, 110, SPACE, (u64)&c, 0, 0) == -EEXIST);
	CHECK(CREATE() == 0 && root->caps[111].count == 512 && root->caps[111].first == 0);
	CHECK(mfn_to_frame(root->caps[110].first)->state == FRAME_CORE);
}

/* Its maker goes: what it mapped stays, its own pages too, until the DmaSpace is emptied. */
static void test_maker_dies(void) {
	struct dma_info info;

	start();
	grant(8, 3, GTF_permit_access);
	CHECK(map(16, 2, 8, 0) == 0 && map(17, DOMID_SELF, VA, 0) == 0);
	driver->vcpus[0]->root = NULL; /* its page tables were never validated */
	CHECK(machine_invoke(root, DOMAIN_RESET, SLOT(1), 0, 0, 0, 0) == 0);
	CHECK(driver->caps[MINE].type == CAP_NONE && space->mapped == 2);
	CHECK(state(owner, 3) == IDLE + FRAME_REF + FRAME_TYPE_ONE);
	CHECK(machine_invoke(root, MEMORY_RECLAIM, SLOT(1) + 2, 0, 0, 0, 0) == -EBUSY);
	/* The successor, with the same capabilities. */
	guests_introduce(driver, owner, RIGHT_GRANT);
	CHECK(machine_invoke(root, DOMAIN_CAP, SLOT(1), SPACE + 2, MINE, RIGHT_DMA_MAP, 0) == 0);
	CHECK(what_is(16).domid == 2 && what_is(16).what == 8);
	CHECK(what_is(17).machine == guest_mfn(driver, 4) << PAGE_SHIFT);
	CHECK(machine_invoke(root, DMA_INFO, SPACE, (u64)&info, 0, 0, 0) == 0);
	CHECK(info.source == 0x10 && info.slots == 512 && info.mapped == 2 && !info.faults);
	CHECK(machine_invoke(root, DMA_EMPTY, SPACE, 0, 0, 0, 0) == 0 && !space->mapped);
	CHECK(state(owner, 3) == IDLE && entry(8)->flags == GTF_permit_access);
	CHECK(machine_invoke(root, MEMORY_RECLAIM, SLOT(1) + 2, 0, 0, 0, 0) == 0);
}

/* The granter goes: the frame is held, and so is the object it belongs to. */
static void test_granter_dies(void) {
	start();
	grant(8, 3, GTF_permit_access);
	CHECK(map(16, 2, 8, 0) == 0);
	CHECK(machine_invoke(root, DOMAIN_DESTROY, SLOT(2), 0, 0, 0, 0) == 0);
	CHECK(state(owner, 3) == IDLE + FRAME_REF + FRAME_TYPE_ONE);
	CHECK(machine_invoke(root, MEMORY_RECLAIM, SLOT(2) + 2, 0, 0, 0, 0) == -EBUSY);
	CHECK(machine_invoke(root, MEMORY_RECLAIM, SLOT(2) + 3, 0, 0, 0, 0) == 0);
	CHECK(machine_invoke(root, MEMORY_RECLAIM, SLOT(2) + 1, 0, 0, 0, 0) == -EBUSY);
	CHECK(what_is(16).domid == 2);
	unmap(16);
	CHECK(machine_invoke(root, MEMORY_RECLAIM, SLOT(2) + 2, 0, 0, 0, 0) == 0);
	CHECK(machine_invoke(root, MEMORY_RECLAIM, SLOT(2) + 1, 0, 0, 0, 0) == 0);
}

static void test_revoke_reclaim(void) {
	start();
	grant(8, 3, GTF_permit_access);
	CHECK(map(16, 2, 8, 0) == 0);
	CHECK(machine_invoke(root, MEMORY_RECLAIM, OBJECT, 0, 0, 0, 0) == -EBUSY);
	CHECK(root->caps[SPACE].type == CAP_DMASPACE && !space->closing);
	/* A revoked capability leaves what it mapped. */
	CHECK(machine_invoke(root, CAP_REVOKE, SPACE, 0, 0, 0, 0) == 0);
	CHECK(driver->caps[MINE].type == CAP_NONE && space->mapped == 1);
	CHECK(machine_invoke(root, DMA_EMPTY, SPACE, 0, 0, 0, 0) == 0);
	CHECK(machine_invoke(root, DOMAIN_CAP, SLOT(1), SPACE, MINE, RIGHT_DMA_MAP, 0) == 0);
	CHECK(machine_invoke(root, MEMORY_RECLAIM, OBJECT, 0, 0, 0, 0) == 0);
	CHECK(root->caps[SPACE].type == CAP_NONE && driver->caps[MINE].type == CAP_NONE);
	CHECK(root->caps[OBJECT].state == MEMORY_STATE_FREE &&
	      root->caps[OBJECT].flags == CAP_F_MODULE);
	CHECK(mfn_to_frame(root->caps[OBJECT].first)->state == 0);
	/* Again, and nobody can reach it any more: the reclaim empties it. */
	CHECK(machine_invoke(root, MEMORY_CREATE_DMASPACE, OBJECT, SPACE, (u64)&parameters, 0, 0) ==
	      0);
	CHECK(machine_invoke(root, DOMAIN_CAP, SLOT(1), SPACE, MINE, RIGHT_DMA_MAP, 0) == 0);
	CHECK(map(500, 2, 8, 0) == 0);
	CHECK(machine_invoke(root, CAP_REVOKE, OBJECT, 0, 0, 0, 0) == 0);
	CHECK(state(owner, 3) == IDLE + FRAME_REF + FRAME_TYPE_ONE);
	CHECK(machine_invoke(root, MEMORY_RECLAIM, OBJECT, 0, 0, 0, 0) == 0);
	CHECK(state(owner, 3) == IDLE && entry(8)->flags == GTF_permit_access);
}

/* What the device reaches at this address, as the hardware walks; 0: nothing. */
static u64 device_walk(u64 address) {
	u64 entry = fake.attached | 3;

	for (unsigned level = hardware.levels; level && entry & 1; level--)
		entry = ((u64 *)paddr_to_virt(entry & PTE_ADDRESS))[table_index(address, level)];
	return entry & 3 ? entry : 0;
}

static void test_translation(void) {
	struct dma_map m = {.slot = 31, .domid = 2, .what = 8};
	u64 page;

	hardware.domains = 16;
	for (hardware.levels = 3; hardware.levels <= 5; hardware.levels++) {
		start();
		CHECK(parameters.flags == DMASPACE_ENFORCED &&
		      parameters.frames ==
			      DIV_UP(sizeof(*space) + 512 * sizeof(struct dma_record), PAGE_SIZE) +
				      hardware.levels);
		CHECK(fake.attached && fake.attached_source == 0x10 && fake.attached_id == 1);
		CHECK(fake.attached == (root->caps[OBJECT].first + parameters.frames - 1)
					       << PAGE_SHIFT);
		grant(8, 3, GTF_permit_access);
		CHECK(machine_invoke(driver, DMA_MAP, MINE, (u64)&m, 1, 0, 0) == 1);
		CHECK(m.address == GIB(1) + 31 * PAGE_SIZE);
		page = guest_mfn(owner, 3) << PAGE_SHIFT;
		CHECK(m.machine == page && device_walk(m.address) == (page | 3));
		CHECK(!device_walk(m.address - PAGE_SIZE) && !device_walk(m.address + PAGE_SIZE));
		CHECK(!device_walk(page) && !device_walk(0) && !device_walk(0xfee00000));
		CHECK(what_is(31).address == m.address && !fake.dma_flushes);
		CHECK(map(16, 2, 8, DMA_READONLY) == 0);
		CHECK(device_walk(GIB(1) + 16 * PAGE_SIZE) == (page | 1));
		unmap(31);
		CHECK(!device_walk(m.address) && fake.dma_flushes == 1);
		unmap(31);
		CHECK(fake.dma_flushes == 1); /* nothing was there */
		CHECK(machine_invoke(root, DMA_EMPTY, SPACE, 0, 0, 0, 0) == 0);
		CHECK(!device_walk(GIB(1) + 16 * PAGE_SIZE) && fake.dma_flushes == 2);
		CHECK(machine_invoke(root, MEMORY_RECLAIM, OBJECT, 0, 0, 0, 0) == 0);
		CHECK(!fake.attached);
	}
	hardware = (struct iommu){0};
}

/* Units that remember what is not there, and that the caches hide things from. */
static void test_units(void) {
	struct dmaspace_create c = {.source = 0x18, .slots = 512, .name = "other"};

	hardware = (struct iommu){.levels = 3, .domains = 3, .incoherent = true, .flush_new = true};
	start();
	CHECK(fake.dma_written == 3 * PAGE_SIZE);
	grant(8, 3, GTF_permit_access);
	CHECK(map(16, 2, 8, 0) == 0 && fake.dma_flushes == 1);
	CHECK(fake.dma_written == 3 * PAGE_SIZE + 8);
	unmap(16);
	CHECK(fake.dma_written == 3 * PAGE_SIZE + 16 && fake.dma_flushes == 2);
	CHECK(machine_invoke(root, MEMORY_SPLIT, 2, root->caps[2].count - 20, 110, 0, 0) == 0);
	CHECK(machine_invoke(root, MEMORY_SPLIT, 2, root->caps[2].count - 20, 112, 0, 0) == 0);
	CHECK(machine_invoke(root, MEMORY_CREATE_DMASPACE, 110, 111, (u64)&c, 0, 0) == 0);
	CHECK(fake.attached_id == 2);
	c.source = 0x20;
	CHECK(machine_invoke(root, MEMORY_CREATE_DMASPACE, 112, 113, (u64)&c, 0, 0) == -ENOSPC);
	CHECK(machine_invoke(root, MEMORY_RECLAIM, OBJECT, 0, 0, 0, 0) == 0);
	CHECK(machine_invoke(root, MEMORY_CREATE_DMASPACE, 112, 113, (u64)&c, 0, 0) == 0);
	CHECK(fake.attached_id == 1);
	hardware = (struct iommu){0};
}

static void test_faults(void) {
	struct dma_info info;

	hardware = (struct iommu){.levels = 3, .domains = 16};
	start();
	dma_fault(0x10, 0x1234000, 5, true);
	CHECK(!strcmp(fake.text, "write 0x1234000: blocked\n"));
	fake.text[0] = 0;
	dma_fault(0x10, 0x1235000, 6, false); /* too soon to be said */
	CHECK(!fake.text[0]);
	CHECK(machine_invoke(root, DMA_INFO, SPACE, (u64)&info, 0, 0, 0) == 0);
	CHECK(info.faults == 2 && info.last_address == 0x1235000 && info.last_reason == 6);
	CHECK(info.flags == DMASPACE_ENFORCED);
	dma_fault(0xfff8, 0, 0x25, true); /* nobody's */
	CHECK(strstr(fake.text, "not its own"));
	host_now += 1000000000;
	dma_fault(0x10, 0x1236000, 5, true);
	CHECK(strstr(fake.text, "0x1236000"));
	CHECK(machine_invoke(root, DMA_INFO, SPACE, (u64)&info, 0, 0, 0) == 0);
	CHECK(info.faults == 3 && info.last_reason == (5 | 1U << 31));
	hardware = (struct iommu){0};
}

/* More than a hypercall's budget, as a multicall has it left; each slot is named twice. */
static void test_batches(void) {
	static struct dma_map m[DMA_BATCH];
	static u32 slots[DMA_BATCH];
	u32 i;

	start();
	grant(8, 3, GTF_permit_access);
	CHECK(machine_invoke(root, DOMAIN_CAP, SLOT(1), SPACE, 6, RIGHT_DMA_MAP, 0) == 0);
	for (i = 0; i < DMA_BATCH; i++) {
		m[i] = (struct dma_map){.slot = i / 2, .domid = 2, .what = 8};
		slots[i] = i / 2;
	}
	driver->vcpus[0]->in_multicall = 1;
	host_cpu->budget = 100 * 16;
	host_cpu->current = driver->vcpus[0];
	CHECK(do_capability_op(DMA_MAP, 6, (u64)m, DMA_BATCH, 0, 0) == -ERESTART);
	CHECK(machine_args[2] == (u64)&m[100] && machine_args[3] == (50UL << 32 | 412));
	host_cpu->budget = 8192;
	CHECK(do_capability_op(DMA_MAP, 6, machine_args[2], machine_args[3], 0, 0) == 256);
	CHECK(space->mapped == 256);
	host_cpu->budget = 100 * 16;
	CHECK(do_capability_op(DMA_UNMAP, 6, (u64)slots, DMA_BATCH, 0, 0) == -ERESTART);
	CHECK(space->mapped == 206 && machine_args[3] == 412);
	host_cpu->budget = 100;
	CHECK(do_capability_op(DMA_EMPTY, 6, 0, 0, 0, 0) == -EPERM);
	CHECK(machine_invoke(root, DMA_EMPTY, SPACE, 0, 0, 0, 0) == 0 && !space->mapped);
	CHECK(state(owner, 3) == IDLE);
}

int main(void) {
	static const struct guest_test tests[] = {
		TEST(test_grants),         TEST(test_own),        TEST(test_refusals),
		TEST(test_create),         TEST(test_maker_dies), TEST(test_granter_dies),
		TEST(test_translation),    TEST(test_units),      TEST(test_faults),
		TEST(test_revoke_reclaim), TEST(test_batches),
	};

	return guests_run(tests, ARRAY_SIZE(tests));
}
