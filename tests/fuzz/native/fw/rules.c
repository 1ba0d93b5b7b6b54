/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rule sets of any bytes: what passes the check must be safe to judge by, in frames of all
 * kinds. Header fields that would end most inputs at once are put right for three of four.
 */
#include "fw_rig.h"
#include "tests/unit/native/native.h"

#define NOW 1000000000000ULL

static const uint8_t tcp4[] = {0x52, 0x54, 0,  0,  0,    2, 0x52, 0x54, 0,  0,  0, 1, 8,  0,
			       0x45, 0,    0,  40, 0,    0, 0,    0,    64, 6,  0, 0, 10, 0,
			       0,    1,    10, 0,  0,    2, 0,    22,   0,  80, 0, 0, 0,  1,
			       0,    0,    0,  0,  0x50, 2, 0,    9,    0,  0,  0, 0};
static const uint8_t icmp6[] = {0x52, 0x54, 0,    0, 0, 2, 0x52, 0x54, 0,  0,    0, 1,   0x86,
				0xdd, 0x60, 0,    0, 0, 0, 8,    58,   64, 0x20, 1, 0xd, 0xb8,
				0,    0,    0,    0, 0, 0, 0,    0,    0,  0,    0, 1,   0x20,
				1,    0xd,  0xb8, 0, 0, 0, 0,    0,    0,  0,    0, 0,   0,
				0,    2,    128,  0, 0, 0, 0,    1,    0,  1};
static const uint8_t other[] = {0x52, 0x54, 0, 0, 0, 2, 0x52, 0x54, 0, 0, 0, 1, 0x88, 0xcc};

static void judge(const uint8_t *frame, uint32_t size) {
	struct packet packet;
	struct fw_verdict verdict;

	CHECK(packet_parse(&packet, frame, size, size) == PACKET_OK);
	for (uint32_t n = 0; n < 2; n++) {
		fw_judge(&rig.fw, 0, n, 1, &packet, NOW, &verdict);
		CHECK(verdict.action >= RULES_ACCEPT && verdict.action <= RULES_REJECT);
		CHECK(verdict.mirror < 1ULL << RIG_PORTS);
	}
}

static void repair(struct rules_header *h, uint32_t size, uint32_t how) {
	h->magic = RULES_MAGIC;
	h->version = RULES_VERSION;
	h->total_size = size;
	if (how < 2) return;
	h->rules = sizeof(*h);
	h->rule_count %= 6;
	h->ranges = h->prefixes = h->macs = h->ports = sizeof(*h);
	h->range_count %= 16;
	h->prefix_count %= 4;
	h->mac_count %= 8;
	h->port_count %= 2;
	if (how < 3 || h->rules + sizeof(struct rules_rule) > size) return;
	/* One rule, of conditions that are known. */
	struct rules_rule *rule = (struct rules_rule *)(h + 1);

	h->rule_count = 1;
	rule->match &= (1U << RULES_CONDITIONS) - 1;
	rule->negate &= rule->match;
	rule->action %= 4;
	rule->flags &= RULES_BYTES;
	rule->pad = 0;
	rule->mirror = 0;
	for (uint32_t i = 0; i < RULES_LISTS; i++)
		if (!(rule->match & 1U << i)) rule->list[i] = (struct rules_list){0, 0};
	if (!(rule->match & RULES_STATE)) rule->states = 0;
	if (!(rule->match & RULES_TCP_FLAGS)) rule->tcp_mask = rule->tcp_value = 0;
	rule->tcp_value &= rule->tcp_mask;
	if (rule->match & RULES_LIMIT) return;
	rule->rate = rule->burst = 0;
	rule->flags = 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	static uint64_t copy[RULES_MAX_SIZE / 8 + 1];
	struct fw_error error;
	uint32_t length = (uint32_t)size - 1;

	if (size < 1 || length > RULES_MAX_SIZE) return 0;
	if (!rig.memory) {
		rig_start(64, 3);
		rig.config[0].flags = SWITCH_ANY_MAC | SWITCH_ANY_ADDRESS;
		fw_port_open(&rig.fw, 0, &rig.config[0], rig.prefix[0]);
	}
	memcpy(copy, data + 1, length);
	if (data[0] % 4 && length >= sizeof(struct rules_header))
		repair((struct rules_header *)copy, length, data[0] % 4);
	for (uint32_t direction = 0; direction < 2; direction++) {
		int status = fw_swap(&rig.fw, 0, direction, copy, length, NOW, &error);

		CHECK(!status || (error.text && (status == -XEN_EINVAL || status == -XEN_ENOSPC)));
		CHECK(status || fw_rules_check(copy, length, &error));
	}
	judge(tcp4, sizeof(tcp4));
	judge(icmp6, sizeof(icmp6));
	judge(other, sizeof(other));
	return 0;
}
