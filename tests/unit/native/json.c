/* SPDX-License-Identifier: BSD-2-Clause */
/* JSON: what is read, what is refused and why, and that what is written can be read. */
#include "native.h"

#include "libs/json/json.h"

#define TOKENS 32U

static struct json json;
static struct json_token tokens[TOKENS];
static char text[512];

static bool parse(const char *from) {
	strcpy(text, from);
	return json_read(&json, text, (uint32_t)strlen(text), tokens, TOKENS);
}

static const struct json_token *at(const char *key) { return json_get(&json, tokens, key); }

static void test_values(void) {
	CHECK(parse(" {\"id\": 7, \"verb\" : \"ps\",\"on\":true, \"off\":false, \"n\":null,"
		    "\"list\":[1,-2,[],{}],\"o\":{\"id\":8}} "));
	CHECK(at("id")->type == JSON_NUMBER && at("id")->number == 7);
	CHECK(at("verb")->type == JSON_STRING && !strcmp(at("verb")->text, "ps"));
	CHECK(at("on")->type == JSON_BOOL && at("on")->number == 1 && at("off")->number == 0);
	CHECK(at("n")->type == JSON_NULL && at("absent")->type == JSON_NONE);
	CHECK(at("list")->type == JSON_ARRAY && at("list")->count == 4);
	CHECK(json_element(&json, at("list"), 1)->number == -2);
	CHECK(json_element(&json, at("list"), 3)->type == JSON_OBJECT);
	CHECK(json_element(&json, at("list"), 4)->type == JSON_NONE);
	CHECK(json_element(&json, at("id"), 0)->type == JSON_NONE);
	CHECK(json_get(&json, at("o"), "id")->number == 8);
	CHECK(tokens[0].count == 7 && tokens[0].next == json.count);
	CHECK(json_get(&json, at("absent"), "id")->type == JSON_NONE);
}

static void test_numbers(void) {
	CHECK(parse("9223372036854775807") && tokens[0].number == INT64_MAX);
	CHECK(parse("-9223372036854775808") && tokens[0].number == INT64_MIN);
	CHECK(parse("-0") && tokens[0].number == 0);
	CHECK(!parse("9223372036854775808") && !parse("-9223372036854775809"));
	CHECK(!parse("99999999999999999999999"));
	CHECK(!parse("1.5") && !parse("1e3") && !parse("01") && !parse("-") && !parse("+1"));
}

static void test_strings(void) {
	CHECK(parse("\"a\\n\\t\\\"\\\\\\/\\u0041\\u00e9\\u20ac\\ud83d\\ude00z\""));
	CHECK(!strcmp(tokens[0].text, "a\n\t\"\\/A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z"));
	CHECK(tokens[0].length == strlen(tokens[0].text));
	CHECK(parse("\"\xc3\xa9\xf0\x9f\x98\x80\"") && tokens[0].length == 6);
	CHECK(!parse("\"\\u0000\"") && !parse("\"\\ud800\"") && !parse("\"\\udc00\""));
	CHECK(!parse("\"\\ud800\\u0041\"") && !parse("\"\\u12\"") && !parse("\"\\x\""));
	CHECK(!parse("\"a\nb\"") && !parse("\"abc") && !parse("\"abc\\") && !parse("\"\\u"));
	/* Overlong, surrogate, too large, alone, cut. */
	CHECK(!parse("\"\xc0\x80\"") && !parse("\"\xed\xa0\x80\"") &&
	      !parse("\"\xf4\x90\x80\x80\"") && !parse("\"\x80\"") && !parse("\"\xe2\x82\""));
}

static void refused(const char *from, const char *why) {
	CHECK(!parse(from));
	if (strcmp(json.error, why)) printf("# %s: %s\n", from, json.error);
	CHECK(!strcmp(json.error, why));
}

