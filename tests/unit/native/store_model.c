/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Random requests of three clients against a slow reference: a list of paths, and
 * rules written down a second time, as docs/store.md states them. Every reply and
 * every watch event must be the expected one. The store is replaced by a successor
 * at random moments.
 *
 * Transactions are judged by what they promise. One that commits must have seen
 * exactly what it would have seen if all of it had happened at that moment; one
 * that fails must have met a change of somebody else to a node that it named.
 */
#include "store_rig.h"

#define ROUNDS    60000U
#define NODES     600U
#define PATH      96U
#define WATCHES   12U
#define OPEN      3U
#define LIST      24U
#define EXPECTED  64U
#define VALUE_MAX 200U

struct node {
	char path[PATH];
	char value[VALUE_MAX];
	uint32_t length, count, permission[STORE_PERMS];
};

struct tree {
	uint32_t count;
	struct node node[NODES];
};

struct request_made {
	uint32_t type;
	char payload[2 * PATH + VALUE_MAX];
	uint32_t length;
	struct message reply;
};

static struct tree tree;

/* When each path was last changed, its children's coming and going included. */
static struct change {
	char path[PATH];
	uint64_t time;
} change[4000];
static uint32_t changes;
static uint64_t now;

static struct { char path[PATH], token[8]; } watch[RIG_CLIENTS][WATCHES];

static struct open_transaction {
	uint32_t id, count;
	uint64_t began;
	struct request_made list[LIST];
} opened[RIG_CLIENTS][OPEN];

/* Events that must come: path NUL token. */
static struct {
	uint32_t count;
	char text[EXPECTED][PATH + 8];
	uint32_t length[EXPECTED];
} expected[RIG_CLIENTS];

/* --- the reference --- */

static bool below(const char *path, const char *top) {
	size_t length = strlen(top);

	return !strcmp(top, "/") ||
	       (!strncmp(path, top, length) && (!path[length] || path[length] == '/'));
}

static struct node *find(const char *path) {
	for (uint32_t i = 0; i < tree.count; i++)
		if (!strcmp(tree.node[i].path, path)) return &tree.node[i];
	return NULL;
}

static void parent_of(const char *path, char parent[PATH]) {
	strcpy(parent, path);
	*strrchr(parent, '/') = '\0';
	if (!*parent) strcpy(parent, "/");
}

static struct node *closest(const char *path) {
	char text[PATH];
	struct node *node;

	strcpy(text, path);
	while (!(node = find(text))) parent_of(text, text);
	return node;
}

static bool is_device(unsigned n, const char *path) {
	return n == VBD && (below(path, "/local/domain/5/device/vbd") ||
			    below(path, "/local/domain/6/device/vbd"));
}

static uint32_t may(unsigned n, const char *path, const struct node *node) {
	uint16_t domid = rig_peers[n].domid;

	if (is_device(n, path) || PERMISSION_DOMID(node->permission[0]) == domid) return 3;
	for (uint32_t i = 1; i < node->count; i++)
		if (PERMISSION_DOMID(node->permission[i]) == domid)
			return PERMISSION_MAY(node->permission[i]);
	return PERMISSION_MAY(node->permission[0]);
}

static void touch(const char *path) {
	uint32_t i = 0;

	while (i < changes && strcmp(change[i].path, path) != 0) i++;
	CHECK(i < ARRAY_SIZE(change));
	if (i == changes) strcpy(change[changes++].path, path);
	change[i].time = ++now;
}

static void absolute(unsigned n, const char *given, char path[PATH]) {
	if (given[0] == '/')
		strcpy(path, given);
	else
		snprintf(path, PATH, "/local/domain/%u/%.60s", rig_peers[n].domid, given);
}

static void expect(unsigned n, const char *path, const char *token) {
	uint32_t i = expected[n].count;
	char text[PATH + 8] = {0};
	uint32_t length = (uint32_t)snprintf(text, sizeof(text), "%s%c%s", path, 0, token) + 1;

	for (uint32_t k = 0; k < i; k++)
		if (expected[n].length[k] == length && !memcmp(expected[n].text[k], text, length))
			return;
	CHECK(i < EXPECTED);
	memcpy(expected[n].text[i], text, sizeof(text));
	expected[n].length[i] = length;
	expected[n].count++;
}

