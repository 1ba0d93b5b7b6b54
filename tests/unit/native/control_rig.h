/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The control domain as a host program: two lines, a switch and a console server, their pages in
 * this program's memory, a root that answers when it is told to. Shared by the unit test and the
 * fuzzer.
 */
#ifndef TESTS_UNIT_CONTROL_RIG_H
#define TESTS_UNIT_CONTROL_RIG_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libs/cap/cap.h"
#include "libs/crc32/crc32.h"
#include "libs/event/event.h"
#include "libs/grant/grant.h"
#include "libs/lifeboat/lifeboat.h"
#include "proto/consctl.h"
#include "proto/netctl.h"
#include "proto/system.h"
#include "servers/control/control.h"
#include "servers/control/stream.h"

#define RIG_LINES 2U
#define RIG_PORTS 5U

static struct serial_page rig_page[RIG_LINES];
static struct ring rig_to[RIG_LINES], rig_from[RIG_LINES]; /* the other ends of the lines */
static _Alignas(4096) uint8_t rig_switch[NETCTL_PAGES * 4096];
static _Alignas(4096) uint8_t rig_console[CONSCTL_PAGES * 4096];
static struct native_start rig_start = {.name = "operator", .connection_count = 4};
const struct native_start *rt_start_page = &rig_start;

/* --- root --- */

static struct {
	bool asked;
	uint32_t op, argument, length, sent;
	char name[MANAGE_NAME];
	manage_done done;
	uint8_t answer[MANAGE_PAYLOAD];
} rig_root;

uint32_t manage_rights(void) { return MANAGE_F_ALL; }
bool manage_busy(void) { return rig_root.asked; }
uint32_t manage_count(void) { return rig_root.sent; }
bool manage_last(struct manage_answer *answer) { return (void)answer, false; }
bool manage_send(const struct manage_request *request, manage_done done) {
	if (rig_root.asked) return false;
	rig_root.asked = true;
	rig_root.op = request->op;
	rig_root.argument = request->argument;
	rig_root.length = request->length;
	rig_root.sent++;
	rt_strcopy(rig_root.name, request->name ? request->name : "", sizeof(rig_root.name));
	rig_root.done = done;
	return true;
}

static inline void rig_root_answers(uint32_t status, uint32_t length) {
	struct manage_answer answer = {.op = rig_root.op,
				       .status = status,
				       .text = status ? "no" : "",
				       .payload = rig_root.answer,
				       .length = length};

	if (!rig_root.asked) return;
	rig_root.asked = false;
	rig_root.done(&answer);
}

/* --- what the domain runs on --- */

static uint64_t rig_now;
static event_handler rig_handler[RIG_PORTS];
static void *rig_context[RIG_PORTS];
static struct event_timer *rig_timer;

uint64_t time_now(void) { return rig_now; }
void event_handle(uint32_t port, event_handler handler, void *context) {
	rig_handler[port] = handler;
	rig_context[port] = context;
}
void event_again(uint32_t port) { (void)port; }
void event_send(uint32_t port) { (void)port; }
void event_timer_arm(struct event_timer *timer, uint64_t deadline) {
	timer->deadline = deadline;
	rig_timer = timer;
}
void event_timer_cancel(struct event_timer *timer) { timer->deadline = 0; }
const struct native_connection *rt_connection(uint16_t protocol, uint32_t index) {
	for (uint32_t i = 0; i < rig_start.connection_count; i++)
		if (rig_start.connections[i].protocol == protocol && !index--)
			return &rig_start.connections[i];
	return NULL;
}
int grant_map(struct grant_mapping *mapping, uint16_t domid, uint32_t ref, uint32_t count) {
	(void)domid, (void)count;
	mapping->at = &rig_page[ref];
	return 0;
}
int grant_map_for_life(void **at, uint16_t domid, uint32_t ref, uint32_t count) {
	(void)domid, (void)count;
	*at = ref ? rig_console : rig_switch;
	return 0;
}
int lifeboat_open(struct lifeboat *boat, uint32_t layout, uint32_t size) {
	(void)boat, (void)layout, (void)size;
	return -1;
}
uint32_t rt_capability(uint32_t type, uint32_t index) { return (void)type, (void)index, 0; }
int cap_inspect(uint32_t slot, struct cap_info *info) { return (void)slot, (void)info, -1; }
int64_t cap_console_read(uint32_t slot, void *to, size_t size, uint64_t *position) {
	return (void)slot, (void)to, (void)size, (void)position, -1;
}

