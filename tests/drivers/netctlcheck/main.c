/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A client of proto/netctl.h, beside guests that talk (tests/boot/test_netctl.py): it watches
 * counters, swaps the rules of what left-0 sends, and taps. It says in the log when the guests
 * may do their next part, and they say that it is done by a TCP connection to a port that
 * only this part has: a rule counts it. Whatever is not as it should be is a line with FAIL.
 *
 * All is a list of steps: a request, and what its answer must be. A step whose check
 * says so is done again, a little later. Who may only watch has a list that says so.
 */
#include "libs/event/event.h"
#include "libs/grant/grant.h"
#include "libs/log/log.h"
#include "libs/rt/package.h"
#include "libs/rt/time.h"
#include "proto/netctl.h"
#include "proto/rules.h"
#include "proto/switch.h"
#include "proto/system.h"

PACKAGE_CLIENT(SYSTEM_CONN_NETCTL, NETCTL_VERSION, NETCTL_VERSION);

#define PERIOD  MILLISECONDS(2)
#define ICMP    1U
#define TCP     6U
#define MARKS   900U /* ports of marks */
#define SWAPS   200U
#define PINGS   5U /* of so many bytes each, which the guest sends */
#define PING    1042U
#define REFUSED 3U  /* pings that must not pass */
#define DROPPED 18U /* by a rule: servers/switch/fw.h */
#define PACKETS 6U  /* blocks of pcapng with a packet */

/* Their rules follow the two for marks. */
enum { OPEN, STRICT, CLOSED };

static struct {
	uint32_t port;
	struct ctl_page *page;
	uint8_t *payload, *tap;
} at;

static struct {
	struct rules_header header;
	struct rules_rule rule[8];
	struct rules_range range[8];
} set;

static struct event_timer timer;
static uint32_t left, phase, failures, swaps, step;
static uint64_t dropped_before, tapped_packets, stopped_at, counted_drops;

static void check(bool good, const char *what) {
	if (good) return;
	failures++;
	log_print("FAIL step %u: %s: status %u, %s", step, what, at.page->status, at.page->text);
}

/* --- requests --- */

static void ask(uint32_t op, uint32_t port, uint32_t argument, uint32_t length) {
	at.page->op = op;
	at.page->port = port;
	at.page->direction = NETCTL_OUT;
	at.page->argument = argument;
	at.page->length = length;
	__atomic_store_n(&at.page->request, at.page->request + 1, __ATOMIC_RELEASE);
	event_send(at.port);
}

static struct rules_list range(uint16_t first, uint16_t last) {
	uint16_t n = (uint16_t)set.header.range_count++;

	set.range[n] = (struct rules_range){first, last};
	return (struct rules_list){n, 1};
}

static struct rules_rule *rule(uint8_t action, uint16_t protocol) {
	struct rules_rule *r = &set.rule[set.header.rule_count++];

	*r = (struct rules_rule){.action = action, .line = 10 * set.header.rule_count};
	if (protocol) {
		r->match = RULES_PROTOCOL;
		r->list[6] = range(protocol, protocol);
	}
	return r;
}

static void mark_rule(uint32_t first, uint32_t last) {
	struct rules_rule *r = rule(RULES_ACCEPT, TCP);

	r->match |= RULES_DPORT;
	r->list[8] = range((uint16_t)first, (uint16_t)last);
}

static void make_set(uint32_t which) {
	struct rules_rule *r;

	set.header = (struct rules_header){
		.magic = RULES_MAGIC,
		.version = RULES_VERSION,
		.total_size = sizeof(set),
		.rules = offsetof(__typeof__(set), rule),
		.ranges = offsetof(__typeof__(set), range),
		.prefixes = sizeof(set),
		.macs = sizeof(set),
		.ports = sizeof(set),
	};
	mark_rule(MARKS + phase, MARKS + phase);
	mark_rule(MARKS, MARKS + 50);
	rule(which == STRICT ? RULES_DROP : RULES_ACCEPT, ICMP);
	if (which == STRICT) {
		r = rule(RULES_ACCEPT, TCP);
		r->match |= RULES_STATE;
		r->states = RULES_ESTABLISHED;
	}
	rule(which == OPEN ? RULES_ACCEPT : RULES_DROP, TCP);
	rule(RULES_ACCEPT, 0);
}

