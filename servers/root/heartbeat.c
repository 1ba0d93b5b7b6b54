/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Natives that run and do nothing. A domain's event loop answers what root asks in its
 * control page (proto/control.h): that shows that the loop turns, no more and no less.
 * Asked is a few times within each domain's limit. One that has never answered since
 * it started is not judged: it may be waiting for its device, and its clients notice.
 * Time in which root itself was at work does not count: the others may have had no CPU.
 */
#include "libs/rt/time.h"
#include "root.h"

#define PER_LIMIT    4U /* how often is asked within a limit */
#define TICK_MINIMUM MILLISECONDS(10)

static struct event_timer timer;
static uint64_t planned; /* when root wanted to look next */

static bool is_watched(const struct domain *domain) {
	return is_native(domain) && domain->heartbeat_ms && domain->stage == STAGE_RUNNING &&
	       !domain->paused;
}

static void look_at(struct domain *domain, uint64_t now, uint64_t late) {
	struct control_page *page = domain->control;
	char why[64];

	if (__atomic_load_n(&page->beat, __ATOMIC_RELAXED) == page->beat_asked) {
		if (page->beat_asked != domain->beat_first) domain->beats = true;
		domain->beat_due = now + MILLISECONDS(domain->heartbeat_ms);
		__atomic_store_n(&page->beat_asked, page->beat_asked + 1, __ATOMIC_RELAXED);
		wiring_kick(domain);
		return;
	}
	if (!domain->beats || !domain->beat_due) return;
	domain->beat_due += late;
	if (now >= domain->beat_due) {
		rt_format(why, sizeof(why), "hung: no heartbeat for %u ms", domain->heartbeat_ms);
		supervise_crash(domain, why);
	}
}

static void tick(void *context) {
	uint64_t now = time_now(), next = 0, late = planned && now > planned ? now - planned : 0;

	(void)context;
	for (uint32_t i = 1; i < description.domain_count; i++) {
		struct domain *domain = &domains[i];
		uint64_t interval = MILLISECONDS(domain->heartbeat_ms) / PER_LIMIT;

		if (!is_watched(domain)) continue;
		look_at(domain, now, late);
		next = next ? MIN(next, interval) : interval;
	}
	planned = now + MAX(next ? next : MILLISECONDS(1000), TICK_MINIMUM);
	event_timer_arm(&timer, planned);
}

void heartbeat_started(struct domain *domain) {
	struct control_page *page = domain->control;

	/* What was asked of its predecessor does not count, nor what it answered. */
	page->beat = page->beat_asked;
	domain->beat_first = page->beat_asked;
	domain->beat_due = 0;
	domain->beats = false;
}

void heartbeat_changed(void) {
	planned = time_now() + TICK_MINIMUM;
	event_timer_arm(&timer, planned);
}

void heartbeat_init(void) {
	timer.handler = tick;
	heartbeat_changed();
}
