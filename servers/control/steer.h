/* SPDX-License-Identifier: BSD-2-Clause */
/* Verbs that a server answers (steer.c), and which there are (steered.c). */
#ifndef SERVERS_CONTROL_STEER_H
#define SERVERS_CONTROL_STEER_H

#include "control.h"

struct service;

/* What a verb's keys say. */
struct steer_keys {
	char name[MANAGE_NAME];
	uint32_t op, port, direction, argument;
	const void *payload; /* of the request; lies in the line's own, or in `limits` */
	uint32_t length;
	uint64_t limits[4];
	bool on;
	uint32_t line; /* its number */
};

struct steer_verb {
	const char *word, *keys;
	const char *protocol_word, *right, *thing; /* for refusals */
	uint16_t protocol;                         /* SYSTEM_CONN_* */
	uint32_t before, op;                       /* before: 1 finds `name`; 0: nothing is asked */
	uint32_t listed_size, item_size;
	bool changes; /* asked again by the same id, it is not done again */
	bool (*read)(struct line *line, struct steer_keys *keys);
	/* NULL: it has none. */
	void (*item)(struct json_writer *w, const struct steer_keys *keys, const void *item);
	/* True: the server need not be asked, or, if *why is said, must not be. NULL: it is. */
	bool (*spare)(const struct steer_keys *keys, const struct service *service,
		      const char **why);
	void (*done)(struct json_writer *w, const struct steer_keys *keys,
		     struct service *service); /* more of the answer */
};

/* NULL: there is no such verb. */
const struct steer_verb *steer_find(const char *word);
/* Begins it, or lets the line wait. Keys are checked. */
void steer_begin(struct line *line, const struct steer_verb *verb);
/* The line has room, or its turn. */
void steer_continue(struct line *line);
/* A server has sent. */
void steer_event(void);

/* --- steered.c --- */

/* The answer to NETCTL_REASONS, which this line asked for. */
void steer_words(uint32_t line, const void *answer, uint32_t length);

#endif
