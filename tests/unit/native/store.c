/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The store's semantics, as a table: who asks what, and what must come. A line is
 * one request of one client and the exact reply; "=" lines are messages that must
 * come of their own (watch events). Every case begins with a fresh store.
 */
#include "store_rig.h"

struct line {
	uint8_t client;
	uint8_t type; /* 0xff: nothing is asked, a watch event must come; 0xfe: none may */
	uint32_t tx;
	const char *payload;
	uint32_t size;
	const char *answer; /* with "!": the name of an error */
	uint32_t answer_size;
};

#define ASK(client, type, tx, payload, answer) \
	{ client, type, tx, payload, sizeof(payload) - 1, answer, sizeof(answer) - 1 }
#define EVENT(client, answer) \
	{ client, 0xff, 0, "", 0, answer, sizeof(answer) - 1 }
#define QUIET(client) \
	{ client, 0xfe, 0, "", 0, "", 0 }
#define OK "OK\0"

static const struct line reading[] = {
	ASK(G5, XS_READ, 0, "name\0", "g5"),
	ASK(G5, XS_READ, 0, "/local/domain/5/domid\0", "5"),
	ASK(G5, XS_READ, 0, "memory/target\0", "65536"),
	ASK(G5, XS_READ, 0, "memory/static-max\0", "131072"),
	ASK(G5, XS_READ, 0, "cpu/1/availability\0", "online"),
	ASK(G5, XS_READ, 0, "cpu/2/availability\0", "!ENOENT"),
	ASK(G5, XS_READ, 0, "store/port\0", "1"),
	ASK(G5, XS_READ, 0, "vm\0", "/vm/54455353-4552-4100-8000-000000000005"),
	ASK(G5, XS_READ, 0, "/vm/54455353-4552-4100-8000-000000000005/uuid\0",
	    "54455353-4552-4100-8000-000000000005"),
	ASK(G5, XS_DIRECTORY, 0, "device\0", "vbd\0vif\0suspend\0"),
	ASK(G5, XS_DIRECTORY, 0, "device/vbd\0", ""),
	ASK(G5, XS_DIRECTORY, 0, "cpu\0", "0\0001\0"),
	ASK(G5, XS_GET_PERMS, 0, "device\0", "n0\0r5\0"),
	ASK(G5, XS_GET_PERMS, 0, "data\0", "n5\0"),
	ASK(G5, XS_GET_DOMAIN_PATH, 0, "5\0", "/local/domain/5\0"),
	ASK(G5, XS_IS_DOMAIN_INTRODUCED, 0, "5\0", "T\0"),
	ASK(G5, XS_IS_DOMAIN_INTRODUCED, 0, "6\0", "F\0"),
	ASK(VBD, XS_IS_DOMAIN_INTRODUCED, 0, "6\0", "T\0"),
	ASK(G5, XS_DIRECTORY_PART, 0, "cpu\0000\0", "!!"),
	ASK(G5, XS_DIRECTORY_PART, 0, "cpu\000x\0", "!EINVAL"),
	ASK(G5, XS_DIRECTORY_PART, 0, "cpu\00099\0", "!EINVAL"),
};

static const struct line writing[] = {
	ASK(G5, XS_WRITE, 0, "control/feature-poweroff\0001", OK),
	ASK(G5, XS_READ, 0, "control/feature-poweroff\0", "1"),
	ASK(G5, XS_WRITE, 0, "data/a/b/c\0", OK),
	ASK(G5, XS_READ, 0, "data/a/b/c\0", ""),
	ASK(G5, XS_DIRECTORY, 0, "data/a\0", "b\0"),
	ASK(G5, XS_GET_PERMS, 0, "data/a/b\0", "n5\0"),
	ASK(G5, XS_WRITE, 0, "data/a\0long and binary \001\000\377", OK),
	ASK(G5, XS_READ, 0, "data/a\0", "long and binary \001\000\377"),
	ASK(G5, XS_MKDIR, 0, "data/d\0", OK),
	ASK(G5, XS_MKDIR, 0, "data/d\0", OK),
	ASK(G5, XS_MKDIR, 0, "name\0", OK),
	ASK(G5, XS_DIRECTORY, 0, "data\0", "a\0d\0"),
	ASK(G5, XS_RM, 0, "data/a\0", OK),
	ASK(G5, XS_READ, 0, "data/a/b/c\0", "!ENOENT"),
	ASK(G5, XS_RM, 0, "data/a\0", OK),
	ASK(G5, XS_RM, 0, "data/x/y\0", "!ENOENT"),
	ASK(G5, XS_DIRECTORY, 0, "data\0", "d\0"),
};

