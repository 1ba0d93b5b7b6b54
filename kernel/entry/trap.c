/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Exceptions and interrupts, sorted: a guest's own affair goes to the guest, an
 * instruction that only the core can execute is emulated, an interrupt goes to
 * whoever handles it, and a fault of the core is either one that a table expects
 * or the end.
 */
#include "entry/trap.h"
#include "cpu/asm.h"
#include "cpu/time.h"
#include "domain/state.h"
#include "event/channel.h"
#include "iommu/vtd.h"
#include "lib/printf.h"
#include "mem/guest_copy.h"
#include "mem/tlb.h"
#include "sched/plan.h"

/* Interrupts happen while a guest runs or this CPU idles, never inside an operation of the core. */
static void interrupt(unsigned vector) {
	struct cpu *cpu = this_cpu();

	atomic_store(&cpu->interrupts, cpu->interrupts + 1);
	trace(TRACE_IRQ, vector, 0);
	switch (vector) {
	case VECTOR_TIMER:
		lapic_eoi();
		timer_interrupt();
		break;
	case VECTOR_KICK:
		lapic_eoi();
		if (unlikely(panicking)) cpu_stop();
		cpu_need_switch(cpu);
		break;
	case VECTOR_DMA_FAULT:
		vtd_fault_interrupt();
		lapic_eoi();
		break;
	case VECTOR_SPURIOUS: break;
	default:
		irq_deliver(vector - VECTOR_IRQ_FIRST);
		lapic_eoi();
		break;
	}
}

/*
 * A fault on the windows through which the CPU sees the guest's LDT: the page is
 * mapped on first use; if the guest has none there, the fault is the guest's at
 * the address where it would be.
 */
static void descriptor_window_fault(struct vcpu *v, u64 offset) {
	if (offset >= CPU_AREA_LDT && ldt_fault(v, offset - CPU_AREA_LDT)) return;
	if (offset >= CPU_AREA_LDT && v->ldt_entries)
		bounce_page_fault(v, v->ldt_base + (offset - CPU_AREA_LDT), 0);
	else
		bounce_exception(v, VECTOR_GP, 0);
}

/* The rare ones. True: it was the core's affair and is dealt with. */
static bool page_fault_special(struct vcpu *v, u64 address, u32 error) {
	/* Not the guest's own access: the CPU looked into a descriptor table for it. */
	if (!(error & PF_USER)) {
		descriptor_window_fault(v, address & (CPU_AREA_SIZE - 1));
		return true;
	}
	if (error & PF_RESERVED)
		printf("%s (d%u): reserved bit set in the page tables at %lx\n", v->domain->name,
		       v->domain->id, address);
	/* A write to a read-only page by the guest kernel: perhaps to its page table. */
	return (error & (PF_PRESENT | PF_WRITE | PF_FETCH)) == (PF_PRESENT | PF_WRITE) &&
	       v->kernel_mode && emulate_pte_write(v, address);
}

static inline void page_fault(struct vcpu *v) {
	u64 address = read_cr2();
	u32 error = v->regs.error_code;

	/* A page that is not there, or that user code may not touch, is the guest's alone. */
	if ((error & (PF_USER | PF_RESERVED)) != PF_USER ||
	    (v->kernel_mode && (error & PF_PRESENT)))
		if (page_fault_special(v, address, error)) return;
	bounce_page_fault(v, address, error);
}

/*
 * INT n: every gate but the breakpoint's is closed to ring 3, so it comes as #GP
 * with the gate's number; the instruction itself says which vector is meant, on
 * hardware and on emulators that get the error code wrong.
 */
static bool software_interrupt(struct vcpu *v) {
	struct regs *r = &v->regs;
	u8 code[2];

	if ((r->error_code & 3) != 2 || copy_from_guest(code, r->rip, sizeof(code)) ||
	    code[0] != 0xcd)
		return false;
	const struct trap_info *t = &v->traps[code[1]];
	if (!t->address || (t->flags & TI_DPL_MASK) < (v->kernel_mode ? 1 : 3)) return false;
	r->rip += sizeof(code);
	bounce_exception(v, code[1], 0);
	return true;
}

static void general_protection(struct vcpu *v) {
	u32 error = v->regs.error_code;

	if (error ? software_interrupt(v) : emulate_privileged(v)) return;
	bounce_exception(v, VECTOR_GP, error);
}

static void device_not_available(struct vcpu *v) {
	if (is_native(v->domain)) {
		domain_crash(v, 0x100 + DOMAIN_CRASH_FPU, "a native domain used the FPU");
		return;
	}
	fpu_set_ts(v, false);
	bounce_exception(v, VECTOR_NM, 0);
}

