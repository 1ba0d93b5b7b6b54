/* SPDX-License-Identifier: BSD-2-Clause */
/* kernel/lib: formatting, bytes and strings, the log ring. */
#include "stubs.h"

#include "lib/log.h"

void string_copy(char *to, const char *from, size_t size);

static void format(const char *wanted, const char *text, ...) {
	char buffer[64];
	va_list args;
	size_t length;

	va_start(args, text);
	length = core_vsnprintf(buffer, sizeof(buffer), text, args);
	va_end(args);
	CHECK(strcmp(buffer, wanted) == 0 && length == strlen(wanted));
}

static void test_format(void) {
	format("plain 100%", "plain 100%%");
	format("2147483648 42 0", "%u %u %u", 1U << 31, 42U, 0U);
	format("18446744073709551615 4294967295", "%lu %u", UINT64_MAX, UINT32_MAX);
	format("ffffffffffffffff ff 000000000000001f", "%lx %x %016lx", UINT64_MAX, 255, 31L);
	format("[abc] x", "[%s] %c", "abc", 'x');
	format("cut ", "cut %");
	format("cut ", "cut %08l");
}

static size_t cut(char *to, size_t size, const char *text, ...) {
	va_list args;
	size_t length;

	va_start(args, text);
	length = core_vsnprintf(to, size, text, args);
	va_end(args);
	return length;
}

static void test_cut(void) {
	char buffer[5] = "....";

	CHECK(cut(buffer, sizeof(buffer), "%s", "abcdefgh") == 8 && strcmp(buffer, "abcd") == 0);
	CHECK(cut(buffer, 1, "%u", 1U) == 1 && !buffer[0]);
	string_copy(buffer, "123456", sizeof(buffer));
	CHECK(strcmp(buffer, "1234") == 0);
	string_copy(buffer, "1", sizeof(buffer));
	CHECK(memcmp(buffer, "1\0\0\0", 5) == 0);
}

static void test_bytes(void) {
	char a[64], b[64];

	for (size_t n = 0; n < 40; n++)
		for (size_t offset = 0; offset < 9; offset++) {
			for (size_t i = 0; i < sizeof(a); i++) a[i] = b[i] = (char)i;
			CHECK(core_memset(a + offset, 0xe5, n / 2) == a + offset);
			memset(b + offset, 0xe5, n / 2);
			CHECK(core_memcpy(a + 50, a, 13) == a + 50);
			memcpy(b + 50, b, 13);
			CHECK(memcmp(a, b, sizeof(a)) == 0 && core_memcmp(a, b, sizeof(a)) == 0);
		}
	a[7] = (char)(b[7] + 1);
	CHECK(core_memcmp(a, b, 7) == 0 && core_memcmp(a, b, 8) != 0);
}

static void test_log(void) {
	static char text[LOG_SIZE], read[LOG_SIZE];
	u64 position = 0;

	log_init("debug log=none x"); /* a serial port would be touched otherwise */
	core_printf("one %u\n", 1U);
	CHECK(log_read(read, sizeof(read), &position) == 6 && position == 6);
	CHECK(memcmp(read, "one 1\n", 6) == 0);
	CHECK(log_read(read, sizeof(read), &position) == 0);
	/* What has been overwritten is skipped; a position ahead starts over. */
	memset(text, 'a', sizeof(text));
	log_write(text, sizeof(text));
	log_write("end", 3);
	CHECK(log_read(read, sizeof(read), &position) == LOG_SIZE && position == 6 + LOG_SIZE + 3);
	CHECK(memcmp(read + LOG_SIZE - 3, "end", 3) == 0 && read[0] == 'a');
	position = ~0UL;
	CHECK(log_read(read, 5, &position) == 5 && position == 6 + 3 + 5);
	CHECK(fake_virqs == 0);
	CHECK(log_set_reader((struct vcpu *)text) && !log_set_reader((struct vcpu *)text));
	log_write("x", 1);
	CHECK(fake_virqs == 1);
}

int main(void) {
	static const struct test tests[] = {
		{"conversions of printf", test_format},
		{"text that does not fit", test_cut},
		{"bytes", test_bytes},
		{"the log ring", test_log},
	};

	return run_tests(tests, ARRAY_SIZE(tests));
}