static const struct line refused[] = {
	ASK(G5, XS_READ, 0, "/local/domain/6/name\0", "!EACCES"),
	ASK(G5, XS_READ, 0, "/local/domain/77/name\0", "!EACCES"),
	ASK(G5, XS_DIRECTORY, 0, "/local/domain\0", "!EACCES"),
	ASK(G5, XS_DIRECTORY, 0, "/\0", "!EACCES"),
	ASK(G5, XS_READ, 0, "/local/domain/55\0", "!EACCES"),
	ASK(G5, XS_WRITE, 0, "/local/domain/6/data/x\0y", "!EACCES"),
	ASK(G5, XS_RM, 0, "/local/domain/6/data\0", "!EACCES"),
	ASK(G5, XS_WRITE, 0, "name\0root", "!EACCES"),
	ASK(G5, XS_WRITE, 0, "device/vbd/1/state\0001", "!EACCES"),
	ASK(G5, XS_MKDIR, 0, "mine\0", "!EACCES"),
	ASK(G5, XS_RM, 0, "device\0", "!EACCES"),
	ASK(G5, XS_RM, 0, "/local/domain/5\0", "!EINVAL"),
	ASK(G5, XS_RM, 0, "/\0", "!EINVAL"),
	ASK(G5, XS_READ, 0, "a//b\0", "!EINVAL"),
	ASK(G5, XS_READ, 0, "a/\0", "!EINVAL"),
	ASK(G5, XS_READ, 0, "sp ace\0", "!EINVAL"),
	ASK(G5, XS_READ, 0, "", "!EINVAL"),
	ASK(G5, XS_READ, 0, "\0", "!EINVAL"),
	ASK(G5, XS_READ, 0, "no end", "!EINVAL"),
	ASK(G5, XS_READ, 0, "@introduceDomain\0", "!EINVAL"),
	ASK(G5, XS_INTRODUCE, 0, "1\0002\0003\0", "!EACCES"),
	ASK(G5, XS_RELEASE, 0, "5\0", "!EACCES"),
	ASK(G5, XS_RESUME, 0, "5\0", "!EACCES"),
	ASK(G5, XS_SET_TARGET, 0, "5\0006\0", "!EACCES"),
	ASK(G5, XS_CONTROL, 0, "help\0", "!EACCES"),
	ASK(G5, XS_WATCH_EVENT, 0, "a\0b\0", "!ENOSYS"),
	ASK(G5, XS_ERROR, 0, "ENOENT\0", "!ENOSYS"),
	ASK(G5, 20, 0, "\0", "!ENOSYS"),
	ASK(G5, 99, 0, "", "!ENOSYS"),
	ASK(G5, XS_READ, 7, "name\0", "!ENOENT"),
	ASK(G5, XS_GET_DOMAIN_PATH, 0, "x\0", "!EINVAL"),
	ASK(VBD, XS_READ, 0, "/local/domain/5/name\0", "!EACCES"),
	ASK(VBD, XS_WRITE, 0, "/local/domain/5/device/vif/0/state\0001", "!EACCES"),
	ASK(VBD, XS_WRITE, 0, "/local/domain/77/device/vbd/0/state\0001", "!EACCES"),
	ASK(VBD, XS_WRITE, 0, "/local/domain/9x/device/vbd/0\0001", "!EACCES"),
};

