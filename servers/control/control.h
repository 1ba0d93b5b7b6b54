/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The control domain: what tools outside ask in JSON (docs/reference/control-protocol.md)
 * becomes requests to root, and what root answers becomes JSON. It holds no authority of
 * its own: root checks each request against the rights of this domain's connection.
 *
 *     line.c     a serial line: bytes in and out, frames, the requests' ids
 *     journal.c  what a successor must know, so that nothing is done twice
 *     request.c  from JSON to a request: which verb, which keys
 *     steer.c    requests to other servers, steered.c: which there are, service.c: their pages
 *     stream.c   consoles and taps that come from them
 *     logs.c     the core's log
 *     answer.c   from root's answers to JSON
 *     main.c     events and start
 *
 * A line has one request at a time; what comes behind it stays in the line's ring until
 * it is answered. Lists are copied, then written item by item as the line takes them: one that
 * is not read holds up nobody else.
 */
#ifndef SERVERS_CONTROL_CONTROL_H
#define SERVERS_CONTROL_CONTROL_H

#include "libs/frame/frame.h"
#include "libs/json/json.h"
#include "libs/manage/manage.h"
#include "libs/ring/ring.h"
#include "libs/rt/rt.h"
#include "proto/ctl.h"
#include "proto/serial.h"

#define LINES       2U
#define MOST_TOKENS 64U
#define MOST_UPLOAD 32768U                                /* bytes of a piece, out of base64 */
#define OUT_SIZE    (FRAME_PAYLOAD + FRAME_EXTRA + 8192U) /* what waits for a line */
#define KEPT_ANSWER 2048U

_Static_assert(CTL_PAYLOAD == MANAGE_PAYLOAD, "a line keeps an answer of root's or of a server's");

struct steer_verb;

struct line {
	const struct native_connection *connection; /* NULL: there is no such line */
	uint32_t number;
	struct ring tx, rx;
	struct frame_reader reader;
	uint8_t payload[FRAME_PAYLOAD + 1];
	uint8_t out[OUT_SIZE];
	uint32_t out_length, out_sent;

	bool has_request;               /* one is under way, or waits for root */
	bool waits;                     /* for another line's request to root */
	const struct steer_verb *steer; /* it is a server's; NULL: root's */
	bool events;                    /* it wants to be told */
	uint32_t events_lost;
	int64_t id;

	uint8_t answer[CTL_PAYLOAD]
		__attribute__((aligned(8))); /* a copy: a list that is written */

	int64_t kept_id; /* of the answer that is kept: a change's, which is not to be done twice */
	char kept[KEPT_ANSWER];
	uint32_t kept_length; /* 0: none is */
};

/* --- line.c --- */

extern struct line lines[LINES];

void line_open(uint32_t number, const struct native_connection *connection);
/* Moves bytes, reads frames, begins requests. */
void line_work(struct line *line);
/* Room for one message of any size. */
bool line_has_room(const struct line *line);
/* Bytes that can be queued. */
uint32_t line_room(const struct line *line);
/* Moves what is queued into the line's ring. */
void line_push(struct line *line);
/* A message: line_begin, members by the writer, line_end. False: it did not fit, is lost. */
struct json_writer *line_begin(const struct line *line, bool with_id);
bool line_end(struct line *line);
/* The same, of the final answer to a change: it is kept. */
void line_end_kept(struct line *line);
/* The request is answered. */
void line_done(struct line *line);

/* --- journal.c --- */

void journal_open(void);
uint32_t journal_session(void);
/* This line's request, which changes something, is about to become root's request `number`. */
void journal_begin(const struct line *line, uint32_t number);
/* Whether this id was made root's request by a predecessor; its number. */
bool journal_find(const struct line *line, uint32_t *number);

/* --- request.c --- */

/* Begins what the line's payload asks. */
void request_begin(struct line *line);
/* Goes on: root is free, or the line has room. */
void request_continue(struct line *line);

/* The domain that the request is about; "": none. */
const char *request_domain(const struct line *line);
/* Keys of the request that is being read. False: it is answered with an error. */
const struct json_token *request_key(const char *key);
bool request_string(struct line *line, const char *key, char to[MANAGE_NAME]);
bool request_number(struct line *line, const char *key, uint64_t *to);

/* --- logs.c --- */

void logs_answer(struct line *line);

/* --- answer.c --- */

void answer_error(struct line *line, const char *code, const char *format, ...) PRINTF(3);
/* Root's refusal, or the bare `ok`. */
void answer_plain(struct line *line, const struct manage_answer *answer);
void answer_hello(struct line *line, const struct manage_answer *answer);
void answer_system(struct line *line, const struct manage_answer *answer);
void answer_domain(struct line *line, const struct manage_domain *domain);
void answer_device(struct line *line, const struct manage_device *device);
void answer_why(struct line *line, const struct manage_answer *answer);
void answer_postmortem(struct line *line, const struct manage_answer *answer);
void answer_trace(struct line *line, const struct manage_answer *answer);
void answer_cap(struct line *line, const struct manage_cap *cap);
void answer_event(struct line *line, const struct manage_event *event);
/* of: what it is that was lost: "events", "console", "tap". */
void answer_lost(struct line *line, const char *of, uint64_t count);
void answer_greeting(struct line *line);

#endif