void trap_from_guest(struct vcpu *v) {
	unsigned vector = v->regs.vector;

	if (likely(vector == VECTOR_PF)) {
		page_fault(v);
		return;
	}
	if (vector >= 32) {
		interrupt(vector);
		return;
	}
	switch (vector) {
	case VECTOR_GP: general_protection(v); break;
	case VECTOR_UD:
		if (!emulate_invalid_opcode(v)) bounce_exception(v, VECTOR_UD, 0);
		break;
	case VECTOR_NM: device_not_available(v); break;
	default: bounce_exception(v, vector, v->regs.error_code); break;
	}
}

struct fixup {
	s32 at, to; /* relative to themselves */
};
extern const struct fixup ex_table_start[], ex_table_end[];

static bool fix_up(struct regs *r) {
	for (const struct fixup *f = ex_table_start; f < ex_table_end; f++) {
		if ((u64)&f->at + (u64)(s64)f->at == r->rip) {
			r->rip = (u64)&f->to + (u64)(s64)f->to;
			return true;
		}
	}
	return false;
}

/*
 * IRET to a guest faulted: what it was to return to cannot be. The exception is
 * the guest's, at that very place.
 */
static void iret_fault(struct regs *r) {
	struct vcpu *v = current_vcpu();
	const u64 *frame = (const u64 *)r->rsp;
	struct regs *g = &v->regs;

	*g = *r;
	g->rip = frame[0];
	g->cs = frame[1];
	g->rflags = frame[2];
	g->rsp = frame[3];
	g->ss = frame[4];
	bounce_exception(v, r->vector, r->error_code);
}

bool trap_from_core(struct regs *r) {
	if (r->vector >= 32) {
		interrupt(r->vector);
		return false;
	}
	if (r->rip == (u64)iret_guest || r->rip == (u64)iret_guest_full) {
		iret_fault(r);
		return true;
	}
	/* The LDT window, touched by a segment load of the core for a guest. */
	if (r->vector == VECTOR_PF) {
		u64 offset =
			read_cr2() - ((u64)this_cpu() & ~(u64)(CPU_AREA_SIZE - 1)) - CPU_AREA_LDT;

		if (offset < 16 * PAGE_SIZE && ldt_fault(current_vcpu(), offset)) return false;
	}
	if ((r->vector == VECTOR_PF || r->vector == VECTOR_GP || r->vector == VECTOR_NP ||
	     r->vector == VECTOR_SS) &&
	    fix_up(r))
		return false;
	core_exception(r);
}

bool trap_on_ist(struct regs *r) {
	struct vcpu *v = current_vcpu();
	u64 dr6;

	switch (r->vector) {
	case VECTOR_NMI: return false;
	case VECTOR_DB:
		dr6 = read_dr6();
		write_dr6(0xffff0ff0);
		if (!(r->cs & 3)) {
			/* A breakpoint or single step that slipped into the core by MOV SS or
			 * SYSENTER. */
			r->rflags &= ~RFLAGS_TF;
			return false;
		}
		v->regs = *r;
		v->dr6 = (v->dr6 & ~0xfUL) | (dr6 & 0xe00fUL) | 0xffff0ff0UL;
		bounce_exception(v, VECTOR_DB, 0);
		return true;
	default: core_exception(r);
	}
}

static void do_work(struct cpu *cpu, struct vcpu *v, u32 work) {
	if (work & (WORK_SWITCH | WORK_PAUSE)) {
		plan_dispatch(cpu);
		return;
	}
	if (work & WORK_TLB) {
		atomic_and(&v->work, ~WORK_TLB);
		tlb_flush_local();
	}
	if ((work & WORK_AREAS) && v->kernel_mode) {
		atomic_and(&v->work, ~WORK_AREAS);
		runstate_publish(v);
	}
}

/* The areas of a guest in user mode wait until its kernel's page table is loaded. */
static inline u32 work_now(const struct vcpu *v) {
	u32 work = atomic_load_relaxed(&v->work);

	return v->kernel_mode ? work : work & ~WORK_AREAS;
}

/*
 * The last thing before a guest runs: everything that was put off, until nothing
 * is left. Interrupts are off from the last look to the IRET.
 */
struct vcpu *exit_work(void) {
	struct cpu *cpu = this_cpu();

	for (;;) {
		struct vcpu *v = cpu->current;
		u32 work = work_now(v);

		if (unlikely(work)) {
			do_work(cpu, v, work);
			continue;
		}
		if (unlikely(!upcall_due(v))) return v;
		/* Masked by the upcall itself: only an end of the domain is left to look for. */
		bounce_event(v);
		if (likely(!work_now(v))) return v;
	}
}