static const struct line permissions[] = {
	ASK(G5, XS_SET_PERMS, 0, "data\0n6\0", "!EPERM"),
	ASK(G5, XS_SET_PERMS, 0, "name\0n5\0", "!EACCES"),
	ASK(G5, XS_SET_PERMS, 0, "data\0", "!EINVAL"),
	ASK(G5, XS_SET_PERMS, 0, "data\0x5\0", "!EINVAL"),
	ASK(G5, XS_SET_PERMS, 0, "data\0n5\0r6", "!EINVAL"),
	ASK(G5, XS_SET_PERMS, 0, "data\0n5\0r1\0r2\0r3\0r4\0r6\0r7\0", "!ENOSPC"),
	ASK(G5, XS_WRITE, 0, "data/x\0v", OK),
	ASK(G6, XS_READ, 0, "/local/domain/5/data/x\0", "!EACCES"),
	ASK(G5, XS_SET_PERMS, 0, "data/x\0n5\0r6\0", OK),
	ASK(G5, XS_GET_PERMS, 0, "data/x\0", "n5\0r6\0"),
	ASK(G6, XS_READ, 0, "/local/domain/5/data/x\0", "v"),
	ASK(G6, XS_WRITE, 0, "/local/domain/5/data/x\0w", "!EACCES"),
	ASK(G5, XS_SET_PERMS, 0, "data/x\0n5\0b6\0", OK),
	ASK(G6, XS_WRITE, 0, "/local/domain/5/data/x\0w", OK),
	/* What somebody makes is his; the rest is inherited. */
	ASK(G6, XS_WRITE, 0, "/local/domain/5/data/x/y\0w", OK),
	ASK(G5, XS_GET_PERMS, 0, "data/x/y\0", "!EACCES"),
	ASK(G6, XS_GET_PERMS, 0, "/local/domain/5/data/x/y\0", "n6\0b6\0"),
	ASK(G5, XS_RM, 0, "data/x\0", OK),
	/* Everybody: */
	ASK(G5, XS_WRITE, 0, "data/z\0v", OK),
	ASK(G5, XS_SET_PERMS, 0, "data/z\0r5\0n6\0", OK),
	ASK(G6, XS_READ, 0, "/local/domain/5/data/z\0", "!EACCES"),
	ASK(VBD, XS_READ, 0, "/local/domain/5/data/z\0", "v"),
};

static const struct line devices[] = {
	ASK(VBD, XS_WRITE, 0, "backend/vbd/5/51712/frontend\0/local/domain/5/device/vbd/51712", OK),
	ASK(VBD, XS_SET_PERMS, 0, "backend/vbd/5/51712\0n9\0r5\0", OK),
	ASK(VBD, XS_WRITE, 0, "backend/vbd/5/51712/state\0001", OK),
	ASK(G5, XS_READ, 0, "/local/domain/9/backend/vbd/5/51712/state\0", "1"),
	ASK(G5, XS_WRITE, 0, "/local/domain/9/backend/vbd/5/51712/state\0004", "!EACCES"),
	ASK(G6, XS_READ, 0, "/local/domain/9/backend/vbd/5/51712/state\0", "!EACCES"),
	ASK(G5, XS_WATCH, 0, "device\0dev\0", OK),
	EVENT(G5, "device\0dev\0"),
	ASK(VBD, XS_MKDIR, 0, "/local/domain/5/device/vbd/51712\0", OK),
	EVENT(G5, "device/vbd/51712\0dev\0"),
	ASK(VBD, XS_SET_PERMS, 0, "/local/domain/5/device/vbd/51712\0n5\0r9\0", OK),
	EVENT(G5, "device/vbd/51712\0dev\0"),
	ASK(VBD, XS_WRITE, 0, "/local/domain/5/device/vbd/51712/state\0001", OK),
	EVENT(G5, "device/vbd/51712/state\0dev\0"),
	ASK(VBD, XS_GET_PERMS, 0, "/local/domain/5/device/vbd/51712/state\0", "n5\0r9\0"),
	ASK(VBD, XS_WATCH, 0, "/local/domain/5/device/vbd/51712/state\0t\0", OK),
	EVENT(VBD, "/local/domain/5/device/vbd/51712/state\0t\0"),
	ASK(G5, XS_WRITE, 0, "device/vbd/51712/ring-ref\0008", OK),
	EVENT(G5, "device/vbd/51712/ring-ref\0dev\0"),
	ASK(G5, XS_WRITE, 0, "device/vbd/51712/state\0003", OK),
	EVENT(G5, "device/vbd/51712/state\0dev\0"),
	EVENT(VBD, "/local/domain/5/device/vbd/51712/state\0t\0"),
	ASK(VBD, XS_READ, 0, "/local/domain/5/device/vbd/51712/ring-ref\0", "8"),
	ASK(VBD, XS_DIRECTORY, 0, "/local/domain/5/device/vbd\0", "51712\0"),
	ASK(VBD, XS_RM, 0, "/local/domain/5/device/vbd/51712\0", OK),
	EVENT(G5, "device/vbd/51712\0dev\0"),
	EVENT(VBD, "/local/domain/5/device/vbd/51712/state\0t\0"),
	QUIET(G6),
};

