/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Stand-ins for the parts of the core that touch hardware or that a test of
 * capabilities, Memory and domains does not need: they count that they were
 * called (machine.h: fake), and do the least that keeps their contract.
 */
#include "machine.h"

#include <stdio.h>
#include <string.h>

#include "cap/invoke.h"
#include "cpu/cpu.h"
#include "cpu/time.h"
#include "entry/hypercall.h"
#include "event/channel.h"
#include "grant/grant.h"
#include "iommu/vtd.h"
#include "lib/log.h"
#include "mem/guest_copy.h"
#include "mem/tlb.h"
#include "sched/plan.h"

/* A test may link the real ones instead. */
#pragma weak copy_from_guest
#pragma weak timer_cancel
#pragma weak hypercall_restart
#pragma weak vcpu_block
#pragma weak vcpu_wake
#pragma weak plan_forget
#pragma weak plan_evict
#pragma weak cpu_relax
#pragma weak cpu_count
#pragma weak lapic_send
#pragma weak runstate_now
#pragma weak plan_op_commit
#pragma weak plan_op_guard
#pragma weak plan_op_read
#pragma weak channel_set_pending
#pragma weak virq_bound
#pragma weak virq_send
#pragma weak time_now
#pragma weak channel_offer
#pragma weak channel_connect
#pragma weak channel_reset
#pragma weak irq_bind
#pragma weak irq_acknowledge
#pragma weak irq_message
#pragma weak irq_release
#pragma weak grant_init
#pragma weak grant_set
#pragma weak grant_reset

struct fake_log fake;
u32 tlb_clock = 1;
u64 pte_forbidden = 0xfUL << 48 | PTE_PAT;
struct iommu iommu; /* none, until a test says otherwise */

/* --- cpu/, entry/, lib/ --- */

u64 fpu_area_size(void) { return 832; }

void fpu_forget(struct vcpu *v) { (void)v; }

void descriptors_ports_changed(struct domain *d) {
	(void)d;
	fake.ports_changed++;
}

u32 ioapic_isa_to_gsi(u32 isa, bool *level, bool *low) {
	*level = *low = false;
	return isa == 0 ? 2 : isa;
}

void timer_cancel(struct timer *timer) { timer->queued = false; }

u64 time_now(void) { return 1; }

void time_publish_wallclock(struct domain *d) { d->shared->wc_sec = 1; }

void hypercall_set_traced(bool traced) { fake.hypercalls_traced = traced; }

long hypercall_restart(void) {
	fake.restarts++;
	return -ERESTART;
}

int copy_from_guest(void *to, gva_t from, u64 size) {
	if (from < PAGE_SIZE || !guest_range_ok(from, size)) return -EFAULT;
	memcpy(to, (void *)from, size);
	return 0;
}

int copy_to_guest(gva_t to, const void *from, u64 size) {
	if (to < PAGE_SIZE || !guest_range_ok(to, size)) return -EFAULT;
	memcpy((void *)to, from, size);
	return 0;
}

void core_printf(const char *format, ...) {
	va_list args;

	va_start(args, format);
	vsnprintf(fake.text, sizeof(fake.text), format, args);
	va_end(args);
}

size_t core_vsnprintf(char *to, size_t size, const char *format, va_list args) {
	return (size_t)vsnprintf(to, size, format, args);
}

void string_copy(char *to, const char *from, size_t size) {
	size_t n = MIN(strlen(from), size - 1);

	memcpy(to, from, n);
	memset(to + n, 0, size - n);
}

size_t log_read(char *to, size_t size, u64 *position) {
	size = MIN(size, 3U);
	memcpy(to, "log", size);
	*position += size;
	return size;
}

bool log_set_reader(struct vcpu *v) {
	if (v && fake.log_reader) return false;
	fake.log_reader = v;
	fake.log_readers += v != NULL;
	return true;
}

void log_panic(void) {}

/* --- cpu/ --- */

u32 cpu_count = 1;

void lapic_send(u32 apic_id, u32 command) { (void)apic_id, (void)command; }

/* --- mem/tlb.c --- */

void cpu_relax(void) {}

void tlb_flush_domain(struct domain *d) {
	(void)d;
	tlb_clock++;
}

void tlb_flush_frames(struct domain *d) { tlb_flush_domain(d); }

void tlb_flush_since(struct domain *d, u32 stamp) {
	(void)stamp;
	tlb_flush_domain(d);
}

void tlb_flush_later(struct vcpu *v) { (void)v; }

