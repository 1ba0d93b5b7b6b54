/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The one instruction that leaves a native domain: number in rax, arguments in
 * rdi, rsi, rdx, r10, r8, r9, result in rax; rcx and r11 are lost. All other
 * registers survive, so unused arguments are simply zero.
 */
#ifndef LIBS_RT_HYPERCALL_H
#define LIBS_RT_HYPERCALL_H

#include <stdint.h>

static inline int64_t hypercall(uint64_t number, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4,
				uint64_t a5, uint64_t a6) {
	register uint64_t r10 __asm__("r10") = a4;
	register uint64_t r8 __asm__("r8") = a5;
	register uint64_t r9 __asm__("r9") = a6;
	int64_t result;

	__asm__ volatile("syscall"
			 : "=a"(result), "+D"(a1), "+S"(a2), "+d"(a3), "+r"(r10), "+r"(r8), "+r"(r9)
			 : "0"(number)
			 : "rcx", "r11", "memory");
	return result;
}

static inline int64_t hypercall2(uint64_t number, uint64_t a1, uint64_t a2) {
	return hypercall(number, a1, a2, 0, 0, 0, 0);
}

static inline int64_t hypercall4(uint64_t number, uint64_t a1, uint64_t a2, uint64_t a3,
				 uint64_t a4) {
	return hypercall(number, a1, a2, a3, a4, 0, 0);
}

#endif