static const struct line watches[] = {
	ASK(G5, XS_WATCH, 0, "control/shutdown\0tok\0", OK),
	EVENT(G5, "control/shutdown\0tok\0"),
	QUIET(G5),
	ASK(G5, XS_WATCH, 0, "control/shutdown\0tok\0", "!EEXIST"),
	ASK(G5, XS_WRITE, 0, "/local/domain/5/control/shutdown\0poweroff", OK),
	EVENT(G5, "control/shutdown\0tok\0"),
	/* An absolute watch reports absolute paths; what is below counts. */
	ASK(G5, XS_WATCH, 0, "/local/domain/5/data\0t2\0", OK),
	EVENT(G5, "/local/domain/5/data\0t2\0"),
	ASK(G5, XS_WRITE, 0, "data/x/y\0v", OK),
	EVENT(G5, "/local/domain/5/data/x/y\0t2\0"),
	ASK(G5, XS_WATCH, 0, "data/x/y\0t3\0", OK),
	EVENT(G5, "data/x/y\0t3\0"),
	/* The end of an ancestor is reported with the watched path. */
	ASK(G5, XS_RM, 0, "data/x\0", OK),
	EVENT(G5, "/local/domain/5/data/x\0t2\0"),
	EVENT(G5, "data/x/y\0t3\0"),
	ASK(G5, XS_RM, 0, "data/x\0", OK),
	QUIET(G5),
	/* A name that begins like it is another one. */
	ASK(G5, XS_WRITE, 0, "data/xx\0v", OK),
	EVENT(G5, "/local/domain/5/data/xx\0t2\0"),
	QUIET(G5),
	ASK(G5, XS_SET_PERMS, 0, "data/xx\0n5\0", OK),
	EVENT(G5, "/local/domain/5/data/xx\0t2\0"),
	ASK(G5, XS_UNWATCH, 0, "/local/domain/5/data\0t2\0", OK),
	ASK(G5, XS_UNWATCH, 0, "/local/domain/5/data\0t2\0", "!ENOENT"),
	ASK(G5, XS_UNWATCH, 0, "control/shutdown\0other\0", "!ENOENT"),
	ASK(G5, XS_WATCH, 0, "data\0", "!EINVAL"),
	ASK(G5, XS_WATCH, 0, "data\0t\0002\0", "!EINVAL"),
	ASK(G5, XS_WATCH, 0, "@releaseDomain\0r\0", OK),
	EVENT(G5, "@releaseDomain\0r\0"),
	ASK(G5, XS_WATCH, 0, "@other\0r\0", "!EINVAL"),
	/* Another's part: registered, silent. */
	ASK(G5, XS_WATCH, 0, "/local/domain/6/data\0s\0", OK),
	EVENT(G5, "/local/domain/6/data\0s\0"),
	ASK(G6, XS_WRITE, 0, "data/secret\0v", OK),
	QUIET(G5),
	ASK(G5, XS_RESET_WATCHES, 0, "\0", OK),
	ASK(G5, XS_WRITE, 0, "control/shutdown\0", OK),
	QUIET(G5),
};

