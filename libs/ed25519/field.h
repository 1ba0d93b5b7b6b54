/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Numbers modulo 2^255 - 19 in five limbs of 51 bits, each of which may be up to a few
 * units above that: every function takes and gives limbs below 2^52.
 */
#ifndef LIBS_ED25519_FIELD_H
#define LIBS_ED25519_FIELD_H

#include "libs/rt/rt.h"

struct field {
	uint64_t limb[5];
};

struct field field_add(const struct field *a, const struct field *b);
struct field field_sub(const struct field *a, const struct field *b);
struct field field_mul(const struct field *a, const struct field *b);
/* a to the power 2^252 - 3, from which a square root follows. */
struct field field_root_power(const struct field *a);
/* The low 255 bits, whatever they are; and the one form that a number has. */
struct field field_load(const uint8_t bytes[32]);
void field_store(uint8_t bytes[32], const struct field *a);
bool field_is_zero(const struct field *a);
bool field_is_odd(const struct field *a);

#endif
