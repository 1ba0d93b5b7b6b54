/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Addresses that DHCP leased to a VIF: read from the acknowledgements that are
 * delivered to it. One is believed only if the VIF has asked for it (its last
 * transaction, its MAC), and only from a port that may use any address itself: an uplink,
 * or a VIF whose addresses are not checked. So two guests cannot give each other addresses.
 */
#include "fw_state.h"

#define DHCP_SERVER  67U
#define DHCP_CLIENT  68U
#define DISCOVER     1U /* is acknowledged at once with rapid commit, RFC 4039 */
#define REQUEST      3U
#define ACKNOWLEDGE  5U
#define RELEASE      7U
#define FOREVER      0xffffffffU
#define GRACE_SECOND 60U /* clocks of server and client differ */

void fw_leases_open(struct fw *fw, struct fw_adopted *adopted) {
	for (uint32_t i = 0; i < fw->limits.ports; i++) {
		struct fw_record *record = &fw->records[i];

		for (uint32_t n = 0; n < FW_LEASES; n++) {
			if (record->lease[n].valid > 1) {
				adopted->rejected++;
				fw_publish(&record->lease[n].valid, 0);
			}
			adopted->leases += record->lease[n].valid;
		}
	}
}

bool fw_leased(const struct fw *fw, uint32_t port, uint32_t address, uint64_t now) {
	const struct fw_lease *lease = fw->records[port].lease;

	for (uint32_t n = 0; n < FW_LEASES; n++)
		if (lease[n].valid && lease[n].address == address && now < lease[n].until)
			return true;
	return false;
}

/* Its own place, else one that is free or over, else the one that ends first. */
static struct fw_lease *place(struct fw_record *record, uint32_t address, uint64_t now) {
	struct fw_lease *found = NULL;

	for (uint32_t n = 0; n < FW_LEASES; n++) {
		struct fw_lease *lease = &record->lease[n];
		uint64_t until = lease->valid && lease->until > now ? lease->until : 0;

		if (lease->valid && lease->address == address) return lease;
		if (!found || until < (found->valid && found->until > now ? found->until : 0))
			found = lease;
	}
	return found;
}

static void asked(struct fw_record *record, const struct packet_dhcp *dhcp) {
	if (dhcp->operation != 1) return;
	if (dhcp->type == DISCOVER || dhcp->type == REQUEST) {
		record->transaction = dhcp->transaction;
		fw_publish(&record->asked, 1);
	}
	if (dhcp->type != RELEASE) return;
	for (uint32_t n = 0; n < FW_LEASES; n++)
		if (record->lease[n].address == dhcp->client)
			fw_publish(&record->lease[n].valid, 0);
}

static void answered(struct fw_record *record, const struct fw_port *port,
		     const struct packet_dhcp *dhcp, uint64_t now) {
	uint64_t until = now + (dhcp->lease + (uint64_t)GRACE_SECOND) * FW_SECOND;
	struct fw_lease *lease;

	if (dhcp->operation != 2 || dhcp->type != ACKNOWLEDGE || !dhcp->lease || !dhcp->yours)
		return;
	if (!record->asked || dhcp->transaction != record->transaction) return;
	if (memcmp(dhcp->mac, port->config->mac, 6) != 0) return;
	lease = place(record, dhcp->yours, now);
	fw_publish(&lease->valid, 0);
	lease->address = dhcp->yours;
	lease->until = dhcp->lease == FOREVER ? UINT64_MAX : until;
	fw_publish(&lease->valid, 1);
}

void fw_snoop(struct fw *fw, uint32_t port, uint32_t direction, uint32_t from,
	      const struct packet *packet, uint64_t now) {
	const struct switch_port *giver = from < SWITCH_MAX_PORTS ? fw->port[from].config : NULL;
	struct packet_dhcp dhcp;

	if (!(fw->port[port].config->flags & SWITCH_DHCP) || !packet_dhcp(packet, &dhcp)) return;
	if (direction == NETCTL_OUT && packet->dport == DHCP_SERVER)
		asked(&fw->records[port], &dhcp);
	if (direction == NETCTL_IN && packet->dport == DHCP_CLIENT && from != port &&
	    from < fw->limits.ports && (!giver || giver->flags & SWITCH_ANY_ADDRESS))
		answered(&fw->records[port], &fw->port[port], &dhcp, now);
}
