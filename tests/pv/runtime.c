/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Start and end of a test kernel, its traps, events and user mode.
 *
 * User mode works like a vCPU of one's own: pv_user_run() leaves with a set of
 * registers and comes back with those of whatever ended it, a system call or an
 * exception. Entries from user mode arrive on a stack of their own, so that the
 * kernel's stack stays as pv_user_enter() left it.
 */
#include "pv.h"

struct start_info *pv_start;
struct shared_info *pv_shared;
struct vcpu_info *pv_vcpu;
struct pv_frame pv_fault;
uint64_t pv_fault_cr2;
pv_hook pv_trap_hook;
uint64_t pv_catch_rsp, pv_user_rsp; /* used in start.S */
uint64_t pv_user_l4_mfn, pv_kernel_l4_mfn;

static struct pv_frame *user_frame;
static pv_handler handlers[64];
static uint8_t shared_page[PV_PAGE] __attribute__((section(".bss.page"), aligned(4096)));

extern uint8_t pv_recover[];
void pv_init(void);
void pv_trap(struct pv_frame *frame);
void pv_user_enter(struct pv_frame *frame);
__attribute__((noreturn)) void pv_user_leave(void);

/* --- Start and end --- */

bool pv_is_dom0(void) { return pv_start->flags & SIF_INITDOMAIN; }

bool pv_is_tessera(void) { return hypercall(63, 0, 0, 0, 0) != -XEN_ENOSYS; }

const char *pv_option_value(const char *name) {
	const char *p = pv_start->cmd_line;
	size_t length = strlen(name);

	while (*p) {
		while (*p == ' ') p++;
		if (memcmp(p, name, length) == 0 && p[length] == '=') return p + length + 1;
		while (*p && *p != ' ') p++;
	}
	return NULL;
}

uint64_t pv_option_number(const char *name, uint64_t otherwise) {
	const char *p = pv_option_value(name);
	uint64_t value = 0;

	if (!p) return otherwise;
	for (; *p >= '0' && *p <= '9'; p++) value = value * 10 + (uint64_t)(*p - '0');
	return value;
}

bool pv_option(const char *word) {
	const char *p = pv_start->cmd_line;
	size_t length = strlen(word);

	while (*p) {
		while (*p == ' ') p++;
		if (memcmp(p, word, length) == 0 && (p[length] == ' ' || p[length] == 0))
			return true;
		while (*p && *p != ' ') p++;
	}
	return false;
}

/* Xen's dom0 reboots instead: a power-off would leave the emulator running. */
void pv_exit(uint32_t reason) {
	struct sched_shutdown shutdown = {.reason = pv_is_dom0() ? SHUTDOWN_reboot : reason};

	pv_console_flush();
	sched_op(SCHEDOP_shutdown, &shutdown);
	for (;;) sched_op(SCHEDOP_yield, NULL);
}

static int64_t register_callback(uint16_t type, const void *entry) {
	struct callback_register call = {
		.type = type, .flags = CALLBACKF_mask_events, .address = va(entry)};

	return callback_op(CALLBACKOP_register, &call);
}

/* Stubs for all exceptions, INT 0x80 and the callbacks. */
void pv_trap_defaults(void) {
	struct trap_info table[34];
	unsigned n = 0;

	memset(table, 0, sizeof table);
	for (unsigned vector = 0; vector < 32; vector++) {
		/* 3 and 4 are for everybody; event delivery stays off in all handlers. */
		table[n++] = (struct trap_info){.vector = (uint8_t)vector,
						.flags = TI_MASK_EVENT |
							 (vector == 3 || vector == 4 ? 3 : 0),
						.cs = FLAT_KERNEL_CS,
						.address = va(pv_vectors + 16 * (size_t)vector)};
	}
	table[n] = (struct trap_info){.vector = 0x80,
				      .flags = TI_MASK_EVENT | 3,
				      .cs = FLAT_KERNEL_CS,
				      .address = va(pv_vector_int80)};
	PV_MUST(set_trap_table(table) == 0);
	PV_MUST(register_callback(CALLBACKTYPE_event, pv_entry_event) == 0);
	PV_MUST(register_callback(CALLBACKTYPE_failsafe, pv_entry_failsafe) == 0);
	PV_MUST(register_callback(CALLBACKTYPE_syscall, pv_entry_syscall) == 0);
	register_callback(CALLBACKTYPE_syscall32, pv_entry_syscall32);
	PV_MUST(stack_switch(FLAT_KERNEL_SS, va(pv_entry_stack_end)) == 0);
}