/* --- iommu/vtd.c, remap.c --- */

void vtd_attach(u32 source, u32 id, paddr_t root) {
	fake.attached = root;
	fake.attached_source = source;
	fake.attached_id = id;
}

void vtd_flush(u32 id) {
	(void)id;
	fake.dma_flushes++;
}

void vtd_wrote(const void *p, size_t size) {
	(void)p;
	fake.dma_written += size;
}

void remap_message(u8 vector, u32 source, struct irq_message *message) {
	*message = (struct irq_message){.address = source, .data = vector};
}

/* --- domain/vcpu.c, sched/ --- */

void vcpu_init(struct vcpu *v, struct domain *d, u32 id) {
	v->domain = d;
	v->id = id;
	v->cpu = host_cpu;
	v->initialised = false;
	v->info = &d->shared->vcpu_info[id % XEN_LEGACY_MAX_VCPUS];
	v->blocked_on = BLOCK_DOWN | BLOCK_PAUSED;
}

/* The root table is validated and held; nothing else of a context matters here. */
int vcpu_set_context(struct vcpu *v, const struct vcpu_guest_context *context) {
	mfn_t root = context->ctrlreg[3] >> PAGE_SHIFT;
	int r;

	if (v->initialised) return -EEXIST;
	if (root) {
		if (!mfn_valid(root)) return -EINVAL;
		r = frame_get_type(mfn_to_frame(root), v->domain, TYPE_L4);
		if (r) return r;
		v->root = mfn_to_frame(root);
	}
	v->initialised = true;
	return 0;
}

int vcpu_clear_context(struct vcpu *v) {
	int r = v->root ? frame_put_type(v->root) : 0;

	if (r) return r;
	v->root = NULL;
	v->initialised = false;
	fake.contexts_cleared++;
	return 0;
}

void vcpu_block(struct vcpu *v, u32 reasons) { atomic_or(&v->blocked_on, reasons); }

void vcpu_wake(struct vcpu *v, u32 reasons) { atomic_and(&v->blocked_on, ~reasons); }

void plan_forget(struct vcpu *v) {
	(void)v;
	fake.forgotten++;
}

void plan_evict(struct vcpu *v) { v->held = 0; }

struct vcpu_runstate_info runstate_now(const struct vcpu *v) {
	return v->runstate;
}

long plan_op_commit(struct invocation *in) { return (long)in->cap->first; }

long plan_op_guard(struct invocation *in) { return (long)in->cap->first; }

long plan_op_read(struct invocation *in) { return (long)in->cap->first; }

/* --- event/, grant/ --- */

void channel_set_pending(struct domain *d, u32 port) {
	(void)d, (void)port;
	fake.notified++;
}

void virq_send(struct vcpu *v, u32 virq) {
	(void)v, (void)virq;
	fake.notified++;
}

bool virq_bound(struct domain *d, u32 port, u32 virq) {
	(void)d;
	return port == FAKE_WATCH_PORT && virq == VIRQ_DOM_EXC;
}

int channel_offer(struct domain *d, u32 port, u16 remote_domid) {
	(void)d, (void)port, (void)remote_domid;
	return 0;
}

int channel_connect(struct domain *a, u32 port_a, struct domain *b, u32 port_b) {
	(void)a, (void)port_a, (void)b, (void)port_b;
	return 0;
}

int channel_reset(struct domain *d) {
	(void)d;
	return fake.channel_resets++ % 2 ? 0 : -ERESTART;
}

int irq_bind(struct domain *d, u32 gsi, u32 port, u32 flags) {
	(void)d, (void)flags, (void)gsi;
	return port ? (int)port : 9;
}

int irq_acknowledge(struct domain *d, u32 gsi) {
	(void)d, (void)gsi;
	return 0;
}

int irq_message(u32 irq, u32 source, struct irq_message *message) {
	*message = (struct irq_message){.address = source, .data = irq};
	return 0;
}

void irq_release(struct domain *d, u32 first, u32 count) {
	(void)d;
	fake.irq_released++;
	fake.irq_first = first;
	fake.irq_count = count;
}

void grant_init(struct domain *d) { d->grant_frames = 1; }

int grant_set(struct domain *d, u32 ref, u16 domid, bool readonly, mfn_t mfn) {
	(void)domid, (void)readonly;
	d->grant_entries[ref] = mfn;
	return 0;
}

int grant_reset(struct domain *d) {
	(void)d;
	return fake.grant_resets++ % 2 ? 0 : -ERESTART;
}
