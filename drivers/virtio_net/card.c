/* SPDX-License-Identifier: BSD-2-Clause */
#include "card.h"
#include "spec.h"

static struct vnet_tx_slot *tx_slot(const struct vnet *card, uint16_t tag) {
	return (struct vnet_tx_slot *)(card->memory->at + VNET_FIRST_TX * PAGE_SIZE) + tag;
}

static struct vnet_rx_slot *rx_slot(const struct vnet *card, uint16_t tag) {
	return (struct vnet_rx_slot *)(card->memory->at + VNET_FIRST_RX * PAGE_SIZE) + tag;
}

static uint64_t tx_address(const struct vnet *card, uint16_t tag) {
	return card->memory->address[VNET_FIRST_TX + tag / VNET_TX_SLOTS] +
	       tag % VNET_TX_SLOTS * VNET_TX_SLOT;
}

static uint64_t rx_address(const struct vnet *card, uint16_t tag) {
	return card->memory->address[VNET_FIRST_RX + tag / VNET_RX_SLOTS] +
	       tag % VNET_RX_SLOTS * VNET_RX_SLOT;
}

/* --- bringing it up --- */

static void understand(struct vnet *card, const struct config *config) {
	const struct virtio *virtio = &card->virtio;
	bool csum = virtio_has(virtio, F_CSUM);

	card->features = 0;
	if (csum) card->features |= NET_TX_CSUM4 | NET_TX_CSUM6;
	if (csum && virtio_has(virtio, F_HOST_TSO4)) card->features |= NET_TX_TSO4;
	if (csum && virtio_has(virtio, F_HOST_TSO6)) card->features |= NET_TX_TSO6;
	if (virtio_has(virtio, F_GUEST_CSUM)) card->features |= NET_RX_CSUM;
	if (card->merging) card->features |= NET_RX_HEADERS;
	card->mtu = virtio_has(virtio, F_MTU) ? config->mtu : MTU_UNKNOWN;
	card->mtu = MIN(MAX(card->mtu, MTU_LEAST), card->merging ? MTU_LARGE : MTU_MOST);
	card->mbit = virtio_has(virtio, F_SPEED_DUPLEX) && config->speed <= SPEED_MOST
			     ? config->speed
			     : 0;
	if (virtio_has(virtio, F_MAC)) memcpy(card->mac, config->mac, sizeof(card->mac));
}

/* More pairs than interrupts gain nothing, and one interrupt is for all else. */
static uint16_t choose_pairs(struct vnet *card, const struct config *config, unsigned vectors) {
	uint32_t pairs = 1;

	if (virtio_has(&card->virtio, F_MQ) && card->has_control && config->pairs)
		pairs = MIN(config->pairs, VNET_PAIRS);
	return (uint16_t)MIN(pairs, vectors > 1 ? vectors - 1 : 1);
}

/* The constant parts of all slots. */
static void prepare_slots(struct vnet *card) {
	for (uint16_t tag = 0; tag < NET_TX_TAGS; tag++)
		tx_slot(card, tag)->table[0] = (struct virtq_descriptor){
			.address = tx_address(card, tag) + offsetof(struct vnet_tx_slot, header),
			.length = sizeof(struct vnet_header),
			.flags = VIRTQ_NEXT,
			.next = 1,
		};
	for (uint16_t tag = 0; tag < NET_RX_TAGS; tag++) {
		struct vnet_rx_slot *slot = rx_slot(card, tag);

		slot->table[0] = (struct virtq_descriptor){
			.address = rx_address(card, tag) + offsetof(struct vnet_rx_slot, header),
			.length = sizeof(struct vnet_header),
			.flags = VIRTQ_NEXT | VIRTQ_WRITE,
			.next = 1,
		};
		slot->table[1].length = card->buffer;
		slot->table[1].flags = VIRTQ_WRITE;
	}
}

