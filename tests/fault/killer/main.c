/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Kills other native domains at random times, by root's command `kill`, and says
 * in the log what it killed when, by the machine's time-stamp counter, which
 * guests read as well.
 *
 * Arguments: victims=NAME,NAME... (`all` is each of the others at once), kills=N,
 * start=MILLISECONDS after boot, every=MICROSECONDS on average, seed=N. The same
 * seed gives the same sequence.
 */
#include "libs/control/control.h"
#include "libs/event/event.h"
#include "libs/log/log.h"
#include "libs/manage/text.h"
#include "libs/rt/time.h"

#define MAX_VICTIMS 16U
#define NAME_SIZE   16U

static char names[MAX_VICTIMS][NAME_SIZE];
static uint32_t victims;
static uint64_t kills, done, every_us = 50000, state = 1;
static struct event_timer timer;

static uint64_t number(const char *name, uint64_t otherwise) {
	uint64_t value;
	char text[24];

	if (!rt_argument(name, text, sizeof(text))) return otherwise;
	if (!rt_number(text, &value)) rt_panic("%s=%s is not a number", name, text);
	return value;
}

static uint32_t random(uint32_t below) {
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 20) % below;
}

static void kill(const char *name) {
	char line[MANAGE_COMMAND];

	rt_format(line, sizeof(line), "kill %s", name);
	if (!manage_text(line)) log_print("root takes no commands: %s was not killed", name);
}

static void strike(void *context) {
	const char *name = names[random(victims)];
	uint64_t now = __builtin_ia32_rdtsc();

	(void)context;
	log_print("kill %lu %s at %lu", done, name, now);
	if (!strcmp(name, "all")) {
		for (uint32_t i = 0; i < victims; i++)
			if (strcmp(names[i], "all")) kill(names[i]);
	} else {
		kill(name);
	}
	if (++done == kills) {
		log_print("all kills are done");
		return;
	}
	event_timer_arm(&timer, time_now() + (every_us / 2 + random((uint32_t)every_us)) * 1000);
}

static void read_victims(void) {
	char text[256], *at = text;

	if (!rt_argument("victims", text, sizeof(text))) rt_panic("there is no victims=");
	while (*at && victims < MAX_VICTIMS) {
		size_t length = 0;

		while (at[length] && at[length] != ',') length++;
		if (length >= NAME_SIZE) rt_panic("a name is too long: %s", at);
		memcpy(names[victims++], at, length);
		at += length + (at[length] == ',');
	}
	if (!victims) rt_panic("victims= names nobody");
}

void native_main(void) {
	control_init(NULL, NULL);
	manage_text_open(NULL, NULL);
	read_victims();
	kills = number("kills", 20);
	every_us = MAX(number("every", every_us), 2U);
	state = number("seed", 1) * 0x9e3779b97f4a7c15ULL | 1;
	timer.handler = strike;
	event_timer_arm(&timer, number("start", 1000) * 1000000);
	event_loop();
}
