/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The control domain's line. The input is payloads, one a line, each in a good frame, so that
 * what is behind the frames is reached; a line that begins with '!' is sent as it is, and one
 * that begins with '?' has root and the switch answer what it says. Whatever it is, the
 * domain is there for the next request.
 */
#include "tests/unit/native/control_rig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void others_answer(const uint8_t *bytes, size_t size) {
	struct ctl_page *page = (struct ctl_page *)(void *)rig_switch;

	memcpy(rig_root.answer, bytes, size);
	memcpy(rig_switch + PAGE_SIZE, bytes, size);
	rig_root_answers(size ? bytes[0] % 12 : 0, (uint32_t)size * 16);
	page->status = size ? bytes[0] % 8 : 0;
	page->answer_length = (uint32_t)size * 64;
	page->done = page->request;
	rig_switch_event();
	memcpy(rig_console + PAGE_SIZE, bytes, size);
	page = (struct ctl_page *)(void *)rig_console;
	page->status = size ? bytes[0] % 8 : 0;
	page->answer_length = (uint32_t)size * 64;
	page->done = page->request;
	rig_console_event();
	rig_work();
}

static void one(const uint8_t *line, size_t length) {
	static char text[FRAME_PAYLOAD];

	if (length >= sizeof(text)) return;
	rig_said_length[0] = 0;
	if (length && line[0] == '?') {
		others_answer(line + 1, length - 1);
		return;
	}
	if (lines[0].has_request) others_answer(NULL, 0);
	if (length && line[0] == '!') {
		rig_bytes(0, line + 1, length - 1);
		rig_bytes(0, "\n", 1);
		return;
	}
	memcpy(text, line, length);
	text[length] = '\0';
	rig_ask(0, text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	static bool open;

	if (!open) rig_open();
	open = true;
	for (size_t at = 0, i = 0; i <= size; i++) {
		if (i < size && data[i] != '\n') continue;
		one(data + at, i - at);
		at = i + 1;
	}
	for (unsigned i = 0; i < 20 && (lines[0].has_request || rig_root.asked); i++)
		others_answer(NULL, 0);
	rig_bytes(0, "\n", 1);
	rig_said_length[0] = 0;
	rig_ask(0, "{\"id\": 7, \"verb\": \"dance\"}");
	if (!strstr(rig_said[0], "there is no verb")) abort();
	return 0;
}
