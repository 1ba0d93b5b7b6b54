/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Plays the table of cases (cases.py): frames against rules, and what must become of each.
 * The table comes as a file of records, made by the build with the real rule compiler:
 *
 *   C name           a case begins: a fresh firewall, port 0 a VIF, ports 1 and 2 others
 *   P port config prefixes        R port direction rules
 *   F a frame with what is expected of it       A answer: what the last frame's rejection sends
 *   X the firewall dies, and a successor opens its memory       Z port reset
 *   N how many connections port 0 has
 *
 * Numbers are little-endian; strings and bytes have a 32-bit length before them.
 */
#include "../native.h"

#include "fw_rig.h"

#define ANY8  255U
#define ANY32 0xfffffffeU

struct reader {
	const uint8_t *at;
	uint64_t left;
};

static const void *bytes(struct reader *r, uint64_t n) {
	const uint8_t *at = r->at;

	CHECK(n <= r->left);
	r->at += n;
	r->left -= n;
	return at;
}

static uint64_t number(struct reader *r, uint32_t size) {
	uint64_t value = 0;

	memcpy(&value, bytes(r, size), size);
	return value;
}

struct expected {
	uint8_t action, reason, state, log;
	uint32_t rule;
	uint64_t mirror;
};

static char said[256];

#define MALFORMED 4U

static const char *action_name(uint32_t action) {
	static const char *const names[] = {"continue", "accept", "drop", "reject", "malformed"};

	return action <= MALFORMED ? names[action] : "?";
}

static bool as_expected(const struct expected *e, uint32_t action, const struct fw_verdict *v) {
	snprintf(said, sizeof(said),
		 "%s (%s), rule %d, state %u, log %u, mirror %llx; expected %s (%u), rule %d, "
		 "state %u",
		 action_name(action), fw_reason(v->reason), (int)v->rule, v->state, v->log,
		 (unsigned long long)v->mirror, action_name(e->action), e->reason, (int)e->rule,
		 e->state);
	return action == e->action && (e->reason == ANY8 || e->reason == v->reason) &&
	       (e->state == ANY8 || e->state == v->state) && (e->log == ANY8 || e->log == v->log) &&
	       (e->rule == ANY32 || e->rule == v->rule) &&
	       (e->mirror == ~0ULL || e->mirror == v->mirror);
}

static uint8_t frame_copy[70000];
static struct packet packet;

static bool play_frame(struct reader *r) {
	uint32_t port = (uint32_t)number(r, 4), direction = (uint32_t)number(r, 4);
	uint32_t from = (uint32_t)number(r, 4), vlan = (uint32_t)number(r, 4);
	uint64_t now = number(r, 8);
	uint32_t have = (uint32_t)number(r, 4), total = (uint32_t)number(r, 4), reason;
	struct expected e;
	struct fw_verdict v = {.action = MALFORMED, .rule = FW_NO_RULE};

	e.action = (uint8_t)number(r, 1);
	e.reason = (uint8_t)number(r, 1);
	e.state = (uint8_t)number(r, 1);
	e.log = (uint8_t)number(r, 1);
	e.rule = (uint32_t)number(r, 4);
	e.mirror = number(r, 8);
	CHECK(have <= sizeof(frame_copy));
	memcpy(frame_copy, bytes(r, have), have);
	reason = packet_parse(&packet, frame_copy, have, total);
	if (reason != PACKET_OK) {
		v.reason = (uint8_t)reason;
		return as_expected(&e, MALFORMED, &v);
	}
	if (vlan != 0xffff) packet.vlan = (uint16_t)vlan;
	fw_judge(&rig.fw, port, direction, from, &packet, now, &v);
	return as_expected(&e, v.action, &v);
}

static bool play_answer(struct reader *r) {
	uint32_t length = (uint32_t)number(r, 4), got;
	const uint8_t *wanted = bytes(r, length);
	uint8_t answer[FW_ANSWER];

	got = fw_reject(&packet, answer);
	snprintf(said, sizeof(said), "an answer of %u bytes that differs, expected %u", got,
		 length);
	if (got == length && !memcmp(answer, wanted, length)) return true;
	for (uint32_t i = 0; i < got; i++)
		fprintf(stderr, "%02x%s", answer[i], i % 16 == 15 ? "\n" : " ");
	return false;
}

static void play_port(struct reader *r) {
	uint32_t port = (uint32_t)number(r, 4);
	struct switch_port *config = &rig.config[port];

	config->flags = (uint32_t)number(r, 4);
	memcpy(config->mac, bytes(r, 6), 6);
	config->prefix_count = (uint32_t)number(r, 4);
	CHECK(config->prefix_count <= SWITCH_MAX_PREFIXES);
	memcpy(rig.prefix[port], bytes(r, config->prefix_count * 24), config->prefix_count * 24);
	fw_port_open(&rig.fw, port, config, rig.prefix[port]);
}

static void play_rules(struct reader *r) {
	uint32_t port = (uint32_t)number(r, 4), direction = (uint32_t)number(r, 4);
	uint32_t length = (uint32_t)number(r, 4);
	struct fw_error error;
	int status = fw_swap(&rig.fw, port, direction, bytes(r, length), length, rig.now, &error);

	if (status) printf("# rules are refused: %s in line %u\n", error.text, error.line);
	CHECK(!status);
}

static bool play(struct reader *r, char kind) {
	uint64_t states;

	switch (kind) {
	case 'P': play_port(r); return true;
	case 'R': play_rules(r); return true;
	case 'F': return play_frame(r);
	case 'A': return play_answer(r);
	case 'X': rig_reopen(number(r, 8)); return true;
	case 'Z': fw_port_reset(&rig.fw, (uint32_t)number(r, 4)); return true;
	case 'N':
		states = number(r, 4);
		snprintf(said, sizeof(said), "%u connections, expected %u",
			 fw_port_states(&rig.fw, 0), (uint32_t)states);
		return fw_port_states(&rig.fw, 0) == states;
	default: CHECK(!"a record of the table"); return false;
	}
}

static uint8_t *load(const char *name, uint64_t *size) {
	FILE *file = fopen(name, "rb");
	uint8_t *table;

	CHECK(file);
	CHECK(!fseek(file, 0, SEEK_END));
	*size = (uint64_t)ftell(file);
	rewind(file);
	table = malloc(*size);
	CHECK(table && fread(table, 1, *size, file) == *size);
	fclose(file);
	return table;
}

int main(int argc, char **argv) {
	struct reader r;
	uint64_t count = 0, failed = 0, step = 0;
	char name[128] = "";
	bool good = true;
	uint8_t *table;

	CHECK(argc == 2);
	table = load(argv[1], &r.left);
	r.at = table;
	while (r.left) {
		char kind = (char)number(&r, 1);

		if (kind == 'C' || kind == 'E') {
			if (count)
				printf("%s %llu - %s\n", good ? "ok" : "not ok",
				       (unsigned long long)count, name);
			if (!good) failed++;
			if (kind == 'E') break;
			uint32_t length = (uint32_t)number(&r, 4);

			CHECK(length < sizeof(name));
			memcpy(name, bytes(&r, length), length);
			name[length] = 0;
			count++;
			step = 0;
			good = true;
			rig_fresh();
			continue;
		}
		step++;
		if (play(&r, kind) || !good) continue;
		good = false;
		printf("# %s: step %llu: %s\n", name, (unsigned long long)step, said);
	}
	printf("1..%llu\n", (unsigned long long)count);
	free(table);
	return failed || count < 200;
}
