/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who may watch and change the switch (proto/netctl.h). Rules are swapped whole or not at all by
 * the firewall, which checks them.
 */
#include "ctl.h"

#include "libs/log/log.h"
#include "libs/rt/time.h"

static struct ctl_server client[CTL_CLIENTS];

static struct ctl_records records = {
	.servers = client,
	.right = NETCTL_F_LIMITS,
	.at = CTL_TAP,
	.things = NETCTL_RECORDS,
	.size = sizeof(struct netctl_limits),
};

_Static_assert(offsetof(struct netctl_record, limits) == NETCTL_RECORDS, "as ctl_records has it");

static uint32_t port_state(const struct port *port) {
	const struct uplink *uplink = &sw.uplink[port->uplink % SW_UPLINKS];

	if (port->kind == SWITCH_PORT_VIF) return port->vif.end.state == BACKEND_LIVE;
	return port->uplink < SW_UPLINKS && uplink->up && uplink->net.link;
}

static uint32_t counters(struct ctl_server *server, struct ctl_request *request) {
	struct netctl_port *answer = (struct netctl_port *)(void *)request->payload;

	(void)server;
	for (uint32_t n = 0; n < sw.port_count; n++) {
		const struct port *port = &sw.port[n];

		answer[n] = (struct netctl_port){
			.kind = port->kind,
			.state = port_state(port),
			.in_packets = port->count->in_packets,
			.in_bytes = port->count->in_bytes,
			.out_packets = port->count->out_packets,
			.out_bytes = port->count->out_bytes,
		};
		rt_strcopy(answer[n].name, port->name, sizeof(answer[n].name));
		memcpy(answer[n].dropped, port->count->dropped, sizeof(answer[n].dropped));
		answer[n].limits = limits_of(port);
	}
	request->answer_length = sw.port_count * (uint32_t)sizeof(*answer);
	return CTL_OK;
}

/* Is there such a port with rules? */
static bool has_direction(const struct ctl_request *request) {
	return request->port < sw.port_count && sw.port[request->port].kind == SWITCH_PORT_VIF &&
	       request->direction <= NETCTL_IN;
}

static uint32_t no_direction(struct ctl_request *request) {
	return ctl_refuse(request, CTL_UNKNOWN, "there is no such VIF or direction");
}

static uint32_t rule_counters(struct ctl_server *server, struct ctl_request *request) {
	struct netctl_rule *answer = (struct netctl_rule *)(void *)request->payload;
	uint32_t most = CTL_PAYLOAD / sizeof(*answer), count;

	(void)server;
	if (!has_direction(request)) return no_direction(request);
	count = fw_rule_counters(&sw.fw, request->port, request->direction, answer, most);
	request->answer_length = MIN(count, most) * (uint32_t)sizeof(*answer);
	return CTL_OK;
}

static uint32_t set_rules(struct ctl_server *server, struct ctl_request *request) {
	struct fw_error error = {.rule = FW_NO_RULE};
	int result;

	(void)server;
	if (!has_direction(request)) return no_direction(request);
	result = fw_swap(&sw.fw, request->port, request->direction, request->payload,
			 request->length, time_now(), &error);
	if (!result) {
		log_print("%s: new rules %s", sw.port[request->port].name,
			  request->direction == NETCTL_OUT ? "out" : "in");
		return CTL_OK;
	}
	if (result == -XEN_ENOSPC)
		return ctl_refuse(request, CTL_INVALID, "the rules are too large");
	if (error.rule == FW_NO_RULE)
		return ctl_refuse(request, CTL_INVALID, "%s",
				  error.text ? error.text : "these are no rules");
	return ctl_refuse(request, CTL_INVALID, "line %u: %s", error.line, error.text);
}

static uint32_t reasons(struct ctl_server *server, struct ctl_request *request) {
	char(*answer)[NETCTL_REASON] = (char(*)[NETCTL_REASON])(void *)request->payload;

	(void)server;
	memset(answer, 0, NETCTL_DROP_REASONS * NETCTL_REASON);
	for (uint32_t n = 0; n < DROP_REASONS; n++)
		rt_strcopy(answer[n], drop_name(n), sizeof(answer[n]));
	request->answer_length = NETCTL_DROP_REASONS * NETCTL_REASON;
	return CTL_OK;
}

static uint32_t set_limits(struct ctl_server *server, struct ctl_request *request) {
	struct netctl_limits asked;

	if (request->port >= sw.port_count || sw.port[request->port].kind != SWITCH_PORT_VIF)
		return ctl_refuse(request, CTL_UNKNOWN, "there is no such VIF");
	if (request->length < sizeof(asked))
		return ctl_refuse(request, CTL_INVALID, "the limits are missing");
	memcpy(&asked, request->payload, sizeof(asked));
	if (!limits_set(request->port, &asked))
		return ctl_refuse(request, CTL_INVALID, "a limit is too high");
	asked = limits_of(&sw.port[request->port]);
	ctl_record_set(&records, server, request->port, &asked);
	log_print("%s: new limits", sw.port[request->port].name);
	return CTL_OK;
}

static const struct ctl_op ops[] = {
	{NETCTL_COUNTERS, NETCTL_F_WATCH, counters},
	{NETCTL_RULE_COUNTERS, NETCTL_F_WATCH, rule_counters},
	{NETCTL_SET_RULES, NETCTL_F_RULES, set_rules},
	{NETCTL_TAP_START, NETCTL_F_TAP, tap_start},
	{NETCTL_TAP_STOP, NETCTL_F_TAP, tap_stop},
	{NETCTL_SET_LIMITS, NETCTL_F_LIMITS, set_limits},
	{NETCTL_REASONS, NETCTL_F_WATCH, reasons},
	{0, 0, NULL},
};

/* What a predecessor of ours was told. */
static void adopt(uint32_t n) {
	struct netctl_limits limits;

	if (sw.port[n].kind == SWITCH_PORT_VIF && ctl_record_get(&records, n, &limits) &&
	    !limits_set(n, &limits))
		log_print("%s: the limits of a predecessor make no sense", sw.port[n].name);
}

void ctl_open(void) {
	records.count = ctl_servers_open(client, CTL_CLIENTS, SYSTEM_CONN_NETCTL, NETCTL_PAGES, ops,
					 tap_show);
	for (uint32_t n = 0; n < records.count; n++) tap_begin(&client[n]);
	for (uint32_t n = 0; n < sw.port_count; n++) adopt(n);
}
