/* SPDX-License-Identifier: BSD-2-Clause */
#include "store_rig.h"

struct rig *rig;
struct connection connections[RIG_CLIENTS];

const struct boat_peer rig_peers[RIG_CLIENTS] = {
	{.name = "vbd", .domid = 9, .flags = SYSTEM_XENBUS_VBD},
	{.name = "g5", .domid = 5, .is_guest = true},
	{.name = "g6", .domid = 6, .is_guest = true},
};

const struct guest_facts rig_facts = {.vcpus = 2, .memory_kib = 65536, .maximum_kib = 131072};

const char *rig_run(void) {
	const char *wrong = boat_adopt(rig->boat, sizeof(rig->boat), rig_peers, RIG_CLIENTS);
	uint32_t needed = 0;

	if (wrong) {
		if (!boat_build(rig->boat, sizeof(rig->boat), rig_peers, RIG_CLIENTS, &needed)) {
			printf("# needed: %u\n", needed);
			CHECK(!"the rig's boat is large enough");
		}
		guest_make_tree();
		boat_commit();
		boat_store(&boat->built, 1);
	}
	for (unsigned n = 0; n < RIG_CLIENTS; n++) {
		connections[n] = (struct connection){.client = boat_client(n)};
		connection_attach(&connections[n], &rig->ring[n], 1, &rig_facts);
	}
	return wrong;
}

void rig_start(void) {
	memset(rig, 0, sizeof(*rig));
	/* GRUB leaves indices behind that are not zero. */
	rig->ring[G5].req_cons = rig->ring[G5].req_prod = 0xfffffff0;
	rig->ring[G5].rsp_cons = rig->ring[G5].rsp_prod = 77;
	rig->ring[VBD].connection = XENSTORE_RECONNECT;
	rig_run();
	rig_settle();
	CHECK(!boat_check());
}

bool rig_serve(unsigned n) {
	bool more = connection_serve(&connections[n]);

	connections[n].notify = false;
	return more;
}

void rig_settle(void) {
	for (bool more = true; more;) {
		more = false;
		for (unsigned n = 0; n < RIG_CLIENTS; n++) more |= rig_serve(n);
		for (unsigned n = 0; n < RIG_CLIENTS; n++)
			more |= connection_is_due(&connections[n]);
	}
}

static void put(unsigned n, const void *bytes, uint32_t size) {
	struct xenstore_domain_interface *ring = &rig->ring[n];
	const char *from = bytes;

	while (size) {
		if (ring->req_prod - ring->req_cons == XENSTORE_RING_SIZE) {
			rig_settle();
			CHECK(ring->req_prod - ring->req_cons < XENSTORE_RING_SIZE);
		}
		ring->req[ring->req_prod++ % XENSTORE_RING_SIZE] = *from++;
		size--;
	}
}

void rig_send(unsigned n, uint32_t type, uint32_t req_id, uint32_t tx, const void *payload,
	      uint32_t size) {
	const struct xsd_sockmsg h = {.type = type, .req_id = req_id, .tx_id = tx, .len = size};

	put(n, &h, sizeof(h));
	put(n, payload, size);
}

bool rig_poll(unsigned n, struct message *message, uint32_t *got) {
	struct xenstore_domain_interface *ring = &rig->ring[n];

	while (ring->rsp_cons != ring->rsp_prod) {
		uint8_t byte = (uint8_t)ring->rsp[ring->rsp_cons % XENSTORE_RING_SIZE];

		ring->rsp_cons++;
		if (*got < sizeof(message->header))
			((uint8_t *)&message->header)[*got] = byte;
		else
			message->payload[*got - sizeof(message->header)] = (char)byte;
		++*got;
		if (*got >= sizeof(message->header)) {
			CHECK(message->header.len <= XENSTORE_PAYLOAD_MAX);
			if (*got == sizeof(message->header) + message->header.len) {
				message->payload[message->header.len] = '\0';
				*got = 0;
				return true;
			}
		}
	}
	return *got == sizeof(message->header) && !message->header.len;
}

bool rig_receive(unsigned n, struct message *message) {
	uint32_t got = 0;

	for (unsigned idle = 0; idle < 3; idle++) {
		uint32_t before = got;

		rig_settle();
		if (rig_poll(n, message, &got)) return true;
		if (got != before) idle = 0;
	}
	CHECK(!got);
	return false;
}