static const struct line transactions[] = {
	ASK(G5, XS_WATCH, 0, "data\0w\0", OK),
	EVENT(G5, "data\0w\0"),
	ASK(G5, XS_TRANSACTION_START, 0, "\0", "1\0"),
	ASK(G5, XS_TRANSACTION_START, 1, "\0", "!EBUSY"),
	ASK(G5, XS_WRITE, 1, "data/a\0new", OK),
	ASK(G5, XS_WRITE, 1, "data/b\0new", OK),
	QUIET(G5),
	ASK(G5, XS_READ, 0, "data/a\0", "!ENOENT"),
	ASK(G5, XS_READ, 1, "data/a\0", "new"),
	ASK(G5, XS_DIRECTORY, 1, "data\0", "a\0b\0"),
	ASK(G5, XS_RM, 1, "data/b\0", OK),
	ASK(G5, XS_DIRECTORY, 1, "data\0", "a\0"),
	ASK(G5, XS_DIRECTORY, 0, "data\0", ""),
	ASK(G5, XS_TRANSACTION_END, 1, "T\0", OK),
	EVENT(G5, "data/a\0w\0"),
	EVENT(G5, "data/b\0w\0"),
	ASK(G5, XS_READ, 0, "data/a\0", "new"),
	ASK(G5, XS_READ, 1, "data/a\0", "!ENOENT"),
	/* A change in between: it has to try again. */
	ASK(G5, XS_TRANSACTION_START, 0, "\0", "2\0"),
	ASK(G5, XS_READ, 2, "data/a\0", "new"),
	ASK(G5, XS_WRITE, 0, "data/a\0x", OK),
	EVENT(G5, "data/a\0w\0"),
	ASK(G5, XS_WRITE, 2, "data/c\0x", OK),
	ASK(G5, XS_TRANSACTION_END, 2, "T\0", "!EAGAIN"),
	ASK(G5, XS_READ, 0, "data/c\0", "!ENOENT"),
	ASK(G5, XS_TRANSACTION_END, 2, "T\0", "!ENOENT"),
	/* One that is elsewhere, or of somebody else, is no conflict. */
	ASK(G5, XS_TRANSACTION_START, 0, "\0", "3\0"),
	ASK(G5, XS_READ, 3, "data/a\0", "x"),
	ASK(G5, XS_WRITE, 0, "data/d\0x", OK),
	EVENT(G5, "data/d\0w\0"),
	ASK(G6, XS_WRITE, 0, "data/a\0x", OK),
	ASK(G5, XS_WRITE, 3, "data/a\0y", OK),
	ASK(G5, XS_TRANSACTION_END, 3, "T\0", OK),
	EVENT(G5, "data/a\0w\0"),
	/* That something is not there counts, too. */
	ASK(G5, XS_TRANSACTION_START, 0, "\0", "4\0"),
	ASK(G5, XS_READ, 4, "data/e\0", "!ENOENT"),
	ASK(G5, XS_WRITE, 0, "data/e\0x", OK),
	EVENT(G5, "data/e\0w\0"),
	ASK(G5, XS_TRANSACTION_END, 4, "T\0", "!EAGAIN"),
	/* Given up: as if nothing had been. */
	ASK(G5, XS_TRANSACTION_START, 0, "\0", "5\0"),
	ASK(G5, XS_RM, 5, "data/a\0", OK),
	ASK(G5, XS_TRANSACTION_END, 5, "X\0", "!EINVAL"),
	ASK(G5, XS_TRANSACTION_END, 5, "F\0", OK),
	ASK(G5, XS_READ, 0, "data/a\0", "y"),
	QUIET(G5),
	/* Permissions hold in it, and nobody can use another's. */
	ASK(G5, XS_TRANSACTION_START, 0, "\0", "6\0"),
	ASK(G5, XS_WRITE, 6, "name\0x", "!EACCES"),
	ASK(G6, XS_WRITE, 6, "data/a\0x", "!ENOENT"),
	ASK(G5, XS_TRANSACTION_END, 6, "T\0", OK),
};

