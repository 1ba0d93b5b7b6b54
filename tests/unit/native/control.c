/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The control domain against a line that is garbage, truncated, enormous or asks again; a root
 * and a switch that answer late, wrongly, or never; and a client that does not read.
 */
#include "native.h"

#include "control_rig.h"

#include "servers/control/steer.h"

/* Whether a line has said this since it was asked last. */
static bool line_said(uint32_t n, const char *text) {
	bool found;

	rig_work();
	found = strstr(rig_said[n], text) != NULL;
	rig_said_length[n] = 0;
	rig_said[n][0] = '\0';
	return found;
}

static bool said(const char *text) { return line_said(0, text); }

/* The switch: what it was asked, and an answer. */
static struct ctl_page *page(void) { return (struct ctl_page *)(void *)rig_switch; }

static void switch_answers(uint32_t status, uint32_t length) {
	page()->status = status;
	page()->answer_length = length;
	page()->done = page()->request;
	rig_switch_event();
	rig_work();
}

/* The console server, which has two consoles, likewise. */
static struct ctl_page *consoles(void) { return (struct ctl_page *)(void *)rig_console; }

static void console_answers(void) {
	struct consctl_console *list = (struct consctl_console *)(void *)(rig_console + PAGE_SIZE);

	if (consoles()->op == CONSCTL_LIST) {
		list[0] = (struct consctl_console){.name = "one", .console = 5, .up = 1};
		list[1] = (struct consctl_console){.name = "two", .console = 6, .up = 1};
	}
	if (consoles()->op == CONSCTL_ATTACH) consoles()->tap_on = 1;
	consoles()->status = CTL_OK;
	consoles()->answer_length = 2 * sizeof(*list);
	consoles()->done = consoles()->request;
	rig_console_event();
	rig_work();
}

static void all_console_answers(void) {
	while (consoles()->done != consoles()->request) console_answers();
}

/* What a guest says: whether there was room for it. */
static bool console_says(uint32_t console, const void *bytes, uint32_t length) {
	static struct ring tap;
	struct consctl_chunk head = {console, length};

	if (!tap.header)
		ring_attach_producer(&tap, &consoles()->tap, rig_console + PAGE_SIZE + CTL_PAYLOAD,
				     CTL_TAP, 1);
	if (ring_space(&tap) < sizeof(head) + length) return false;
	ring_put(&tap, &head, sizeof(head));
	ring_put(&tap, bytes, length);
	ring_publish(&tap);
	rig_console_event();
	rig_work();
	return true;
}

static void garbage(void) {
	uint8_t bytes[4000];

	for (unsigned round = 0; round < 50; round++) {
		for (size_t i = 0; i < sizeof(bytes); i++) bytes[i] = (uint8_t)noise();
		rig_bytes(0, bytes, sizeof(bytes));
	}
	rig_bytes(0, "\n", 1);
	CHECK(!lines[0].has_request && !rig_root.asked);
	rig_ask(0, "{\"id\": 1, \"verb\": \"dance\"}");
	CHECK(said("\"unknown\""));
}

static void truncated_and_enormous(void) {
	static char long_text[70000];

	rig_bytes(0, "TC1 00000020 12345678 {\"id\": 2, \"verb\": \"kill\"", 47);
	rig_bytes(0, "\n", 1);
	CHECK(!rig_root.asked);
	memset(long_text, 'x', sizeof(long_text));
	rig_bytes(0, "TC1 00010001 00000000 ", 22);
	rig_bytes(0, long_text, sizeof(long_text));
	rig_bytes(0, "\n", 1);
	CHECK(!rig_root.asked && !lines[0].has_request);
	rig_ask(0, "{\"id\": 3, \"verb\": \"restart\", \"name\": "
		   "\"a-name-that-is-longer-than-any-can-be\"}");
	CHECK(said("\"invalid\"") && !rig_root.asked);
	rig_ask(0, "{\"id\": 4, \"verb\": \"restart\", \"name\": \"nic0\", \"force\": 1}");
	CHECK(said("unknown key") && !rig_root.asked);
	rig_ask(0, "{\"id\": 5, \"verb\": \"net-set\", \"name\": \"a\", \"direction\": \"in\", "
		   "\"rules\": \"?\"}");
	CHECK(said("base64"));
	rig_ask(0, "{\"id\": 9007199254740993, \"verb\": \"ps\"}");
	CHECK(said("2^53"));
}

