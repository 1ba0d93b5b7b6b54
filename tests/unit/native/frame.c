/* SPDX-License-Identifier: BSD-2-Clause */
/* Frames on a line that loses, cuts and invents bytes: what is whole is read, in order. */
#include "native.h"

#include "libs/frame/frame.h"

#define SIZE 64U

static struct frame_reader reader;
static uint8_t payload[SIZE + 1];
static char seen[4096]; /* payloads that were read, a '|' behind each */

static void begin(void) {
	frame_reader_init(&reader, payload, SIZE);
	seen[0] = '\0';
}

/* Feeds in pieces of at most `piece` bytes. */
static void feed_bytes(const char *bytes, uint32_t count, uint32_t piece) {
	while (count) {
		bool ready;
		uint32_t taken = frame_read(&reader, bytes, MIN(count, piece), &ready);

		CHECK(taken && taken <= MIN(count, piece));
		bytes += taken;
		count -= taken;
		if (!ready) continue;
		CHECK(payload[reader.length] == '\0');
		strcat(seen, (const char *)payload);
		strcat(seen, "|");
	}
}

static void feed(const char *text) { feed_bytes(text, (uint32_t)strlen(text), UINT32_MAX); }

static const char *frame(const char *text) {
	static char line[2 * SIZE + FRAME_EXTRA];
	size_t length = strlen(text);

	frame_header(line, text, (uint32_t)length);
	memcpy(line + FRAME_HEADER, text, length);
	strcpy(line + FRAME_HEADER + length, "\n");
	return line;
}

static void test_known(void) {
	/* As zlib and printf make it. */
	CHECK(!strcmp(frame("{\"id\": 1}"), "TC1 00000009 56d44085 {\"id\": 1}\n"));
	begin();
	feed(frame("hello"));
	feed(frame(""));
	CHECK(!strcmp(seen, "hello||") && reader.frames == 2 && !frame_refused(&reader));
}

static void test_every_piece(void) {
	char line[256];

	strcpy(line, "\n\n");
	strcat(line, frame("one"));
	strcat(line, frame("two, which is longer"));
	strcat(line, frame("three"));
	for (uint32_t piece = 1; piece < 40; piece++) {
		begin();
		feed_bytes(line, (uint32_t)strlen(line), piece);
		CHECK(!strcmp(seen, "one|two, which is longer|three|"));
		CHECK(!frame_refused(&reader) && !reader.dropped);
	}
}

static void test_after_garbage(void) {
	begin();
	feed("noise\n");
	feed("some noise that is longer than a header would be\n");
	feed(frame("a"));
	CHECK(!strcmp(seen, "a|") && reader.garbage == 2 && reader.dropped == 5 + 48);
}

/* A frame that is cut anywhere costs itself, and nothing behind its newline. */
static void test_cut(void) {
	const char *whole = frame("a frame that is cut");
	char line[256];

	strcpy(line, whole);
	for (uint32_t cut = 1; cut < strlen(line) - 1; cut++) {
		begin();
		feed_bytes(line, cut, UINT32_MAX);
		feed("\n");
		feed(frame("next"));
		CHECK(!strcmp(seen, "next|") && frame_refused(&reader) == 1);
		CHECK(reader.dropped == cut);
	}
}

/* One bit is wrong: never taken for the frame. */
static void test_flipped(void) {
	char line[256];
	uint32_t length;

	strcpy(line, frame("the bits of this line"));
	length = (uint32_t)strlen(line);
	for (uint32_t bit = 0; bit < 8 * (length - 1); bit++) {
		char copy[256];

		memcpy(copy, line, length);
		copy[bit / 8] = (char)(copy[bit / 8] ^ 1 << bit % 8);
		begin();
		feed_bytes(copy, length, UINT32_MAX);
		feed("\n");
		feed(frame("next"));
		/* Upper and lower case of a hexadecimal digit differ in one bit and mean the same.
		 */
		CHECK(!strcmp(seen, "next|") || bit % 8 == 5);
	}
}

static void test_sizes(void) {
	char big[SIZE + 2];

	memset(big, 'x', sizeof(big));
	big[SIZE] = '\0';
	begin();
	feed(frame(big));
	CHECK(reader.frames == 1);
	big[SIZE] = 'x';
	big[SIZE + 1] = '\0';
	feed(frame(big));
	CHECK(reader.frames == 1 && reader.too_long == 1);
	/* More bytes than it says, and less. */
	feed("TC1 00000002 00000000 abc\n");
	feed("TC1 00000004 00000000 abc\n");
	feed("TC1 ffffffff 00000000 abc\n");
	feed(frame("ok"));
	CHECK(reader.too_long == 3 && reader.truncated == 1 && reader.frames == 2);
}

int main(void) {
	static const struct test tests[] = {
		{"frames that are known", test_known},
		{"in pieces of any size", test_every_piece},
		{"garbage before a frame", test_after_garbage},
		{"a frame cut anywhere", test_cut},
		{"a frame with one wrong bit", test_flipped},
		{"lengths that are not", test_sizes},
	};

	return RUN("frame", tests);
}
