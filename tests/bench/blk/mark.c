/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mark start | mark end: a no-op that the counting plugin (linux/count.c) knows
 * by its displacement, for shell scripts.
 */
#include <string.h>

int main(int argc, char **argv) {
	if (argc != 2) return 2;
	if (strcmp(argv[1], "start") == 0)
		__asm__ volatile(".byte 0x0f, 0x1f, 0x80; .long 0x7e550001" ::: "memory");
	else
		__asm__ volatile(".byte 0x0f, 0x1f, 0x80; .long 0x7e550002" ::: "memory");
	return 0;
}
