/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The life of domains after they were built: how they end, what follows.
 *
 *          start                           ends
 *     IDLE --> HELD --> STARTING --> RUNNING ---------> STOPPED   memory kept
 *      ^         ^                        |
 *      |         |                        +--> RELEASING   a guest's servers let go
 *      |         |                        +--> QUIESCING   a driver's device is stopped
 *      |         |                              |  reset
 *      |         |                              v
 *      +---------|------------------------- RECLAIMING     its frames come back
 *                |                            |     |
 *                |                            v     v
 *                +------------------------ WAITING  GIVEN_UP   back-off, or budget spent
 *
 * HELD: waiting for the bus domain (devices.c). Only guests pass through STARTING, in
 * which their servers map their pages and make their devices, so that even a boot
 * loader finds them, and through RELEASING: servers map guests' pages, nobody maps a
 * native domain's. Patience with a server ends: a guest starts without it; one that
 * does not let go is at fault.
 */
#include "death.h"
#include "devices.h"
#include "libs/cap/cap.h"
#include "libs/log/log.h"
#include "libs/rt/time.h"
#include "manage.h"
#include "memory.h"
#include "proto/xen/sched.h"
#include "proto/xen/xen.h"
#include "root.h"
#include "story.h"
#include "upgrade.h"

#define START_PATIENCE   MILLISECONDS(10000)
#define RELEASE_PATIENCE MILLISECONDS(3000)
#define RECLAIM_RETRY    MILLISECONDS(10)
#define RECLAIM_PATIENCE MILLISECONDS(2000)
#define BACKOFF_MAX      MILLISECONDS(60000)

static int watch_port;

static void advance(void *context);

const char *stage_name(const struct domain *domain) {
	static const char *const names[] = {
		[STAGE_IDLE] = "idle",         [STAGE_HELD] = "held",
		[STAGE_STARTING] = "starting", [STAGE_RUNNING] = "running",
		[STAGE_STOPPED] = "stopped",   [STAGE_RELEASING] = "ending",
		[STAGE_QUIESCING] = "ending",  [STAGE_RECLAIMING] = "ending",
		[STAGE_WAITING] = "waiting",   [STAGE_GIVEN_UP] = "given up",
	};

	return names[domain->stage];
}

static const char *kind_word(const struct domain *domain) {
	return is_guest(domain) ? "guest " : "";
}

/* Every change of a domain's stage comes by here: those who manage the system are told. */
static void enter(struct domain *domain, enum domain_stage stage) {
	uint32_t from = manage_state(domain);

	domain->stage = (uint8_t)stage;
	domain->paused = false;
	manage_tell(domain, from, manage_state(domain));
}

/* --- starting --- */

/* A domain that could not be built: whatever it has got so far comes back. */
static void undo_build(struct domain *domain) {
	if (cap_domain_reset(domain->slot) || memory_reclaim(domain->index)) {
		log_print("%s: what it had cannot be taken back", domain->name);
		return;
	}
	memory_release(domain->index);
}

static void run(struct domain *domain) {
	enter(domain, STAGE_RUNNING);
	domain->started = time_now();
	if (cap_domain_unpause(domain->slot)) log_print("%s: cannot be started", domain->name);
	plan_update();
	upgrade_started(domain);
	if (domain->incarnation) log_print("%s%s: started again", kind_word(domain), domain->name);
}

static bool build(struct domain *domain) {
	uint64_t begin = time_now();
	const char *why = is_guest(domain) ? build_guest(domain) : build_native(domain);

	if (why) {
		log_print("%s%s: cannot be built: %s", kind_word(domain), domain->name, why);
		story_tell(domain,
			   &(struct story){.status = MANAGE_FAILED,
					   .what = "it cannot be built",
					   .expected = "what line and description say",
					   .found = why,
					   .advice = "change its lines in the description"});
		undo_build(domain);
		enter(domain, STAGE_IDLE);
		domain->end = END_BUILD;
		if (!upgrade_ended(domain, why)) return false;
		supervise_start_again(domain);
		return domain->stage == STAGE_RUNNING;
	}
	if (is_native(domain)) {
		domain->control->plan_done = 0;
		heartbeat_started(domain);
	}
	domain->end = END_NONE;
	enter(domain, STAGE_STARTING);
	devices_starting(domain);
	wiring_connect(domain);
	if (is_native(domain)) {
		run(domain);
		return true;
	}
	domain->deadline = time_now() + START_PATIENCE;
	event_timer_arm(&domain->timer, domain->deadline);
	wiring_announce(domain, true);
	advance(domain);
	domain->made_ns = domain->object_ns + (time_now() - begin);
	return true;
}

bool supervise_start(struct domain *domain) {
	enter(domain, STAGE_HELD);
	switch (devices_before(domain)) {
	case DEVICES_LATER: return true;
	case DEVICES_NEVER:
		enter(domain, STAGE_IDLE);
		domain->end = END_BUILD;
		return true;
	default: return build(domain);
	}
}

