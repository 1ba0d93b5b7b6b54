/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Commands from a domain that the description lets command root: one line each,
 * checked like any input, answered with text that ends with CONTROL_REPLY_END. A
 * list is longer than the ring of answers may be: it goes on when there is room.
 */
#include "devices.h"
#include "libs/cap/cap.h"
#include "libs/log/log.h"
#include "memory.h"
#include "root.h"

#define MAX_PER_EVENT CONTROL_COMMANDS
#define LINE_SIZE     160U

static void reply(struct domain *to, const char *format, ...) PRINTF(2);

static void reply(struct domain *to, const char *format, ...) {
	char text[LINE_SIZE];
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

/* Line n of the list of all domains; false: that was the last one. */
static bool list_line(struct domain *to, uint32_t n) {
	const char *trust = devices_trust();

	if (n == 0) {
		reply(to, "%-15s %5s %-8s %8s %8s %5s%s\n", "NAME", "DOMID", "STATE", "MIB",
		      "CPU-MS", "AGAIN", description.device_count ? "  DEVICE" : "");
	} else if (n <= description.domain_count) {
		reply_domain(to, &domains[n - 1]);
	} else {
		if (trust) reply(to, "%s\n", trust);
		reply(to, "%lu MiB of memory are free\n", memory_free_frames() / 256);
		return false;
	}
	return true;
}

/* As much of a list as there is room for. */
static void go_on(struct domain *to) {
	static const char end = CONTROL_REPLY_END;

	while (to->listing && ring_want_space(&to->reply, 2 * LINE_SIZE)) {
		if (list_line(to, to->listing - 1)) {
			to->listing++;
			continue;
		}
		ring_put(&to->reply, &end, 1);
		to->listing = 0;
	}
	ring_publish(&to->reply);
	wiring_kick(to);
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

/* Its answer, but for that of ps. */
static void execute(struct domain *from, char *line) {
	char *name = line;

	while (*name && *name != ' ') name++;
	if (*name) *name++ = '\0';
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

	if (domain->listing) go_on(domain);
	for (uint32_t i = 0;
	     i < MAX_PER_EVENT && !domain->listing && ring_get(&domain->command, line, 1); i++) {
		line[sizeof(line) - 1] = '\0';
		ring_release(&domain->command);
		if (!strcmp(line, "ps")) {
			domain->listing = 1;
			go_on(domain);
			continue;
		}
		execute(domain, line);
		ring_put(&domain->reply, &end, 1);
		ring_publish(&domain->reply);
		wiring_kick(domain);
	}
	if (!domain->listing && ring_want_data(&domain->command)) event_again(domain->control_port);
}