static const char *set_up(struct vnet *card, uint16_t n, struct virtqueue *queue, uint32_t page,
			  uint16_t vector) {
	return virtio_queue(&card->virtio, n, queue, card->memory->at + page * PAGE_SIZE,
			    card->memory->address + page, VIRTQUEUE_MAX, vector);
}

/* all: how many pairs the card has, which is where its control queue lies. */
static const char *start_queues(struct vnet *card, uint32_t all, unsigned vectors) {
	uint16_t last = vectors > 1 ? card->pairs : vectors ? 0 : VIRTIO_NO_VECTOR;
	const char *why = NULL;

	for (uint16_t n = 0; n < card->pairs && !why; n++) {
		uint32_t page = 2U * n * VIRTQUEUE_PAGES;
		uint16_t vector = vectors ? n : VIRTIO_NO_VECTOR;

		why = set_up(card, 2 * n, &card->rx[n], page, vector);
		if (!why)
			why = set_up(card, 2 * n + 1, &card->tx[n], page + VIRTQUEUE_PAGES, vector);
		if (!why && (card->rx[n].size < 2 || card->tx[n].size < 2))
			why = "the card's queues are too short for a packet";
	}
	if (!why && card->has_control)
		why = set_up(card, (uint16_t)(2 * all), &card->control,
			     2U * VNET_PAIRS * VIRTQUEUE_PAGES, last);
	if (!why && card->has_control && card->control.size < CONTROL_LEAST)
		why = "the card's control queue is too short for a command";
	if (!why && vectors && !virtio_config_vector(&card->virtio, last))
		why = "the card refuses an MSI-X vector";
	return why;
}

/* Large packets only as a whole. */
static const char *agree(struct vnet *card) {
	const char *why = NULL;

	card->merging = false;
	if (card->large) {
		why = virtio_begin(&card->virtio, F_WANTED | F_LARGE);
		card->merging = !why && virtio_has(&card->virtio, F_MRG_RXBUF);
	}
	return card->merging || why ? why : virtio_begin(&card->virtio, F_WANTED);
}

const char *vnet_start(struct vnet *card, unsigned vectors) {
	struct config config;
	const char *why = agree(card);
	bool several;

	if (why) return why;
	virtio_config(&card->virtio, &config, sizeof(config));
	understand(card, &config);
	card->indirect = virtio_has(&card->virtio, VIRTIO_F_INDIRECT_DESC);
	several = virtio_has(&card->virtio, F_MQ);
	card->has_control = virtio_has(&card->virtio, F_CTRL_VQ) &&
			    (!several || (config.pairs && config.pairs <= PAIRS_MOST));
	card->pairs = choose_pairs(card, &config, vectors);
	card->active = 1;
	card->tx_in_flight = card->rx_in_flight = card->commands = 0;
	card->filter_changed = false;
	memset(card->packet, 0, sizeof(card->packet));
	memset(card->posted, 0, sizeof(card->posted));
	memset(card->rx_look, 0, sizeof(card->rx_look));
	memset(card->tx_look, 0, sizeof(card->tx_look));
	prepare_slots(card);
	why = start_queues(card, several ? config.pairs : 1, vectors);
	if (why) return why;
	virtio_ready(&card->virtio);
	vnet_ask_pairs(card);
	vnet_want_interrupts(card, 0);
	return NULL;
}

unsigned vnet_vectors(const struct vnet *card, unsigned vectors) {
	return vectors > 1 ? card->pairs + 1U : 1;
}

bool vnet_link(struct vnet *card) {
	struct virtio_io *io = &card->virtio.io;

	if (!virtio_has(&card->virtio, F_STATUS) ||
	    card->virtio.device_size <= offsetof(struct config, status))
		return true;
	return io->read(io->context, VIRTIO_DEVICE, offsetof(struct config, status), 1) &
	       STATUS_LINK_UP;
}

/* --- transmit --- */

