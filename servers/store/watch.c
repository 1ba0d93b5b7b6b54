/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Watches, and the events that wait until their client has taken what went before.
 *
 * An event that waits already is not queued a second time. When a client's part
 * for waiting events is full, the watch gets a flag instead: one event with the
 * watch's own path, 'something there has changed', when the queue is empty. So
 * nothing is lost, and whoever does not read costs a fixed amount of memory.
 *
 * A client hears only of nodes that it may read.
 */
#include "store.h"

#define WATCH_TEXT (STORE_PATH + STORE_TOKEN)

static bool silent;

void watch_silence(bool on) { silent = on; }

/* Path and token of a watch, both with a NUL. */
static const char *watch_text(uint32_t watch, char text[WATCH_TEXT]) {
	uint32_t length = pool_read(watch, text, WATCH_TEXT - 1);

	text[length] = '\0';
	return text;
}

static void count_overflow(struct client *client, uint32_t watch, uint8_t flag) {
	if (boat_block(watch)->h.flag == flag) return;
	SET(boat_block(watch)->h.flag, flag);
	SET(client->overflows, client->overflows + (flag ? 1 : UINT32_MAX));
}

static bool waits_already(const struct client *client, uint32_t watch, const char *path,
			  uint32_t length) {
	char text[STORE_PATH];

	for (uint32_t i = client->first_event; i; i = boat_block(i)->h.next) {
		const struct block *event = boat_block(i);

		if (event->event.watch == watch && event->h.length == length &&
		    pool_read(i, text, sizeof(text)) == length && !memcmp(text, path, length))
			return true;
	}
	return false;
}

static void queue_event(struct client *client, uint32_t watch, const char *path) {
	uint32_t length = (uint32_t)strlen(path), event;

	if (waits_already(client, watch, path, length)) return;
	event = pool_take(BLOCK_EVENT, ACCOUNT_EVENTS((uint32_t)(client - boat_client(0))));
	if (event && !pool_write(event, path, length)) {
		pool_give_back(event);
		event = 0;
	}
	if (!event) {
		count_overflow(client, watch, 1);
		return;
	}
	boat_block(event)->event.watch = watch;
	if (client->last_event)
		SET(boat_block(client->last_event)->h.next, event);
	else
		SET(client->first_event, event);
	SET(client->last_event, event);
}

/* What the watch would report: NULL if the path is not at or below the watched one. */
static const char *event_path(const struct client *client, const char *watched, const char *path) {
	char home[32];
	size_t length;

	if (watched[0] != '/') {
		length = path_home(client, home, sizeof(home));
		if (!path_is_below(path, home) || !path[length]) return NULL;
		path += length + 1;
	}
	return path_is_below(path, watched) ? path : NULL;
}

/* Whether the watched node lies below `top`, is there, and may be read. */
static bool goes_with(const struct client *client, const char *watched, const char *top) {
	char path[STORE_PATH];
	uint32_t node;

	if (path_resolve(client, watched, strlen(watched), path) || !path_is_below(path, top))
		return false;
	node = tree_find(path, NULL);
	return node && tree_access(client, path, node) & MAY_READ;
}

static void fire(struct client *client, const char *path, uint32_t node, bool removed) {
	bool may = client->watches && tree_access(client, path, node) & MAY_READ;
	char text[WATCH_TEXT];

	for (uint32_t watch = client->watches; watch; watch = boat_block(watch)->h.next) {
		const char *watched = watch_text(watch, text), *reported;

		if (watched[0] == '@') continue;
		reported = event_path(client, watched, path);
		if (reported && may)
			queue_event(client, watch, reported);
		else if (!reported && removed && goes_with(client, watched, path))
			queue_event(client, watch, watched);
	}
}

void watch_fire(const char *path, uint32_t node) {
	for (uint32_t i = 0; i < boat->client_count && !silent; i++)
		fire(boat_client(i), path, node, false);
}

void watch_fire_removed(const char *path, uint32_t node) {
	for (uint32_t i = 0; i < boat->client_count && !silent; i++)
		fire(boat_client(i), path, node, true);
}

void watch_fire_special(const char *name) {
	char text[WATCH_TEXT];

	for (uint32_t i = 0; i < boat->client_count; i++) {
		struct client *client = boat_client(i);

		if (client->is_guest || !client->flags) continue;
		for (uint32_t watch = client->watches; watch; watch = boat_block(watch)->h.next)
			if (!strcmp(watch_text(watch, text), name))
				queue_event(client, watch, name);
	}
}

/* --- setting and ending --- */

