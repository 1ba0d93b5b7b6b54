/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The backend's half of xenbus devices (libs/xenbus/backend.h): what each state makes
 * of what the frontend says, devices that come and go, answers that are late, and a
 * connection with the store that is full or lost. The class is the test's own: two
 * devices of one guest, whose rings are a word.
 */
#include "fake_store.h"
#include "libs/control/control.h"
#include "libs/rt/time.h"
#include "libs/xenbus/backend_internal.h"
#include "native.h"

#define HOME       "/local/domain/5/device/toy"
#define FRONT      HOME "/7"
#define BACKEND    "/local/domain/3/backend/toy/5/7"
#define OUT(count) ((count) << CONTROL_DEVICE_SHIFT | CONTROL_DEVICE_OUT)
#define IN(count)  ((count) << CONTROL_DEVICE_SHIFT)

static struct native_start start;
const struct native_start *rt_start_page = &start;
static struct backend_device toy[2];
static struct {
	bool admitted, idle, released, mapped, begun, adopted;
	uint32_t forgotten, vanished, maps, faults;
	uint64_t ref, size, other;
} is;
static uint32_t wanted[BACKEND_DEVICES], done[BACKEND_DEVICES];
static uint64_t now, wake;
static const char *refusal;
static bool looks; /* backend_work() is to be called before the domain sleeps */

/* --- the runtime --- */

uint64_t time_now(void) { return now; }
uint32_t control_device(unsigned n) { return wanted[n]; }
bool control_device_settled(unsigned n) {
	return (wanted[n] ^ done[n]) >> CONTROL_DEVICE_SHIFT == 0;
}
void control_device_done(unsigned n, uint32_t was, uint32_t flags) { done[n] = was | flags; }
const struct native_connection *rt_connection(uint16_t protocol, unsigned n) {
	(void)protocol, (void)n;
	return &start.connections[1];
}

/* --- the class; device 0 is looked at --- */

static bool admit(struct backend_device *device) { return device->number || is.admitted; }
static bool is_idle(const struct backend_device *device) { return device->number || is.idle; }
static bool release(struct backend_device *device) { return device->number || is.released; }
static void forget(struct backend_device *device) { is.forgotten += !device->number; }
static void fault(struct backend_device *device) { is.faults += !device->number; }
static void vanish(struct backend_device *device) { is.vanished += !device->number; }
static void soon(void) { looks = true; }
static void wake_at(uint64_t time) { wake = time; }

static void value(const struct backend_device *device, uint32_t what, char to[BACKEND_PATH]) {
	CHECK(what == BACKEND_VALUES);
	rt_strcopy(to, device->name, BACKEND_PATH);
}

static int ask_size(struct backend_device *device) { return backend_ask(device, "size", 0); }

static int ask_rings(struct backend_device *device) {
	int error = backend_ask(device, "ref", 0);

	if (!device->number) is.ref = is.other = 0;
	return error ? error : backend_ask(device, "other", 1);
}

static void read_size(struct backend_device *device, uint32_t key,
		      const struct xenbus_answer *answer) {
	uint64_t number = 0;

	if (device->number) return;
	CHECK(!key);
	xenbus_number(answer, 1000, &number);
	is.size = number;
}

static void read_ring(struct backend_device *device, uint32_t key,
		      const struct xenbus_answer *answer) {
	uint64_t number = 0;

	if (device->number) return;
	xenbus_number(answer, 1000, &number);
	*(key ? &is.other : &is.ref) = number;
}

static const char *judge_size(struct backend_device *device) {
	(void)device;
	return NULL;
}

static const char *judge_rings(struct backend_device *device) {
	if (device->number) return NULL;
	return !is.ref || !is.other ? "it names no ring" : NULL;
}

static const struct backend_round rounds[BACKEND_ROUNDS] = {
	{ask_size, read_size, judge_size},
	{ask_rings, read_ring, judge_rings},
};

static const char *connect(struct backend_device *device) {
	if (device->number) return NULL;
	CHECK(!is.mapped);
	is.maps++;
	is.mapped = !refusal;
	return refusal;
}

static void begin(struct backend_device *device, bool adopting) {
	if (device->number) return;
	is.begun = true;
	is.adopted = adopting;
}

static void disconnect(struct backend_device *device) {
	if (!device->number) is.mapped = is.begun = false;
}

static const struct backend_node nodes[] = {
	{"", false, BACKEND_DIRECTORY},        {"", false, BACKEND_PERMISSIONS},
	{"frontend", false, BACKEND_FRONTEND}, {"name", false, BACKEND_VALUES},
	{"state", false, BACKEND_STATE},       {"", true, BACKEND_DIRECTORY},
	{"backend", true, BACKEND_BACKEND},    {"backend-id", true, BACKEND_SELF},
	{"handle", true, BACKEND_HANDLE},      {"state", true, BACKEND_FRONT_STATE},
};