static void run_line(const struct line *line, const char *table, size_t number) {
	static struct message m;
	static uint32_t next_id;
	bool good, came;

	if (line->type < 0xfe) {
		rig_send(line->client, line->type, ++next_id, line->tx, line->payload, line->size);
		good = rig_receive(line->client, &m) && m.header.req_id == next_id &&
		       m.header.tx_id == line->tx;
		if (line->answer_size && line->answer[0] == '!' && line->answer[1] != '!')
			good &= m.header.type == XS_ERROR && m.header.len == line->answer_size &&
				!strcmp(m.payload, line->answer + 1);
		else if (!line->answer_size || line->answer[0] != '!')
			good &= m.header.type == line->type && m.header.len == line->answer_size &&
				!memcmp(m.payload, line->answer, line->answer_size);
		else
			good &= m.header.type == line->type;
	} else {
		came = rig_receive(line->client, &m);
		good = came == (line->type == 0xff);
		if (came && good)
			good = m.header.type == XS_WATCH_EVENT && !m.header.req_id &&
			       !m.header.tx_id && m.header.len == line->answer_size &&
			       !memcmp(m.payload, line->answer, line->answer_size);
	}
	if (!good) {
		printf("# %s, line %zu (%s): type %u, %u bytes: %s\n", table, number, line->payload,
		       m.header.type, m.header.len, m.payload);
		CHECK(!"the answer is the right one");
	}
	CHECK(!boat_check());
}

#define TABLE(table)                                                                           \
	static void test_##table(void) {                                                       \
		rig_start();                                                                   \
		for (size_t i = 0; i < ARRAY_SIZE(table); i++) run_line(&table[i], #table, i); \
	}

TABLE(reading)
TABLE(writing)
TABLE(refused)
TABLE(permissions)
TABLE(devices)
TABLE(watches)
TABLE(transactions)

static struct message answer;

static void ask(unsigned n, uint32_t type, uint32_t tx, const void *payload, uint32_t size) {
	rig_send(n, type, 1, tx, payload, size);
	do {
		CHECK(rig_receive(n, &answer));
	} while (answer.header.type == XS_WATCH_EVENT);
}

/* With the literal's NUL. */
#define ASKS(n, type, tx, payload) ask(n, type, tx, payload, sizeof(payload))

static bool failed(const char *error) {
	return answer.header.type == XS_ERROR && !strcmp(answer.payload, error);
}

