/* SPDX-License-Identifier: BSD-2-Clause */
#include "story.h"

#include "libs/rt/time.h"

#define STORIES 128U

static struct {
	const struct domain *domain;
	struct manage_story story;
} kept[STORIES];
static uint32_t used;

/* The domain's own place, a free one, or that of whose failure is the longest ago. */
static uint32_t place_for(const struct domain *domain) {
	uint32_t oldest = 0;

	for (uint32_t i = 0; i < used; i++) {
		if (kept[i].domain == domain) return i;
		if (kept[i].story.at_ns < kept[oldest].story.at_ns) oldest = i;
	}
	return used < STORIES ? used++ : oldest;
}

static void copy(char to[128], const char *from) { rt_strcopy(to, from ? from : "", 128); }

void story_tell(struct domain *domain, const struct story *story) {
	uint32_t i = place_for(domain);
	struct manage_story *to = &kept[i].story;

	kept[i].domain = domain;
	*to = (struct manage_story){
		.at_ns = time_now(),
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
	*story = (struct manage_story){.count = domain->stories, .line = domain->d->line};
	for (uint32_t i = 0; i < used; i++)
		if (kept[i].domain == domain) *story = kept[i].story;
}
