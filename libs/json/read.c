/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One pass over the text, with a stack of open brackets instead of recursion. A
 * string is unescaped to where it stands: an escape is never shorter than what it
 * means, and the closing quote leaves room for a NUL.
 */
#include "libs/json/json.h"
#include "libs/json/utf8.h"
#include "libs/rt/rt.h"

/* What may come next. */
enum expect { VALUE, VALUE_OR_END, KEY, KEY_OR_END, COLON, COMMA_OR_END, END };

struct reader {
	struct json *json;
	uint8_t *text;
	uint32_t length, at, max;
	uint32_t open[JSON_DEPTH], depth; /* tokens of the open brackets */
	enum expect expect;
};

static bool fail(struct reader *r, const char *why) {
	r->json->error = why;
	r->json->at = r->at;
	return false;
}

static struct json_token *add(struct reader *r, enum json_type type) {
	struct json *json = r->json;
	struct json_token *token;

	if (json->count == r->max) {
		fail(r, "too many values");
		return NULL;
	}
	token = &json->token[json->count++];
	*token = (struct json_token){.type = (uint8_t)type, .next = json->count};
	return token;
}

static struct json_token *container(struct reader *r) {
	return r->depth ? &r->json->token[r->open[r->depth - 1]] : NULL;
}

/* A value is complete. */
static void done(struct reader *r) {
	struct json_token *in = container(r);

	if (in) in->count++;
	r->expect = in ? COMMA_OR_END : END;
}

/* Four hexadecimal digits at `at`. */
static bool hex4(const struct reader *r, uint32_t at, uint32_t *value) {
	*value = 0;
	if (at > r->length || r->length - at < 4) return false;
	for (uint32_t i = 0; i < 4; i++) {
		uint8_t c = r->text[at + i];
		uint32_t digit = c >= '0' && c <= '9'   ? c - (uint32_t)'0'
				 : c >= 'a' && c <= 'f' ? c - 'a' + 10U
				 : c >= 'A' && c <= 'F' ? c - 'A' + 10U
							: 16U;

		if (digit > 15) return false;
		*value = *value << 4 | digit;
	}
	return true;
}

static uint32_t put_utf8(uint8_t *to, uint32_t c) {
	if (c < 0x80) {
		to[0] = (uint8_t)c;
		return 1;
	}
	if (c < 0x800) {
		to[0] = (uint8_t)(0xc0 | c >> 6);
		to[1] = (uint8_t)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		to[0] = (uint8_t)(0xe0 | c >> 12);
		to[1] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
		to[2] = (uint8_t)(0x80 | (c & 0x3f));
		return 3;
	}
	to[0] = (uint8_t)(0xf0 | c >> 18);
	to[1] = (uint8_t)(0x80 | (c >> 12 & 0x3f));
	to[2] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
	to[3] = (uint8_t)(0x80 | (c & 0x3f));
	return 4;
}

/* \u: r->at is at the u. */
static bool read_unicode(struct reader *r, uint8_t *to, uint32_t *size) {
	uint32_t c, low;

	if (!hex4(r, r->at + 1, &c)) return fail(r, "\\u without four hexadecimal digits");
	if (!c) return fail(r, "a NUL in a string");
	if (c >= 0xdc00 && c < 0xe000) return fail(r, "half a surrogate pair");
	r->at += 5;
	if (c >= 0xd800 && c < 0xdc00) {
		if (r->length - r->at < 6 || r->text[r->at] != '\\' || r->text[r->at + 1] != 'u' ||
		    !hex4(r, r->at + 2, &low) || low < 0xdc00 || low >= 0xe000)
			return fail(r, "half a surrogate pair");
		c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
		r->at += 6;
	}
	*size = put_utf8(to, c);
	return true;
}

/* r->at is behind the backslash. */
static bool read_escape(struct reader *r, uint8_t *to, uint32_t *size) {
	static const char from[] = "\"\\/bfnrt", means[] = "\"\\/\b\f\n\r\t";

	if (r->at == r->length) return fail(r, "a string without an end");
	if (r->text[r->at] == 'u') return read_unicode(r, to, size);
	for (uint32_t i = 0; from[i]; i++) {
		if (r->text[r->at] != (uint8_t)from[i]) continue;
		*to = (uint8_t)means[i];
		*size = 1;
		r->at++;
		return true;
	}
	return fail(r, "an unknown escape");
}

static bool read_string(struct reader *r) {
	struct json_token *token = add(r, JSON_STRING);
	uint32_t start = ++r->at, to = start;

	if (!token) return false;
	while (r->at < r->length && r->text[r->at] != '"') {
		uint32_t size;

		if (r->text[r->at] == '\\') {
			r->at++;
			if (!read_escape(r, r->text + to, &size)) return false;
		} else {
			size = utf8_size(r->text + r->at, r->length - r->at);
			if (!size) return fail(r, "a byte that is not UTF-8");
			if (r->text[r->at] < ' ') return fail(r, "a control character in a string");
			memmove(r->text + to, r->text + r->at, size);
			r->at += size;
		}
		to += size;
	}
	if (r->at == r->length) return fail(r, "a string without an end");
	r->at++;
	r->text[to] = '\0';
	token->text = (const char *)r->text + start;
	token->length = to - start;
	return true;
}

