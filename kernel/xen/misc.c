/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hypercalls with little to them: vm_assist and physdev_op.
 */
#include "entry/hypercall.h"
#include "mem/guest_copy.h"
#include "proto/xen/physdev.h"

#define MAX_PORTS  65536U
#define IOPL_SHIFT 12

/* Types that a 64-bit PV guest may switch; m2p_strict has no effect, as the machine-to-physical
 * table is never mapped for guest user mode. */
#define VM_ASSIST_KEPT                                                                     \
	(1UL << VMASST_TYPE_4gb_segments | 1UL << VMASST_TYPE_4gb_segments_notify |        \
	 1UL << VMASST_TYPE_writable_pagetables | 1UL << VMASST_TYPE_pae_extended_cr3 |    \
	 1UL << VMASST_TYPE_architectural_iopl | 1UL << VMASST_TYPE_runstate_update_flag | \
	 1UL << VMASST_TYPE_m2p_strict)

/* With this assist the guest sees its IOPL in the flags of its frames. */
static void iopl_changed(struct vcpu *v) {
	bool shown = v->domain->vm_assist >> VMASST_TYPE_architectural_iopl & 1;

	v->iopl_flags = shown ? (u64)v->iopl << IOPL_SHIFT : 0;
}

long do_vm_assist(u64 command, u64 type) {
	struct domain *d = current_vcpu()->domain;

	if (type >= 64 || !(VM_ASSIST_KEPT >> type & 1)) return -EINVAL;
	if (command != VMASST_CMD_enable && command != VMASST_CMD_disable) return -ENOSYS;
	if (command == VMASST_CMD_enable)
		atomic_or(&d->vm_assist, 1UL << type);
	else
		atomic_and(&d->vm_assist, ~(1UL << type));
	for (u32 i = 0; i < d->max_vcpus; i++) iopl_changed(d->vcpus[i]);
	return 0;
}

static long set_iopl(struct vcpu *v, u64 argument) {
	struct physdev_set_iopl op;

	if (copy_from_guest(&op, argument, sizeof(op))) return -EFAULT;
	if (op.iopl > 3) return -EINVAL;
	v->iopl = (u8)op.iopl;
	iopl_changed(v);
	return 0;
}

/* Read at each access to a port, so only its place is remembered. */
static long set_iobitmap(struct vcpu *v, u64 argument) {
	struct physdev_set_iobitmap op;

	if (copy_from_guest(&op, argument, sizeof(op))) return -EFAULT;
	if (op.nr_ports > MAX_PORTS || !guest_range_ok(op.bitmap, DIV_UP(op.nr_ports, 8)))
		return -EINVAL;
	v->iobitmap = op.bitmap;
	v->iobitmap_ports = op.nr_ports;
	return 0;
}

long do_physdev_op(u64 command, u64 argument) {
	struct vcpu *v = current_vcpu();

	switch (command) {
	case PHYSDEVOP_set_iopl: return set_iopl(v, argument);
	case PHYSDEVOP_set_iobitmap: return set_iobitmap(v, argument);
	case PHYSDEVOP_apic_read:
	case PHYSDEVOP_apic_write:
	case PHYSDEVOP_alloc_irq_vector:
	case PHYSDEVOP_map_pirq:
	case PHYSDEVOP_unmap_pirq: return -EPERM; /* interrupt lines are had by capability */
	case PHYSDEVOP_eoi:
	case PHYSDEVOP_irq_status_query: return -EINVAL; /* there is no such line */
	default: return -ENOSYS;
	}
}
