/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The lifeboat: pages that root lends to a native domain and that survive it.
 * What a server could not find out again (requests it has taken and not answered,
 * a table that others rely on) lies here; its successor finds it as it was.
 *
 * SYSTEM_CONN_LIFEBOAT is a connection to root without a port. Only the present
 * incarnation has it mapped: a reset takes the mapping away.
 *
 * A predecessor that died may have left anything here, so this is input: the
 * header is checked, and every record by its owner's own rule. A domain dies
 * between two instructions, and its stores become visible in order: so a record
 * is written first and its state word last, and never needs two states at once.
 */
#ifndef PROTO_LIFEBOAT_H
#define PROTO_LIFEBOAT_H

#include <stdint.h>

#define LIFEBOAT_MAX_PAGES 4096U

#define LIFEBOAT_MAGIC 0x54414f424546494cULL /* "LIFEBOAT" */

struct lifeboat_header {
	uint64_t magic;    /* written last when the rest is laid out; fresh pages are zero */
	char owner[16];    /* name of the domain */
	uint32_t layout;   /* number of the owner's own layout: what the rest means */
	uint32_t size;     /* bytes, header included, as laid out */
	uint32_t adopted;  /* how many incarnations have taken it over */
	uint32_t rejected; /* how often one did not, and began anew */
	uint32_t crc32;    /* IEEE, of owner, layout and size */
	uint32_t pad[3];
};

_Static_assert(sizeof(struct lifeboat_header) == 56, "lifeboat_header layout");

#endif
