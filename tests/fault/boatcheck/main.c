/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Lives several times with one lifeboat, which it leaves in another state each
 * time, and says whether it found what it should have:
 *
 *   0  it is fresh; fills it, and dies
 *   1  it is as it was left; dies while it writes a record
 *   2  the record is not there, the rest is; damages what identifies the lifeboat
 *   3  it begins anew, with zeroes; fills everything with garbage, header included
 *   4  it begins anew, with zeroes
 */
#include "libs/lifeboat/lifeboat.h"
#include "libs/log/log.h"
#include "libs/rt/package.h"

#define LAYOUT 7U
#define SIZE   (15 * 4096U)
#define WORDS  (SIZE / 4)
#define VALID  0x600dU

PACKAGE_LIFEBOAT(LAYOUT, LAYOUT);

static struct lifeboat boat;

static bool is_zero(void) {
	const uint32_t *words = boat.data;

	for (uint32_t i = 0; i < WORDS; i++)
		if (words[i]) return false;
	return true;
}

static void fill(uint32_t seed) {
	uint32_t *words = boat.data;

	for (uint32_t i = 1; i < WORDS; i++) words[i] = i * 2654435761U ^ seed;
	lifeboat_set_state(&words[0], VALID);
}

static bool is_filled(uint32_t seed) {
	const uint32_t *words = boat.data;

	for (uint32_t i = 1; i < WORDS; i++)
		if (words[i] != (i * 2654435761U ^ seed)) return false;
	return true;
}

static void damage(uint32_t from, uint32_t to, uint8_t mask) {
	uint8_t *header = (uint8_t *)boat.data - LIFEBOAT_DATA;

	for (uint32_t i = from; i < to; i++) header[i] = (uint8_t)(header[i] * 5 + i) ^ mask;
}

/* What is wrong with it in this life; then leaves it for the next one. */
static const char *live(uint32_t life) {
	uint32_t *words = boat.data;

	switch (life) {
	case 0:
		if (boat.adopted || boat.rejected || !is_zero()) return "it is not fresh";
		fill(1);
		return NULL;
	case 1:
		if (!boat.adopted || boat.adoptions != 1 || lifeboat_state(words) != VALID ||
		    !is_filled(1))
			return "it is not as it was left";
		lifeboat_set_state(words, 0);
		words[1] = 99;
		return NULL;
	case 2:
		if (!boat.adopted || boat.adoptions != 2 || lifeboat_state(words) != 0)
			return "a record that was not finished counts";
		damage(16, 20, 0x80);
		return NULL;
	case 3:
		if (boat.adopted || boat.rejected != 1 || !is_zero()) return "damage is believed";
		damage(0, SIZE + LIFEBOAT_DATA, 0x5a);
		return NULL;
	default: return boat.adopted || !is_zero() ? "garbage is believed" : NULL;
	}
}

void native_main(void) {
	uint32_t life = rt_start_page->incarnation;
	int error = lifeboat_open(&boat, LAYOUT, SIZE);
	const char *why;

	if (error) rt_panic("FAIL: there is no lifeboat (%d)", error);
	why = live(life);
	if (why) log_print("FAIL life %u: %s", life, why);
	if (life < 4) rt_panic("end of life %u", life);
	log_print("done after %u lives", life + 1);
}
