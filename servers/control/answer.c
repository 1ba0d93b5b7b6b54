/* SPDX-License-Identifier: BSD-2-Clause */
/* From what root says to JSON; the keys are docs/reference/control-protocol.md's. */
#include "control.h"

#include "proto/cap/cap.h"
#include "libs/manage/text.h"
#include "proto/trace.h"

static void write_text(struct json_writer *w, const char *key, const char *value) {
	if (value[0]) json_string(w, key, value);
}

static const struct {
	const char *code, *advice;
} advices[] = {
	{"denied", "another control domain, or rights for this one in the description"},
	{"unknown", "ps, devices, net, blk and consoles, which list what there is"},
	{"state", "ps, which tells how it stands"},
	{"no-memory", "ps, which tells who has how much"},
	{"limit", "what the description allows"},
	{"bad-package", "inspect, which tells what is in a package"},
	{"mismatch", "inspect, which tells what a package needs"},
	{"busy", "again in a moment"},
	{"failed", "why, which tells the story"},
};

static struct json_writer *begin_error(struct line *line, const char *code) {
	struct json_writer *w = line_begin(line, true);

	json_bool(w, "ok", false);
	json_open(w, "error", '{');
	json_string(w, "code", code);
	write_text(w, "domain", request_domain(line));
	for (uint32_t i = 0; i < ARRAY_SIZE(advices); i++)
		if (!strcmp(advices[i].code, code)) json_string(w, "try", advices[i].advice);
	return w;
}

void answer_error(struct line *line, const char *code, const char *format, ...) {
	struct json_writer *w = begin_error(line, code);
	char text[256];
	va_list arguments;

	va_start(arguments, format);
	rt_vformat(text, sizeof(text), format, arguments);
	va_end(arguments);
	json_string(w, "message", text);
	json_close(w, '}');
	line_end(line);
	line_done(line);
}

void answer_plain(struct line *line, const struct manage_answer *answer) {
	struct json_writer *w;

	if (answer->status) {
		w = begin_error(line, manage_status_word(answer->status));
		json_chars(w, "message", answer->text[0] ? answer->text : "root refuses it", 512);
		if (answer->line) json_unsigned(w, "line", answer->line);
		json_close(w, '}');
	} else {
		w = line_begin(line, true);
		json_bool(w, "ok", true);
		if (answer->text[0]) json_chars(w, "message", answer->text, 512);
	}
	line_end_kept(line);
	line_done(line);
}

/* True: it is an answer, of at least that size; else it is passed on as a refusal. */
static bool good(struct line *line, const struct manage_answer *answer, uint32_t size) {
	if (!answer->status && answer->length >= size) return true;
	answer_plain(line, answer);
	return false;
}

static struct json_writer *begin_ok(struct line *line) {
	struct json_writer *w = line_begin(line, true);

	json_bool(w, "ok", true);
	return w;
}

static void finish(struct line *line) {
	line_end(line);
	line_done(line);
}

void answer_hello(struct line *line, const struct manage_answer *answer) {
	const struct manage_system *system = answer->payload;
	struct json_writer *w = begin_ok(line);

	json_number(w, "protocol", 1);
	json_chars(w, "system", answer->status ? "" : system->name, MANAGE_NAME);
	json_open(w, "rights", '[');
	for (uint32_t right = 1; manage_right_word(right); right <<= 1)
		if (manage_rights() & right) json_string(w, NULL, manage_right_word(right));
	json_close(w, ']');
	json_unsigned(w, "session", journal_session());
	json_string(w, "domain", rt_start_page->name);
	finish(line);
}

void answer_system(struct line *line, const struct manage_answer *answer) {
	const struct manage_system *system = answer->payload;
	struct json_writer *w;

	if (!good(line, answer, sizeof(*system))) return;
	w = begin_ok(line);
	json_chars(w, "name", system->name, MANAGE_NAME);
	json_unsigned(w, "now_ns", system->now_ns);
	json_unsigned(w, "memory", system->total_frames * PAGE_SIZE);
	json_unsigned(w, "free", system->free_frames * PAGE_SIZE);
	json_unsigned(w, "cpus", system->cpus);
	json_unsigned(w, "domains", system->domains);
	json_bool(w, "iommu", system->flags & MANAGE_SYSTEM_IOMMU);
	json_bool(w, "intremap", system->flags & MANAGE_SYSTEM_INTREMAP);
	json_bool(w, "signed", system->flags & MANAGE_SYSTEM_SIGNED);
	json_unsigned(w, "tsc_khz", system->tsc_khz);
	finish(line);
}

static const char *kind_word(uint32_t kind) {
	return kind == MANAGE_KIND_GUEST ? "guest" : kind == MANAGE_KIND_ROOT ? "root" : "native";
}

