/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From JSON to a request. What a verb takes stands in one table: its keys, and how its
 * answer is written. A key that no verb knows is an error, for it was meant to do
 * something. Root takes one request at a time: the other line's waits for its turn.
 */
#include "control.h"
#include "libs/event/event.h"
#include "libs/manage/text.h"
#include "proto/trace.h"
#include "steer.h"

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
static struct line *asking; /* whose request root has */

/* A list that root has answered with; it is in line->answer. */
static struct list {
	uint32_t length, more, said; /* bytes; first index of what comes behind */
	bool on;
} lists[LINES];

const char *request_domain(const struct line *line) { return asks[line->number].name; }

const struct json_token *request_key(const char *key) { return json_get(&json, tokens, key); }

/* --- keys --- */

bool request_string(struct line *line, const char *key, char to[MANAGE_NAME]) {
	const struct json_token *token = request_key(key);

	if (token->type != JSON_STRING) {
		answer_error(line, "invalid", "%s: expected a string", key);
		return false;
	}
	if (rt_strcopy(to, token->text, MANAGE_NAME)) return true;
	answer_error(line, "invalid", "%s: expected at most %u bytes", key, MANAGE_NAME - 1);
	return false;
}

bool request_number(struct line *line, const char *key, uint64_t *to) {
	const struct json_token *token = request_key(key);

	if (token->type == JSON_NUMBER && token->number >= 0) {
		*to = (uint64_t)token->number;
		return true;
	}
	answer_error(line, "invalid", "%s: expected a number that is not negative", key);
	return false;
}

static bool read_name(struct line *line, struct ask *ask) {
	return request_string(line, "name", ask->name);
}

static bool read_filter(struct line *line, struct ask *ask) {
	return request_key("name")->type == JSON_NONE || read_name(line, ask);
}

static bool read_set(struct line *line, struct ask *ask) {
	static const char *const words[] = {
		[MANAGE_SET_MEMORY] = "memory", [MANAGE_SET_WEIGHT] = "weight",
		[MANAGE_SET_CAP] = "cap",       [MANAGE_SET_HEARTBEAT] = "heartbeat",
		[MANAGE_SET_VCPUS] = "vcpus",
	};
	char key[MANAGE_NAME];

	if (!read_name(line, ask) || !request_string(line, "key", key) ||
	    !request_number(line, "value", &ask->request.number))
		return false;
	for (uint32_t i = 1; i < ARRAY_SIZE(words); i++)
		if (!strcmp(words[i], key)) ask->request.argument = i;
	if (ask->request.argument) return true;
	answer_error(line, "invalid", "key: expected memory, weight, cap, heartbeat or vcpus");
	return false;
}

static bool read_device(struct line *line, struct ask *ask) {
	ask->request.value = ask->value;
	return read_name(line, ask) && request_string(line, "device", ask->value);
}

static bool read_upload(struct line *line, struct ask *ask) {
	const struct json_token *data = request_key("data");
	uint64_t offset;

	if (data->type == JSON_NONE) return request_number(line, "size", &ask->request.number);
	if (!request_number(line, "offset", &offset)) return false;
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
	if (request_key("check")->number) ask->request.argument = MANAGE_UPGRADE_F_CHECK;
	return read_name(line, ask);
}

static bool read_program(struct line *line, struct ask *ask) {
	ask->request.value = ask->value;
	return read_name(line, ask) && request_string(line, "program", ask->value);
}

/* As the tools have them from the header's own names. */
static const char *const points[] = {
	[TRACE_SWITCH] = "switch",
	[TRACE_IDLE] = "idle",
	[TRACE_HYPERCALL] = "hypercall",
	[TRACE_HYPERCALL_END] = "hypercall-end",
	[TRACE_EVENT] = "event",
	[TRACE_UPCALL] = "upcall",
	[TRACE_PAGE_FAULT] = "page-fault",
	[TRACE_IRQ] = "irq",
	[TRACE_GRANT_MAP] = "grant-map",
	[TRACE_GRANT_COPY] = "grant-copy",
	[TRACE_INVOKE] = "invoke",
	[TRACE_PLAN_COMMIT] = "plan-commit",
	[TRACE_PLAN_NOTIFY] = "plan-notify",
	[TRACE_STATE] = "state",
};

_Static_assert(ARRAY_SIZE(points) == TRACE_POINTS, "a word for each point");

/* TRACE_POINTS: there is none of this name. */
static uint32_t find_point(const char *word) {
	uint32_t bit = 0;

	while (bit < TRACE_POINTS && (!points[bit] || strcmp(points[bit], word) != 0)) bit++;
	return bit;
}

static bool read_points(struct line *line, struct ask *ask) {
	const struct json_token *list = request_key("points"), *word;
	uint32_t bit;

	ask->request.op = MANAGE_TRACE_SET;
	for (uint32_t n = 0; n < list->count; n++) {
		word = json_element(&json, list, n);
		bit = word->type == JSON_STRING ? find_point(word->text) : TRACE_POINTS;
		if (bit == TRACE_POINTS) {
			answer_error(line, "invalid", "points: \"%.40s\" is none",
				     word->type == JSON_STRING ? word->text : "");
			return false;
		}
		ask->request.number |= 1ULL << bit;
	}
	return true;
}

static bool read_trace(struct line *line, struct ask *ask) {
	uint64_t cpu;

	if (request_key("points")->type == JSON_ARRAY) return read_points(line, ask);
	if (!request_number(line, "cpu", &cpu) ||
	    !request_number(line, "from", &ask->request.number))
		return false;
	ask->request.argument = (uint32_t)MIN(cpu, UINT32_MAX);
	return true;
}

/* --- lists --- */

