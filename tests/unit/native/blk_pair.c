/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Both ends of a disk connection against each other, in random order, with deaths
 * of either at any step. Around them: a disk server's table of operations, which
 * survives it as its lifeboat would, and a device that works when it likes.
 *
 * What must hold: each operation is answered exactly once; what a write said is
 * on the disk when it is answered, and a read brings what was there; the device
 * does nothing for an old session while the server has a new one; and when
 * nobody dies any more, everything is answered and both ends sleep (no wake-up is
 * lost).
 */
#include "blk_events.h"
#include "native.h"

#include "libs/blk/driver.h"
#include "libs/blk/server.h"

#define SECTORS    64U
#define OPERATIONS 300U /* more than there are tags */
#define DEPTH      24U  /* of the device */
#define FLOOD      40U  /* segments of a large request: the ring fills before the tags */

static struct blk_server server;
static struct blk_driver driver;

/* --- the disk server's memory: operations, one buffer of a word each --- */

enum { IDLE, WAITING, ASKED };

static struct operation {
	uint32_t state;
	uint32_t tag; /* ASKED */
	uint8_t op;
	uint16_t segments;
	uint32_t sector;
	uint64_t value;  /* what a WRITE writes; each is written once only */
	uint64_t buffer; /* of a READ */
	uint64_t floor;  /* READ: the value that was acknowledged when it was asked */
} operations[OPERATIONS];

static uint32_t operation_of_tag[BLK_TAGS];
static uint64_t next_value;
static uint64_t acknowledged[SECTORS];
static uint32_t writer[SECTORS]; /* operation + 1 that writes it: one at a time */
static uint32_t answers, started;
static bool accept_new;

/* --- the device --- */

static uint64_t disk[SECTORS];
static struct command {
	bool used;
	struct blk_request request;
	uint32_t operation; /* whose buffer it reaches */
	uint32_t session;
} commands[DEPTH];
static uint32_t device_used;
static bool quiesce_later;

static bool device_submit(void *device, const struct blk_request *request,
			  const struct blk_segment *segments) {
	(void)device;
	if (device_used == DEPTH) return false;
	for (uint32_t i = 0; i < DEPTH; i++) {
		if (commands[i].used) continue;
		commands[i] = (struct command){.used = true,
					       .request = *request,
					       .session = driver.session,
					       .operation = (uint32_t)segments[0].address / 4096};
		device_used++;
		return true;
	}
	CHECK(!"a place is free");
	return false;
}

static void device_kick(void *device) { (void)device; }

static void device_forget(void) {
	memset(commands, 0, sizeof(commands));
	device_used = 0;
}

static bool device_quiesce(void *device) {
	(void)device;
	if (noise() % 2) {
		device_forget();
		return true;
	}
	if (!device_used) return true;
	quiesce_later = true;
	return false;
}

static const struct blk_driver_ops driver_ops = {
	.submit = device_submit, .kick = device_kick, .quiesce = device_quiesce};

static void device_step(void) {
	struct command *command = &commands[noise() % DEPTH];
	struct operation *operation = &operations[command->operation];

	if (!command->used) return;
	/* DMA for a session that the server has put behind it would hit what is not its own. */
	CHECK(server.state != BLK_SERVER_UP || command->session == server.wanted);
	if (command->request.op == BLK_OP_WRITE)
		disk[command->request.sector] = operation->value;
	else if (command->request.op == BLK_OP_READ)
		operation->buffer = disk[command->request.sector];
	command->used = false;
	device_used--;
	if (driver.state == BLK_DRIVER_QUIESCING) return;
	CHECK(blk_driver_complete(&driver, command->request.tag, BLK_STATUS_OK, 0));
	blk_pending[DRIVER_PORT] = true; /* its interrupt */
}

/* --- the disk server --- */

