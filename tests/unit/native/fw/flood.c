/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table of connections when it is too small: who loses what, that work stays bounded, and
 * that it holds together after each step, also when its memory is found full of junk.
 */
#include "../native.h"

#include "fw_rig.h"

static uint64_t now = 1000000000000;
static struct fw_verdict verdict;

/* Ports 0 and 2 are VIFs that accept all. */
static void start(uint32_t states) {
	struct {
		struct rules_header header;
		struct rules_rule rule;
	} set = {{RULES_MAGIC, RULES_VERSION, sizeof(set), sizeof(set.header), 1, sizeof(set), 0,
		  sizeof(set), 0, sizeof(set), 0, sizeof(set), 0},
		 {.action = RULES_ACCEPT}};
	struct fw_error error;

	rig_start(states, 9);
	for (uint32_t port = 0; port < 3; port += 2) {
		rig.config[port].flags = SWITCH_ANY_MAC | SWITCH_ANY_ADDRESS;
		fw_port_open(&rig.fw, port, &rig.config[port], rig.prefix[port]);
		CHECK(!fw_swap(&rig.fw, port, NETCTL_OUT, &set, sizeof(set), now, &error));
		CHECK(!fw_swap(&rig.fw, port, NETCTL_IN, &set, sizeof(set), now, &error));
	}
}

/* Each record is where it must be: in one chain and one list, or free. */
static void check_table(void) {
	const struct fw *fw = &rig.fw;
	uint32_t chained = 0, listed = 0, unused = 0;

	for (uint32_t b = 0; b <= fw->bucket_mask; b++) {
		uint32_t length = 0;

		for (uint32_t i = fw->buckets[b]; i != FW_NONE; i = fw->states[i].chain) {
			CHECK(fw->states[i].state == FW_USED);
			CHECK(fw_bucket(fw, &fw->states[i].key) == b);
			CHECK(++length <= FW_MAX_CHAIN);
		}
		chained += length;
	}
	for (uint32_t port = 0; port < RIG_PORTS; port++) {
		for (uint32_t class = 0; class < FW_CLASSES; class ++) {
			uint32_t newer = FW_NONE, count = 0;
			uint64_t seen = UINT64_MAX;

			for (uint32_t i = fw->port[port].newest[class]; i != FW_NONE;
			     newer = i, i = fw->states[i].older) {
				CHECK(fw->states[i].newer == newer && fw->states[i].class == class);
				CHECK(fw->states[i].key.port == port && fw->states[i].seen <= seen);
				seen = fw->states[i].seen;
				CHECK(++count <= fw->limits.states);
			}
			CHECK(fw->port[port].oldest[class] == newer);
			CHECK(fw->port[port].in_class[class] == count);
			listed += count;
		}
	}
	for (uint32_t i = fw->free; i != FW_NONE; i = fw->states[i].chain) {
		CHECK(fw->states[i].state == FW_FREE);
		CHECK(++unused <= fw->limits.states);
	}
	CHECK(chained == listed && chained + unused == fw->limits.states);
}

static struct packet make(bool outward, uint8_t protocol, uint32_t number, uint8_t flags) {
	static const uint8_t bytes[14];
	struct packet p = {
		.data = bytes, .have = 54, .total = 54, .ethertype = 0x0800, .family = 4};

	p.protocol = protocol;
	p.flags = PACKET_F_PORTS | (protocol == PACKET_TCP ? PACKET_F_TCP : 0);
	p.src.word[0] = outward ? 1 : 2 + (number >> 16);
	p.dst.word[0] = outward ? 2 + (number >> 16) : 1;
	p.sport = outward ? (uint16_t)number : 80;
	p.dport = outward ? 80 : (uint16_t)number;
	p.tcp_flags = flags;
	p.tcp_seq = 1000 + !(flags & PACKET_SYN);
	p.tcp_ack = flags & PACKET_ACK ? 1001 : 0;
	p.tcp_window = 5000;
	p.tcp_scale = PACKET_NO_SCALE;
	return p;
}

