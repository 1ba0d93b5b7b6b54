/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The check of a signature (R, S) by a key A over a message M: S * B - h * A is R,
 * where h is the hash of R, A and M. Points are on the curve -x^2 + y^2 = 1 + d x^2 y^2
 * in extended coordinates (Hisil and others, 2008), whose addition holds for all
 * points, so that doubling is adding, too. Both products are done in one pass.
 */
#include "libs/ed25519/ed25519.h"

#include "libs/ed25519/field.h"
#include "libs/ed25519/sha512.h"

struct point {
	struct field x, y, z, t; /* x * y = z * t */
};

static const struct field zero, one = {{1}};
static const struct field curve_d = {
	{0x34dca135978a3, 0x1a8283b156ebd, 0x5e7a26001c029, 0x739c663a03cbb, 0x52036cee2b6ff}};
static const struct field twice_d = {
	{0x69b9426b2f159, 0x35050762add7a, 0x3cf44c0038052, 0x6738cc7407977, 0x2406d9dc56dff}};
static const struct field root_of_minus_one = {
	{0x61b274a0ea0b0, 0xd5a5fc8f189d, 0x7ef5e9cbd0c60, 0x78595a6804c9e, 0x2b8324804fc1d}};
static const struct point base = {
	.x = {{0x62d608f25d51a, 0x412a4b4f6592a, 0x75b7171a4b31d, 0x1ff60527118fe,
	       0x216936d3cd6e5}},
	.y = {{0x6666666666658, 0x4cccccccccccc, 0x1999999999999, 0x3333333333333,
	       0x6666666666666}},
	.z = {{1}},
	.t = {{0x68ab3a5b7dda3, 0xeea2a5eadbb, 0x2af8df483c27e, 0x332b375274732, 0x67875f0fd78b7}},
};
static const struct point neutral = {.y = {{1}}, .z = {{1}}};

static struct point add(const struct point *p, const struct point *q) {
	struct field a, b, c, d, e, f, g, h;

	a = field_sub(&p->y, &p->x);
	b = field_sub(&q->y, &q->x);
	a = field_mul(&a, &b);
	b = field_add(&p->y, &p->x);
	c = field_add(&q->y, &q->x);
	b = field_mul(&b, &c);
	c = field_mul(&p->t, &q->t);
	c = field_mul(&c, &twice_d);
	d = field_mul(&p->z, &q->z);
	d = field_add(&d, &d);
	e = field_sub(&b, &a);
	f = field_sub(&d, &c);
	g = field_add(&d, &c);
	h = field_add(&b, &a);
	return (struct point){
		.x = field_mul(&e, &f),
		.y = field_mul(&g, &h),
		.z = field_mul(&f, &g),
		.t = field_mul(&e, &h),
	};
}

static struct point negative(const struct point *p) {
	struct point n = *p;

	n.x = field_sub(&zero, &p->x);
	n.t = field_sub(&zero, &p->t);
	return n;
}

/* x with v * x^2 = u; false: there is none. */
static bool root_of_quotient(struct field *x, const struct field *u, const struct field *v) {
	struct field v3, v7, check, difference;

	v3 = field_mul(v, v);
	v3 = field_mul(&v3, v);
	v7 = field_mul(&v3, &v3);
	v7 = field_mul(&v7, v);
	v7 = field_mul(&v7, u);
	*x = field_root_power(&v7);
	*x = field_mul(x, &v3);
	*x = field_mul(x, u);
	check = field_mul(x, x);
	check = field_mul(&check, v);
	difference = field_sub(&check, u);
	if (field_is_zero(&difference)) return true;
	*x = field_mul(x, &root_of_minus_one);
	difference = field_add(&check, u);
	return field_is_zero(&difference);
}

