/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From one port of a network to others: into which VLAN, is it well-formed, may the
 * sender send it, who gets it, may they have it. Everything is decided by the head of the
 * frame, which nobody can change any more.
 *
 * An address that is not known is flooded, but not to VIFs whose address is: what is
 * for them is known. So a guest hears broadcasts, its groups, and what is for it.
 */
#include "switch.h"

#include "libs/log/log.h"

#define ETHERNET  14U
#define SPEECH_NS 100000000U /* between two lines in the log for rules */

static uint32_t word_at(const uint8_t *at) { return (uint32_t)at[0] << 8 | at[1]; }

static bool in_vlan(const struct port *port, uint32_t vlan) {
	if (vlan == port->config->vlan) return true;
	return port->member[vlan / 64] >> vlan % 64 & 1;
}

/* Out of the tag into frame->vlan. */
static uint32_t enter_vlan(const struct port *port, struct frame *frame) {
	uint32_t vlan;

	frame->vlan = port->config->vlan;
	if (frame->head_length < ETHERNET + VLAN_TAG || word_at(frame->head + 12) != 0x8100)
		return DROP_NONE;
	vlan = word_at(frame->head + 14) & 0xfff;
	/* 0 is a priority without a number. */
	if (vlan && !(port->member[vlan / 64] >> vlan % 64 & 1)) return DROP_VLAN;
	if (vlan) frame->vlan = (uint16_t)vlan;
	frame_untag(frame);
	return DROP_NONE;
}

/* What is to be done with checksum and size must be possible. */
static uint32_t check_offload(struct frame *frame, const struct packet *packet, uint32_t mtu) {
	uint32_t field = packet->protocol == PACKET_TCP ? 16 : 6;

	if (frame->length <= mtu + ETHERNET && !(frame->flags & FRAME_BLANK)) return DROP_NONE;
	if (frame->flags & FRAME_BLANK) {
		if (packet->flags & PACKET_F_FRAGMENT ||
		    !(packet->flags & (PACKET_F_TCP | PACKET_F_PORTS)) ||
		    packet->l4 + field + 2U > frame->head_length)
			return DROP_BAD_OFFLOAD;
		if (frame->csum_start &&
		    (frame->csum_start != packet->l4 || frame->csum_offset != field))
			return DROP_BAD_OFFLOAD;
		frame->csum_start = packet->l4;
		frame->csum_offset = (uint16_t)field;
	}
	if (!frame->gso) return frame->length <= mtu + ETHERNET ? DROP_NONE : DROP_LENGTH;
	if (!(packet->flags & PACKET_F_TCP) ||
	    packet->family != (frame->gso == NET_GSO_TCP4 ? 4 : 6))
		return DROP_BAD_OFFLOAD;
	frame->header = (uint16_t)(packet->l4 + (frame->head[packet->l4 + 12] >> 4) * 4U);
	if (frame->header > frame->head_length || frame->header >= frame->length)
		return DROP_BAD_OFFLOAD;
	if (frame->header - ETHERNET + frame->gso_size > mtu) return DROP_LENGTH;
	/* One that fits as it is. */
	if (frame->length - frame->header <= frame->gso_size) frame->gso = NET_GSO_NONE;
	return DROP_NONE;
}

static uint32_t flow_hash(const struct packet *packet) {
	uint64_t sum = packet->src.half[0] ^ packet->src.half[1] ^ packet->dst.half[0] ^
		       packet->dst.half[1];

	if (packet->flags & PACKET_F_PORTS && !(packet->flags & PACKET_F_FRAGMENT))
		sum ^= (uint64_t)packet->sport << 16 | packet->dport;
	return (uint32_t)(sum * 0x9e3779b97f4a7c15ULL >> 33);
}

/* --- verdicts --- */

/* The only places without a judge: a frame that the firewall itself has made, and mirrors. */
static void give(uint32_t to, struct frame *frame) {
	struct port *port = &sw.port[to];

	if (port->kind == SWITCH_PORT_VIF)
		rx_give(port, frame);
	else
		uplink_give(port, frame);
}

static void say(uint32_t port, uint32_t direction, const struct packet *packet,
		const struct fw_verdict *verdict) {
	static uint64_t next;
	static const char *const what[] = {"?", "accepted", "dropped", "rejected"};
	char text[FW_TEXT];

	if (sw.now < next) return;
	next = sw.now + SPEECH_NS;
	fw_say(packet, text, sizeof(text));
	log_print("%s %s: rule %u, %s: %s", sw.port[port].name,
		  direction == NETCTL_OUT ? "out" : "in", verdict->log_rule,
		  verdict->action < ARRAY_SIZE(what) ? what[verdict->action] : "?", text);
}

static void reject(const struct frame *frame, const struct packet *packet) {
	uint8_t bytes[FW_ANSWER];
	uint32_t length = fw_reject(packet, bytes);
	struct frame *answer;

	if (!length) return;
	answer = frame_make(length);
	if (!answer) return;
	memcpy(answer->head, bytes, length);
	answer->port = frame->port;
	answer->vlan = frame->vlan;
	answer->hash = frame->hash;
	answer->flags = FRAME_VALID;
	give(frame->port, answer);
	frame_drop(answer);
}

