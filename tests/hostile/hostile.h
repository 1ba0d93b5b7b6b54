/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The hostile kernel: each case breaks, or tries to break, a rule of the
 * security list of the guest ABI (docs/security; the numbers in the lists below
 * are those of GUEST-ABI section 12). A case passes when the attack was refused
 * and the domain still works; fatal ones pass when the hypervisor ends the
 * domain, which the Python side checks.
 */
#ifndef TESTS_HOSTILE_HOSTILE_H
#define TESTS_HOSTILE_HOSTILE_H

#include "cases.h"

#define HV_TEXT       0xffff828000000000ULL
#define HV_DIRECT     0xffff830000000000ULL
#define NON_CANONICAL 0x8000000000000000ULL

#define HOSTILE(X)                                                \
	/* entry.c: entry, exit, CPU state (1-15) */              \
	X(fpu_clean_at_start, PV_DOMU_ONLY)                       \
	X(iret_non_canonical, 0)                                  \
	X(iret_fast_non_canonical, 0)                             \
	X(iret_into_hypervisor, 0)                                \
	X(iret_bad_selectors, 0)                                  \
	X(iret_all_flags, 0)                                      \
	X(syscall_at_end_of_space, 0)                             \
	X(syscall_with_flags, 0)                                  \
	X(syscall_from_32_bit, 0)                                 \
	X(sysenter, 0)                                            \
	X(software_interrupt_sweep, PV_DOMU_ONLY)                 \
	X(handler_in_hypervisor, 0)                               \
	X(bases_in_hypervisor, 0)                                 \
	X(mov_ss_breakpoint, 0)                                   \
	X(stale_selectors, 0)                                     \
	/* instructions.c: what is emulated (11-14) */            \
	X(privileged_instructions, 0)                             \
	X(privileged_in_user, 0)                                  \
	X(msr_read_sweep, 0)                                      \
	X(msr_write_sweep, PV_DOMU_ONLY)                          \
	X(port_sweep, PV_DOMU_ONLY)                               \
	X(instruction_over_page_end, 0)                           \
	X(emulate_prefix_abuse, 0)                                \
	X(fsgsbase_as_cr4_says, 0)                                \
	X(xsetbv_values, 0)                                       \
	/* pointers.c: guest pointers, batches (16-23) */         \
	X(output_to_read_only, 0)                                 \
	X(output_to_page_table, 0)                                \
	X(pointer_to_direct_map, 0)                               \
	X(argument_over_page_end, 0)                              \
	X(multicall_nested, 0)                                    \
	X(multicall_iret, PV_DOMU_ONLY)                           \
	X(multicall_long, 0)                                      \
	X(multicall_into_nothing, 0)                              \
	X(mmu_update_long, 0)                                     \
	X(random_calls, PV_DOMU_ONLY)                             \
	X(capability_calls, PV_DOMU_ONLY)                         \
	/* typing.c: types of frames (24-37) */                   \
	X(table_writable_alias, 0)                                \
	X(table_through_fast_path, 0)                             \
	X(table_by_copy, 0)                                       \
	X(writable_as_table, 0)                                   \
	X(partial_validation, 0)                                  \
	X(partial_releases, 0)                                    \
	X(upper_entries, 0)                                       \
	X(linear_tables, 0)                                       \
	X(other_level, 0)                                         \
	X(root_hypervisor_slots, 0)                               \
	X(frames_of_others, PV_DOMU_ONLY)                         \
	X(m2p_of_others, PV_DOMU_ONLY)                            \
	X(stale_translation, 0)                                   \
	X(stale_upper_translation, 0)                             \
	X(unpinned_root_in_use, 0)                                \
	X(given_back_while_used, PV_DOMU_ONLY)                    \
	X(more_memory_than_allowed, PV_DOMU_ONLY)                 \
	X(cr3_of_data, 0)                                         \
	/* tables.c: descriptors, emulated PTE writes (34, 40) */ \
	X(gdt_system_descriptors, 0)                              \
	X(descriptor_update_forms, 0)                             \
	X(ldt_gates, 0)                                           \
	X(pte_write_forms, 0)                                     \
	X(pte_write_edges, 0)                                     \
	X(user_writes_table, 0)                                   \
	X(runstate_in_table, 0)                                   \
	/* events.c: events, timers, vCPUs (43-49) */             \
	X(port_numbers, 0)                                        \
	X(ports_exhausted, PV_DOMU_ONLY)                          \
	X(shared_info_garbage, 0)                                 \
	X(timer_extremes, 0)                                      \
	X(poll_extremes, 0)                                       \
	X(event_flood, 0)                                         \
	X(fifo_refused, PV_DOMU_ONLY)                             \
	X(vcpu_that_is_not, 0)                                    \
	X(areas_unmapped, 0)                                      \
	/* grants.c (50-56) */                                    \
	X(grant_bad_refs, 0)                                      \
	X(grant_bad_addresses, 0)                                 \
	X(grant_handles, 0)                                       \
	X(grant_of_table, 0)                                      \
	X(grant_unmap_elsewhere, 0)                               \
	X(grant_copy_bounds, 0)                                   \
	X(grant_many_mappings, 0)                                 \
	X(grant_version_2, 0)                                     \
	X(grant_transfer, 0)                                      \
	/* fatal.c: ends the domain; one per boot */              \
	X(bad_kernel_stack, PV_FATAL)                             \
	X(table_as_stack, PV_FATAL)                               \
	X(stack_overflow, PV_FATAL)                               \
	X(no_handler, PV_FATAL)                                   \
	X(no_user_root, PV_FATAL)                                 \
	X(iret_without_stack, PV_FATAL)                           \
	X(endless_faults, PV_FATAL)

#define DECLARE(name, flags) const char *hostile_##name(void);
HOSTILE(DECLARE)
#undef DECLARE

void hostile_user_init(void);                          /* once */
void hostile_iret(const struct iret_context *context); /* stubs.S */

#endif
