/* SPDX-License-Identifier: BSD-2-Clause */
/* Privileged instructions: refused, or emulated without effect on the machine. */
#include "hostile.h"

extern uint8_t user_hlt[], user_nop[];

/* Machine code, at most 15 bytes, with the length first. rax, rcx, rdx are 0. */
static const uint8_t list[][16] = {
	{1, 0xf4},                               /* hlt */
	{2, 0x0f, 0x08},                         /* invd */
	{3, 0x0f, 0x01, 0x38},                   /* invlpg (rax) */
	{3, 0x0f, 0x01, 0x10},                   /* lgdt (rax) */
	{3, 0x0f, 0x01, 0x18},                   /* lidt (rax) */
	{3, 0x0f, 0x00, 0xd0},                   /* lldt ax */
	{3, 0x0f, 0x00, 0xd8},                   /* ltr ax */
	{3, 0x0f, 0x01, 0xf0},                   /* lmsw ax */
	{3, 0x0f, 0x01, 0xf8},                   /* swapgs */
	{3, 0x48, 0x0f, 0x07},                   /* sysretq */
	{2, 0x0f, 0x35},                         /* sysexit */
	{4, 0x44, 0x0f, 0x22, 0xc0},             /* mov cr8 */
	{3, 0x0f, 0x22, 0xd8},                   /* mov cr3, rax: frame 0 */
	{2, 0x0f, 0x33},                         /* rdpmc */
	{3, 0x0f, 0x01, 0xc1},                   /* vmcall */
	{3, 0x0f, 0x01, 0xd9},                   /* vmmcall */
	{3, 0x0f, 0x01, 0xd8},                   /* vmrun */
	{3, 0x0f, 0x01, 0xdc},                   /* stgi */
	{3, 0x0f, 0x01, 0xdd},                   /* clgi */
	{4, 0xf3, 0x0f, 0xc7, 0x30},             /* vmxon */
	{3, 0x0f, 0x01, 0xc8},                   /* monitor */
	{3, 0x0f, 0x01, 0xc9},                   /* mwait */
	{3, 0x0f, 0x01, 0xca},                   /* clac */
	{3, 0x0f, 0x01, 0xcb},                   /* stac */
	{2, 0x0f, 0xaa},                         /* rsm */
	{5, 0x66, 0x0f, 0x38, 0x82, 0x08},       /* invpcid */
	{3, 0x0f, 0x20, 0xc8},                   /* mov from cr1 */
	{3, 0x0f, 0x20, 0xe8},                   /* mov from cr5 */
	{5, 0xf0, 0x0f, 0x20, 0xc0, 0x90},       /* lock mov from cr0 */
	{2, 0x0f, 0x37},                         /* getsec */
	{9, 0xea, 0, 0, 0, 0, 8, 0xe0, 0x90, 0}, /* jmp far, not in 64-bit mode */
	{1, 0xcf},                               /* iret on this stack: see below */
};

static uint8_t *code;

static void run(void *arg) {
	__asm__ volatile("xorl %%eax, %%eax; xorl %%ecx, %%ecx; xorl %%edx, %%edx; call *%0"
			 :
			 : "r"(arg)
			 : "rax", "rcx", "rdx", "rbx", "memory", "cc");
}

/* Emulated for a kernel, never for its user mode. */
static const uint8_t kernel_only[][8] = {
	{2, 0x0f, 0x32},       /* rdmsr */
	{2, 0x0f, 0x30},       /* wrmsr */
	{3, 0x0f, 0x20, 0xc0}, /* mov from cr0 */
	{3, 0x0f, 0x20, 0xd8}, /* mov from cr3 */
	{3, 0x0f, 0x21, 0xf8}, /* mov from dr7 */
	{2, 0x0f, 0x06},       /* clts */
	{2, 0x0f, 0x09},       /* wbinvd */
	{3, 0x0f, 0x01, 0xd1}, /* xsetbv */
	{1, 0xfa},             /* cli */
	{2, 0xe4, 0x60},       /* in */
};

/* These bytes in an executable page, a return behind them. */
static void place(const uint8_t *bytes, size_t size) {
	if (!code) code = pv_page();
	memset(code, 0xcc, PV_PAGE);
	memcpy(code + 64, bytes, size);
	code[64 + size] = 0xc3;
}

const char *hostile_privileged_instructions(void) {
	/* The last of the list is for user mode only. */
	for (unsigned i = 0; i + 1 < sizeof list / sizeof *list; i++) {
		place(list[i] + 1, list[i][0]);
		if (!pv_try(run, code + 64))
			return pv_differs("faults of instruction", (int)i, 0, 1);
		if (pv_fault.vector != 6 && pv_fault.vector != 13 && pv_fault.vector != 14)
			return pv_differs("vector of instruction", (int)i, pv_fault.vector, 13);
	}
	return NULL;
}