static void once(void) {
	rig_ask(0, "{\"id\": 10, \"verb\": \"restart\", \"name\": \"nic0\"}");
	CHECK(rig_root.asked && rig_root.op == MANAGE_RESTART && !strcmp(rig_root.name, "nic0"));
	/* Asked again while it is under way: it stays in the line, and is not sent. */
	rig_ask(0, "{\"id\": 10, \"verb\": \"restart\", \"name\": \"nic0\"}");
	CHECK(rig_root.sent == 1);
	rig_root_answers(0, 0);
	CHECK(said("{\"id\":10,\"ok\":true}"));
	rig_ask(0, "{\"id\": 10, \"verb\": \"restart\", \"name\": \"nic0\"}");
	CHECK(said("{\"id\":10,\"ok\":true}") && rig_root.sent == 1);
}

static void impossible_answers(void) {
	rig_ask(0, "{\"id\": 20, \"verb\": \"system\"}");
	rig_root_answers(0, 3); /* too short */
	CHECK(said("\"id\":20") && !lines[0].has_request);
	rig_ask(0, "{\"id\": 21, \"verb\": \"postmortem\", \"name\": \"x\"}");
	memset(rig_root.answer, 0xff, sizeof(rig_root.answer));
	rig_root_answers(0, MANAGE_PAYLOAD);
	said("");
	CHECK(!lines[0].has_request);
	rig_ask(0, "{\"id\": 22, \"verb\": \"caps\", \"name\": \"x\"}");
	rig_root_answers(0, 64 * 200);
	CHECK(said("\"id\":22,\"ok\":true"));
	memset(rig_root.answer, 0, sizeof(rig_root.answer));
}

static void put_ports(void) {
	struct netctl_port *ports = (struct netctl_port *)(void *)(rig_switch + PAGE_SIZE);

	memset(ports, 0, 3 * sizeof(*ports));
	strcpy(ports[0].name, "left-0");
	memset(ports[1].name, 'x', sizeof(ports[1].name)); /* without an end */
	strcpy(ports[2].name, "right-0");
}

static void a_switch(void) {
	rig_ask(0, "{\"id\": 30, \"verb\": \"net-limit\", \"name\": \"right-0\", \"bytes_in\": 5}");
	CHECK(page()->op == NETCTL_COUNTERS);
	put_ports();
	switch_answers(0, 3 * sizeof(struct netctl_port));
	CHECK(page()->op == NETCTL_SET_LIMITS && page()->port == 2);
	CHECK(page()->length == sizeof(struct netctl_limits));
	switch_answers(0, 0);
	CHECK(said("{\"id\":30,\"ok\":true}"));
	/* Names that are not there, and answers of impossible length. */
	rig_ask(0, "{\"id\": 31, \"verb\": \"net-rules\", \"name\": \"nobody\", \"direction\": "
		   "\"in\"}");
	put_ports();
	switch_answers(0, UINT32_MAX);
	CHECK(said("there is no port") && !lines[0].has_request);
	/* It refuses. */
	rig_ask(0, "{\"id\": 32, \"verb\": \"net\"}");
	switch_answers(CTL_DENIED, 0);
	CHECK(said("operator lacks the right"));
	rig_ask(0, "{\"id\": 33, \"verb\": \"net\"}");
	switch_answers(77, 0);
	CHECK(said("\"failed\""));
}

/* It never answers: told after five seconds, asked again when it has. */
static void a_silent_switch(void) {
	uint32_t request;

	rig_ask(0, "{\"id\": 40, \"verb\": \"net\"}");
	request = page()->request;
	rig_now += 5000000000ULL;
	CHECK(rig_timer && rig_timer->deadline);
	rig_timer->handler(rig_timer->context);
	CHECK(said("\"busy\"") && !lines[0].has_request);
	rig_ask(0, "{\"id\": 41, \"verb\": \"net\"}");
	CHECK(page()->request == request);
	switch_answers(0, 0);
	CHECK(page()->request == request + 1 && page()->op == NETCTL_REASONS);
	switch_answers(0, NETCTL_DROP_REASONS * NETCTL_REASON);
	CHECK(page()->op == NETCTL_COUNTERS);
	put_ports();
	switch_answers(0, 3 * sizeof(struct netctl_port));
	CHECK(said("\"id\":41,\"ok\":true"));
}

