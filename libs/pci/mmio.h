/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Registers in device memory. Volatile accesses of exactly the stated width, in
 * program order: the mapping is uncached, so the processor keeps the order too,
 * and x86 keeps it against ordinary memory as far as drivers need (a store to a
 * queue is seen before the doorbell behind it).
 */
#ifndef LIBS_PCI_MMIO_H
#define LIBS_PCI_MMIO_H

#include <stdint.h>

#define MMIO_ACCESS(bits)                                                              \
	static inline uint##bits##_t mmio_read##bits(const volatile void *at) {        \
		return *(const volatile uint##bits##_t *)at;                           \
	}                                                                              \
	static inline void mmio_write##bits(volatile void *at, uint##bits##_t value) { \
		__asm__ volatile("" : : : "memory");                                   \
		*(volatile uint##bits##_t *)at = value;                                \
	}

MMIO_ACCESS(8)
MMIO_ACCESS(16)
MMIO_ACCESS(32)
MMIO_ACCESS(64)
#undef MMIO_ACCESS

#endif
