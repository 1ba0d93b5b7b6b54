/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From JSON to a request. What a verb takes stands in one table: its keys, and how its
 * answer is written. A key that no verb knows is an error, for it was meant to do
 * something. Root takes one request at a time: the other line's waits for its turn.
 */
#include "control.h"
#include "libs/event/event.h"
#include "libs/manage/text.h"

struct ask {
	const struct verb *verb;
	struct manage_request request;
	char name[MANAGE_NAME], value[MANAGE_NAME];
};

struct verb {
	const char *word;
	uint32_t op;
	const char *keys; /* besides id and verb; a space behind each */
	bool changes;     /* it must not be done twice */
	/* Reads the other keys. False: it has answered with an error. */
	bool (*read)(struct line *line, struct ask *ask);
	void (*answer)(struct line *line, const struct manage_answer *answer);
};

static struct json json;
static struct json_token tokens[MOST_TOKENS];
static struct ask asks[LINES];
static struct line *asking; /* whose request root has, or whose list is being written */

static struct {
	struct manage_answer answer;
	uint32_t said, matched;
	bool on;
} list;

static const struct json_token *get(const char *key) { return json_get(&json, tokens, key); }

/* --- keys --- */

static bool read_string(struct line *line, const char *key, char to[MANAGE_NAME]) {
	const struct json_token *token = get(key);

	if (token->type != JSON_STRING) {
		answer_error(line, "invalid", "%s: expected a string", key);
		return false;
	}
	if (rt_strcopy(to, token->text, MANAGE_NAME)) return true;
	answer_error(line, "invalid", "%s: expected at most %u bytes", key, MANAGE_NAME - 1);
	return false;
}

static bool read_number(struct line *line, const char *key, uint64_t *to) {
	const struct json_token *token = get(key);

	if (token->type == JSON_NUMBER && token->number >= 0) {
		*to = (uint64_t)token->number;
		return true;
	}
	answer_error(line, "invalid", "%s: expected a number that is not negative", key);
	return false;
}

static bool read_name(struct line *line, struct ask *ask) {
	ask->request.name = ask->name;
	return read_string(line, "name", ask->name);
}

static bool read_filter(struct line *line, struct ask *ask) {
	return get("name")->type == JSON_NONE || read_string(line, "name", ask->name);
}

static bool read_set(struct line *line, struct ask *ask) {
	static const char *const words[] = {
		[MANAGE_SET_MEMORY] = "memory",
		[MANAGE_SET_WEIGHT] = "weight",
		[MANAGE_SET_CAP] = "cap",
		[MANAGE_SET_HEARTBEAT] = "heartbeat",
	};
	char key[MANAGE_NAME];

	if (!read_name(line, ask) || !read_string(line, "key", key) ||
	    !read_number(line, "value", &ask->request.number))
		return false;
	for (uint32_t i = 1; i < ARRAY_SIZE(words); i++)
		if (!strcmp(words[i], key)) ask->request.argument = i;
	if (ask->request.argument) return true;
	answer_error(line, "invalid", "key: expected memory, weight, cap or heartbeat");
	return false;
}

static bool read_device(struct line *line, struct ask *ask) {
	ask->request.value = ask->value;
	return read_name(line, ask) && read_string(line, "device", ask->value);
}

static bool read_upload(struct line *line, struct ask *ask) {
	const struct json_token *data = get("data");
	uint64_t offset;

	if (data->type == JSON_NONE) return read_number(line, "size", &ask->request.number);
	if (!read_number(line, "offset", &offset)) return false;
	/* In place: what is read is never behind what is written. */
	if (data->type != JSON_STRING || offset > UINT32_MAX ||
	    !json_from_base64(data->text, data->length, line->payload, MOST_UPLOAD,
			      &ask->request.length)) {
		answer_error(line, "invalid", "data: expected base64 of at most %u bytes",
			     MOST_UPLOAD);
		return false;
	}
	ask->request.op = MANAGE_UPLOAD_DATA;
	ask->request.argument = (uint32_t)offset;
	ask->request.payload = line->payload;
	return true;
}

static bool read_upgrade(struct line *line, struct ask *ask) {
	if (get("check")->number) ask->request.argument = MANAGE_UPGRADE_F_CHECK;
	return read_name(line, ask);
}

static bool read_program(struct line *line, struct ask *ask) {
	ask->request.value = ask->value;
	return read_name(line, ask) && read_string(line, "program", ask->value);
}

