/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Commands from a domain that the description lets command root: one line each,
 * checked like any input, answered with text that ends with CONTROL_REPLY_END.
 */
#include "devices.h"
#include "libs/cap/cap.h"
#include "libs/log/log.h"
#include "memory.h"
#include "root.h"

#define MAX_PER_EVENT CONTROL_COMMANDS

static void reply(struct domain *to, const char *format, ...) PRINTF(2);

static void reply(struct domain *to, const char *format, ...) {
	char text[160];
	va_list arguments;
	size_t length;

	va_start(arguments, format);
	length = rt_vformat(text, sizeof(text), format, arguments);
	va_end(arguments);
	/* A reader that does not read loses the rest of its answer. */
	ring_put(&to->reply, text, (uint32_t)MIN(length, sizeof(text) - 1));
}

static void reply_domain(struct domain *to, const struct domain *domain) {
	struct domain_info info = {0};
	char device[64];

	if (cap_domain_info(domain->slot, &info)) return;
	devices_text(domain, device, sizeof(device));
	reply(to, "%-15s %5u %-8s %8u %8lu %5u%s%s\n", domain->name, domain->d->domid,
	      domain->index ? stage_name(domain) : "running", info.pages / 256,
	      info.run_ns / 1000000, domain->restarts_total, device[0] ? "  " : "", device);
}

static void command_ps(struct domain *to) {
	const char *trust = devices_trust();

	reply(to, "%-15s %5s %-8s %8s %8s %5s%s\n", "NAME", "DOMID", "STATE", "MIB", "CPU-MS",
	      "AGAIN", description.device_count ? "  DEVICE" : "");
	for (uint32_t i = 0; i < description.domain_count; i++) reply_domain(to, &domains[i]);
	if (trust) reply(to, "%s\n", trust);
	reply(to, "%lu MiB of memory are free\n", memory_free_frames() / 256);
}

static struct domain *find(const char *name) {
	for (uint32_t i = 1; i < description.domain_count; i++)
		if (!strcmp(domains[i].name, name)) return &domains[i];
	return NULL;
}

static const struct {
	const char *word;
	const char *(*run)(struct domain *domain);
} verbs[] = {
	{"restart", supervise_restart},
	{"kill", supervise_kill},
	{"clear", supervise_clear},
};

static void execute(struct domain *from, char *line) {
	char *name = line;

	while (*name && *name != ' ') name++;
	if (*name) *name++ = '\0';
	if (!strcmp(line, "ps")) {
		command_ps(from);
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		struct domain *domain = find(name);
		const char *why;

		if (strcmp(line, verbs[i].word)) continue;
		log_print("%s: %s %s", from->name, line, name);
		why = domain ? verbs[i].run(domain) : "there is no such domain";
		reply(from, "%s: %s\n", name, why ? why : "ok");
		return;
	}
	reply(from, "commands: ps, restart NAME, kill NAME, clear NAME\n");
}

void command_serve(struct domain *domain) {
	static const char end = CONTROL_REPLY_END;
	char line[CONTROL_COMMAND_SIZE];

	for (uint32_t i = 0; i < MAX_PER_EVENT && ring_get(&domain->command, line, 1); i++) {
		line[sizeof(line) - 1] = '\0';
		ring_release(&domain->command);
		execute(domain, line);
		ring_put(&domain->reply, &end, 1);
		ring_publish(&domain->reply);
		wiring_kick(domain);
	}
	if (ring_want_data(&domain->command)) event_again(domain->control_port);
}
