/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The verbs that ask a server and not root: the switch, the disk server, the console server.
 * This domain has no more authority over them than its connections' rights, which the servers
 * look at; without a connection the verb is refused here, by name.
 *
 * Each line has one such request under way at most; a server has one at a time, and whose it is
 * stands in service.user until the answer was copied. So a line whose client does not read
 * holds up nobody else. A verb asks its server, or all of them in turn, in two steps: `before`
 * (the list in which a name is found, or words that the answer needs), then what it is
 * about. A server that does not answer within PATIENCE is told of; it is asked again when it
 * has answered, so nothing is left half done.
 */
#include "steer.h"

#include "libs/event/event.h"
#include "libs/rt/time.h"
#include "proto/blkctl.h"
#include "proto/consctl.h"
#include "proto/netctl.h"
#include "proto/switch.h"
#include "proto/system.h"
#include "service.h"

#define PATIENCE MILLISECONDS(5000)
#define LIST     1U /* NETCTL_COUNTERS, BLKCTL_DISKS, CONSCTL_LIST: all that there are */

_Static_assert(NETCTL_COUNTERS == LIST && BLKCTL_DISKS == LIST && CONSCTL_LIST == LIST,
	       "the name of what is meant is found in the same way");

enum step { STEP_WAIT, STEP_BEFORE, STEP_ASKED, STEP_ITEMS };

/* What is under way for a line. */
static struct job {
	struct line *line;
	const struct steer_verb *verb; /* NULL: nothing is */
	struct service *service;
	enum step step;
	struct event_timer timer;
	struct steer_keys keys; /* read before it waits: the request's text goes */
	uint32_t count, said;   /* items, which are in line->answer */
} jobs[LINES];

/* The server is free for others. */
static void release(const struct job *job) {
	struct service *service = job->service;

	if (!service || service->user != job->line) return;
	service->user = NULL;
	event_again(service->connection->port);
}

static void finish(struct job *job) {
	release(job);
	job->verb = NULL;
	event_timer_cancel(&job->timer);
}

static void fail(struct job *job, const char *code, const char *text) {
	finish(job);
	answer_error(job->line, code, "%s", text);
}

/* --- a server's refusal --- */

static const char *right_of(const struct job *job) {
	if (job->step == STEP_BEFORE) return "watch";
	return job->keys.op == CONSCTL_TYPE && job->verb->protocol == SYSTEM_CONN_CONSCTL
		       ? "type"
		       : job->verb->right;
}

static void refused(struct job *job, uint32_t status) {
	static const char *const codes[] = {
		[CTL_INVALID] = "invalid",
		[CTL_DENIED] = "denied",
		[CTL_UNKNOWN] = "unknown",
		[CTL_UNSUPPORTED] = "unsupported",
	};
	const struct native_connection *c = job->service->connection;
	char text[256], all[256];

	memcpy(text, job->service->page->text, sizeof(text));
	text[sizeof(text) - 1] = '\0';
	if (status == CTL_DENIED)
		rt_format(all, sizeof(all), "%s lacks the right \"%s\" on its connection with %s",
			  rt_start_page->name, right_of(job), c->peer);
	else
		rt_format(all, sizeof(all), "%s: %s", c->peer, text[0] ? text : "it refuses");
	fail(job, status < ARRAY_SIZE(codes) && codes[status] ? codes[status] : "failed", all);
}

static void no_server(struct job *job) {
	const struct steer_verb *verb = job->verb;
	bool any = service_next(verb->protocol, NULL);
	char text[256];

	if (verb->before == LIST && any)
		rt_format(text, sizeof(text), "there is no %s \"%s\"", verb->thing, job->keys.name);
	else
		rt_format(text, sizeof(text),
			  "%s has no connection of protocol \"%s\" with the right \"%s\"",
			  rt_start_page->name, verb->protocol_word, verb->right);
	fail(job, any ? "unknown" : "denied", text);
}

/* --- steps --- */

static void done(struct job *job) {
	struct line *line = job->line;
	const struct steer_verb *verb = job->verb;
	struct json_writer *w;

	finish(job);
	w = line_begin(line, true);
	json_bool(w, "ok", true);
	if (verb->done) verb->done(w, &job->keys, job->service);
	if (verb->changes)
		line_end_kept(line);
	else
		line_end(line);
	line_done(line);
}

static void be_patient(struct job *job) { event_timer_arm(&job->timer, time_now() + PATIENCE); }

static void send(struct job *job, uint32_t op, enum step step) {
	struct ctl_page *page = job->service->page;

	page->op = op;
	page->port = job->keys.port;
	page->direction = job->keys.direction;
	page->argument = job->keys.argument;
	job->step = step;
	be_patient(job);
	if (step == STEP_ASKED)
		service_send(job->service, job->keys.payload, job->keys.length);
	else
		service_send(job->service, NULL, 0);
}

