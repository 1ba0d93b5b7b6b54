/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a frontend writes into the store about its rings, read in two rounds: how
 * many queues and pages there are, then their references and channels. All of it
 * is the guest's: numbers are bounded, and what does not fit has a reason.
 */
#include "node.h"

#define TRIES 3U

void front_begin(struct device *device) {
	device->generation++;
	device->front.unclear = false;
	device->questions &= (uint8_t) ~(ASK_FRONT | ASK_RINGS);
	node_question(device, ASK_FRONT);
}

/* Only 'there is none' means that there is none: whatever else went wrong is asked again. */
static void judge(struct device *device, const struct xenbus_answer *answer) {
	device->front.unclear |= answer->error && answer->error != -XEN_ENOENT;
}

/* True: what was read is of no use, and is being read again. */
static bool again(struct device *device) {
	struct front *front = &device->front;

	if (!front->unclear) return false;
	if (++front->tries < TRIES)
		front_begin(device);
	else
		device_front_read(device, "the store does not say where its rings are");
	return true;
}

static void rings_read(struct device *device) {
	if (again(device)) return;
	for (uint32_t q = 0; q < device->front.queues; q++) {
		for (uint32_t p = 0; p < device->front.pages; p++)
			if (device->front.ref[q][p] == UINT32_MAX) {
				device_front_read(device, "it names no ring");
				return;
			}
		if (!device->front.port[q]) {
			device_front_read(device, "it names no event channel");
			return;
		}
	}
	device_front_read(device, NULL);
}

static void ring_read(void *context, const struct xenbus_answer *answer) {
	struct device *device = node_addressee(context, answer);
	uint32_t detail = (uint32_t)((uintptr_t)context >> 16 & 0xffff);
	uint32_t queue = detail >> 8, page = detail & 0xff;
	uint64_t number;

	if (!device) return;
	judge(device, answer);
	if (xenbus_number(answer, UINT32_MAX - 1, &number)) {
		if (page < VBD_RING_PAGES)
			device->front.ref[queue][page] = (uint32_t)number;
		else
			device->front.port[queue] = (uint32_t)number;
	}
	if (!--device->awaited) rings_read(device);
}

static int ask_one(struct device *device, uint32_t queue, uint32_t page, const char *name) {
	char node[32], path[PATH];

	if (device->front.queues > 1)
		rt_format(node, sizeof(node), "queue-%u/%s", queue, name);
	else
		rt_strcopy(node, name, sizeof(node));
	node_front_path(device, node, path);
	device->awaited++;
	return xenbus_read(&node_bus, 0, path, ring_read,
			   node_context(device, RING, queue << 8 | page));
}

int front_ask_rings(struct device *device) {
	int error = 0;

	device->awaited = 0;
	memset(device->front.ref, 0xff, sizeof(device->front.ref));
	memset(device->front.port, 0, sizeof(device->front.port));
	for (uint32_t q = 0; q < device->front.queues && !error; q++) {
		for (uint32_t p = 0; p < device->front.pages && !error; p++) {
			char name[16] = "ring-ref";

			if (device->front.numbered) rt_format(name, sizeof(name), "ring-ref%u", p);
			error = ask_one(device, q, p, name);
		}
		if (!error) error = ask_one(device, q, VBD_RING_PAGES, "event-channel");
	}
	return error;
}

static void front_read(void *context, const struct xenbus_answer *answer) {
	struct device *device = node_addressee(context, answer);
	struct front *front;
	uint64_t number;

	if (!device) return;
	judge(device, answer);
	front = &device->front;
	switch ((enum what)((uintptr_t)context >> 8 & 0xff)) {
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
	if (--device->awaited || again(device)) return;
	if (!front->abi)
		device_front_read(device, "its ring is of another layout than x86_64-abi");
	else if (!front->pages)
		device_front_read(device, "its ring has more pages than were offered");
	else if (!front->queues)
		device_front_read(device, "it has no queues, or more than were offered");
	else
		node_question(device, ASK_RINGS);
}

int front_ask(struct device *device) {
	static const struct {
		const char *name;
		enum what what;
	} keys[] = {
		{"protocol", PROTOCOL},
		{"feature-persistent", PERSISTENT},
		{"ring-page-order", ORDER},
		{"multi-queue-num-queues", QUEUES},
	};
	char path[PATH];
	int error = 0;

	device->awaited = ARRAY_SIZE(keys);
	for (uint32_t i = 0; i < ARRAY_SIZE(keys) && !error; i++) {
		node_front_path(device, keys[i].name, path);
		error = xenbus_read(&node_bus, 0, path, front_read,
				    node_context(device, keys[i].what, 0));
	}
	return error;
}
