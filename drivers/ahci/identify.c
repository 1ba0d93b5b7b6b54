/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * IDENTIFY DEVICE data (ACS-3, section 7.12). It is the disk's word: what it says
 * is brought into the bounds of what the driver can do, and a disk that makes no
 * sense is not used.
 */
#include "ahci.h"

#define WORD_SERIAL     10U
#define WORD_DEPTH      75U
#define WORD_SATA       76U
#define WORD_COMMANDS   82U /* 82..84 supported, 85..87 enabled */
#define WORD_SECTORS    100U
#define WORD_SECTOR     106U
#define WORD_BLOCK_SIZE 117U
#define WORD_TRIM       169U
#define WORD_CHECKSUM   255U

static uint32_t word(const uint8_t *data, uint32_t n) {
	return data[2 * n] | (uint32_t)data[2 * n + 1] << 8;
}

/* Two characters in a word, the first one in its upper half. */
static void serial(char to[21], const uint8_t *data) {
	uint32_t length = 0;

	for (uint32_t i = 0; i < 20; i++) {
		char c = (char)data[2 * WORD_SERIAL + (i ^ 1)];

		if (c == ' ' && !length) continue;
		to[length++] = c > ' ' && c < 0x7f ? c : '_';
	}
	while (length && to[length - 1] == '_') length--;
	to[length] = '\0';
}

static bool checksum_is_good(const uint8_t *data) {
	uint8_t sum = 0;

	if (data[2 * WORD_CHECKSUM] != 0xa5) return true; /* it has none */
	for (uint32_t i = 0; i < DATA_BYTES; i++) sum = (uint8_t)(sum + data[i]);
	return !sum;
}

/* A word of this kind is valid if bit 14 is set and bit 15 is not. */
static uint32_t valid_word(const uint8_t *data, uint32_t n) {
	uint32_t value = word(data, n);

	return (value & 0xc000) == 0x4000 ? value : 0;
}

bool identify_parse(const uint8_t data[DATA_BYTES], struct ahci_identity *identity,
		    const char **why) {
	uint32_t supported = valid_word(data, WORD_COMMANDS + 1);
	uint32_t more = valid_word(data, WORD_COMMANDS + 2);
	uint32_t sizes = valid_word(data, WORD_SECTOR);
	uint32_t sata = word(data, WORD_SATA), block = 512;
	uint64_t sectors;

	*identity = (struct ahci_identity){0};
	if (!checksum_is_good(data)) return *why = "its identity has a wrong checksum", false;
	if (word(data, 0) & 1U << 15) return *why = "it is no ATA disk", false;
	if (!(supported & 1U << 10)) return *why = "it has no 48-bit addresses", false;
	memcpy(&sectors, data + 2 * WORD_SECTORS, sizeof(sectors));
	if (sizes & 1U << 12) {
		uint64_t size = 2 * (uint64_t)(word(data, WORD_BLOCK_SIZE) |
					       word(data, WORD_BLOCK_SIZE + 1) << 16);

		if (size != 512 && size != 4096)
			return *why = "blocks of neither 512 nor 4096 bytes", false;
		block = (uint32_t)size;
	}
	if (!sectors || sectors > 1ULL << 48) return *why = "an impossible size", false;

	identity->sectors = sectors * (block / BLK_SECTOR);
	identity->block = block;
	identity->physical_block = sizes & 1U << 13 ? block << MIN(sizes & 0xf, 8U) : block;
	if (sata != 0xffff && sata & 1U << 8) identity->depth = (word(data, WORD_DEPTH) & 0x1f) + 1;
	identity->flush = supported & 1U << 13;
	identity->cache = word(data, WORD_COMMANDS + 3) & 1U << 5;
	identity->fua = more & 1U << 6;
	identity->trim = word(data, WORD_TRIM) & 1;
	serial(identity->serial, data);
	return true;
}
