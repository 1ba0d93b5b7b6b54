/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What may be asked of servers, in a table: keys, which connection, how the answer is written.
 * The keys are docs/reference/control-protocol.md's.
 */
#include "proto/blkctl.h"
#include "proto/consctl.h"
#include "proto/netctl.h"
#include "proto/switch.h"
#include "proto/system.h"
#include "service.h"
#include "steer.h"
#include "stream.h"

_Static_assert(NETCTL_KEEP == BLKCTL_KEEP, "a limit that is not said is the same for both");

static char reasons[LINES][NETCTL_DROP_REASONS][NETCTL_REASON];

void steer_words(uint32_t line, const void *answer, uint32_t length) {
	memset(reasons[line], 0, sizeof(reasons[line]));
	memcpy(reasons[line], answer, MIN(length, sizeof(reasons[line])));
	for (uint32_t i = 0; i < NETCTL_DROP_REASONS; i++)
		reasons[line][i][NETCTL_REASON - 1] = '\0';
}

/* --- keys --- */

static bool read_name(struct line *line, struct steer_keys *keys) {
	return request_string(line, "name", keys->name);
}

static bool read_direction(struct line *line, struct steer_keys *keys) {
	char word[MANAGE_NAME];

	if (!read_name(line, keys) || !request_string(line, "direction", word)) return false;
	keys->direction = strcmp(word, "in") ? NETCTL_OUT : NETCTL_IN;
	if (keys->direction == NETCTL_IN || !strcmp(word, "out")) return true;
	answer_error(line, "invalid", "direction: expected \"in\" or \"out\"");
	return false;
}

/* Bytes in base64, into the line's own payload: what is read is never behind what is written. */
static bool read_bytes(struct line *line, struct steer_keys *keys, const char *key, uint32_t most) {
	const struct json_token *data = request_key(key);

	keys->payload = line->payload;
	if (data->type == JSON_STRING &&
	    json_from_base64(data->text, data->length, line->payload, most, &keys->length))
		return true;
	answer_error(line, "invalid", "%s: expected base64 of at most %u bytes", key, most);
	return false;
}

static bool read_rules(struct line *line, struct steer_keys *keys) {
	return read_direction(line, keys) && read_bytes(line, keys, "rules", FRAME_PAYLOAD);
}

/* Numbers that are not there stay as they are. */
static bool read_limits(struct line *line, struct steer_keys *keys, const char *const *names,
			uint32_t count) {
	for (uint32_t i = 0; i < count; i++) {
		keys->limits[i] = NETCTL_KEEP;
		if (request_key(names[i])->type != JSON_NONE &&
		    !request_number(line, names[i], &keys->limits[i]))
			return false;
	}
	keys->payload = keys->limits;
	keys->length = count * (uint32_t)sizeof(keys->limits[0]);
	return read_name(line, keys);
}

static bool read_net_limits(struct line *line, struct steer_keys *keys) {
	/* In the order of netctl_limits. */
	static const char *const names[] = {"bytes_out", "packets_out", "bytes_in", "packets_in"};

	return read_limits(line, keys, names, ARRAY_SIZE(names));
}

static bool read_blk_limits(struct line *line, struct steer_keys *keys) {
	static const char *const names[] = {"bandwidth", "iops"};

	return read_limits(line, keys, names, ARRAY_SIZE(names));
}

static bool read_on(struct line *line, struct steer_keys *keys) {
	if (request_key("on")->type != JSON_BOOL) {
		answer_error(line, "invalid", "on: expected true or false");
		return false;
	}
	keys->on = request_key("on")->number;
	return true;
}

static bool read_console(struct line *line, struct steer_keys *keys) {
	if (request_key("data")->type != JSON_NONE) {
		keys->op = CONSCTL_TYPE;
		return read_name(line, keys) && read_bytes(line, keys, "data", CONSCTL_MOST);
	}
	if (!read_name(line, keys) || !read_on(line, keys)) return false;
	if (!keys->on) keys->op = CONSCTL_DETACH;
	return true;
}

/* name: of a port; without, all of them. */
static bool read_tap(struct line *line, struct steer_keys *keys) {
	uint64_t keep = 0;

	if (!read_on(line, keys)) return false;
	if (request_key("name")->type != JSON_NONE && !read_name(line, keys)) return false;
	if (request_key("keep")->type != JSON_NONE && !request_number(line, "keep", &keep))
		return false;
	keys->argument = (uint32_t)MIN(keep, UINT32_MAX);
	if (!keys->on) keys->op = NETCTL_TAP_STOP;
	return true;
}

/* --- answers --- */

static void port_item(struct json_writer *w, const struct steer_keys *keys, const void *item) {
	const struct netctl_port *p = item;

	json_chars(w, "name", p->name, sizeof(p->name));
	json_string(w, "kind", p->kind == SWITCH_PORT_UPLINK ? "uplink" : "vif");
	json_bool(w, "up", p->state);
	json_unsigned(w, "in_packets", p->in_packets);
	json_unsigned(w, "in_bytes", p->in_bytes);
	json_unsigned(w, "out_packets", p->out_packets);
	json_unsigned(w, "out_bytes", p->out_bytes);
	json_open(w, "dropped", '{');
	for (uint32_t i = 1; i < NETCTL_DROP_REASONS; i++)
		if (p->dropped[i]) json_unsigned(w, reasons[keys->line][i], p->dropped[i]);
	json_close(w, '}');
	json_open(w, "limits", '{');
	json_unsigned(w, "bytes_out", p->limits.bytes_out);
	json_unsigned(w, "packets_out", p->limits.packets_out);
	json_unsigned(w, "bytes_in", p->limits.bytes_in);
	json_unsigned(w, "packets_in", p->limits.packets_in);
	json_close(w, '}');
}

