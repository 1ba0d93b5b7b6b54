/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The core's log: a ring of text in which every byte ever written has a
 * position, a u64 that never wraps. Until somebody reads it, text also goes to
 * a polled serial port; in a panic it does so again.
 */
#ifndef KERNEL_LIB_LOG_H
#define KERNEL_LIB_LOG_H

#include "lib/types.h"

struct vcpu;

#define LOG_SIZE KIB(64)

/* The serial port: `log=com1|com2|none` in the command line; com1 without it. */
void log_init(const char *command_line);
void log_write(const char *text, size_t size);
/*
 * Copies text from *position on, and moves *position behind it; bytes that have
 * been overwritten are skipped. The result is the number of bytes copied.
 */
size_t log_read(char *to, size_t size, u64 *position);
/*
 * v's domain reads from now on: no more polling; VIRQ_CON_RING goes to v. False: somebody
 * does already. NULL: nobody reads. Under tree_lock.
 */
bool log_set_reader(struct vcpu *v);
/* Text goes to the serial port again, whoever reads. */
void log_panic(void);

#endif