/* --- lists --- */

static void finish(struct line *line) {
	asking = NULL;
	list.on = false;
	for (uint32_t i = 0; i < LINES; i++)
		if (lines[i].waits) event_again(lines[i].connection->port);
	(void)line;
}

static void on_answer(const struct manage_answer *answer);

static void list_end(struct line *line) {
	const struct ask *ask = &asks[line->number];

	finish(line);
	if (ask->verb->op == MANAGE_LIST && ask->name[0] && !list.matched) {
		answer_error(line, "unknown", "there is no domain \"%s\"", ask->name);
		return;
	}
	json_bool(line_begin(line, true), "ok", true);
	line_end(line);
	line_done(line);
}

static void list_item(struct line *line, uint32_t i) {
	const struct ask *ask = &asks[line->number];
	const struct manage_domain *domain = list.answer.payload;
	const struct manage_cap *cap = list.answer.payload;

	if (ask->verb->op == MANAGE_CAPS) {
		answer_cap(line, &cap[i]);
	} else if (!ask->name[0] || !strcmp(ask->name, domain[i].name)) {
		answer_domain(line, &domain[i]);
		list.matched++;
	}
}

/* Writes what the line takes. */
static void list_on(struct line *line) {
	struct ask *ask = &asks[line->number];
	uint32_t size = ask->verb->op == MANAGE_CAPS ? sizeof(struct manage_cap)
						     : sizeof(struct manage_domain);

	for (; list.said < list.answer.length / size; list.said++) {
		if (!line_has_room(line)) return;
		list_item(line, list.said);
	}
	if (!list.answer.more) {
		if (line_has_room(line)) list_end(line);
		return;
	}
	list.on = false;
	ask->request.argument = list.answer.more;
	manage_send(&ask->request, on_answer);
}

static void answer_list(struct line *line, const struct manage_answer *answer) {
	if (answer->status) {
		finish(line);
		answer_plain(line, answer);
		return;
	}
	list.answer = *answer;
	list.said = 0;
	list.on = true;
	list_on(line);
}

/* --- verbs --- */

static const struct verb verbs[] = {
	{"hello", MANAGE_SYSTEM, "", false, NULL, answer_hello},
	{"system", MANAGE_SYSTEM, "", false, NULL, answer_system},
	{"ps", MANAGE_LIST, "name ", false, read_filter, answer_list},
	{"why", MANAGE_WHY, "name ", false, read_name, answer_why},
	{"start", MANAGE_START, "name ", true, read_name, answer_plain},
	{"stop", MANAGE_SHUTDOWN, "name ", true, read_name, answer_plain},
	{"reboot", MANAGE_REBOOT, "name ", true, read_name, answer_plain},
	{"destroy", MANAGE_DESTROY, "name ", true, read_name, answer_plain},
	{"pause", MANAGE_PAUSE, "name ", true, read_name, answer_plain},
	{"unpause", MANAGE_UNPAUSE, "name ", true, read_name, answer_plain},
	{"restart", MANAGE_RESTART, "name ", true, read_name, answer_plain},
	{"kill", MANAGE_KILL, "name ", true, read_name, answer_plain},
	{"clear", MANAGE_CLEAR, "name ", true, read_name, answer_plain},
	{"set", MANAGE_SET, "name key value ", true, read_set, answer_plain},
	{"plug", MANAGE_PLUG, "name device ", true, read_device, answer_plain},
	{"unplug", MANAGE_UNPLUG, "name device ", true, read_device, answer_plain},
	{"upload", MANAGE_UPLOAD_BEGIN, "size offset data ", true, read_upload, answer_plain},
	{"upgrade", MANAGE_UPGRADE, "name check ", true, read_upgrade, answer_plain},
	{"rollback", MANAGE_ROLLBACK, "name ", true, read_name, answer_plain},
	{"sched", MANAGE_SCHED, "name program ", true, read_program, answer_plain},
	{"caps", MANAGE_CAPS, "name ", false, read_name, answer_list},
	{"postmortem", MANAGE_POSTMORTEM, "name ", false, read_name, answer_postmortem},
	{"undefine", MANAGE_UNDEFINE, "name ", true, read_name, answer_plain},
};

static void on_answer(const struct manage_answer *answer) {
	struct line *line = asking;
	const struct verb *verb = asks[line->number].verb;

	if (verb->answer != answer_list) finish(line);
	verb->answer(line, answer);
	line_work(line);
}