/* A server has something to say. */
static inline void rig_switch_event(void) { rig_handler[3](rig_context[3]); }
static inline void rig_console_event(void) { rig_handler[4](rig_context[4]); }

/* --- the lines --- */

static inline struct native_connection rig_join(const char *name, const char *peer,
						uint16_t protocol, uint32_t port, uint32_t ref,
						uint32_t pages) {
	struct native_connection c = {.protocol = protocol,
				      .role = NATIVE_CLIENT,
				      .port = port,
				      .ring_ref = ref,
				      .ring_pages = pages};

	rt_strcopy(c.name, name, sizeof(c.name));
	rt_strcopy(c.peer, peer, sizeof(c.peer));
	return c;
}

static inline void rig_open(void) {
	struct native_connection *c = rig_start.connections;

	c[0] = rig_join("line0", "uart0", SYSTEM_CONN_SERIAL, 1, 0, 1);
	c[1] = rig_join("line1", "uart1", SYSTEM_CONN_SERIAL, 2, 1, 1);
	c[2] = rig_join("net", "switch", SYSTEM_CONN_NETCTL, 3, 0, NETCTL_PAGES);
	c[3] = rig_join("cons", "console", SYSTEM_CONN_CONSCTL, 4, 1, CONSCTL_PAGES);
	journal_open();
	for (uint32_t n = 0; n < RIG_LINES; n++) {
		ring_attach_producer(&rig_to[n], &rig_page[n].rx, rig_page[n].rx_data,
				     SERIAL_RX_SIZE, 1);
		ring_attach_consumer(&rig_from[n], &rig_page[n].tx, rig_page[n].tx_data,
				     SERIAL_TX_SIZE, 1);
		line_open(n, &c[n]);
	}
	stream_open();
}

static char rig_said[RIG_LINES][1 << 20];
static uint32_t rig_said_length[RIG_LINES];
static bool rig_deaf[RIG_LINES]; /* this one's client does not read */

/* Some of what a line says. */
static inline bool rig_read(uint32_t n) {
	uint32_t before = rig_said_length[n], room = sizeof(rig_said[n]) - 1 - before;

	line_work(&lines[n]);
	if (rig_deaf[n]) return false;
	rig_said_length[n] += ring_get(&rig_from[n], rig_said[n] + before, room);
	ring_release(&rig_from[n]);
	rig_said[n][rig_said_length[n]] = '\0';
	return rig_said_length[n] != before;
}

static inline void rig_work(void) {
	bool more = true;

	for (unsigned i = 0; i < 600 && more; i++) {
		more = false;
		for (uint32_t n = 0; n < RIG_LINES; n++) more |= rig_read(n);
		stream_work();
	}
}

/* Whatever these bytes are; what does not fit waits for the domain to take some. */
static inline void rig_bytes(uint32_t n, const void *bytes, size_t size) {
	const uint8_t *at = bytes;

	for (unsigned i = 0; size && i < 10000; i++) {
		uint32_t put = ring_put(&rig_to[n], at, (uint32_t)MIN(size, SERIAL_RX_SIZE));

		at += put;
		size -= put;
		ring_publish(&rig_to[n]);
		rig_work();
		if (!put && !lines[n].has_request) abort();
		if (!put) break; /* it holds up who asks faster than is answered */
	}
}

static inline void rig_ask(uint32_t n, const char *payload) {
	static char frame[FRAME_PAYLOAD + FRAME_EXTRA];
	uint32_t length = (uint32_t)strlen(payload);

	frame_header(frame, payload, length);
	memcpy(frame + FRAME_HEADER, payload, length);
	frame[FRAME_HEADER + length] = '\n';
	rig_bytes(n, frame, FRAME_HEADER + length + 1);
}

#endif
