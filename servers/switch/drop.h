/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Why a frame goes no further. Each port counts each reason: what is wrong with a frame or its
 * sender at the sender, what is the receiver's at the receiver. The numbers are seen by
 * clients (proto/netctl.h), so they stay: first those of packet.h and fw.h, then these.
 */
#ifndef SERVERS_SWITCH_DROP_H
#define SERVERS_SWITCH_DROP_H

#include "fw.h"
#include "proto/netctl.h"

enum drop_reason {
	DROP_NONE, /* it was not dropped */

	/* the sender's ring */
	DROP_MALFORMED = 28, /* sizes or offsets of its slots make no sense */
	DROP_TOO_MANY,       /* more slots than a packet may have */
	DROP_BAD_PAGE,       /* a page of it could not be read */
	DROP_BAD_OFFLOAD,    /* checksum or segmentation is asked for where it cannot be done */
	DROP_LENGTH,         /* longer than the network's MTU */
	DROP_BAD_RECEIVED,   /* the card's driver says that it is no good */

	/* on the way */
	DROP_VLAN,     /* a tag that this port may not use */
	DROP_RESERVED, /* to an address that bridges keep to themselves */
	DROP_NOWHERE,  /* nobody to send it to */
	DROP_MEMORY,   /* the pool is used up */
	DROP_RESTART,  /* under way when the switch died twice over it */

	/* the receiver */
	DROP_NOT_CONNECTED, /* the guest has no rings, or the driver is away */
	DROP_NO_BUFFER,     /* it posts no buffers, and enough wait already */
	DROP_TOO_LONG,      /* it takes no frames of this length */
	DROP_RATE,          /* its limit */
	DROP_GIVE,          /* its page could not be written */
	DROP_CARD_FULL,     /* the card has no room */
	DROP_CARD_REFUSED,  /* the card or its driver could not send it */
	DROP_CARD_LOST,     /* it was in the card when that was reset */
	DROP_CARD_PIECES,   /* it lies in more pieces than a card is given */

	DROP_REASONS
};

_Static_assert(FW_REASONS <= DROP_MALFORMED, "the firewall's reasons come first");
_Static_assert(DROP_REASONS <= NETCTL_DROP_REASONS, "the counters of proto/netctl.h hold them");

/* A few words, for capture and log. */
const char *drop_name(uint32_t reason);

#endif
