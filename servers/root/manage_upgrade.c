/* SPDX-License-Identifier: BSD-2-Clause */
/* Requests that bring programs, and that make domains run them. */
#include "manage.h"
#include "upgrade.h"

uint32_t manage_upload_begin(struct manage_call *call) {
	const char *why = program_upload_begin(call->number);

	return why ? manage_refuse(call, MANAGE_INVALID, "the upload: %s", why) : MANAGE_OK;
}

/* The payload may change while it is copied: what counts is what has arrived. */
uint32_t manage_upload_data(struct manage_call *call) {
	const char *why = program_upload_data(call->argument, call->payload, call->length);

	return why ? manage_refuse(call, MANAGE_INVALID, "the upload: %s", why) : MANAGE_OK;
}

/* A program of the image by its name, or what was uploaded. */
static struct program *take_program(struct manage_call *call, uint32_t *status) {
	const char *why;
	struct program *program =
		call->value[0] ? program_open(call->value, &why) : program_upload_end(&why);

	if (program) return program;
	*status = call->value[0] ? MANAGE_UNKNOWN : MANAGE_BAD_PACKAGE;
	manage_refuse(call, *status, "%s: %s", call->value[0] ? call->value : "the package", why);
	return NULL;
}

uint32_t manage_upgrade(struct manage_call *call) {
	uint32_t status;
	struct program *program;

	if (call->argument & ~MANAGE_UPGRADE_F_CHECK)
		return manage_refuse(call, MANAGE_INVALID, "there is no such flag of an upgrade");
	program = take_program(call, &status);
	if (!program) return status;
	return upgrade_begin(call->domain, program, call->argument & MANAGE_UPGRADE_F_CHECK,
			     call->text);
}

uint32_t manage_sched(struct manage_call *call) {
	if (!(call->domain->d->flags & SYSTEM_DOMAIN_F_POLICY))
		return manage_refuse(call, MANAGE_UNSUPPORTED, "%s is not the scheduling policy",
				     call->domain->name);
	return manage_upgrade(call);
}

uint32_t manage_rollback(struct manage_call *call) {
	return upgrade_back(call->domain, call->text);
}