static void test_refusals(void) {
	refused("", "no end");
	refused("   ", "no end");
	refused("{", "no end");
	refused("[1,2", "no end");
	refused("{\"a\":1,\"a\":2}", "a key a second time");
	refused("{\"a\":{\"b\":1},\"c\":[{}],\"\\u0061\":2}", "a key a second time");
	refused("{\"a\" 1}", "a key without a colon");
	refused("{\"a\":1 \"b\":2}", "no comma between two values");
	refused("{\"a\":1,}", "something that is no key");
	refused("[1,]", "something that is no value");
	refused("{1:2}", "something that is no key");
	refused("[1}", "a bracket that closes nothing");
	refused("]", "something that is no value");
	refused("1 2", "something behind the end");
	refused("{} x", "something behind the end");
	refused("nul", "something that is no value");
	refused("[[[[[[[[[1]]]]]]]]]", "brackets nested too deeply");
	refused("[1,2,3,4,5,6,7,8,9,1,2,3,4,5,6,7,8,9,1,2,3,4,5,6,7,8,9,1,2,3,4,5,6,7]",
		"too many values");
	CHECK(parse("[[[[[[[[1]]]]]]]]"));
	CHECK(parse("{\"a\":{\"b\":1},\"b\":{\"a\":1}}"));
}

static void test_writing(void) {
	static const uint8_t bytes[] = {0, 0xff, 0x5a, 1};
	char out[256];
	struct json_writer w;

	json_writer_init(&w, out, sizeof(out));
	json_open(&w, NULL, '{');
	json_number(&w, "n", INT64_MIN);
	json_unsigned(&w, "u", 12);
	json_string(&w, "s", "a\"\\\n\x01\xc3\xa9\xff");
	json_open(&w, "l", '[');
	json_bool(&w, NULL, true);
	json_null(&w, NULL);
	json_close(&w, ']');
	json_open(&w, "e", '{');
	json_close(&w, '}');
	json_hex(&w, "h", bytes, 4);
	json_base64(&w, "b", bytes, 4);
	json_chars(&w, "c", "abcdef", 3);
	json_close(&w, '}');
	CHECK(!w.full && w.length < sizeof(out));
	out[w.length] = '\0';
	CHECK(!strcmp(out, "{\"n\":-9223372036854775808,\"u\":12,"
			   "\"s\":\"a\\\"\\\\\\u000a\\u0001\xc3\xa9?\",\"l\":[true,null],\"e\":{},"
			   "\"h\":\"00ff5a01\",\"b\":\"AP9aAQ==\",\"c\":\"abc\"}"));
	CHECK(parse(out) && at("n")->number == INT64_MIN);
	CHECK(!strcmp(at("s")->text, "a\"\\\n\x01\xc3\xa9?"));
	for (uint32_t size = 0; size < w.length; size++) {
		struct json_writer small;
		char cut[256];

		memset(cut, 'x', sizeof(cut));
		json_writer_init(&small, cut, size);
		json_open(&small, NULL, '{');
		json_number(&small, "n", INT64_MIN);
		json_string(&small, "s",
			    "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz"
			    "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz");
		CHECK(small.length <= size && cut[size] == 'x');
	}
}

static void test_base64(void) {
	char out[256];
	uint8_t from[64], back[64];
	uint32_t count;

	for (uint32_t size = 0; size <= sizeof(from); size++) {
		struct json_writer w;

		for (uint32_t i = 0; i < size; i++) from[i] = (uint8_t)noise();
		json_writer_init(&w, out, sizeof(out));
		json_base64(&w, NULL, from, size);
		CHECK(json_from_base64(out + 1, w.length - 2, back, sizeof(back), &count));
		CHECK(count == size && !memcmp(from, back, size));
		CHECK(!size || !json_from_base64(out + 1, w.length - 2, back, size - 1, &count));
	}
	CHECK(!json_from_base64("AAA", 3, back, 64, &count));
	CHECK(!json_from_base64("A===", 4, back, 64, &count));
	CHECK(!json_from_base64("AA==AAAA", 8, back, 64, &count));
	CHECK(!json_from_base64("AB==", 4, back, 64, &count)); /* bits that are cut off */
	CHECK(!json_from_base64("A-AA", 4, back, 64, &count));
	CHECK(json_from_base64("", 0, back, 64, &count) && !count);
}

int main(void) {
	static const struct test tests[] = {
		{"values", test_values},     {"numbers", test_numbers}, {"strings", test_strings},
		{"refusals", test_refusals}, {"writing", test_writing}, {"base64", test_base64},
	};

	return RUN("json", tests);
}
