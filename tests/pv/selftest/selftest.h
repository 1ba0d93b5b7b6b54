/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The selftest checks that the guest interface works as the ABI says; breaking
 * it is the business of tests/hostile. Every case also runs on a real Xen, but
 * for those that depend on being dom0 there.
 */
#ifndef TESTS_PV_SELFTEST_H
#define TESTS_PV_SELFTEST_H

#include "cases.h"

#define SELFTESTS(X)                                                         \
	/* start.c */                                                        \
	X(start_info, 0)                                                     \
	X(p2m_and_m2p, 0)                                                    \
	X(boot_tables_read_only, 0)                                          \
	X(hypercall_page, 0)                                                 \
	X(registers_survive, 0)                                              \
	X(version, 0)                                                        \
	X(features, 0)                                                       \
	X(memory_map, PV_DOMU_ONLY)                                          \
	X(machphys_mapping, 0)                                               \
	X(balloon, 0)                                                        \
	X(multicalls, 0)                                                     \
	X(clock, 0)                                                          \
	X(wall_clock, 0)                                                     \
	/* mmu.c */                                                          \
	X(update_va, 0)                                                      \
	X(mmu_updates, 0)                                                    \
	X(preserve_ad, 0)                                                    \
	X(machphys_update, 0)                                                \
	X(pin_unpin, 0)                                                      \
	X(new_root, 0)                                                       \
	X(leaf_bits, 0)                                                      \
	X(pte_writes, 0)                                                     \
	X(pte_write_byte, 0)                                                 \
	X(pte_write_refused, 0)                                              \
	X(flushes, 0)                                                        \
	/* traps.c */                                                        \
	X(exceptions, 0)                                                     \
	X(page_fault, 0)                                                     \
	X(kernel_frame, 0)                                                   \
	X(trap_masks_events, 0)                                              \
	X(trap_table_clear, 0)                                               \
	X(software_interrupts, 0)                                            \
	X(single_step, 0)                                                    \
	X(iret_to_kernel, 0)                                                 \
	X(iret_masks, 0)                                                     \
	/* user.c */                                                         \
	X(user_syscall, 0)                                                   \
	X(user_iret_registers, 0)                                            \
	X(user_fast_return, 0)                                               \
	X(user_exceptions, 0)                                                \
	X(user_kernel_page, 0)                                               \
	X(user_int80, 0)                                                     \
	X(user_gs, 0)                                                        \
	X(user_single_step, 0)                                               \
	X(user_events, 0)                                                    \
	X(no_syscall_callback, 0)                                            \
	/* events.c */                                                       \
	X(event_ipi, 0)                                                      \
	X(event_mask, 0)                                                     \
	X(event_unmask_call, 0)                                              \
	X(event_loopback, 0)                                                 \
	X(event_status, 0)                                                   \
	X(event_virq_once, 0)                                                \
	X(event_upcall_order, 0)                                             \
	X(timer_op, 0)                                                       \
	X(timer_past, 0)                                                     \
	X(timer_singleshot, 0)                                               \
	X(timer_periodic, 0)                                                 \
	X(poll_timeout, 0)                                                   \
	X(poll_pending, 0)                                                   \
	X(block_wakes, 0)                                                    \
	X(yield, 0)                                                          \
	X(vcpu_up, 0)                                                        \
	X(runstate, 0)                                                       \
	X(time_area, 0)                                                      \
	/* grants.c */                                                       \
	X(grant_sizes, 0)                                                    \
	X(grant_copy, 0)                                                     \
	X(grant_map, 0)                                                      \
	X(grant_map_pte, 0)                                                  \
	X(grant_reserved, PV_DOMU_ONLY)                                      \
	/* cpu.c */                                                          \
	X(cpuid, 0)                                                          \
	X(cpuid_hidden, 0)                                                   \
	X(msr_bases, 0)                                                      \
	X(msr_fixed, 0)                                                      \
	X(control_registers, 0)                                              \
	X(debug_registers, 0)                                                \
	X(fpu_state, 0)                                                      \
	X(fpu_task_switch, 0)                                                \
	X(segments, 0)                                                       \
	X(gs_user_selector, 0)                                               \
	X(ldt, 0)                                                            \
	X(io_ports, 0)                                                       \
	X(interrupt_flag, 0)                                                 \
	/* smp.c */                                                          \
	X(second_vcpu, 0)                                                    \
	/* events.c again; it moves the vCPU's shared structure for good. */ \
	X(register_vcpu_info, PV_DOMU_ONLY)

#define DECLARE(name, flags) const char *test_##name(void);
SELFTESTS(DECLARE)
#undef DECLARE

extern uint64_t selftest_user_calls; /* user.S counts there */
void selftest_user_init(void);       /* once */

#endif