static void send_set(void) {
	memcpy(at.payload, &set, sizeof(set));
	ask(NETCTL_SET_RULES, left, 0, sizeof(set));
}

static void ask_set(uint32_t which) {
	make_set(which);
	send_set();
}

static void ask_counters(void) { ask(NETCTL_COUNTERS, 0, 0, 0); }
static void ask_rules(void) { ask(NETCTL_RULE_COUNTERS, left, 0, 0); }
static void ask_nothing(void) { ask(77, left, 0, 0); }
static void ask_no_port(void) { ask(NETCTL_RULE_COUNTERS, 99, 0, 0); }
static void ask_too_much(void) { ask(NETCTL_SET_RULES, left, 0, CTL_PAYLOAD + 1); }
static void ask_without(void) { ask(NETCTL_SET_RULES, left, 0, sizeof(set)); }
static void ask_open(void) { ask_set(OPEN); }
static void ask_strict(void) { ask_set(STRICT); }
static void ask_closed(void) { ask_set(CLOSED); }
static void ask_swap(void) { ask_set(swaps % 2 ? OPEN : STRICT); }
static void ask_tap(void) { ask(NETCTL_TAP_START, left, 64, 0); }
static void ask_stop(void) { ask(NETCTL_TAP_STOP, 0, 0, 0); }

/* Good up to its last rule, which is none. */
static void ask_nonsense(void) {
	make_set(CLOSED);
	set.rule[set.header.rule_count - 1].action = 9;
	send_set();
}

/* --- answers; false: once more --- */

static const struct netctl_rule *rules(void) { return (const void *)at.payload; }
static const struct netctl_port *ports(void) { return (const void *)at.payload; }

static bool is(uint32_t status, const char *what) {
	check(at.page->status == status, what);
	return true;
}

static bool unknown(void) { return is(CTL_UNKNOWN, "unknown"); }
static bool invalid(void) { return is(CTL_INVALID, "invalid"); }
static bool denied(void) { return is(CTL_DENIED, "denied"); }
static bool done(void) { return is(CTL_OK, "done"); }

static bool found(void) {
	uint32_t count = at.page->answer_length / sizeof(struct netctl_port), others = 0;

	is(CTL_OK, "counters");
	check(count == 2 && at.page->answer_length % sizeof(struct netctl_port) == 0, "two ports");
	for (uint32_t n = 0; n < count; n++) {
		if (!strcmp(ports()[n].name, "left-0")) left = n;
		others += !strcmp(ports()[n].name, "right-0");
		check(ports()[n].kind == SWITCH_PORT_VIF, "VIFs");
	}
	check(others == 1, "its name");
	return true;
}

static bool wrong_line(void) {
	check(at.page->status == CTL_INVALID && !memcmp(at.page->text, "line 50: ", 9),
	      "the line of a mistake");
	return true;
}

/* The guests' part is done. */
static bool marked(void) {
	is(CTL_OK, "rule counters");
	check(rules()[0].line == 10 && rules()[1].line == 20, "lines");
	if (!rules()[0].packets) return false;
	phase++;
	return true;
}

static bool zero(void) {
	check(!rules()[2].packets && !rules()[2].bytes, "a new set begins with zero");
	return true;
}

static bool pings(void) {
	check(rules()[2].packets == PINGS && rules()[2].bytes == (uint64_t)PINGS * PING,
	      "each ping is counted");
	return true;
}

static bool before(void) {
	dropped_before = ports()[left].dropped[DROPPED];
	check(ports()[left].state == 1 && ports()[left].out_packets, "it is connected and talks");
	return true;
}

static bool stricter(void) {
	check(rules()[2].packets == REFUSED, "each ping is refused");
	check(rules()[3].packets, "the old connection goes on");
	check(rules()[4].packets, "no new one begins");
	counted_drops = rules()[2].packets + rules()[4].packets;
	return true;
}

static bool drops(void) {
	check(ports()[left].dropped[DROPPED] - dropped_before == counted_drops,
	      "what rules drop is what the port has dropped");
	return true;
}

static bool swapped(void) {
	is(CTL_OK, "a swap");
	return ++swaps == SWAPS;
}

