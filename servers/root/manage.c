/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A client's pages may change while they are read: of a request everything but the
 * payload is copied before anything is looked at, and root keeps the number of the
 * last one that it did, so a client that writes `done` spoils its own connection.
 */
#include "manage.h"

#include "libs/log/log.h"
#include "libs/manage/text.h"
#include "libs/ring/ring.h"
#include "libs/rt/time.h"
#include "pages.h"
#include "upgrade.h"

struct client {
	struct manage_page *page;
	uint8_t *payload;
	struct domain *domain;
	struct ring events;
	uint32_t flags, port;
	uint32_t done; /* the last request that was carried out */
	uint32_t lost;
};

static struct client clients[SYSTEM_MAX_CONTROLS];
static uint32_t client_count;

/* Whether a request names a domain. */
enum { NO_NAME, MAY_NAME, NAME };

static const struct request {
	uint16_t op;
	uint8_t right; /* MANAGE_F_*, one of which will do */
	uint8_t named;
	manage_function run;
	const char *word; /* in the log; NULL: it only looks, or is a part of another one */
} requests[] = {
	{MANAGE_SYSTEM, MANAGE_F_SEE, NO_NAME, manage_system, NULL},
	{MANAGE_LIST, MANAGE_F_SEE, MAY_NAME, manage_list, NULL},
	{MANAGE_WHY, MANAGE_F_SEE, NAME, manage_why, NULL},
	{MANAGE_DEVICES, MANAGE_F_SEE, MAY_NAME, manage_devices, NULL},
	{MANAGE_START, MANAGE_F_LIFE, NAME, manage_start, "start"},
	{MANAGE_SHUTDOWN, MANAGE_F_LIFE, NAME, manage_shutdown, "stop"},
	{MANAGE_REBOOT, MANAGE_F_LIFE, NAME, manage_reboot, "reboot"},
	{MANAGE_DESTROY, MANAGE_F_LIFE, NAME, manage_destroy, "destroy"},
	{MANAGE_PAUSE, MANAGE_F_LIFE, NAME, manage_pause, "pause"},
	{MANAGE_UNPAUSE, MANAGE_F_LIFE, NAME, manage_unpause, "unpause"},
	{MANAGE_RESTART, MANAGE_F_LIFE, NAME, manage_restart, "restart"},
	{MANAGE_KILL, MANAGE_F_LIFE, NAME, manage_kill, "kill"},
	{MANAGE_CLEAR, MANAGE_F_LIFE, NAME, manage_clear, "clear"},
	{MANAGE_SET, MANAGE_F_SET, NAME, manage_set, "set"},
	{MANAGE_PLUG, MANAGE_F_SET, NAME, manage_plug, "plug"},
	{MANAGE_UNPLUG, MANAGE_F_SET, NAME, manage_unplug, "unplug"},
	{MANAGE_CAPS, MANAGE_F_INSPECT, NAME, manage_caps, NULL},
	{MANAGE_TRACE_SET, MANAGE_F_TRACE, NO_NAME, manage_trace_set, "trace"},
	{MANAGE_TRACE_READ, MANAGE_F_TRACE, NO_NAME, manage_trace_read, NULL},
	{MANAGE_UPLOAD_BEGIN, MANAGE_F_UPGRADE | MANAGE_F_CREATE, NO_NAME, manage_upload_begin,
	 "upload"},
	{MANAGE_UPLOAD_DATA, MANAGE_F_UPGRADE | MANAGE_F_CREATE, NO_NAME, manage_upload_data, NULL},
	{MANAGE_DEFINE, MANAGE_F_CREATE, NAME, manage_define, "define"},
	{MANAGE_UNDEFINE, MANAGE_F_CREATE, NAME, manage_undefine, "undefine"},
	{MANAGE_UPGRADE, MANAGE_F_UPGRADE, NAME, manage_upgrade, "upgrade"},
	{MANAGE_ROLLBACK, MANAGE_F_UPGRADE, NAME, manage_rollback, "rollback"},
	{MANAGE_SCHED, MANAGE_F_UPGRADE, NAME, manage_sched, "sched"},
	{MANAGE_POSTMORTEM, MANAGE_F_INSPECT, NAME, manage_postmortem, NULL},
};

uint32_t manage_refuse(struct manage_call *call, uint32_t status, const char *format, ...) {
	va_list arguments;

	va_start(arguments, format);
	rt_vformat(call->text, sizeof(call->text), format, arguments);
	va_end(arguments);
	return status;
}

static struct domain *find(const char *name) {
	for (uint32_t i = 0; i < description.domain_count; i++)
		if (!strcmp(domains[i].name, name)) return &domains[i];
	return NULL;
}

static const struct request *request_of(uint32_t op) {
	for (uint32_t i = 0; i < ARRAY_SIZE(requests); i++)
		if (requests[i].op == op) return &requests[i];
	return NULL;
}

