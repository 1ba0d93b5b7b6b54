/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a domain is made to do by request. Each order either is carried out from where
 * the domain stands, or says why it cannot be; supervise.c has the stages.
 */
#include "libs/cap/cap.h"
#include "manage.h"
#include "root.h"

static const char *stop_running(struct domain *domain) {
	if (domain->stage != STAGE_RUNNING) return "it does not run";
	return cap_domain_pause(domain->slot) ? "it cannot be paused" : NULL;
}

const char *supervise_kill(struct domain *domain) {
	if (domain->stage != STAGE_RUNNING) return "it does not run";
	supervise_crash(domain, "killed by command");
	return NULL;
}

const char *supervise_restart(struct domain *domain) {
	const char *why = NULL;

	if (domain->stage == STAGE_IDLE || domain->stage == STAGE_GIVEN_UP) {
		supervise_start_again(domain);
		return domain->stage == STAGE_IDLE ? "it cannot be built; see the log" : NULL;
	}
	if (domain->stage == STAGE_RUNNING)
		why = stop_running(domain);
	else if (domain->stage != STAGE_STOPPED)
		why = "it is on its way already";
	if (why) return why;
	domain->end = END_REBOOT;
	supervise_take_back(domain, true);
	return NULL;
}

const char *supervise_clear(struct domain *domain) {
	if (domain->stage != STAGE_GIVEN_UP) return "it is not given up";
	domain->restarts = 0;
	domain->doublings = 0;
	domain->window_start = 0;
	return supervise_restart(domain);
}

const char *supervise_destroy(struct domain *domain) {
	const char *why = NULL;

	switch (domain->stage) {
	case STAGE_IDLE: return "it does not run, and has nothing";
	case STAGE_RELEASING:
	case STAGE_QUIESCING:
	case STAGE_RECLAIMING: domain->rebuild = false; return NULL;
	case STAGE_HELD:
	case STAGE_WAITING:
	case STAGE_GIVEN_UP:
		/* It has nothing yet, or nothing any more. */
		supervise_drop(domain);
		return NULL;
	case STAGE_RUNNING: why = stop_running(domain); break;
	default: break;
	}
	if (why) return why;
	domain->end = END_NONE;
	supervise_take_back(domain, false);
	return NULL;
}

const char *supervise_pause(struct domain *domain) {
	if (domain->paused) return "it is paused already";
	if (stop_running(domain)) return "it does not run";
	domain->paused = true;
	manage_tell(domain, MANAGE_STATE_RUNNING, MANAGE_STATE_PAUSED);
	return NULL;
}

const char *supervise_unpause(struct domain *domain) {
	if (!domain->paused) return "it is not paused";
	if (cap_domain_unpause(domain->slot)) return "the core refuses to let it run";
	domain->paused = false;
	domain->beat_due = 0;
	manage_tell(domain, MANAGE_STATE_PAUSED, MANAGE_STATE_RUNNING);
	return NULL;
}