void supervise_continue(void) {
	for (uint32_t i = 0; i < start_count; i++)
		if (domains[start_order[i]].stage == STAGE_HELD)
			supervise_start(&domains[start_order[i]]);
	supervise_check_exit();
}

void supervise_start_again(struct domain *domain) {
	domain->incarnation++;
	domain->restarts_total++;
	supervise_start(domain);
	supervise_check_exit();
}

/* --- the restart budget --- */

/*
 * The earliest time for the next start. Starts are apart by the back-off, which
 * doubles until one of them lasts twice as long: so what crashes now and then
 * comes back at once, and what cannot start does not take all the time. A native
 * domain that has lasted does not wait at all: guests do.
 */
static uint64_t next_start(struct domain *domain, uint64_t now) {
	uint64_t backoff = MILLISECONDS(domain->d->restart_backoff_ms), delay = backoff;

	if (domain->doublings)
		delay = MIN(backoff << MIN(domain->doublings - 1, 16U), BACKOFF_MAX);
	else if (is_native(domain))
		delay = 0;
	if (now - domain->started >= 2 * MAX(delay, backoff))
		domain->doublings = 0;
	else
		domain->doublings++;
	return domain->started + delay;
}

static void tell_given_up(struct domain *domain) {
	char found[64], advice[64];
	struct manage_story last;

	story_read(domain, &last);
	rt_format(found, sizeof(found), "%u restarts in %u ms", domain->restarts,
		  domain->d->restart_window_ms);
	rt_format(advice, sizeof(advice), "clear %s, when the cause is gone", domain->name);
	story_tell(domain, &(struct story){.status = MANAGE_LIMIT,
					   .what = last.count ? last.what : "given up",
					   .expected = "that it lasts, or its limit of restarts",
					   .found = found,
					   .advice = advice});
}

/* After a crash: starts again, at once or later, or gives up. */
static void start_within_budget(struct domain *domain) {
	const struct system_domain *d = domain->d;
	uint64_t now = time_now(), next;

	if (now - domain->window_start > MILLISECONDS(d->restart_window_ms)) {
		domain->window_start = now;
		domain->restarts = 0;
	}
	if (domain->restarts >= d->restart_limit) {
		enter(domain, STAGE_GIVEN_UP);
		log_print("%s%s: given up after %u restarts in %u ms; 'clear %s' starts it again",
			  kind_word(domain), domain->name, domain->restarts, d->restart_window_ms,
			  domain->name);
		tell_given_up(domain);
		devices_given_up(domain);
		supervise_check_exit();
		return;
	}
	next = next_start(domain, now);
	domain->restarts++;
	/* Not out of the failure of its own start: that would be a loop. */
	if (next <= now && domain->stage != STAGE_HELD) {
		supervise_start_again(domain);
		return;
	}
	enter(domain, STAGE_WAITING);
	event_timer_arm(&domain->timer, next);
}

/* --- ending --- */

static void reclaimed(struct domain *domain) {
	memory_release(domain->index);
	enter(domain, STAGE_IDLE);
	if (!domain->rebuild)
		supervise_check_exit();
	else if (domain->end == END_CRASH)
		start_within_budget(domain);
	else
		supervise_start_again(domain);
}

static void reclaim(struct domain *domain) {
	uint64_t now = time_now();

	if (!memory_reclaim(domain->index)) {
		reclaimed(domain);
		return;
	}
	if (now > domain->deadline) {
		supervise_blame(domain);
		domain->deadline = now + RECLAIM_PATIENCE;
	}
	event_timer_arm(&domain->timer, now + RECLAIM_RETRY);
}

static void reset(struct domain *domain) {
	int error = cap_domain_reset(domain->slot);

	if (error) rt_panic("%s cannot be reset (%d)", domain->name, error);
	wiring_disconnected(domain);
	domain->blamed = 0;
	enter(domain, STAGE_RECLAIMING);
	domain->deadline = time_now() + RECLAIM_PATIENCE;
	plan_update();
	reclaim(domain);
}

void supervise_take_back(struct domain *domain, bool rebuild) {
	domain->rebuild = rebuild;
	if (is_native(domain)) {
		enter(domain, STAGE_QUIESCING);
		if (!devices_ended(domain)) reset(domain);
		return;
	}
	enter(domain, STAGE_RELEASING);
	domain->deadline = time_now() + RELEASE_PATIENCE;
	event_timer_arm(&domain->timer, domain->deadline);
	wiring_announce(domain, false);
	advance(domain);
}

void supervise_drop(struct domain *domain) {
	event_timer_cancel(&domain->timer);
	enter(domain, STAGE_IDLE);
	supervise_check_exit();
}

void supervise_quiesced(struct domain *domain, bool quiet) {
	if (domain->stage != STAGE_QUIESCING) return;
	if (quiet) {
		reset(domain);
		return;
	}
	enter(domain, STAGE_STOPPED);
	log_print("%s: stays stopped: its device could still write into its memory", domain->name);
}

void supervise_not_prepared(struct domain *domain) {
	domain->started = time_now();
	if (domain->stage == STAGE_HELD) start_within_budget(domain);
}

