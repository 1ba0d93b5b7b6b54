/* SPDX-License-Identifier: BSD-2-Clause */
#include "libs/ed25519/field.h"

#define MASK ((1ULL << 51) - 1)

__extension__ typedef unsigned __int128 wide;

/* Moves what is above 51 bits on; 2^255 is 19. */
static struct field carry(struct field a) {
	uint64_t over = 0;

	for (unsigned i = 0; i < 5; i++) {
		a.limb[i] += over;
		over = a.limb[i] >> 51;
		a.limb[i] &= MASK;
	}
	a.limb[0] += 19 * over;
	return a;
}

struct field field_add(const struct field *a, const struct field *b) {
	struct field sum;

	for (unsigned i = 0; i < 5; i++) sum.limb[i] = a->limb[i] + b->limb[i];
	return carry(sum);
}

struct field field_sub(const struct field *a, const struct field *b) {
	struct field difference;

	/* Four times the modulus is added, so that no limb gets below zero. */
	for (unsigned i = 0; i < 5; i++)
		difference.limb[i] = a->limb[i] + 4 * (i ? MASK : MASK - 18) - b->limb[i];
	return carry(difference);
}

struct field field_mul(const struct field *a, const struct field *b) {
	const uint64_t *x = a->limb, *y = b->limb;
	wide sum[5] = {0};
	struct field product;
	uint64_t over = 0;

	for (unsigned i = 0; i < 5; i++)
		for (unsigned j = 0; j < 5; j++)
			sum[(i + j) % 5] += (wide)x[i] * (i + j < 5 ? y[j] : 19 * y[j]);
	for (unsigned i = 0; i < 5; i++) {
		sum[i] += over;
		product.limb[i] = (uint64_t)sum[i] & MASK;
		over = (uint64_t)(sum[i] >> 51);
	}
	/* What is over has up to 62 bits; times 19 it would not fit beside a limb. */
	product.limb[1] += (uint64_t)(((wide)over * 19 + product.limb[0]) >> 51);
	product.limb[0] = (uint64_t)((wide)over * 19 + product.limb[0]) & MASK;
	return carry(product);
}

struct field field_root_power(const struct field *a) {
	struct field r = *a;

	for (int bit = 250; bit >= 0; bit--) {
		r = field_mul(&r, &r);
		if (bit != 1) r = field_mul(&r, a);
	}
	return r;
}

struct field field_load(const uint8_t bytes[32]) {
	struct field a;

	for (unsigned i = 0; i < 5; i++) {
		unsigned bit = 51 * i;
		uint64_t word;

		memcpy(&word, bytes + MIN(bit / 8, 24U), sizeof(word));
		a.limb[i] = word >> (bit - 8 * MIN(bit / 8, 24U)) & MASK;
	}
	return a;
}

void field_store(uint8_t bytes[32], const struct field *a) {
	struct field r = carry(carry(*a)), less;
	uint64_t word[4];

	/* Below 2^255 now, so at most one modulus too large: it is if r + 19 is 2^255 or more. */
	less = r;
	less.limb[0] += 19;
	for (unsigned i = 0; i < 4; i++) {
		less.limb[i + 1] += less.limb[i] >> 51;
		less.limb[i] &= MASK;
	}
	if (less.limb[4] >> 51) {
		less.limb[4] &= MASK;
		r = less;
	}
	for (unsigned i = 0; i < 4; i++)
		word[i] = r.limb[i] >> (13 * i) | r.limb[i + 1] << (51 - 13 * i);
	memcpy(bytes, word, sizeof(word));
}

bool field_is_zero(const struct field *a) {
	static const uint8_t zero[32];
	uint8_t bytes[32];

	field_store(bytes, a);
	return !memcmp(bytes, zero, sizeof(zero));
}

bool field_is_odd(const struct field *a) {
	uint8_t bytes[32];

	field_store(bytes, a);
	return bytes[0] & 1;
}
