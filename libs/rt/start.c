/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From the entry point to native_main(), the ways out, and looking things up in
 * the start page. The start page is written by root, whom a native domain has to
 * believe; it is checked all the same, because a wrong one is a bug that should
 * say so.
 */
#include "libs/control/control.h"
#include "libs/event/event.h"
#include "libs/log/log.h"
#include "libs/rt/hypercall.h"
#include "libs/rt/package.h"
#include "libs/rt/rt.h"
#include "libs/rt/window.h"
#include "proto/cap/cap.h"
#include "proto/xen/sched.h"
#include "proto/xen/xen.h"

PACKAGE_RUNS_ON(PACKAGE_RUNTIME, PACKAGE_RUNTIME);

const struct native_start *rt_start_page;

void rt_start(const struct native_start *start);

void rt_start(const struct native_start *start) {
	rt_start_page = start;
	if (start->magic != NATIVE_START_MAGIC || start->version != 1 ||
	    start->cap_count > NATIVE_MAX_CAPS || start->connection_count > NATIVE_MAX_CONNECTIONS)
		rt_shutdown(SHUTDOWN_crash);
	log_init(rt_capability(CAP_CONSOLE, 0));
	window_init(start->window_first, start->window_end);
	if (start->flags & NATIVE_START_CANARY) {
		control_init(NULL, NULL);
		event_loop();
	}
	native_main();
	rt_shutdown(SHUTDOWN_poweroff);
}

void rt_shutdown(uint32_t reason) {
	struct sched_shutdown shutdown = {.reason = reason};

	for (;;) {
		hypercall2(__HYPERVISOR_sched_op, SCHEDOP_shutdown, (uintptr_t)&shutdown);
	}
}

void rt_panic(const char *format, ...) {
	char text[200];
	va_list arguments;

	va_start(arguments, format);
	rt_vformat(text, sizeof(text), format, arguments);
	va_end(arguments);
	log_print("panic: %s", text);
	rt_shutdown(SHUTDOWN_crash);
}

uint32_t rt_capability(uint32_t type, unsigned n) {
	const struct native_start *start = rt_start_page;

	for (uint32_t i = 0; i < start->cap_count; i++)
		if (start->caps[i].type == type && !n--) return start->caps[i].slot;
	return 0;
}

const struct native_connection *rt_connection(uint16_t protocol, unsigned n) {
	const struct native_start *start = rt_start_page;

	for (uint32_t i = 0; i < start->connection_count; i++)
		if (start->connections[i].protocol == protocol && !n--)
			return &start->connections[i];
	return NULL;
}

bool rt_argument(const char *name, char *value, size_t size) {
	const char *p = rt_start_page->arguments;
	size_t length = strlen(name);

	while (*p) {
		size_t word = 0;

		while (p[word] && p[word] != ' ') word++;
		if (word > length && p[length] == '=' && !memcmp(p, name, length)) {
			size_t n = MIN(word - length - 1, size - 1);

			memcpy(value, p + length + 1, n);
			value[n] = '\0';
			return true;
		}
		p += word;
		while (*p == ' ') p++;
	}
	return false;
}