/* Root is free for others. */
static void finish(void) {
	asking = NULL;
	for (uint32_t i = 0; i < LINES; i++)
		if (lines[i].waits) event_again(lines[i].connection->port);
}

static void send(struct line *line);

static bool is_asked_for(const struct ask *ask, const char *name) {
	return !ask->name[0] || !strcmp(ask->name, name);
}

static uint32_t item_size(uint32_t op) {
	switch (op) {
	case MANAGE_CAPS: return sizeof(struct manage_cap);
	case MANAGE_DEVICES: return sizeof(struct manage_device);
	default: return sizeof(struct manage_domain);
	}
}

/* If it is what was asked for. */
static void list_item(struct line *line, const void *item) {
	const struct ask *ask = &asks[line->number];
	const struct manage_domain *domain = item;
	const struct manage_device *device = item;

	if (ask->verb->op == MANAGE_CAPS)
		answer_cap(line, item);
	else if (ask->verb->op == MANAGE_DEVICES && is_asked_for(ask, device->guest))
		answer_device(line, device);
	else if (ask->verb->op == MANAGE_LIST && is_asked_for(ask, domain->name))
		answer_domain(line, domain);
}

/* Writes what the line takes. */
static void list_on(struct line *line) {
	struct list *list = &lists[line->number];
	struct ask *ask = &asks[line->number];
	uint32_t size = item_size(ask->verb->op);

	for (; list->length - list->said >= size; list->said += size) {
		if (!line_has_room(line)) return;
		list_item(line, line->answer + list->said);
	}
	if (!line_has_room(line)) return;
	list->on = false;
	if (list->more) {
		ask->request.argument = list->more;
		send(line);
		return;
	}
	json_bool(line_begin(line, true), "ok", true);
	line_end(line);
	line_done(line);
}

static void answer_list(struct line *line, const struct manage_answer *answer) {
	struct list *list = &lists[line->number];

	if (answer->status) {
		answer_plain(line, answer);
		return;
	}
	*list = (struct list){.length = answer->length, .more = answer->more, .on = true};
	memcpy(line->answer, answer->payload, answer->length);
	list_on(line);
}

/* --- verbs --- */

static const struct verb verbs[] = {
	{"hello", MANAGE_SYSTEM, "", false, NULL, answer_hello},
	{"system", MANAGE_SYSTEM, "", false, NULL, answer_system},
	{"ps", MANAGE_LIST, "name ", false, read_filter, answer_list},
	{"devices", MANAGE_DEVICES, "name ", false, read_filter, answer_list},
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
	{"define", MANAGE_DEFINE, "name ", true, read_name, answer_plain},
	{"trace", MANAGE_TRACE_READ, "points cpu from ", false, read_trace, answer_trace},
	{"undefine", MANAGE_UNDEFINE, "name ", true, read_name, answer_plain},
};

static void on_answer(const struct manage_answer *answer) {
	struct line *line = asking;
	const struct verb *verb = asks[line->number].verb;

	finish();
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
	finish();
	answer_error(line, "failed", "root cannot be asked");
}

void request_continue(struct line *line) {
	if (line->steer)
		steer_continue(line);
	else if (line->waits)
		send(line);
	else if (lists[line->number].on)
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
	const struct json_token *on = request_key("on");

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

/* A change whose answer is kept. True: it is answered. */
static bool answered_before(struct line *line) {
	struct json_writer *w;

	if (!line->kept_length || line->kept_id != line->id) return false;
	w = line_begin(line, false);
	/* The text as it was: the writer's bracket is the first of it. */
	memcpy(w->text, line->kept, line->kept_length - 1);
	w->length = line->kept_length - 1;
	line_end(line);
	line_done(line);
	return true;
}

/* A change that was done before, perhaps by a predecessor. True: it is answered. */
static bool done_before(struct line *line) {
	struct manage_answer answer;
	uint32_t number;

	if (answered_before(line)) return true;
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

	line->steer = NULL;
	*ask = (struct ask){.verb = verb, .request = {.op = verb->op, .name = ask->name}};
	if (!check_keys(line, verb->keys)) return;
	if (verb->changes && done_before(line)) return;
	lists[line->number].on = false;
	if (verb->read && !verb->read(line, ask)) return;
	send(line);
}

static void begin_steer(struct line *line, const struct steer_verb *verb) {
	if (!check_keys(line, verb->keys)) return;
	if (!verb->changes || !answered_before(line)) steer_begin(line, verb);
}

/* Those of no table. */
static void begin_other(struct line *line, const char *word) {
	const struct steer_verb *steer = steer_find(word);

	if (steer)
		begin_steer(line, steer);
	else if (!strcmp(word, "events"))
		set_events(line);
	else if (!strcmp(word, "logs") && check_keys(line, "name from "))
		logs_answer(line);
	else if (strcmp(word, "logs") != 0)
		answer_error(line, "unknown", "there is no verb \"%.40s\"", word);
}

void request_begin(struct line *line) {
	const struct verb *verb;

	line->id = 0;
	asks[line->number].name[0] = '\0';
	if (!json_read(&json, (char *)line->payload, line->reader.length, tokens, MOST_TOKENS) ||
	    tokens[0].type != JSON_OBJECT) {
		answer_error(line, "invalid", "expected a JSON object; at byte %u: %s", json.at,
			     json.error ? json.error : "another value");
		return;
	}
	if (request_key("id")->type != JSON_NUMBER || request_key("id")->number < 1 ||
	    request_key("id")->number >= 1LL << 53) {
		answer_error(line, "invalid", "id: expected a number from 1 to 2^53-1");
		return;
	}
	line->id = request_key("id")->number;
	verb = find_verb(request_key("verb"));
	if (verb)
		begin_verb(line, verb);
	else
		begin_other(line, request_key("verb")->type == JSON_STRING
					  ? request_key("verb")->text
					  : "");
}
