/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The reader of JSON on any bytes, in exactly as much memory as it is told. What it
 * takes, the writer writes; and that reads as the same.
 */
#include <stdlib.h>
#include <string.h>

#include "libs/json/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TOKENS 48U

static uint32_t copy(struct json_writer *w, const struct json *json, const char *key, uint32_t i) {
	const struct json_token *token = &json->token[i];

	switch (token->type) {
	case JSON_NULL: json_null(w, key); break;
	case JSON_BOOL: json_bool(w, key, token->number); break;
	case JSON_NUMBER: json_number(w, key, token->number); break;
	case JSON_STRING: json_string(w, key, token->text); break;
	case JSON_ARRAY:
		json_open(w, key, '[');
		for (uint32_t n = 0, at = i + 1; n < token->count; n++)
			at = copy(w, json, NULL, at);
		json_close(w, ']');
		break;
	case JSON_OBJECT:
		json_open(w, key, '{');
		for (uint32_t n = 0, at = i + 1; n < token->count; n++)
			at = copy(w, json, json->token[at].text, at + 1);
		json_close(w, '}');
		break;
	default: abort();
	}
	return token->next;
}

static bool same(const struct json *a, const struct json *b) {
	if (a->count != b->count) return false;
	for (uint32_t i = 0; i < a->count; i++) {
		const struct json_token *x = &a->token[i], *y = &b->token[i];

		if (x->type != y->type || x->next != y->next || x->count != y->count ||
		    x->number != y->number || x->length != y->length ||
		    (x->length && memcmp(x->text, y->text, x->length)))
			return false;
	}
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	static char out[32768];
	struct json_token tokens[TOKENS], again[TOKENS];
	struct json json, second;
	struct json_writer w;
	char *text = malloc(size ? size : 1);

	if (!text) abort();
	memcpy(text, data, size);
	if (!json_read(&json, text, (uint32_t)size, tokens, TOKENS)) {
		if (!json.error || json.at > size) abort();
		free(text);
		return 0;
	}
	json_writer_init(&w, out, sizeof(out));
	if (copy(&w, &json, NULL, 0) != json.count || w.full) abort();
	if (!json_read(&second, out, w.length, again, TOKENS) || !same(&json, &second)) abort();
	free(text);
	return 0;
}
