/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A machine for host programs that run parts of the core: RAM in the place of
 * the direct map, a frame table, one CPU, and stand-ins for whatever a test does
 * not link (machine.c, fakes.c). "Guest memory" is the program's own; an address
 * below 4096 faults.
 *
 * A failed check prints where and ends the program with status 1; panic() does
 * the same, so an assertion of the core fails the test.
 */
#ifndef TESTS_HOST_MACHINE_H
#define TESTS_HOST_MACHINE_H

#include "cap/cap.h"
#include "domain/domain.h"
#include "mem/frame.h"
#include "mem/memory.h"

#define CHECK(condition)                                                        \
	do {                                                                    \
		if (!(condition)) machine_fail(__FILE__, __LINE__, #condition); \
	} while (0)

NORETURN void machine_fail(const char *file, int line, const char *what);

/* Empty RAM of this many frames, all free; the capability tables and domains of before are gone. */
void machine_init(u64 frames);
/* The first domain, made of frames at the start, with one Memory capability over the rest (slot 2)
 * and itself in slot 1. It runs, and is the current one. */
struct domain *machine_root(u32 cap_slots);
/* Private state of the core's files (core.c): forgotten, too. */
void core_forget(void);
/* hypercall 63 as this domain's vCPU 0, again and again until it is done. */
long machine_invoke(struct domain *caller, u64 operation, u64 slot, u64 a1, u64 a2, u64 a3, u64 a4);
/* How often the last machine_invoke was restarted. */
extern unsigned machine_restarts;
/* The arguments of the hypercall under way, as its restart finds them. */
extern u64 machine_args[6];

/* What the fakes remember. */
extern struct fake_log {
	struct vcpu *log_reader;
	unsigned notified, ports_changed, irq_released, restarts, log_readers;
	bool hypercalls_traced;
	u32 irq_first, irq_count;
	paddr_t attached; /* the last vtd_attach */
	u32 attached_source, attached_id;
	unsigned dma_flushes;
	u64 dma_written;
	unsigned channel_resets, grant_resets, forgotten, contexts_cleared;
	char text[4096]; /* what the core printed last */
} fake;

/* For the fake virq_bound: the one port that is bound to VIRQ_DOM_EXC. */
#define FAKE_WATCH_PORT 7

#endif
