/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What went wrong last with each domain, in words: what happened, what was expected,
 * what was found, what to try. Told where it happens, read by who asks `why`.
 * The newest STORIES are kept; a domain's older ones are counted.
 */
#ifndef SERVERS_ROOT_STORY_H
#define SERVERS_ROOT_STORY_H

#include "proto/manage.h"
#include "root.h"

struct story {
	uint32_t status;                              /* MANAGE_* */
	const char *what, *expected, *found, *advice; /* copied; NULL: nothing to say */
};

void story_tell(struct domain *domain, const struct story *story);
/* The last one; count is 0 if there was none. */
void story_read(const struct domain *domain, struct manage_story *story);
/* There was none. */
void story_forget(struct domain *domain);

#endif