void pv_init(void) {
	pv_kernel_l4_mfn = pv_mfn((void *)pv_start->pt_base);
	update_va_mapping(va(shared_page), pv_start->shared_info | PV_RW, UVMF_INVLPG);
	pv_shared = (struct shared_info *)shared_page;
	pv_vcpu = &pv_shared->vcpu_info[0];
	memset(pv_shared->evtchn_mask, 0xff, sizeof pv_shared->evtchn_mask);
	pv_trap_defaults();
	pv_exit((uint32_t)pv_main());
}

/* --- Traps --- */

static void dispatch_events(void) {
	struct vcpu_info *vcpu = pv_vcpu;

	__atomic_store_n(&vcpu->evtchn_upcall_pending, 0, __ATOMIC_SEQ_CST);
	uint64_t words = __atomic_exchange_n(&vcpu->evtchn_pending_sel, 0, __ATOMIC_SEQ_CST);

	for (; words; words &= words - 1) {
		unsigned word = (unsigned)__builtin_ctzll(words);
		uint64_t bits = pv_shared->evtchn_pending[word] & ~pv_shared->evtchn_mask[word];

		for (; bits; bits &= bits - 1) {
			uint32_t port = word * 64 + (unsigned)__builtin_ctzll(bits);

			pv_event_clear(port);
			if (port < 64 && handlers[port]) handlers[port](port);
		}
	}
}

static void unexpected(struct pv_frame *f) {
	pv_panic("vector %lu error %lx rip %lx cs %lx rsp %lx rflags %lx cr2 %lx", f->vector,
		 f->error, f->rip, f->cs, f->rsp, f->rflags, pv_vcpu->arch.cr2);
}

void pv_trap(struct pv_frame *frame) {
	uint64_t cr2 = pv_vcpu->arch.cr2;

	if (pv_trap_hook && pv_trap_hook(frame)) return;
	if (frame->vector == PV_FAILSAFE) {
		/* A selector could not be loaded and is null now: as good as any to go on with. */
	} else if (frame->vector == PV_EVENT) {
		dispatch_events();
	} else if ((frame->cs & 3) == 3 && user_frame) {
		*user_frame = *frame;
		user_frame = NULL;
		pv_fault_cr2 = cr2;
		/* As the frame's interrupt flag says, for there is no iret on this way. */
		pv_vcpu->evtchn_upcall_mask = !(frame->rflags & 0x200);
		pv_user_leave();
	} else if ((frame->cs & 3) == 0 && pv_catch_rsp) {
		pv_fault = *frame;
		pv_fault_cr2 = cr2;
		frame->rip = va(pv_recover);
		frame->rsp = pv_catch_rsp;
		frame->cs = FLAT_KERNEL_CS & ~3U;
		frame->ss = FLAT_KERNEL_SS;
		frame->rflags = (frame->rflags & 0x200) | 2;
	} else {
		unexpected(frame);
	}
}

/* --- Events --- */

void pv_event_handler(uint32_t port, pv_handler handler) {
	PV_MUST(port < 64);
	handlers[port] = handler;
	pv_event_mask(port, true);
	pv_event_clear(port); /* what came while it was masked would block what follows */
	pv_event_mask(port, handler == NULL);
}

void pv_events_off(void) { *(volatile uint8_t *)&pv_vcpu->evtchn_upcall_mask = 1; }

void pv_events_on(void) {
	struct vcpu_info *vcpu = pv_vcpu;

	__atomic_store_n(&vcpu->evtchn_upcall_mask, 0, __ATOMIC_SEQ_CST);
	if (*(volatile uint8_t *)&vcpu->evtchn_upcall_pending) xen_version(XENVER_version, NULL);
}

bool pv_event_pending(uint32_t port) {
	return *(volatile uint64_t *)&pv_shared->evtchn_pending[port / 64] >> (port % 64) & 1;
}

void pv_event_clear(uint32_t port) {
	__atomic_and_fetch(&pv_shared->evtchn_pending[port / 64], ~(1ULL << port % 64),
			   __ATOMIC_SEQ_CST);
}

void pv_event_mask(uint32_t port, bool masked) {
	uint64_t *word = &pv_shared->evtchn_mask[port / 64];

	if (masked)
		__atomic_or_fetch(word, 1ULL << port % 64, __ATOMIC_SEQ_CST);
	else
		__atomic_and_fetch(word, ~(1ULL << port % 64), __ATOMIC_SEQ_CST);
}

static uint64_t bound; /* ports below 64 that the next two functions opened */

