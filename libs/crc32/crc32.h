/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * CRC-32 of IEEE 802.3, as in zlib and GPT: reflected, polynomial 0xedb88320,
 * start and end inverted. For headers of some hundred bytes: no table.
 */
#ifndef LIBS_CRC32_CRC32_H
#define LIBS_CRC32_CRC32_H

#include <stddef.h>
#include <stdint.h>

uint32_t crc32(const void *data, size_t size);

#endif
