/* SPDX-License-Identifier: BSD-2-Clause */
/*
 *             begin          well           answered           started
 *     IDLE ---------> CANARY -----> DRAINING --------> SWAPPING -------> TRIAL
 *      ^                | dead, late                      |               |
 *      |                v                                 | not built     | lasts: done
 *      +------------- told, nothing changed               v               v
 *      +------------------------------------------- back to the old program, told
 *
 * Draining: the domain is asked for a heartbeat, and answers between two of its
 * handlers; root, which goes before everybody, stops it there. So nothing is cut in the
 * middle, though its successor could cope with that. One that does not answer is not
 * waited for. A trial is passed by answers from the event loop, by being ready for all
 * guests that were there, and by lasting.
 */
#include "upgrade.h"

#include "libs/cap/cap.h"
#include "libs/log/log.h"
#include "libs/rt/time.h"
#include "manage.h"
#include "story.h"

#define CANARY_LIMIT MILLISECONDS(2000)
#define DRAIN_LIMIT  MILLISECONDS(100)
#define TRIAL_LIMIT  MILLISECONDS(5000)
#define TRIAL_LASTS  MILLISECONDS(500)
#define LOOK_AGAIN   MILLISECONDS(10)

enum phase { IDLE, CANARY, DRAINING, SWAPPING, TRIAL };

static struct {
	enum phase phase;
	bool ending; /* the canary's memory is still coming back */
	bool back;   /* it is a rollback */
	struct domain *domain;
	struct program *next; /* held until the swap */
	uint64_t deadline;    /* of the phase */
	uint64_t stopped, started, answered;
	uint32_t answers;
	struct event_timer timer;
} up;

bool upgrade_on_trial(const struct domain *domain) {
	return up.domain == domain && up.phase == TRIAL;
}

static void say(const char *format, ...) PRINTF(1);

static void say(const char *format, ...) {
	char line[160];
	va_list arguments;

	va_start(arguments, format);
	rt_vformat(line, sizeof(line), format, arguments);
	va_end(arguments);
	log_print("%s: %s", up.domain->name, line);
}

static void finish(void) {
	uint32_t from = manage_state(up.domain);
	struct domain *domain = up.domain;

	up.phase = IDLE;
	up.domain = NULL;
	manage_tell(domain, from, manage_state(domain));
}

/* It was not to be. The old program runs, or will when the caller has started it. */
static void tell(const struct package *package, const char *expected, const char *found) {
	char what[128];

	rt_format(what, sizeof(what), "%s to %s %s failed, and was taken back",
		  up.back ? "rollback" : "upgrade", package->name, package->release);
	say("%s: %s", what, found);
	story_tell(up.domain, &(struct story){.status = MANAGE_FAILED,
					      .what = what,
					      .expected = expected,
					      .found = found,
					      .advice = "look at the log; another build"});
}

static void ask(struct domain *domain) {
	domain->control->beat_asked++;
	wiring_kick(domain);
}

static bool has_answered(const struct domain *domain) {
	return __atomic_load_n(&domain->control->beat, __ATOMIC_ACQUIRE) ==
	       domain->control->beat_asked;
}

/* --- the canary --- */

static void end_canary(void) { up.ending = !canary_end(); }

static void abandon(const char *expected, const char *found) {
	tell(&up.next->package, expected, found);
	program_drop(up.next);
	finish();
}

static void drain(void) {
	up.phase = DRAINING;
	up.deadline = time_now() + DRAIN_LIMIT;
	ask(up.domain);
}

static void look_at_canary(void) {
	char why[64];
	enum canary_state state = canary_look(why);

	if (state == CANARY_WAITING && time_now() < up.deadline) return;
	end_canary();
	if (state == CANARY_DEAD)
		abandon("that it gets to its event loop in a domain of its own", why);
	else if (state == CANARY_WAITING)
		abandon("that it gets to its event loop in a domain of its own",
			"it did not within two seconds");
	else
		drain();
}

/* --- the swap --- */

static void swap(void) {
	struct domain *domain = up.domain;

	if (domain->stage != STAGE_RUNNING || domain->paused || cap_domain_pause(domain->slot)) {
		abandon("that it runs until it is replaced", stage_name(domain));
		return;
	}
	up.phase = SWAPPING;
	up.stopped = time_now();
	up.deadline = up.stopped + TRIAL_LIMIT;
	program_drop(domain->previous);
	domain->previous = domain->program;
	domain->program = up.next;
	domain->end = END_REBOOT;
	supervise_take_back(domain, true);
}

/* From now on it is the old program that is built. */
static void go_back(const char *expected, const char *found) {
	struct domain *domain = up.domain;

	tell(&domain->program->package, expected, found);
	program_drop(domain->program);
	domain->program = domain->previous;
	domain->previous = NULL;
	finish();
}

bool upgrade_ended(struct domain *domain, const char *why) {
	if (up.domain != domain || up.phase < SWAPPING) return false;
	go_back("that it works", why);
	return true;
}

/* --- the trial --- */

void upgrade_started(struct domain *domain) {
	uint32_t from;

	if (up.domain != domain || up.phase != SWAPPING) return;
	from = manage_state(domain);
	up.phase = TRIAL;
	up.started = time_now();
	up.deadline = up.started + TRIAL_LIMIT;
	up.answers = 0;
	up.answered = 0;
	manage_tell(domain, from, manage_state(domain));
	ask(domain);
}