/* What the verb is about, unless it is so already or cannot be. */
static void ask(struct job *job) {
	const char *why = NULL;

	if (job->verb->spare && job->verb->spare(&job->keys, job->service, &why)) {
		if (why)
			fail(job, "busy", why);
		else
			done(job);
		return;
	}
	send(job, job->keys.op, STEP_ASKED);
}

/* False: it has another line's request, or a predecessor's of ours. */
static bool begin_server(struct job *job) {
	struct service *service = job->service;

	if (service->user || service_busy(service)) return false;
	service->user = job->line;
	if (job->verb->before)
		send(job, job->verb->before, STEP_BEFORE);
	else
		ask(job);
	return true;
}

static void next_server(struct job *job) {
	release(job);
	job->service = service_next(job->verb->protocol, job->service);
	job->step = STEP_WAIT;
	if (job->service)
		be_patient(job);
	else if (job->verb->item && job->verb->before != LIST &&
		 service_next(job->verb->protocol, NULL))
		done(job);
	else
		no_server(job);
}

/* Takes what the server has answered; its length. */
static uint32_t take(const struct job *job) {
	uint32_t length = MIN(job->service->page->answer_length, CTL_PAYLOAD);

	memcpy(job->line->answer, job->service->payload, length);
	return length;
}

/* Where the name stands in the list; false: nowhere. */
static bool find_name(struct job *job) {
	uint32_t size = job->verb->listed_size, count = take(job) / size;

	job->keys.port = NETCTL_ALL; /* without a name: whoever cannot do that refuses it */
	if (!job->keys.name[0]) return true;
	for (uint32_t i = 0; i < count; i++) {
		const uint8_t *at = job->line->answer + i * size;

		if (rt_strnlen((const char *)at, 32) == 32 ||
		    strcmp((const char *)at, job->keys.name) != 0)
			continue;
		job->keys.port = i;
		if (job->verb->protocol == SYSTEM_CONN_CONSCTL)
			memcpy(&job->keys.port, at + offsetof(struct consctl_console, console), 4);
		return true;
	}
	return false;
}

static void answered(struct job *job) {
	uint32_t status = job->service->page->status;

	if (status) {
		refused(job, status);
		return;
	}
	if (job->step == STEP_BEFORE) {
		if (job->verb->before != LIST)
			steer_words(job->line->number, job->line->answer, take(job));
		else if (!find_name(job)) {
			next_server(job);
			return;
		}
		ask(job);
		return;
	}
	job->count = take(job);
	if (!job->verb->item) {
		done(job);
		return;
	}
	job->count /= job->verb->item_size;
	job->said = 0;
	job->step = STEP_ITEMS;
	event_timer_cancel(&job->timer);
	release(job);
}

/* False: the line takes no more now. */
static bool items(struct job *job) {
	struct line *line = job->line;
	struct json_writer *w;

	for (; job->said < job->count; job->said++) {
		if (!line_has_room(line)) return false;
		w = line_begin(line, true);
		json_open(w, "item", '{');
		job->verb->item(w, &job->keys, line->answer + job->said * job->verb->item_size);
		json_close(w, '}');
		line_end(line);
	}
	if (!line_has_room(line)) return false;
	if (job->verb->before == LIST)
		done(job);
	else
		next_server(job);
	return true;
}

static void go_on(struct job *job) {
	while (job->verb) {
		switch (job->step) {
		case STEP_ITEMS:
			if (!items(job)) return;
			break;
		case STEP_WAIT:
			if (!begin_server(job)) return;
			break;
		default:
			if (service_busy(job->service)) return;
			answered(job);
		}
	}
}

static void on_time(void *context) {
	struct job *job = context;
	char text[128];

	if (!job->verb) return;
	rt_format(text, sizeof(text), "%s: no answer within 5 seconds",
		  job->service->connection->peer);
	fail(job, "busy", text);
}

void steer_event(void) {
	for (uint32_t i = 0; i < LINES; i++) {
		if (!jobs[i].verb) continue;
		go_on(&jobs[i]);
		line_work(jobs[i].line);
	}
}

/* --- begin --- */

void steer_begin(struct line *line, const struct steer_verb *verb) {
	struct job *job = &jobs[line->number];

	line->steer = verb;
	job->line = line;
	job->timer.handler = on_time;
	job->timer.context = job;
	job->keys = (struct steer_keys){.op = verb->op, .line = line->number};
	if (verb->read && !verb->read(line, &job->keys)) return;
	job->verb = verb;
	job->service = NULL;
	next_server(job);
	go_on(job);
}

void steer_continue(struct line *line) { go_on(&jobs[line->number]); }
