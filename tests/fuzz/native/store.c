/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The store's clients, any bytes in their rings: first as they should write them,
 * as requests of a native and two guests in turn, then with indices that lie. And
 * the boat itself: whatever lies there is either rejected or can be worked with.
 */
#include <stdlib.h>
#include <string.h>

#include "proto/system.h"
#include "servers/store/store.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CLIENTS 3U

static const struct boat_peer peers[CLIENTS] = {
	{.name = "vbd", .domid = 9, .flags = SYSTEM_XENBUS_VBD},
	{.name = "g5", .domid = 5, .is_guest = true},
	{.name = "g6", .domid = 6, .is_guest = true},
};
static const struct guest_facts facts = {.vcpus = 1, .memory_kib = 4096, .maximum_kib = 4096};

static _Alignas(64) uint8_t memory[640 << 10];
static struct xenstore_domain_interface rings[CLIENTS];
static struct connection connections[CLIENTS];

static void attach(void) {
	for (unsigned n = 0; n < CLIENTS; n++) {
		connections[n] = (struct connection){.client = boat_client(n)};
		connection_attach(&connections[n], &rings[n], 1, &facts);
	}
}

static void start(void) {
	uint32_t needed;

	memset(rings, 0, sizeof(rings));
	rings[0].connection = XENSTORE_RECONNECT;
	if (!boat_build(memory, sizeof(memory), peers, CLIENTS, &needed)) abort();
	guest_make_tree();
	boat_commit();
	boat_store(&boat->built, 1);
	attach();
}

static void serve(void) {
	for (unsigned i = 0; i < 60; i++) {
		bool more = false;

		for (unsigned n = 0; n < CLIENTS; n++) {
			more |= connection_serve(&connections[n]);
			rings[n].rsp_cons = rings[n].rsp_prod;
		}
		if (!more) break;
	}
}

static void put(unsigned n, const void *bytes, size_t size) {
	for (size_t i = 0; i < size; i++)
		rings[n].req[rings[n].req_prod++ % XENSTORE_RING_SIZE] = ((const char *)bytes)[i];
}

/* A byte says who, one what, one in which transaction and how long; often a usual path first. */
static void requests(const uint8_t *data, size_t size) {
	static const char *const paths[] = {"data/a",
					    "data/a/b",
					    "control/shutdown",
					    "/local/domain/5/device/vbd/1",
					    "/local/domain/6/data/x",
					    "@releaseDomain",
					    "backend/vbd/5/1",
					    "/"};

	for (size_t i = 0; i + 4 <= size;) {
		unsigned n = data[i] % CLIENTS;
		struct xsd_sockmsg header = {.type = data[i + 1] % 24, .tx_id = data[i + 2] % 4};
		const char *path = data[i + 2] & 64 ? "" : paths[data[i] / CLIENTS % 8];
		size_t length = data[i + 3] % 64, prefix = *path ? strlen(path) + 1 : 0;

		i += 4;
		if (length > size - i) length = size - i;
		header.len = (uint32_t)(prefix + length);
		put(n, &header, sizeof(header));
		put(n, path, prefix);
		put(n, data + i, length);
		i += length;
		serve();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	start();
	requests(data, size);
	if (boat_check()) abort();
	if (size < 8) return 0;
	/* A successor finds damage: up to eight words are not what they were. */
	for (size_t i = 0; i + 8 <= size && i < 64; i += 8) {
		uint32_t where, what;

		memcpy(&where, data + i, 4);
		memcpy(&what, data + i + 4, 4);
		if (where % 4) where %= boat->clients_offset + 512;
		where %= sizeof(memory) - 4;
		memcpy(memory + where, &what, 4);
	}
	if (!boat_adopt(memory, sizeof(memory), peers, CLIENTS)) {
		attach();
		requests(data, size);
		if (boat_check()) abort();
	} else {
		start();
	}
	memcpy(&rings[1].req_prod, data, 4);
	memcpy(&rings[1].rsp_cons, data + 4, 4);
	for (unsigned i = 0; i < 10; i++)
		for (unsigned n = 0; n < CLIENTS; n++) connection_serve(&connections[n]);
	return 0;
}
