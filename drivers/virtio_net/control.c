/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The control queue: which packets to let in, how many pairs to use. Each command
 * has a place of its own in the control page, and a new set of commands is sent
 * when the last one is answered, so nothing waits and nothing is written over.
 *
 * A card that refuses its table of addresses is made promiscuous: what it lets in
 * beyond what was asked costs time, what it keeps out would be lost.
 */
#include "card.h"
#include "spec.h"

#define PLACE_BYTES 1024U /* in the control page: of each command */
#define ACK_AT      1023U
#define DATA_AT     2U
#define DATA_MOST   (ACK_AT - DATA_AT)
#define TABLE_MOST  (2 * sizeof(uint32_t) + NET_MAX_FILTER * 6U)

_Static_assert(VNET_COMMANDS *PLACE_BYTES <= 4096, "the control page holds all commands");
_Static_assert(TABLE_MOST <= DATA_MOST, "a table fits its place");

static uint8_t *place(const struct vnet *card, enum vnet_command command) {
	return card->memory->at + VNET_CONTROL_PAGE * PAGE_SIZE + command * PLACE_BYTES;
}

/* The data lies in its place already. */
static void send(struct vnet *card, enum vnet_command command, uint8_t class, uint8_t code,
		 uint32_t bytes) {
	uint64_t address = card->memory->address[VNET_CONTROL_PAGE] + command * PLACE_BYTES;
	uint8_t *at = place(card, command);
	const struct virtq_descriptor chain[] = {
		{.address = address, .length = DATA_AT},
		{.address = address + DATA_AT, .length = bytes},
		{.address = address + ACK_AT, .length = 1, .flags = VIRTQ_WRITE},
	};

	at[0] = class;
	at[1] = code;
	at[ACK_AT] = ACK_NONE;
	if (!virtqueue_add(&card->control, chain, ARRAY_SIZE(chain), (uint16_t)command))
		return; /* never: CONTROL_LEAST */
	card->commands |= 1U << command;
	card->command_tick = card->tick;
}

static void send_byte(struct vnet *card, enum vnet_command command, uint8_t code, bool value) {
	place(card, command)[DATA_AT] = value;
	send(card, command, CLASS_RX, code, 1);
}

/* Addresses that are multicast, or those that are not, behind their number. */
static uint8_t *put_addresses(const struct net_filter *filter, bool multicast, uint8_t *to) {
	uint32_t count = 0;
	uint8_t *number = to;

	to += sizeof(count);
	for (uint32_t i = 0; i < filter->count; i++) {
		const uint8_t *mac = filter->address[i].mac;

		if ((mac[0] & 1) != multicast) continue;
		memcpy(to, mac, 6);
		to += 6;
		count++;
	}
	memcpy(number, &count, sizeof(count));
	return to;
}

static void send_filter(struct vnet *card) {
	const struct net_filter *filter = &card->filter;
	uint8_t *data = place(card, VNET_TABLE) + DATA_AT, *end;

	send_byte(card, VNET_PROMISC, RX_PROMISCUOUS, filter->flags & NET_FILTER_PROMISCUOUS);
	send_byte(card, VNET_ALLMULTI, RX_ALLMULTICAST, filter->flags & NET_FILTER_ALLMULTICAST);
	end = put_addresses(filter, false, data);
	end = put_addresses(filter, true, end);
	send(card, VNET_TABLE, CLASS_MAC, MAC_TABLE, (uint32_t)(end - data));
	card->filter_changed = false;
}

static void send_due(struct vnet *card) {
	if (card->filter_changed && !card->commands) send_filter(card);
	virtqueue_kick(&card->control);
}

void vnet_ask_pairs(struct vnet *card) {
	if (card->pairs < 2) return;
	memcpy(place(card, VNET_PAIRS_SET) + DATA_AT, &card->pairs, sizeof(card->pairs));
	send(card, VNET_PAIRS_SET, CLASS_PAIRS, PAIRS_SET, sizeof(card->pairs));
	virtqueue_kick(&card->control);
}

void vnet_set_filter(struct vnet *card, const struct net_filter *filter) {
	card->filter = *filter;
	card->filter.count = MIN(filter->count, NET_MAX_FILTER);
	if (!card->has_control || !virtio_has(&card->virtio, F_CTRL_RX)) return;
	card->filter_changed = true;
	send_due(card);
}

static void answered(struct vnet *card, enum vnet_command command) {
	uint8_t ack = __atomic_load_n(place(card, command) + ACK_AT, __ATOMIC_RELAXED);

	card->commands &= ~(1U << command);
	if (ack == ACK_OK) {
		if (command == VNET_PAIRS_SET) card->active = card->pairs;
		return;
	}
	card->refused++;
	if (command != VNET_TABLE || card->filter.flags & NET_FILTER_PROMISCUOUS) return;
	card->filter.flags |= NET_FILTER_PROMISCUOUS;
	card->filter_changed = true;
}

void vnet_control(struct vnet *card) {
	struct virtqueue_done done;

	if (!card->has_control) return;
	for (unsigned n = 0; n < VNET_COMMANDS && virtqueue_reap(&card->control, &done); n++)
		answered(card, done.token);
	send_due(card);
}