/* Whether it did not come to the breakpoint behind it. */
static bool refused_in_user(const uint8_t *bytes, size_t size) {
	struct pv_frame frame = {.rax = 0};

	place(bytes, size);
	code[64 + size] = 0xcc;
	pv_map((uint64_t *)pv_start->pt_base, PV_USER_TEXT + 0x100000,
	       pv_mfn(code) * PV_PAGE | PV_USER_RO);
	pv_user_run(&frame, pv_user_text + 0x100000 + 64);
	return frame.vector == 6 || (frame.vector >= 12 && frame.vector <= 14);
}

const char *hostile_privileged_in_user(void) {
	hostile_user_init();
	for (unsigned i = 0; i < sizeof list / sizeof *list; i++)
		if (!refused_in_user(list[i] + 1, list[i][0]))
			return pv_differs("refusal of instruction", (int)i, 0, 1);
	for (unsigned i = 0; i < sizeof kernel_only / sizeof *kernel_only; i++)
		if (!refused_in_user(kernel_only[i] + 1, kernel_only[i][0]))
			return pv_differs("refusal of kernel's instruction", (int)i, 0, 1);
	return NULL;
}

static uint64_t msr_value;

static void read_msr(void *arg) {
	uint32_t low, high;

	__asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"((uint32_t)va(arg)));
	msr_value = (uint64_t)high << 32 | low;
}

static void write_msr(void *arg) {
	__asm__ volatile("wrmsr" : : "c"((uint32_t)va(arg)), "a"(0xfffff000), "d"(0x7fff));
}

static const struct {
	uint32_t first, last;
} msrs[] = {{0, 0x2ff},
	    {0x390, 0x4ff},
	    {0x600, 0x8ff},
	    {0xc80, 0xdff},
	    {0xc0000080, 0xc0000110},
	    {0xc0010000, 0xc0010140},
	    {0x40000000, 0x40000010},
	    {0x4b564d00, 0x4b564d08}};

const char *hostile_msr_read_sweep(void) {
	/* SYSENTER and SYSCALL targets, APIC base of x2APIC: addresses of the hypervisor. */
	static const uint32_t secret[] = {0x175,      0x176, 0xc0000082, 0xc0000083,
					  0xc0000084, 0x802, 0xc0000081};

	for (unsigned r = 0; r < sizeof msrs / sizeof *msrs; r++)
		for (uint64_t msr = msrs[r].first; msr <= msrs[r].last; msr++)
			if (pv_try(read_msr, (void *)msr)) CHECK_EQ(pv_fault.vector, 13);
	for (unsigned i = 0; i < sizeof secret / sizeof *secret; i++) {
		msr_value = 0;
		pv_try(read_msr, (void *)(uint64_t)secret[i]);
		CHECK(msr_value < HYPERVISOR_VIRT_START || msr_value >= HYPERVISOR_VIRT_END);
	}
	return NULL;
}

const char *hostile_msr_write_sweep(void) {
	uint64_t ticks = pv_time_ns();

	for (unsigned r = 0; r < sizeof msrs / sizeof *msrs; r++) {
		for (uint64_t msr = msrs[r].first; msr <= msrs[r].last; msr++) {
			if (msr >= 0xc0000100 && msr <= 0xc0000102) continue;
			/* The page for hypercall stubs needs a frame: this one is nobody's. */
			if (pv_try(write_msr, (void *)msr)) CHECK_EQ(pv_fault.vector, 13);
			CHECK(xen_version(XENVER_version, NULL) > 0);
		}
	}
	CHECK(pv_time_ns() - ticks < 100000000000ULL);
	return NULL;
}

static uint64_t port_value;

static void in_port(void *arg) {
	uint32_t value;

	__asm__ volatile("inl %%dx, %0" : "=a"(value) : "d"((uint16_t)va(arg)));
	port_value = value;
}

static void out_port(void *arg) {
	__asm__ volatile("outl %0, %%dx" : : "a"(0xffffffff), "d"((uint16_t)va(arg)));
}

static void string_out(void *arg) {
	__asm__ volatile("rep outsb" : : "S"(arg), "c"(64ULL), "d"((uint16_t)0xf4) : "memory");
}

static void string_in(void *arg) {
	__asm__ volatile("rep insb" : : "D"(arg), "c"(64ULL), "d"((uint16_t)0x60) : "memory");
}