/* Whether it is ready for all guests that it serves. */
static bool is_ready(const struct domain *domain) {
	for (uint32_t i = 1; i < domain->connection_count; i++) {
		const struct control_peer *peer = &domain->control->peer[i];

		if (__atomic_load_n(&peer->done, __ATOMIC_ACQUIRE) != peer->wanted) return false;
	}
	return true;
}

static void passed(void) {
	struct domain *domain = up.domain;
	const struct package *package = &domain->program->package;

	say("%s to %s %s: away for %lu us, %lu us until it answered",
	    up.back ? "rollback" : "upgrade", package->name, package->release,
	    (up.started - up.stopped) / 1000, (up.answered - up.started) / 1000);
	finish();
}

static void look_at_trial(void) {
	struct domain *domain = up.domain;
	uint64_t now = time_now();

	if (up.answered) {
		if (now >= up.answered + TRIAL_LASTS) passed();
		return;
	}
	/* The first answer comes from its start, the second one from its loop. */
	if (domain->stage == STAGE_RUNNING && has_answered(domain)) {
		if (up.answers < 2 && ++up.answers < 2) ask(domain);
		if (up.answers == 2 && is_ready(domain)) up.answered = now;
		return;
	}
	if (now < up.deadline) return;
	go_back("answers from its event loop, and readiness for all of its guests, in five seconds",
		up.answers == 2   ? "it answers, and is not ready for its guests"
		: up.answers == 1 ? "it started, and its event loop does not answer"
				  : "it does not answer");
	if (domain->stage == STAGE_RUNNING) supervise_restart(domain);
}

/* --- what drives it --- */

static void step(void) {
	if (up.ending) end_canary();
	switch (up.phase) {
	case CANARY: look_at_canary(); break;
	case DRAINING:
		if (has_answered(up.domain) || time_now() >= up.deadline) swap();
		break;
	case SWAPPING:
		if (time_now() < up.deadline || up.domain->stage == STAGE_RUNNING) break;
		go_back("that it can be reset and built within five seconds",
			stage_name(up.domain));
		break;
	case TRIAL: look_at_trial(); break;
	default: break;
	}
	if (up.phase != IDLE || up.ending) event_timer_arm(&up.timer, time_now() + LOOK_AGAIN);
}

static void tick(void *context) {
	(void)context;
	step();
}

void upgrade_look(struct domain *domain) {
	if (up.phase != IDLE && domain && (domain == up.domain || domain == canary_domain()))
		step();
}

/* --- requests --- */

static uint32_t refuse(char text[UPGRADE_TEXT], uint32_t status, const struct domain *domain,
		       const struct program *program, const char *why) {
	const struct package *package = &program->package;

	rt_format(text, UPGRADE_TEXT, "%s: it cannot run %s %s: %s", domain->name, package->name,
		  package->release, why);
	return status;
}

static const char *cannot(const struct domain *domain, uint32_t *status) {
	*status = MANAGE_BUSY;
	if (up.phase != IDLE || up.ending) return "another upgrade is under way; wait for its end";
	*status = MANAGE_UNSUPPORTED;
	if (!domain->index || !is_native(domain)) return "only a native domain has such a program";
	*status = MANAGE_STATE;
	if (domain->stage != STAGE_RUNNING || domain->paused)
		return "the domain does not run; start it first";
	return NULL;
}

static uint32_t begin(struct domain *domain, struct program *program, bool back,
		      char text[UPGRADE_TEXT]) {
	const char *why = NULL;

	up.domain = domain;
	up.next = program;
	up.back = back;
	up.timer.handler = tick;
	up.deadline = time_now() + CANARY_LIMIT;
	if (!back) {
		up.phase = CANARY;
		why = canary_start(domain, program);
	} else {
		drain();
	}
	if (why) {
		uint32_t status = refuse(text, MANAGE_FAILED, domain, program, why);

		up.phase = IDLE;
		up.domain = NULL;
		end_canary();
		program_drop(program);
		return status;
	}
	event_timer_arm(&up.timer, time_now() + LOOK_AGAIN);
	return MANAGE_OK;
}

uint32_t upgrade_begin(struct domain *domain, struct program *program, bool check,
		       char text[UPGRADE_TEXT]) {
	uint32_t status;
	const char *why = cannot(domain, &status);

	if (!why) why = fit_check(domain, &program->package, &status);
	if (why) status = refuse(text, status, domain, program, why);
	if (why || check) {
		program_drop(program);
		return why ? status : MANAGE_OK;
	}
	return begin(domain, program, false, text);
}

uint32_t upgrade_back(struct domain *domain, char text[UPGRADE_TEXT]) {
	uint32_t status;
	const char *why = cannot(domain, &status);

	if (!why && !domain->previous) {
		rt_format(text, UPGRADE_TEXT, "%s: it had no other program before", domain->name);
		return MANAGE_STATE;
	}
	if (!why) why = fit_check(domain, &domain->previous->package, &status);
	if (!why) return begin(domain, program_hold(domain->previous), true, text);
	rt_format(text, UPGRADE_TEXT, "%s: it cannot go back: %s", domain->name, why);
	return status;
}
