/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The store dies before every single store to its boat or to a ring, one after
 * the other, and a successor takes over: every client must see exactly what it
 * would have seen without the death, not a message less, more or changed.
 *
 * While the store runs, boat and rings are write-protected. Each store to them
 * faults; the handler lets it happen, single-stepped, and counts. The store whose
 * turn has come does not happen: the handler jumps out, as if the domain had been
 * killed there. Now and then the successor dies, too, while it takes over. The
 * test leaves some stores out, for time; `store_crash all` takes every one.
 *
 * A script of actions; before each, everything is saved, so that each death needs
 * only its own action and a run through the rest.
 */
#define _GNU_SOURCE /* REG_EFL, MAP_ANONYMOUS */

#include "store_rig.h"

#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>

#define TRAP_FLAG 0x100

static struct world {
	_Alignas(PAGE_SIZE) struct rig rig;
	_Alignas(PAGE_SIZE) uint8_t gap[PAGE_SIZE];
	/* Root's, not protected: */
	bool present[RIG_CLIENTS];
	uint32_t incarnation[RIG_CLIENTS];
} * world, *saved;

/* --- stores counted and cut off --- */

static sigjmp_buf death;
static uint64_t stores, last_store; /* 0: lives on */

static uint8_t *open_page; /* where the store that is stepped goes; perhaps into the next one */

static void protect(void *at, size_t size, bool on) {
	CHECK(!mprotect(at, size, on ? PROT_READ : PROT_READ | PROT_WRITE));
}

static void protect_all(bool on) { protect(world, offsetof(struct world, present), on); }

static void at_store(int signal, siginfo_t *info, void *context) {
	ucontext_t *u = context;
	uintptr_t at = (uintptr_t)info->si_addr;

	(void)signal;
	if (at - (uintptr_t)world >= sizeof(struct rig)) abort();
	if (++stores == last_store) {
		protect_all(false);
		siglongjmp(death, 1);
	}
	open_page = (uint8_t *)(at & ~(PAGE_SIZE - 1));
	protect(open_page, 2 * PAGE_SIZE, false);
	u->uc_mcontext.gregs[REG_EFL] |= TRAP_FLAG;
}

static void after_store(int signal, siginfo_t *info, void *context) {
	ucontext_t *u = context;

	(void)signal;
	(void)info;
	u->uc_mcontext.gregs[REG_EFL] &= ~TRAP_FLAG;
	protect(open_page, 2 * PAGE_SIZE, true);
}

/* Runs it, to the given store at most. False: it died. */
static bool live(void (*work)(void), uint64_t until) {
	stores = 0;
	last_store = until;
	if (sigsetjmp(death, 1)) return false;
	if (until) protect_all(true);
	work();
	if (until) protect_all(false);
	return true;
}

/* --- the store's life --- */

static void take_over(void) {
	watch_silence(false);
	CHECK(!boat_adopt(rig->boat, sizeof(rig->boat), rig_peers, RIG_CLIENTS));
	for (unsigned n = 0; n < RIG_CLIENTS; n++) {
		connections[n] = (struct connection){.client = boat_client(n)};
		if (world->present[n])
			connection_attach(&connections[n], &rig->ring[n], world->incarnation[n],
					  &rig_facts);
		else
			connection_detach(&connections[n]);
	}
}

static void serve(void) { rig_settle(); }

static void attach(void) {
	if (world->present[G6])
		connection_attach(&connections[G6], &rig->ring[G6], world->incarnation[G6],
				  &rig_facts);
	else
		connection_detach(&connections[G6]);
	serve();
}

/* --- clients: what they saw --- */

struct transcript {
	uint32_t length, got;
	struct message partial;
	uint8_t bytes[16000];
};

static struct transcript seen[RIG_CLIENTS], wanted[RIG_CLIENTS];

static void read_rings(void) {
	for (unsigned n = 0; n < RIG_CLIENTS; n++) {
		struct transcript *t = &seen[n];

		while (rig_poll(n, &t->partial, &t->got)) {
			uint32_t length =
				(uint32_t)sizeof(struct xsd_sockmsg) + t->partial.header.len;

			CHECK(length < sizeof(t->bytes) - t->length);
			memcpy(t->bytes + t->length, &t->partial, length);
			t->length += length;
		}
	}
}

/* --- the script --- */

#define RECONNECT 0x100U /* the native begins anew */
#define LEAVE     0x101U /* guest 6 ends, or starts again */
#define ENTER     0x102U

struct action {
	uint32_t client, type, tx;
	const char *payload;
	uint32_t size;
};

#define DO(client, type, tx, payload) \
	{ client, type, tx, payload, sizeof(payload) - 1 }

#define LONG                                                                               \
	"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef" \
	"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define LONGER LONG LONG LONG LONG LONG LONG LONG LONG LONG

