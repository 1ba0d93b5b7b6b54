/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Places for something that is kept of each domain, as far as there are places: who has one keeps
 * it, and when all are taken, the one that was used longest ago is given to somebody else.
 */
#ifndef SERVERS_ROOT_RECENT_H
#define SERVERS_ROOT_RECENT_H

#include "root.h"

struct recent {
	const struct domain *domain; /* NULL: free */
	uint64_t at_ns;              /* when it was taken last */
};

/* A place for it, out of so many. */
uint32_t recent_take(struct recent *places, uint32_t count, const struct domain *domain);
/* Its place; `count`: it has none any more. */
uint32_t recent_find(const struct recent *places, uint32_t count, const struct domain *domain);
/* Its place, if it has one, is free. */
void recent_forget(struct recent *places, uint32_t count, const struct domain *domain);

#endif
