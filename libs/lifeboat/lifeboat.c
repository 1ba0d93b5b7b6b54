/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * See lifeboat.h. Fresh pages are zero, so the magic says whether anybody was
 * here; it is cleared first and written last when the lifeboat is laid out, so a
 * death in between leaves one that is laid out again.
 */
#include "libs/lifeboat/lifeboat.h"

#include "libs/crc32/crc32.h"

#define CRC_FIRST offsetof(struct lifeboat_header, owner)
#define CRC_SIZE  (offsetof(struct lifeboat_header, adopted) - CRC_FIRST)

static struct lifeboat_header *header_of(const struct lifeboat *boat) {
	return (struct lifeboat_header *)((uint8_t *)boat->data - LIFEBOAT_DATA);
}

static uint32_t checksum(const struct lifeboat_header *header) {
	return crc32((const uint8_t *)header + CRC_FIRST, CRC_SIZE);
}

static void set_magic(struct lifeboat_header *header, uint64_t magic) {
	__atomic_store_n(&header->magic, magic, __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static void lay_out(struct lifeboat *boat) {
	struct lifeboat_header *header = header_of(boat);

	set_magic(header, 0);
	memset(boat->data, 0, boat->size);
	*header = boat->laid_out;
	header->adopted = boat->adoptions;
	header->rejected = boat->rejected;
	set_magic(header, LIFEBOAT_MAGIC);
	boat->adopted = false;
}

void lifeboat_reject(struct lifeboat *boat) {
	boat->rejected++;
	lay_out(boat);
}

int lifeboat_take(struct lifeboat *boat, void *memory, uint64_t available, const char *owner,
		  uint32_t layout, uint32_t size) {
	struct lifeboat_header found, *wanted = &boat->laid_out;

	if (available < LIFEBOAT_DATA || size > available - LIFEBOAT_DATA) return -XEN_ENOSPC;
	memcpy(&found, memory, sizeof(found));
	*boat = (struct lifeboat){
		.data = (uint8_t *)memory + LIFEBOAT_DATA,
		.size = size,
		.laid_out = {.layout = layout, .size = LIFEBOAT_DATA + size},
	};
	rt_strcopy(wanted->owner, owner, sizeof(wanted->owner));
	wanted->crc32 = checksum(wanted);
	if (!found.magic) {
		lay_out(boat);
		return 0;
	}
	boat->adoptions = found.adopted;
	boat->rejected = found.rejected;
	if (found.magic != LIFEBOAT_MAGIC || found.crc32 != checksum(&found) ||
	    memcmp((uint8_t *)&found + CRC_FIRST, (uint8_t *)wanted + CRC_FIRST, CRC_SIZE)) {
		lifeboat_reject(boat);
		return 0;
	}
	boat->adopted = true;
	header_of(boat)->adopted = ++boat->adoptions;
	return 0;
}