static const struct action script[] = {
	DO(G5, XS_WATCH, 0, "data\0w1\0"),
	DO(G5, XS_WATCH, 0, "/local/domain/5/data/a\0w2\0"),
	DO(VBD, XS_WATCH, 0, "/local/domain/5/device/vbd\0v\0"),
	DO(VBD, XS_WATCH, 0, "@releaseDomain\0r\0"),
	DO(VBD, XS_WATCH, 0, "/local/domain/6/device/vbd\0six\0"),
	DO(G5, XS_WRITE, 0, "data/a/b\0value"),
	DO(G5, XS_WRITE, 0, "data/a/b\0" LONGER),
	DO(G5, XS_READ, 0, "data/a/b\0"),
	DO(G5, XS_WRITE, 0, "data/a/b\0short"),
	DO(VBD, XS_MKDIR, 0, "/local/domain/5/device/vbd/51712\0"),
	DO(VBD, XS_SET_PERMS, 0, "/local/domain/5/device/vbd/51712\0n5\0r9\0"),
	DO(VBD, XS_WRITE, 0, "/local/domain/5/device/vbd/51712/state\0001"),
	DO(VBD, XS_WRITE, 0, "backend/vbd/5/51712/state\0002"),
	DO(VBD, XS_SET_PERMS, 0, "backend/vbd/5/51712/state\0n9\0r5\0"),
	DO(G5, XS_WATCH, 0, "/local/domain/9/backend/vbd/5/51712/state\0b\0"),
	DO(G5, XS_TRANSACTION_START, 0, "\0"),
	DO(G5, XS_READ, 1, "device/vbd/51712/state\0"),
	DO(G5, XS_WRITE, 1, "device/vbd/51712/ring-ref\0008"),
	DO(G5, XS_WRITE, 1, "device/vbd/51712/event-channel\00012"),
	DO(G5, XS_WRITE, 1, "data/long\0" LONG LONG LONG),
	DO(G5, XS_DIRECTORY, 1, "device/vbd/51712\0"),
	DO(G5, XS_RM, 1, "data/a\0"),
	DO(G5, XS_TRANSACTION_END, 1, "T\0"),
	DO(G5, XS_TRANSACTION_START, 0, "\0"),
	DO(G5, XS_READ, 2, "device/vbd/51712/state\0"),
	DO(VBD, XS_WRITE, 0, "/local/domain/5/device/vbd/51712/state\0002"),
	DO(G5, XS_WRITE, 2, "device/vbd/51712/state\0003"),
	DO(G5, XS_TRANSACTION_END, 2, "T\0"),
	DO(G5, XS_TRANSACTION_START, 0, "\0"),
	DO(G5, XS_WRITE, 3, "data/x\0" LONG),
	DO(VBD, XS_WRITE, 0, "backend/vbd/5/51712/state\0004"),
	DO(G6, XS_WATCH, 0, "control/shutdown\0t\0"),
	DO(G6, XS_WRITE, 0, "control/shutdown\0x"),
	DO(G6, XS_WRITE, 0, "data/" LONG "\0too long a name"),
	DO(G6, LEAVE, 0, ""),
	DO(VBD, XS_IS_DOMAIN_INTRODUCED, 0, "6\0"),
	DO(G6, ENTER, 0, ""),
	DO(G6, XS_READ, 0, "control/shutdown\0"),
	DO(G6, XS_DIRECTORY, 0, "control\0"),
	DO(VBD, XS_RM, 0, "/local/domain/5/device/vbd/51712\0"),
	DO(VBD, RECONNECT, 0, ""),
	DO(VBD, XS_DIRECTORY, 0, "backend/vbd/5/51712\0"),
	DO(G5, XS_UNWATCH, 0, "data\0w1\0"),
	DO(G5, XS_WRITE, 3, "data/y\0v"),
	DO(G5, XS_TRANSACTION_END, 3, "T\0"),
	DO(G5, XS_RM, 0, "data\0"),
	DO(G5, XS_DIRECTORY_PART, 0, "control\0000\0"),
	DO(G5, XS_RESET_WATCHES, 0, "\0"),
	DO(G5, XS_DIRECTORY, 0, "/local/domain/5\0"),
};

/* The client's part, then the store until it has nothing to do: dies at store `until`. */
static bool act(size_t i, uint64_t until) {
	const struct action *a = &script[i];

	if (a->type == RECONNECT) {
		rig->ring[a->client].connection = XENSTORE_RECONNECT;
	} else if (a->type == LEAVE) {
		world->present[a->client] = false;
		return live(attach, until);
	} else if (a->type == ENTER) {
		memset(&rig->ring[a->client], 0, sizeof(rig->ring[a->client]));
		world->present[a->client] = true;
		world->incarnation[a->client]++;
		return live(attach, until);
	} else {
		rig_send(a->client, a->type, (uint32_t)i, a->tx, a->payload, a->size);
	}
	return live(serve, until);
}

