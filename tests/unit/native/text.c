/* SPDX-License-Identifier: BSD-2-Clause */
/* Formatting and numbers of libs/rt. */
#include "native.h"

__attribute__((format(printf, 2, 3))) static void format(const char *wanted, const char *text,
							 ...) {
	char buffer[64];
	va_list arguments;
	size_t length;

	va_start(arguments, text);
	length = rt_vformat(buffer, sizeof(buffer), text, arguments);
	va_end(arguments);
	CHECK(!strcmp(buffer, wanted) && length == strlen(wanted));
}

static void test_format(void) {
	format("plain 100%", "plain 100%%");
	format("-2147483648 42", "%d %i", INT32_MIN, 42);
	format("-9223372036854775808", "%ld", INT64_MIN);
	format("18446744073709551615", "%lu", UINT64_MAX);
	format("ffffffffffffffff ff", "%lx %x", UINT64_MAX, 255);
	format("00ff| -7|-007|7  |", "%04x|%3d|%04d|%-3d|", 255, -7, -7, 7);
	format("[ab   ][   ab][a]", "[%-5s][%5s][%.1s]", "ab", "ab", "ab");
	format("[ab ][x]", "[%-*s][%.*s]", 3, "ab", 1, "xyz");
	format("c 12", "%c %zu", 'c', (size_t)12);
}

static void test_cut(void) {
	char buffer[5] = "....";

	CHECK(rt_format(buffer, sizeof(buffer), "%s", "abcdefgh") == 8);
	CHECK(!strcmp(buffer, "abcd"));
	CHECK(rt_format(buffer, 0, "%d", 1) == 1 && !strcmp(buffer, "abcd"));
	CHECK(!rt_strcopy(buffer, "12345", sizeof(buffer)) && !strcmp(buffer, "1234"));
	CHECK(rt_strcopy(buffer, "12", sizeof(buffer)) && !strcmp(buffer, "12"));
}

static void test_numbers(void) {
	uint64_t n = 9;

	CHECK(rt_number("0", &n) && n == 0);
	CHECK(rt_number("18446744073709551615", &n) && n == UINT64_MAX);
	CHECK(!rt_number("18446744073709551616", &n));
	CHECK(rt_number("0xffffFFFF80000000", &n) && n == 0xffffffff80000000);
	CHECK(!rt_number("0x10000000000000000", &n));
	CHECK(!rt_number("", &n) && !rt_number("0x", &n) && !rt_number("12a", &n));
	CHECK(!rt_number("-1", &n) && !rt_number(" 1", &n));
}

/* What another domain may change meanwhile is looked at once: its bound holds. */
static void test_read_once(void) {
	uint32_t n = 1;

	CHECK(MIN(n++, 2U) == 1 && n == 2);
	CHECK(MIN(2U, n++) == 2 && n == 3);
	CHECK(MAX(n++, 2U) == 3 && n == 4);
}

int main(void) {
	static const struct test tests[] = {
		{"directives", test_format},
		{"what does not fit", test_cut},
		{"numbers", test_numbers},
		{"the smaller and the larger read once", test_read_once},
	};

	return RUN("text", tests);
}
