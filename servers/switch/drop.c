/* SPDX-License-Identifier: BSD-2-Clause */
#include "drop.h"

static const char *const names[DROP_REASONS] = {
	[DROP_NONE] = "passed",
	[DROP_MALFORMED] = "malformed slots",
	[DROP_TOO_MANY] = "too many slots",
	[DROP_BAD_PAGE] = "unreadable page",
	[DROP_BAD_EXTRA] = "bad extra info",
	[DROP_BAD_OFFLOAD] = "impossible offload",
	[DROP_BAD_RECEIVED] = "bad from the card",
	[DROP_SHORT] = "too short",
	[DROP_LENGTH] = "wrong length",
	[DROP_HEADER] = "wrong header",
	[DROP_SOURCE_MAC] = "source MAC",
	[DROP_SOURCE_IP] = "source address",
	[DROP_RESERVED_MAC] = "reserved MAC",
	[DROP_VLAN] = "VLAN",
	[DROP_FRAGMENT] = "fragment",
	[DROP_NO_RULES] = "no rules out",
	[DROP_RULE_OUT] = "rule out",
	[DROP_REJECT_OUT] = "rejected out",
	[DROP_RATE_RULE] = "rule's rate",
	[DROP_STATE_FULL] = "too many connections",
	[DROP_STATE_INVALID] = "no such connection",
	[DROP_NOWHERE] = "nowhere to go",
	[DROP_NO_RULES_IN] = "no rules in",
	[DROP_RULE_IN] = "rule in",
	[DROP_REJECT_IN] = "rejected in",
	[DROP_NOT_CONNECTED] = "not connected",
	[DROP_NO_BUFFER] = "no buffers",
	[DROP_TOO_LONG] = "too long for it",
	[DROP_RATE_IN] = "rate in",
	[DROP_GIVE] = "unwritable page",
	[DROP_CARD_FULL] = "card full",
	[DROP_CARD_REFUSED] = "card refused",
	[DROP_CARD_LOST] = "card reset",
	[DROP_NO_MEMORY] = "no memory",
	[DROP_RESTART] = "restart",
};

const char *drop_name(uint32_t reason) {
	return reason < DROP_REASONS ? names[reason] : "unknown reason";
}
