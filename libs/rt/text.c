/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Strings beyond what the compiler needs, and formatting. No state, no
 * hypercalls: compiled for the host too.
 */
#include "libs/rt/rt.h"

bool rt_strcopy(char *to, const char *from, size_t size) {
	size_t i = 0;

	if (!size) return false;
	for (; i < size - 1 && from[i]; i++) to[i] = from[i];
	to[i] = '\0';
	return !from[i];
}

size_t rt_strnlen(const char *s, size_t size) {
	size_t n = 0;

	while (n < size && s[n]) n++;
	return n;
}

static int digit_value(char c) {
	if (c >= '0' && c <= '9') return c - '0';
	if (c >= 'a' && c <= 'f') return c - 'a' + 10;
	if (c >= 'A' && c <= 'F') return c - 'A' + 10;
	return 16;
}

bool rt_number(const char *s, uint64_t *value) {
	unsigned base = 10;
	uint64_t n = 0;

	if (s[0] == '0' && (s[1] == 'x' || s[1] == 'X')) {
		base = 16;
		s += 2;
	}
	if (!*s) return false;
	for (; *s; s++) {
		unsigned digit = (unsigned)digit_value(*s);

		if (digit >= base || n > (UINT64_MAX - digit) / base) return false;
		n = n * base + digit;
	}
	*value = n;
	return true;
}

struct output {
	char *to;
	size_t size, length;
};

struct directive {
	bool left, zero;
	size_t width, precision;
	unsigned longs;
};

static void put(struct output *o, char c) {
	if (o->length + 1 < o->size) o->to[o->length] = c;
	o->length++;
}

static void put_padded(struct output *o, const struct directive *d, const char *text,
		       size_t length) {
	size_t fill = d->width > length ? d->width - length : 0;
	bool zero = d->zero && !d->left;

	if (zero && length && *text == '-') {
		put(o, *text++);
		length--;
	}
	for (size_t i = 0; i < fill && !d->left; i++) put(o, zero ? '0' : ' ');
	for (size_t i = 0; i < length; i++) put(o, text[i]);
	for (size_t i = 0; i < fill && d->left; i++) put(o, ' ');
}

static void put_number(struct output *o, const struct directive *d, uint64_t n, unsigned base,
		       bool negative) {
	char text[24];
	size_t at = sizeof(text);

	do {
		text[--at] = "0123456789abcdef"[n % base];
		n /= base;
	} while (n);
	if (negative) text[--at] = '-';
	put_padded(o, d, text + at, sizeof(text) - at);
}

/* A number of the directive, or the next argument for a '*'. */
#define READ_NUMBER(p, arguments)                                    \
	__extension__({                                              \
		size_t n_ = 0;                                       \
		if (*(p) == '*') {                                   \
			n_ = (size_t)va_arg(arguments, int);         \
			(p)++;                                       \
		} else {                                             \
			for (; *(p) >= '0' && *(p) <= '9'; (p)++)    \
				n_ = n_ * 10 + (size_t)(*(p) - '0'); \
		}                                                    \
		n_;                                                  \
	})

size_t rt_vformat(char *to, size_t size, const char *format, va_list arguments) {
	struct output o = {.to = to, .size = size};

	for (const char *p = format; *p; p++) {
		struct directive d = {.precision = SIZE_MAX};

		if (*p != '%') {
			put(&o, *p);
			continue;
		}
		for (p++; *p == '0' || *p == '-'; p++) {
			d.zero |= *p == '0';
			d.left |= *p == '-';
		}
		d.width = READ_NUMBER(p, arguments);
		if (*p == '.') {
			p++;
			d.precision = READ_NUMBER(p, arguments);
		}
		for (; *p == 'l' || *p == 'z'; p++) d.longs++;

		switch (*p) {
		case 'c': {
			char c = (char)va_arg(arguments, int);

			put_padded(&o, &d, &c, 1);
			break;
		}
		case 's': {
			const char *s = va_arg(arguments, const char *);

			put_padded(&o, &d, s, rt_strnlen(s, d.precision));
			break;
		}
		case 'd':
		case 'i': {
			int64_t n = d.longs ? va_arg(arguments, int64_t) : va_arg(arguments, int);

			put_number(&o, &d, n < 0 ? 0 - (uint64_t)n : (uint64_t)n, 10, n < 0);
			break;
		}
		case 'u':
		case 'x': {
			uint64_t n =
				d.longs ? va_arg(arguments, uint64_t) : va_arg(arguments, unsigned);

			put_number(&o, &d, n, *p == 'u' ? 10 : 16, false);
			break;
		}
		case 'p':
			put_number(&o, &d, (uintptr_t)va_arg(arguments, void *), 16, false);
			break;
		case '%': put(&o, '%'); break;
		default: /* a mistake in the program: show it rather than guess */
			put(&o, '?');
			p -= !*p;
			break;
		}
	}
	if (size) to[MIN(o.length, size - 1)] = '\0';
	return o.length;
}

size_t rt_format(char *to, size_t size, const char *format, ...) {
	va_list arguments;
	size_t length;

	va_start(arguments, format);
	length = rt_vformat(to, size, format, arguments);
	va_end(arguments);
	return length;
}
