/* SPDX-License-Identifier: BSD-2-Clause */
/* The store: the requests that stock kernels make, and guests that lie. */
#include "native.h"

#include "servers/store/store.h"

static struct xenstore_domain_interface ring;
static struct store_client client;
static char answer[XENSTORE_PAYLOAD_MAX];
static struct xsd_sockmsg header;
static uint32_t next_id;

static void start(void) {
	memset(&ring, 0, sizeof(ring));
	/* GRUB leaves indices behind that are not zero. */
	ring.req_cons = ring.req_prod = 0xfffffff0;
	ring.rsp_cons = ring.rsp_prod = 77;
	store_attach(&client, &ring, 5, "g1");
	next_id = 1;
}

static void write_ring(const void *bytes, uint32_t size) {
	const char *from = bytes;

	while (size) {
		if (ring.req_prod - ring.req_cons == XENSTORE_RING_SIZE) {
			while (store_serve(&client)) continue;
			CHECK(ring.req_prod - ring.req_cons < XENSTORE_RING_SIZE);
		}
		ring.req[ring.req_prod++ % XENSTORE_RING_SIZE] = *from++;
		size--;
	}
}

/* The next message of the server; false: there is none. */
static bool read_message(void) {
	uint8_t *to = (uint8_t *)&header;
	uint32_t got = 0, size = sizeof(header);

	for (unsigned idle = 0; idle < 3;) {
		while (store_serve(&client)) continue;
		if (ring.rsp_cons == ring.rsp_prod) {
			idle++;
			continue;
		}
		idle = 0;
		to[got++] = (uint8_t)ring.rsp[ring.rsp_cons++ % XENSTORE_RING_SIZE];
		if (got == size && size == sizeof(header) && to == (uint8_t *)&header) {
			to = (uint8_t *)answer;
			got = 0;
			size = header.len;
			CHECK(size <= sizeof(answer));
		}
		if (to == (uint8_t *)answer && got == size) return true;
	}
	CHECK(to == (uint8_t *)&header && got == 0);
	return false;
}

static void request(uint32_t type, uint32_t tx, const void *payload, uint32_t size) {
	const struct xsd_sockmsg h = {.type = type, .req_id = next_id, .tx_id = tx, .len = size};

	write_ring(&h, sizeof(h));
	write_ring(payload, size);
	CHECK(read_message());
	CHECK(header.req_id == next_id++ && header.tx_id == tx);
}

/* payload: a literal, its NULs included as the request wants them. */
#define ASK(type, tx, payload) request(type, tx, payload, sizeof(payload) - 1)

#define IS(wanted, text)                                                   \
	CHECK(header.type == (wanted) && header.len == sizeof(text) - 1 && \
	      !memcmp(answer, text, sizeof(text) - 1))

static void test_read_write(void) {
	start();
	ASK(XS_READ, 0, "name\0");
	IS(XS_READ, "g1");
	ASK(XS_READ, 0, "/local/domain/5/domid\0");
	IS(XS_READ, "5");
	ASK(XS_WRITE, 0, "control/feature-poweroff\0001");
	IS(XS_WRITE, "OK\0");
	ASK(XS_READ, 0, "control/feature-poweroff\0");
	IS(XS_READ, "1");
	ASK(XS_DIRECTORY, 0, "control\0");
	IS(XS_DIRECTORY, "shutdown\0feature-poweroff\0");
	ASK(XS_DIRECTORY, 0, "device\0");
	IS(XS_DIRECTORY, "");
	ASK(XS_WRITE, 0, "data/a/b/c\0");
	IS(XS_WRITE, "OK\0");
	ASK(XS_DIRECTORY, 0, "data/a\0");
	IS(XS_DIRECTORY, "b\0");
	ASK(XS_RM, 0, "data/a\0");
	IS(XS_RM, "OK\0");
	ASK(XS_READ, 0, "data/a/b/c\0");
	IS(XS_ERROR, "ENOENT\0");
	ASK(XS_RM, 0, "data/a\0");
	IS(XS_RM, "OK\0");
	ASK(XS_RM, 0, "nothing/there\0");
	IS(XS_ERROR, "ENOENT\0");
	ASK(XS_GET_DOMAIN_PATH, 0, "5\0");
	IS(XS_GET_DOMAIN_PATH, "/local/domain/5\0");
	ASK(XS_GET_PERMS, 0, "data\0");
	IS(XS_GET_PERMS, "n5\0");
}

static void test_refusals(void) {
	start();
	ASK(XS_READ, 0, "/local/domain/4/name\0");
	IS(XS_ERROR, "EACCES\0");
	ASK(XS_READ, 0, "/local/domain/55\0");
	IS(XS_ERROR, "EACCES\0");
	ASK(XS_READ, 0, "a//b\0");
	IS(XS_ERROR, "EINVAL\0");
	ASK(XS_READ, 0, "a/\0");
	IS(XS_ERROR, "EINVAL\0");
	ASK(XS_READ, 0, "sp ace\0");
	IS(XS_ERROR, "EINVAL\0");
	ASK(XS_READ, 0, "");
	IS(XS_ERROR, "EINVAL\0");
	ASK(XS_READ, 0, "no end");
	IS(XS_ERROR, "EINVAL\0");
	ASK(XS_RM, 0, "/local/domain/5\0");
	IS(XS_ERROR, "EINVAL\0");
	ASK(XS_INTRODUCE, 0, "1\0002\0003\0");
	IS(XS_ERROR, "EACCES\0");
	ASK(99, 0, "");
	IS(XS_ERROR, "ENOSYS\0");
	ASK(XS_READ, 7, "name\0");
	IS(XS_ERROR, "ENOENT\0");
	ASK(XS_SET_PERMS, 0, "data\0n4\0");
	IS(XS_ERROR, "EACCES\0");
	ASK(XS_SET_PERMS, 0, "data\0n5\0");
	IS(XS_SET_PERMS, "OK\0");
}

