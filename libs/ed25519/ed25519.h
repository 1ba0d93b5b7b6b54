/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ed25519 signatures (RFC 8032, the pure variant): only the check of one. There is
 * no secret here, so nothing is done to take the same time for every input.
 *
 * Strict: S must be below the group's order, key and R must be written as they are
 * when computed, and the key may not be a point of small order, with which one
 * signature fits many messages.
 */
#ifndef LIBS_ED25519_ED25519_H
#define LIBS_ED25519_ED25519_H

#include "libs/rt/rt.h"

#define ED25519_KEY_SIZE       32U
#define ED25519_SIGNATURE_SIZE 64U

/* Whether who has the secret half of this key has signed exactly this message. */
MUST_CHECK bool ed25519_verify(const uint8_t signature[ED25519_SIGNATURE_SIZE],
			       const uint8_t key[ED25519_KEY_SIZE], const void *message,
			       size_t size);

#endif
