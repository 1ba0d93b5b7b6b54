/* SPDX-License-Identifier: BSD-2-Clause */
/* Ways in and out with values that no honest kernel would use. */
#include "hostile.h"

extern uint8_t user_syscall32[], user_sysenter[], user_ints[], user_nop[];

/* Right after start: nothing of another domain may be in the registers. */
const char *hostile_fpu_clean_at_start(void) {
	static uint8_t image[512] __attribute__((aligned(16)));

	__asm__ volatile("fxsaveq %0" : "=m"(image));
	CHECK_EQ(*(uint16_t *)image, 0x37f);
	CHECK_EQ(*(uint32_t *)(image + 24), 0x1f80);
	for (int i = 32; i < 416; i++) CHECK_EQ(image[i], 0);
	return NULL;
}

static void do_iret(void *arg) { hostile_iret(arg); }

static uint64_t flags_now(void) {
	uint64_t flags;

	__asm__ volatile("pushfq; popq %0" : "=r"(flags));
	return flags;
}

static uint64_t landed;

/* The flags as they really are: what frames carry of them is made up. */
static void land(void) {
	landed = flags_now();
	__asm__ volatile("ud2");
}

static struct iret_context frame_to(uint64_t rip) {
	return (struct iret_context){.rip = rip,
				     .cs = FLAT_KERNEL_CS & ~3U,
				     .rflags = 0x202,
				     .rsp = va(pv_entry_stack_end) - 4096,
				     .ss = FLAT_KERNEL_SS};
}

/* As if the fault happened at the target: a guest exception, nothing else. */
static const char *iret_faults(struct iret_context context, uint64_t first, uint64_t second) {
	CHECK(pv_try(do_iret, &context));
	if (pv_fault.vector != first) CHECK_EQ(pv_fault.vector, second);
	return NULL;
}

const char *hostile_iret_non_canonical(void) {
	return iret_faults(frame_to(NON_CANONICAL), 13, 13);
}

const char *hostile_iret_fast_non_canonical(void) {
	struct iret_context context = frame_to(0x0000800000000000);

	context.flags = VGCF_in_syscall;
	return iret_faults(context, 13, 13);
}

const char *hostile_iret_into_hypervisor(void) {
	struct iret_context context = frame_to(HV_TEXT);
	const char *failure = iret_faults(context, 14, 14);

	if (failure) return failure;
	context.flags = VGCF_in_syscall;
	return iret_faults(context, 14, 14);
}

const char *hostile_iret_bad_selectors(void) {
	static const uint16_t selectors[] = {0x0000, 0x0008, 0x1234, 0xe008, 0xe010, 0xe040,
					     0xe050, 0xe02b, 0xfff8, 0xffff, 0x0004, 0xe03c};
	struct iret_context context;
	const char *failure;

	for (unsigned i = 0; i < sizeof selectors / sizeof *selectors; i++) {
		context = frame_to((uint64_t)do_iret);
		context.cs = selectors[i] & ~3U;
		failure = iret_faults(context, 13, 11);
		if (failure) return failure;
		/* A good stack: what goes wrong at the target is told there. */
		context = frame_to((uint64_t)land);
		context.ss = selectors[i];
		CHECK(pv_try(do_iret, &context));
		CHECK(pv_fault.vector == 6 || (pv_fault.vector >= 11 && pv_fault.vector <= 13));
	}
	return NULL;
}

static const char *iret_with_flags(uint64_t kind) {
	struct iret_context context = frame_to((uint64_t)land);

	context.flags = kind;
	for (int bit = 0; bit <= 64; bit++) {
		if (bit == 8) continue; /* a single step comes before the first instruction */
		context.rflags = bit == 64 ? UINT64_MAX & ~0x100ULL : 1ULL << bit;
		landed = 0;
		CHECK(pv_try(do_iret, &context));
		__asm__ volatile("pushq $0x202; popfq");
		CHECK_EQ(pv_fault.vector, 6);
		/* Interrupts stay on, no I/O privilege, no virtual 8086 mode. */
		CHECK_EQ(landed & (3ULL << 12 | 1ULL << 17 | 1ULL << 9), 1ULL << 9);
	}
	return NULL;
}

const char *hostile_iret_all_flags(void) {
	const char *failure = iret_with_flags(0);

	return failure ? failure : iret_with_flags(VGCF_in_syscall);
}