/* A point as it is written: y, and in the highest bit whether x is odd. */
static bool load_point(struct point *p, const uint8_t bytes[32]) {
	bool odd = bytes[31] >> 7;
	struct field y2, u, v;
	uint8_t again[32];

	p->y = field_load(bytes);
	field_store(again, &p->y);
	again[31] |= (uint8_t)(odd << 7);
	if (memcmp(again, bytes, sizeof(again))) return false; /* not below the modulus */
	y2 = field_mul(&p->y, &p->y);
	u = field_sub(&y2, &one);
	v = field_mul(&y2, &curve_d);
	v = field_add(&v, &one);
	if (!root_of_quotient(&p->x, &u, &v)) return false;
	if (field_is_zero(&p->x) && odd) return false;
	if (field_is_odd(&p->x) != odd) p->x = field_sub(&zero, &p->x);
	p->z = one;
	p->t = field_mul(&p->x, &p->y);
	return true;
}

/* One over z is z to the power p - 2, which is 8 * (2^252 - 3) + 3. */
static void store_point(uint8_t bytes[32], const struct point *p) {
	struct field inverse = field_root_power(&p->z), x, y;

	for (int i = 0; i < 3; i++) inverse = field_mul(&inverse, &inverse);
	for (int i = 0; i < 3; i++) inverse = field_mul(&inverse, &p->z);
	x = field_mul(&p->x, &inverse);
	y = field_mul(&p->y, &inverse);
	field_store(bytes, &y);
	bytes[31] |= (uint8_t)(field_is_odd(&x) << 7);
}

static bool has_small_order(const struct point *p) {
	struct point eight = *p;
	struct field difference;

	for (int i = 0; i < 3; i++) eight = add(&eight, &eight);
	difference = field_sub(&eight.y, &eight.z);
	return field_is_zero(&eight.x) && field_is_zero(&difference);
}

/* --- numbers modulo the order of the base point --- */

static const uint64_t order[4] = {0x5812631a5cf5d3ed, 0x14def9dea2f79cd6, 0, 0x1000000000000000};

static bool below_order(const uint64_t n[4]) {
	for (int i = 3; i >= 0; i--)
		if (n[i] != order[i]) return n[i] < order[i];
	return false;
}

/* A number of 512 bits, bit by bit: it is done once for a signature. */
static void reduce(uint64_t n[4], const uint8_t bytes[64]) {
	memset(n, 0, 4 * sizeof(*n));
	for (int bit = 511; bit >= 0; bit--) {
		uint64_t in = bytes[bit / 8] >> bit % 8 & 1, borrow = 0;

		for (unsigned i = 0; i < 4; i++) {
			uint64_t out = n[i] >> 63;

			n[i] = n[i] << 1 | in;
			in = out;
		}
		if (below_order(n)) continue;
		for (unsigned i = 0; i < 4; i++) {
			uint64_t before = n[i], less = before - order[i];

			n[i] = less - borrow;
			borrow = before < order[i] || less < borrow;
		}
	}
}

/* a * p + b * base */
static struct point two_products(const uint64_t a[4], const struct point *p, const uint64_t b[4]) {
	struct point sum = add(p, &base), result = neutral;
	const struct point *table[4] = {&neutral, p, &base, &sum};

	for (unsigned bit = 256; bit--;) {
		unsigned which = (unsigned)(a[bit / 64] >> bit % 64 & 1) |
				 (unsigned)(b[bit / 64] >> bit % 64 & 1) << 1;

		result = add(&result, &result);
		if (which) result = add(&result, table[which]);
	}
	return result;
}

bool ed25519_verify(const uint8_t signature[ED25519_SIGNATURE_SIZE],
		    const uint8_t key[ED25519_KEY_SIZE], const void *message, size_t size) {
	uint8_t hash[SHA512_SIZE], expected[32];
	uint64_t s[4], h[4];
	struct point a, r;
	struct sha512 sha;

	memcpy(s, signature + 32, sizeof(s));
	if (!below_order(s) || !load_point(&a, key) || has_small_order(&a)) return false;
	sha512_begin(&sha);
	sha512_add(&sha, signature, 32);
	sha512_add(&sha, key, ED25519_KEY_SIZE);
	sha512_add(&sha, message, size);
	sha512_end(&sha, hash);
	reduce(h, hash);
	a = negative(&a);
	r = two_products(h, &a, s);
	store_point(expected, &r);
	return !memcmp(expected, signature, sizeof(expected));
}
