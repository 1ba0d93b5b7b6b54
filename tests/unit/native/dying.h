/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A process that dies at any instruction of a function: for servers whose state
 * outlives them. The functions are wrapped (ld --wrap); in the call that is to be the
 * last one the processor single-steps, and the trap handler ends the process when its
 * time has come.
 *
 *   parent: doomed, calls_left, instructions_left are chosen; fork()
 *   child:  dying_begin(); in each wrapper: last = last_begins(FUNCTION); the real
 *           function; last_ends(last)
 */
#ifndef TESTS_UNIT_NATIVE_DYING_H
#define TESTS_UNIT_NATIVE_DYING_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <unistd.h>

/* How this life ends: at an instruction of one call of one function. */
static uint32_t doomed, calls_left, instructions_left;

static void one_instruction(int signal) {
	(void)signal;
	if (!instructions_left--) _exit(0);
}

static void dying_begin(void) {
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* a failed check leaves no server behind */
	signal(SIGTRAP, one_instruction);
}

/* The flag TF; the stack below may be in use without a pointer to it (red zone). */
static inline void trace(bool on) {
	__asm__ volatile("leaq -128(%%rsp), %%rsp; pushfq; andq $~0x100, (%%rsp)\n\t"
			 "orq %0, (%%rsp); popfq; leaq 128(%%rsp), %%rsp"
			 :
			 : "r"(on ? 0x100UL : 0UL)
			 : "memory", "cc");
}

/* True: this call is the last one. */
static bool last_begins(uint32_t function) {
	bool last = function == doomed && !calls_left--;

	trace(last);
	return last;
}

static void last_ends(bool last) {
	trace(false);
	if (last) _exit(0);
}

#endif
