/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * JSON (RFC 8259) for messages between the control domain and whoever manages it.
 * The reader is strict and bounded: it works in the caller's text and array of
 * tokens, whose size is its limit. Strict means: one value and nothing behind it,
 * UTF-8 that is UTF-8, no key twice in an object, numbers that are whole and fit
 * int64_t, no NUL in strings. What passes means the same to every reader.
 *
 * Tokens lie in the order of the text. An object is followed by key, value, key,
 * value ..., a key being a string; token.next leads past a value and all in it.
 */
#ifndef LIBS_JSON_JSON_H
#define LIBS_JSON_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JSON_DEPTH 8U /* arrays and objects in each other */

enum json_type {
	JSON_NONE, /* there is no such value */
	JSON_NULL,
	JSON_BOOL, /* number: 0 or 1 */
	JSON_NUMBER,
	JSON_STRING,
	JSON_ARRAY,
	JSON_OBJECT,
};

struct json_token {
	uint8_t type; /* enum json_type */
	uint8_t pad[3];
	uint32_t next;   /* index of the token behind this value */
	uint32_t count;  /* of an array, an object: elements, pairs */
	uint32_t length; /* of a string, bytes */
	int64_t number;
	const char *text; /* of a string, without escapes, NUL-terminated; in the caller's text */
};

struct json {
	struct json_token *token; /* token[0]: the whole */
	uint32_t count;
	const char *error; /* NULL, or what is wrong */
	uint32_t at;       /* where, in bytes */
};

/*
 * Reads text[0 .. length), changing it: strings lose their escapes and get NULs.
 * False: error and at say why; nothing of it is to be used then. count is at most 32768.
 */
bool json_read(struct json *json, char *text, uint32_t length, struct json_token *tokens,
	       uint32_t count);
/* The value of a key; a token of JSON_NONE if there is none, or `object` is none. */
const struct json_token *json_get(const struct json *json, const struct json_token *object,
				  const char *key);
/* Element n of an array; JSON_NONE behind the last. */
const struct json_token *json_element(const struct json *json, const struct json_token *array,
				      uint32_t n);

/*
 * The writer: into a buffer of the caller's. When that is full nothing more is
 * written and `full` stays set. key: NULL in arrays and for the outermost value.
 * Bytes of strings that are not UTF-8 become '?'.
 */
struct json_writer {
	char *text;
	uint32_t size, length;
	bool full;
	bool comma; /* one is due before the next value */
};

void json_writer_init(struct json_writer *writer, void *text, uint32_t size);
void json_open(struct json_writer *writer, const char *key, char bracket); /* '{' or '[' */
void json_close(struct json_writer *writer, char bracket);                 /* '}' or ']' */
void json_string(struct json_writer *writer, const char *key, const char *value);
/* At most `size` bytes of a string that may lack its end. */
void json_chars(struct json_writer *writer, const char *key, const char *value, uint32_t size);
void json_number(struct json_writer *writer, const char *key, int64_t value);
void json_unsigned(struct json_writer *writer, const char *key, uint64_t value);
void json_bool(struct json_writer *writer, const char *key, bool value);
void json_null(struct json_writer *writer, const char *key);
/* Bytes as a string of hexadecimal digits. */
void json_hex(struct json_writer *writer, const char *key, const void *bytes, uint32_t count);
/* Bytes as a string in base64 (RFC 4648, padded). */
void json_base64(struct json_writer *writer, const char *key, const void *bytes, uint32_t count);
/* Reads base64 of length bytes, may be in place. False: it is none, or longer than size. */
bool json_from_base64(const char *text, uint32_t length, void *to, uint32_t size, uint32_t *count);

#endif
