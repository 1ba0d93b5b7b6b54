/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The Trace object: one buffer for each CPU, written by that CPU alone, with
 * interrupts off, so that a record needs no lock. What the core needs to know of a
 * buffer it keeps here. A buffer stays where it is for as long as the
 * system runs: nobody has to find out whether a CPU is just writing into it.
 */
#include "trace/trace.h"
#include "cap/invoke.h"
#include "cpu/time.h"
#include "grant/pin.h"

struct buffer {
	struct trace_header *header; /* through the direct map; NULL: there is none */
	u64 written;
	u32 next, records;
};

static struct buffer buffers[MAX_CPUS];
u32 trace_points;
static u32 unseen; /* two domids, 0: nobody's */

void trace_record(u32 point, u64 a, u64 b) {
	const struct vcpu *v = this_cpu()->current;
	struct buffer *to = &buffers[this_cpu()->id];
	u16 domid = v->domain ? v->domain->id : DOMID_INVALID;

	if (!to->header || (domid && (domid == (u16)unseen || domid == unseen >> 16))) return;
	((struct trace_record *)(to->header + 1))[to->next] =
		(struct trace_record){.time = time_now(),
				      .point = (u16)point,
				      .cpu = (u16)this_cpu()->id,
				      .domain = domid,
				      .vcpu = (u16)v->id,
				      .a = a,
				      .b = b};
	if (++to->next == to->records) to->next = 0;
	atomic_store(&to->header->written, ++to->written);
}

long trace_op_buffer(struct invocation *in) {
	u64 cpu = in->arg[0], mfn = in->arg[1], frames = in->arg[2], held;

	if (cpu >= cpu_count || frames < 2 || frames > TRACE_FRAMES_MAX) return -EINVAL;
	if (buffers[cpu].header) return -EBUSY;
	for (held = 0; held < frames; held++) {
		if (!grant_hold(in->caller, mfn + held, false)) continue;
		while (held--) grant_drop(mfn + held, false);
		return -EINVAL;
	}
	struct trace_header *header = mfn_to_virt(mfn);
	buffers[cpu].records = (u32)(frames - 1) * (PAGE_SIZE / sizeof(struct trace_record));
	*header = (struct trace_header){TRACE_MAGIC, (u32)cpu, buffers[cpu].records, 0, {0}};
	atomic_store(&buffers[cpu].header, header);
	return 0;
}

long trace_op_points(struct invocation *in) {
	if (in->arg[0] & ~(u64)TRACE_ALL) return -EINVAL;
	atomic_store(&unseen, (u32)in->arg[1]);
	atomic_store(&trace_points, (u32)in->arg[0]);
	hypercall_set_traced(trace_points & (1U << TRACE_HYPERCALL | 1U << TRACE_HYPERCALL_END));
	return 0;
}
