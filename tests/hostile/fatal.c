/* SPDX-License-Identifier: BSD-2-Clause */
/* Ends of a domain: by its own doing, and its alone. Each is a boot of its own. */
#include "hostile.h"

extern uint8_t user_nop[];

const char *hostile_bad_kernel_stack(void) {
	struct pv_frame frame = {.rax = 0};

	hostile_user_init();
	CHECK_EQ(stack_switch(FLAT_KERNEL_SS, HV_DIRECT + 0x10000), 0);
	pv_user_run(&frame, user_nop);
	return NULL;
}

/* Frames of entries from user mode would land in a page table. */
const char *hostile_table_as_stack(void) {
	struct pv_frame frame = {.rax = 0};
	uint64_t *table = pv_page();

	hostile_user_init();
	CHECK_EQ(pv_protect(table, PV_RO), 0);
	CHECK_EQ(mmuext(MMUEXT_PIN_L1_TABLE, pv_mfn(table), 0), 0);
	CHECK_EQ(stack_switch(FLAT_KERNEL_SS, va(table) + PV_PAGE), 0);
	pv_user_run(&frame, user_nop);
	return NULL;
}

static __attribute__((noinline)) int deeper(volatile int *depth) {
	volatile char room[256];

	room[0] = (char)(*depth)++;
	if (*depth > 1000000) return 0;
	return deeper(depth) + room[0];
}

const char *hostile_stack_overflow(void) {
	volatile int depth = 0;

	/* The page below the stack goes, so that the overflow meets nothing. */
	CHECK_EQ(pv_protect(pv_stack, 0), 0);
	return deeper(&depth) ? "returned" : NULL;
}

const char *hostile_no_handler(void) {
	CHECK_EQ(set_trap_table(NULL), 0);
	__asm__ volatile("ud2");
	return NULL;
}

const char *hostile_no_user_root(void) {
	struct pv_frame frame = {.rax = 0};

	hostile_user_init();
	CHECK_EQ(mmuext(MMUEXT_NEW_USER_BASEPTR, 0, 0), 0);
	pv_user_run(&frame, user_nop);
	return NULL;
}

const char *hostile_iret_without_stack(void) {
	__asm__ volatile("movq $0x1000, %%rsp; movl $23, %%eax; syscall" : : : "memory");
	return NULL;
}

/* A handler that faults itself: frame upon frame, until the stack ends. */
const char *hostile_endless_faults(void) {
	struct trap_info trap[2] = {{.vector = 6, .cs = FLAT_KERNEL_CS, .address = PV_USER_TEXT}};

	hostile_user_init();
	CHECK_EQ(pv_protect(pv_stack, 0), 0);
	trap[0].address += (uint64_t)(user_nop - pv_user_text);
	CHECK_EQ(set_trap_table(trap), 0);
	__asm__ volatile("ud2");
	return NULL;
}
