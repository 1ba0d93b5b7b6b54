/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Output: a small printf, and the console behind it. A domU writes to its
 * console ring; dom0 of Xen has none and uses the console_io hypercall.
 */
#include <stdarg.h>

#include "proto/xen/console.h"
#include "pv.h"

static void console_ring_write(const char *text, size_t size) {
	struct xencons_interface *ring = pv_mfn_va(pv_start->console_mfn);
	struct evtchn_send send = {.port = pv_start->console_evtchn};

	while (size > 0) {
		uint32_t prod = ring->out_prod;
		uint32_t cons = *(volatile uint32_t *)&ring->out_cons;

		while (size > 0 && prod - cons < XENCONS_OUT_SIZE) {
			ring->out[prod++ % XENCONS_OUT_SIZE] = *text++;
			size--;
		}
		__atomic_store_n(&ring->out_prod, prod, __ATOMIC_RELEASE);
		event_channel_op(EVTCHNOP_send, &send);
		if (size > 0) sched_op(SCHEDOP_yield, NULL);
	}
}

void pv_console_write(const char *text, size_t size) {
	if (pv_is_dom0())
		hypercall(__HYPERVISOR_console_io, CONSOLEIO_write, size, va(text), 0);
	else
		console_ring_write(text, size);
}

/* Waits, within limits, until the backend has taken everything. */
void pv_console_flush(void) {
	if (pv_is_dom0()) return;
	struct xencons_interface *ring = pv_mfn_va(pv_start->console_mfn);

	for (int i = 0; i < 100000; i++) {
		if (*(volatile uint32_t *)&ring->out_cons == ring->out_prod) return;
		sched_op(SCHEDOP_yield, NULL);
	}
}

/* Text is cut off at the end of the room, which leaves a byte for a final NUL. */
struct line {
	char text[512];
	size_t used, room;
};

static void put(struct line *line, char c) {
	if (line->used + 1 < line->room) line->text[line->used++] = c;
}

static void put_number(struct line *line, uint64_t value, unsigned base, int width, char fill) {
	char digits[24];
	int n = 0;

	do {
		digits[n++] = "0123456789abcdef"[value % base];
		value /= base;
	} while (value);
	for (int i = n; i < width; i++) put(line, fill);
	while (n > 0) put(line, digits[--n]);
}

static void put_signed(struct line *line, int64_t value, int width) {
	if (value < 0) put(line, '-');
	put_number(line, value < 0 ? 0 - (uint64_t)value : (uint64_t)value, 10, width, ' ');
}

/* %s %c %d %u %x %p and %%, with l, a width and a leading zero. */
static void format_line(struct line *line, const char *format, va_list args) {
	for (; *format; format++) {
		bool wide = false;
		char fill = ' ';
		int width = 0;

		if (*format != '%') {
			put(line, *format);
			continue;
		}
		for (format++; (*format >= '0' && *format <= '9') || *format == 'l'; format++) {
			if (*format == 'l')
				wide = true;
			else if (*format == '0' && width == 0)
				fill = '0';
			else
				width = width * 10 + *format - '0';
		}
		switch (*format) {
		case 's':
			for (const char *s = va_arg(args, const char *); *s; s++) put(line, *s);
			break;
		case 'c': put(line, (char)va_arg(args, int)); break;
		case 'd':
			put_signed(line, wide ? va_arg(args, int64_t) : va_arg(args, int), width);
			break;
		case 'u':
		case 'x':
			put_number(line, wide ? va_arg(args, uint64_t) : va_arg(args, unsigned),
				   *format == 'x' ? 16 : 10, width, fill);
			break;
		case 'p': put_number(line, va_arg(args, uint64_t), 16, 16, '0'); break;
		default: put(line, *format);
		}
	}
}

void pv_printf(const char *format, ...) {
	struct line line = {.used = 0, .room = sizeof line.text};
	va_list args;

	va_start(args, format);
	format_line(&line, format, args);
	va_end(args);
	pv_console_write(line.text, line.used);
}

char *pv_format(char *buffer, size_t size, const char *format, ...) {
	struct line line = {.used = 0, .room = size < sizeof line.text ? size : sizeof line.text};
	va_list args;

	va_start(args, format);
	format_line(&line, format, args);
	va_end(args);
	line.text[line.used] = 0;
	return memcpy(buffer, line.text, line.used + 1);
}

void pv_panic(const char *format, ...) {
	struct line line = {.used = 0, .room = sizeof line.text};
	va_list args;

	va_start(args, format);
	format_line(&line, format, args);
	va_end(args);
	pv_console_write("panic: ", 7);
	pv_console_write(line.text, line.used);
	pv_console_write("\n", 1);
	pv_exit(SHUTDOWN_crash);
}