static void settle(void) {
	uint32_t before;

	do {
		before = rig->ring[0].rsp_cons + rig->ring[1].rsp_cons + rig->ring[2].rsp_cons;
		read_rings();
		rig_settle();
	} while (before != rig->ring[0].rsp_cons + rig->ring[1].rsp_cons + rig->ring[2].rsp_cons);
}

static void finish(size_t from) {
	for (size_t i = from; i < ARRAY_SIZE(script); i++) {
		CHECK(act(i, 0));
		settle();
	}
}

static void begin(void) {
	memset(world, 0, sizeof(*world));
	for (unsigned n = 0; n < RIG_CLIENTS; n++) {
		world->present[n] = true;
		world->incarnation[n] = 1;
	}
	rig_start();
	memset(seen, 0, sizeof(seen));
}

static void compare(size_t action, uint64_t store) {
	CHECK(!boat_check());
	for (unsigned n = 0; n < RIG_CLIENTS; n++) {
		if (seen[n].length == wanted[n].length && !seen[n].got &&
		    !memcmp(seen[n].bytes, wanted[n].bytes, wanted[n].length))
			continue;
		printf("# death at store %lu of action %zu (%s): client %u saw %u bytes, not %u\n",
		       store, action, script[action].payload, n, seen[n].length, wanted[n].length);
		CHECK(!"every client sees what it would have seen");
	}
}

/* Of an action's stores, the first so many; then some. With an argument: all of them. */
static uint64_t every = 16;

static uint64_t deaths, second_deaths;

/* A death at each store of one action. */
static void every_store(size_t action) {
	static struct transcript before[RIG_CLIENTS];

	memcpy(saved, world, sizeof(*world));
	memcpy(before, seen, sizeof(seen));
	for (uint64_t store = 1;; store += store < every ? 1 : 1 + noise() % 96) {
		bool lived;

		memcpy(world, saved, sizeof(*world));
		memcpy(seen, before, sizeof(seen));
		take_over();
		rig_settle();
		lived = act(action, store);
		if (!lived) {
			deaths++;
			if (store % 3 == 0 && !live(take_over, 1 + noise() % 60)) second_deaths++;
			CHECK(live(take_over, 0));
			rig_settle();
		}
		settle();
		finish(action + 1);
		compare(action, store);
		if (lived) break;
	}
	memcpy(world, saved, sizeof(*world));
	memcpy(seen, before, sizeof(seen));
	take_over();
	rig_settle();
}

static void test_deaths(void) {
	begin();
	finish(0);
	memcpy(wanted, seen, sizeof(wanted));
	for (unsigned n = 0; n < RIG_CLIENTS; n++) CHECK(wanted[n].length > 100);
	begin();
	for (size_t i = 0; i < ARRAY_SIZE(script); i++) {
		every_store(i);
		CHECK(act(i, 0));
		settle();
	}
	printf("# %lu deaths, %lu more while taking over\n", deaths, second_deaths);
	CHECK(deaths > 700 && second_deaths > 50);
}

/* Building the boat is interrupted: the next one begins anew. */
static void first_run(void) { rig_run(); }

static void test_first_start(void) {
	bool lived = false;
	uint64_t count = 0;

	for (uint64_t store = 1; !lived; store += 1 + store / 16, count++) {
		struct message m;

		memset(world, 0, sizeof(*world));
		rig->ring[VBD].connection = XENSTORE_RECONNECT;
		lived = live(first_run, store);
		CHECK(live(first_run, 0) || lived);
		rig_send(G5, XS_READ, 1, 0, "name", 5);
		CHECK(rig_receive(G5, &m) && !strcmp(m.payload, "g5") && !boat_check());
	}
	printf("# %lu deaths at the first start\n", count);
	CHECK(count > 50);
}

int main(int count, char **arguments) {
	static const struct test tests[] = {
		{"killed before every store", test_deaths},
		{"killed at the first start", test_first_start},
	};
	struct sigaction action = {.sa_flags = SA_SIGINFO};

	(void)arguments;
	if (count > 1) every = UINT64_MAX;
	world = mmap(NULL, sizeof(*world), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		     0);
	saved = aligned_alloc(PAGE_SIZE, sizeof(*saved));
	CHECK(world != MAP_FAILED && saved);
	rig = &world->rig;
	action.sa_sigaction = at_store;
	sigaction(SIGSEGV, &action, NULL);
	action.sa_sigaction = after_store;
	sigaction(SIGTRAP, &action, NULL);
	return RUN("store_crash", tests);
}
