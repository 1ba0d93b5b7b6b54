/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who is behind which port. The address of a VIF is in the configuration, and nobody can take
 * it away; others are learned from the source of frames: those behind a card, and behind VIFs
 * whose source is not checked. A learned address lies in the lifeboat, in one of the WAYS places
 * that its hash allows; a port has a bounded number of them, so one port cannot push
 * out what others have. What finds no place is not learned, and its frames are flooded.
 */
#include "switch.h"

#define WAYS        4U
#define SETS        (BOAT_ADDRESSES / WAYS)
#define AGE         300U /* seconds */
#define VIF_MOST    32U
#define UPLINK_MOST 512U
#define FIXED       128U

/* MACs of VIFs: open addressing; the VLAN does not matter. */
static struct {
	uint64_t key; /* 0: none */
	uint32_t port;
} fixed[FIXED];

static uint64_t key_of(uint32_t network, const uint8_t mac[6], uint32_t vlan) {
	return mac_number(mac) << 16 | network << 12 | vlan;
}

static uint32_t hash(uint64_t key) { return (uint32_t)(key * 0x9e3779b97f4a7c15ULL >> 40); }

static uint32_t find_fixed(uint64_t key) {
	for (uint32_t n = hash(key); fixed[n % FIXED].key; n++)
		if (fixed[n % FIXED].key == key) return fixed[n % FIXED].port;
	return SW_NONE;
}

static uint32_t seconds(void) { return (uint32_t)(sw.now / 1000000000U); }

static bool is_old(const struct boat_address *a) { return seconds() - a->seen > AGE; }

static void forget(struct boat_address *a) {
	__atomic_store_n(&a->key, 0, __ATOMIC_RELEASE);
	sw.port[a->port].learned--;
}

void address_open(void) {
	memset(fixed, 0, sizeof(fixed));
	for (uint32_t i = 0; i < sw.port_count; i++) {
		struct port *port = &sw.port[i];
		uint64_t key = key_of(port->network, port->config->mac, 0);
		uint32_t n = hash(key);

		if (port->kind != SWITCH_PORT_VIF) continue;
		while (fixed[n % FIXED].key && fixed[n % FIXED].key != key) n++;
		fixed[n % FIXED].key = key;
		fixed[n % FIXED].port = i;
	}
	for (uint32_t i = 0; i < BOAT_ADDRESSES; i++) {
		struct boat_address *a = &sw.boat->address[i];

		if (!a->key) continue;
		sw.port[a->port].learned++;
		if ((a->key >> 12 & 15) != sw.port[a->port].network || is_old(a)) forget(a);
	}
}

static struct boat_address *find(uint64_t key) {
	struct boat_address *set = &sw.boat->address[hash(key) % SETS * WAYS];

	for (uint32_t i = 0; i < WAYS; i++)
		if (set[i].key == key) return &set[i];
	return NULL;
}

/* A place for a new one: free, or held by one that was not seen for long, or by one of its port. */
static struct boat_address *place(uint64_t key, uint32_t port) {
	struct boat_address *set = &sw.boat->address[hash(key) % SETS * WAYS], *own = NULL;
	uint32_t most = sw.port[port].kind == SWITCH_PORT_VIF ? VIF_MOST : UPLINK_MOST;

	for (uint32_t i = 0; i < WAYS; i++) {
		if (set[i].key && is_old(&set[i])) forget(&set[i]);
		if (!set[i].key && sw.port[port].learned < most) return &set[i];
		if (set[i].key && set[i].port == port && (!own || set[i].seen < own->seen))
			own = &set[i];
	}
	if (own) forget(own);
	return own;
}

void address_learn(uint32_t port, const uint8_t mac[6], uint16_t vlan) {
	uint64_t key = key_of(sw.port[port].network, mac, vlan);
	struct boat_address *a = find(key);

	if (a && a->port == port) {
		a->seen = seconds();
		return;
	}
	if (mac[0] & 1 || find_fixed(key & ~0xfffULL) != SW_NONE) return;
	if (a) forget(a);
	a = place(key, port);
	if (!a) return;
	a->port = port;
	a->seen = seconds();
	__atomic_store_n(&a->key, key, __ATOMIC_RELEASE);
	sw.port[port].learned++;
}

uint32_t address_find(uint32_t network, const uint8_t mac[6], uint16_t vlan) {
	uint64_t key = key_of(network, mac, vlan);
	uint32_t port = find_fixed(key & ~0xfffULL);
	struct boat_address *a;

	if (port != SW_NONE) return port;
	a = find(key);
	return a && !is_old(a) ? a->port : SW_NONE;
}

void address_forget(uint32_t port) {
	for (uint32_t i = 0; i < BOAT_ADDRESSES; i++)
		if (sw.boat->address[i].key && sw.boat->address[i].port == port)
			forget(&sw.boat->address[i]);
}
