/* SPDX-License-Identifier: BSD-2-Clause */
/* SHA-512 (FIPS 180-4) of data that comes in pieces. */
#ifndef LIBS_ED25519_SHA512_H
#define LIBS_ED25519_SHA512_H

#include "libs/rt/rt.h"

#define SHA512_SIZE 64U

struct sha512 {
	uint64_t state[8];
	uint64_t length; /* bytes so far */
	uint8_t block[128];
};

void sha512_begin(struct sha512 *sha);
void sha512_add(struct sha512 *sha, const void *data, size_t size);
void sha512_end(struct sha512 *sha, uint8_t digest[SHA512_SIZE]);

#endif
