/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a policy reads of its control page: the set of vCPUs once for each time that root has
 * changed it, however often root kicks, and never while root writes it.
 */
#include "libs/control/control.h"
#include "libs/event/event.h"
#include "libs/grant/grant.h"
#include "proto/system.h"

#include <stdio.h>
#include <stdlib.h>

#define CHECK(condition)                                                                \
	do {                                                                            \
		if (!(condition)) {                                                     \
			printf("not ok - %s:%d: %s\n", __FILE__, __LINE__, #condition); \
			exit(1);                                                        \
		}                                                                       \
	} while (0)

#define PORT 5U

static struct {
	struct control_page page;
	struct control_vcpu vcpus[CONTROL_VCPUS_PER_PAGE];
} shared;
static struct native_start start;
const struct native_start *rt_start_page = &start;
static event_handler handler;
static unsigned kicks, plans;

void rt_panic(const char *format, ...) {
	printf("not ok - panic: %s\n", format);
	exit(1);
}

const struct native_connection *rt_connection(uint16_t protocol, unsigned n) {
	static const struct native_connection connection = {.ring_pages = CONTROL_PAGES + 1,
							    .port = PORT};

	CHECK(protocol == SYSTEM_CONN_CONTROL && n == 0);
	return &connection;
}

int grant_map_for_life(void **at, uint16_t domid, uint32_t ref, uint32_t pages) {
	(void)domid, (void)ref;
	CHECK(pages == CONTROL_PAGES + 1);
	*at = &shared;
	return 0;
}

void event_handle(uint32_t port, event_handler called, void *context) {
	CHECK(port == PORT && !context);
	handler = called;
}

void event_send(uint32_t port) { CHECK(port == PORT); }

/* As libs/sched/native.c. */
static void kicked(void) {
	struct control_vcpu vcpus[4];

	kicks++;
	if (control_plan(vcpus, 4)) plans++;
}

static void root_writes(uint32_t count) {
	shared.page.plan_version |= 1;
	handler(NULL); /* it sees nothing of what is half written */
	shared.page.plan_count = count;
	shared.page.plan_version++;
	handler(NULL);
}

int main(void) {
	shared.page.version = CONTROL_VERSION;
	control_init(NULL, kicked);
	CHECK(kicks == 1 && plans == 0); /* nothing has been written yet */
	root_writes(2);
	CHECK(kicks == 3 && plans == 1);
	/* Heartbeats. */
	for (unsigned i = 0; i < 10; i++) {
		shared.page.beat_asked++;
		handler(NULL);
		CHECK(shared.page.beat == shared.page.beat_asked);
	}
	CHECK(kicks == 13 && plans == 1);
	control_plan_done();
	CHECK(shared.page.plan_done == shared.page.plan_version);
	/* The same vCPUs written anew are a change: root alone knows what is another one. */
	root_writes(2);
	CHECK(plans == 2);
	printf("ok 1 - control page: a plan for each change\n1..1\n");
	return 0;
}