static const struct backend_class class = {
	.type = "toy",
	.label = "toy ",
	.nodes = nodes,
	.node_count = ARRAY_SIZE(nodes),
	.rounds = rounds,
	.value = value,
	.admit = admit,
	.connect = connect,
	.begin = begin,
	.is_idle = is_idle,
	.disconnect = disconnect,
	.forget = forget,
	.fault = fault,
	.release = release,
	.vanish = vanish,
	.soon = soon,
	.wake_at = wake_at,
};

/* --- */

static void serve(void) {
	for (uint32_t i = 0; i < 40; i++) {
		fake_store_serve();
		if (backend_has_work()) backend_work();
	}
}

/* A server that knows nothing; what is in the store stays. */
static void incarnate(void) {
	memset(&is, 0, sizeof(is));
	is.admitted = is.idle = is.released = true;
	refusal = NULL;
	fake_store_forget();
	backend_begin(&class);
	toy[0] = (struct backend_device){.name = "one", .number = 0, .handle = 7, .domid = 5};
	toy[1] = (struct backend_device){.name = "two", .number = 9, .handle = 8, .domid = 5};
	backend_add(&toy[0]);
	backend_add(&toy[1]);
}

static void world(void) {
	start.domid = 3;
	strcpy(start.connections[0].peer, "guest");
	memset(wanted, 0, sizeof(wanted));
	memset(done, 0, sizeof(done));
	now = 1;
	wake = 0;
	fake_store_room = FAKE_STORE_REQUESTS;
	CHECK(!backend_open());
	fake_store_clear();
	incarnate();
	fake_store_set(HOME, "");
}

static void states(const char *own, const char *front) {
	fake_store_is(BACKEND "/state", own);
	fake_store_is(FRONT "/state", front);
}

static void front(const char *state) {
	fake_store_set(FRONT "/state", state);
	serve();
}

static void publish_rings(void) {
	fake_store_set(FRONT "/size", "4");
	fake_store_set(FRONT "/ref", "8");
	fake_store_set(FRONT "/other", "9");
	front("3");
}

static void go_live(void) {
	world();
	backend_guest_came(0, 1);
	serve();
	publish_rings();
	CHECK(toy[0].state == BACKEND_LIVE && is.begun && !is.adopted);
	front("4");
}

static void test_live(void) {
	world();
	is.admitted = false;
	backend_guest_came(0, 1);
	serve();
	CHECK(toy[0].state == BACKEND_WAITING);
	is.admitted = true;
	backend_settle();
	CHECK(!backend_is_written(&toy[0]) || toy[0].state == BACKEND_ASKING);
	serve();
	CHECK(toy[0].state == BACKEND_OPEN && backend_is_written(&toy[0]) && is.forgotten == 1);
	states("2", "1");
	fake_store_is(BACKEND "/name", "one");
	fake_store_is(BACKEND "/frontend", FRONT);
	fake_store_is(FRONT "/backend", BACKEND);
	fake_store_is(FRONT "/backend-id", "3");
	fake_store_is(FRONT "/handle", "7");
	publish_rings();
	CHECK(is.size == 4 && is.ref == 8 && is.mapped && is.begun && !is.adopted);
	states("4", "3");
}

/* Its rings stay until all is answered, and its pages until nobody uses them. */
static void test_close(void) {
	go_live();
	is.idle = is.released = false;
	front("5");
	CHECK(toy[0].state == BACKEND_ENDING && is.mapped);
	is.idle = true;
	serve();
	CHECK(toy[0].state == BACKEND_ENDING && !is.mapped);
	is.released = true;
	serve();
	CHECK(toy[0].state == BACKEND_CLOSED);
	states("5", "5");
	front("6");
	states("6", "6");
	front("1");
	states("2", "1");
	publish_rings();
	CHECK(toy[0].state == BACKEND_LIVE);
	/* One that begins anew without having closed. */
	front("4");
	front("1");
	CHECK(toy[0].state == BACKEND_OPEN && !is.mapped);
}

static void test_refused(void) {
	world();
	backend_guest_came(0, 1);
	serve();
	front("3");
	CHECK(toy[0].state == BACKEND_CLOSED && is.faults == 1 && !is.maps);
	states("6", "3");
	front("1");
	refusal = "its ring can't be mapped";
	publish_rings();
	CHECK(toy[0].state == BACKEND_CLOSED && is.faults == 2 && is.maps == 1 && !is.begun);
	refusal = NULL;
	front("1");
	front("3");
	CHECK(toy[0].state == BACKEND_LIVE);
	front("4");
	backend_break(&toy[0], "it lies");
	serve();
	CHECK(toy[0].state == BACKEND_CLOSED && toy[0].broken && !is.mapped);
	/* Not again, whatever it says. */
	front("1");
	CHECK(toy[0].state == BACKEND_CLOSED);
	states("6", "1");
}

