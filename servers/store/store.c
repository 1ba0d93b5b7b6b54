/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ring: bytes of requests in, bytes of replies out, one request at a time.
 * A request is carried out only when everything that the last one caused has
 * gone out, so the buffer for it has a fixed size.
 */
#include "store.h"

#define STEPS 64U

static uint32_t load(const uint32_t *index) { return __atomic_load_n(index, __ATOMIC_ACQUIRE); }

void store_attach(struct store_client *client, struct xenstore_domain_interface *ring,
		  uint16_t domid, const char *name) {
	static const char *const directories[] = {"device", "data",    "drivers",         "error",
						  "attr",   "feature", "control/shutdown"};
	struct tree_node *node;

	memset(client, 0, sizeof(*client));
	client->ring = ring;
	client->domid = domid;
	client->next_id = 1;
	client->req_cons = load(&ring->req_cons);
	client->rsp_prod = load(&ring->rsp_prod);
	tree_init(&client->tree);
	for (size_t i = 0; i < ARRAY_SIZE(directories); i++)
		tree_make(&client->tree, directories[i]);
	node = tree_make(&client->tree, "name");
	node->length = (uint32_t)rt_format(node->value, sizeof(node->value), "%s", name);
	node = tree_make(&client->tree, "domid");
	node->length = (uint32_t)rt_format(node->value, sizeof(node->value), "%u", domid);
	node = tree_make(&client->tree, "cpu/0/availability");
	node->length = (uint32_t)rt_format(node->value, sizeof(node->value), "online");
}

void store_send(struct store_client *client, uint32_t type, uint32_t req_id, uint32_t tx_id,
		const void *payload, uint32_t length) {
	const struct xsd_sockmsg header = {
		.type = type, .req_id = req_id, .tx_id = tx_id, .len = length};

	rt_assert(sizeof(header) + length <= STORE_OUT - client->out_length,
		  "one request's reply and events fit");
	memcpy(client->out + client->out_length, &header, sizeof(header));
	memcpy(client->out + client->out_length + sizeof(header), payload, length);
	client->out_length += (uint32_t)sizeof(header) + length;
}

/* Whatever fits of what goes out; how much. */
static uint32_t send(struct store_client *client) {
	uint32_t used = client->rsp_prod - load(&client->ring->rsp_cons);
	uint32_t count = client->out_length - client->out_sent;

	if (used > XENSTORE_RING_SIZE) {
		client->dead = true;
		return 0;
	}
	count = MIN(count, XENSTORE_RING_SIZE - used);
	for (uint32_t i = 0; i < count; i++)
		client->ring->rsp[(client->rsp_prod + i) & (XENSTORE_RING_SIZE - 1)] =
			(char)client->out[client->out_sent + i];
	client->rsp_prod += count;
	client->out_sent += count;
	if (client->out_sent == client->out_length) client->out_sent = client->out_length = 0;
	if (count) {
		__atomic_store_n(&client->ring->rsp_prod, client->rsp_prod, __ATOMIC_RELEASE);
		client->notify = true;
	}
	return count;
}

static uint32_t take(struct store_client *client, void *to, uint32_t count) {
	uint32_t available = load(&client->ring->req_prod) - client->req_cons;
	char *bytes = to;

	if (available > XENSTORE_RING_SIZE) {
		client->dead = true;
		return 0;
	}
	/* A ring that was full: the guest may wait to be told of room. */
	client->notify |= available == XENSTORE_RING_SIZE;
	count = MIN(count, available);
	for (uint32_t i = 0; i < count; i++)
		bytes[i] = *(volatile char *)&client->ring
				    ->req[(client->req_cons + i) & (XENSTORE_RING_SIZE - 1)];
	client->req_cons += count;
	if (count) {
		__atomic_store_n(&client->ring->req_cons, client->req_cons, __ATOMIC_SEQ_CST);
		/* The guest looks at req_cons to decide whether to notify: look after it. */
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
	}
	return count;
}

/* How many bytes of the next request have come. */
static uint32_t receive(struct store_client *client) {
	uint32_t size = sizeof(client->header), got;

	if (client->header_got < size) {
		got = take(client, (uint8_t *)&client->header + client->header_got,
			   size - client->header_got);
		client->header_got += got;
		if (client->header_got == size && client->header.len > XENSTORE_PAYLOAD_MAX)
			client->dead = true;
		return got;
	}
	got = take(client, client->payload + client->payload_got,
		   client->header.len - client->payload_got);
	client->payload_got += got;
	return got;
}

static bool request_is_complete(const struct store_client *client) {
	return !client->dead && client->header_got == sizeof(client->header) &&
	       client->payload_got == client->header.len;
}

bool store_serve(struct store_client *client) {
	for (unsigned i = 0; i < STEPS; i++) {
		uint32_t moved;

		if (!client->ring || client->dead) return false;
		if (client->out_length) {
			moved = send(client);
		} else if (request_is_complete(client)) {
			client->payload[client->payload_got] = '\0';
			store_execute(client);
			client->header_got = client->payload_got = 0;
			moved = 1;
		} else {
			moved = receive(client);
		}
		if (!moved && !request_is_complete(client)) return false;
		if (!moved && client->out_length) return false;
	}
	return true;
}
