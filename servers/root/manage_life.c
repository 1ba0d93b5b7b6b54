/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Requests about a domain's life. supervise.c does it; here is who may be asked for
 * what, and what is said when it cannot be.
 */
#include "define.h"
#include "manage.h"

static uint32_t result(struct manage_call *call, uint32_t status, const char *why) {
	if (!why) return MANAGE_OK;
	return manage_refuse(call, status, "%s", why);
}

/* Nobody may end root, who would carry it out. */
static bool is_root(const struct manage_call *call) { return !call->domain->index; }

static uint32_t refuse_root(struct manage_call *call) {
	return manage_refuse(call, MANAGE_UNSUPPORTED, "root is the system: it cannot be ended");
}

uint32_t manage_start(struct manage_call *call) {
	if (is_root(call) || call->domain->stage != STAGE_IDLE)
		return manage_refuse(call, MANAGE_STATE,
				     "it is %s: only one that is idle can be started",
				     is_root(call) ? "root" : stage_name(call->domain));
	if (define_is_empty(call->domain))
		return manage_refuse(call, MANAGE_STATE,
				     "%s: it is an empty place: create it from a file",
				     call->domain->name);
	return result(call, MANAGE_FAILED, supervise_restart(call->domain));
}

/* A guest is asked, and ends by itself; who cannot be asked is ended. */
static uint32_t shut_down(struct manage_call *call, bool reboot) {
	struct domain *domain = call->domain;

	if (is_root(call)) return refuse_root(call);
	if (domain->stage != STAGE_RUNNING)
		return manage_refuse(call, MANAGE_STATE, "it is %s: there is nobody to ask",
				     stage_name(domain));
	if (domain->paused)
		return manage_refuse(call, MANAGE_STATE, "it is paused: unpause it, or destroy it");
	if (is_guest(domain))
		return wiring_ask(domain, CONTROL_ASK_SHUTDOWN,
				  reboot ? CONTROL_SHUTDOWN_REBOOT : CONTROL_SHUTDOWN_POWEROFF)
			       ? MANAGE_OK
			       : manage_refuse(call, MANAGE_UNSUPPORTED,
					       "it has no store to be asked by: destroy it");
	return result(call, MANAGE_STATE,
		      reboot ? supervise_restart(domain) : supervise_destroy(domain));
}

uint32_t manage_shutdown(struct manage_call *call) { return shut_down(call, false); }

uint32_t manage_reboot(struct manage_call *call) { return shut_down(call, true); }

uint32_t manage_destroy(struct manage_call *call) {
	if (is_root(call)) return refuse_root(call);
	return result(call, MANAGE_STATE, supervise_destroy(call->domain));
}

uint32_t manage_pause(struct manage_call *call) {
	if (is_root(call)) return refuse_root(call);
	if (call->domain == call->from)
		return manage_refuse(call, MANAGE_UNSUPPORTED,
				     "it asks this itself: it could not take it back");
	return result(call, MANAGE_STATE, supervise_pause(call->domain));
}

uint32_t manage_unpause(struct manage_call *call) {
	return result(call, MANAGE_STATE, supervise_unpause(call->domain));
}

uint32_t manage_restart(struct manage_call *call) {
	if (is_root(call)) return refuse_root(call);
	if (define_is_empty(call->domain)) return manage_start(call);
	return result(call, MANAGE_STATE, supervise_restart(call->domain));
}

uint32_t manage_kill(struct manage_call *call) {
	if (is_root(call)) return refuse_root(call);
	return result(call, MANAGE_STATE, supervise_kill(call->domain));
}

uint32_t manage_clear(struct manage_call *call) {
	return result(call, MANAGE_STATE, supervise_clear(call->domain));
}
