/* SPDX-License-Identifier: BSD-2-Clause */
#include "recent.h"

#include "libs/rt/time.h"

uint32_t recent_find(const struct recent *places, uint32_t count, const struct domain *domain) {
	uint32_t i = 0;

	while (i < count && places[i].domain != domain) i++;
	return i;
}

uint32_t recent_take(struct recent *places, uint32_t count, const struct domain *domain) {
	uint32_t place = recent_find(places, count, domain);

	if (place == count) {
		place = 0;
		/* A free one was never taken. */
		for (uint32_t i = 1; i < count; i++)
			if (places[i].at_ns < places[place].at_ns) place = i;
	}
	places[place] = (struct recent){.domain = domain, .at_ns = time_now()};
	return place;
}

void recent_forget(struct recent *places, uint32_t count, const struct domain *domain) {
	uint32_t place = recent_find(places, count, domain);

	if (place < count) places[place] = (struct recent){0};
}
