/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The configuration blob (proto/switch.h). It comes from the description compiler by way of
 * root, but a server that trusts its input once will do so again: every offset and
 * index is checked before anything is used.
 */
#include "switch.h"

static bool part(const struct switch_config *config, uint32_t offset, uint32_t count,
		 uint32_t size) {
	return offset % 8 == 0 && offset <= config->total_size &&
	       count <= (config->total_size - offset) / size;
}

/* 0 is the empty string. */
static bool string_ok(const struct switch_config *config, uint32_t string) {
	return !string ||
	       (string >= config->strings && string - config->strings < config->strings_size);
}

static const char *check_port(const struct switch_config *config, const struct switch_port *p) {
	if (!string_ok(config, p->name) || !string_ok(config, p->peer) ||
	    (p->kind != SWITCH_PORT_VIF && p->kind != SWITCH_PORT_UPLINK) ||
	    p->network >= config->network_count || p->vlan > 4094)
		return "a port makes no sense";
	if (p->kind == SWITCH_PORT_VIF && (!p->queues || p->queues > SWITCH_MAX_QUEUES))
		return "a port has no queues, or too many";
	if (p->vlan_count > SWITCH_MAX_VLANS || p->prefix_count > SWITCH_MAX_PREFIXES ||
	    !part(config, p->vlans, p->vlan_count, sizeof(uint16_t)) ||
	    !part(config, p->prefixes, p->prefix_count, sizeof(struct switch_prefix)))
		return "a list of a port lies outside";
	if ((p->rules_out >= config->ruleset_count && p->rules_out != SWITCH_NO_RULES) ||
	    (p->rules_in >= config->ruleset_count && p->rules_in != SWITCH_NO_RULES))
		return "a port has rules that are not there";
	return NULL;
}

static const char *check_arrays(const struct switch_config *config, const uint8_t *blob) {
	const struct switch_network *n = (const void *)(blob + config->networks);
	const struct switch_port *p = (const void *)(blob + config->ports);
	const struct switch_ruleset *r = (const void *)(blob + config->rulesets);
	const char *wrong = NULL;

	for (uint32_t i = 0; i < config->network_count; i++)
		if (!string_ok(config, n[i].name) || n[i].mtu < 68 || n[i].mtu > 65535 - 14)
			return "a network makes no sense";
	for (uint32_t i = 0; i < config->ruleset_count; i++)
		if (!string_ok(config, r[i].name) || !part(config, r[i].offset, r[i].size, 1))
			return "a rule set lies outside";
	for (uint32_t i = 0; i < config->port_count && !wrong; i++)
		wrong = check_port(config, &p[i]);
	return wrong;
}

const char *config_check(const void *blob, uint32_t size) {
	const struct switch_config *config = blob;

	if (size < sizeof(*config) || config->magic != SWITCH_CONFIG_MAGIC ||
	    config->version != SWITCH_CONFIG_VERSION)
		return "it is of another version";
	if (config->total_size < sizeof(*config) || config->total_size > size ||
	    config->network_count > SWITCH_MAX_NETWORKS || config->port_count > SWITCH_MAX_PORTS ||
	    config->ruleset_count > SWITCH_MAX_RULESETS)
		return "its sizes make no sense";
	if (!part(config, config->networks, config->network_count, sizeof(struct switch_network)) ||
	    !part(config, config->ports, config->port_count, sizeof(struct switch_port)) ||
	    !part(config, config->rulesets, config->ruleset_count, sizeof(struct switch_ruleset)) ||
	    config->strings > config->total_size || !config->strings_size ||
	    config->strings_size > config->total_size - config->strings)
		return "a part of it lies outside";
	if (((const char *)blob + config->strings)[config->strings_size - 1])
		return "its strings have no end";
	return check_arrays(config, blob);
}

/* --- */

static void apply_vif(struct port *port, const struct switch_port *from) {
	struct vif *vif = &port->vif;

	vif->end = (struct backend_device){
		.name = port->name,
		.number = port_index(port),
		.handle = from->handle,
		.guest = BACKEND_NONE,
	};
	vif->first_queue = (uint16_t)sw.queue_count;
	/* Queues run out before ports do: then there are fewer for the last ones. */
	vif->offered =
		(uint16_t)MIN(from->queues, SW_QUEUES - sw.queue_count -
						    (sw.config->port_count - port_index(port) - 1));
	sw.queue_count += vif->offered;
	for (uint32_t i = 0; i < vif->offered; i++) {
		struct queue *queue = &sw.queue[vif->first_queue + i];

		queue->port = (uint16_t)port_index(port);
		queue->number = (uint16_t)i;
		queue->guess = SW_NONE;
	}
	bucket_init(&vif->out_bytes, from->out.bytes_per_second, sw.now);
	bucket_init(&vif->out_packets, from->out.packets_per_second, sw.now);
	bucket_init(&vif->small, from->small_per_second, sw.now);
	bucket_init(&vif->in_bytes, from->in.bytes_per_second, sw.now);
	bucket_init(&vif->in_packets, from->in.packets_per_second, sw.now);
	for (unsigned i = 0; i < rt_start_page->connection_count; i++) {
		const struct native_connection *c = &rt_start_page->connections[i];

		if (c->protocol != SYSTEM_CONN_VIF || strcmp(c->peer, config_string(from->peer)))
			continue;
		vif->end.guest = (uint16_t)i;
		vif->end.domid = c->peer_domid;
	}
	backend_add(&vif->end);
}

static void apply_uplink(struct port *port, const struct switch_port *from) {
	struct uplink *uplink = &sw.uplink[sw.uplink_count];

	port->uplink = SW_NONE;
	if (sw.uplink_count == SW_UPLINKS) return;
	for (unsigned i = 0; i < rt_start_page->connection_count; i++) {
		const struct native_connection *c = &rt_start_page->connections[i];

		if (c->protocol == SYSTEM_CONN_NET && !strcmp(c->peer, config_string(from->peer)))
			uplink->connection = c;
	}
	if (!uplink->connection) return;
	uplink->port = port_index(port);
	port->uplink = (uint16_t)sw.uplink_count++;
}

static void apply_port(uint32_t n, const struct switch_port *from) {
	const uint16_t *vlans = (const void *)((const uint8_t *)sw.config + from->vlans);
	struct port *port = &sw.port[n];

	port->config = from;
	port->name = config_string(from->name);
	port->kind = (uint8_t)from->kind;
	port->network = (uint8_t)from->network;
	sw.network[from->network].ports |= 1ULL << n;
	if (from->flags & SWITCH_TRUNK)
		for (uint32_t i = 0; i < from->vlan_count; i++)
			port->member[vlans[i] % 4096 / 64] |= 1ULL << vlans[i] % 64;
	if (from->kind == SWITCH_PORT_VIF) {
		apply_vif(port, from);
		return;
	}
	if (from->flags & SWITCH_TRUNK && !from->vlan_count)
		memset(port->member, 0xff, sizeof(port->member));
	sw.network[from->network].uplinks++;
	apply_uplink(port, from);
}

void config_apply(const struct switch_config *config) {
	const uint8_t *blob = (const uint8_t *)config;

	sw.config = config;
	sw.network_count = config->network_count;
	sw.port_count = config->port_count;
	for (uint32_t i = 0; i < config->network_count; i++) {
		const struct switch_network *from =
			(const struct switch_network *)(blob + config->networks) + i;

		sw.network[i].name = config_string(from->name);
		sw.network[i].mtu = from->mtu;
	}
	for (uint32_t i = 0; i < config->port_count; i++)
		apply_port(i, (const struct switch_port *)(blob + config->ports) + i);
}
