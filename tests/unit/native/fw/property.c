/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The real firewall against the slow one (model.h): random rules, random frames, some of them
 * in the order of real conversations. Verdict, rule, state and log must be the same for each.
 *
 *   unit_native_fw_property [frames [seed]]
 */
#include "../native.h"

#include "fw_rig.h"
#include "model.h"

static uint32_t below(uint32_t n) { return noise() % n; }
static bool one_in(uint32_t n) { return !below(n); }

/* --- frames --- */

/* What the two sides of some conversations have sent, so that frames often fit. */
static int64_t next_seq[2][64];

static void put16(uint8_t *at, uint32_t value) {
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static void put32(uint8_t *at, int64_t value) {
	put16(at, (uint32_t)value >> 16);
	put16(at + 2, (uint32_t)value & 0xffff);
}

static void make_address(uint8_t *at, int family, uint32_t number) {
	static const uint8_t four[4] = {10}, six[16] = {0x20, 1, 0x0d, 0xb8};

	memset(at, 0, 16);
	memcpy(at, family == 6 ? six : four, family == 6 ? 16 : 4);
	at[family == 6 ? 15 : 3] = (uint8_t)number;
}

static void make_tcp(struct said *f, uint32_t flow) {
	static const uint8_t usual[] = {2, 18, 16, 16, 24, 24, 17, 4, 20, 0, 3, 25};
	int me = f->outward, slot = (int)flow % 64;
	int64_t *mine = &next_seq[me][slot], *theirs = &next_seq[!me][slot];

	f->flags = one_in(20) ? (uint8_t)below(64) : usual[below(sizeof(usual))];
	f->length = one_in(3) ? below(1400) : 0;
	f->window = one_in(8) ? below(3) : 8000 + below(50000);
	f->scale = f->flags & 2 && one_in(2) ? (int)below(15) : -1;
	if (!*mine) *mine = 1000000 + below(1000);
	if (!*theirs) *theirs = 1000000 + below(1000);
	f->seq = *mine;
	f->ack = *theirs;
	if (one_in(6)) f->seq += (int64_t)below(200000) - 100000;
	if (one_in(6)) f->ack += (int64_t)below(150000) - 140000;
	if (!one_in(4) && f->seq == *mine) *mine += f->length + !!(f->flags & 2) + !!(f->flags & 1);
}

static void make_icmp(struct said *f) {
	f->protocol = f->family == 6 ? 58 : 1;
	f->id = (uint16_t)below(3);
	f->type = f->family == 6 ? (one_in(2) ? 128 : 129) : (uint8_t)(one_in(2) ? 8 : 0);
	f->code = (uint8_t)below(2);
	if (f->family == 6 || !one_in(3)) return;
	f->type = one_in(3) ? 5 : 3;
	f->quotes = f->type == 3;
	f->about_protocol = one_in(2) ? 6 : 17;
	memcpy(f->about_src, f->dst, 4);
	memcpy(f->about_dst, f->src, 4);
	f->about_sport = (uint16_t)(20 + below(3));
	f->about_dport = (uint16_t)(20 + below(3));
}

static void make_frame(struct said *f) {
	static const uint8_t protocols[] = {6, 6, 6, 6, 6, 17, 17, 1, 1, 47};
	uint32_t local = one_in(8) ? 4 : 1 + one_in(9), remote = 8 + one_in(9), ports;

	*f = (struct said){.outward = one_in(2), .smac = {0x52, 0x54, 0, 0, 0, 1}, .scale = -1};
	f->vlan = one_in(8) ? 5 : 0;
	f->smac[5] = one_in(20) ? (uint8_t)below(4) : 1;
	memcpy(f->dmac, f->smac, 6);
	f->dmac[5] = (uint8_t)(8 + below(2));
	if (one_in(12)) {
		f->arp = one_in(2);
		f->ethertype = f->arp ? 0x0806 : (uint16_t)(0x88cc + below(2));
		make_address(f->src, 4, f->arp ? local : 0);
		make_address(f->dst, 4, f->arp ? remote : 0);
		return;
	}
	f->family = one_in(3) ? 6 : 4;
	f->ethertype = f->family == 6 ? 0x86dd : 0x0800;
	make_address(f->src, f->family, f->outward ? local : remote);
	make_address(f->dst, f->family, f->outward ? remote : local);
	f->protocol = protocols[below(sizeof(protocols))];
	f->fragment = one_in(40);
	ports = one_in(4) ? below(9) : below(2);
	f->sport = (uint16_t)(20 + (f->outward ? ports / 3 : ports % 3));
	f->dport = (uint16_t)(20 + (f->outward ? ports % 3 : ports / 3));
	if (f->protocol == 6) make_tcp(f, ports * 7 + local + remote * 2);
	if (f->protocol == 1) make_icmp(f);
	if (f->protocol == 17) f->length = below(100);
	/* An error in fragments quotes nothing that can be trusted; there is no need for these. */
	if (f->quotes) f->fragment = false;
	if (f->fragment) f->length = f->length / 8 * 8 + 64;
}

static uint32_t lay_transport(const struct said *f, uint8_t *at) {
	memset(at, 0, 2000);
	if (f->protocol == 6) {
		uint32_t options = f->scale >= 0 ? 4 : 0;

		if (f->fragment && options) options = 8; /* its length stays a multiple of 8 */
		put16(at, f->sport);
		put16(at + 2, f->dport);
		put32(at + 4, f->seq);
		put32(at + 8, f->ack);
		at[12] = (uint8_t)((20 + options) / 4 << 4);
		at[13] = f->flags;
		put16(at + 14, f->window);
		memset(at + 20, 1, options);
		if (options) {
			at[20] = 3;
			at[21] = 3;
			at[22] = (uint8_t)f->scale;
		}
		return 20 + options + f->length;
	}
	if (f->protocol == 17) {
		put16(at, f->sport);
		put16(at + 2, f->dport);
		put16(at + 4, 8 + f->length);
		return 8 + f->length;
	}
	if (f->protocol == 47) return 8 + f->length;
	at[0] = f->type;
	at[1] = f->code;
	if (!f->quotes) put16(at + 4, f->id);
	if (f->quotes) {
		at[8] = 0x45;
		at[17] = f->about_protocol;
		memcpy(at + 20, f->about_src, 4);
		memcpy(at + 24, f->about_dst, 4);
		put16(at + 28, f->about_sport);
		put16(at + 30, f->about_dport);
	}
	return 36 + f->length;
}

static uint8_t bytes[2200];

/* A fragment's payload is a multiple of 8; what TCP's header takes of it counts. */
static uint32_t lay_ip(struct said *f, uint8_t *at) {
	uint8_t *transport = at + (f->family == 6 ? 40 + 8 * f->fragment : 20);
	uint32_t length = lay_transport(f, transport);

	if (f->fragment && length % 8) {
		f->length += 8 - length % 8;
		length = lay_transport(f, transport);
	}
	if (f->family == 6) {
		memset(at, 0, 8);
		at[0] = 0x60;
		put16(at + 4, length + 8 * f->fragment);
		at[6] = f->fragment ? 44 : f->protocol;
		at[7] = 64;
		memcpy(at + 8, f->src, 16);
		memcpy(at + 24, f->dst, 16);
		if (f->fragment) memcpy(at + 40, (uint8_t[8]){f->protocol, 0, 0, 1}, 8);
		return 40 + 8 * f->fragment + length;
	}
	memset(at, 0, 20);
	at[0] = 0x45;
	put16(at + 2, 20 + length);
	at[6] = f->fragment ? 0x20 : 0;
	at[9] = f->protocol;
	memcpy(at + 12, f->src, 4);
	memcpy(at + 16, f->dst, 4);
	return 20 + length;
}

static uint32_t lay(struct said *f) {
	uint32_t length = 46;

	memcpy(bytes, f->dmac, 6);
	memcpy(bytes + 6, f->smac, 6);
	put16(bytes + 12, f->ethertype);
	memset(bytes + 14, 0, 46);
	if (f->arp) {
		memcpy(bytes + 14, (uint8_t[8]){0, 1, 8, 0, 6, 4, 0, 1}, 8);
		memcpy(bytes + 22, f->smac, 6);
		memcpy(bytes + 28, f->src, 4);
		memcpy(bytes + 38, f->dst, 4);
	} else if (f->family) {
		length = lay_ip(f, bytes + 14);
	}
	f->total = 14 + length;
	return f->total;
}

/* --- rules --- */

static void make_values(struct said_condition *c) {
	c->count = (int)(1 + below(MODEL_VALUES));
	for (int i = 0; i < c->count; i++) {
		uint32_t value, wide = one_in(3) ? below(4) : 0;

		switch (c->bit) {
		case RULES_ETHERTYPE:
			value = (uint32_t[]){0x0800, 0x0806, 0x86dd, 0x88cc}[below(4)];
			wide = 0;
			break;
		case RULES_VLAN: value = below(6); break;
		case RULES_PROTOCOL: value = (uint32_t[]){6, 17, 1, 58, 47}[below(5)]; break;
		case RULES_ICMP:
			value = (uint32_t[]){0x800, 0, 0x300, 0x8000, 0x8100}[below(5)];
			wide = one_in(2) ? 255 : 0;
			break;
		default: value = 20 + below(3);
		}
		c->first[i] = (uint16_t)value;
		c->last[i] = (uint16_t)(value + wide);
		c->family[i] = c->bit == RULES_SRC || c->bit == RULES_DST ? (one_in(3) ? 6 : 4) : 0;
		if (c->family[i]) {
			make_address(c->bytes[i], c->family[i], below(12));
			c->bits[i] = (uint8_t)((c->family[i] == 6 ? 128 : 32) -
					       (one_in(2) ? below(5) : 0));
		} else {
			memcpy(c->bytes[i], (uint8_t[6]){0x52, 0x54, 0, 0, 0, (uint8_t)below(10)},
			       6);
			c->bits[i] = (uint8_t)(48 - (one_in(2) ? below(5) : 0));
		}
		for (uint32_t bit = c->bits[i]; bit < 128; bit++)
			c->bytes[i][bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
	}
}

static void make_condition(struct said_condition *c, uint32_t bit) {
	/* Rates that divide a second: so both count without a rest. */
	static const uint64_t rates[] = {1, 2, 5, 10, 1000, 100000};

	memset(c, 0, sizeof(*c));
	c->bit = bit;
	c->negate = one_in(4);
	if (bit < 1U << RULES_LISTS) make_values(c);
	if (bit == RULES_TCP_FLAGS) {
		c->mask = (uint8_t)(1 + below(63));
		c->value = c->mask & (one_in(2) ? 2 : (uint8_t)below(64));
	}
	if (bit == RULES_STATE) c->mask = (uint8_t)(1 + below(31));
	if (bit == RULES_LIMIT) {
		c->in_bytes = one_in(3);
		c->rate = rates[below(ARRAY_SIZE(rates))];
		c->burst = 1 + below(c->in_bytes ? 5000 : 10);
	}
}

static void make_rules(struct said_rules *rules, uint64_t now) {
	/* Some that let conversations go on. */
	rules->count = one_in(3) ? 1 : (int)below(MODEL_RULES + 1);
	for (int i = 0; i < rules->count; i++) {
		struct said_rule *r = &rules->rule[i];
		uint32_t seen = 0;

		memset(r, 0, sizeof(*r));
		r->action = one_in(2) || rules->count == 1 ? RULES_ACCEPT : below(4);
		r->flags = one_in(4) ? RULES_LOG : 0;
		for (uint32_t n = rules->count == 1 ? below(2) : below(4); n-- > 0;) {
			uint32_t bit = one_in(3) ? RULES_STATE : 1U << below(RULES_CONDITIONS);

			if (seen & bit) continue;
			seen |= bit;
			make_condition(&r->condition[r->count++], bit);
			if (bit != RULES_LIMIT) continue;
			r->tokens = (__int128)r->condition[r->count - 1].burst * 1000000000;
			r->filled = now;
		}
	}
}

static struct {
	struct rules_header header;
	struct rules_rule rule[MODEL_RULES];
	struct rules_range range[MODEL_RULES * 16];
	struct rules_prefix prefix[MODEL_RULES * 16];
	struct rules_mac mac[MODEL_RULES * 16];
} set;

static void lay_list(const struct said_condition *c, struct rules_list *list) {
	struct rules_header *h = &set.header;
	uint32_t *count = c->bit == RULES_SMAC || c->bit == RULES_DMAC ? &h->mac_count
			  : c->bit == RULES_SRC || c->bit == RULES_DST ? &h->prefix_count
								       : &h->range_count;

	*list = (struct rules_list){(uint16_t)*count, (uint16_t)c->count};
	for (int i = 0; i < c->count; i++, (*count)++) {
		if (count == &h->mac_count) {
			memcpy(set.mac[*count].address, c->bytes[i], 6);
			set.mac[*count].bits = c->bits[i];
		} else if (count == &h->prefix_count) {
			memcpy(set.prefix[*count].address, c->bytes[i], 16);
			set.prefix[*count].family = c->family[i];
			set.prefix[*count].bits = c->bits[i];
		} else {
			set.range[*count] = (struct rules_range){c->first[i], c->last[i]};
		}
	}
}

static void lay_rules(const struct said_rules *rules) {
	memset(&set, 0, sizeof(set));
	set.header = (struct rules_header){
		.magic = RULES_MAGIC,
		.version = RULES_VERSION,
		.total_size = sizeof(set),
		.rules = (uint32_t)((uint8_t *)set.rule - (uint8_t *)&set),
		.rule_count = (uint32_t)rules->count,
		.ranges = (uint32_t)((uint8_t *)set.range - (uint8_t *)&set),
		.prefixes = (uint32_t)((uint8_t *)set.prefix - (uint8_t *)&set),
		.macs = (uint32_t)((uint8_t *)set.mac - (uint8_t *)&set),
		.ports = sizeof(set),
	};
	for (int i = 0; i < rules->count; i++) {
		struct rules_rule *r = &set.rule[i];

		r->action = (uint8_t)rules->rule[i].action;
		r->flags = (uint8_t)rules->rule[i].flags;
		for (int n = 0; n < rules->rule[i].count; n++) {
			const struct said_condition *c = &rules->rule[i].condition[n];

			r->match |= c->bit;
			if (c->negate) r->negate |= c->bit;
			if (c->bit < 1U << RULES_LISTS)
				lay_list(c, &r->list[__builtin_ctz(c->bit)]);
			if (c->bit == RULES_STATE) r->states = c->mask;
			if (c->bit == RULES_LIMIT) {
				r->rate = c->rate * 3600;
				r->burst = (uint32_t)c->burst;
				r->flags |= c->in_bytes ? RULES_BYTES : 0;
			}
			if (c->bit == RULES_TCP_FLAGS) {
				r->tcp_mask = c->mask;
				r->tcp_value = c->value;
			}
		}
	}
}

/* --- one against the other --- */

static uint64_t counts[6];

static void differ(const struct said *f, const struct fw_verdict *v, const struct said_verdict *m) {
	printf("# %s family %d protocol %u flags %x seq %lld ack %lld length %u state\n",
	       f->outward ? "out" : "in", f->family, f->protocol, f->flags, (long long)f->seq,
	       (long long)f->ack, f->length);
	printf("# real: action %u reason %u state %u rule %d log %u\n", v->action, v->reason,
	       v->state, (int)v->rule, v->log);
	printf("# model: action %u state %u rule %d log %u spoofed %u\n", m->action, m->state,
	       (int)m->rule, m->log, m->spoofed);
	CHECK(!"the same verdict");
}

static void compare(struct said_rules rules[2], bool check, uint64_t now) {
	struct said f;
	struct packet packet;
	struct fw_verdict v;
	struct said_verdict m;
	uint32_t direction, length;
	bool spoofed;

	make_frame(&f);
	direction = f.outward ? NETCTL_OUT : NETCTL_IN;
	length = lay(&f);
	CHECK(packet_parse(&packet, bytes, length, length) == PACKET_OK);
	packet.vlan = f.vlan;
	fw_judge(&rig.fw, 0, direction, 1, &packet, now, &v);
	model_judge(&rules[direction], &f, now, check, &m);
	spoofed = v.reason >= FW_SPOOF_MAC && v.reason <= FW_SPOOF_ROUTER;
	if (v.action != m.action || v.rule != m.rule || v.state != m.state ||
	    spoofed != m.spoofed || v.log != m.log)
		differ(&f, &v, &m);
	counts[v.action]++;
	counts[4] += m.state == RULES_ESTABLISHED;
	counts[5] += m.state == RULES_RELATED;
}

static void run(uint64_t frames) {
	static struct said_rules rules[2];
	struct fw_error error;
	uint64_t done = 0, now = 1000000000000;

	while (done < frames) {
		bool check = one_in(3);
		struct switch_port *config = &rig.config[0];

		rig_start(4096, 9);
		model_reset();
		memset(next_seq, 0, sizeof(next_seq));
		config->flags = check ? 0 : SWITCH_ANY_MAC | SWITCH_ANY_ADDRESS;
		memcpy(config->mac, (uint8_t[6]){0x52, 0x54, 0, 0, 0, 1}, 6);
		config->prefix_count = 2;
		rig.prefix[0][0] = (struct switch_prefix){{10}, 4, 30, {0}};
		rig.prefix[0][1] = (struct switch_prefix){{0x20, 1, 0x0d, 0xb8}, 6, 126, {0}};
		fw_port_open(&rig.fw, 0, config, rig.prefix[0]);
		for (uint32_t turn = 0; turn < 3 && done < frames; turn++) {
			for (uint32_t d = 0; d < 2; d++) {
				make_rules(&rules[d], now);
				lay_rules(&rules[d]);
				CHECK(!fw_swap(&rig.fw, 0, d, &set, sizeof(set), now, &error));
			}
			for (uint32_t n = 0; n < 300 && done < frames; n++, done++) {
				if (one_in(3)) now += 1000000000ULL * below(one_in(50) ? 400 : 3);
				compare(rules, check, now);
			}
			if (one_in(3)) rig_reopen(now);
		}
	}
}

int main(int argc, char **argv) {
	uint64_t frames = argc > 1 ? strtoull(argv[1], NULL, 0) : 1000000;

	for (uint64_t n = argc > 2 ? strtoull(argv[2], NULL, 0) : 0; n; n--) noise();
	run(frames);
	printf("# accepted %llu, dropped %llu, rejected %llu; established %llu, related %llu\n",
	       (unsigned long long)counts[1], (unsigned long long)counts[2],
	       (unsigned long long)counts[3], (unsigned long long)counts[4],
	       (unsigned long long)counts[5]);
	CHECK(frames < 1000 || (counts[1] && counts[2] && counts[3] && counts[4] && counts[5]));
	printf("ok 1 - fw_property: %llu frames, one verdict\n1..1\n", (unsigned long long)frames);
	return 0;
}