static void jump(void *arg) {
	__asm__ volatile("movl $17, %%eax; xorl %%edi, %%edi; jmp *%0"
			 :
			 : "r"(arg)
			 : "rax", "rdi", "rcx", "r11", "memory");
}

/* A system call whose next instruction would be at a non-canonical address. */
const char *hostile_syscall_at_end_of_space(void) {
	uint8_t *code = pv_page();
	const uint64_t last = 0x00007ffffffff000;

	code[4094] = 0x0f;
	code[4095] = 0x05;
	pv_map((uint64_t *)pv_start->pt_base, last, pv_mfn(code) * PV_PAGE | PV_USER_RO);
	CHECK(pv_try(jump, (void *)(last + 4094)));
	CHECK(pv_fault.vector == 13 || pv_fault.vector == 14);
	CHECK_EQ(pv_set_entry(pv_entry(last, 1), 0), 0);
	return NULL;
}

static unsigned debug_hits;

static bool count_debug(struct pv_frame *frame) {
	if (frame->vector != 1) return false;
	debug_hits++;
	return true;
}

const char *hostile_syscall_with_flags(void) {
	/* NT, AC, DF, IOPL attempts, all set when the call is made. */
	static const uint64_t sets[] = {1 << 14, 1 << 18, 1 << 10, 1 << 21, 0x54402};
	int64_t expected = xen_version(XENVER_version, NULL), result;
	struct xen_feature_info info;

	for (unsigned i = 0; i < sizeof sets / sizeof *sets; i++) {
		memset(&info, 0, sizeof info);
		__asm__ volatile("pushq %1; popfq; syscall; pushq $0x202; popfq"
				 : "=a"(result)
				 : "r"(sets[i] | 0x202), "0"(17ULL), "D"(XENVER_get_features),
				   "S"(&info)
				 : "rcx", "r11", "memory", "cc");
		CHECK_EQ(result, 0);
		CHECK(info.submap != 0);
	}
	CHECK_EQ(xen_version(XENVER_version, NULL), expected);
	/* A single step over the call: the hypervisor does not step through itself. */
	pv_trap_hook = count_debug;
	debug_hits = 0;
	__asm__ volatile("pushfq; orq $0x100, (%%rsp); popfq; syscall; nop; pushq $0x202; popfq"
			 : "=a"(result)
			 : "0"(17ULL), "D"(0ULL), "S"(0ULL)
			 : "rcx", "r11", "memory", "cc");
	CHECK_EQ(result, expected);
	CHECK(debug_hits <= 5);
	hypercall(__HYPERVISOR_set_debugreg, 6, 0, 0, 0);
	return NULL;
}

/* SYSCALL in a 32-bit segment is never a hypercall. */
const char *hostile_syscall_from_32_bit(void) {
	struct pv_frame frame = {.rax = 29, .rdi = 2};
	struct callback_register call = {.type = CALLBACKTYPE_syscall32,
					 .flags = CALLBACKF_mask_events,
					 .address = va(pv_entry_syscall32)};
	int64_t registered = callback_op(CALLBACKOP_register, &call);

	hostile_user_init();
	pv_user_run32(&frame, user_syscall32);
	if (registered == 0)
		CHECK(frame.vector == PV_SYSCALL32 || frame.vector == 6);
	else
		CHECK_EQ(frame.vector, 6);
	if (frame.vector == PV_SYSCALL32) CHECK_EQ(frame.cs & 0xffff, FLAT_RING3_CS32);
	return NULL;
}

const char *hostile_sysenter(void) {
	struct pv_frame frame = {.rax = 29, .rflags = 1 << 14};

	hostile_user_init();
	pv_user_run(&frame, user_sysenter);
	CHECK(frame.vector == 6 || frame.vector == 13);
	frame = (struct pv_frame){.rax = 29};
	pv_user_run32(&frame, user_sysenter);
	CHECK(frame.vector == 6 || frame.vector == 13);
	return NULL;
}

const char *hostile_software_interrupt_sweep(void) {
	hostile_user_init();
	for (unsigned n = 0; n < 256; n++) {
		struct pv_frame frame = {.rax = n};

		pv_user_run(&frame, user_ints + 2 * (size_t)n);
		CHECK(frame.vector == 13 || frame.vector == n);
		if (n != 3 && n != 4 && n != 0x80) CHECK_EQ(frame.vector, 13);
	}
	return NULL;
}