static void test_watches(void) {
	start();
	ASK(XS_WATCH, 0, "control/shutdown\0tok\0");
	IS(XS_WATCH, "OK\0");
	CHECK(read_message());
	IS(XS_WATCH_EVENT, "control/shutdown\0tok\0");
	CHECK(header.req_id == 0 && header.tx_id == 0 && !read_message());
	ASK(XS_WATCH, 0, "control/shutdown\0tok\0");
	IS(XS_ERROR, "EEXIST\0");
	ASK(XS_WRITE, 0, "/local/domain/5/control/shutdown\0poweroff");
	CHECK(read_message());
	IS(XS_WATCH_EVENT, "control/shutdown\0tok\0");
	/* An absolute watch reports absolute paths; what is below counts. */
	ASK(XS_WATCH, 0, "/local/domain/5/data\0t2\0");
	CHECK(read_message());
	ASK(XS_WRITE, 0, "data/x\0v");
	CHECK(read_message());
	IS(XS_WATCH_EVENT, "/local/domain/5/data/x\0t2\0");
	/* The end of an ancestor is reported with the watched path. */
	ASK(XS_RM, 0, "control\0");
	CHECK(read_message());
	IS(XS_WATCH_EVENT, "control/shutdown\0tok\0");
	ASK(XS_UNWATCH, 0, "control/shutdown\0tok\0");
	IS(XS_UNWATCH, "OK\0");
	ASK(XS_UNWATCH, 0, "control/shutdown\0tok\0");
	IS(XS_ERROR, "ENOENT\0");
	ASK(XS_WRITE, 0, "control/shutdown\0");
	CHECK(!read_message());
}

static void test_transactions(void) {
	start();
	ASK(XS_WATCH, 0, "data\0w\0");
	CHECK(read_message());
	ASK(XS_TRANSACTION_START, 0, "\0");
	IS(XS_TRANSACTION_START, "1\0");
	ASK(XS_WRITE, 1, "data/a\0new");
	CHECK(!read_message());
	ASK(XS_READ, 0, "data/a\0");
	IS(XS_ERROR, "ENOENT\0");
	ASK(XS_READ, 1, "data/a\0");
	IS(XS_READ, "new");
	ASK(XS_TRANSACTION_END, 1, "T\0");
	IS(XS_TRANSACTION_END, "OK\0");
	CHECK(read_message());
	IS(XS_WATCH_EVENT, "data/a\0w\0");
	ASK(XS_READ, 0, "data/a\0");
	IS(XS_READ, "new");
	/* A change in between: the guest has to try again. */
	ASK(XS_TRANSACTION_START, 0, "\0");
	IS(XS_TRANSACTION_START, "2\0");
	ASK(XS_WRITE, 0, "data/b\0x");
	CHECK(read_message());
	ASK(XS_TRANSACTION_END, 2, "T\0");
	IS(XS_ERROR, "EAGAIN\0");
	ASK(XS_TRANSACTION_END, 2, "T\0");
	IS(XS_ERROR, "ENOENT\0");
	/* Given up: as if nothing had been. */
	ASK(XS_TRANSACTION_START, 0, "\0");
	ASK(XS_RM, 3, "data\0");
	ASK(XS_TRANSACTION_END, 3, "F\0");
	IS(XS_TRANSACTION_END, "OK\0");
	ASK(XS_READ, 0, "data/b\0");
	IS(XS_READ, "x");
}

static void test_full(void) {
	char path[32] = "";

	start();
	for (unsigned i = 0; i < 200; i++) {
		size_t length = rt_format(path, sizeof(path), "data/n%u", i);

		request(XS_WRITE, 0, path, (uint32_t)length + 1);
		CHECK(header.type == XS_WRITE || !strcmp(answer, "ENOSPC"));
	}
	CHECK(header.type == XS_ERROR && client.tree.count == TREE_NODES);
	request(XS_DIRECTORY, 0, "data", 5);
	CHECK(header.type == XS_DIRECTORY && header.len > 100);
}

static void test_lies(void) {
	const struct xsd_sockmsg too_long = {.type = XS_READ, .len = XENSTORE_PAYLOAD_MAX + 1};

	start();
	ring.req_prod += XENSTORE_RING_SIZE + 1;
	CHECK(!store_serve(&client) && client.dead);
	start();
	write_ring(&too_long, sizeof(too_long));
	while (store_serve(&client)) continue;
	CHECK(client.dead);
	start();
	ring.rsp_cons = 78;
	write_ring("\2\0\0\0\1\0\0\0\0\0\0\0\5\0\0\0name\0", 21);
	while (store_serve(&client)) continue;
	CHECK(client.dead && ring.rsp_prod == 77);
}

int main(void) {
	static const struct test tests[] = {
		{"reading, writing, directories", test_read_write},
		{"what is refused", test_refusals},
		{"watches", test_watches},
		{"transactions", test_transactions},
		{"a full store", test_full},
		{"guests that lie", test_lies},
	};

	return RUN("store", tests);
}
