/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whether bytes are a rule set. They come from a client or lie in a lifeboat, so nothing
 * is taken for granted; behind this check every index of the set is good, and what one
 * frame costs is bounded (RULES_MAX_WORK).
 */
#include "fw_state.h"

#define ALL_CONDITIONS ((1U << RULES_CONDITIONS) - 1)
#define ALL_STATES     31U /* RULES_NEW to RULES_UNTRACKED */
#define MAX_BURST      4000000U
#define MAX_RATE       3600000000000000ULL /* 10^12 in a second */
#define MAX_FILL       (1ULL << 60)        /* ns until a bucket is full: years */

static const char *array_wrong(const struct rules_header *header, uint32_t offset, uint32_t count,
			       uint32_t record, uint32_t most) {
	if (offset % 8 || offset < sizeof(*header) || offset > header->total_size)
		return "the offset of an array is wrong";
	if (count > most) return "an array is too long";
	if ((uint64_t)count * record > header->total_size - offset) return "an array is cut off";
	return NULL;
}

static const char *header_wrong(const struct rules_header *h, uint32_t size) {
	const char *wrong;

	if (h->magic != RULES_MAGIC) return "these bytes are no rule set";
	if (h->version != RULES_VERSION) return "a version that is not known";
	if (h->total_size != size) return "its size is not that of the bytes";
	wrong = array_wrong(h, h->rules, h->rule_count, sizeof(struct rules_rule), RULES_MAX);
	if (!wrong)
		wrong = array_wrong(h, h->ranges, h->range_count, sizeof(struct rules_range),
				    65535);
	if (!wrong)
		wrong = array_wrong(h, h->prefixes, h->prefix_count, sizeof(struct rules_prefix),
				    65535);
	if (!wrong) wrong = array_wrong(h, h->macs, h->mac_count, sizeof(struct rules_mac), 65535);
	if (!wrong)
		wrong = array_wrong(h, h->ports, h->port_count, sizeof(struct rules_port),
				    SWITCH_MAX_PORTS);
	return wrong;
}

/* Bits behind the first `bits` are 0. */
static bool zero_behind(const uint8_t *bytes, uint32_t size, uint32_t bits) {
	for (uint32_t i = bits; i < size * 8; i++)
		if (bytes[i / 8] & 0x80U >> i % 8) return false;
	return true;
}

static const char *lists_wrong(const struct rules_header *h) {
	uintptr_t base = (uintptr_t)h;
	const struct rules_range *ranges = (const struct rules_range *)(base + h->ranges);
	const struct rules_prefix *prefixes = (const struct rules_prefix *)(base + h->prefixes);
	const struct rules_mac *macs = (const struct rules_mac *)(base + h->macs);
	const struct rules_port *ports = (const struct rules_port *)(base + h->ports);

	for (uint32_t i = 0; i < h->range_count; i++)
		if (ranges[i].first > ranges[i].last) return "a range ends before it begins";
	for (uint32_t i = 0; i < h->prefix_count; i++) {
		const struct rules_prefix *p = &prefixes[i];

		if ((p->family != 4 && p->family != 6) || p->bits > (p->family == 4 ? 32 : 128))
			return "a prefix is neither of IPv4 nor of IPv6";
		if (!zero_behind(p->address, 16, p->bits) || !zero_behind(p->pad, 6, 0))
			return "a prefix has bits behind its end";
	}
	for (uint32_t i = 0; i < h->mac_count; i++)
		if (macs[i].bits > 48 || macs[i].pad ||
		    !zero_behind(macs[i].address, 6, macs[i].bits))
			return "a MAC address has bits behind its end";
	for (uint32_t i = 0; i < h->port_count; i++)
		if (!ports[i].name[0] || rt_strnlen(ports[i].name, RULES_NAME) == RULES_NAME)
			return "a name of a port is empty or has no end";
	return NULL;
}

static uint32_t list_limit(const struct rules_header *h, uint32_t bit) {
	switch (1U << bit) {
	case RULES_SMAC:
	case RULES_DMAC: return h->mac_count;
	case RULES_SRC:
	case RULES_DST: return h->prefix_count;
	default: return h->range_count;
	}
}

static const char *conditions_wrong(const struct rules_header *h, const struct rules_rule *r,
				    uint32_t *work) {
	for (uint32_t bit = 0; bit < RULES_LISTS; bit++) {
		const struct rules_list *list = &r->list[bit];
		uint32_t limit = list_limit(h, bit);

		if (!(r->match & 1U << bit)) {
			if (list->first || list->count) return "a list without its condition";
			continue;
		}
		if (!list->count || list->count > RULES_MAX_LIST)
			return "a list is empty or too long";
		if (list->first > limit || list->count > limit - list->first)
			return "a list lies outside its array";
		*work += list->count;
	}
	if (*work > RULES_MAX_WORK) return "the lists are too long, all together";
	if (r->match & RULES_STATE ? !r->states || r->states & ~ALL_STATES : r->states)
		return "unknown connection states";
	if (r->match & RULES_TCP_FLAGS ? !r->tcp_mask || r->tcp_value & ~r->tcp_mask
				       : r->tcp_mask || r->tcp_value)
		return "TCP flags that can never be";
	return NULL;
}

static const char *limit_wrong(const struct rules_rule *r) {
	if (!(r->match & RULES_LIMIT))
		return r->rate || r->burst || r->flags & RULES_BYTES ? "a rate without a limit"
								     : NULL;
	if (!r->rate || r->rate > MAX_RATE) return "a rate that is 0 or too high";
	if (!r->burst || r->burst > MAX_BURST) return "a burst that is 0 or too large";
	return r->burst * 3600 * FW_SECOND / r->rate < MAX_FILL ? NULL
								: "a burst that takes too long";
}

static const char *rule_wrong(const struct rules_header *h, const struct rules_rule *r,
			      uint32_t *work) {
	const char *wrong;

	if (r->match & ~ALL_CONDITIONS || r->negate & ~r->match) return "unknown conditions";
	if (r->action > RULES_REJECT) return "an unknown action";
	if (r->flags & ~(RULES_LOG | RULES_MIRROR | RULES_BYTES) || r->pad) return "unknown flags";
	if (r->flags & RULES_MIRROR ? r->mirror >= h->port_count : r->mirror)
		return "a mirror that is no port";
	wrong = conditions_wrong(h, r, work);
	return wrong ? wrong : limit_wrong(r);
}

bool fw_rules_check(const void *rules, uint32_t size, struct fw_error *error) {
	const struct rules_header *h = rules;
	const struct rules_rule *rule;
	uint32_t work = 0;

	error->rule = FW_NO_RULE;
	error->line = 0;
	error->text = "its size is impossible";
	if (size < sizeof(*h) || size > RULES_MAX_SIZE) return false;
	error->text = header_wrong(h, size);
	if (!error->text) error->text = lists_wrong(h);
	if (error->text) return false;
	rule = (const struct rules_rule *)((uintptr_t)h + h->rules);
	for (uint32_t i = 0; i < h->rule_count; i++) {
		error->text = rule_wrong(h, &rule[i], &work);
		if (!error->text) continue;
		error->rule = i;
		error->line = rule[i].line;
		return false;
	}
	return true;
}
