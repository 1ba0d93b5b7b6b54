/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a VIF may send and receive, changed at run time (proto/netctl.h). It is noted in the
 * client's record (libs/ctl/record.h), a page of root's, so that a successor of the switch holds
 * to it: the description's limits are only what a system starts with.
 */
#include "ctl.h"

_Static_assert(NETCTL_RECORDS >= SW_PORTS, "a record for each port");

struct netctl_limits limits_of(const struct port *port) {
	const struct vif *vif = &port->vif;

	if (port->kind != SWITCH_PORT_VIF) return (struct netctl_limits){0};
	return (struct netctl_limits){
		.bytes_out = vif->out_bytes.rate,
		.packets_out = vif->out_packets.rate,
		.bytes_in = vif->in_bytes.rate,
		.packets_in = vif->in_packets.rate,
	};
}

static bool possible(uint64_t asked) { return asked <= BUCKET_RATE_MAX || asked == NETCTL_KEEP; }

static void change(struct bucket *bucket, uint64_t asked) {
	if (asked != NETCTL_KEEP && asked != bucket->rate) bucket_init(bucket, asked, sw.now);
}

bool limits_set(uint32_t n, const struct netctl_limits *asked) {
	struct vif *vif = &sw.port[n].vif;

	if (!possible(asked->bytes_out) || !possible(asked->packets_out) ||
	    !possible(asked->bytes_in) || !possible(asked->packets_in))
		return false;
	change(&vif->out_bytes, asked->bytes_out);
	change(&vif->out_packets, asked->packets_out);
	change(&vif->in_bytes, asked->bytes_in);
	change(&vif->in_packets, asked->packets_in);
	if (vif->end.state != BACKEND_LIVE) return true;
	/* Who waited for the old ones is looked at again. */
	sw.limited |= 1ULL << n;
	sw_wake_at(sw.now + 1);
	return true;
}
