/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Why a frame goes no further. Each port counts each reason: at the sender for what is
 * wrong with the frame or its sender, at the receiver for what is the receiver's. The
 * numbers are seen by clients (proto/netctl.h), so they only grow.
 */
#ifndef SERVERS_SWITCH_DROP_H
#define SERVERS_SWITCH_DROP_H

#include "proto/netctl.h"

enum drop_reason {
	DROP_NONE, /* it was not dropped */

	/* of the sender: its ring */
	DROP_MALFORMED,    /* sizes or offsets of its slots make no sense */
	DROP_TOO_MANY,     /* more slots than a packet may have */
	DROP_BAD_PAGE,     /* a page of it could not be read */
	DROP_BAD_EXTRA,    /* an extra info that was not offered, or makes no sense */
	DROP_BAD_OFFLOAD,  /* checksum or segmentation is asked for where it cannot be done */
	DROP_BAD_RECEIVED, /* the card's driver says that it is no good */

	/* of the sender: the frame */
	DROP_SHORT,         /* shorter than its headers */
	DROP_LENGTH,        /* lengths in it contradict each other, or exceed the network's MTU */
	DROP_HEADER,        /* a header is not what it should be */
	DROP_SOURCE_MAC,    /* it is not the VIF's own */
	DROP_SOURCE_IP,     /* likewise, or an ARP or neighbour claim of another's */
	DROP_RESERVED_MAC,  /* to an address that bridges keep to themselves, or from a group */
	DROP_VLAN,          /* a tag that this port may not use */
	DROP_FRAGMENT,      /* overlaps, or too short for its header */
	DROP_NO_RULES,      /* the port has none, so nothing passes */
	DROP_RULE_OUT,      /* a rule for what it sends */
	DROP_REJECT_OUT,    /* likewise, and it was told */
	DROP_RATE_RULE,     /* a rule's limit */
	DROP_STATE_FULL,    /* no room for one more tracked connection */
	DROP_STATE_INVALID, /* it fits no connection that it claims to be part of */
	DROP_NOWHERE,       /* nobody to send it to */

	/* of the receiver */
	DROP_NO_RULES_IN,
	DROP_RULE_IN,
	DROP_REJECT_IN,
	DROP_NOT_CONNECTED, /* the guest has no rings, or the driver is away */
	DROP_NO_BUFFER,     /* it posts no buffers, and enough wait already */
	DROP_TOO_LONG,      /* it takes no frames of more than a page */
	DROP_RATE_IN,       /* its limit, and enough wait already */
	DROP_GIVE,          /* its page could not be written */
	DROP_CARD_FULL,     /* the card has no room */
	DROP_CARD_REFUSED,  /* the card or its driver could not send it */
	DROP_CARD_LOST,     /* it was in the card when that was reset */
	DROP_NO_MEMORY,     /* the pool is used up */
	DROP_RESTART,       /* under way when the switch died twice over it */

	DROP_REASONS
};

_Static_assert(DROP_REASONS <= NETCTL_DROP_REASONS, "the counters of proto/netctl.h hold them");

/* One word or two, for capture and log. */
const char *drop_name(uint32_t reason);

#endif
