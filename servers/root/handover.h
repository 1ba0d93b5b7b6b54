/* SPDX-License-Identifier: BSD-2-Clause */
/* What a domain finds when it starts: capabilities, and the arrays of its start page. */
#ifndef SERVERS_ROOT_HANDOVER_H
#define SERVERS_ROOT_HANDOVER_H

#include "root.h"

/* Fills the table of a domain that is empty; NULL, or why that cannot be. */
const char *handover_native(struct domain *domain, struct native_start *start);
const char *handover_guest(struct domain *guest);

/* A capability of root's into the domain's next slot and its start page; the slot, 0 = failed. */
uint32_t handover_cap(struct domain *domain, struct native_start *start, uint32_t from,
		      uint32_t rights, const struct native_cap *cap);
/* Pages of root's as one more connection, to root, without a port. */
void handover_pages(struct native_start *start, uint32_t protocol, const char *name, uint32_t ref,
		    uint32_t pages, uint32_t flags);

/* A child of root's capability `from`, to give on; its slot, 0 = failed. */
uint32_t handover_narrow(uint32_t from, uint32_t rights, uint64_t first, uint64_t count);

#endif
