/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The core's part of every address space: L4 slots 256 to 271. Guests own the
 * rest. Also usable from assembly.
 *
 *   slot  256  M2P: one u64 for each machine frame, read-only to guests (ABI)
 *         260  CPU areas, CPU_AREA_SIZE each (see below)
 *         261  the core's text, read-only data, data (virtual = CORE_BASE + physical);
 *              from DEVICE_BASE on the registers of the interrupt controllers (see below)
 *         262  direct map of all RAM, never executable: up to 10 slots, 5 TiB
 *              (the frame table lies in RAM and is reached through it)
 *
 * DEVICE_BASE is no round number: its low bits are those of addresses where a PC has no RAM,
 * and no other window has anything. So a device's page shares its set of a TLB, however large,
 * with no page that is always in use. QEMU's is direct-mapped, and a device's page that was evicted
 * is not found among the victims: each interrupt walked the page tables, and took one from the
 * emulator's count of entries, until it let the table grow so much that clearing it, at each
 * change of address spaces, took milliseconds.
 *
 * The top 2 GiB, where -mcmodel=kernel would put the core, belong to the guest;
 * so the core is compiled -fpie and linked here.
 */
#ifndef KERNEL_CPU_LAYOUT_H
#define KERNEL_CPU_LAYOUT_H

#define HV_SLOT_FIRST 256
#define HV_SLOT_LAST  271

#define M2P_BASE    0xffff800000000000
#define CPU_AREAS   0xffff820000000000
#define CORE_BASE   0xffff828000000000
#define DEVICE_BASE 0xffff82c0feca0000
#define DIRECT_BASE 0xffff830000000000
#define DIRECT_END  0xffff880000000000

#define LOW_END    0x0000800000000000
#define HIGH_START 0xffff880000000000

/*
 * One CPU's area, aligned to its size, so that any stack pointer in it leads to
 * struct cpu. Frames come from boot memory; pages not listed are unmapped and
 * catch overruns.
 *
 *   page  0      alias of the entry text (.text.entry), read and execute
 *         1, 2   struct cpu
 *         4      IST stack: NMI        6   IST stack: #DF
 *         8      IST stack: #MC       10   IST stack: #DB
 *        12..15  the kernel stack
 *        17      TSS at its start, I/O bitmap behind it: pages 17, 18, 19
 *        32..45  window on the guest's GDT pages     46  the core's descriptors
 *        48..63  window on the guest's LDT pages
 */
#define CPU_AREA_SIZE      0x40000
#define CPU_AREA_STRUCT    0x01000
#define CPU_AREA_IST_NMI   0x05000 /* tops: stacks grow down */
#define CPU_AREA_IST_DF    0x07000
#define CPU_AREA_IST_MC    0x09000
#define CPU_AREA_IST_DB    0x0b000
#define CPU_AREA_STACK     0x0c000
#define CPU_AREA_STACK_TOP 0x10000
#define CPU_AREA_TSS       0x11000
#define CPU_AREA_GDT       0x20000
#define CPU_AREA_GDT_CORE  0x2e000
#define CPU_AREA_LDT       0x30000
#define MAX_CPUS           64

/* Selectors in the reserved part of the GDT (ABI), and the core's own. */
#define SEL_CORE_CS    0xe008
#define SEL_CORE_DS    0xe010
#define SEL_GUEST_CS32 0xe023
#define SEL_GUEST_DS   0xe02b
#define SEL_GUEST_CS   0xe033
#define SEL_TSS        0xe040 /* 16 bytes */
#define SEL_LDT        0xe050 /* 16 bytes */

#endif
