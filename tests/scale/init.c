/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The whole user space of a Linux guest that many of are run at once: the first
 * process, without a library. It counts the seconds until the moment that its
 * argument names, in seconds of the wall clock, so that guests which started one after the
 * other end together; then it says how long the kernel has been up and powers off.
 */
#include <linux/reboot.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>

long call(long number, long a, long b, long c, long d);
void start(const long *stack);

__asm__(".globl _start\n"
	"_start:	mov %rsp, %rdi\n"
	"	and $-16, %rsp\n"
	"	call start\n"
	".globl call\n"
	"call:	mov %rdi, %rax\n"
	"	mov %rsi, %rdi\n"
	"	mov %rdx, %rsi\n"
	"	mov %rcx, %rdx\n"
	"	mov %r8, %r10\n"
	"	syscall\n"
	"	ret\n");

static uint64_t number(const char *p) {
	uint64_t value = 0;

	for (; *p >= '0' && *p <= '9'; p++) value = value * 10 + (uint64_t)(*p - '0');
	return value;
}

/* The kernel's words behind "--" are this program's arguments. */
void start(const long *stack) {
	uint64_t until = stack[0] > 1 ? number((const char *)stack[2]) : 0;
	struct timespec now = {0}, second = {.tv_sec = 1};

	while (!call(SYS_clock_gettime, CLOCK_REALTIME, (long)&now, 0, 0) &&
	       (uint64_t)now.tv_sec < until)
		call(SYS_nanosleep, (long)&second, 0, 0, 0);
	call(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, LINUX_REBOOT_CMD_POWER_OFF, 0);
}