static bool quiet; /* a transaction that is being checked */

static void fire(const char *path, bool removed) {
	for (unsigned n = 0; n < RIG_CLIENTS && !quiet; n++)
		for (unsigned w = 0; w < WATCHES; w++) {
			const char *given = watch[n][w].path;
			char watched[PATH], home[PATH];
			const struct node *node;

			if (!*given) continue;
			absolute(n, given, watched);
			absolute(n, "", home);
			node = find(watched);
			if (below(path, watched)) {
				if (may(n, path, find(path)) & MAY_READ)
					expect(n, given[0] == '/' ? path : path + strlen(home),
					       watch[n][w].token);
			} else if (removed && below(watched, path) && node &&
				   may(n, watched, node) & MAY_READ) {
				expect(n, given, watch[n][w].token);
			}
		}
}

static struct node *make(unsigned n, const char *path) {
	struct node *above, *node = find(path);
	char parent[PATH];

	if (node) return node;
	parent_of(path, parent);
	above = make(n, parent);
	CHECK(tree.count < NODES);
	node = &tree.node[tree.count++];
	memset(node, 0, sizeof(*node));
	strcpy(node->path, path);
	node->count = above->count;
	memcpy(node->permission, above->permission, sizeof(node->permission));
	if (!is_device(n, path))
		node->permission[0] =
			PERMISSION(rig_peers[n].domid, PERMISSION_MAY(above->permission[0]));
	touch(parent);
	touch(path);
	return node;
}

static void remove_below(const char *top) {
	uint32_t kept = 0;
	char parent[PATH];

	for (uint32_t i = 0; i < tree.count; i++)
		if (below(tree.node[i].path, top))
			touch(tree.node[i].path);
		else
			tree.node[kept++] = tree.node[i];
	tree.count = kept;
	parent_of(top, parent);
	touch(parent);
}

/* --- what each request does; the reply's payload, or the error's name behind '!' --- */

static char answer[XENSTORE_PAYLOAD_MAX];
static uint32_t answer_length;

static void say(const char *text) {
	answer_length = (uint32_t)strlen(text) + (text[0] != '!');
	strcpy(answer, text);
}

static void reading(uint32_t type, const struct node *node) {
	size_t length = strcmp(node->path, "/") ? strlen(node->path) : 0;

	answer_length = 0;
	if (type == XS_READ) {
		memcpy(answer, node->value, node->length);
		answer_length = node->length;
	}
	for (uint32_t i = 0; type == XS_GET_PERMS && i < node->count; i++)
		answer_length += 1 + (uint32_t)sprintf(answer + answer_length, "%c%u",
						       "nrwb"[PERMISSION_MAY(node->permission[i])],
						       PERMISSION_DOMID(node->permission[i]));
	for (uint32_t i = 0; type == XS_DIRECTORY && i < tree.count; i++) {
		const char *path = tree.node[i].path;

		if (strcmp(path, node->path) && below(path, node->path) &&
		    !strchr(path + length + 1, '/'))
			answer_length += 1 + (uint32_t)sprintf(answer + answer_length, "%s",
							       path + length + 1);
	}
}

static void removing(unsigned n, const char *path, const struct node *node) {
	char home[PATH], parent[PATH];

	absolute(n, "", home);
	home[strlen(home) - 1] = '\0';
	if (!strcmp(path, "/") || (node && !strcmp(path, home))) {
		say("!EINVAL");
	} else if (node && !(may(n, path, node) & MAY_WRITE)) {
		say("!EACCES");
	} else if (node) {
		fire(path, true);
		remove_below(path);
	} else if (!(may(n, path, closest(path)) & MAY_READ)) {
		say("!EACCES");
	} else {
		parent_of(path, parent);
		if (!find(parent)) say("!ENOENT");
	}
}

