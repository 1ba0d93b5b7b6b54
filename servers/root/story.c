/* SPDX-License-Identifier: BSD-2-Clause */
#include "story.h"

#include "recent.h"

#define STORIES 128U

static struct recent places[STORIES];
static struct manage_story kept[STORIES];

static void copy(char to[128], const char *from) { rt_strcopy(to, from ? from : "", 128); }

void story_tell(struct domain *domain, const struct story *story) {
	uint32_t i = recent_take(places, STORIES, domain);
	struct manage_story *to = &kept[i];

	*to = (struct manage_story){
		.at_ns = places[i].at_ns,
		.count = ++domain->stories,
		.line = domain->d->line,
		.status = story->status,
	};
	copy(to->what, story->what);
	copy(to->expected, story->expected);
	copy(to->found, story->found);
	copy(to->advice, story->advice);
}

void story_read(const struct domain *domain, struct manage_story *story) {
	uint32_t i = recent_find(places, STORIES, domain);

	*story = (struct manage_story){.count = domain->stories, .line = domain->d->line};
	if (i < STORIES) *story = kept[i];
}

void story_forget(struct domain *domain) {
	domain->stories = 0;
	recent_forget(places, STORIES, domain);
}