/* The next step of a domain that starts or has ended, if it is due. */
static void advance(void *context) {
	struct domain *domain = context;

	switch (domain->stage) {
	case STAGE_STARTING:
		if (!wiring_ready(domain)) {
			if (time_now() < domain->deadline) break;
			log_print("%s%s: starts, though a server of its is not ready",
				  kind_word(domain), domain->name);
		}
		event_timer_cancel(&domain->timer);
		run(domain);
		break;
	case STAGE_RELEASING:
		if (!wiring_settled(domain) && time_now() < domain->deadline) break;
		event_timer_cancel(&domain->timer);
		reset(domain);
		break;
	case STAGE_RECLAIMING: reclaim(domain); break;
	case STAGE_WAITING: supervise_start_again(domain); break;
	default: break;
	}
}

void supervise_release(void) {
	for (uint32_t i = 1; i < description.domain_count; i++)
		if (domains[i].stage == STAGE_STARTING || domains[i].stage == STAGE_RELEASING)
			advance(&domains[i]);
}

static void tell_crash(struct domain *domain, const char *why) {
	char what[128];

	rt_format(what, sizeof(what), "crashed: %s", why);
	story_tell(domain,
		   &(struct story){.status = MANAGE_FAILED,
				   .what = what,
				   .advice = domain->d->on_crash == SYSTEM_ON_RESTART
						     ? "postmortem; it is started again by itself"
						     : "postmortem, then restart"});
}

static void end(struct domain *domain, enum domain_end how, const char *why) {
	const struct system_domain *d = domain->d;
	uint8_t action = how == END_POWEROFF ? d->on_poweroff
			 : how == END_REBOOT ? d->on_reboot
					     : d->on_crash;

	domain->end = (uint8_t)how;
	if (how == END_CRASH) death_record(domain, why);
	if (how == END_CRASH && !upgrade_ended(domain, why)) {
		tell_crash(domain, why);
	} else if (how == END_CRASH) {
		/* Back to its old program, at once and outside of its budget. */
		how = END_REBOOT;
		action = SYSTEM_ON_RESTART;
		domain->end = END_REBOOT;
	}
	log_print("%s%s: %s%s", kind_word(domain), domain->name,
		  how == END_POWEROFF ? "poweroff"
		  : how == END_REBOOT ? "reboot"
				      : "crashed: ",
		  how == END_CRASH ? why : "");
	if (action != SYSTEM_ON_STOP) {
		supervise_take_back(domain, action == SYSTEM_ON_RESTART);
	} else {
		enter(domain, STAGE_STOPPED);
		domain->deadline = time_now() + RELEASE_PATIENCE;
		if (is_guest(domain))
			wiring_announce(domain, false);
		else
			devices_ended(domain);
		plan_update();
	}
	supervise_check_exit();
}

void supervise_crash(struct domain *domain, const char *why) {
	if (cap_domain_pause(domain->slot))
		log_print("%s%s: cannot be paused", kind_word(domain), domain->name);
	end(domain, END_CRASH, why);
}

/* Looks at one domain; its state says whether it has ended. */
static void inspect(struct domain *domain) {
	struct domain_info info;
	char why[160];

	if (domain->stage != STAGE_RUNNING || cap_domain_info(domain->slot, &info)) return;
	info.crash_text[sizeof(info.crash_text) - 1] = '\0';
	if (info.state == DOMAIN_STATE_CRASHED) {
		rt_format(why, sizeof(why), "%s (vector 0x%x, rip 0x%lx, cr2 0x%lx)",
			  info.crash_text, info.crash_vector, info.crash_rip, info.crash_cr2);
		end(domain, END_CRASH, why);
	} else if (info.state == DOMAIN_STATE_SHUTDOWN) {
		if (info.reason == SHUTDOWN_poweroff || info.reason == SHUTDOWN_reboot) {
			end(domain, info.reason == SHUTDOWN_reboot ? END_REBOOT : END_POWEROFF, "");
			return;
		}
		rt_format(why, sizeof(why), "%s",
			  info.reason == SHUTDOWN_crash      ? "it reported a panic"
			  : info.reason == SHUTDOWN_watchdog ? "its watchdog ran out"
							     : "it asked for a kind of shutdown "
							       "that is not supported");
		end(domain, END_CRASH, why);
	}
}

static void state_changed(void *context) {
	(void)context;
	for (uint32_t i = 1; i < description.domain_count; i++) inspect(&domains[i]);
	upgrade_look(canary_domain());
	devices_check_faults();
}

void supervise_init(void) {
	watch_port = event_bind_virq(VIRQ_DOM_EXC, state_changed, NULL);
	if (watch_port <= 0) rt_panic("changes of domains cannot be watched (%d)", watch_port);
	for (uint32_t i = 1; i < description.domain_count; i++) {
		struct domain *domain = &domains[i];

		domain->timer = (struct event_timer){.handler = advance, .context = domain};
		if (cap_domain_watch(domain->slot, (uint32_t)watch_port))
			rt_panic("%s cannot be watched", domain->name);
	}
}