static void permitting(unsigned n, const char *path, struct node *node, const char *list,
		       uint32_t length) {
	uint32_t permission[STORE_PERMS], count = 0;
	uint16_t owner = PERMISSION_DOMID(node->permission[0]);

	if (owner != rig_peers[n].domid && !is_device(n, path)) {
		say("!EACCES");
		return;
	}
	for (const char *p = list; p < list + length; p += strlen(p) + 1)
		permission[count++] =
			PERMISSION((uint32_t)atoi(p + 1), (uint32_t)(strchr("nrwb", *p) - "nrwb"));
	if (PERMISSION_DOMID(permission[0]) != owner && !is_device(n, path)) {
		say("!EPERM");
		return;
	}
	node->count = count;
	memcpy(node->permission, permission, sizeof(permission));
	touch(path);
	fire(path, false);
}

static void refer(unsigned n, uint32_t type, const char *payload, uint32_t length) {
	const char *rest = payload + strlen(payload) + 1;
	uint32_t left = length - (uint32_t)(rest - payload);
	char path[PATH];
	struct node *node;

	absolute(n, payload, path);
	node = find(path);
	say("OK");
	if (type == XS_RM) {
		removing(n, path, node);
	} else if (type == XS_WRITE || type == XS_MKDIR) {
		if (type == XS_MKDIR && node && may(n, path, node) & MAY_READ) return;
		if (!(may(n, path, closest(path)) & MAY_WRITE)) {
			say("!EACCES");
			return;
		}
		if (type == XS_MKDIR && node) return;
		node = make(n, path);
		if (type == XS_WRITE) {
			memcpy(node->value, rest, left);
			node->length = left;
			touch(path);
		}
		fire(path, false);
	} else if (!(may(n, path, node ? node : closest(path)) & MAY_READ)) {
		say("!EACCES");
	} else if (!node) {
		say("!ENOENT");
	} else if (type == XS_SET_PERMS) {
		permitting(n, path, node, rest, left);
	} else {
		reading(type, node);
	}
}

/* --- the tree as the store begins with --- */

static void import(uint32_t index, const char *path) {
	const struct block *block = boat_block(index);
	struct node *node = &tree.node[tree.count++];

	strcpy(node->path, *path ? path : "/");
	node->length = pool_read(index, node->value, sizeof(node->value));
	node->count = block->h.count;
	memcpy(node->permission, block->node.permission, sizeof(node->permission));
	for (uint32_t i = block->node.child; i; i = boat_block(i)->h.next) {
		char below_it[PATH];

		snprintf(below_it, sizeof(below_it), "%s/%s", path, boat_block(i)->node.name);
		import(i, below_it);
	}
}

/* --- making requests --- */

static void random_path(char *path) {
	static const char *const tops[] = {"data",
					   "data",
					   "/local/domain/5/data",
					   "/local/domain/6/data",
					   "/local/domain/5/device/vbd",
					   "device/vbd",
					   "backend",
					   "/local/domain/9/backend",
					   "control/shutdown",
					   "/local/domain/6/device/vbd",
					   "/",
					   "memory",
					   "/local/domain/7"};
	const char *top = tops[noise() % ARRAY_SIZE(tops)];

	strcpy(path, top);
	for (unsigned depth = noise() % 4; depth; depth--) {
		char name[3] = {'/', (char)('a' + noise() % 3), 0};

		strcat(path, path[strlen(path) - 1] == '/' ? name + 1 : name);
	}
}

