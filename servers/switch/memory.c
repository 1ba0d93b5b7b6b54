/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What lies in the lifeboat: the switch's own records, then the firewall's memory, which is as
 * large as the configuration makes it. Rules of the configuration are used where a predecessor
 * has left none.
 */
#include "libs/log/log.h"
#include "switch.h"

#define SET_BYTES 16384U /* of a rule set that is given at run time, at least */

static const uint64_t records = ROUND_UP(sizeof(struct boat), 64U);

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

uint64_t memory_size(void) {
	const struct fw_limits l = limits();

	return records + fw_size(&l);
}

void memory_open(void *memory) {
	const struct fw_limits l = limits();
	uint32_t wrong;

	sw.boat = memory;
	wrong = boat_check(sw.boat, sw.port_count);
	if (wrong) log_print("%u records in the lifeboat make no sense", wrong);
	for (uint32_t i = 0; i < sw.port_count; i++) sw.port[i].count = &sw.boat->port[i];
	address_open();
	open_firewall((uint8_t *)memory + records, &l);
}
