/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The switch's start: its configuration, its lifeboat, the firewall, drivers, the store,
 * and guests. What it can't do without ends it with a message.
 */
#include "libs/control/control.h"
#include "libs/event/event.h"
#include "libs/lifeboat/lifeboat.h"
#include "libs/log/log.h"
#include "libs/rt/time.h"
#include "switch.h"

struct switch_server sw;

#define LEAST_POOL 384U /* pages */
#define SET_BYTES  16384U

static struct grant_mapping config_mapping;
static struct lifeboat lifeboat;

static bool peer_changed(unsigned index, bool present, uint32_t incarnation) {
	uint16_t n = (uint16_t)index;
	struct guest *guest = &sw.guest[n];

	if (rt_start_page->connections[index].protocol != SYSTEM_CONN_VIF) return true;
	if (present && guest->present && !guest->ending && guest->incarnation == incarnation)
		return true;
	/* Also if it is gone since before our time: connections of it may be tracked. */
	if (guest->present || !present) {
		vif_leave(n);
		if (!vif_gone(n)) return false;
	}
	if (present) vif_present(n, incarnation);
	return true;
}

static void open_config(void) {
	const struct native_connection *c = rt_connection(SYSTEM_CONN_CONFIG, 0);
	const char *wrong;

	if (!c) rt_panic("it has no configuration: no network is described");
	if (grant_map_readonly(&config_mapping, c->ring_domid, c->ring_ref, c->ring_pages))
		rt_panic("its configuration can't be mapped");
	wrong = config_check(config_mapping.at, MIN(c->flags, c->ring_pages * (uint32_t)PAGE_SIZE));
	if (wrong) rt_panic("its configuration can't be used: %s", wrong);
	config_apply(config_mapping.at);
}

/* --- the firewall --- */

static const struct switch_ruleset *ruleset(uint32_t n) {
	return (const struct switch_ruleset *)((const uint8_t *)sw.config + sw.config->rulesets) +
	       n;
}

static uint32_t rule_count(const struct switch_ruleset *set) {
	const struct rules_header *header =
		(const void *)((const uint8_t *)sw.config + set->offset);

	return set->size < sizeof(*header) ? 0 : header->rule_count;
}

static struct fw_limits limits(void) {
	struct fw_limits l = {
		.ports = MAX(sw.port_count, 1U),
		.sets = 1,
		.set_bytes = SET_BYTES,
		.states = sw.config->states,
	};

	for (uint32_t i = 0; i < sw.port_count; i++)
		if (sw.port[i].kind == SWITCH_PORT_VIF) l.sets += 2;
	for (uint32_t i = 0; i < sw.config->ruleset_count; i++)
		l.set_bytes =
			MAX(l.set_bytes, fw_set_bytes(ruleset(i)->size, rule_count(ruleset(i))));
	return l;
}

static void give_rules(uint32_t port, uint32_t direction, uint32_t n) {
	const uint8_t *blob = (const uint8_t *)sw.config;
	struct fw_error error;

	if (fw_has_rules(&sw.fw, port, direction) || n == SWITCH_NO_RULES) return;
	if (fw_swap(&sw.fw, port, direction, blob + ruleset(n)->offset, ruleset(n)->size, sw.now,
		    &error))
		log_print("%s: rules %s can't be used, line %u: %s", sw.port[port].name,
			  config_string(ruleset(n)->name), error.line, error.text);
}

static void open_firewall(void *memory, const struct fw_limits *limits) {
	uint64_t seed[2] = {sw.now * 0x9e3779b97f4a7c15ULL, __builtin_ia32_rdtsc()};
	static const char *names[SW_PORTS];
	struct fw_adopted adopted;

	for (uint32_t i = 0; i < sw.port_count; i++) names[i] = sw.port[i].name;
	if (!fw_open(&sw.fw, memory, limits, names, seed, sw.now, &adopted))
		rt_panic("the limits of its firewall are impossible");
	if (adopted.rejected)
		log_print("%u records of the firewall make no sense", adopted.rejected);
	for (uint32_t i = 0; i < sw.port_count; i++) {
		const struct switch_port *p = sw.port[i].config;

		if (p->kind != SWITCH_PORT_VIF) continue;
		fw_port_open(&sw.fw, i, p,
			     (const void *)((const uint8_t *)sw.config + p->prefixes));
		give_rules(i, NETCTL_OUT, p->rules_out);
		give_rules(i, NETCTL_IN, p->rules_in);
	}
}

/* --- the lifeboat: records, the firewall's memory, the pool --- */

static void open_lifeboat(void) {
	const struct native_connection *c = rt_connection(SYSTEM_CONN_LIFEBOAT, 0);
	const struct fw_limits l = limits();
	const uint32_t records = ROUND_UP((uint32_t)sizeof(struct boat), 64U);
	const uint64_t data = records + fw_size(&l);
	const uint32_t pages = (uint32_t)DIV_UP(LIFEBOAT_DATA + data, PAGE_SIZE);
	int error;

	if (!c || c->ring_pages < pages + LEAST_POOL)
		rt_panic("its lifeboat is too small: %u KiB are needed",
			 (uint32_t)((pages + LEAST_POOL) * PAGE_SIZE / 1024));
	error = lifeboat_open(&lifeboat, BOAT_LAYOUT, (uint32_t)data);
	if (error) rt_panic("its lifeboat can't be used (%d)", error);
	sw.boat = lifeboat.data;
	error = (int)boat_check(sw.boat, sw.port_count);
	if (error) log_print("%d records in the lifeboat make no sense", error);
	for (uint32_t i = 0; i < sw.port_count; i++) sw.port[i].count = &sw.boat->port[i];
	pool_init((uint8_t *)lifeboat.data - LIFEBOAT_DATA + pages * PAGE_SIZE,
		  c->ring_pages - pages, c->ring_domid, c->ring_ref + pages);
	address_open();
	open_firewall((uint8_t *)lifeboat.data + records, &l);
}

static void open_uplinks(void) {
	for (uint32_t i = 0; i < sw.uplink_count; i++) {
		const char *wrong = uplink_open(&sw.uplink[i]);

		if (wrong) rt_panic("%s: %s", sw.uplink[i].connection->peer, wrong);
	}
	if (lifeboat.adopted) uplink_hold();
}

void native_main(void) {
	const char *wrong;

	sw.now = time_now();
	open_config();
	open_lifeboat();
	wrong = node_open();
	if (wrong) rt_panic("%s", wrong);
	open_uplinks();
	control_init(peer_changed, NULL);
	ctl_open();
	pump_soon();
	event_loop();
}