static bool judge(uint32_t port, bool outward, uint8_t protocol, uint32_t number, uint8_t flags,
		  uint8_t state) {
	struct packet p = make(outward, protocol, number, flags);

	fw_judge(&rig.fw, port, outward ? NETCTL_OUT : NETCTL_IN, 1, &p, now, &verdict);
	return verdict.action == RULES_ACCEPT && (!state || verdict.state == state);
}

static bool open_tcp(uint32_t port, uint32_t number) {
	return judge(port, true, PACKET_TCP, number, PACKET_SYN, RULES_NEW) &&
	       judge(port, false, PACKET_TCP, number, PACKET_SYN | PACKET_ACK, RULES_ESTABLISHED) &&
	       judge(port, true, PACKET_TCP, number, PACKET_ACK, RULES_ESTABLISHED);
}

static bool is_open(uint32_t port, uint32_t number) {
	return judge(port, false, PACKET_TCP, number, PACKET_ACK, RULES_ESTABLISHED);
}

static void flood(uint32_t port, uint32_t frames, uint8_t protocol) {
	for (uint32_t n = 0; n < frames; n++) {
		CHECK(judge(port, true, protocol, 100000 + n, PACKET_SYN, RULES_NEW));
		now += 1000000;
	}
}

static void test_others_keep_theirs(void) {
	start(256);
	for (uint32_t n = 0; n < 100; n++) CHECK(open_tcp(2, n));
	flood(0, 100000, PACKET_TCP);
	flood(0, 100000, PACKET_UDP);
	CHECK(fw_port_states(&rig.fw, 0) == 156 && fw_port_states(&rig.fw, 2) == 100);
	for (uint32_t n = 0; n < 100; n++) CHECK(is_open(2, n));
	/* Its share is more than it has; the rest of it comes from who has too many. */
	for (uint32_t n = 100; n < 128; n++) CHECK(open_tcp(2, n));
	CHECK(fw_port_states(&rig.fw, 0) == 128 && fw_port_states(&rig.fw, 2) == 128);
	for (uint32_t n = 0; n < 128; n++) CHECK(is_open(2, n));
	flood(2, 1000, PACKET_TCP);
	CHECK(fw_port_states(&rig.fw, 0) == 128 && fw_port_states(&rig.fw, 2) == 128);
	check_table();
}

static void test_more_while_there_is_room(void) {
	start(256);
	flood(0, 300, PACKET_UDP);
	CHECK(fw_port_states(&rig.fw, 0) == 256);
	CHECK(open_tcp(2, 1) && is_open(2, 1));
	CHECK(fw_port_states(&rig.fw, 0) == 255 && rig.fw.port[0].evicted == 45);
	check_table();
}

static void test_what_is_answered_stays(void) {
	start(256);
	for (uint32_t n = 0; n < 60; n++) CHECK(open_tcp(0, n));
	for (uint32_t n = 60; n < 120; n++) {
		CHECK(judge(0, true, PACKET_UDP, n, 0, RULES_NEW));
		CHECK(judge(0, false, PACKET_UDP, n, 0, RULES_ESTABLISHED));
	}
	flood(0, 10000, PACKET_TCP);
	for (uint32_t n = 0; n < 60; n++) CHECK(is_open(0, n));
	for (uint32_t n = 60; n < 120; n++)
		CHECK(judge(0, false, PACKET_UDP, n, 0, RULES_ESTABLISHED));
	check_table();
}

static void test_a_full_table_takes_new_ones(void) {
	start(256);
	for (uint32_t n = 0; n < 300; n++) {
		CHECK(open_tcp(0, n));
		now += FW_SECOND;
	}
	CHECK(fw_port_states(&rig.fw, 0) == 256);
	/* The least recently used had to go. */
	CHECK(!is_open(0, 0) && is_open(0, 299) && is_open(0, 44));
	/* Handshakes under way at once, with a flood between. */
	for (uint32_t n = 1000; n < 1030; n++)
		CHECK(judge(0, true, PACKET_TCP, n, PACKET_SYN, RULES_NEW));
	for (uint32_t n = 1000; n < 1030; n++) {
		CHECK(judge(0, false, PACKET_TCP, n, PACKET_SYN | PACKET_ACK, RULES_ESTABLISHED));
		CHECK(judge(0, true, PACKET_TCP, n, PACKET_ACK, RULES_ESTABLISHED));
	}
	check_table();
}