static bool passes(uint32_t port, uint32_t direction, struct frame *frame, struct packet *packet) {
	struct fw_verdict verdict;

	fw_judge(&sw.fw, port, direction, frame->port, packet, sw.now, &verdict);
	if (verdict.log) say(port, direction, packet, &verdict);
	for (uint64_t bits = verdict.mirror; bits; bits &= bits - 1) {
		uint32_t to = (uint32_t)__builtin_ctzll(bits);

		if (to < sw.port_count) give(to, frame);
	}
	if (verdict.action == RULES_ACCEPT) return true;
	port_drop(port, direction, verdict.reason, frame);
	if (verdict.action == RULES_REJECT) reject(frame, packet);
	return false;
}

/* --- who gets it --- */

static uint64_t flood(const struct port *from, const struct frame *frame) {
	static const uint8_t broadcast[6] = {255, 255, 255, 255, 255, 255};
	bool group = frame->head[0] & 1, all = group && !memcmp(frame->head, broadcast, 6);
	uint64_t ports = sw.network[from->network].ports & ~(1ULL << port_index(from)), to = 0;

	for (; ports; ports &= ports - 1) {
		uint32_t n = (uint32_t)__builtin_ctzll(ports);
		const struct port *port = &sw.port[n];
		bool unknown =
			port->kind == SWITCH_PORT_UPLINK || port->config->flags & SWITCH_ANY_MAC;

		if (!in_vlan(port, frame->vlan)) continue;
		if (port->kind == SWITCH_PORT_VIF && port->vif.end.state != BACKEND_LIVE) continue;
		if (group ? all || port->kind == SWITCH_PORT_UPLINK ||
				    group_wanted(port, frame->head)
			  : unknown)
			to |= 1ULL << n;
	}
	return to;
}

/* 01:80:c2:00:00:0x: what bridges say to each other ends at the next one. */
static bool is_reserved(const uint8_t *mac) {
	static const uint8_t bridges[5] = {0x01, 0x80, 0xc2, 0, 0};

	return mac[0] & 1 && !memcmp(mac, bridges, sizeof(bridges)) && mac[5] < 16;
}

static uint64_t receivers(const struct port *from, const struct frame *frame, uint32_t *reason) {
	uint32_t to;

	*reason = is_reserved(frame->head) ? DROP_RESERVED : DROP_NOWHERE;
	if (*reason == DROP_RESERVED) return 0;
	if (frame->head[0] & 1) return flood(from, frame);
	to = address_find(from->network, frame->head, frame->vlan);
	if (to == SW_NONE) return flood(from, frame);
	if (to == port_index(from)) return 0;
	if (in_vlan(&sw.port[to], frame->vlan)) return 1ULL << to;
	*reason = DROP_VLAN;
	return 0;
}

/* The next frame of this queue will go there as well. */
static void learn_guess(const struct frame *frame, uint64_t to) {
	uint32_t n = (uint32_t)__builtin_ctzll(to);

	if (frame->queue == SW_NONE || to & (to - 1)) return;
	sw.queue[frame->queue].guess =
		sw.port[n].kind == SWITCH_PORT_UPLINK ? sw.port[n].uplink : SW_NONE;
}

static void distribute(const struct port *from, struct frame *frame, struct packet *packet) {
	uint32_t reason, judged = 0;
	uint64_t to = receivers(from, frame, &reason);

	if (!to) {
		port_drop(port_index(from), NETCTL_OUT, reason, frame);
		return;
	}
	tap(port_index(from), NETCTL_OUT, DROP_NONE, frame);
	learn_guess(frame, to);
	for (; to; to &= to - 1) {
		uint32_t n = (uint32_t)__builtin_ctzll(to);

		judged++;
		if (sw.port[n].kind == SWITCH_PORT_UPLINK || passes(n, NETCTL_IN, frame, packet))
			give(n, frame);
	}
	/* Each receiver is work, and the sender's. */
	sw.port[frame->port].vif.deficit -= (int64_t)(judged - 1) * SW_COST;
}

static uint32_t examine(const struct port *from, struct frame *frame, struct packet *packet) {
	uint32_t reason;

	if (frame->flags & FRAME_FAILED) return DROP_BAD_PAGE;
	reason = enter_vlan(from, frame);
	if (reason) return reason;
	reason = packet_parse(packet, frame->head, frame->head_length, frame->length);
	if (reason) return reason;
	packet->vlan = frame->vlan;
	frame->hash = flow_hash(packet);
	if (packet->flags & PACKET_F_ERROR ||
	    (packet->flags & PACKET_F_TCP && packet->tcp_flags & PACKET_RST))
		frame->flags |= FRAME_REFUSAL;
	frame->family = packet->family;
	frame->network = packet->l3;
	return check_offload(frame, packet, sw.network[from->network].mtu);
}

void forward(struct frame *frame) {
	struct port *from = &sw.port[frame->port];
	struct packet packet;
	uint32_t reason = examine(from, frame, &packet);
	bool vif = from->kind == SWITCH_PORT_VIF;

	from->count->out_packets += 1U + frame->merged;
	from->count->out_bytes += frame->length;
	if (reason) {
		if (frame->flags & FRAME_FAILED) tx_fail(frame);
		port_drop(frame->port, NETCTL_OUT, reason, frame);
		return;
	}
	if (!vif || passes(frame->port, NETCTL_OUT, frame, &packet)) {
		if (!vif || from->config->flags & SWITCH_ANY_MAC)
			address_learn(frame->port, frame->head + 6, frame->vlan);
		distribute(from, frame, &packet);
	}
	/* Somebody keeps it: the sender's pages are its own again when this round ends. */
	if (frame->flags & FRAME_KEEP && frame->flags & FRAME_OUTSIDE &&
	    !frame_pull(frame, frame->length))
		frame->flags |= FRAME_FAILED;
}