/* What is in the tap: whole blocks. Returns how many with packets. */
static uint32_t drain(void) {
	struct ring_header *ring = &at.page->tap;
	uint32_t prod = __atomic_load_n(&ring->prod, __ATOMIC_ACQUIRE), count = 0;

	while (ring->cons != prod) {
		uint32_t word[2];

		for (uint32_t i = 0; i < sizeof(word); i++)
			((uint8_t *)word)[i] = at.tap[(ring->cons + i) % CTL_TAP];
		if (word[1] < 12 || word[1] % 4 || word[1] > prod - ring->cons) {
			check(false, "a block of the tap");
			break;
		}
		count += word[0] == PACKETS;
		ring->cons += word[1];
	}
	return count;
}

static bool tap_on(void) {
	check(at.page->tap_on == 1, "the tap is on");
	return is(CTL_OK, "a tap");
}

static bool tapped(void) {
	tapped_packets += drain();
	if (!marked()) return false;
	tapped_packets += drain();
	check(tapped_packets >= 8, "questions and answers in the tap");
	check(!at.page->tap_lost, "none is lost");
	return true;
}

static bool tap_off(void) {
	check(!at.page->tap_on, "the tap is off");
	drain();
	stopped_at = at.page->tap.prod;
	return is(CTL_OK, "no tap");
}

static bool silent(void) {
	if (!marked()) return false;
	check(at.page->tap.prod == stopped_at, "a tap that is off is silent");
	return true;
}

/* --- the lists --- */

struct step {
	void (*ask)(void);
	bool (*check)(void);
	const char *say; /* when it is done */
};

static const struct step all[] = {
	{ask_counters, found, NULL},
	{ask_nothing, unknown, NULL},
	{ask_no_port, unknown, NULL},
	{ask_too_much, invalid, NULL},
	{ask_open, done, NULL},
	{ask_rules, marked, NULL},
	/* Nothing of a wrong set is in force, and what was is not touched. */
	{ask_nonsense, wrong_line, NULL},
	{ask_open, done, NULL},
	{ask_rules, zero, "count"},
	{ask_rules, marked, NULL},
	{ask_rules, pings, NULL},
	{ask_counters, before, NULL},
	{ask_strict, done, "strict"},
	{ask_rules, marked, NULL},
	{ask_rules, stricter, NULL},
	{ask_counters, drops, NULL},
	{ask_swap, swapped, NULL},
	{ask_strict, done, "swapped"},
	{ask_rules, marked, NULL},
	{ask_closed, done, "closed"},
	{ask_rules, marked, NULL},
	{ask_open, done, "open"},
	{ask_rules, marked, NULL},
	{ask_open, done, NULL},
	{ask_tap, tap_on, "tap"},
	{ask_rules, tapped, NULL},
	{ask_open, done, NULL},
	{ask_stop, tap_off, "silence"},
	{ask_rules, silent, NULL},
	{NULL, NULL, NULL},
};

static const struct step watching[] = {
	{ask_without, denied, NULL},
	{ask_tap, denied, NULL},
	{ask_counters, found, NULL},
	{NULL, NULL, NULL},
};
static const struct step *steps = all;

static void tick(void *context) {
	static bool asked;

	(void)context;
	if (!asked) {
		asked = true;
		steps[step].ask();
	} else if (__atomic_load_n(&at.page->done, __ATOMIC_ACQUIRE) == at.page->request) {
		asked = false;
		if (steps[step].check()) {
			if (steps[step].say) log_print("next: %s", steps[step].say);
			step++;
		}
	}
	if (steps[step].ask)
		event_timer_arm(&timer, time_now() + PERIOD);
	else
		log_print("end: %u failures", failures);
}

void native_main(void) {
	const struct native_connection *c = rt_connection(SYSTEM_CONN_NETCTL, 0);
	void *pages;

	if (!c || grant_map_for_life(&pages, c->ring_domid, c->ring_ref, NETCTL_PAGES))
		rt_panic("FAIL: there is no switch to talk to");
	at.port = c->port;
	at.page = pages;
	at.payload = (uint8_t *)pages + PAGE_SIZE;
	at.tap = at.payload + CTL_PAYLOAD;
	if (!(c->flags & NETCTL_F_RULES)) steps = watching;
	timer.handler = tick;
	tick(NULL);
	event_loop();
}
