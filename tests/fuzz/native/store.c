/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest's store ring, any bytes in it: first as the guest should write them,
 * as requests, then with indices that lie.
 */
#include <stdlib.h>
#include <string.h>

#include "servers/store/store.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct xenstore_domain_interface ring;
static struct store_client client;

static void serve(void) {
	for (unsigned i = 0; i < 100 && store_serve(&client); i++) {
		if (client.out_length > STORE_OUT) abort();
		ring.rsp_cons = ring.rsp_prod;
	}
	ring.rsp_cons = ring.rsp_prod;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	memset(&ring, 0, sizeof(ring));
	store_attach(&client, &ring, 7, "fuzz");
	for (size_t i = 0; i + 2 <= size;) {
		struct xsd_sockmsg header = {.type = data[i] % 24, .tx_id = data[i] / 24 % 4};
		size_t length = data[i + 1] % 64;

		i += 2;
		header.len = (uint32_t)(length < size - i ? length : size - i);
		for (size_t n = 0; n < sizeof(header); n++)
			ring.req[ring.req_prod++ % XENSTORE_RING_SIZE] = ((char *)&header)[n];
		for (size_t n = 0; n < header.len; n++)
			ring.req[ring.req_prod++ % XENSTORE_RING_SIZE] = (char)data[i + n];
		i += header.len;
		serve();
		serve();
		if (client.tree.count > TREE_NODES || !client.tree.count) abort();
	}
	if (size >= 8) {
		memcpy(&ring.req_prod, data, 4);
		memcpy(&ring.rsp_cons, data + 4, 4);
		for (unsigned i = 0; i < 10; i++) store_serve(&client);
	}
	return 0;
}
