/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Commands wait in a queue, for root takes one request at a time. A list is said line
 * by line while there is room: what root answered stays in its pages until the next
 * request, so nothing is copied.
 */
#include "libs/manage/text.h"

static void (*say)(const char *line);
static uint32_t (*room)(void);

static char queue[MANAGE_COMMANDS][MANAGE_COMMAND];
static uint32_t first, waiting;

/* The list that is being said. */
static struct manage_answer list;
static uint32_t said; /* of its elements */
static bool listing, devices;

static const struct {
	const char *word;
	uint32_t op;
} verbs[] = {
	{"start", MANAGE_START},     {"stop", MANAGE_SHUTDOWN},     {"reboot", MANAGE_REBOOT},
	{"destroy", MANAGE_DESTROY}, {"pause", MANAGE_PAUSE},       {"unpause", MANAGE_UNPAUSE},
	{"restart", MANAGE_RESTART}, {"kill", MANAGE_KILL},         {"clear", MANAGE_CLEAR},
	{"why", MANAGE_WHY},         {"rollback", MANAGE_ROLLBACK}, {"upgrade", MANAGE_UPGRADE},
};

static void next(void);

static void print(const char *format, ...) PRINTF(1);

static void print(const char *format, ...) {
	char line[MANAGE_LINE];
	va_list arguments;

	if (!say) return;
	va_start(arguments, format);
	rt_vformat(line, sizeof(line), format, arguments);
	va_end(arguments);
	say(line);
}

static bool has_room(void) { return !room || room() >= MANAGE_LINE; }

/* The command that is under way. */
static const char *current(void) { return queue[first]; }

static void finished(void) {
	first = (first + 1) % MANAGE_COMMANDS;
	waiting--;
	next();
}

/* The name in a command. */
static const char *operand(const char *line) {
	while (*line && *line != ' ') line++;
	while (*line == ' ') line++;
	return line;
}

/* --- answers --- */

static void say_domain(const struct manage_domain *d) {
	print("%-15s %5u %-8s %8lu %8lu %5u%s%s\n", d->name, d->domid,
	      d->state == MANAGE_STATE_GIVEN_UP ? "given up" : manage_state_word(d->state),
	      d->pages / 256, d->run_ns / 1000000, d->incarnation, d->device[0] ? "  " : "",
	      d->device);
	devices |= d->device[0] >= '0' && d->device[0] <= '9';
}

/* Who is believed, where there are devices; and how much memory nobody has. */
static void say_trust(const struct manage_answer *answer) {
	const struct manage_system *system = answer->payload;

	if (answer->status || answer->length < sizeof(*system)) {
		finished();
		return;
	}
	if (devices)
		print("%s\n",
		      !(system->flags & MANAGE_SYSTEM_IOMMU)
			      ? "no IOMMU guards DMA: the drivers and their devices are trusted "
				"with all memory"
		      : system->flags & MANAGE_SYSTEM_INTREMAP
			      ? "the IOMMU enforces DMA and interrupts: a device reaches only what "
				"its driver was given"
			      : "the IOMMU enforces DMA: a device reaches only what its driver was "
				"given; interrupts are not guarded");
	print("%lu MiB of memory are free\n", system->free_frames / 256);
	finished();
}

static void on_list(const struct manage_answer *answer);

static void list_on(void) {
	const struct manage_domain *domain = list.payload;
	struct manage_request request = {.op = MANAGE_LIST, .argument = list.more};

	while (said < list.length / sizeof(*domain)) {
		if (!has_room()) return;
		say_domain(&domain[said++]);
	}
	listing = false;
	if (list.more) {
		manage_send(&request, on_list);
		return;
	}
	request.op = MANAGE_SYSTEM;
	manage_send(&request, say_trust);
}

static void say_refusal(const struct manage_answer *answer, const char *name) {
	print("%s: %s\n", name,
	      answer->text[0] ? answer->text : manage_status_word(answer->status));
}

static void on_list(const struct manage_answer *answer) {
	if (answer->status) {
		say_refusal(answer, current());
		finished();
		return;
	}
	list = *answer;
	said = 0;
	listing = true;
	list_on();
}

static void on_story(const struct manage_answer *answer) {
	const struct manage_story *story = answer->payload;
	const char *name = operand(current());

	if (answer->status || answer->length < sizeof(*story)) {
		say_refusal(answer, name);
	} else if (!story->count) {
		print("%s: nothing has failed\n", name);
	} else {
		print("%s (line %u), failure %u, at %lu ms: %s\n", name, story->line, story->count,
		      story->at_ns / 1000000, story->what);
		if (story->expected[0]) print("  expected: %s\n", story->expected);
		if (story->found[0]) print("  found: %s\n", story->found);
		if (story->advice[0]) print("  try: %s\n", story->advice);
	}
	finished();
}

static void on_done(const struct manage_answer *answer) {
	if (answer->status)
		say_refusal(answer, operand(current()));
	else
		print("%s: %s\n", operand(current()), answer->text[0] ? answer->text : "ok");
	finished();
}

/* --- commands --- */

static bool is_word(const char *line, const char *word) {
	size_t length = strlen(word);

	return !memcmp(line, word, MIN(length, strlen(line))) && strlen(line) >= length &&
	       (line[length] == ' ' || !line[length]);
}

/* "NAME VALUE", or only a name. */
static void take_operands(struct manage_request *request, const char *line) {
	static char name[MANAGE_COMMAND];
	const char *from = operand(line), *value = operand(from);
	size_t length = 0;

	while (from[length] && from[length] != ' ') length++;
	memcpy(name, from, length);
	name[length] = '\0';
	request->name = name;
	request->value = *value ? value : NULL;
}

static bool begin(const char *line) {
	struct manage_request request = {.op = MANAGE_LIST};

	if (!strcmp(line, "ps")) {
		devices = false;
		print("%-15s %5s %-8s %8s %8s %5s  %s\n", "NAME", "DOMID", "STATE", "MIB", "CPU-MS",
		      "AGAIN", "DEVICE");
		return manage_send(&request, on_list);
	}
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		if (!is_word(line, verbs[i].word)) continue;
		request.op = verbs[i].op;
		take_operands(&request, line);
		if (manage_send(&request, request.op == MANAGE_WHY ? on_story : on_done))
			return true;
		print("%s: that is no name\n", request.name);
		return false;
	}
	print("commands: ps, and of a domain: start stop reboot destroy pause unpause restart kill "
	      "clear why rollback; upgrade NAME PROGRAM\n");
	return false;
}

/* The next command, if none is under way. */
static void next(void) {
	while (waiting && !manage_busy() && !listing) {
		if (!has_room() || begin(current())) return;
		first = (first + 1) % MANAGE_COMMANDS;
		waiting--;
	}
}

bool manage_text_open(void (*say_line)(const char *line), uint32_t (*room_for_lines)(void)) {
	say = say_line;
	room = room_for_lines;
	return manage_open(NULL);
}

bool manage_text(const char *line) {
	char *to;

	if (!manage_rights()) return false;
	manage_poll();
	if (waiting == MANAGE_COMMANDS || strlen(line) >= MANAGE_COMMAND) return false;
	to = queue[(first + waiting) % MANAGE_COMMANDS];
	rt_strcopy(to, line, MANAGE_COMMAND);
	if (waiting++ == 0) next();
	return true;
}

void manage_text_go_on(void) {
	manage_poll();
	if (listing)
		list_on();
	else
		next();
}

bool manage_text_idle(void) { return !waiting; }
