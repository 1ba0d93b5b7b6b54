/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The configuration of the switch: its SYSTEM_CONN_CONFIG, made by the description
 * compiler from [network.NAME], [vif.NAME] and rule files. One header, then the arrays,
 * then strings (offsets from the start of the header, NUL-terminated; 0 is the empty
 * string). All offsets are from the start of the header, multiples of 8 but for strings.
 *
 * A network is a bridge: ports of one network hear each other as far as VLANs and
 * rules let them. A port is a guest's VIF or an uplink, the card of a driver domain.
 * A network without an uplink is internal.
 *
 * VLANs. A frame inside a network has a VLAN number, 0 where it came without a tag.
 * An access port (vlan) sends and gets frames without tags; inside they have its
 * number. A trunk port has a list of numbers that it may use with tags, and
 * its vlan is that of frames without. An uplink that is a trunk without a list takes
 * all numbers.
 */
#ifndef PROTO_SWITCH_H
#define PROTO_SWITCH_H

#include <stdint.h>

#define SWITCH_CONFIG_MAGIC   0x3146434853525354ULL /* "TSRSHCF1" */
#define SWITCH_CONFIG_VERSION 2U

#define SWITCH_MAX_NETWORKS 16U
#define SWITCH_MAX_PORTS    64U
#define SWITCH_MAX_UPLINKS  4U
#define SWITCH_MAX_RULESETS 64U
#define SWITCH_MAX_QUEUES   4U
#define SWITCH_MAX_VLANS    64U /* of one trunk port */
#define SWITCH_MAX_PREFIXES 16U /* source addresses of one VIF */

struct switch_config {
	uint64_t magic;
	uint32_t version, total_size;
	uint32_t networks, network_count; /* offset of switch_network[] */
	uint32_t ports, port_count;       /* switch_port[] */
	uint32_t rulesets, ruleset_count; /* switch_ruleset[] */
	uint32_t strings, strings_size;
	uint32_t states; /* connections that are tracked at once, all VIFs together */
	uint32_t pad;
};

struct switch_network {
	uint32_t name;
	uint32_t mtu; /* 68..65535 less the Ethernet header; 1500 unless given */
	uint32_t line;
	uint32_t pad;
};

#define SWITCH_PORT_VIF    1U
#define SWITCH_PORT_UPLINK 2U

#define SWITCH_ANY_MAC     1U /* the source MAC address is not checked */
#define SWITCH_ANY_ADDRESS 2U /* nor are IP source addresses, ARP and neighbour claims */
#define SWITCH_DHCP        4U /* addresses leased by DHCP to this VIF are its own as well */
#define SWITCH_TRUNK       8U

#define SWITCH_NO_RULES 0xffffffffU /* nothing passes */

/* A bucket: 0 = no limit. */
struct switch_rate {
	uint64_t bytes_per_second;
	uint64_t packets_per_second;
};

struct switch_port {
	uint32_t name;
	uint32_t kind;                   /* SWITCH_PORT_* */
	uint32_t peer;                   /* string: the guest, or the driver domain */
	uint32_t network;                /* index */
	uint32_t handle;                 /* VIF: number among the guest's: 0 is eth0 */
	uint32_t queues;                 /* VIF: most that are offered, 1..SWITCH_MAX_QUEUES */
	uint32_t flags;                  /* SWITCH_* */
	uint32_t line;                   /* in the description, for messages */
	uint8_t mac[6];                  /* VIF: the guest's address */
	uint16_t vlan;                   /* 0..4094 */
	uint32_t vlans, vlan_count;      /* uint16_t[], with SWITCH_TRUNK */
	uint32_t prefixes, prefix_count; /* switch_prefix[]: source addresses of a VIF */
	uint32_t rules_out;              /* ruleset for what the VIF sends, or SWITCH_NO_RULES */
	uint32_t rules_in;               /* for what it is sent */
	struct switch_rate out, in;      /* from the VIF, to the VIF */
	uint64_t small_per_second;       /* from the VIF, beyond what answers; 0: no limit */
};

struct switch_prefix {
	uint8_t address[16]; /* IPv4: the first four */
	uint8_t family;      /* 4 or 6 */
	uint8_t bits;
	uint8_t pad[6];
};

struct switch_ruleset {
	uint32_t name; /* string: name of the rule file, for messages and counters */
	uint32_t line;
	uint32_t offset, size; /* proto/rules.h */
};

_Static_assert(sizeof(struct switch_config) == 56, "switch_config layout");
_Static_assert(sizeof(struct switch_network) == 16, "switch_network layout");
_Static_assert(sizeof(struct switch_port) == 104, "switch_port layout");
_Static_assert(sizeof(struct switch_prefix) == 24, "switch_prefix layout");
_Static_assert(sizeof(struct switch_ruleset) == 16, "switch_ruleset layout");

#endif
