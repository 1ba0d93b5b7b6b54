/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two-level event channels, read with plain atomic exchanges. The order matters:
 * upcall_pending is cleared before the selector is taken, and a pending bit
 * before its handler runs, so whatever happens meanwhile is seen in the next
 * round; block returns at once if it happened before the domain slept.
 */
#include "libs/event/event.h"
#include "libs/rt/hypercall.h"
#include "libs/rt/time.h"
#include "proto/xen/event.h"
#include "proto/xen/sched.h"
#include "proto/xen/xen.h"

static struct {
	event_handler handler;
	void *context;
} handlers[EVENT_PORTS];

#define WORDS      (EVENT_PORTS / 64)
#define LAST_SENDS 7U

static uint64_t again[WORDS], again_words; /* a bit for each word that is not empty */
static struct evtchn_send last[LAST_SENDS];
static uint32_t last_count;
static struct event_timer *timers; /* by deadline */
static int timer_port;

static struct shared_info *shared_info(void) {
	return (struct shared_info *)(uintptr_t)rt_start_page->shared_info;
}

void event_handle(uint32_t port, event_handler handler, void *context) {
	rt_assert(port < EVENT_PORTS, "a port that the loop can handle");
	handlers[port].handler = handler;
	handlers[port].context = context;
	/* Or a later channel of this number would never be heard. */
	if (!handler) event_listen(port);
}

void event_again(uint32_t port) {
	rt_assert(port < EVENT_PORTS, "a port that the loop can handle");
	again[port / 64] |= 1ULL << (port % 64);
	again_words |= 1ULL << port / 64;
}

void event_ignore(uint32_t port) {
	__atomic_or_fetch(&shared_info()->evtchn_mask[port / 64], 1ULL << port % 64,
			  __ATOMIC_SEQ_CST);
}

/* In this order: an event that comes after the pending bit is taken back raises the upcall. */
void event_listen(uint32_t port) {
	struct shared_info *shared = shared_info();

	__atomic_and_fetch(&shared->evtchn_mask[port / 64], ~(1ULL << port % 64), __ATOMIC_SEQ_CST);
	__atomic_and_fetch(&shared->evtchn_pending[port / 64], ~(1ULL << port % 64),
			   __ATOMIC_SEQ_CST);
}

void event_send(uint32_t port) {
	struct evtchn_send send = {.port = port};

	/* An error means that the port is not connected now: nobody to tell. */
	hypercall2(__HYPERVISOR_event_channel_op, EVTCHNOP_send, (uintptr_t)&send);
}

void event_send_last(uint32_t port) {
	for (uint32_t i = 0; i < last_count; i++)
		if (last[i].port == port) return;
	if (last_count == LAST_SENDS)
		event_send(port);
	else
		last[last_count++].port = port;
}

static void send_last(void) {
	for (uint32_t i = 0; i < last_count; i++) event_send(last[i].port);
	last_count = 0;
}

/* The core looks for events once more before it lets the domain sleep. */
static void block(void) {
	struct multicall_entry calls[LAST_SENDS + 1];

	if (!last_count) {
		hypercall2(__HYPERVISOR_sched_op, SCHEDOP_block, event_patience);
		return;
	}
	for (uint32_t i = 0; i < last_count; i++)
		calls[i] = (struct multicall_entry){
			.op = __HYPERVISOR_event_channel_op,
			.args = {EVTCHNOP_send, (uintptr_t)&last[i]},
		};
	calls[last_count] = (struct multicall_entry){
		.op = __HYPERVISOR_sched_op,
		.args = {SCHEDOP_block, event_patience},
	};
	hypercall2(__HYPERVISOR_multicall, (uintptr_t)calls, last_count + 1);
	last_count = 0;
}

int event_bind_virq(uint32_t virq, event_handler handler, void *context) {
	struct evtchn_bind_virq bind = {.virq = virq};
	int64_t result =
		hypercall2(__HYPERVISOR_event_channel_op, EVTCHNOP_bind_virq, (uintptr_t)&bind);

	if (result) return (int)result;
	event_handle(bind.port, handler, context);
	return (int)bind.port;
}

/* Asks the core for the earliest deadline; 0 when there is none. */
static void timer_program(void) {
	hypercall2(__HYPERVISOR_set_timer_op, timers ? timers->deadline : 0, 0);
}

static void timer_fired(void *context) {
	uint64_t now = time_now();

	(void)context;
	while (timers && timers->deadline <= now) {
		struct event_timer *timer = timers;

		timers = timer->next;
		timer->deadline = 0;
		timer->handler(timer->context);
	}
	timer_program();
}

void event_timer_cancel(struct event_timer *timer) {
	for (struct event_timer **p = &timers; *p; p = &(*p)->next) {
		if (*p != timer) continue;
		*p = timer->next;
		break;
	}
	timer->deadline = 0;
}

void event_timer_arm(struct event_timer *timer, uint64_t deadline) {
	struct event_timer **p = &timers;

	if (!timer_port) {
		timer_port = event_bind_virq(VIRQ_TIMER, timer_fired, NULL);
		rt_assert(timer_port > 0, "a domain can bind its timer once");
	}
	event_timer_cancel(timer);
	timer->deadline = MAX(deadline, 1U);
	while (*p && (*p)->deadline <= timer->deadline) p = &(*p)->next;
	timer->next = *p;
	*p = timer;
	timer_program();
}

static void dispatch(uint32_t word, uint64_t bits) {
	for (; bits; bits &= bits - 1) {
		uint32_t port = word * 64 + (uint32_t)__builtin_ctzll(bits);

		if (port < EVENT_PORTS && handlers[port].handler)
			handlers[port].handler(handlers[port].context);
	}
}

static void dispatch_again(void) {
	uint64_t words = again_words;

	again_words = 0;
	for (; words; words &= words - 1) {
		uint32_t word = (uint32_t)__builtin_ctzll(words);
		uint64_t bits = again[word];

		again[word] = 0;
		dispatch(word, bits);
	}
}

static void dispatch_pending(void) {
	struct shared_info *shared = shared_info();
	struct vcpu_info *vcpu = &shared->vcpu_info[0];
	uint64_t selector;

	__atomic_store_n(&vcpu->evtchn_upcall_pending, 0, __ATOMIC_SEQ_CST);
	selector = __atomic_exchange_n(&vcpu->evtchn_pending_sel, 0, __ATOMIC_SEQ_CST);
	for (; selector; selector &= selector - 1) {
		uint32_t word = (uint32_t)__builtin_ctzll(selector);
		uint64_t bits = __atomic_load_n(&shared->evtchn_pending[word], __ATOMIC_SEQ_CST) &
				~__atomic_load_n(&shared->evtchn_mask[word], __ATOMIC_SEQ_CST);

		__atomic_and_fetch(&shared->evtchn_pending[word], ~bits, __ATOMIC_SEQ_CST);
		dispatch(word, bits);
	}
}

void event_loop(void) {
	struct vcpu_info *vcpu = &shared_info()->vcpu_info[0];

	for (;;) {
		bool pending = __atomic_load_n(&vcpu->evtchn_upcall_pending, __ATOMIC_SEQ_CST);

		if (!pending && !again_words) {
			block();
			continue;
		}
		send_last();
		if (pending) dispatch_pending();
		if (again_words) dispatch_again();
	}
}