static uint32_t execute(const struct client *client, struct manage_call *call) {
	const struct request *request = request_of(call->op);

	if (!request)
		return manage_refuse(call, MANAGE_UNKNOWN, "there is no request %u", call->op);
	if (!(client->flags & request->right))
		return manage_refuse(call, MANAGE_DENIED,
				     "%s lacks the right \"%s\" on its connection with root",
				     client->domain->name,
				     manage_right_word(request->right & (uint32_t)-request->right));
	if (call->length > MANAGE_PAYLOAD)
		return manage_refuse(call, MANAGE_INVALID, "a payload of %u bytes", call->length);
	if (request->named == NAME || (request->named == MAY_NAME && call->name[0])) {
		call->domain = find(call->name);
		if (!call->domain)
			return manage_refuse(call, MANAGE_UNKNOWN, "there is no domain \"%s\"",
					     call->name);
		call->line = call->domain->d->line;
	}
	if (request->word)
		log_print("%s: %s%s%s", client->domain->name, request->word,
			  call->domain ? " " : "", call->domain ? call->domain->name : "");
	return request->run(call);
}

static void read_call(const struct client *client, struct manage_call *call) {
	const struct manage_page *page = client->page;

	*call = (struct manage_call){
		.op = page->op,
		.argument = page->argument,
		.length = page->length,
		.number = page->number,
		.from = client->domain,
		.payload = client->payload,
	};
	memcpy(call->name, page->name, MANAGE_NAME);
	memcpy(call->value, page->value, MANAGE_NAME);
	call->name[MANAGE_NAME - 1] = call->value[MANAGE_NAME - 1] = '\0';
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static void serve(struct client *client) {
	struct manage_page *page = client->page;
	uint32_t request = __atomic_load_n(&page->request, __ATOMIC_ACQUIRE), status;
	static struct manage_call call;

	if (request == client->done) return;
	read_call(client, &call);
	status = execute(client, &call);
	memcpy(page->text, call.text, sizeof(page->text));
	page->status = status;
	page->line = call.line;
	page->answer_length = call.answer_length;
	page->more = call.more;
	client->done = request;
	__atomic_store_n(&page->done, request, __ATOMIC_RELEASE);
	event_send(client->port);
}

static void on_client(void *context) { serve(context); }

void manage_attach(struct domain *client, uint32_t flags, uint32_t port, uint64_t mfn) {
	struct client *c = &clients[client_count++];

	*c = (struct client){.domain = client, .flags = flags, .port = port};
	c->page = pages_map(mfn, MANAGE_PAGES);
	c->payload = (uint8_t *)(c->page + 1);
	c->page->version = MANAGE_VERSION;
	ring_attach_producer(&c->events, &c->page->events, c->page->event_data, MANAGE_EVENTS,
			     sizeof(struct manage_event));
	event_handle(port, on_client, c);
}

uint32_t manage_state(const struct domain *domain) {
	static const uint8_t states[] = {
		[STAGE_IDLE] = MANAGE_STATE_IDLE,         [STAGE_HELD] = MANAGE_STATE_HELD,
		[STAGE_STARTING] = MANAGE_STATE_STARTING, [STAGE_RUNNING] = MANAGE_STATE_RUNNING,
		[STAGE_STOPPED] = MANAGE_STATE_STOPPED,   [STAGE_RELEASING] = MANAGE_STATE_ENDING,
		[STAGE_QUIESCING] = MANAGE_STATE_ENDING,  [STAGE_RECLAIMING] = MANAGE_STATE_ENDING,
		[STAGE_WAITING] = MANAGE_STATE_WAITING,   [STAGE_GIVEN_UP] = MANAGE_STATE_GIVEN_UP,
	};

	if (domain->stage == STAGE_RUNNING && domain->paused) return MANAGE_STATE_PAUSED;
	if (domain->stage == STAGE_RUNNING && upgrade_on_trial(domain)) return MANAGE_STATE_TRIAL;
	return states[domain->stage];
}

void manage_tell(const struct domain *domain, uint32_t from, uint32_t to) {
	struct manage_event event = {
		.at_ns = time_now(),
		.from = (uint8_t)from,
		.to = (uint8_t)to,
		.incarnation = domain->incarnation,
		.stories = domain->stories,
	};

	if (from == to) return;
	rt_strcopy(event.name, domain->name, sizeof(event.name));
	for (uint32_t i = 0; i < client_count; i++) {
		struct client *client = &clients[i];

		if (!(client->flags & MANAGE_F_SEE)) continue;
		/* Who does not read loses the newest, and is told how many. */
		if (!ring_put(&client->events, &event, 1))
			client->page->events_lost = ++client->lost;
		if (ring_publish(&client->events)) event_send(client->port);
	}
}
