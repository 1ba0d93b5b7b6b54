/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A tiny PV kernel, the common part of the test kernels. It boots as an ordinary
 * domU and, to check the tests themselves, as dom0 of a real Xen: nothing here
 * is particular to Tessera. One vCPU, unless it starts more; everything is mapped at
 * PV_VIRT_BASE + PFN * 4096; pages come from a pool in the kernel's own bss.
 *
 * A test kernel defines pv_main(). Faults in the kernel are fatal unless they
 * happen inside pv_try().
 */
#ifndef TESTS_PV_PV_H
#define TESTS_PV_PV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hypercall.h"

#define PV_VIRT_BASE 0xffffffff80000000ULL
#define PV_PAGE      4096ULL

/* Kernel mappings; the hypervisor adds US and the guest-kernel mark itself. */
#define PV_RO      (XEN_PTE_PRESENT | XEN_PTE_ACCESSED)
#define PV_RW      (XEN_PTE_PRESENT | XEN_PTE_ACCESSED | XEN_PTE_DIRTY | XEN_PTE_RW)
#define PV_TABLE   (XEN_PTE_PRESENT | XEN_PTE_RW | XEN_PTE_USER | XEN_PTE_ACCESSED | XEN_PTE_DIRTY)
#define PV_USER_RO (PV_RO | XEN_PTE_USER)
#define PV_USER_RW (PV_RW | XEN_PTE_USER)

/* What pv_trap gets; vectors from 256 on are callbacks. */
struct pv_frame {
	uint64_t r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8;
	uint64_t rax, rcx, rdx, rsi, rdi;
	uint64_t vector, error;
	uint64_t rip, cs, rflags, rsp, ss;
};
#define PV_EVENT     256
#define PV_FAILSAFE  257
#define PV_SYSCALL   258
#define PV_SYSCALL32 259

extern struct start_info *pv_start;
extern struct shared_info *pv_shared;
extern struct vcpu_info *pv_vcpu; /* where it is at the moment */
extern uint8_t pv_hypercall_page[], pv_user_text[], pv_image_end[];
extern uint8_t pv_vectors[], pv_vector_int80[], pv_stack[], pv_stack_end[], pv_entry_stack_end[];
extern uint8_t pv_entry_event[], pv_entry_failsafe[], pv_entry_syscall[], pv_entry_syscall32[];

/* Supplied by the test kernel; its result is the reason of the final shutdown. */
int pv_main(void);

/* --- Start, end, messages --- */

bool pv_is_dom0(void);                         /* under a real Xen */
bool pv_is_tessera(void);                      /* the capability call exists */
bool pv_option(const char *word);              /* a word of the command line */
const char *pv_option_value(const char *name); /* text behind "name=", up to the next blank */
uint64_t pv_option_number(const char *name, uint64_t otherwise); /* the digits there */
__attribute__((noreturn)) void pv_exit(uint32_t reason);
__attribute__((format(printf, 1, 2))) void pv_printf(const char *format, ...);
__attribute__((noreturn, format(printf, 1, 2))) void pv_panic(const char *format, ...);
__attribute__((format(printf, 3, 4))) char *pv_format(char *buffer, size_t size, const char *format,
						      ...);
void pv_console_write(const char *text, size_t size);
void pv_console_flush(void);

/* --- Traps, events, user mode --- */

extern struct pv_frame pv_fault; /* the last fault that pv_try caught */
extern uint64_t pv_fault_cr2;

bool pv_try(void (*function)(void *), void *argument);
void pv_trap_defaults(void);

/* Called instead of the default treatment; false: treat as usual. */
typedef bool (*pv_hook)(struct pv_frame *);
extern pv_hook pv_trap_hook;

typedef void (*pv_handler)(uint32_t port);
void pv_event_handler(uint32_t port, pv_handler handler);
void pv_events_off(void);
void pv_events_on(void);
bool pv_event_pending(uint32_t port);
void pv_event_clear(uint32_t port);
void pv_event_mask(uint32_t port, bool masked);
uint32_t pv_bind_ipi(void);
uint32_t pv_bind_virq(uint32_t virq);
void pv_close_ports(void); /* all that pv_bind_* opened */
uint16_t pv_domid(void);

/* Sets up user page tables: .user at PV_USER_TEXT, a writable page at PV_USER_DATA. */
#define PV_USER_TEXT 0x400000ULL
#define PV_USER_DATA 0x600000ULL
void pv_user_init(void);
/* Runs user code at an address in .user until it faults or makes a system call; registers in frame.
 */
void pv_user_run(struct pv_frame *frame, const void *code);
void pv_user_run32(struct pv_frame *frame, const void *code); /* in a 32-bit segment */
extern uint64_t pv_user_l4_mfn, pv_kernel_l4_mfn;

uint64_t pv_time_ns(void);

/* Starts another vCPU on a page of stack, with the root table of the first one or another; the
 * function gets its number and must not return. */
void pv_vcpu_start(uint64_t vcpu, void (*function)(uint64_t), uint8_t *stack, uint64_t root_mfn);

/* --- Memory --- */

void *pv_page(void); /* zeroed, from the pool; never fails */
uint64_t pv_mfn(const void *address);
uint64_t pv_pfn(const void *address);
void *pv_pfn_va(uint64_t pfn);
void *pv_mfn_va(uint64_t mfn);
uint64_t *pv_p2m(void);
const volatile uint64_t *pv_m2p(void);

/* The entry of this level (1..4) for an address, in the kernel's tables; NULL if there is none. */
volatile uint64_t *pv_entry(uint64_t address, int level);
uint64_t pv_entry_ma(const volatile uint64_t *entry); /* machine address of a table entry */
int64_t pv_set_entry(const volatile uint64_t *entry, uint64_t value);
int64_t pv_protect(void *page, uint64_t flags); /* PV_RO, PV_RW or 0 */
/* Maps a page somewhere in the root table l4, making tables on the way. */
void pv_map(uint64_t *l4, uint64_t address, uint64_t pte);

void *memset(void *to, int byte, size_t size);
void *memcpy(void *to, const void *from, size_t size);
int memcmp(const void *a, const void *b, size_t size);
size_t strlen(const char *text);

/* Assertion about the tests' own set-up, not about what is tested. */
#define PV_MUST(condition)                                                               \
	do {                                                                             \
		if (!(condition)) pv_panic("%s:%d: %s", __func__, __LINE__, #condition); \
	} while (0)

#endif
