/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * See guests.h. Here are also the parts of the machine that only these tests
 * need: a clock that stands still, a CPU that does not switch, interrupt lines.
 */
#include "guests.h"

#include <stdio.h>
#include <string.h>

#include "cpu/cpu.h"
#include "cpu/time.h"
#include "mem/tlb.h"

u64 host_now, host_timer;
void (*host_wait)(void);
unsigned host_switches, host_flushes, host_restarts;
bool host_masked[32];
u32 ioapic_lines = 24;

static struct domain *guests[16];
static mfn_t first_frame[16];
static bool restarted;
static char plan_space[1 << 20] __attribute__((aligned(64)));

u64 time_now(void) { return host_now; }

void lapic_timer_arm(u64 ns) { host_timer = ns == ~0UL ? ns : host_now + ns; }

void lapic_send(u32 apic_id, u32 command) { (void)apic_id, (void)command; }

int ioapic_route(u32 gsi, u8 vector, bool level, bool low) {
	(void)vector, (void)level, (void)low;
	host_masked[gsi] = true;
	return 0;
}

void ioapic_mask(u32 gsi, bool masked) { host_masked[gsi] = masked; }

void plan_wait_interrupt(void) {
	CHECK(host_wait);
	host_wait();
}

void vcpu_unload(struct vcpu *v) { (void)v; }

void vcpu_init_nobody(struct vcpu *v, struct cpu *cpu) {
	static struct domain nowhere;

	v->cpu = cpu;
	v->domain = &nowhere;
	v->info = &v->stand_in;
	v->work = WORK_SWITCH;
}

void tlb_serve(struct cpu *cpu) { (void)cpu; }

void vcpu_switch(struct vcpu *from, struct vcpu *to) {
	(void)from;
	host_cpu->current = to;
	host_switches++;
}

long hypercall_restart(void) {
	restarted = true;
	return -ERESTART;
}

struct domain *guest(u16 domid) {
	return guests[domid];
}

mfn_t guest_mfn(const struct domain *d, u64 pfn) { return first_frame[d->id] + pfn; }

void *guest_page(const struct domain *d, u64 pfn) { return mfn_to_virt(guest_mfn(d, pfn)); }

/* Root splits the tail of its Memory off into `slot`. */
static void split(struct domain *root, u64 frames, u64 slot) {
	CHECK(machine_invoke(root, MEMORY_SPLIT, 2, root->caps[2].count - frames, slot, 0, 0) == 0);
}

static void make_guest(struct domain *root, u16 domid) {
	struct domain_create create = {
		.domid = domid,
		.vcpus = 3,
		.grant_frames = 2,
		.event_ports = GUEST_PORTS,
		.cap_slots = 16,
		.map_handles = 100,
		.maximum_pages = 100,
		.name = "guest",
	};
	u64 slot = SLOT(domid);
	struct domain *d;
	u32 i;

	split(root, 64, slot + 1);
	CHECK(machine_invoke(root, MEMORY_CREATE_DOMAIN, slot + 1, slot, (u64)&create, 0, 0) == 0);
	d = guests[domid] = root->caps[slot].domain;
	split(root, GUEST_PAGES, slot + 2);
	first_frame[domid] = root->caps[slot + 2].first;
	CHECK(machine_invoke(root, MEMORY_GIVE, slot + 2, slot, 0, 0, 0) == 0);
	split(root, GUEST_SPARE, slot + 3);
	CHECK(machine_invoke(root, MEMORY_GIVE, slot + 3, slot, MEMORY_SPARE, 0, 0) == 0);
	d->state = DOMAIN_STATE_RUNNING;
	for (i = 0; i < d->max_vcpus; i++) {
		d->vcpus[i]->initialised = true;
		d->vcpus[i]->plan_index = PLAN_NOT_IN;
		d->vcpus[i]->runstate = (struct vcpu_runstate_info){.state = RUNSTATE_offline,
								    .state_entry_time = host_now};
		vcpu_wake(d->vcpus[i], BLOCK_DOWN | BLOCK_PAUSED);
	}
	d->vcpus_up = d->max_vcpus;
}

struct domain *guests_start(unsigned count) {
	struct domain *root;
	unsigned i;

	host_now = 1000;
	host_timer = ~0UL;
	host_wait = NULL;
	host_switches = host_flushes = 0;
	machine_init(2000);
	CHECK(plan_memory() <= sizeof(plan_space));
	memset(plan_space, 0, sizeof(plan_space));
	host_cpu->timer_armed = host_cpu->slice_end = ~0UL;
	plan_init(host_cpu, plan_space);
	root = machine_root(200);
	root->vcpus[0]->plan_index = PLAN_NOT_IN;
	plan_start_with(host_cpu, root->vcpus[0]);
	vcpu_wake(root->vcpus[0], BLOCK_DOWN | BLOCK_PAUSED);
	guests[0] = root;
	for (i = 1; i <= count; i++) make_guest(root, (u16)i);
	return root;
}

void guests_introduce(const struct domain *who, const struct domain *whom, u32 rights) {
	CHECK(machine_invoke(guests[0], DOMAIN_CAP, SLOT(who->id), SLOT(whom->id), whom->id, rights,
			     0) == 0);
}

long run_as(struct domain *d, u32 vcpu, long (*call)(u64, u64, u64), u64 a1, u64 a2, u64 a3) {
	u64 *args = machine_args;
	long result;

	host_cpu->current = d->vcpus[vcpu];
	memcpy(args, (u64[]){a1, a2, a3}, 3 * sizeof(u64));
	for (host_restarts = 0;; host_restarts++) {
		restarted = false;
		result = call(args[0], args[1], args[2]);
		if (!restarted) return result;
		CHECK(host_restarts < 1000000);
	}
}

static long event_call(u64 command, u64 argument, u64 unused) {
	(void)unused;
	return do_event_channel_op(command, argument);
}

long event_op(struct domain *d, u64 command, void *argument) {
	return run_as(d, 0, event_call, command, (u64)argument, 0);
}

long grant_op(struct domain *d, u64 command, void *array, u64 count) {
	return run_as(d, 0, do_grant_table_op, command, (u64)array, count);
}

int guests_run(const struct guest_test *tests, unsigned count) {
	unsigned i;

	printf("1..%u\n", count);
	for (i = 0; i < count; i++) {
		tests[i].run();
		printf("ok %u - %s\n", i + 1, tests[i].name);
	}
	return 0;
}
