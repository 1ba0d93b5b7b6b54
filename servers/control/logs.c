/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The core's log, line by line, for who asks: {"verb": "logs", "from": POSITION}. The answer
 * says where to go on, and whether there is more already; who follows the log asks again. So
 * nothing is kept here, and a reader who is slow loses what the core overwrites, which `lost`
 * counts.
 *
 * The right is the description's log = "read": the capability, which the core looks at.
 */
#include "control.h"

#include "libs/cap/cap.h"
#include "proto/cap/cap.h"

#define LONGEST 1024U          /* a longer line is cut */
#define ROOM    (8U * LONGEST) /* that a line may take in a frame, with escapes */
#define FULL    (FRAME_EXTRA + ROOM)

static char bytes[4096];

static bool is_name(const char *text, uint32_t length) {
	for (uint32_t i = 0; i < length; i++) {
		bool letter = text[i] >= 'a' && text[i] <= 'z';
		bool other = (text[i] >= '0' && text[i] <= '9') || text[i] == '-' || text[i] == '_';

		if (!letter && (!i || !other)) return false;
	}
	return length && length < MANAGE_NAME;
}

/* "name: text"; whoever wrote it, the core puts its name there. */
static void item(struct line *line, const char *filter, const char *text, uint32_t length) {
	char name[MANAGE_NAME] = "";
	struct json_writer *w;
	uint32_t colon = 0;

	while (colon + 1 < length && (text[colon] != ':' || text[colon + 1] != ' ')) colon++;
	if (colon + 1 < length && is_name(text, colon)) {
		memcpy(name, text, colon);
		name[colon] = '\0';
		text += colon + 2;
		length -= colon + 2;
	}
	if (filter[0] && strcmp(filter, name)) return;
	w = line_begin(line, true);
	json_open(w, "item", '{');
	json_string(w, "name", name);
	json_chars(w, "text", text, MIN(length, LONGEST));
	json_close(w, '}');
	line_end(line);
}

/* Whole lines, as far as there is room: how many bytes. */
static uint32_t items(struct line *line, const char *filter, uint32_t length) {
	uint32_t taken = 0;

	for (uint32_t i = 0; i < length; i++) {
		if (bytes[i] != '\n' && i - taken + 1 < sizeof(bytes)) continue;
		if (line_room(line) < 2 * FULL) break;
		item(line, filter, bytes + taken, i - taken);
		taken = i + 1;
	}
	return taken;
}

void logs_answer(struct line *line) {
	uint32_t slot = rt_capability(CAP_CONSOLE, 0), taken;
	uint64_t from = 0, position, lost = 0;
	char filter[MANAGE_NAME] = "";
	struct json_writer *w;
	struct cap_info info;
	bool more = true;
	int64_t got;

	line->steer = NULL;
	if (!slot || cap_inspect(slot, &info) || !(info.rights & RIGHT_READ)) {
		answer_error(line, "denied", "%s lacks log = \"read\" in the description",
			     rt_start_page->name);
		return;
	}
	if ((request_key("from")->type != JSON_NONE && !request_number(line, "from", &from)) ||
	    (request_key("name")->type != JSON_NONE && !request_string(line, "name", filter)))
		return;
	do {
		position = from;
		got = cap_console_read(slot, bytes, sizeof(bytes), &position);
		if (got <= 0) break;
		if (position - (uint64_t)got > from) lost += position - (uint64_t)got - from;
		from = position - (uint64_t)got;
		taken = items(line, filter, (uint32_t)got);
		from += taken;
		more = line_room(line) >= 2 * FULL;
	} while (taken && more);
	w = line_begin(line, true);
	json_bool(w, "ok", true);
	json_unsigned(w, "next", from);
	json_unsigned(w, "lost", lost);
	json_bool(w, "more", !more);
	line_end(line);
	line_done(line);
}
