/* SPDX-License-Identifier: BSD-2-Clause */
/* Signatures, keys and messages of any kind: none is good, and none reads beyond them. */
#include <stdlib.h>
#include <string.h>

#include "libs/ed25519/ed25519.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	uint8_t signature[64] = {0}, key[32] = {0};

	if (size < 96) return 0;
	memcpy(key, data, sizeof(key));
	memcpy(signature, data + 32, sizeof(signature));
	signature[63] &= 0x1f; /* else most are refused at once */
	if (ed25519_verify(signature, key, data + 96, size - 96)) abort();
	return 0;
}