void answer_domain(struct line *line, const struct manage_domain *d) {
	struct json_writer *w = line_begin(line, true);

	json_open(w, "item", '{');
	json_chars(w, "name", d->name, MANAGE_NAME);
	json_string(w, "kind", kind_word(d->kind));
	json_string(w, "state", manage_state_word(d->state));
	json_unsigned(w, "domid", d->domid);
	json_chars(w, "program", d->program, MANAGE_NAME);
	json_chars(w, "version", d->version, sizeof(d->version));
	json_hex(w, "build_id", d->build_id, sizeof(d->build_id));
	json_unsigned(w, "vcpus", d->vcpus);
	json_unsigned(w, "weight", d->weight);
	json_unsigned(w, "cap", d->cap);
	json_unsigned(w, "memory", d->pages * PAGE_SIZE);
	json_unsigned(w, "maximum", d->maximum_pages * PAGE_SIZE);
	json_unsigned(w, "run_ns", d->run_ns);
	json_unsigned(w, "started_ns", d->started_ns);
	json_unsigned(w, "incarnation", d->incarnation);
	json_unsigned(w, "restarts", d->restarts);
	json_unsigned(w, "restarts_left", d->restarts_left);
	json_unsigned(w, "failures", d->stories);
	json_unsigned(w, "heartbeat_ms", d->heartbeat_ms);
	json_bool(w, "previous", d->previous);
	json_chars(w, "device", d->device, sizeof(d->device));
	json_unsigned(w, "line", d->line);
	json_close(w, '}');
	line_end(line);
}

void answer_device(struct line *line, const struct manage_device *d) {
	struct json_writer *w = line_begin(line, true);

	json_open(w, "item", '{');
	json_chars(w, "name", d->name, MANAGE_NAME);
	json_chars(w, "guest", d->guest, MANAGE_NAME);
	json_string(w, "kind", d->kind == MANAGE_DEVICE_DISK ? "disk" : "vif");
	json_chars(w, "server", d->server, MANAGE_NAME);
	json_string(w, "state",
		    d->refused    ? "refused"
		    : !d->settled ? d->wanted ? "coming" : "leaving"
		    : d->wanted   ? "plugged"
				  : "unplugged");
	json_unsigned(w, "changes", d->changes);
	json_unsigned(w, "forced", d->forced);
	json_unsigned(w, "line", d->line);
	json_close(w, '}');
	line_end(line);
}

void answer_why(struct line *line, const struct manage_answer *answer) {
	const struct manage_story *story = answer->payload;
	struct json_writer *w;

	if (!good(line, answer, sizeof(*story))) return;
	w = begin_ok(line);
	json_unsigned(w, "failures", story->count);
	if (story->count) {
		json_unsigned(w, "at_ns", story->at_ns);
		json_string(w, "code", manage_status_word(story->status));
		write_text(w, "what", story->what);
		write_text(w, "expected", story->expected);
		write_text(w, "found", story->found);
		write_text(w, "try", story->advice);
		json_unsigned(w, "line", story->line);
	}
	finish(line);
}

static void write_register(struct json_writer *w, const char *name, uint64_t value) {
	char text[20];

	rt_format(text, sizeof(text), "0x%lx", value);
	json_string(w, name, text);
}

static void write_registers(struct json_writer *w, const struct manage_death *d) {
	json_open(w, "registers", '{');
	write_register(w, "rax", d->rax);
	write_register(w, "rbx", d->rbx);
	write_register(w, "rcx", d->rcx);
	write_register(w, "rdx", d->rdx);
	write_register(w, "rsi", d->rsi);
	write_register(w, "rdi", d->rdi);
	write_register(w, "rbp", d->rbp);
	write_register(w, "rsp", d->rsp);
	write_register(w, "r8", d->r8);
	write_register(w, "r9", d->r9);
	write_register(w, "r10", d->r10);
	write_register(w, "r11", d->r11);
	write_register(w, "r12", d->r12);
	write_register(w, "r13", d->r13);
	write_register(w, "r14", d->r14);
	write_register(w, "r15", d->r15);
	write_register(w, "rip", d->rip);
	write_register(w, "rflags", d->rflags);
	write_register(w, "cr2", d->cr2);
	write_register(w, "cr3", d->cr3);
	json_close(w, '}');
}

static const char *const type_words[CAP_TYPES] = {
	[CAP_NONE] = "none",   [CAP_MEMORY] = "memory", [CAP_DOMAIN] = "domain",
	[CAP_CPU] = "cpu",     [CAP_IRQ] = "irq",       [CAP_IOPORTS] = "ports",
	[CAP_MMIO] = "mmio",   [CAP_DMASPACE] = "dma",  [CAP_TRACE] = "trace",
	[CAP_CONSOLE] = "log",
};

