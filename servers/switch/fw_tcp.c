/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * TCP connections, as somebody between the ends sees them.
 *
 *   ASKED --SYN ACK--> REPLIED --ACK--> OPEN --FIN--> ONE_FIN --other FIN--> CLOSED
 *     \___________________________ RST ______________________________________/ -> RESET
 *
 * A segment belongs to the connection if it lies in the window, by the four bounds of Guido
 * van Rooij, "Real Stateful TCP Packet Filtering in IP Filter" (2001), as each side's
 * highest sequence number, the other side's highest acknowledgement plus window, and
 * its greatest window give them. Selective acknowledgements are not looked at.
 *
 * Not sure to be right, so only passed, without learning from it: a SYN within an open
 * connection (one end has begun anew; the other's answer will end it).
 */
#include "fw_state.h"

#define FLAGS (PACKET_FIN | PACKET_SYN | PACKET_RST | PACKET_ACK)

/* Acknowledgements may lie back by this much, even where windows are small. */
#define OLD_ACK 66000U

static bool before(uint32_t a, uint32_t b) { return (int32_t)(a - b) < 0; }

static uint32_t length(const struct packet *packet) {
	return packet->tcp_length + !!(packet->tcp_flags & PACKET_SYN) +
	       !!(packet->tcp_flags & PACKET_FIN);
}

static uint32_t window(const struct fw_side *side, const struct packet *packet) {
	if (packet->tcp_flags & PACKET_SYN || side->scale == PACKET_NO_SCALE)
		return packet->tcp_window;
	return (uint32_t)packet->tcp_window << side->scale;
}

bool fw_tcp_begins(const struct packet *packet) {
	return (packet->tcp_flags & FLAGS) == PACKET_SYN;
}

static bool in_window(const struct fw_state *entry, uint32_t from, const struct packet *packet) {
	const struct fw_side *sender = &entry->side[from], *receiver = &entry->side[!from];
	uint32_t seq = packet->tcp_seq, ack = packet->tcp_ack, old;

	if (entry->flags & FW_F_LOOSE) return true;
	/* A side that has not spoken has no bounds. */
	if (!sender->window || !receiver->window) return false;
	if (before(sender->limit, seq)) return false;
	if (before(seq + length(packet), sender->end - receiver->window)) return false;
	if (!(packet->tcp_flags & PACKET_ACK)) return true;
	old = sender->window > OLD_ACK ? sender->window : OLD_ACK;
	return !before(receiver->end, ack) && !before(ack, receiver->end - old);
}

/* Does it acknowledge a SYN, and nothing that was not sent? limit: behind the SYN alone. */
static bool answers(const struct fw_side *asker, const struct packet *packet) {
	return packet->tcp_flags & PACKET_ACK &&
	       packet->tcp_ack - asker->limit <= asker->end - asker->limit;
}

static uint8_t find_syn(const struct fw_state *entry, struct fw_track *track) {
	if (entry->phase >= FW_CLOSED || (entry->phase == FW_ASKED && !track->side)) {
		track->begin = true;
		return RULES_NEW;
	}
	if (entry->phase == FW_ASKED) {
		track->phase = FW_REPLIED;
		return RULES_ESTABLISHED;
	}
	track->passive = true;
	return RULES_ESTABLISHED;
}

static uint8_t find_syn_ack(const struct fw_state *entry, const struct packet *packet,
			    struct fw_track *track) {
	if (entry->phase == FW_ASKED) {
		if (!track->side || !answers(&entry->side[0], packet)) return RULES_INVALID;
		track->phase = FW_REPLIED;
		return RULES_ESTABLISHED;
	}
	if (entry->phase > FW_OPEN || !in_window(entry, track->side, packet)) return RULES_INVALID;
	return RULES_ESTABLISHED;
}

static uint8_t find_reset(const struct fw_state *entry, const struct packet *packet,
			  struct fw_track *track) {
	bool good;

	if (entry->phase != FW_ASKED || entry->flags & FW_F_LOOSE)
		good = in_window(entry, track->side, packet);
	else if (track->side)
		good = answers(&entry->side[0], packet);
	else
		good = packet->tcp_seq == entry->side[0].end;
	if (!good) return RULES_INVALID;
	track->phase = FW_RESET;
	return entry->phase == FW_ASKED && !track->side ? RULES_NEW : RULES_ESTABLISHED;
}

static uint8_t next_phase(const struct fw_state *entry, const struct packet *packet, uint8_t side) {
	uint8_t mine = (uint8_t)(FW_F_FIN_0 << side), both = FW_F_FIN_0 | FW_F_FIN_0 << 1;
	uint8_t fins = entry->flags & both;

	if (entry->phase >= FW_CLOSED) return entry->phase;
	if (packet->tcp_flags & PACKET_FIN) fins |= mine;
	if (fins == both) return FW_CLOSED;
	if (fins) return FW_ONE_FIN;
	/* Data of the answering side before the handshake's end opens nothing. */
	return entry->phase == FW_REPLIED && side ? FW_REPLIED : FW_OPEN;
}

void fw_tcp_find(const struct packet *packet, struct fw_track *track) {
	const struct fw_state *entry = track->entry;
	uint8_t flags = packet->tcp_flags & FLAGS;

	track->class = RULES_INVALID;
	if (flags & PACKET_SYN && flags & (PACKET_FIN | PACKET_RST)) return;
	if (flags & PACKET_FIN && (flags & PACKET_RST || !(flags & PACKET_ACK))) return;
	if (!flags) return;
	if (!entry) {
		track->begin = fw_tcp_begins(packet);
		if (track->begin) track->class = RULES_NEW;
		return;
	}
	track->phase = entry->phase;
	if (flags == PACKET_SYN) {
		track->class = find_syn(entry, track);
	} else if (flags & PACKET_SYN) {
		track->class = find_syn_ack(entry, packet, track);
	} else if (flags & PACKET_RST) {
		track->class = find_reset(entry, packet, track);
	} else if (entry->phase != FW_ASKED && in_window(entry, track->side, packet)) {
		track->phase = next_phase(entry, packet, track->side);
		track->class = RULES_ESTABLISHED;
	}
}

/* The SYN of one side. */
static void speak(struct fw_side *side, const struct packet *packet) {
	side->end = packet->tcp_seq + length(packet);
	side->limit = packet->tcp_seq + 1;
	side->window = packet->tcp_window ? packet->tcp_window : 1;
	side->scale = packet->tcp_scale;
}

void fw_tcp_begin(struct fw_state *entry, const struct packet *packet) {
	speak(&entry->side[0], packet);
	entry->side[1].scale = PACKET_NO_SCALE;
	if (packet->flags & PACKET_F_FRAGMENT) entry->flags |= FW_F_LOOSE;
}

static void advance(struct fw_state *entry, const struct packet *packet, uint32_t from) {
	struct fw_side *sender = &entry->side[from], *receiver = &entry->side[!from];
	uint32_t end = packet->tcp_seq + length(packet), size = window(sender, packet), limit;

	if (size > sender->window) sender->window = size;
	if (before(sender->end, end)) sender->end = end;
	/* Beyond what it was allowed, but begun within: the receiver may take it. */
	if (before(sender->limit, end)) {
		receiver->window += end - sender->limit;
		sender->limit = end;
	}
	if (!(packet->tcp_flags & PACKET_ACK)) return;
	limit = packet->tcp_ack + size;
	if (before(receiver->limit, limit)) receiver->limit = limit;
}

void fw_tcp_commit(struct fw_state *entry, const struct packet *packet,
		   const struct fw_track *track) {
	struct fw_side *sender = &entry->side[track->side];

	if (packet->flags & PACKET_F_FRAGMENT) entry->flags |= FW_F_LOOSE;
	if (packet->tcp_flags & PACKET_FIN) entry->flags |= (uint8_t)(FW_F_FIN_0 << track->side);
	if (entry->phase == FW_ASKED && track->phase == FW_REPLIED) {
		speak(sender, packet);
		/* Scaling is in force only if both sides speak of it. */
		if (sender->scale == PACKET_NO_SCALE || entry->side[0].scale == PACKET_NO_SCALE)
			sender->scale = entry->side[0].scale = PACKET_NO_SCALE;
	}
	if (!(packet->tcp_flags & PACKET_RST)) advance(entry, packet, track->side);
	entry->phase = track->phase;
}
