/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The only door to guest memory. Addresses are virtual addresses of the current
 * vCPU's kernel page table; they are checked to be a guest's, and faults are
 * caught. Copy once, then look only at the copy.
 */
#ifndef KERNEL_MEM_GUEST_COPY_H
#define KERNEL_MEM_GUEST_COPY_H

#include "lib/types.h"
#include "cpu/layout.h"

static inline bool guest_range_ok(gva_t va, u64 size) {
	return va >= HIGH_START ? size <= -va : va < LOW_END && size <= LOW_END - va;
}

/* Code and stack addresses that a guest may name: canonical and not the core's. */
static inline bool guest_address_ok(gva_t va) { return va < LOW_END || va >= HIGH_START; }

/*
 * One word to or from an address in a range that was checked; a fault goes to the
 * label. Between guest_access_begin() and guest_access_end().
 */
#define GUEST_STORE(va, value, fault)                                                           \
	__asm__ goto("1:	mov %0, %1\n" GUEST_FIXUP("%l[" #fault "]")::"r"((u64)(value)), \
		     "m"(*(u64 *)(va))                                                          \
		     : "memory"                                                                 \
		     : fault)
#define GUEST_LOAD(value, va, fault)                                        \
	__asm__ goto("1:	mov %1, %0\n" GUEST_FIXUP("%l[" #fault "]") \
		     : "=r"(value)                                          \
		     : "m"(*(const __typeof__(value) *)(va))                \
		     : "memory"                                             \
		     : fault)
#define GUEST_FIXUP(label)                     \
	".pushsection __ex_table, \"a\"\n"     \
	"	.balign 4\n"                         \
	"	.long 1b - ., " label " - .\n" \
	".popsection\n"

/* STAC and CLAC where SMAP is on, three-byte no-ops elsewhere (cpu/features.c). */
#define SMAP_SITE(third)                                       \
	__asm__ volatile("1:	.byte 0x0f, 0x1f, " third "\n" \
			 ".pushsection .smap_sites, \"a\"\n"   \
			 "	.quad 1b\n"                         \
			 ".popsection" ::                      \
				 : "memory")

static inline void guest_access_begin(void) { SMAP_SITE("0x00"); }

static inline void guest_access_end(void) { SMAP_SITE("0x01"); }

/* Two words, in the caller's own line: the arguments of the hottest calls. 0 or -EFAULT. */
MUST_CHECK static inline int guest_load_pair(u64 *to, gva_t from) {
	u64 a, b;

	if (unlikely(!guest_range_ok(from, 16))) return -EFAULT;
	guest_access_begin();
	GUEST_LOAD(a, from, fault);
	GUEST_LOAD(b, from + 8, fault);
	guest_access_end();
	to[0] = a;
	to[1] = b;
	return 0;
fault:
	guest_access_end();
	return -EFAULT;
}

/* 0 or -EFAULT. */
MUST_CHECK int copy_from_guest(void *to, gva_t from, u64 size);
MUST_CHECK int copy_to_guest(gva_t to, const void *from, u64 size);

#endif