void pv_vcpu_start(uint64_t vcpu, void (*function)(uint64_t), uint8_t *stack, uint64_t root_mfn) {
	static struct vcpu_guest_context context;

	memset(&context, 0, sizeof(context));
	context.flags = VGCF_in_kernel;
	context.user_regs.rip = (uint64_t)function;
	context.user_regs.rdi = vcpu;
	context.user_regs.rsp = va(stack) + PV_PAGE - 8;
	context.user_regs.rflags = 0x202;
	context.user_regs.cs = FLAT_KERNEL_CS;
	context.user_regs.ss = context.kernel_ss = FLAT_KERNEL_SS;
	context.kernel_sp = context.user_regs.rsp;
	context.ctrlreg[3] = root_mfn * PV_PAGE;
	PV_MUST(!vcpu_op(VCPUOP_initialise, vcpu, &context) && !vcpu_op(VCPUOP_up, vcpu, NULL));
}

uint32_t pv_bind_ipi(void) {
	struct evtchn_bind_ipi bind = {.vcpu = 0};

	PV_MUST(event_channel_op(EVTCHNOP_bind_ipi, &bind) == 0);
	PV_MUST(bind.port < 64);
	bound |= 1ULL << bind.port;
	return bind.port;
}

uint32_t pv_bind_virq(uint32_t virq) {
	struct evtchn_bind_virq bind = {.virq = virq, .vcpu = 0};

	PV_MUST(event_channel_op(EVTCHNOP_bind_virq, &bind) == 0);
	PV_MUST(bind.port < 64);
	bound |= 1ULL << bind.port;
	return bind.port;
}

void pv_close_ports(void) {
	for (; bound; bound &= bound - 1) {
		struct evtchn_close close = {.port = (uint32_t)__builtin_ctzll(bound)};

		event_channel_op(EVTCHNOP_close, &close);
	}
}

/* Nobody tells a domain its number, but the status of a port offered to itself does. */
uint16_t pv_domid(void) {
	struct evtchn_alloc_unbound alloc = {.dom = DOMID_SELF, .remote_dom = DOMID_SELF};
	struct evtchn_status status = {.dom = DOMID_SELF};
	struct evtchn_close close;

	PV_MUST(event_channel_op(EVTCHNOP_alloc_unbound, &alloc) == 0);
	close.port = status.port = alloc.port;
	PV_MUST(event_channel_op(EVTCHNOP_status, &status) == 0);
	PV_MUST(event_channel_op(EVTCHNOP_close, &close) == 0);
	return status.u.unbound.dom;
}

/* --- User mode --- */

void pv_user_init(void) {
	uint64_t *kernel_l4 = (uint64_t *)pv_start->pt_base;
	uint64_t *user_l4 = pv_page();

	pv_map(kernel_l4, PV_USER_TEXT, pv_mfn(pv_user_text) * PV_PAGE | PV_USER_RO);
	pv_map(kernel_l4, PV_USER_DATA, pv_mfn(pv_page()) * PV_PAGE | PV_USER_RW);
	user_l4[0] = *pv_entry(PV_USER_TEXT, 4);
	PV_MUST(pv_protect(user_l4, PV_RO) == 0);
	pv_user_l4_mfn = pv_mfn(user_l4);
	PV_MUST(mmuext(MMUEXT_PIN_L4_TABLE, pv_user_l4_mfn, 0) == 0);
	PV_MUST(mmuext(MMUEXT_NEW_USER_BASEPTR, pv_user_l4_mfn, 0) == 0);
}

static void user_run(struct pv_frame *frame, const void *code, uint64_t cs) {
	frame->rip = PV_USER_TEXT + va(code) - va(pv_user_text);
	frame->cs = cs;
	frame->ss = FLAT_USER_SS | 3;
	if (frame->rsp == 0) frame->rsp = PV_USER_DATA + PV_PAGE;
	frame->rflags |= 0x202;
	user_frame = frame;
	pv_user_enter(frame);
}

void pv_user_run(struct pv_frame *frame, const void *code) {
	user_run(frame, code, FLAT_USER_CS | 3);
}

void pv_user_run32(struct pv_frame *frame, const void *code) {
	user_run(frame, code, FLAT_RING3_CS32);
}

/* --- Time --- */

uint64_t pv_time_ns(void) {
	volatile struct vcpu_time_info *time = &pv_vcpu->time;
	uint32_t version;
	uint64_t ns;

	do {
		uint32_t low, high;

		version = time->version;
		__asm__ volatile("lfence; rdtsc" : "=a"(low), "=d"(high) : : "memory");
		uint64_t ticks = ((uint64_t)high << 32 | low) - time->tsc_timestamp;

		if (time->tsc_shift < 0)
			ticks >>= -time->tsc_shift;
		else
			ticks <<= time->tsc_shift;
		__extension__ unsigned __int128 product =
			(unsigned __int128)ticks * time->tsc_to_system_mul;
		ns = time->system_time + (uint64_t)(product >> 32);
	} while ((version & 1) || version != time->version);
	return ns;
}