static bool fill_header(const struct vnet *card, const struct net_tx *packet,
			struct vnet_header *header) {
	*header = (struct vnet_header){0};
	if (packet->flags & NET_TX_CSUM) {
		if (!(card->features & NET_TX_CSUM4)) return false;
		header->flags = HEADER_NEEDS_CSUM;
		header->csum_start = packet->csum_start;
		header->csum_offset = packet->csum_offset;
	}
	if (packet->gso == NET_GSO_NONE) return true;
	if (!(card->features & (packet->gso == NET_GSO_TCP4 ? NET_TX_TSO4 : NET_TX_TSO6)))
		return false;
	header->gso_type = packet->gso == NET_GSO_TCP4 ? HEADER_GSO_TCP4 : HEADER_GSO_TCP6;
	header->gso_size = packet->gso_size;
	header->header = packet->header;
	return true;
}

enum vnet_taken vnet_send(struct vnet *card, const struct net_tx *packet,
			  const struct net_segment *segments) {
	struct virtqueue *queue = &card->tx[packet->queue % card->active];
	struct vnet_tx_slot *slot = tx_slot(card, packet->tag);
	uint16_t count = (uint16_t)(packet->segments + 1);
	bool taken;

	if (!card->indirect && count > queue->size) return VNET_BAD;
	if (!fill_header(card, packet, &slot->header)) return VNET_BAD;
	for (uint16_t i = 1; i < count; i++)
		slot->table[i] = (struct virtq_descriptor){
			.address = segments[i - 1].address,
			.length = segments[i - 1].length,
			.flags = i + 1 < count ? VIRTQ_NEXT : 0,
			.next = (uint16_t)(i + 1),
		};
	taken = card->indirect ? virtqueue_add_table(queue, tx_address(card, packet->tag), count,
						     packet->tag)
			       : virtqueue_add(queue, slot->table, count, packet->tag);
	if (!taken) return VNET_FULL;
	card->packet[packet->tag] = (struct vnet_packet){.started = card->tick, .busy = true};
	card->tx_in_flight++;
	return VNET_TAKEN;
}

bool vnet_sent(struct vnet *card, unsigned n, uint16_t *tag) {
	struct virtqueue_done done;

	if (!virtqueue_reap(&card->tx[n], &done)) return false;
	*tag = done.token;
	card->packet[done.token].busy = false;
	card->tx_in_flight--;
	return true;
}

/* --- receive --- */

static bool add_buffer(struct vnet *card, struct virtqueue *queue, uint16_t tag, uint64_t address) {
	struct vnet_rx_slot *slot = rx_slot(card, tag);
	struct virtq_descriptor whole = {
		.address = address, .length = card->buffer, .flags = VIRTQ_WRITE};

	if (card->merging) return virtqueue_add(queue, &whole, 1, tag);
	slot->table[1].address = address;
	return card->indirect ? virtqueue_add_table(queue, rx_address(card, tag), 2, tag)
			      : virtqueue_add(queue, slot->table, 2, tag);
}

bool vnet_post(struct vnet *card, uint16_t tag, uint64_t address) {
	struct virtqueue *queue = &card->rx[0];

	for (unsigned n = 1; n < card->pairs; n++)
		if (card->rx[n].free_count > queue->free_count) queue = &card->rx[n];
	if (!add_buffer(card, queue, tag, address)) return false;
	card->posted[tag] = true;
	card->rx_in_flight++;
	return true;
}

/* The card's header and length, checked. */
static void judge(struct vnet *card, const struct vnet_header *header, uint32_t written,
		  struct net_rx *packet) {
	uint32_t length = written - (uint32_t)sizeof(*header);

	if (written <= sizeof(*header) || length > card->buffer || header->gso_type) {
		packet->flags = NET_RX_BAD;
		card->lies++;
		return;
	}
	packet->length = (uint16_t)length;
	if (!(card->features & NET_RX_CSUM)) return;
	if (header->flags & HEADER_NEEDS_CSUM) {
		packet->flags = NET_RX_CSUM_BLANK;
		packet->csum_start = header->csum_start;
		packet->csum_offset = header->csum_offset;
		if (header->csum_start + header->csum_offset + 2U <= length) return;
		packet->flags = NET_RX_BAD;
		card->lies++;
	} else if (header->flags & HEADER_DATA_VALID) {
		packet->flags = NET_RX_CSUM_OK;
	}
}

