/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bytes and strings. Sizes that are multiples of eight, which is nearly all
 * that the core copies, go by words: a word string instruction counts an eighth
 * of the byte one where each iteration counts.
 */
#include "lib/string.h"

void *memcpy(void *to, const void *from, size_t size) {
	void *d = to;
	size_t words = size / 8;

	size %= 8;
	__asm__ volatile("rep movsq" : "+D"(d), "+S"(from), "+c"(words)::"memory");
	__asm__ volatile("rep movsb" : "+D"(d), "+S"(from), "+c"(size)::"memory");
	return to;
}

void *memset(void *to, int byte, size_t size) {
	void *d = to;
	size_t words = size / 8;
	u64 pattern = (u8)byte * 0x0101010101010101UL;

	size %= 8;
	__asm__ volatile("rep stosq" : "+D"(d), "+c"(words) : "a"(pattern) : "memory");
	__asm__ volatile("rep stosb" : "+D"(d), "+c"(size) : "a"(pattern) : "memory");
	return to;
}

int memcmp(const void *a, const void *b, size_t size) {
	const u8 *x = a, *y = b;

	for (; size; size--, x++, y++)
		if (*x != *y) return *x - *y;
	return 0;
}

size_t strlen(const char *s) {
	size_t n = 0;

	while (s[n]) n++;
	return n;
}

void string_copy(char *to, const char *from, size_t size) {
	size_t n = 0;

	for (; n + 1 < size && from[n]; n++) to[n] = from[n];
	for (; n < size; n++) to[n] = 0;
}