static void random_request(struct request_made *r) {
	static const uint32_t types[] = {XS_READ,  XS_DIRECTORY, XS_GET_PERMS,
					 XS_WRITE, XS_WRITE,     XS_WRITE,
					 XS_MKDIR, XS_RM,        XS_SET_PERMS};
	static const char *const lists[] = {"n5\0r6\0r9", "n6\0b5\0r9", "n9\0r5\0r6",
					    "b5\0n6\0r9", "r6\0w5\0r9", "n9\0r5\0b6"};

	memset(r, 0, sizeof(*r));
	r->type = types[noise() % ARRAY_SIZE(types)];
	random_path(r->payload);
	r->length = (uint32_t)strlen(r->payload) + 1;
	if (r->type == XS_WRITE) {
		uint32_t size = noise() % 8 ? noise() % 8 : noise() % VALUE_MAX;

		for (uint32_t i = 0; i < size; i++) r->payload[r->length++] = (char)noise();
	} else if (r->type == XS_SET_PERMS) {
		memcpy(r->payload + r->length, lists[noise() % ARRAY_SIZE(lists)], 9);
		r->length += 9;
	}
}

static void send(unsigned n, struct request_made *r, uint32_t transaction) {
	static uint32_t id;

	rig_send(n, r->type, ++id, transaction, r->payload, r->length);
	if (noise() % 16 == 0) CHECK(!rig_run());
	do {
		CHECK(rig_receive(n, &r->reply));
		/* An event of before: all of them have been taken. */
	} while (r->reply.header.type == XS_WATCH_EVENT);
	CHECK(r->reply.header.req_id == id && r->reply.header.tx_id == transaction);
}

static bool as_expected(const struct message *m, uint32_t type) {
	if (answer_length && answer[0] == '!' && m->header.type == XS_ERROR)
		return m->header.len == answer_length && !strcmp(m->payload, answer + 1);
	return m->header.type == type && m->header.len == answer_length &&
	       !memcmp(m->payload, answer, answer_length);
}

static void complain(unsigned n, const struct request_made *r) {
	printf("# client %u, type %u, %s: got type %u, %u bytes: %s; expected %u bytes: %.*s\n", n,
	       r->type, r->payload, r->reply.header.type, r->reply.header.len, r->reply.payload,
	       answer_length, (int)answer_length, answer);
	CHECK(!"the store does as the reference");
}

static void check_events(void) {
	static struct message m;

	for (unsigned n = 0; n < RIG_CLIENTS; n++) {
		while (rig_receive(n, &m)) {
			uint32_t i = 0;

			CHECK(m.header.type == XS_WATCH_EVENT);
			while (i < expected[n].count &&
			       (expected[n].length[i] != m.header.len ||
				memcmp(expected[n].text[i], m.payload, m.header.len) != 0))
				i++;
			if (i == expected[n].count) {
				printf("# client %u: unexpected event %s\n", n, m.payload);
				CHECK(!"an event that is due");
			}
			expected[n].length[i] = 0;
		}
		for (uint32_t i = 0; i < expected[n].count; i++) {
			if (expected[n].length[i])
				printf("# client %u: no event %s\n", n, expected[n].text[i]);
			CHECK(!expected[n].length[i]);
		}
		expected[n].count = 0;
	}
}

/* --- transactions --- */

static uint64_t commits, conflicts;

/* Whether the transaction would see something else now. */
static bool differs(unsigned n, const struct open_transaction *t) {
	static struct tree before;
	static struct change change_before[ARRAY_SIZE(change)];
	uint32_t changes_before = changes;
	uint64_t now_before = now;
	bool different = false;

	before = tree;
	memcpy(change_before, change, changes * sizeof(change[0]));
	quiet = true;
	for (uint32_t i = 0; i < t->count; i++) {
		refer(n, t->list[i].type, t->list[i].payload, t->list[i].length);
		different |= !as_expected(&t->list[i].reply, t->list[i].type);
	}
	quiet = false;
	tree = before;
	changes = changes_before;
	memcpy(change, change_before, changes * sizeof(change[0]));
	now = now_before;
	return different;
}

