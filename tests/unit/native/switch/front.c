/* SPDX-License-Identifier: BSD-2-Clause */
/* Frames, and a guest's netfront that believes nothing but what netif.h promises. */
#include "rig.h"

#define HEADER 26U

void rig_mac(uint32_t n, uint8_t mac[6]) {
	const uint8_t own[6] = {0x02, 0, 0, 0, 1, (uint8_t)n};

	memcpy(mac, own, 6);
	if (n == EVERYBODY) memset(mac, 0xff, 6);
}

static uint8_t pattern(uint32_t number, uint32_t at) {
	return (uint8_t)((number * 2654435761U >> 8) + at * 7 + (at >> 8));
}

void frame_write(uint8_t *to, uint32_t from_n, uint32_t to_n, uint32_t number, uint32_t length) {
	CHECK(length >= HEADER);
	rig_mac(to_n, to);
	rig_mac(from_n, to + 6);
	to[12] = ETHERTYPE >> 8;
	to[13] = ETHERTYPE & 0xff;
	to[14] = (uint8_t)from_n;
	to[15] = (uint8_t)to_n;
	memset(to + 16, 0, 2);
	memcpy(to + 18, &number, 4);
	memcpy(to + 22, &length, 4);
	for (uint32_t i = HEADER; i < length; i++) to[i] = pattern(number, i);
}

uint32_t frame_check(const uint8_t *bytes, uint32_t length, uint32_t *from_n, uint32_t *to_n) {
	uint32_t number, said;
	uint8_t mac[6];

	CHECK(length >= HEADER);
	memcpy(&number, bytes + 18, 4);
	memcpy(&said, bytes + 22, 4);
	CHECK(said == length);
	*from_n = bytes[14];
	*to_n = bytes[15];
	rig_mac(*to_n, mac);
	CHECK(!memcmp(bytes, mac, 6));
	rig_mac(*from_n, mac);
	CHECK(!memcmp(bytes + 6, mac, 6));
	for (uint32_t i = HEADER; i < length; i++) CHECK(bytes[i] == pattern(number, i));
	return number;
}

/* --- the netfront --- */

static struct netif_sring *ring(const struct netfront *front, uint32_t which) {
	return (void *)world->guest[front->guest].ring[front->queue][which];
}

static void *slot(const struct netfront *front, uint32_t which, uint32_t index) {
	uint32_t size = which == BOAT_TX ? NETIF_TX_SLOT_SIZE : NETIF_RX_SLOT_SIZE;

	return (uint8_t *)(ring(front, which) + 1) + index % NETIF_SLOTS * size;
}

void front_init(struct netfront *front, uint32_t guest, uint32_t queue) {
	memset(front, 0, sizeof(*front));
	front->guest = guest;
	front->queue = queue;
}

/* Buffer n of a queue is the page that its slot names: it never changes. */
static uint32_t buffer_ref(const struct netfront *front, uint32_t index) {
	return front->queue * NETIF_SLOTS + index % NETIF_SLOTS;
}

void front_post(struct netfront *front, uint32_t most) {
	while (most-- && front->rx_prod - front->rx_cons < NETIF_SLOTS) {
		struct netif_rx_request r = {
			.id = (uint16_t)(front->rx_prod % NETIF_SLOTS),
			.gref = buffer_ref(front, front->rx_prod),
		};

		memcpy(slot(front, BOAT_RX, front->rx_prod++), &r, sizeof(r));
	}
	__atomic_store_n(&ring(front, BOAT_RX)->req_prod, front->rx_prod, __ATOMIC_RELEASE);
}

uint32_t front_room(const struct netfront *front) {
	return NETIF_SLOTS - (front->tx_prod - front->tx_cons);
}

void front_put(struct netfront *front, const struct netif_tx_request *request) {
	struct netif_tx_request r = *request;

	r.id = (uint16_t)(front->tx_prod % NETIF_SLOTS);
	front->used[r.id] = 1;
	memcpy(slot(front, BOAT_TX, front->tx_prod++), &r, sizeof(r));
}

void front_put_extra(struct netfront *front, const struct netif_extra_info *extra) {
	front->used[front->tx_prod % NETIF_SLOTS] = 2;
	memcpy(slot(front, BOAT_TX, front->tx_prod++), extra, sizeof(*extra));
}

void front_push(struct netfront *front) {
	__atomic_store_n(&ring(front, BOAT_TX)->req_prod, front->tx_prod, __ATOMIC_RELEASE);
}

