/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Limits that were set through the connections of proto/ctl.h, kept for the server's successor:
 * netctl_record and blkctl_record are a byte for each thing, which says whether a limit was set,
 * and the limits. A client that may set limits can write there, so what is found is checked by
 * whoever takes it over.
 *
 * What was set last holds, through whichever connection: a limit that is set is forgotten in the
 * records of all others. A server that dies between the two does its request again.
 */
#ifndef LIBS_CTL_RECORD_H
#define LIBS_CTL_RECORD_H

#include "libs/ctl/page.h"

struct ctl_records {
	struct ctl_server *servers; /* all of this kind */
	uint32_t count, right;      /* of these; which one a client needs to set limits */
	uint32_t at;                /* where in the pages behind the payload the record lies */
	uint32_t things, size;      /* how many limits it has, and the bytes of one */
};

/* This limit was set through `server`. */
void ctl_record_set(const struct ctl_records *records, const struct ctl_server *server, uint32_t n,
		    const void *limit);
/* A copy of what was set for thing n. False: nothing was. */
bool ctl_record_get(const struct ctl_records *records, uint32_t n, void *limit);

#endif