static void transaction_ends(unsigned n, struct open_transaction *t) {
	struct request_made end = {.type = XS_TRANSACTION_END, .length = 2};
	bool commit = noise() % 8, justified = commit && differs(n, t);

	end.payload[0] = commit ? 'T' : 'F';
	rig_send(n, end.type, 1, t->id, end.payload, 2);
	rig_settle();
	for (uint32_t i = 0; i < t->count; i++) {
		char path[PATH];

		absolute(n, t->list[i].payload, path);
		for (uint32_t k = 0; k < changes; k++)
			justified |= change[k].time > t->began && !strcmp(change[k].path, path);
	}
	CHECK(rig_receive(n, &end.reply) && end.reply.header.tx_id == t->id);
	if (!commit) {
		CHECK(end.reply.header.type == XS_TRANSACTION_END);
	} else if (end.reply.header.type == XS_ERROR) {
		if (strcmp(end.reply.payload, "EAGAIN") != 0) printf("# %s\n", end.reply.payload);
		CHECK(!strcmp(end.reply.payload, "EAGAIN") && justified);
		conflicts++;
	} else {
		commits++;
		for (uint32_t i = 0; i < t->count; i++) {
			struct request_made *r = &t->list[i];

			refer(n, r->type, r->payload, r->length);
			/* Why a node that is not there cannot be read may change: what is above. */
			if (!as_expected(&r->reply, r->type) &&
			    (r->reply.header.type != XS_ERROR || strcmp(answer, "!EACCES") != 0))
				complain(n, r);
		}
	}
	t->id = 0;
}

static void transaction_round(unsigned n) {
	struct open_transaction *t = &opened[n][noise() % OPEN];
	struct request_made *r = &t->list[t->count];

	if (!t->id) {
		struct request_made start = {.type = XS_TRANSACTION_START, .length = 1};

		send(n, &start, 0);
		CHECK(start.reply.header.type == XS_TRANSACTION_START);
		t->id = (uint32_t)atoi(start.reply.payload);
		t->count = 0;
		t->began = now;
	} else if (t->count == LIST || noise() % 6 == 0) {
		transaction_ends(n, t);
	} else {
		random_request(r);
		send(n, r, t->id);
		/* What was refused does not count, unless it was 'there is no such node'. */
		if (r->reply.header.type != XS_ERROR ||
		    (!strcmp(r->reply.payload, "ENOENT") && r->type <= XS_GET_PERMS))
			t->count++;
	}
}

/* --- watches --- */

static void watch_round(unsigned n) {
	unsigned w = noise() % WATCHES;
	struct request_made r = {.type = XS_WATCH};

	if (watch[n][w].path[0]) {
		r.type = XS_UNWATCH;
	} else {
		random_path(watch[n][w].path);
		snprintf(watch[n][w].token, sizeof(watch[n][w].token), "t%u", w);
		expect(n, watch[n][w].path, watch[n][w].token);
	}
	r.length = (uint32_t)snprintf(r.payload, sizeof(r.payload), "%s%c%s", watch[n][w].path, 0,
				      watch[n][w].token) +
		   1;
	send(n, &r, 0);
	CHECK(r.reply.header.type == r.type);
	if (r.type == XS_UNWATCH) watch[n][w].path[0] = '\0';
}

static void test_model(void) {
	static struct request_made r;

	rig_start();
	import(boat->root, "");
	for (uint32_t round = 0; round < ROUNDS; round++) {
		unsigned n = noise() % RIG_CLIENTS, what = noise() % 16;

		if (what == 0) {
			watch_round(n);
		} else if (what < 8) {
			transaction_round(n);
		} else {
			random_request(&r);
			send(n, &r, 0);
			refer(n, r.type, r.payload, r.length);
			if (!as_expected(&r.reply, r.type)) complain(n, &r);
		}
		check_events();
		if (round % 64 == 0) CHECK(!boat_check());
	}
	printf("# %u rounds, %lu commits, %lu conflicts, %u nodes\n", ROUNDS, commits, conflicts,
	       tree.count);
	CHECK(commits > 500 && conflicts > 100);
}

int main(void) {
	static const struct test tests[] = {
		{"random requests against a reference", test_model},
	};

	rig = aligned_alloc(64, ROUND_UP(sizeof(*rig), 64));
	return RUN("store_model", tests);
}