/* The watch, and the one before it in the client's list. */
static uint32_t find(const struct client *client, const char *path, size_t path_length,
		     const char *token, size_t token_length, uint32_t *before) {
	char text[WATCH_TEXT];

	*before = 0;
	for (uint32_t i = client->watches; i; i = boat_block(i)->h.next) {
		const struct block *watch = boat_block(i);

		if (watch->watch.path_length == path_length &&
		    watch->watch.token_length == token_length &&
		    !memcmp(watch_text(i, text), path, path_length) &&
		    !memcmp(text + path_length + 1, token, token_length))
			return i;
		*before = i;
	}
	return 0;
}

const char *watch_add(struct client *client, const char *path, size_t path_length,
		      const char *token, size_t token_length) {
	char text[WATCH_TEXT];
	uint32_t before, watch;

	if (find(client, path, path_length, token, token_length, &before)) return "EEXIST";
	if (client->watch_count >= boat_watch_quota(client)) return "E2BIG";
	watch = pool_take(BLOCK_WATCH, ACCOUNT((uint32_t)(client - boat_client(0))));
	if (!watch) return "ENOSPC";
	memcpy(text, path, path_length);
	text[path_length] = '\0';
	memcpy(text + path_length + 1, token, token_length);
	boat_block(watch)->watch.path_length = (uint32_t)path_length;
	boat_block(watch)->watch.token_length = (uint32_t)token_length;
	if (!pool_write(watch, text, (uint32_t)(path_length + 1 + token_length))) return "ENOSPC";
	if (before)
		SET(boat_block(before)->h.next, watch);
	else
		SET(client->watches, watch);
	SET(client->watch_count, client->watch_count + 1);
	/* A new watch fires once, so that what is there already is not missed. */
	text[path_length] = '\0';
	queue_event(client, watch, text);
	return NULL;
}

/* The events of one watch (0: of all) leave the queue. */
static void drop_events(struct client *client, uint32_t watch) {
	struct pool_bag bag = {0};
	uint32_t before = 0, next;

	for (uint32_t i = client->first_event; i && !boat_is_full(); i = next) {
		next = boat_block(i)->h.next;
		if (watch && boat_block(i)->event.watch != watch) {
			before = i;
			continue;
		}
		if (before)
			SET(boat_block(before)->h.next, next);
		else
			SET(client->first_event, next);
		if (!next) SET(client->last_event, before);
		pool_bag_put(&bag, i);
	}
	pool_bag_empty(&bag);
}

const char *watch_delete(struct client *client, const char *path, size_t path_length,
			 const char *token, size_t token_length) {
	uint32_t before, watch = find(client, path, path_length, token, token_length, &before);

	if (!watch) return "ENOENT";
	count_overflow(client, watch, 0);
	drop_events(client, watch);
	if (before)
		SET(boat_block(before)->h.next, boat_block(watch)->h.next);
	else
		SET(client->watches, boat_block(watch)->h.next);
	SET(client->watch_count, client->watch_count - 1);
	pool_give_back(watch);
	return NULL;
}

void watch_delete_all(struct client *client) {
	struct pool_bag bag = {0};
	uint32_t next;

	drop_events(client, 0);
	for (uint32_t i = client->watches; i && !boat_is_full(); i = next) {
		next = boat_block(i)->h.next;
		pool_bag_put(&bag, i);
	}
	pool_bag_empty(&bag);
	SET(client->watches, 0U);
	SET(client->watch_count, 0U);
	SET(client->overflows, 0U);
}

/* --- on their way out --- */

bool watch_event_waits(const struct client *client) {
	return client->first_event || client->overflows;
}

uint32_t watch_next_event(struct client *client, char *payload) {
	uint32_t event = client->first_event, watch = 0, length;
	char text[WATCH_TEXT];

	if (event) {
		watch = boat_block(event)->event.watch;
		length = pool_read(event, payload, STORE_PATH);
		SET(client->first_event, boat_block(event)->h.next);
		if (!client->first_event) SET(client->last_event, 0U);
		pool_give_back(event);
		watch_text(watch, text);
	} else {
		for (watch = client->watches; !boat_block(watch)->h.flag;)
			watch = boat_block(watch)->h.next;
		count_overflow(client, watch, 0);
		length = boat_block(watch)->watch.path_length;
		memcpy(payload, watch_text(watch, text), length);
	}
	payload[length++] = '\0';
	memcpy(payload + length, text + boat_block(watch)->watch.path_length + 1,
	       boat_block(watch)->watch.token_length);
	length += boat_block(watch)->watch.token_length;
	payload[length++] = '\0';
	return length;
}
