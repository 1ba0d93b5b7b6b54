/* SPDX-License-Identifier: BSD-2-Clause */
#include "libs/ctl/page.h"

#include "libs/event/event.h"
#include "libs/grant/grant.h"

static struct ctl_request request;

uint32_t ctl_refuse(struct ctl_request *refused, uint32_t status, const char *format, ...) {
	va_list arguments;

	va_start(arguments, format);
	rt_vformat(refused->text, sizeof(refused->text), format, arguments);
	va_end(arguments);
	return status;
}

static uint32_t load(const uint32_t *at) { return __atomic_load_n(at, __ATOMIC_ACQUIRE); }

/* Takes a new request into `request`. False: there is none. */
static bool take(const struct ctl_server *server) {
	const struct ctl_page *page = server->page;

	request.number = load(&page->request);
	if (request.number == page->done) return false;
	request.op = load(&page->op);
	request.port = load(&page->port);
	request.direction = load(&page->direction);
	request.argument = load(&page->argument);
	request.length = load(&page->length);
	request.answer_length = 0;
	request.text[0] = '\0';
	if (request.length <= CTL_PAYLOAD) memcpy(request.payload, server->payload, request.length);
	return true;
}

static uint32_t run(struct ctl_server *server) {
	const struct ctl_op *op = server->ops;

	while (op->op && op->op != request.op) op++;
	if (!op->op) return ctl_refuse(&request, CTL_UNKNOWN, "there is no such request");
	if (!ctl_server_may(server, op->right))
		return ctl_refuse(&request, CTL_DENIED, "this connection has no right to that");
	if (request.length > CTL_PAYLOAD)
		return ctl_refuse(&request, CTL_INVALID, "the payload is too long");
	return op->run(server, &request);
}

static void answer(struct ctl_server *server) {
	struct ctl_page *page = server->page;
	uint32_t status;

	if (!take(server)) return;
	status = run(server);
	if (status) request.answer_length = 0;
	memcpy(server->payload, request.payload, request.answer_length);
	memcpy(page->text, request.text, sizeof(page->text));
	page->answer_length = request.answer_length;
	page->status = status;
	__atomic_store_n(&page->done, request.number, __ATOMIC_RELEASE);
	event_send(server->connection->port);
}

static void on_event(void *context) {
	struct ctl_server *server = context;

	answer(server);
	if (server->look) server->look(server);
}

static void open_one(struct ctl_server *server, const struct native_connection *c, uint32_t pages) {
	void *at;
	int error;

	if (c->ring_pages < pages) rt_panic("%s: expected %u pages", c->name, pages);
	error = grant_map_for_life(&at, c->ring_domid, c->ring_ref, pages);
	if (error) rt_panic("%s: its pages cannot be mapped (%d)", c->name, error);
	server->connection = c;
	server->page = at;
	server->payload = (uint8_t *)at + PAGE_SIZE;
	server->behind = server->payload + CTL_PAYLOAD;
	server->page->version = CTL_VERSION;
	server->page->tap_on = 0;
	event_handle(c->port, on_event, server);
	/* What a predecessor left; and the client learns that its tap is off. */
	event_again(c->port);
	event_send(c->port);
}

uint32_t ctl_servers_open(struct ctl_server *servers, uint32_t most, uint16_t protocol,
			  uint32_t pages, const struct ctl_op *ops,
			  void (*look)(struct ctl_server *server)) {
	uint32_t count = 0;

	for (uint32_t i = 0; i < rt_start_page->connection_count; i++) {
		const struct native_connection *c = &rt_start_page->connections[i];

		if (c->protocol != protocol || c->role != NATIVE_SERVER) continue;
		if (count == most) rt_panic("%s: it serves %u of this kind", c->name, most);
		servers[count] = (struct ctl_server){.ops = ops, .look = look, .number = count};
		open_one(&servers[count++], c, pages);
	}
	return count;
}