/* Whatever a guest uses up is its own. */
static void test_quotas(void) {
	char text[3000];
	uint32_t length, i;

	rig_start();
	memset(text, 'x', sizeof(text));
	strcpy(text, "data/v");
	ask(G5, XS_WRITE, 0, text, 7 + STORE_VALUE);
	CHECK(answer.header.type == XS_WRITE);
	ask(G5, XS_WRITE, 0, text, 7 + STORE_VALUE + 1);
	CHECK(failed("ENOSPC"));
	for (i = 0; i < 5000; i++) {
		length = (uint32_t)rt_format(text, sizeof(text), "data/n%u", i) + 1;
		ask(G5, XS_WRITE, 0, text, length);
		if (answer.header.type == XS_ERROR) break;
	}
	CHECK(failed("ENOSPC") && i > 60);
	ASKS(G5, XS_DIRECTORY, 0, "data");
	CHECK(i > 700 ? failed("E2BIG") : answer.header.type == XS_DIRECTORY);
	ASKS(G5, XS_TRANSACTION_START, 0, "");
	CHECK(failed("ENOSPC"));
	ASKS(G5, XS_READ, 0, "name");
	CHECK(answer.header.type == XS_READ);
	/* The other one has all of its part. */
	memset(text, 'x', sizeof(text));
	strcpy(text, "data/v");
	ask(G6, XS_WRITE, 0, text, 7 + 500);
	CHECK(answer.header.type == XS_WRITE);
	ASKS(G5, XS_RM, 0, "data");
	CHECK(answer.header.type == XS_RM && !boat_check());
	for (i = 0; i < 500; i++) {
		length = (uint32_t)rt_format(text, sizeof(text), "/local/domain/5/w%u", i) + 1;
		text[length++] = 't';
		text[length++] = '\0';
		ask(G5, XS_WATCH, 0, text, length);
		if (answer.header.type == XS_ERROR) break;
	}
	CHECK(failed("E2BIG") && i == boat_watch_quota(boat_client(G5)));
	for (i = 0; i < 50; i++) {
		ASKS(G5, XS_TRANSACTION_START, 0, "");
		if (answer.header.type == XS_ERROR) break;
	}
	CHECK(failed("ENOSPC") && i == boat_transaction_quota(boat_client(G5)));
	for (i = 0; i < 300; i++) {
		ASKS(G6, XS_TRANSACTION_START, 0, "");
		CHECK(answer.header.type == XS_TRANSACTION_START);
		length = (uint32_t)atoi(answer.payload);
		ASKS(G6, XS_WRITE, length, "data/q\0x");
		CHECK(answer.header.type == XS_WRITE);
		ASKS(G6, XS_TRANSACTION_END, length, "T");
		CHECK(answer.header.type == XS_TRANSACTION_END);
	}
	CHECK(!boat_check());
}

/* A client that does not read: events are kept, each once, then the watch as a whole. */
static void test_slow(void) {
	char text[64];
	unsigned own = 0, whole = 0;

	rig_start();
	ASKS(VBD, XS_MKDIR, 0, "/local/domain/5/device/vbd/1");
	ASKS(VBD, XS_SET_PERMS, 0, "/local/domain/5/device/vbd/1\0n5");
	ASKS(VBD, XS_WATCH, 0, "/local/domain/5/device/vbd\0w");
	CHECK(rig_receive(VBD, &answer) && answer.header.type == XS_WATCH_EVENT);
	for (unsigned round = 0; round < 2; round++)
		for (unsigned i = 0; i < 400; i++) {
			uint32_t length =
				1 + (uint32_t)rt_format(text, sizeof(text), "device/vbd/1/n%u", i);

			rig_send(G5, XS_WRITE, 1, 0, text, length);
			while (!rig_serve(G5) && rig->ring[G5].rsp_cons == rig->ring[G5].rsp_prod)
				continue;
			rig->ring[G5].rsp_cons = rig->ring[G5].rsp_prod;
			rig_serve(G5);
			rig->ring[G5].rsp_cons = rig->ring[G5].rsp_prod;
		}
	CHECK(!boat_check());
	while (rig_receive(VBD, &answer)) {
		CHECK(answer.header.type == XS_WATCH_EVENT);
		if (strcmp(answer.payload, "/local/domain/5/device/vbd"))
			own++;
		else
			whole++;
	}
	CHECK(own >= 200 && own < 400 && whole == 1 && !boat_check());
}