static void test_one_chain_is_bounded(void) {
	uint32_t made = 0, bucket = 0;

	start(8192);
	for (uint32_t n = 0; made < FW_MAX_CHAIN + 8; n++) {
		struct packet p = make(true, PACKET_UDP, n, 0);
		struct fw_key key = {.local = p.src,
				     .remote = p.dst,
				     .lport = p.sport,
				     .rport = 80,
				     .protocol = PACKET_UDP,
				     .family = 4};

		if (fw_bucket(&rig.fw, &key) != bucket) continue;
		if (made++ < FW_MAX_CHAIN) {
			CHECK(judge(0, true, PACKET_UDP, n, 0, RULES_NEW));
			continue;
		}
		CHECK(!judge(0, true, PACKET_UDP, n, 0, 0) && verdict.reason == FW_STATE_FULL);
	}
	CHECK(fw_port_states(&rig.fw, 0) == FW_MAX_CHAIN);
	check_table();
}

static void any_step(void) {
	uint32_t port = noise() % 2 * 2, number = noise() % 600;
	static const uint8_t flags[] = {2, 18, 16, 17, 4, 20};

	now += noise() % 4 ? 0 : (uint64_t)(noise() % 40) * FW_SECOND;
	judge(port, noise() % 2, noise() % 3 ? PACKET_TCP : PACKET_UDP, number, flags[noise() % 6],
	      0);
	if (noise() % 4000 == 0) fw_port_reset(&rig.fw, port);
}

static void test_it_holds_together(void) {
	start(256);
	for (uint32_t n = 0; n < 60000; n++) {
		any_step();
		if (n % 500) continue;
		check_table();
		if (n % 5000) continue;
		uint32_t before[2] = {fw_port_states(&rig.fw, 0), fw_port_states(&rig.fw, 2)};

		rig_reopen(now);
		check_table();
		CHECK(rig.adopted.states == before[0] + before[1] && !rig.adopted.rejected);
		CHECK(rig.adopted.sets == 4);
		CHECK(fw_port_states(&rig.fw, 0) == before[0] &&
		      fw_port_states(&rig.fw, 2) == before[1]);
	}
}

/* Anything may lie there: nothing may come of it but a loss. */
static void test_junk_is_adopted(void) {
	uint32_t rejected = 0;

	for (uint32_t turn = 0; turn < 300; turn++) {
		uint8_t *memory;

		start(64);
		for (uint32_t n = 0; n < 200; n++) any_step();
		memory = rig.memory;
		for (uint32_t n = noise() % 400; n > 0; n--) {
			uint64_t at = noise() % rig.size;

			/* Sets are most of the memory, and mostly empty. */
			if (n % 2 && at < 9 * RIG_SET_BYTES)
				at = at / RIG_SET_BYTES * RIG_SET_BYTES + at % 320;
			memory[at] = noise() % 2 ? (uint8_t)noise() : (uint8_t)(memory[at] ^ 1);
		}
		rig_reopen(now);
		rejected += rig.adopted.rejected;
		check_table();
		for (uint32_t n = 0; n < 200; n++) any_step();
		check_table();
	}
	CHECK(rejected > 100);
}

static void test_a_bad_set_changes_nothing(void) {
	struct rules_header bad = {
		RULES_MAGIC, RULES_VERSION, sizeof(bad), 8, 0, 56, 0, 56, 0, 56, 0, 56, 0};
	struct fw_error error;

	start(256);
	CHECK(fw_swap(&rig.fw, 0, NETCTL_OUT, &bad, sizeof(bad), now, &error) == -XEN_EINVAL);
	CHECK(error.text && error.rule == FW_NO_RULE);
	CHECK(judge(0, true, PACKET_UDP, 1, 0, RULES_NEW));
	bad.rules = 56;
	CHECK(!fw_swap(&rig.fw, 0, NETCTL_OUT, &bad, sizeof(bad), now, &error));
	CHECK(!judge(0, true, PACKET_UDP, 1, 0, 0) && verdict.reason == FW_NO_MATCH);
	/* Connections stay: it is the rules that forbid. */
	CHECK(judge(0, false, PACKET_UDP, 1, 0, RULES_ESTABLISHED));
	fw_remove_rules(&rig.fw, 0, NETCTL_OUT);
	CHECK(!judge(0, true, PACKET_UDP, 1, 0, 0) && verdict.reason == FW_NO_RULES);
	CHECK(fw_swap(&rig.fw, RIG_PORTS, 0, &bad, sizeof(bad), now, &error) == -XEN_EINVAL);
	CHECK(fw_swap(&rig.fw, 0, 2, &bad, sizeof(bad), now, &error) == -XEN_EINVAL);
}

