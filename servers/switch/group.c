/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Multicast groups that guests ask for with extra infos in their transmit rings. A frontend
 * asks once and never again, so they lie in the lifeboat: a guest does not know that we died.
 * What it asked of a predecessor that has left no list is not known, and then it hears all.
 */
#include "switch.h"

static uint64_t key_of(const uint8_t mac[6]) { return mac_number(mac) << 16 | 1; }

static struct boat_groups *groups_of(const struct port *port) {
	return &sw.boat->groups[port_index(port)];
}

static void set(uint64_t *group, uint64_t key) { __atomic_store_n(group, key, __ATOMIC_RELEASE); }

/* Its place; NULL: there is none. */
static uint64_t *find(struct boat_groups *groups, uint64_t key) {
	for (uint32_t i = 0; i < BOAT_GROUPS; i++)
		if (groups->group[i] == key) return &groups->group[i];
	return NULL;
}

void group_connect(struct port *port, bool adopt) {
	struct boat_groups *groups = groups_of(port);
	const struct vif *vif = &port->vif;

	if (adopt && groups->incarnation == vif->end.incarnation) return;
	*groups = (struct boat_groups){.incarnation = vif->end.incarnation};
	groups->listed = !adopt && vif->front.flags & FRONT_MULTICAST;
}

void group_change(struct port *port, const uint8_t mac[6], bool wanted) {
	struct boat_groups *groups = groups_of(port);
	uint64_t key = key_of(mac), *at = find(groups, key);

	if (!wanted) {
		if (at) set(at, 0);
		return;
	}
	if (at) return;
	at = find(groups, 0);
	if (at)
		set(at, key);
	else
		groups->listed = false; /* one that finds no room is lost for good */
}

bool group_wanted(const struct port *port, const uint8_t mac[6]) {
	struct boat_groups *groups = groups_of(port);

	return !groups->listed || find(groups, key_of(mac));
}
