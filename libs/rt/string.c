/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory and string functions. Copies use the string instructions: a native
 * domain is built without SSE, and the microcode of `rep movs` does better than
 * a loop of 8-byte moves for all but the smallest sizes. Words before bytes,
 * because an emulator executes one instruction for each iteration.
 */
#include "libs/rt/rt.h"

void *memcpy(void *restrict to, const void *restrict from, size_t size) {
	void *d = to;
	const void *s = from;
	size_t words = size / 8, rest = size % 8;

	__asm__ volatile("rep movsq" : "+D"(d), "+S"(s), "+c"(words) : : "memory");
	__asm__ volatile("rep movsb" : "+D"(d), "+S"(s), "+c"(rest) : : "memory");
	return to;
}

void *memmove(void *to, const void *from, size_t size) {
	uint8_t *d = to;
	const uint8_t *s = from;

	if ((uintptr_t)d - (uintptr_t)s >= size) return memcpy(to, from, size);
	while (size--) {
		d[size] = s[size];
		__asm__ volatile("" : : : "memory"); /* or the compiler calls memmove */
	}
	return to;
}

void *memset(void *to, int byte, size_t size) {
	void *d = to;
	uint64_t pattern = (uint8_t)byte * 0x0101010101010101ULL;
	size_t words = size / 8, rest = size % 8;

	__asm__ volatile("rep stosq" : "+D"(d), "+c"(words) : "a"(pattern) : "memory");
	__asm__ volatile("rep stosb" : "+D"(d), "+c"(rest) : "a"(pattern) : "memory");
	return to;
}

int memcmp(const void *a, const void *b, size_t size) {
	const uint8_t *x = a, *y = b;

	for (size_t i = 0; i < size; i++)
		if (x[i] != y[i]) return x[i] < y[i] ? -1 : 1;
	return 0;
}

size_t strlen(const char *s) {
	const volatile char *p = s; /* volatile: or the compiler calls strlen */

	while (*p) p++;
	return (size_t)(p - s);
}

int strcmp(const char *a, const char *b) {
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return (uint8_t)*a - (uint8_t)*b;
}