/* A buffer of a packet whose header is not ours to read. */
static void judge_buffer(struct vnet *card, uint32_t written, struct net_rx *packet) {
	packet->length = (uint16_t)written;
	if (written && written <= card->buffer) return;
	packet->length = 0;
	packet->flags = NET_RX_BAD;
	card->lies++;
}

bool vnet_received(struct vnet *card, unsigned n, struct net_rx *packet) {
	const volatile struct vnet_header *shared;
	struct virtqueue_done done;
	struct vnet_header header;

	if (!virtqueue_reap(&card->rx[n], &done)) return false;
	card->posted[done.token] = false;
	card->rx_in_flight--;
	*packet = (struct net_rx){.tag = done.token, .queue = (uint16_t)n};
	if (card->merging) {
		judge_buffer(card, done.written, packet);
		return true;
	}
	shared = &rx_slot(card, done.token)->header;
	header = *shared;
	judge(card, &header, done.written, packet);
	return true;
}

/* --- both --- */

void vnet_kick(struct vnet *card) {
	for (unsigned n = 0; n < card->pairs; n++) {
		virtqueue_kick(&card->tx[n]);
		virtqueue_kick(&card->rx[n]);
	}
}

bool vnet_want_sent(struct vnet *card, uint32_t lazy) {
	bool none = true;

	for (unsigned n = 0; n < card->pairs; n++) {
		uint16_t most = (uint16_t)MAX(card->tx[n].outstanding * 3U / 4U, lazy);

		none &= virtqueue_want_interrupt_after(&card->tx[n], most);
	}
	return none;
}

bool vnet_want_interrupts(struct vnet *card, uint32_t lazy) {
	bool none = vnet_want_sent(card, lazy);

	if (card->has_control) none &= virtqueue_want_interrupt(&card->control);
	for (unsigned n = 0; n < card->pairs; n++) none &= virtqueue_want_interrupt(&card->rx[n]);
	return none;
}

/* --- when things go wrong --- */

/* A queue that has not moved since the last tick. True: its answers wait for as long. */
static bool look_again(struct vnet *card, struct virtqueue *queue, struct vnet_look *last) {
	bool waiting = virtqueue_has_answers(queue), still = last->taken == queue->reaped;
	bool missed = waiting && last->waiting && still;

	if (!waiting && still && queue->outstanding && !queue->broken) {
		virtqueue_ring(queue);
		card->rung_again++;
	}
	last->waiting = waiting;
	last->taken = queue->reaped;
	return missed;
}

bool vnet_missed(struct vnet *card) {
	bool any = false;

	for (unsigned n = 0; n < card->pairs; n++) {
		any |= look_again(card, &card->rx[n], &card->rx_look[n]);
		/* Packets that have left wait as long as nobody needs to hear of them. */
		look_again(card, &card->tx[n], &card->tx_look[n]);
	}
	if (card->commands && card->tick != card->command_tick) virtqueue_ring(&card->control);
	return any;
}

bool vnet_stuck(struct vnet *card, uint32_t ticks) {
	for (unsigned n = 0; n < card->pairs; n++)
		if (card->rx[n].broken || card->tx[n].broken) return true;
	if (card->has_control && card->control.broken) return true;
	if (card->commands && card->tick - card->command_tick >= ticks) return true;
	for (unsigned tag = 0; card->tx_in_flight && tag < NET_TX_TAGS; tag++)
		if (card->packet[tag].busy && card->tick - card->packet[tag].started >= ticks)
			return true;
	return virtio_needs_reset(&card->virtio);
}
