/* SPDX-License-Identifier: BSD-2-Clause */
/* root's side of the bus page, against a bus domain that answers, dies, hangs and lies. */
#include "native.h"

#include "proto/xen/xen.h"
#include "servers/root/bus.h"

#define MS 1000000ULL

static struct pci_bus page;
static struct bus bus;
static uint64_t now;

struct job {
	struct bus_job job;
	int calls, status;
	struct job *then; /* submitted by done */
};

static void done(void *context, int status) {
	struct job *job = context;

	job->calls++;
	job->status = status;
	if (job->then) bus_submit(&bus, &job->then->job);
}

static struct job make(uint32_t source) {
	return (struct job){
		.job = {.command = {.op = PCI_OP_QUIESCE, .source = source}, .done = done}};
}

static void submit(struct job *job) {
	job->job.context = job;
	bus_submit(&bus, &job->job);
}

/* A bus domain with two functions is ready. */
static void start(void) {
	memset(&page, 0, sizeof(page));
	now = 1000 * MS;
	bus_init(&bus, &page);
	CHECK(page.version == PCI_BUS_VERSION);
	bus_started(&bus, 0, now);
	page.function[0].source = 0x10;
	page.function[1].source = 0x18;
	page.count = 2;
}

static void ready(uint16_t incarnation) { page.ready = incarnation + 1U; }

static void answer(int status) {
	page.status = status;
	page.done = page.command.seq;
}

static void test_order(void) {
	struct job a = make(0x18), b = make(0x10);

	start();
	submit(&a);
	submit(&b);
	CHECK(bus_step(&bus, now) == BUS_NOTHING && !page.command.seq && !bus_ready(&bus));
	ready(0);
	CHECK(bus_step(&bus, now) == BUS_KICK && bus_ready(&bus));
	CHECK(page.command.function == 1 && page.command.source == 0x18 && page.command.seq);
	CHECK(bus_step(&bus, now) == BUS_NOTHING && !a.calls);
	answer(0);
	CHECK(bus_step(&bus, now) == BUS_KICK && a.calls == 1 && !a.status && !a.job.queued);
	CHECK(page.command.function == 0 && !b.calls);
	answer(-XEN_EIO);
	CHECK(bus_step(&bus, now) == BUS_NOTHING && b.calls == 1 && b.status == -XEN_EIO);
	CHECK(!bus.deadline);
}

static void test_death(void) {
	struct job a = make(0x10);

	start();
	ready(0);
	submit(&a);
	CHECK(bus_step(&bus, now) == BUS_KICK);
	bus_ended(&bus);
	CHECK(!bus.deadline && !bus_ready(&bus));
	CHECK(bus_step(&bus, now + 9000 * MS) == BUS_NOTHING);
	bus_started(&bus, 1, now);
	CHECK(!page.ready);
	ready(0); /* the predecessor's number */
	CHECK(bus_step(&bus, now) == BUS_NOTHING && !a.calls);
	ready(1);
	CHECK(bus_step(&bus, now) == BUS_KICK && !a.calls && page.command.op == PCI_OP_QUIESCE);
	answer(0);
	bus_step(&bus, now);
	CHECK(a.calls == 1);
}

static void test_late(void) {
	struct job a = make(0x10);

	start();
	CHECK(bus_step(&bus, bus.deadline - 1) == BUS_NOTHING);
	CHECK(bus_step(&bus, bus.deadline) == BUS_KICK); /* it is told once more */
	CHECK(bus_step(&bus, bus.deadline - 1) == BUS_NOTHING);
	CHECK(bus_step(&bus, bus.deadline) == BUS_LATE); /* it never says that it is ready */
	ready(0);
	submit(&a);
	CHECK(bus_step(&bus, now) == BUS_KICK && bus.deadline == now + 1000 * MS);
	CHECK(bus_step(&bus, now + 999 * MS) == BUS_NOTHING);
	CHECK(bus_step(&bus, now + 1000 * MS) == BUS_KICK && bus.deadline == now + 2000 * MS);
	CHECK(bus_step(&bus, now + 2000 * MS) == BUS_LATE && !a.calls);
	answer(0);
	CHECK(bus_step(&bus, now + 1000 * MS) == BUS_NOTHING && a.calls == 1);
}

static void test_lies(void) {
	struct job a = make(0x10), gone = make(0x20);

	start();
	page.count = UINT32_MAX;
	CHECK(bus_count(&bus) == PCI_MAX_FUNCTIONS);
	ready(0);
	submit(&a);
	bus_step(&bus, now);
	page.done = page.command.seq + 7; /* an answer to nothing */
	CHECK(bus_step(&bus, now) == BUS_NOTHING && !a.calls);
	page.command.seq = 99; /* root goes by its own number */
	page.done = 99;
	CHECK(bus_step(&bus, now) == BUS_NOTHING && !a.calls);
	page.done = bus.seq;
	CHECK(bus_step(&bus, now) == BUS_NOTHING && a.calls == 1);
	page.done = bus.seq + 1; /* in advance */
	a = make(0x10);
	submit(&a);
	CHECK(bus_step(&bus, now) == BUS_KICK && !a.calls && bus.seq != page.done);
	answer(0);
	bus_step(&bus, now);
	submit(&gone);
	CHECK(bus_step(&bus, now) == BUS_NOTHING && gone.calls == 1 && gone.status == -XEN_ENODEV);
}

static void test_chain(void) {
	struct job second = make(0x18), first = make(0x10);

	start();
	ready(0);
	first.then = &second;
	second.job.context = &second;
	submit(&first);
	CHECK(bus_step(&bus, now) == BUS_KICK);
	answer(0);
	CHECK(bus_step(&bus, now) == BUS_KICK && first.calls == 1 && !second.calls);
	answer(0);
	CHECK(bus_step(&bus, now) == BUS_NOTHING && second.calls == 1);
	bus.seq = UINT32_MAX; /* numbers wrap, and 0 is none */
	page.done = 1;
	first = make(0x10);
	submit(&first);
	CHECK(bus_step(&bus, now) == BUS_KICK && page.command.seq == 2);
}

int main(void) {
	static const struct test tests[] = {
		{"one after the other", test_order},
		{"a bus domain that dies", test_death},
		{"one that does not answer", test_late},
		{"one that lies", test_lies},
		{"a job after a job, and wrap-around", test_chain},
	};

	return RUN("bus", tests);
}
