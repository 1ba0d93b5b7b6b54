/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Guests that ring and ring: what an event brings, who is not listened to, and for how long; and
 * when they are not asked to ring.
 */
#include "rig.h"

static struct netfront front[GUESTS];
static uint8_t bytes[2048];

static void serve(void) {
	for (uint32_t i = 0; i < GUESTS; i++) front_push(&front[i]);
	for (uint32_t i = 0; i < 8; i++) rig_serve();
	for (uint32_t i = 0; i < GUESTS; i++) front_collect(&front[i]);
}

static void begin(uint32_t queues, uint32_t buffers) {
	rig_world();
	rig_describe(queues);
	for (uint32_t i = 0; i < GUESTS; i++) front_init(&front[i], i, 0);
	rig_driver_start();
	rig_server();
	for (uint32_t i = 0; i < GUESTS; i++) front_post(&front[i], buffers);
	serve();
}

static void send(uint32_t from, uint32_t to) {
	frame_write(bytes, from, to, front[from].number++, 100);
	front_send(&front[from], bytes, 100, 1, 0, NULL);
	serve();
}

static void ring(uint32_t guest, bool tx, bool rx) {
	kick_heard(&sw.queue[sw.port[guest].vif.first_queue], tx, rx, rig_time);
}

static void ring_until_deaf(void) {
	for (uint32_t i = 0; i < 1000 && !rig_deaf[0]; i++) ring(0, true, true);
	CHECK(rig_deaf[0]);
}

static void test_kicks(void) {
	uint64_t begun, deaf = 0;

	begin(1, NETIF_SLOTS);
	/* Not more often than 20,000 times in a second: it may be woken for that. */
	for (uint32_t i = 0; i < 1000; i++) {
		rig_time += 50000;
		ring(0, true, true);
		CHECK(!rig_deaf[0]);
	}
	/* All the time: for what it had saved up, and for as much as the time allows. */
	begun = rig_time += 100000000;
	for (uint32_t i = 0; i < 100000; i++) {
		rig_time += 1000;
		if (rig_deaf[0])
			deaf++;
		else
			ring(0, true, true);
		if (i % 100 == 0) rig_serve(); /* the timer, and whatever else wakes it */
	}
	CHECK(100000 - deaf <= 64 + (rig_time - begun) / 50000 + 1);
	/* What it sends meanwhile is seen, and its neighbours never notice. */
	CHECK(!rig_deaf[1] && !rig_deaf[2]);
	ring_until_deaf();
	send(0, 1);
	send(1, 2);
	CHECK(front[1].came == 1 && front[2].came == 1);
	rig_time += 1000000;
	serve();
	CHECK(!rig_deaf[0] && !sw.deaf);
	/* A new connection begins with nothing against it. */
	ring_until_deaf();
	front[0].tx_prod += NETIF_SLOTS + 1; /* which costs it the VIF */
	front_push(&front[0]);
	for (uint32_t i = 0; i < 4; i++) rig_serve();
	CHECK(sw.port[0].vif.end.state == BACKEND_CLOSED && !sw.deaf &&
	      !sw.port[0].vif.deaf_until && !sw.port[0].vif.kicks_paid);
}

/* What an event brings: something new in the ring that it is of. */
static void test_news(void) {
	begin(2, 0);
	for (uint32_t i = 0; i < 200; i++) {
		frame_write(bytes, 0, 1, front[0].number++, SW_SMALL);
		front_send(&front[0], bytes, SW_SMALL, 1, 0, NULL);
		front_push(&front[0]);
		sw.ready = 0;
		ring(0, true, false);
		CHECK(sw.ready == 1);
		/* So the other ring's event, and that of another queue, are of what is theirs. */
		front_post(&front[0], 1);
		ring(0, false, true);
		CHECK(!rig_deaf[0]);
		rig_serve();
		front_collect(&front[0]);
	}
	CHECK(sw.port[0].vif.queue_count == 2 && !sw.port[0].vif.kicks_paid);
	/* A ring that it is not of is no news, nor is what was heard of. */
	front_post(&front[0], 1);
	ring(0, true, false);
	CHECK(sw.port[0].vif.kicks_paid);
	ring(0, false, true);
	kick_forget(&sw.port[0]);
	frame_write(bytes, 0, 1, front[0].number++, SW_SMALL);
	front_send(&front[0], bytes, SW_SMALL, 1, 0, NULL);
	front_push(&front[0]);
	ring(0, false, true);
	CHECK(sw.port[0].vif.kicks_paid);
	kick_forget(&sw.port[0]);
	ring(0, true, false);
	CHECK(!sw.port[0].vif.kicks_paid);
	ring_until_deaf();
}

