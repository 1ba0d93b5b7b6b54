/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Everything goes through put(), which alone knows the end of the buffer, so a
 * message that does not fit is cut off and known to be, and never runs over.
 */
#include "libs/json/json.h"
#include "libs/json/utf8.h"
#include "libs/rt/rt.h"

static const char hex_digits[] = "0123456789abcdef";
static const char base64_digits[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void json_writer_init(struct json_writer *writer, void *text, uint32_t size) {
	*writer = (struct json_writer){.text = text, .size = size};
}

static void put(struct json_writer *w, const void *bytes, uint32_t count) {
	if (w->full || count > w->size - w->length) {
		w->full = true;
		return;
	}
	memcpy(w->text + w->length, bytes, count);
	w->length += count;
}

static void put_text(struct json_writer *w, const char *text) {
	put(w, text, (uint32_t)strlen(text));
}

static void put_escaped(struct json_writer *w, const char *value, uint32_t size) {
	const uint8_t *from = (const uint8_t *)value;

	put(w, "\"", 1);
	for (uint32_t i = 0; i < size && from[i];) {
		uint32_t length = utf8_size(from + i, size - i);

		if (from[i] == '"' || from[i] == '\\') {
			put(w, "\\", 1);
			put(w, from + i, 1);
		} else if (from[i] < ' ' || from[i] == 0x7f) {
			char escape[6] = {'\\',
					  'u',
					  '0',
					  '0',
					  hex_digits[from[i] >> 4],
					  hex_digits[from[i] & 15]};

			put(w, escape, sizeof(escape));
		} else {
			put(w, length ? (const void *)(from + i) : "?", MAX(length, 1U));
		}
		i += MAX(length, 1U);
	}
	put(w, "\"", 1);
}

/* What stands before a value. */
static void begin(struct json_writer *w, const char *key) {
	if (w->comma) put(w, ",", 1);
	w->comma = true;
	if (!key) return;
	put_escaped(w, key, (uint32_t)strlen(key));
	put(w, ":", 1);
}

void json_open(struct json_writer *writer, const char *key, char bracket) {
	begin(writer, key);
	put(writer, &bracket, 1);
	writer->comma = false;
}

void json_close(struct json_writer *writer, char bracket) {
	put(writer, &bracket, 1);
	writer->comma = true;
}

void json_chars(struct json_writer *writer, const char *key, const char *value, uint32_t size) {
	begin(writer, key);
	put_escaped(writer, value, size);
}

void json_string(struct json_writer *writer, const char *key, const char *value) {
	json_chars(writer, key, value, (uint32_t)strlen(value));
}

void json_number(struct json_writer *writer, const char *key, int64_t value) {
	char text[24];

	rt_format(text, sizeof(text), "%ld", (long)value);
	begin(writer, key);
	put_text(writer, text);
}

void json_unsigned(struct json_writer *writer, const char *key, uint64_t value) {
	char text[24];

	rt_format(text, sizeof(text), "%lu", (unsigned long)value);
	begin(writer, key);
	put_text(writer, text);
}

void json_bool(struct json_writer *writer, const char *key, bool value) {
	begin(writer, key);
	put_text(writer, value ? "true" : "false");
}

void json_null(struct json_writer *writer, const char *key) {
	begin(writer, key);
	put_text(writer, "null");
}

void json_hex(struct json_writer *writer, const char *key, const void *bytes, uint32_t count) {
	const uint8_t *from = bytes;

	begin(writer, key);
	put(writer, "\"", 1);
	for (uint32_t i = 0; i < count; i++) {
		put(writer, &hex_digits[from[i] >> 4], 1);
		put(writer, &hex_digits[from[i] & 15], 1);
	}
	put(writer, "\"", 1);
}

void json_base64(struct json_writer *writer, const char *key, const void *bytes, uint32_t count) {
	const uint8_t *from = bytes;

	begin(writer, key);
	put(writer, "\"", 1);
	for (uint32_t i = 0; i < count; i += 3) {
		uint32_t left = MIN(count - i, 3U);
		uint32_t three = (uint32_t)from[i] << 16 | (left > 1 ? from[i + 1] << 8 : 0) |
				 (left > 2 ? from[i + 2] : 0);
		char four[4];

		for (uint32_t n = 0; n < 4; n++)
			four[n] = n <= left ? base64_digits[three >> (18 - 6 * n) & 63] : '=';
		put(writer, four, 4);
	}
	put(writer, "\"", 1);
}

static int base64_value(char c) {
	if (c >= 'A' && c <= 'Z') return c - 'A';
	if (c >= 'a' && c <= 'z') return c - 'a' + 26;
	if (c >= '0' && c <= '9') return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool json_from_base64(const char *text, uint32_t length, void *to, uint32_t size, uint32_t *count) {
	uint8_t *out = to;
	uint32_t n = 0;

	if (length % 4) return false;
	for (uint32_t i = 0; i < length; i += 4) {
		uint32_t bits = 0, digits = 0;

		for (; digits < 4; digits++) {
			int value = base64_value(text[i + digits]);

			if (value < 0) break;
			bits |= (uint32_t)value << (18 - 6 * digits);
		}
		/* Only the last four may be filled up, and what is cut off is zero. */
		for (uint32_t pad = digits; pad < 4; pad++)
			if (text[i + pad] != '=' || i + 4 != length) return false;
		if (digits < 2 || bits & (0xffffffU >> (8 * (digits - 1))) || digits - 1 > size - n)
			return false;
		for (uint32_t byte = 0; byte < digits - 1; byte++)
			out[n++] = (uint8_t)(bits >> (16 - 8 * byte));
	}
	*count = n;
	return true;
}
