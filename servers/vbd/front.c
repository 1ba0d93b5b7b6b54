/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a frontend writes into the store about its rings, read in two rounds: how
 * many queues and pages there are, then their references and channels. All of it
 * is the guest's: numbers are bounded, and what does not fit has a reason.
 */
#include "vbd.h"

enum key { PROTOCOL, PERSISTENT, ORDER, QUEUES, KEYS };

/* --- how many there are --- */

static int ask_keys(struct backend_device *end) {
	static const char *const names[KEYS] = {
		[PROTOCOL] = "protocol",
		[PERSISTENT] = "feature-persistent",
		[ORDER] = "ring-page-order",
		[QUEUES] = "multi-queue-num-queues",
	};
	int error = 0;

	for (uint16_t key = 0; key < KEYS && !error; key++)
		error = backend_ask(end, names[key], key);
	return error;
}

static void read_key(struct backend_device *end, uint32_t key, const struct xenbus_answer *answer) {
	struct front *front = &device_of(end)->front;
	uint64_t number;

	switch ((enum key)key) {
	case PROTOCOL:
		/* None is said by old frontends of our own kind. */
		front->abi = answer->error || !strcmp(answer->value, "x86_64-abi");
		break;
	case PERSISTENT: front->persistent = xenbus_number(answer, 1, &number) && number; break;
	case ORDER:
		front->numbered = !answer->error;
		front->pages = answer->error ? 1 : 0;
		if (xenbus_number(answer, VBD_RING_ORDER, &number)) front->pages = 1U << number;
		break;
	default:
		front->queues = answer->error ? 1 : 0;
		if (xenbus_number(answer, VBD_QUEUES, &number)) front->queues = (uint32_t)number;
		break;
	}
}

static const char *judge_keys(struct backend_device *end) {
	const struct front *front = &device_of(end)->front;

	if (!front->abi) return "its ring is of another layout than x86_64-abi";
	if (!front->pages) return "its ring has more pages than were offered";
	if (!front->queues) return "it has no queues, or more than were offered";
	return NULL;
}

/* --- where they are: the key is the queue and the page; behind the pages the channel --- */

static int ask_ring(struct backend_device *end, uint32_t queue, uint32_t page, const char *name) {
	char node[32];

	if (device_of(end)->front.queues > 1)
		rt_format(node, sizeof(node), "queue-%u/%s", queue, name);
	else
		rt_strcopy(node, name, sizeof(node));
	return backend_ask(end, node, (uint16_t)(queue << 8 | page));
}

static int ask_rings(struct backend_device *end) {
	struct front *front = &device_of(end)->front;
	int error = 0;

	memset(front->ref, 0xff, sizeof(front->ref));
	memset(front->port, 0, sizeof(front->port));
	for (uint32_t q = 0; q < front->queues && !error; q++) {
		for (uint32_t p = 0; p < front->pages && !error; p++) {
			char name[16] = "ring-ref";

			if (front->numbered) rt_format(name, sizeof(name), "ring-ref%u", p);
			error = ask_ring(end, q, p, name);
		}
		if (!error) error = ask_ring(end, q, VBD_RING_PAGES, "event-channel");
	}
	return error;
}

static void read_ring(struct backend_device *end, uint32_t key,
		      const struct xenbus_answer *answer) {
	struct front *front = &device_of(end)->front;
	uint32_t queue = key >> 8, page = key & 0xff;
	uint64_t number;

	if (!xenbus_number(answer, UINT32_MAX - 1, &number)) return;
	if (page < VBD_RING_PAGES)
		front->ref[queue][page] = (uint32_t)number;
	else
		front->port[queue] = (uint32_t)number;
}

static const char *judge_rings(struct backend_device *end) {
	const struct front *front = &device_of(end)->front;

	for (uint32_t q = 0; q < front->queues; q++) {
		for (uint32_t p = 0; p < front->pages; p++)
			if (front->ref[q][p] == UINT32_MAX) return "it names no ring";
		if (!front->port[q]) return "it names no event channel";
	}
	return NULL;
}

const struct backend_round front_rounds[BACKEND_ROUNDS] = {
	{ask_keys, read_key, judge_keys},
	{ask_rings, read_ring, judge_rings},
};
