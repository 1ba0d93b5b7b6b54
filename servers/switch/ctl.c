/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who may watch and change the switch (proto/netctl.h). A request is copied, payload and
 * all, before it is looked at; it is done at once, and its answer is complete before `done`
 * says so. What a client does with its pages meanwhile harms its own answer only.
 *
 * Rules are swapped whole or not at all by the firewall, which checks them.
 */
#include "ctl.h"

#include "libs/event/event.h"
#include "libs/log/log.h"
#include "libs/rt/time.h"

struct ctl_client ctl_client[CTL_CLIENTS];
uint32_t ctl_clients;

/* One request at a time, in private. */
static struct request {
	uint32_t number, op, port, direction, argument, length;
	uint32_t answer_length;
	char text[256];
	uint8_t payload[NETCTL_PAYLOAD] __attribute__((aligned(8)));
} request;

static uint32_t fail(uint32_t status, const char *text) {
	rt_strcopy(request.text, text, sizeof(request.text));
	return status;
}

/* --- what can be asked for --- */

static uint32_t port_state(const struct port *port) {
	const struct uplink *uplink = &sw.uplink[port->uplink % SW_UPLINKS];

	if (port->kind == SWITCH_PORT_VIF) return port->vif.state == VIF_LIVE;
	return port->uplink < SW_UPLINKS && uplink->up && uplink->net.link;
}

static uint32_t counters(void) {
	struct netctl_port *answer = (struct netctl_port *)(void *)request.payload;

	for (uint32_t n = 0; n < sw.port_count; n++) {
		const struct port *port = &sw.port[n];

		answer[n] = (struct netctl_port){
			.kind = port->kind,
			.state = port_state(port),
			.in_packets = port->count->in_packets,
			.in_bytes = port->count->in_bytes,
			.out_packets = port->count->out_packets,
			.out_bytes = port->count->out_bytes,
		};
		rt_strcopy(answer[n].name, port->name, sizeof(answer[n].name));
		memcpy(answer[n].dropped, port->count->dropped, sizeof(answer[n].dropped));
	}
	request.answer_length = sw.port_count * (uint32_t)sizeof(*answer);
	return NETCTL_OK;
}

/* Is there such a port with rules? */
static bool has_direction(void) {
	return request.port < sw.port_count && sw.port[request.port].kind == SWITCH_PORT_VIF &&
	       request.direction <= NETCTL_IN;
}

static uint32_t rule_counters(void) {
	struct netctl_rule *answer = (struct netctl_rule *)(void *)request.payload;
	uint32_t most = NETCTL_PAYLOAD / sizeof(*answer), count;

	if (!has_direction()) return fail(NETCTL_UNKNOWN, "there is no such VIF or direction");
	count = fw_rule_counters(&sw.fw, request.port, request.direction, answer, most);
	request.answer_length = MIN(count, most) * (uint32_t)sizeof(*answer);
	return NETCTL_OK;
}

static uint32_t set_rules(void) {
	struct fw_error error = {.rule = FW_NO_RULE};
	int result;

	if (!has_direction()) return fail(NETCTL_UNKNOWN, "there is no such VIF or direction");
	result = fw_swap(&sw.fw, request.port, request.direction, request.payload, request.length,
			 time_now(), &error);
	if (!result) {
		log_print("%s: new rules %s", sw.port[request.port].name,
			  request.direction == NETCTL_OUT ? "out" : "in");
		return NETCTL_OK;
	}
	if (result == -XEN_ENOSPC) return fail(NETCTL_INVALID, "the rules are too large");
	if (error.rule == FW_NO_RULE)
		rt_strcopy(request.text, error.text ? error.text : "these are no rules",
			   sizeof(request.text));
	else
		rt_format(request.text, sizeof(request.text), "line %u: %s", error.line,
			  error.text);
	return NETCTL_INVALID;
}

