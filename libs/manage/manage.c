/* SPDX-License-Identifier: BSD-2-Clause */
#include "libs/manage/manage.h"

#include "libs/event/event.h"
#include "libs/grant/grant.h"
#include "libs/ring/ring.h"
#include "proto/system.h"

static struct manage_page *page;
static uint8_t *payload;
static const struct native_connection *connection;
static struct ring events;
static manage_done handler;
static void (*event_handler_of_domain)(void);
static uint32_t sent; /* the number of the last request */

static void read_answer(struct manage_answer *answer) {
	*answer = (struct manage_answer){
		.op = page->op,
		.status = page->status,
		.line = page->line,
		.more = page->more,
		.text = page->text,
		.payload = payload,
		.length = MIN(page->answer_length, MANAGE_PAYLOAD),
	};
}

bool manage_busy(void) { return __atomic_load_n(&page->done, __ATOMIC_ACQUIRE) != sent || handler; }

void manage_poll(void) {
	struct manage_answer answer;
	manage_done done = handler;

	if (!page || !done || __atomic_load_n(&page->done, __ATOMIC_ACQUIRE) != sent) return;
	/* The next request may be made from within. */
	handler = NULL;
	read_answer(&answer);
	done(&answer);
}

static void on_port(void *context) {
	(void)context;
	manage_poll();
	if (event_handler_of_domain) event_handler_of_domain();
}

bool manage_open(void (*on_event)(void)) {
	void *at;
	int error;

	/* The first one of this protocol is the control page. */
	connection = rt_connection(SYSTEM_CONN_CONTROL, 1);
	if (!connection) return false;
	error = grant_map_for_life(&at, connection->ring_domid, connection->ring_ref,
				   connection->ring_pages);
	if (error) rt_panic("the pages of its connection with root cannot be mapped (%d)", error);
	page = at;
	payload = (uint8_t *)(page + 1);
	if (page->version != MANAGE_VERSION)
		rt_panic("root speaks version %u, not %u", page->version, MANAGE_VERSION);
	sent = page->request;
	event_handler_of_domain = on_event;
	ring_attach_consumer(&events, &page->events, page->event_data, MANAGE_EVENTS,
			     sizeof(struct manage_event));
	ring_want_data(&events);
	event_handle(connection->port, on_port, NULL);
	return true;
}

uint32_t manage_rights(void) { return connection ? connection->flags : 0; }

bool manage_send(const struct manage_request *request, manage_done done) {
	if (!page || manage_busy() || request->length > MANAGE_PAYLOAD) return false;
	if (!rt_strcopy(page->name, request->name ? request->name : "", MANAGE_NAME) ||
	    !rt_strcopy(page->value, request->value ? request->value : "", MANAGE_NAME))
		return false;
	page->op = request->op;
	page->argument = request->argument;
	page->number = request->number;
	page->length = request->length;
	if (request->length) memcpy(payload, request->payload, request->length);
	handler = done;
	__atomic_store_n(&page->request, ++sent, __ATOMIC_RELEASE);
	event_send(connection->port);
	return true;
}

bool manage_event(struct manage_event *event, uint32_t *lost) {
	bool found;

	if (!page) return false;
	found = ring_get(&events, event, 1);
	if (found) ring_release(&events);
	if (!found && ring_want_data(&events)) event_again(connection->port);
	*lost = page->events_lost;
	return found;
}

uint32_t manage_count(void) { return sent; }

bool manage_last(struct manage_answer *answer) {
	if (!sent || manage_busy()) return false;
	read_answer(answer);
	return true;
}