/* False: no room. */
static bool ask(uint32_t n) {
	struct operation *operation = &operations[n];
	struct blk_request request = {.op = operation->op};
	struct blk_segment segments[FLOOD];
	int tag;

	if (operation->op != BLK_OP_FLUSH) {
		request.segments = operation->segments;
		request.count = operation->segments;
		request.sector = operation->sector;
	}
	for (uint32_t i = 0; i < operation->segments; i++)
		segments[i] = (struct blk_segment){.address = n * 4096UL, .length = 512};
	tag = blk_server_submit(&server, &request, segments);
	if (tag < 0) return false;
	operation->state = ASKED;
	operation->tag = (uint32_t)tag;
	operation_of_tag[tag] = n;
	return true;
}

static void ask_waiting(void) {
	for (uint32_t i = 0; i < OPERATIONS; i++)
		if (operations[i].state == WAITING && !ask(i)) break;
}

static void on_up(void *context) {
	(void)context;
	CHECK(server.disk_count == 1 && server.disk[0].sectors == 4 * SECTORS);
	/* Whatever is asked for again must not be reached by the old asking any more. */
	for (uint32_t i = 0; i < DEPTH; i++)
		CHECK(!commands[i].used || commands[i].session == server.wanted);
	ask_waiting();
}

static void on_down(void *context) {
	(void)context;
	for (uint32_t i = 0; i < OPERATIONS; i++)
		if (operations[i].state == ASKED) operations[i].state = WAITING;
}

static void on_done(void *context, uint16_t tag, uint32_t status, uint32_t device_status) {
	struct operation *operation = &operations[operation_of_tag[tag]];

	(void)context, (void)device_status;
	CHECK(status == BLK_STATUS_OK);
	CHECK(operation->state == ASKED && operation->tag == tag);
	operation->state = IDLE;
	answers++;
	if (operation->op == BLK_OP_WRITE) {
		CHECK(disk[operation->sector] == operation->value);
		acknowledged[operation->sector] = operation->value;
		writer[operation->sector] = 0;
	} else if (operation->op == BLK_OP_READ) {
		CHECK(operation->buffer >= operation->floor);
		CHECK(operation->buffer <= disk[operation->sector]);
	}
}

static void on_room(void *context) {
	(void)context;
	ask_waiting();
}

static const struct blk_server_ops server_ops = {on_up, on_down, on_done, on_room};

/* A guest asks for something new. */
static void new_operation(void) {
	uint32_t n = noise() % OPERATIONS;
	struct operation *operation = &operations[n];

	if (operation->state != IDLE) return;
	*operation = (struct operation){
		.state = WAITING,
		.op = (uint8_t)(noise() % 3),
		.segments = (uint16_t)(noise() % 4 ? 1 : FLOOD),
		.sector = noise() % SECTORS,
		.buffer = UINT64_MAX,
	};
	operation->floor = acknowledged[operation->sector];
	if (operation->op == BLK_OP_FLUSH) operation->segments = 0;
	if (operation->op == BLK_OP_WRITE) {
		if (writer[operation->sector])
			operation->op = BLK_OP_READ;
		else
			writer[operation->sector] = n + 1;
		operation->value = ++next_value;
	}
	started++;
	if (blk_server_is_up(&server)) ask(n);
}

/* --- lives and deaths --- */

static uint32_t driver_incarnation;
static uint32_t coming_up; /* steps until a driver that was started is online */
static bool server_alive, driver_alive;

static void start_server(void) {
	blk_server_start(&server, blk_pages, SERVER_PORT, &server_ops, NULL);
	/* The lifeboat says what was asked for; nothing is known to be done. */
	on_down(NULL);
	server_alive = true;
	blk_pending[SERVER_PORT] = true;
}

static void start_driver(void) {
	blk_driver_start(&driver, blk_pages, DRIVER_PORT, ++driver_incarnation, &driver_ops, NULL);
	driver_alive = true;
	coming_up = noise() % 20;
}