static uint32_t do_request(struct ctl_client *client) {
	static const uint8_t rights[] = {
		[NETCTL_COUNTERS] = NETCTL_F_WATCH,  [NETCTL_RULE_COUNTERS] = NETCTL_F_WATCH,
		[NETCTL_SET_RULES] = NETCTL_F_RULES, [NETCTL_TAP_START] = NETCTL_F_TAP,
		[NETCTL_TAP_STOP] = NETCTL_F_TAP,
	};

	if (!request.op || request.op >= ARRAY_SIZE(rights))
		return fail(NETCTL_UNKNOWN, "there is no such request");
	if (!(client->flags & rights[request.op]))
		return fail(NETCTL_DENIED, "this connection has no right to that");
	if (request.length > NETCTL_PAYLOAD) return fail(NETCTL_INVALID, "the payload is too long");
	switch (request.op) {
	case NETCTL_COUNTERS: return counters();
	case NETCTL_RULE_COUNTERS: return rule_counters();
	case NETCTL_SET_RULES: return set_rules();
	case NETCTL_TAP_START: return tap_start(client, request.port, request.argument);
	default: tap_stop(client); return NETCTL_OK;
	}
}

/* --- requests and answers --- */

static uint32_t load(const uint32_t *at) { return __atomic_load_n(at, __ATOMIC_ACQUIRE); }

/* Takes a new request into `request`. False: there is none. */
static bool take_request(const struct ctl_client *client) {
	const struct netctl_page *page = client->page;

	request.number = load(&page->request);
	if (request.number == page->done) return false;
	request.op = load(&page->op);
	request.port = load(&page->port);
	request.direction = load(&page->direction);
	request.argument = load(&page->argument);
	request.length = load(&page->length);
	request.answer_length = 0;
	request.text[0] = '\0';
	if (request.length <= NETCTL_PAYLOAD)
		memcpy(request.payload, client->payload, request.length);
	return true;
}

void ctl_work(struct ctl_client *client) {
	struct netctl_page *page = client->page;
	bool send = tap_show(client);

	if (take_request(client)) {
		uint32_t status = do_request(client);

		if (status) request.answer_length = 0;
		memcpy(client->payload, request.payload, request.answer_length);
		memcpy(page->text, request.text, sizeof(page->text));
		page->answer_length = request.answer_length;
		page->status = status;
		__atomic_store_n(&page->done, request.number, __ATOMIC_RELEASE);
		send = true;
	}
	if (send) event_send(client->port);
}

static void on_event(void *context) { ctl_work(context); }

void ctl_add(void *pages, uint32_t flags, uint32_t port) {
	struct ctl_client *client = &ctl_client[ctl_clients++];
	uint8_t *first = pages;

	*client = (struct ctl_client){
		.page = pages,
		.payload = first + PAGE_SIZE,
		.flags = flags,
		.port = port,
		.tap = first + PAGE_SIZE + NETCTL_PAYLOAD,
	};
	/* What a predecessor has shown is good, and is read on from there. */
	client->put = client->shown = load(&client->page->tap.prod);
	client->page->version = NETCTL_VERSION;
	client->page->tap_on = 0;
	event_handle(port, on_event, client);
	/* A request that a predecessor left; and the client learns that its tap is off. */
	event_again(port);
	event_send(port);
}

void ctl_open(void) {
	for (uint32_t i = 0; i < rt_start_page->connection_count; i++) {
		const struct native_connection *c = &rt_start_page->connections[i];
		void *pages;
		int error;

		if (c->protocol != SYSTEM_CONN_NETCTL || c->role != NATIVE_SERVER) continue;
		if (ctl_clients == CTL_CLIENTS || c->ring_pages < NETCTL_PAGES)
			rt_panic("%s: the switch serves %u connections of %u pages", c->name,
				 CTL_CLIENTS, NETCTL_PAGES);
		error = grant_map_for_life(&pages, c->ring_domid, c->ring_ref, NETCTL_PAGES);
		if (error) rt_panic("%s: its pages cannot be mapped (%d)", c->name, error);
		ctl_add(pages, c->flags, c->port);
	}
}
