/* SPDX-License-Identifier: BSD-2-Clause */
/* The words behind the numbers of proto/manage.h. They are stable: tools match them. */
#include "libs/manage/text.h"

const char *manage_status_word(uint32_t status) {
	static const char *const words[] = {
		[MANAGE_OK] = "ok",
		[MANAGE_INVALID] = "invalid",
		[MANAGE_DENIED] = "denied",
		[MANAGE_UNKNOWN] = "unknown",
		[MANAGE_STATE] = "state",
		[MANAGE_NO_MEMORY] = "no-memory",
		[MANAGE_LIMIT] = "limit",
		[MANAGE_BAD_PACKAGE] = "bad-package",
		[MANAGE_MISMATCH] = "mismatch",
		[MANAGE_BUSY] = "busy",
		[MANAGE_FAILED] = "failed",
		[MANAGE_UNSUPPORTED] = "unsupported",
	};

	return status < ARRAY_SIZE(words) ? words[status] : "failed";
}

const char *manage_state_word(uint32_t state) {
	static const char *const words[] = {
		[MANAGE_STATE_IDLE] = "idle",         [MANAGE_STATE_HELD] = "held",
		[MANAGE_STATE_STARTING] = "starting", [MANAGE_STATE_RUNNING] = "running",
		[MANAGE_STATE_PAUSED] = "paused",     [MANAGE_STATE_STOPPED] = "stopped",
		[MANAGE_STATE_ENDING] = "ending",     [MANAGE_STATE_WAITING] = "waiting",
		[MANAGE_STATE_GIVEN_UP] = "given-up", [MANAGE_STATE_TRIAL] = "trial",
	};

	return state < ARRAY_SIZE(words) ? words[state] : "unknown";
}

const char *manage_right_word(uint32_t right) {
	static const char *const words[] = {"see",     "life",  "set",   "upgrade",
					    "inspect", "trace", "create"};

	for (uint32_t i = 0; i < ARRAY_SIZE(words); i++)
		if (right == 1U << i) return words[i];
	return NULL;
}
