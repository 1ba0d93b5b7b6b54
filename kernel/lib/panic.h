/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The end of the machine. panic() is declared in lib/types.h.
 */
#ifndef KERNEL_LIB_PANIC_H
#define KERNEL_LIB_PANIC_H

#include "domain/domain.h"

/* This machine, or what the loader brought, will not do: in the user's words, without a backtrace.
 */
NORETURN COLD void boot_refuse(const char *format, ...) PRINTF(1);

/* One CPU has panicked: the others stop when they are told. */
extern bool panicking;

/* An exception in the core that nothing expects: entry/ calls this. */
NORETURN COLD void core_exception(struct regs *r);

#endif