/* Sends the line's request to root, or lets it wait. */
static void send(struct line *line) {
	const struct ask *ask = &asks[line->number];

	line->waits = asking || manage_busy();
	if (line->waits) return;
	if (ask->verb->changes) journal_begin(line, manage_count() + 1);
	asking = line;
	if (manage_send(&ask->request, on_answer)) return;
	finish(line);
	answer_error(line, "failed", "root cannot be asked");
}

void request_continue(struct line *line) {
	if (line->waits)
		send(line);
	else if (asking == line && list.on)
		list_on(line);
}

/* --- reading --- */

/* Whether `keys` has this word, a space behind it. */
static bool has_word(const char *keys, const struct json_token *word) {
	while (*keys) {
		uint32_t length = 0;

		while (keys[length] != ' ') length++;
		if (length == word->length && !memcmp(keys, word->text, length)) return true;
		keys += length + 1;
	}
	return false;
}

static bool check_keys(struct line *line, const char *keys) {
	uint32_t at = 1;

	for (uint32_t n = 0; n < tokens[0].count; n++, at = tokens[at + 1].next) {
		if (has_word("id verb ", &tokens[at]) || has_word(keys, &tokens[at])) continue;
		answer_error(line, "invalid", "unknown key \"%.40s\"; expected: id verb %s",
			     tokens[at].text, keys);
		return false;
	}
	return true;
}

static void set_events(struct line *line) {
	const struct json_token *on = get("on");

	if (!check_keys(line, "on ")) return;
	if (on->type != JSON_BOOL) {
		answer_error(line, "invalid", "on: expected true or false");
		return;
	}
	if (!(manage_rights() & MANAGE_F_SEE)) {
		answer_error(line, "denied",
			     "%s lacks the right \"see\" on its connection with root",
			     rt_start_page->name);
		return;
	}
	line->events = on->number;
	json_bool(line_begin(line, true), "ok", true);
	line_end(line);
	line_done(line);
}

/* A change that was done before. True: it is answered. */
static bool done_before(struct line *line) {
	struct manage_answer answer;
	uint32_t number;

	if (line->kept_length && line->kept_id == line->id) {
		struct json_writer *w = line_begin(line, false);

		/* The text as it was: the writer's bracket is the first of it. */
		w->length = 0;
		memcpy(w->text, line->kept, line->kept_length - 1);
		w->length = line->kept_length - 1;
		line_end(line);
		line_done(line);
		return true;
	}
	if (!journal_find(line, &number) || number > manage_count()) return false;
	if (manage_busy())
		answer_error(line, "busy", "it is under way");
	else if (number == manage_count() && manage_last(&answer))
		answer_plain(line, &answer);
	else
		answer_error(line, "failed", "it was asked before; what came of it is not known");
	return true;
}

static const struct verb *find_verb(const struct json_token *word) {
	for (size_t i = 0; i < ARRAY_SIZE(verbs) && word->type == JSON_STRING; i++)
		if (!strcmp(verbs[i].word, word->text)) return &verbs[i];
	return NULL;
}

static void begin_verb(struct line *line, const struct verb *verb) {
	struct ask *ask = &asks[line->number];

	*ask = (struct ask){.verb = verb, .request = {.op = verb->op}};
	if (!check_keys(line, verb->keys)) return;
	if (verb->changes && done_before(line)) return;
	list.matched = 0;
	if (verb->read && !verb->read(line, ask)) return;
	send(line);
}

void request_begin(struct line *line) {
	const struct verb *verb;

	line->id = 0;
	if (!json_read(&json, (char *)line->payload, line->reader.length, tokens, MOST_TOKENS) ||
	    tokens[0].type != JSON_OBJECT) {
		answer_error(line, "invalid", "expected a JSON object; at byte %u: %s", json.at,
			     json.error ? json.error : "another value");
		return;
	}
	if (get("id")->type != JSON_NUMBER || get("id")->number < 1 ||
	    get("id")->number >= 1LL << 53) {
		answer_error(line, "invalid", "id: expected a number from 1 to 2^53-1");
		return;
	}
	line->id = get("id")->number;
	verb = find_verb(get("verb"));
	if (verb)
		begin_verb(line, verb);
	else if (get("verb")->type == JSON_STRING && !strcmp(get("verb")->text, "events"))
		set_events(line);
	else
		answer_error(line, "unknown", "there is no verb \"%.40s\"",
			     get("verb")->type == JSON_STRING ? get("verb")->text : "");
}