static void test_lies(void) {
	const struct xsd_sockmsg too_long = {.type = XS_READ, .len = XENSTORE_PAYLOAD_MAX + 1};

	rig_start();
	rig->ring[G5].req_prod += XENSTORE_RING_SIZE + 1;
	rig_settle();
	CHECK(boat_client(G5)->state == CLIENT_BROKEN);
	CHECK(rig->ring[G5].error == XENSTORE_ERROR_RINGIDX);
	ASKS(G6, XS_READ, 0, "name");
	CHECK(answer.header.type == XS_READ);
	/* It may begin anew. */
	rig->ring[G5].connection = XENSTORE_RECONNECT;
	rig_settle();
	CHECK(!rig->ring[G5].connection && !rig->ring[G5].error && !rig->ring[G5].req_prod);
	ASKS(G5, XS_READ, 0, "name");
	CHECK(answer.header.type == XS_READ);

	rig_start();
	memcpy(rig->ring[G6].req, &too_long, sizeof(too_long));
	rig->ring[G6].req_prod += sizeof(too_long);
	rig_settle();
	CHECK(boat_client(G6)->state == CLIENT_BROKEN);
	CHECK(rig->ring[G6].error == XENSTORE_ERROR_PROTO);
	rig_start();
	rig->ring[G5].rsp_cons = 78;
	rig_send(G5, XS_READ, 1, 0, "name", 5);
	rig_settle();
	CHECK(boat_client(G5)->state == CLIENT_BROKEN && rig->ring[G5].rsp_prod == 77);
	CHECK(!boat_check());
}

/* Guests end and start again; natives begin anew. */
static void test_peers(void) {
	rig_start();
	ASKS(VBD, XS_WATCH, 0, "/local/domain/5/device/vbd\0w");
	CHECK(rig_receive(VBD, &answer) && answer.header.type == XS_WATCH_EVENT);
	ASKS(VBD, XS_WATCH, 0, "@releaseDomain\0r");
	CHECK(rig_receive(VBD, &answer) && answer.header.type == XS_WATCH_EVENT);
	ASKS(G5, XS_WRITE, 0, "data/x\0y");
	ASKS(G5, XS_TRANSACTION_START, 0, "");
	connection_detach(&connections[G5]);
	CHECK(!boat_check() && !boat_client(G5)->home);
	CHECK(rig_receive(VBD, &answer) && answer.header.type == XS_WATCH_EVENT);
	CHECK(!strcmp(answer.payload, "/local/domain/5/device/vbd"));
	CHECK(rig_receive(VBD, &answer) && !strcmp(answer.payload, "@releaseDomain"));
	ASKS(VBD, XS_MKDIR, 0, "/local/domain/5/device/vbd/1");
	CHECK(failed("EACCES"));
	ASKS(VBD, XS_IS_DOMAIN_INTRODUCED, 0, "5");
	CHECK(!strcmp(answer.payload, "F"));
	memset(&rig->ring[G5], 0, sizeof(rig->ring[G5]));
	connection_attach(&connections[G5], &rig->ring[G5], 2, &rig_facts);
	CHECK(rig_receive(VBD, &answer) && answer.header.type == XS_WATCH_EVENT);
	CHECK(!strcmp(answer.payload, "/local/domain/5/device/vbd"));
	ASKS(G5, XS_READ, 0, "data/x");
	CHECK(failed("ENOENT"));
	ASKS(VBD, XS_WRITE, 0, "backend/k\0v");
	rig->ring[VBD].connection = XENSTORE_RECONNECT;
	rig_settle();
	CHECK(!rig->ring[VBD].connection && !boat_client(VBD)->watches && !boat_check());
	ASKS(VBD, XS_READ, 0, "backend/k");
	CHECK(answer.header.type == XS_READ);
}

int main(void) {
	static const struct test tests[] = {
		{"reading", test_reading},
		{"writing", test_writing},
		{"what is refused", test_refused},
		{"permissions", test_permissions},
		{"devices", test_devices},
		{"watches", test_watches},
		{"transactions", test_transactions},
		{"quotas", test_quotas},
		{"a client that does not read", test_slow},
		{"clients that lie", test_lies},
		{"clients that come and go", test_peers},
	};

	rig = aligned_alloc(64, ROUND_UP(sizeof(*rig), 64));
	return RUN("store", tests);
}
