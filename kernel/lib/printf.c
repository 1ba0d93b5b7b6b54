/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Formatted text: into somebody's bounded string, or a line of the log.
 */
#include "lib/printf.h"
#include "lib/log.h"

struct output {
	char *to;
	size_t size, used;
};

static void put(struct output *out, char c) {
	if (out->used + 1 < out->size) out->to[out->used] = c;
	out->used++;
}

static void put_number(struct output *out, u64 value, unsigned base, unsigned width) {
	char digits[20];
	unsigned n = 0;

	do digits[n++] = "0123456789abcdef"[value % base];
	while (value /= base);
	for (; width > n; width--) put(out, '0');
	while (n) put(out, digits[--n]);
}

/* One conversion; the result points to its last character. */
static const char *convert(struct output *out, const char *format, va_list *args) {
	unsigned width = 0;
	bool is_long = false;

	for (; *format >= '0' && *format <= '9'; format++)
		width = width * 10 + (unsigned)(*format - '0');
	for (; *format == 'l'; format++) is_long = true;
	switch (*format) {
	case 'c': put(out, (char)va_arg(*args, int)); break;
	case 's':
		for (const char *s = va_arg(*args, const char *); *s; s++) put(out, *s);
		break;
	case 'u':
	case 'x':
		put_number(out, is_long ? va_arg(*args, u64) : va_arg(*args, u32),
			   *format == 'x' ? 16 : 10, width);
		break;
	case 0: return format - 1;
	default: put(out, *format);
	}
	return format;
}

size_t vsnprintf(char *to, size_t size, const char *format, va_list args) {
	struct output out = {to, size, 0};
	va_list copy;

	va_copy(copy, args);
	for (; *format; format++) {
		if (*format == '%')
			format = convert(&out, format + 1, &copy);
		else
			put(&out, *format);
	}
	va_end(copy);
	to[MIN(out.used, size - 1)] = 0;
	return out.used;
}

void vprintf(const char *format, va_list args) {
	char line[256];
	size_t length = vsnprintf(line, sizeof(line), format, args);

	log_write(line, MIN(length, sizeof(line) - 1));
}

void printf(const char *format, ...) {
	va_list args;

	va_start(args, format);
	vprintf(format, args);
	va_end(args);
}