/* Who does not read is held up, and everything comes when he does. */
static void a_client_that_does_not_read(void) {
	uint32_t count = 0;

	rig_ask(0, "{\"id\": 50, \"verb\": \"caps\", \"name\": \"x\"}");
	rig_root_answers(0, 64 * 1000);
	for (unsigned i = 0; i < 100; i++) line_work(&lines[0]);
	CHECK(lines[0].has_request);
	rig_said_length[0] = 0;
	for (unsigned i = 0; i < 10; i++) rig_work();
	for (const char *at = rig_said[0]; (at = strstr(at, "\"item\"")); at++) count++;
	CHECK(count == 1000 && !lines[0].has_request);
	rig_said_length[0] = 0;
}

/* Another one, which reads, is served meanwhile: by root, and by the same switch. */
static void one_that_does_not_read_holds_up_nobody(void) {
	rig_deaf[1] = true;
	rig_ask(1, "{\"id\": 60, \"verb\": \"caps\", \"name\": \"x\"}");
	rig_root_answers(0, 64 * 1000);
	rig_work();
	CHECK(lines[1].has_request);
	rig_ask(0, "{\"id\": 61, \"verb\": \"restart\", \"name\": \"nic0\"}");
	CHECK(rig_root.asked && rig_root.op == MANAGE_RESTART);
	rig_root_answers(0, 0);
	CHECK(said("{\"id\":61,\"ok\":true}"));
	rig_deaf[1] = false;
	CHECK(line_said(1, "\"id\":60,\"ok\":true"));
	rig_deaf[1] = true;
	rig_ask(1, "{\"id\": 62, \"verb\": \"net\"}");
	switch_answers(0, NETCTL_DROP_REASONS * NETCTL_REASON);
	put_ports();
	switch_answers(0, CTL_PAYLOAD);
	CHECK(lines[1].has_request);
	rig_ask(0, "{\"id\": 63, \"verb\": \"net-limit\", \"name\": \"right-0\", \"bytes_in\": 5}");
	CHECK(page()->op == NETCTL_COUNTERS);
	put_ports();
	switch_answers(0, 3 * sizeof(struct netctl_port));
	switch_answers(0, 0);
	CHECK(said("{\"id\":63,\"ok\":true}") && lines[1].has_request);
	rig_deaf[1] = false;
	CHECK(line_said(1, "\"id\":62,\"ok\":true") && !lines[1].has_request);
}

/* Each server that is asked has its own five seconds, the time until its turn comes among them. */
static void patience(void) {
	uint64_t deadline;

	rig_ask(0, "{\"id\": 70, \"verb\": \"net\"}");
	deadline = rig_timer->deadline;
	rig_now += 4000000000ULL;
	switch_answers(0, NETCTL_DROP_REASONS * NETCTL_REASON);
	CHECK(page()->op == NETCTL_COUNTERS && rig_timer->deadline == deadline + 4000000000ULL);
	/* Two lines at one server: the second one waits, and is asked for when the first is done.
	 */
	rig_ask(1, "{\"id\": 71, \"verb\": \"net\"}");
	CHECK(page()->op == NETCTL_COUNTERS && lines[1].has_request);
	put_ports();
	switch_answers(0, 3 * sizeof(struct netctl_port));
	CHECK(said("\"id\":70,\"ok\":true") && page()->op == NETCTL_REASONS);
	switch_answers(0, NETCTL_DROP_REASONS * NETCTL_REASON);
	put_ports();
	switch_answers(0, sizeof(struct netctl_port));
	CHECK(line_said(1, "\"id\":71,\"ok\":true"));
	/* What changed nothing is asked anew by the same id, and is not kept in place of what did.
	 */
	rig_ask(1, "{\"id\": 71, \"verb\": \"net\"}");
	CHECK(lines[1].has_request && page()->op == NETCTL_REASONS);
	switch_answers(CTL_DENIED, 0);
	CHECK(line_said(1, "\"denied\""));
	rig_ask(0, "{\"id\": 63, \"verb\": \"net-limit\", \"name\": \"right-0\", \"bytes_in\": 5}");
	CHECK(said("{\"id\":63,\"ok\":true}") && page()->done == page()->request);
}

static void attach(uint32_t n, const char *id, const char *on) {
	char text[128];

	rt_format(text, sizeof(text),
		  "{\"id\": %s, \"verb\": \"console\", \"name\": \"one\", \"on\": %s}", id, on);
	rig_ask(n, text);
	all_console_answers();
	CHECK(line_said(n, "\"ok\":true"));
}