static void undefined(void *arg) {
	__asm__ volatile("ud2");
	(void)arg;
}

const char *hostile_handler_in_hypervisor(void) {
	struct trap_info table[2] = {
		{.vector = 6, .flags = TI_MASK_EVENT, .cs = FLAT_KERNEL_CS, .address = HV_TEXT}};

	if (set_trap_table(table) == 0) {
		/* It gets there, in ring 3: a page fault on the fetch. */
		CHECK(pv_try(undefined, NULL));
		CHECK_EQ(pv_fault.vector, 14);
		CHECK_EQ(pv_fault.rip, HV_TEXT);
	}
	/* A code segment of the hypervisor's is no way in either. */
	table[0].cs = 0xe008;
	table[0].address = va(pv_vectors + 6 * 16);
	if (set_trap_table(table) == 0) {
		CHECK(pv_try(undefined, NULL));
		CHECK_EQ(pv_fault.cs & 3, 0);
	}
	return NULL;
}

const char *hostile_bases_in_hypervisor(void) {
	static const uint64_t bases[] = {HV_TEXT, HV_DIRECT, MACH2PHYS_VIRT_START};

	/* A base is no right: the access faults in ring 3 like any other. */
	for (unsigned i = 0; i < 3; i++) {
		set_segment_base(SEGBASE_GS_KERNEL, bases[i]);
		set_segment_base(SEGBASE_GS_USER, bases[i]);
		set_segment_base(SEGBASE_FS, bases[i]);
		CHECK(xen_version(XENVER_version, NULL) > 0);
		sched_op(SCHEDOP_yield, NULL);
		CHECK(pv_try(undefined, NULL));
		CHECK_EQ(pv_fault.vector, 6);
	}
	for (uint64_t which = 0; which < 3; which++) CHECK_EQ(set_segment_base(which, 0), 0);
	return NULL;
}

/* A data breakpoint on the operand of MOV SS, a system call behind it. */
const char *hostile_mov_ss_breakpoint(void) {
	static uint64_t selector = FLAT_KERNEL_SS;
	int64_t result;

	pv_trap_hook = count_debug;
	debug_hits = 0;
	CHECK_EQ(hypercall(__HYPERVISOR_set_debugreg, 0, va(&selector), 0, 0), 0);
	CHECK_EQ(hypercall(__HYPERVISOR_set_debugreg, 7, 0x000f0003, 0, 0), 0);
	__asm__ volatile("movw %1, %%ss; syscall"
			 : "=a"(result)
			 : "m"(selector), "0"(17ULL), "D"(0ULL), "S"(0ULL)
			 : "rcx", "r11", "memory");
	CHECK_EQ(result, xen_version(XENVER_version, NULL));
	CHECK_EQ(hypercall(__HYPERVISOR_set_debugreg, 7, 0, 0, 0), 0);
	CHECK_EQ(hypercall(__HYPERVISOR_set_debugreg, 6, 0, 0, 0), 0);
	CHECK(debug_hits <= 1);
	return NULL;
}

/* Selectors whose descriptors went away: the next reload must not hurt anybody. */
const char *hostile_stale_selectors(void) {
	uint64_t *gdt = pv_page(), frame = pv_mfn(gdt);

	gdt[3] = 0x00cff2000000ffff;
	CHECK_EQ(pv_protect(gdt, PV_RO), 0);
	CHECK_EQ(hypercall(__HYPERVISOR_set_gdt, va(&frame), 512, 0, 0), 0);
	__asm__ volatile("movl %0, %%ds; movl %0, %%es; movl %0, %%fs" : : "r"(3 << 3 | 3));
	CHECK_EQ(hypercall(__HYPERVISOR_set_gdt, va(&frame), 0, 0, 0), 0);
	for (int i = 0; i < 3; i++) {
		struct sched_poll poll = {.timeout = pv_time_ns() + 500000};

		sched_op(SCHEDOP_poll, &poll);
		sched_op(SCHEDOP_yield, NULL);
	}
	__asm__ volatile("movl %0, %%ds; movl %0, %%es; movl %0, %%fs" : : "r"(0));
	CHECK_EQ(pv_protect(gdt, PV_RW), 0);
	return NULL;
}