void front_send(struct netfront *front, const uint8_t *bytes, uint32_t length, uint32_t slots,
		uint16_t flags, const struct netif_extra_info *extra) {
	struct world_guest *guest = &world->guest[front->guest];
	uint32_t at = 0;

	for (uint32_t i = 0; i < slots; i++) {
		uint32_t left = length - at, after = slots - i - 1, size = left, low;
		/* The page of this slot; nobody else uses it until the slot is answered. */
		uint32_t ref = RX_PAGES + front->queue * NETIF_SLOTS + front->tx_prod % NETIF_SLOTS;
		struct netif_tx_request r = {.gref = ref, .flags = after ? NETTXF_more_data : 0};

		if (after) {
			low = left > after * PAGE_SIZE ? left - after * (uint32_t)PAGE_SIZE : 1;
			size = MIN(left - after, (uint32_t)PAGE_SIZE);
			size = low + noise() % (size - low + 1);
		}
		CHECK(size && size <= PAGE_SIZE);
		r.offset = (uint16_t)(noise() % (PAGE_SIZE - size + 1));
		r.size = (uint16_t)(i ? size : length);
		memcpy(guest->page[ref] + r.offset, bytes + at, size);
		if (!i) r.flags |= flags | (extra ? NETTXF_extra_info : 0);
		front_put(front, &r);
		if (!i && extra) front_put_extra(front, extra);
		at += size;
	}
	CHECK(at == length);
}

void front_random(struct netfront *front, uint32_t most) {
	static uint8_t bytes[65536];
	uint32_t length = HEADER + noise() % (most - HEADER + 1);
	uint32_t least = DIV_UP(length, (uint32_t)PAGE_SIZE);
	uint32_t slots = least + noise() % (XEN_NETIF_NR_SLOTS_MIN - least + 1);
	uint32_t to = noise() % (GUESTS + 3);

	if (front_room(front) < slots) return;
	if (to == front->guest) to = GUESTS;
	if (to == GUESTS + 2) to = EVERYBODY;
	frame_write(bytes, front->guest, to, front->number++, length);
	front_send(front, bytes, length, slots, 0, NULL);
}

static void collect_tx(struct netfront *front) {
	uint32_t end = __atomic_load_n(&ring(front, BOAT_TX)->rsp_prod, __ATOMIC_ACQUIRE);

	CHECK(end - front->tx_cons <= front->tx_prod - front->tx_cons);
	for (; front->tx_cons != end; front->tx_cons++) {
		struct netif_tx_response r;

		memcpy(&r, slot(front, BOAT_TX, front->tx_cons), sizeof(r));
		front->answered++;
		if (r.status == NETIF_RSP_NULL) continue;
		CHECK(r.id < NETIF_SLOTS && front->used[r.id] == 1);
		front->used[r.id] = 0;
		front->errors += r.status != NETIF_RSP_OKAY;
	}
	ring(front, BOAT_TX)->rsp_event = end + 1;
}

static void frame_came(struct netfront *front) {
	uint32_t from, to;

	front->came++;
	front->bytes += front->last_length;
	if (front->raw) return;
	front->last_number = frame_check(front->last, front->last_length, &from, &to);
	CHECK(to == front->guest || to == EVERYBODY);
	CHECK(from != front->guest);
}

/* Of a packet in Linux: its slots, less the first one if that is so small that it is copied. */
#define FRAGMENTS 17U
#define COPIED    256

static void collect_rx(struct netfront *front) {
	uint32_t end = __atomic_load_n(&ring(front, BOAT_RX)->rsp_prod, __ATOMIC_ACQUIRE);

	CHECK(end - front->rx_cons <= front->rx_prod - front->rx_cons);
	while (front->rx_cons != end) {
		uint32_t fragments = 0;
		bool more = true;

		front->last_length = 0;
		for (bool first = true; more; first = false) {
			uint32_t index = front->rx_cons++;
			struct netif_rx_response r;

			CHECK(index != end);
			memcpy(&r, slot(front, BOAT_RX, index), sizeof(r));
			CHECK(r.id == index % NETIF_SLOTS);
			CHECK(r.status > 0 && r.offset + r.status <= (int)PAGE_SIZE);
			memcpy(front->last + front->last_length,
			       world->guest[front->guest].page[buffer_ref(front, index)] + r.offset,
			       (size_t)r.status);
			front->last_length += (uint32_t)r.status;
			fragments += !first || r.status > COPIED;
			if (first) front->last_flags = r.flags;
			more = r.flags & NETRXF_more_data;
			if (!(r.flags & NETRXF_extra_info)) continue;
			CHECK(first && front->rx_cons != end);
			memcpy(&front->last_extra, slot(front, BOAT_RX, front->rx_cons++), 8);
		}
		CHECK(fragments <= FRAGMENTS);
		frame_came(front);
	}
	ring(front, BOAT_RX)->rsp_event = end + 1;
}

void front_collect(struct netfront *front) {
	collect_tx(front);
	collect_rx(front);
}
