/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The lifeboat of a native domain (proto/lifeboat.h): opening it, and the order
 * in which a record is written so that a death between any two instructions
 * leaves it readable.
 *
 * A record is written while its state word says that it is not valid, and
 * becomes valid by lifeboat_set_state(); it ends by another. What lies in an
 * adopted lifeboat is input: its owner checks each record.
 */
#ifndef LIBS_LIFEBOAT_LIFEBOAT_H
#define LIBS_LIFEBOAT_LIFEBOAT_H

#include "libs/rt/rt.h"
#include "proto/lifeboat.h"

#define LIFEBOAT_DATA        64U /* where the owner's own layout begins, from the header on */
#define LIFEBOAT_PAGES(size) DIV_UP(LIFEBOAT_DATA + (uint64_t)(size), PAGE_SIZE)

struct lifeboat {
	void *data;         /* LIFEBOAT_DATA bytes behind the header, 64-byte aligned */
	uint32_t size;      /* bytes at data */
	bool adopted;       /* false: data is zero; true: it is what a predecessor left */
	uint32_t adoptions; /* by how many incarnations so far, this one included */
	uint32_t rejected;  /* how often what was found could not be used */
	struct lifeboat_header laid_out; /* the header as it should be; counters and magic 0 */
};

/*
 * Maps the domain's SYSTEM_CONN_LIFEBOAT and takes over what is there, if it is
 * of this layout and size; else begins anew with zeroes. size: bytes of data.
 * 0; -ENOENT: root lends none; -ENOSPC: it is smaller than that; or as grant_map().
 */
MUST_CHECK int lifeboat_open(struct lifeboat *boat, uint32_t layout, uint32_t size);
/*
 * For a program that can work in several layouts of the same size: what is there is taken
 * over if it is of one of them, and stays in that (laid_out.layout), so that whoever was
 * here before can come back. What is begun anew is of the newest.
 */
MUST_CHECK int lifeboat_open_any(struct lifeboat *boat, uint32_t oldest, uint32_t newest,
				 uint32_t size);
/* As lifeboat_open(), but only LIFEBOAT_PAGES(size) are mapped: those behind are the caller's. */
MUST_CHECK int lifeboat_open_records(struct lifeboat *boat, uint32_t layout, uint32_t size);
/* The same on memory that is mapped already. -ENOSPC as above. */
MUST_CHECK int lifeboat_take(struct lifeboat *boat, void *memory, uint64_t available,
			     const char *owner, uint32_t layout, uint32_t size);
/* What was adopted makes no sense to its owner: begins anew with zeroes. */
void lifeboat_reject(struct lifeboat *boat);

/* Everything stored before is there when the state is. */
static inline void lifeboat_set_state(uint32_t *state, uint32_t value) {
	__atomic_store_n(state, value, __ATOMIC_RELEASE);
}

static inline uint32_t lifeboat_state(const uint32_t *state) {
	return __atomic_load_n(state, __ATOMIC_ACQUIRE);
}

#endif