/* A queue that is empty again, `gap` after that was last so, and has brought so many packets. */
static uint32_t empty(struct queue *queue, uint64_t gap, uint32_t packets) {
	sw.now += gap;
	queue->pause.packets = packets;
	return pause_requests(queue);
}

static void wake_ups_cost(uint64_t ns) {
	for (uint32_t i = 0; i < 1000; i++) pause_cost(ns);
}

/* How long the pause is that follows from packets with this gap; 0: there is none. */
static uint64_t pause_after(uint64_t gap) {
	struct queue *queue = &sw.queue[sw.port[0].vif.first_queue];

	memset(&queue->pause, 0, sizeof(queue->pause));
	CHECK(empty(queue, 1000000000, 1) == 1 && !queue->pause.until);
	if (empty(queue, gap, 1) == 1) return 0;
	return queue->pause.until - sw.now;
}

static void test_pauses(void) {
	struct queue *queue;
	uint64_t length;

	begin(1, 0);
	queue = &sw.queue[sw.port[0].vif.first_queue];
	/* As long as twelve packets take; */
	wake_ups_cost(50000);
	CHECK(pause_after(10000) == 120000 && pause_after(100) == 20000);
	/* at most what eight wake-ups cost, whatever that is; */
	length = pause_after(100000);
	CHECK(length > 350000 && length < 450000);
	wake_ups_cost(5000);
	length = pause_after(10000);
	CHECK(length > 35000 && length < 45000 && !pause_after(100000));
	wake_ups_cost(10000000);
	CHECK(pause_after(100000) == 1000000);
	/* and one in which somebody else had the processor is no measure. */
	wake_ups_cost(5000);
	pause_cost(100000000);
	length = pause_after(10000);
	CHECK(length > 35000 && length < 48000);
	/* One that brings packets is followed by another, one that does not is not. */
	wake_ups_cost(50000);
	CHECK(pause_after(10000) && empty(queue, 120000, 12) > 1 && queue->pause.until);
	CHECK(empty(queue, 120000, 2) == 1 && !queue->pause.until);
}

/* How many packets one queue had at a wake-up; those that come for a guest are nobody's. */
static void test_asked(void) {
	begin(2, NETIF_SLOTS);
	send(1, 0);
	rig_serve();
	CHECK(rig_asked == 0);
	for (uint32_t n = 1; n < 5; n++) {
		for (uint32_t i = 0; i < n; i++) {
			frame_write(bytes, 0, 1, front[0].number++, SW_SMALL);
			front_send(&front[0], bytes, SW_SMALL, 1, 0, NULL);
		}
		front_push(&front[0]);
		sw.ready |= 1;
		rig_serve();
		CHECK(rig_asked == n);
		front_collect(&front[0]);
	}
}

/* Wake-ups with packets say what one costs, here nothing, as time stands still; others do not. */
static void test_costs(void) {
	begin(1, NETIF_SLOTS);
	wake_ups_cost(50000);
	for (uint32_t i = 0; i < 200; i++) rig_serve();
	CHECK(pause_after(100000) > 350000);
	for (uint32_t i = 0; i < 100; i++) send(0, 1);
	CHECK(front[1].came == 100 && pause_after(15000) == 20000);
}

int main(void) {
	static const struct test tests[] = {
		{"a guest that rings for nothing", test_kicks},
		{"a guest that rings for something", test_news},
		{"pauses", test_pauses},
		{"how much is asked at once", test_asked},
		{"what a wake-up costs", test_costs},
	};

	return RUN("switch_kicks", tests);
}