static void test_adopted(void) {
	go_live();
	fake_store_set(BACKEND "/name", "mark");
	incarnate();
	backend_guest_came(0, 1);
	serve();
	CHECK(toy[0].state == BACKEND_LIVE && is.adopted && !is.forgotten);
	fake_store_is(BACKEND "/name", "mark");
	front("5");
	states("5", "5");
	/* Of one whose frontend had not said that it saw us nothing is adopted. */
	world();
	fake_store_set(BACKEND "/state", "4");
	fake_store_set(FRONT "/state", "3");
	backend_guest_came(0, 1);
	serve();
	CHECK(is.forgotten && !is.adopted);
}

static void test_guest(void) {
	go_live();
	CHECK(backend_guest_is(0, 1) && !backend_guest_is(0, 2));
	is.idle = false;
	backend_guest_leaves(0);
	serve();
	CHECK(!backend_guest_has_left(0) && !backend_guest_is(0, 1));
	is.idle = true;
	serve();
	CHECK(backend_guest_has_left(0) && !is.mapped);
	states("", "4"); /* the guest's nodes are the store's to remove */
	backend_guest_gone(0);
	CHECK(!backend_guest_is_here(0) && toy[1].state == BACKEND_ABSENT);
	fake_store_remove(FRONT);
	backend_guest_came(0, 2);
	serve();
	CHECK(toy[0].state == BACKEND_OPEN && toy[0].incarnation == 2);
}

/* As a server does, until it may sleep: root is told when the guest has left. */
static void pump(void) {
	for (uint32_t rounds = 0; looks; rounds++) {
		CHECK(rounds < 10);
		looks = false;
		if (!backend_has_work() || !backend_work()) continue;
		backend_guest_leaves(0);
		if (backend_guest_has_left(0)) backend_guest_gone(0);
	}
}

/* Who waits for requests of a guest that ends sleeps meanwhile, or a driver would never run. */
static void test_waiting_sleeps(void) {
	go_live();
	is.idle = false;
	backend_guest_leaves(0);
	pump();
	CHECK(backend_guest_is_here(0) && is.mapped);
	is.idle = true;
	looks = true;
	pump();
	CHECK(!backend_guest_is_here(0) && !is.mapped);
}

static void root_wants(uint32_t what) {
	wanted[0] = what;
	backend_scan();
	serve();
}

static void test_plug(void) {
	go_live();
	root_wants(OUT(1U));
	states("5", "4");
	CHECK(done[0] != OUT(1U) && wake == now + 30000000000UL);
	front("6");
	states("", "");
	CHECK(done[0] == OUT(1U) && toy[0].state == BACKEND_ABSENT && is.vanished == 1);
	CHECK(!is.mapped && backend_guest_is(0, 1));
	root_wants(IN(2U));
	states("2", "1");
	CHECK(done[0] == IN(2U));
	publish_rings();
	front("4");
	/* This one does not let go. */
	root_wants(OUT(3U));
	now = wake;
	backend_look_again();
	serve();
	CHECK(done[0] == (OUT(3U) | CONTROL_DEVICE_FORCED) && !is.mapped);
	states("", "");
	/* A server that starts when it is out already. */
	incarnate();
	backend_guest_came(0, 1);
	serve();
	CHECK(toy[0].state == BACKEND_ABSENT && toy[1].state == BACKEND_OPEN);
	states("", "");
}

/* What cannot be had is told, and may be had the next time. */
static void test_plug_failed(void) {
	world();
	wanted[0] = OUT(1U);
	done[0] = OUT(1U);
	is.admitted = false;
	backend_guest_came(0, 1);
	serve();
	root_wants(IN(2U));
	CHECK(done[0] == OUT(1U) && toy[0].state == BACKEND_WAITING);
	toy[0].state = BACKEND_FAILED;
	backend_look_again();
	serve();
	CHECK(done[0] == (IN(2U) | CONTROL_DEVICE_REFUSED));
	is.admitted = true;
	root_wants(OUT(3U));
	root_wants(IN(4U));
	CHECK(done[0] == IN(4U) && toy[0].state == BACKEND_OPEN);
}