static void a_console_for_two(void) {
	attach(0, "80", "true");
	attach(1, "81", "true");
	console_says(5, "both", 4);
	CHECK(said("Ym90aA==") && line_said(1, "Ym90aA=="));
	console_says(6, "none", 4);
	CHECK(!said("\"console\"") && !line_said(1, "\"console\""));
	/* Who has enough of it takes it from nobody else. */
	attach(0, "82", "false");
	CHECK(consoles()->op != CONSCTL_DETACH);
	console_says(5, "rest", 4);
	CHECK(line_said(1, "cmVzdA==") && !said("\"console\""));
	attach(1, "83", "false");
	CHECK(consoles()->op == CONSCTL_DETACH);
	consoles()->tap_on = 0;
}

static void lost_is_told(void) {
	consoles()->tap_lost = 1000; /* before anybody listened */
	rig_console_event();
	attach(1, "90", "true");
	console_says(5, "x", 1);
	CHECK(!line_said(1, "\"lost\""));
	consoles()->tap_lost += 77;
	rig_console_event();
	CHECK(line_said(1, "{\"event\":\"lost\",\"of\":\"console\",\"count\":77}"));
	/* The server is a new one: it is attached again, but not over an answer that is waited for.
	 */
	rig_ask(0, "{\"id\": 91, \"verb\": \"consoles\"}");
	consoles()->tap_on = 0;
	consoles()->done = consoles()->request;
	stream_work();
	CHECK(consoles()->op == CONSCTL_LIST && consoles()->done == consoles()->request);
	console_answers();
	CHECK(said("\"id\":91,\"ok\":true"));
	rig_work();
	CHECK(consoles()->op == CONSCTL_ATTACH && consoles()->port == 5);
	CHECK(line_said(1, "{\"event\":\"lost\",\"of\":\"console\",\"count\":0}"));
	all_console_answers();
	console_says(5, "new", 3);
	CHECK(line_said(1, "bmV3") && !line_said(1, "\"lost\""));
	attach(1, "92", "false");
}

static void tap(uint32_t n, const char *text, bool asks) {
	uint32_t before = page()->request;

	rig_ask(n, text);
	CHECK((page()->request != before) == asks);
	while (page()->done != page()->request) {
		put_ports();
		if (page()->op == NETCTL_TAP_START) page()->tap_on = 1;
		switch_answers(0, 3 * sizeof(struct netctl_port));
	}
	rig_work();
}

static void a_tap_for_one(void) {
	tap(0, "{\"id\": 100, \"verb\": \"net-tap\", \"on\": true, \"name\": \"left-0\"}", true);
	CHECK(said("\"ok\":true") && page()->op == NETCTL_TAP_START && page()->port == 0);
	tap(1, "{\"id\": 101, \"verb\": \"net-tap\", \"on\": true}", true);
	CHECK(line_said(1, "\"busy\"") && page()->op == NETCTL_COUNTERS);
	tap(1, "{\"id\": 102, \"verb\": \"net-tap\", \"on\": false}", true);
	CHECK(line_said(1, "\"ok\":true") && page()->op == NETCTL_COUNTERS);
	tap(0, "{\"id\": 103, \"verb\": \"net-tap\", \"on\": false}", true);
	CHECK(said("\"ok\":true") && page()->op == NETCTL_TAP_STOP);
	tap(1, "{\"id\": 104, \"verb\": \"net-tap\", \"on\": true}", true);
	CHECK(line_said(1, "\"ok\":true") && page()->op == NETCTL_TAP_START);
	CHECK(page()->port == NETCTL_ALL);
}

int main(void) {
	static const struct test tests[] = {
		{"garbage is passed over", garbage},
		{"truncated, enormous and senseless requests", truncated_and_enormous},
		{"what is asked twice is done once", once},
		{"a root that answers what cannot be", impossible_answers},
		{"a switch is asked, refuses, answers what cannot be", a_switch},
		{"a switch that does not answer", a_silent_switch},
		{"a client that does not read", a_client_that_does_not_read},
		{"one that does not read holds up nobody", one_that_does_not_read_holds_up_nobody},
		{"how long servers are waited for", patience},
		{"a console that two lines want", a_console_for_two},
		{"what was lost is told to who listened", lost_is_told},
		{"a tap belongs to one line", a_tap_for_one},
	};

	rig_open();
	return RUN("control", tests);
}