static void test_who_dies_in_a_swap(void) {
	struct fw_set *old, *new;

	start(256);
	/* The new one is valid, the old one not yet free: as between the last two stores. */
	old = rig.fw.port[0].set[NETCTL_OUT];
	new = (struct fw_set *)(void *)(rig.fw.sets + 8 * RIG_SET_BYTES);
	memcpy(new, old, RIG_SET_BYTES);
	new->generation++;
	rig_reopen(now);
	CHECK(rig.fw.port[0].set[NETCTL_OUT] == new && old->state == FW_FREE);
	memcpy(old, new, RIG_SET_BYTES);
	old->generation++;
	rig_reopen(now);
	CHECK(rig.fw.port[0].set[NETCTL_OUT] == old && new->state == FW_FREE);
}

static void test_counters_survive(void) {
	struct netctl_rule counted[2];

	start(256);
	for (uint32_t n = 0; n < 5; n++) CHECK(judge(0, true, PACKET_UDP, n, 0, RULES_NEW));
	rig_reopen(now);
	CHECK(judge(0, true, PACKET_UDP, 9, 0, RULES_NEW));
	CHECK(fw_rule_counters(&rig.fw, 0, NETCTL_OUT, counted, 2) == 1);
	CHECK(counted[0].packets == 6 && counted[0].bytes == 6 * 54);
	CHECK(fw_rule_counters(&rig.fw, 1, NETCTL_OUT, counted, 2) == 0);
}

/* So small that each may have one: it is always the last one that lives. */
static void test_one_each(void) {
	start(2 * RIG_PORTS);
	flood(0, 100, PACKET_TCP);
	CHECK(open_tcp(2, 1) && open_tcp(2, 2));
	flood(0, 100, PACKET_UDP);
	CHECK(is_open(2, 1) && is_open(2, 2));
	start(RIG_PORTS);
	flood(0, 100, PACKET_TCP);
	for (uint32_t n = 0; n < 20; n++) CHECK(open_tcp(2, n) && is_open(2, n));
	check_table();
}

static void test_limits(void) {
	struct fw_limits l = {4, 9, 4096, 64};

	CHECK(fw_size(&l));
	CHECK(!fw_size(&(struct fw_limits){0, 9, 4096, 64}));
	CHECK(!fw_size(&(struct fw_limits){65, 9, 4096, 4096}));
	CHECK(!fw_size(&(struct fw_limits){4, 257, 4096, 64}));
	CHECK(!fw_size(&(struct fw_limits){4, 9, 4097, 64}));
	CHECK(!fw_size(&(struct fw_limits){4, 9, 0, 64}));
	CHECK(!fw_size(&(struct fw_limits){4, 9, 1U << 20, 64}));
	CHECK(!fw_size(&(struct fw_limits){4, 9, 4096, 3}));
	CHECK(!fw_size(&(struct fw_limits){4, 9, 4096, (1U << 20) + 1}));
}

int main(void) {
	static const struct test tests[] = {
		{"others keep theirs", test_others_keep_theirs},
		{"more while there is room", test_more_while_there_is_room},
		{"what is answered stays", test_what_is_answered_stays},
		{"a full table takes new ones", test_a_full_table_takes_new_ones},
		{"one chain is bounded", test_one_chain_is_bounded},
		{"it holds together", test_it_holds_together},
		{"junk is adopted", test_junk_is_adopted},
		{"a bad set changes nothing", test_a_bad_set_changes_nothing},
		{"who dies in a swap", test_who_dies_in_a_swap},
		{"counters survive", test_counters_survive},
		{"one each", test_one_each},
		{"limits", test_limits},
	};

	return RUN("fw_flood", tests);
}