static void driver_online(void) {
	struct blk_disk is = {.sectors = 4 * SECTORS,
			      .block = 512,
			      .physical_block = 512,
			      .flags = noise() % 2 ? BLK_DISK_FLUSH : 0,
			      .max_segments = BLK_MAX_SEGMENTS,
			      .max_sectors = 2048};

	CHECK(blk_driver_disk(&driver, 0, &is));
	blk_driver_online(&driver, 0);
}

static void kill_driver(void) {
	driver_alive = false;
	quiesce_later = false;
	device_forget(); /* root quiesces the device before the successor starts */
}

static void driver_step(void) {
	if (coming_up) {
		if (!--coming_up) driver_online();
		return;
	}
	if (driver.state == BLK_DRIVER_OFFLINE) driver_online();
	if (quiesce_later && !device_used) {
		quiesce_later = false;
		blk_driver_quiesced(&driver);
	}
	if (!blk_pending[DRIVER_PORT]) return;
	blk_pending[DRIVER_PORT] = false;
	blk_driver_work(&driver);
}

static void server_step(void) {
	if (accept_new)
		for (uint32_t i = noise() % 40; i; i--) new_operation();
	blk_server_publish(&server);
	if (!blk_pending[SERVER_PORT]) return;
	blk_pending[SERVER_PORT] = false;
	blk_server_work(&server);
}

static void step(void) {
	uint32_t dice = noise() % 100;

	if (dice < 35 && server_alive)
		server_step();
	else if (dice < 70 && driver_alive)
		driver_step();
	else if (driver_alive)
		device_step();
	if (!server_alive && noise() % 10 == 0) start_server();
	if (!driver_alive && noise() % 10 == 0) start_driver();
}

static void start(void) {
	memset(blk_pages, 0, sizeof(blk_pages));
	memset(blk_pending, 0, sizeof(blk_pending));
	memset(operations, 0, sizeof(operations));
	memset(disk, 0, sizeof(disk));
	memset(acknowledged, 0, sizeof(acknowledged));
	memset(writer, 0, sizeof(writer));
	device_forget();
	quiesce_later = false;
	next_value = answers = started = driver_incarnation = 0;
	accept_new = true;
	start_server();
	start_driver();
}

/* Nobody dies any more, nothing new is asked: all is answered, by events alone. */
static void finish(void) {
	accept_new = false;
	for (uint32_t i = 0; i < 200000 && answers < started; i++) step();
	CHECK(answers == started);
	for (uint32_t i = 0; i < 100; i++) step();
	CHECK(!blk_pending[SERVER_PORT] && !blk_pending[DRIVER_PORT]);
	for (uint32_t i = 0; i < OPERATIONS; i++) CHECK(operations[i].state == IDLE);
	CHECK(blk_server_outstanding(&server) == 0 && !server.bad_tags && !server.broken);
	CHECK(!driver.broken && !driver.refused && !driver.dropped);
}

static void run(uint32_t rounds, uint32_t steps, uint32_t deaths) {
	uint64_t total = 0;

	for (uint32_t round = 0; round < rounds; round++) {
		start();
		for (uint32_t i = 0; i < steps; i++) {
			uint32_t dice = deaths ? noise() % deaths : 2;

			if (dice == 0) server_alive = false;
			if (dice == 1) kill_driver();
			step();
			/* Now and then everything comes to rest, and must be woken again. */
			if (!deaths && i % 200 == 0) finish();
			accept_new = true;
		}
		finish();
		total += answers;
	}
	CHECK(total > rounds * 10);
}

static void test_no_deaths(void) { run(10, 20000, 0); }
static void test_rare_deaths(void) { run(60, 5000, 500); }
static void test_frequent_deaths(void) { run(200, 1000, 40); }

static const struct test tests[] = {
	{"both ends live", test_no_deaths},
	{"one dies now and then", test_rare_deaths},
	{"one dies all the time", test_frequent_deaths},
};

int main(void) { return RUN("blk_pair", tests); }
