/* SPDX-License-Identifier: BSD-2-Clause */
#include "drop.h"

static const char *const names[DROP_REASONS] = {
	[DROP_NONE] = "passed",
	[DROP_MALFORMED] = "slots make no sense",
	[DROP_TOO_MANY] = "too many slots",
	[DROP_BAD_PAGE] = "unreadable page",
	[DROP_BAD_OFFLOAD] = "impossible offload",
	[DROP_LENGTH] = "longer than the MTU",
	[DROP_BAD_RECEIVED] = "bad from the card",
	[DROP_VLAN] = "not its VLAN",
	[DROP_RESERVED] = "reserved address",
	[DROP_NOWHERE] = "nowhere to go",
	[DROP_MEMORY] = "no memory",
	[DROP_RESTART] = "restart",
	[DROP_NOT_CONNECTED] = "not connected",
	[DROP_NO_BUFFER] = "no buffers posted",
	[DROP_TOO_LONG] = "too long for the receiver",
	[DROP_RATE] = "rate limit",
	[DROP_GIVE] = "unwritable page",
	[DROP_CARD_FULL] = "card full",
	[DROP_CARD_REFUSED] = "card refused",
	[DROP_CARD_LOST] = "card reset",
	[DROP_CARD_PIECES] = "too many pieces for a card",
};

const char *drop_name(uint32_t reason) {
	if (reason && reason < FW_REASONS) return fw_reason(reason);
	return reason < DROP_REASONS && names[reason] ? names[reason] : "unknown";
}
