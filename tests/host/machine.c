/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The machine of the host tests; see machine.h.
 */
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS */
#include "machine.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "entry/hypercall.h"
#include "iommu/vtd.h"
#include "mem/validate.h"

static struct cpu cpu0;
struct cpu *host_cpu = &cpu0;
u64 *m2p;
unsigned machine_restarts;
u64 machine_args[6];
static u64 root_table[PTES_PER_TABLE];
static u64 mapped_frames;

void machine_fail(const char *file, int line, const char *what) {
	fprintf(stderr, "%s:%d: %s\n", file, line, what);
	abort();
}

void panic(const char *format, ...) {
	va_list args;

	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, " (panic)\n");
	abort();
}

void machine_init(u64 frames) {
	if (frames > mapped_frames) {
		void *at = (void *)DIRECT_BASE;

		CHECK(mmap(at, frames * PAGE_SIZE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) == at);
		frame_table = realloc(frame_table, frames * sizeof(*frame_table));
		m2p = realloc(m2p, frames * sizeof(*m2p));
		mapped_frames = frames;
	}
	memset(frame_table, 0, frames * sizeof(*frame_table));
	memset(m2p, 0xff, frames * sizeof(*m2p));
	frame_count = frames;
	core_root = root_table;
	memset(&cpu0, 0, sizeof(cpu0));
	memset(&fake, 0, sizeof(fake));
	memset(&iommu, 0, sizeof(iommu));
	tree_lock.held = 0;
	core_forget();
}

struct domain *machine_root(u32 cap_slots) {
	struct domain_create create = {
		.vcpus = 1,
		.grant_frames = 1,
		.event_ports = 64,
		.cap_slots = cap_slots,
		.map_handles = 16,
		.maximum_pages = ~0U,
		.name = "root",
	};
	u64 frames = domain_object_frames(&create);
	struct domain *d;

	CHECK(frames && frames + 1 < frame_count);
	memset(mfn_to_virt(1), 0, frames * PAGE_SIZE);
	frame_table[0].state = FRAME_CORE;
	d = domain_create(1, &create);
	d->state = DOMAIN_STATE_RUNNING;
	cpu0.current = d->vcpus[0];
	CHECK(cap_boot(d, 1, CAP_DOMAIN, 0, 1, 0));
	CHECK(cap_boot(d, 2, CAP_MEMORY, 1 + frames, frame_count - 1 - frames, 0));
	return d;
}

void hypercall_set_arg(unsigned n, u64 value) {
	CHECK(n >= 1 && n <= 6);
	machine_args[n - 1] = value;
}

long machine_invoke(struct domain *caller, u64 operation, u64 slot, u64 a1, u64 a2, u64 a3,
		    u64 a4) {
	u64 *a = machine_args;
	long r;

	cpu0.current = caller->vcpus[0];
	machine_restarts = 0;
	memcpy(a, (u64[]){operation, slot, a1, a2, a3, a4}, sizeof(machine_args));
	while ((r = do_capability_op(a[0], a[1], a[2], a[3], a[4], a[5])) == -ERESTART)
		CHECK(++machine_restarts < 1000000);
	CHECK(!tree_lock.held);
	return r;
}
