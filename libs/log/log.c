/* SPDX-License-Identifier: BSD-2-Clause */
#include "libs/cap/cap.h"
#include "libs/log/log.h"

static uint32_t log_slot;

void log_init(uint32_t slot) { log_slot = slot; }

void log_print(const char *format, ...) {
	char line[LOG_LINE];
	va_list arguments;
	size_t length;

	if (!log_slot) return;
	va_start(arguments, format);
	length = rt_vformat(line, sizeof(line) - 1, format, arguments);
	va_end(arguments);
	length = MIN(length, sizeof(line) - 2);
	line[length++] = '\n';
	/* A log that fails has nowhere to say so. */
	cap_console_write(log_slot, line, length);
}