static void rule_item(struct json_writer *w, const struct steer_keys *keys, const void *item) {
	(void)keys;
	const struct netctl_rule *rule = item;

	json_unsigned(w, "line", rule->line);
	json_unsigned(w, "packets", rule->packets);
	json_unsigned(w, "bytes", rule->bytes);
}

static void disk_item(struct json_writer *w, const struct steer_keys *keys, const void *item) {
	(void)keys;
	const struct blkctl_disk *d = item;

	json_chars(w, "name", d->name, sizeof(d->name));
	json_chars(w, "guest", d->guest, sizeof(d->guest));
	json_bool(w, "up", d->up);
	json_unsigned(w, "reads", d->reads);
	json_unsigned(w, "writes", d->writes);
	json_unsigned(w, "others", d->other);
	json_unsigned(w, "read_bytes", d->read_bytes);
	json_unsigned(w, "write_bytes", d->write_bytes);
	json_unsigned(w, "errors", d->errors);
	json_unsigned(w, "malformed", d->malformed);
	json_unsigned(w, "limit_bytes", d->limits.bytes);
	json_unsigned(w, "limit_iops", d->limits.requests);
}

static void console_item(struct json_writer *w, const struct steer_keys *keys, const void *item) {
	(void)keys;
	const struct consctl_console *c = item;

	json_chars(w, "name", c->name, sizeof(c->name));
	json_bool(w, "up", c->up);
}

static void console_done(struct json_writer *w, const struct steer_keys *keys,
			 struct service *service) {
	uint32_t taken;

	if (keys->op == CONSCTL_TYPE) {
		memcpy(&taken, lines[keys->line].answer, sizeof(taken));
		json_unsigned(w, "taken", taken);
		return;
	}
	stream_console(keys->line, service, keys->port, keys->name, keys->on);
}

static bool console_spare(const struct steer_keys *keys, const struct service *service,
			  const char **why) {
	(void)why;
	return keys->op == CONSCTL_DETACH && stream_console_wanted(keys->line, service, keys->port);
}

/* A capture has a beginning, and a filter: two cannot share one. */
static bool tap_spare(const struct steer_keys *keys, const struct service *service,
		      const char **why) {
	if (!stream_tapped(keys->line, service)) return false;
	if (keys->on) *why = "another line taps already";
	return true;
}

static void tap_done(struct json_writer *w, const struct steer_keys *keys,
		     struct service *service) {
	(void)w;
	stream_tap(keys->line, service, keys->on);
}

/* --- the table --- */

#define NET          .protocol_word = "netctl", .protocol = SYSTEM_CONN_NETCTL, .thing = "port"
#define BLK          .protocol_word = "blkctl", .protocol = SYSTEM_CONN_BLKCTL, .thing = "disk"
#define CONS         .protocol_word = "consctl", .protocol = SYSTEM_CONN_CONSCTL, .thing = "console"
#define FIND_PORT    .before = NETCTL_COUNTERS, .listed_size = sizeof(struct netctl_port)
#define FIND_DISK    .before = BLKCTL_DISKS, .listed_size = sizeof(struct blkctl_disk)
#define FIND_CONSOLE .before = CONSCTL_LIST, .listed_size = sizeof(struct consctl_console)

static const struct steer_verb verbs[] = {
	{.word = "net",
	 .keys = "",
	 NET,
	 .right = "watch",
	 .before = NETCTL_REASONS,
	 .op = NETCTL_COUNTERS,
	 .item_size = sizeof(struct netctl_port),
	 .item = port_item},
	{.word = "net-rules",
	 .keys = "name direction ",
	 NET,
	 FIND_PORT,
	 .right = "watch",
	 .op = NETCTL_RULE_COUNTERS,
	 .item_size = sizeof(struct netctl_rule),
	 .item = rule_item,
	 .read = read_direction},
	{.word = "net-set",
	 .keys = "name direction rules ",
	 NET,
	 FIND_PORT,
	 .right = "rules",
	 .op = NETCTL_SET_RULES,
	 .changes = true,
	 .read = read_rules},
	{.word = "net-limit",
	 .keys = "name bytes_out packets_out bytes_in packets_in ",
	 NET,
	 FIND_PORT,
	 .right = "limits",
	 .op = NETCTL_SET_LIMITS,
	 .changes = true,
	 .read = read_net_limits},
	{.word = "net-tap",
	 .keys = "name on keep ",
	 NET,
	 FIND_PORT,
	 .right = "tap",
	 .op = NETCTL_TAP_START,
	 .changes = true,
	 .read = read_tap,
	 .spare = tap_spare,
	 .done = tap_done},
	{.word = "blk",
	 .keys = "",
	 BLK,
	 .right = "watch",
	 .op = BLKCTL_DISKS,
	 .item_size = sizeof(struct blkctl_disk),
	 .item = disk_item},
	{.word = "blk-set",
	 .keys = "name bandwidth iops ",
	 BLK,
	 FIND_DISK,
	 .right = "limits",
	 .op = BLKCTL_SET_LIMITS,
	 .changes = true,
	 .read = read_blk_limits},
	{.word = "consoles",
	 .keys = "",
	 CONS,
	 .right = "watch",
	 .op = CONSCTL_LIST,
	 .item_size = sizeof(struct consctl_console),
	 .item = console_item},
	{.word = "console",
	 .keys = "name on data ",
	 CONS,
	 FIND_CONSOLE,
	 .right = "watch",
	 .op = CONSCTL_ATTACH,
	 .changes = true,
	 .read = read_console,
	 .spare = console_spare,
	 .done = console_done},
};

const struct steer_verb *steer_find(const char *word) {
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		if (!strcmp(verbs[i].word, word)) return &verbs[i];
	return NULL;
}
