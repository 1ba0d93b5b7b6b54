/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Frames of any bytes, cut off anywhere: parsed, read into, judged in both directions, rejected.
 * The first two bytes of an input say which, the rest is the frame, of which each time a private
 * copy of exactly its size is made, so that a read behind it is seen.
 */
#include <stdlib.h>

#include "fw_rig.h"
#include "tests/unit/native/native.h"

#define NOW 1000000000000ULL

static void rules(uint32_t port, uint32_t direction) {
	static struct {
		struct rules_header header;
		struct rules_rule rule[3];
	} set;
	struct fw_error error;
	const uint32_t end = sizeof(set);

	set.header = (struct rules_header){RULES_MAGIC, RULES_VERSION, end, 56,  3, end, 0, end,
					   0,           end,           0,   end, 0};
	set.rule[0] = (struct rules_rule){
		.match = RULES_STATE, .states = RULES_INVALID, .action = RULES_REJECT};
	set.rule[1] =
		(struct rules_rule){.match = RULES_TCP_FLAGS, .tcp_mask = 63, .tcp_value = 63};
	set.rule[2] = (struct rules_rule){.action = RULES_ACCEPT};
	CHECK(!fw_swap(&rig.fw, port, direction, &set, end, NOW, &error));
}

static void start(void) {
	static const uint8_t mac[6] = {0x52, 0x54, 0, 0, 0, 1};

	rig_start(64, 9);
	for (uint32_t port = 0; port < 3; port += 2) {
		struct switch_port *config = &rig.config[port];

		config->flags = port ? SWITCH_ANY_MAC | SWITCH_ANY_ADDRESS : SWITCH_DHCP;
		memcpy(config->mac, mac, 6);
		config->prefix_count = 1;
		rig.prefix[port][0] = (struct switch_prefix){{10}, 4, 8, {0}};
		fw_port_open(&rig.fw, port, config, rig.prefix[port]);
		rules(port, NETCTL_OUT);
		rules(port, NETCTL_IN);
	}
}

static void read_into(const struct packet *packet) {
	struct packet_arp arp;
	struct packet_nd nd;
	struct packet_dhcp dhcp;
	struct packet_inner inner;
	uint8_t answer[FW_ANSWER];
	uint32_t length;

	packet_arp(packet, &arp);
	packet_nd(packet, &nd);
	packet_dhcp(packet, &dhcp);
	packet_inner(packet, &inner);
	length = fw_reject(packet, answer);
	CHECK(length <= FW_ANSWER);
	/* The answer is a frame, and no answer to it is made. */
	if (length) {
		struct packet again;
		uint32_t reason = packet_parse(&again, answer, length, length);

		CHECK(reason == PACKET_OK || reason == PACKET_ADDRESS || reason == PACKET_SENDER);
		if (reason == PACKET_OK) CHECK(!fw_reject(&again, answer));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	struct packet packet;
	struct fw_verdict verdict;
	uint32_t have, port;
	uint8_t *copy;

	if (size < 2) return 0;
	if (!rig.memory) start();
	have = (uint32_t)size - 2;
	copy = malloc(have ? have : 1);
	CHECK(copy);
	memcpy(copy, data + 2, have);
	port = data[0] & 2;
	if (packet_parse(&packet, copy, have, have + (data[0] & 4 ? data[1] * 16 : 0)) ==
	    PACKET_OK) {
		CHECK(packet.l3 <= have && packet.l4 <= have);
		CHECK(!packet.family || packet.l4 + packet.l4_length <= packet.total);
		read_into(&packet);
		fw_judge(&rig.fw, port, data[0] & 1, 1, &packet, NOW + data[1] * FW_SECOND,
			 &verdict);
		CHECK(verdict.action >= RULES_ACCEPT && verdict.action <= RULES_REJECT);
		CHECK((verdict.action == RULES_ACCEPT) == !verdict.reason);
	}
	free(copy);
	return 0;
}