/* 0xf4 would end the emulator, 0xcf9 and 0x64 reset the machine. */
const char *hostile_port_sweep(void) {
	static const uint16_t ports[] = {0x20,  0x21,  0x40,  0x43,  0x60,  0x61,  0x64,
					 0x70,  0x71,  0x80,  0x92,  0xa1,  0xf4,  0x3f8,
					 0x402, 0x604, 0xcf8, 0xcf9, 0xcfc, 0xffff};
	struct physdev_set_iopl iopl = {.iopl = 3};
	struct physdev_set_iobitmap bitmap = {.bitmap = va(pv_page()), .nr_ports = 65536};

	CHECK_EQ(physdev_op(PHYSDEVOP_set_iopl, &iopl), 0);
	physdev_op(PHYSDEVOP_set_iobitmap, &bitmap);
	for (unsigned i = 0; i < sizeof ports / sizeof *ports; i++) {
		CHECK(!pv_try(in_port, (void *)(uint64_t)ports[i]));
		CHECK_EQ(port_value, 0xffffffff);
		CHECK(!pv_try(out_port, (void *)(uint64_t)ports[i]));
	}
	pv_try(string_out, (void *)PV_VIRT_BASE);
	pv_try(string_out, (void *)HV_TEXT);
	pv_try(string_in, (void *)HV_TEXT);
	pv_try(string_in, (void *)MACH2PHYS_VIRT_START);
	pv_try(string_in, (void *)pv_start->pt_base);
	/* Without the level the bitmap decides; where it cannot be read it allows nothing. */
	iopl.iopl = 0;
	CHECK_EQ(physdev_op(PHYSDEVOP_set_iopl, &iopl), 0);
	bitmap.bitmap = HV_TEXT;
	if (physdev_op(PHYSDEVOP_set_iobitmap, &bitmap) == 0) CHECK(pv_try(in_port, (void *)0x60));
	bitmap = (struct physdev_set_iobitmap){.nr_ports = 0};
	CHECK_EQ(physdev_op(PHYSDEVOP_set_iobitmap, &bitmap), 0);
	CHECK(pv_try(in_port, (void *)0x60));
	return NULL;
}

/* Instructions whose last bytes are not there: a fault, not a guess. */
const char *hostile_instruction_over_page_end(void) {
	static const uint8_t cut[][8] = {{1, 0x0f},
					 {2, 0x0f, 0x20},
					 {1, 0xe4},
					 {3, 0x66, 0x66, 0x66},
					 {2, 0x0f, 0x0b},
					 {4, 0x0f, 0x0b, 0x78, 0x65},
					 {5, 0x0f, 0x0b, 0x78, 0x65, 0x6e},
					 {6, 0x0f, 0x0b, 0x78, 0x65, 0x6e, 0x0f},
					 {1, 0xcd}};
	uint8_t *pair = pv_page(), *second = pv_page();

	if (second != pair + PV_PAGE) return "the pool's pages do not follow each other";
	CHECK_EQ(pv_protect(second, 0), 0);
	for (unsigned i = 0; i < sizeof cut / sizeof *cut; i++) {
		uint8_t *start = second - cut[i][0];

		memcpy(start, cut[i] + 1, cut[i][0]);
		CHECK(pv_try(run, start));
		CHECK(pv_fault.vector == 14 || pv_fault.vector == 6 || pv_fault.vector == 13);
	}
	CHECK_EQ(pv_protect(second, PV_RW), 0);
	return NULL;
}

/* The prefix is for CPUID alone. */
const char *hostile_emulate_prefix_abuse(void) {
	static const uint8_t bad[][16] = {
		{7, 0x0f, 0x0b, 0x78, 0x65, 0x6e, 0x0f, 0x30},       /* wrmsr */
		{6, 0x0f, 0x0b, 0x78, 0x65, 0x6e, 0xf4},             /* hlt */
		{8, 0x0f, 0x0b, 0x78, 0x65, 0x6e, 0x0f, 0x22, 0xc0}, /* mov cr0 */
		{7, 0x0f, 0x0b, 0x78, 0x65, 0x6e, 0x0f, 0x05},       /* syscall */
		{7, 0x0f, 0x0b, 0x78, 0x65, 0x6f, 0x0f, 0xa2}};      /* nearly the prefix */

	for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
		place(bad[i] + 1, bad[i][0]);
		CHECK(pv_try(run, code + 64));
		CHECK(pv_fault.vector == 6 || pv_fault.vector == 13);
	}
	return NULL;
}

static void read_fs(void *arg) {
	uint64_t base;

	__asm__ volatile("rdfsbase %0" : "=r"(base));
	*(uint64_t *)arg = base;
}

/* Not switched on behind the guest's back, for its own GS would be in danger. */
const char *hostile_fsgsbase_as_cr4_says(void) {
	uint64_t cr4, base;

	__asm__ volatile("movq %%cr4, %0" : "=r"(cr4));
	CHECK_EQ(pv_try(read_fs, &base), !(cr4 >> 16 & 1));
	return NULL;
}

static void set_xcr(void *arg) {
	uint64_t *pair = arg;

	__asm__ volatile("xsetbv"
			 :
			 : "c"((uint32_t)pair[0]), "a"((uint32_t)pair[1]),
			   "d"((uint32_t)(pair[1] >> 32)));
}

const char *hostile_xsetbv_values(void) {
	static const uint64_t bad[][2] = {
		{0, 0}, {0, 2}, {0, 5}, {0, UINT64_MAX}, {1, 1}, {2, 1}, {0, 1ULL << 63 | 1}};

	for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
		CHECK(pv_try(set_xcr, (void *)va(bad[i])));
		CHECK(pv_fault.vector == 13 || pv_fault.vector == 6);
	}
	return NULL;
}