static bool read_number(struct reader *r) {
	struct json_token *token = add(r, JSON_NUMBER);
	bool negative = r->text[r->at] == '-';
	uint32_t first;
	int64_t value = 0;

	if (!token) return false;
	r->at += negative;
	first = r->at;
	for (; r->at < r->length && r->text[r->at] >= '0' && r->text[r->at] <= '9'; r->at++) {
		/* Below zero, where there is one number more. */
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_sub_overflow(value, r->text[r->at] - '0', &value))
			return fail(r, "a number that is too large");
	}
	if (r->at == first) return fail(r, "a minus sign without a number");
	if (r->at - first > 1 && r->text[first] == '0')
		return fail(r, "a number that begins with 0");
	if (r->at < r->length &&
	    (r->text[r->at] == '.' || r->text[r->at] == 'e' || r->text[r->at] == 'E'))
		return fail(r, "a number that is not written as a whole one");
	if (!negative && __builtin_sub_overflow((int64_t)0, value, &value))
		return fail(r, "a number that is too large");
	token->number = value;
	return true;
}

static bool read_word(struct reader *r) {
	static const struct {
		const char *word;
		enum json_type type;
		int64_t number;
	} words[] = {{"null", JSON_NULL, 0}, {"true", JSON_BOOL, 1}, {"false", JSON_BOOL, 0}};

	for (uint32_t i = 0; i < ARRAY_SIZE(words); i++) {
		uint32_t length = (uint32_t)strlen(words[i].word);
		struct json_token *token;

		if (r->length - r->at < length || memcmp(r->text + r->at, words[i].word, length))
			continue;
		token = add(r, words[i].type);
		if (!token) return false;
		token->number = words[i].number;
		r->at += length;
		return true;
	}
	return fail(r, "something that is no value");
}

static bool open_bracket(struct reader *r, bool object) {
	if (r->depth == JSON_DEPTH) return fail(r, "brackets nested too deeply");
	r->open[r->depth] = r->json->count;
	if (!add(r, object ? JSON_OBJECT : JSON_ARRAY)) return false;
	r->depth++;
	r->at++;
	r->expect = object ? KEY_OR_END : VALUE_OR_END;
	return true;
}

static bool close_bracket(struct reader *r, uint8_t c) {
	struct json_token *in = container(r);

	if (!in || in->type != (c == '}' ? JSON_OBJECT : JSON_ARRAY))
		return fail(r, "a bracket that closes nothing");
	in->next = r->json->count;
	r->depth--;
	r->at++;
	done(r);
	return true;
}

static bool read_value(struct reader *r) {
	uint8_t c = r->text[r->at];
	bool ok;

	if (c == '{' || c == '[') return open_bracket(r, c == '{');
	if (c == '"')
		ok = read_string(r);
	else if (c == '-' || (c >= '0' && c <= '9'))
		ok = read_number(r);
	else
		ok = read_word(r);
	if (ok) done(r);
	return ok;
}

static bool read_key(struct reader *r) {
	const struct json_token *key;
	uint32_t start = r->at;

	if (r->text[r->at] != '"') return fail(r, "something that is no key");
	if (!read_string(r)) return false;
	key = &r->json->token[r->json->count - 1];
	for (uint32_t i = r->open[r->depth - 1] + 1; &r->json->token[i] < key;
	     i = r->json->token[i + 1].next) {
		const struct json_token *other = &r->json->token[i];

		if (other->length != key->length || memcmp(other->text, key->text, key->length))
			continue;
		r->at = start;
		return fail(r, "a key a second time");
	}
	r->expect = COLON;
	return true;
}

/* One step at a byte that is no space. */
static bool step(struct reader *r) {
	uint8_t c = r->text[r->at];
	struct json_token *in = container(r);

	switch (r->expect) {
	case VALUE_OR_END:
		if (c == ']') return close_bracket(r, c);
		return read_value(r);
	case VALUE: return read_value(r);
	case KEY_OR_END:
		if (c == '}') return close_bracket(r, c);
		return read_key(r);
	case KEY: return read_key(r);
	case COLON:
		if (c != ':') return fail(r, "a key without a colon");
		r->expect = VALUE;
		break;
	case COMMA_OR_END:
		if (c == '}' || c == ']') return close_bracket(r, c);
		if (c != ',') return fail(r, "no comma between two values");
		r->expect = in->type == JSON_OBJECT ? KEY : VALUE;
		break;
	case END: return fail(r, "something behind the end");
	}
	r->at++;
	return true;
}

bool json_read(struct json *json, char *text, uint32_t length, struct json_token *tokens,
	       uint32_t count) {
	struct reader reader = {
		.json = json, .text = (uint8_t *)text, .length = length, .max = count};

	*json = (struct json){.token = tokens};
	while (reader.at < length) {
		uint8_t c = reader.text[reader.at];

		if (c == ' ' || c == '\t' || c == '\n' || c == '\r')
			reader.at++;
		else if (!step(&reader))
			return false;
	}
	return reader.expect == END || fail(&reader, "no end");
}

static const struct json_token none;

const struct json_token *json_get(const struct json *json, const struct json_token *object,
				  const char *key) {
	const struct json_token *token = json->token;
	uint32_t i = (uint32_t)(object - token) + 1;

	if (object->type != JSON_OBJECT) return &none;
	for (uint32_t n = 0; n < object->count; n++, i = token[i + 1].next)
		if (!strcmp(token[i].text, key)) return &token[i + 1];
	return &none;
}

const struct json_token *json_element(const struct json *json, const struct json_token *array,
				      uint32_t n) {
	uint32_t i = (uint32_t)(array - json->token) + 1;

	if (array->type != JSON_ARRAY || n >= array->count) return &none;
	while (n--) i = json->token[i].next;
	return &json->token[i];
}