static void test_home(void) {
	world();
	fake_store_remove(HOME);
	backend_guest_came(0, 1);
	serve();
	CHECK(toy[0].state == BACKEND_WAITING);
	fake_store_set(HOME, "");
	serve();
	CHECK(toy[0].state == BACKEND_OPEN);
	/* There was no room for the watch when the answer came. */
	world();
	fake_store_remove(HOME);
	backend_guest_came(0, 1);
	fake_store_room = 0;
	fake_store_serve();
	fake_store_room = 8;
	serve();
	CHECK(toy[0].state == BACKEND_WAITING);
	fake_store_set(HOME, "");
	serve();
	CHECK(toy[0].state == BACKEND_OPEN);
}

/* An answer that is neither a value nor 'there is none' says nothing of the frontend. */
static void test_unclear(void) {
	for (uint32_t errors = 0; errors < 4; errors++) {
		uint32_t left = errors;

		world();
		backend_guest_came(0, 1);
		serve();
		fake_store_set(FRONT "/size", "4");
		fake_store_set(FRONT "/ref", "8");
		fake_store_set(FRONT "/other", "9");
		fake_store_set(FRONT "/state", "3");
		for (uint32_t i = 0; i < 40; i++) {
			if (toy[0].awaited && left) {
				left--;
				fake_store_error = -XEN_EINVAL;
			}
			fake_store_serve();
		}
		CHECK((toy[0].state == BACKEND_LIVE) == (errors < 3));
		CHECK(is.faults == (errors == 3));
	}
}

/* A frontend whose state has become 3, which we hear of when the test says so. */
static void speaks_up(void) {
	world();
	backend_guest_came(0, 1);
	serve();
	fake_store_set(FRONT "/ref", "8");
	fake_store_set(FRONT "/other", "9");
	fake_store_quiet = true;
	fake_store_set(FRONT "/state", "3");
	fake_store_fire(FRONT "/state");
}

/* What the frontend says while its keys are read counts, though they are asked for anew. */
static void test_late(void) {
	speaks_up();                     /* it is 3, and asked for; */
	fake_store_fire(FRONT "/state"); /* it is 5, and asked for, before the answer is there */
	fake_store_step();
	CHECK(toy[0].state == BACKEND_READING);
	fake_store_set(FRONT "/state", "5");
	fake_store_step();
	CHECK(toy[0].front_state == XENBUS_CLOSING);
	serve();
	CHECK(toy[0].state == BACKEND_CLOSED && !is.mapped);
	states("5", "5");
}

/* A round of questions for which there was no room is put again: answers to the first do not count.
 */
static void test_asked_again(void) {
	speaks_up();
	fake_store_step();
	fake_store_room = 1;
	fake_store_step(); /* ref is asked for, other is not */
	fake_store_room = 8;
	fake_store_fire(FRONT "/state");
	fake_store_step();
	fake_store_step(); /* ref, twice */
	CHECK(toy[0].state == BACKEND_READING);
	serve();
	CHECK(toy[0].state == BACKEND_LIVE && !is.faults);
}

static void test_full_and_lost(void) {
	for (uint32_t room = 30; room >= 4; room--) {
		for (uint32_t when = 0; when < 8; when++) {
			world();
			fake_store_room = room;
			backend_guest_came(0, 1);
			for (uint32_t i = 0; i < when; i++) fake_store_serve();
			fake_store_lose = when & 1;
			serve();
			publish_rings();
			CHECK(toy[0].state == BACKEND_LIVE && toy[1].state == BACKEND_OPEN);
			fake_store_lose = true;
			front("4");
			CHECK(toy[0].state == BACKEND_LIVE && is.maps == 1);
			front("6");
			states("6", "6");
		}
	}
}

/* The store lost its state: the nodes of a device in use are made again, its rings stay. */
static void test_store_without_memory(void) {
	go_live();
	fake_store_remove("/local");
	fake_store_set(HOME, "");
	fake_store_lose = true;
	backend_break(&toy[1], "it is not live, so nothing happens");
	backend_settle();
	fake_store_fire(FRONT "/state"); /* something is under way when it is lost */
	serve();
	CHECK(toy[0].state == BACKEND_LIVE && is.maps == 1);
	states("4", "4");
}

int main(void) {
	static const struct test tests[] = {
		{"from nothing to connected", test_live},
		{"a frontend closes, and comes again", test_close},
		{"a frontend that is refused", test_refused},
		{"a predecessor's device", test_adopted},
		{"a guest ends, and another comes", test_guest},
		{"what is waited for is not looked at all the time", test_waiting_sleeps},
		{"out and in", test_plug},
		{"what cannot be had", test_plug_failed},
		{"a guest that the store does not know yet", test_home},
		{"unclear answers", test_unclear},
		{"a state that changes while keys are read", test_late},
		{"a round that is asked again", test_asked_again},
		{"a connection full or lost at any time", test_full_and_lost},
		{"a store without memory", test_store_without_memory},
	};

	return RUN("backend", tests);
}