/* Rights by their bits, from bit 1 on; bit 0 is "copy" of every type. */
static const char *const right_words[CAP_TYPES][6] = {
	[CAP_MEMORY] = {"use"},
	[CAP_DOMAIN] = {"control", "grant", "event", "sched", "inspect", "debug"},
	[CAP_CPU] = {"plan", "account", "guard"},
	[CAP_IRQ] = {"use", "route"},
	[CAP_IOPORTS] = {"use"},
	[CAP_MMIO] = {"use"},
	[CAP_DMASPACE] = {"map", "empty"},
	[CAP_TRACE] = {"read", "write"},
	[CAP_CONSOLE] = {"read", "write"},
};

static void write_cap(struct json_writer *w, const struct manage_cap *cap) {
	uint32_t type = cap->type < CAP_TYPES ? cap->type : CAP_NONE;

	json_unsigned(w, "slot", cap->slot);
	json_string(w, "type", type_words[type]);
	json_open(w, "rights", '[');
	if (cap->rights & RIGHT_COPY) json_string(w, NULL, "copy");
	for (uint32_t i = 0; i < ARRAY_SIZE(right_words[0]); i++)
		if (cap->rights & 2U << i && right_words[type][i])
			json_string(w, NULL, right_words[type][i]);
	json_close(w, ']');
	json_unsigned(w, "first", cap->first);
	json_unsigned(w, "count", cap->count);
	json_chars(w, "what", cap->what, sizeof(cap->what));
}

static const void *part(const struct manage_answer *answer, uint32_t at, uint32_t *count,
			uint32_t size) {
	uint32_t left = answer->length > at ? answer->length - at : 0;

	*count = MIN(*count, left / size);
	return (const uint8_t *)answer->payload + at;
}

void answer_postmortem(struct line *line, const struct manage_answer *answer) {
	const struct manage_death *death = answer->payload;
	uint32_t at = sizeof(*death), stack, caps, records;
	const struct manage_cap *cap;
	struct json_writer *w;

	if (!good(line, answer, sizeof(*death))) return;
	w = begin_ok(line);
	json_unsigned(w, "at_ns", death->at_ns);
	json_unsigned(w, "incarnation", death->incarnation);
	json_chars(w, "text", death->text, sizeof(death->text));
	json_unsigned(w, "vector", death->vector);
	json_unsigned(w, "error_code", death->error_code);
	write_registers(w, death);
	stack = death->stack_size;
	caps = death->caps;
	records = death->records;
	json_base64(w, "stack", part(answer, at, &stack, 1), stack);
	at += stack;
	cap = part(answer, at, &caps, sizeof(*cap));
	json_open(w, "caps", '[');
	for (uint32_t i = 0; i < caps; i++) {
		json_open(w, NULL, '{');
		write_cap(w, &cap[i]);
		json_close(w, '}');
	}
	json_close(w, ']');
	at += caps * (uint32_t)sizeof(*cap);
	json_base64(w, "records", part(answer, at, &records, sizeof(struct trace_record)),
		    records * (uint32_t)sizeof(struct trace_record));
	json_hex(w, "build_id", death->build_id, sizeof(death->build_id));
	finish(line);
}

void answer_trace(struct line *line, const struct manage_answer *answer) {
	const struct trace_piece *piece = answer->payload;
	struct json_writer *w;

	if (answer->op == MANAGE_TRACE_SET) {
		answer_plain(line, answer);
		return;
	}
	if (!good(line, answer, sizeof(*piece))) return;
	w = begin_ok(line);
	json_unsigned(w, "first", piece->first);
	json_unsigned(w, "next", piece->first + piece->records);
	json_unsigned(w, "lost", piece->lost);
	json_base64(w, "records", piece + 1, answer->length - (uint32_t)sizeof(*piece));
	finish(line);
}

void answer_event(struct line *line, const struct manage_event *event) {
	struct json_writer *w = line_begin(line, false);

	json_string(w, "event", "state");
	json_chars(w, "name", event->name, MANAGE_NAME);
	json_string(w, "from", manage_state_word(event->from));
	json_string(w, "to", manage_state_word(event->to));
	json_unsigned(w, "at_ns", event->at_ns);
	json_unsigned(w, "incarnation", event->incarnation);
	json_unsigned(w, "failures", event->stories);
	/* A line that does not take it is told later how many it has missed. */
	if (!line_end(line)) line->events_lost++;
}

void answer_lost(struct line *line, const char *of, uint64_t count) {
	struct json_writer *w = line_begin(line, false);

	json_string(w, "event", "lost");
	json_string(w, "of", of);
	json_unsigned(w, "count", count);
	line_end(line);
}

void answer_greeting(struct line *line) {
	struct json_writer *w = line_begin(line, false);

	json_string(w, "event", "hello");
	json_unsigned(w, "session", journal_session());
	line_end(line);
}

void answer_cap(struct line *line, const struct manage_cap *cap) {
	struct json_writer *w = line_begin(line, true);

	json_open(w, "item", '{');
	write_cap(w, cap);
	json_close(w, '}');
	line_end(line);
}
