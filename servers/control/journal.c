/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * This domain may die between a request to root and its answer to the tool, which then
 * asks again with the same id. So before a change becomes root's request number n, its
 * id and n are written down. A successor that is asked for that id finds n; root has
 * counted to n if it was sent, and its answer is in root's pages still.
 *
 * Without a lifeboat in the description this works but for a change that was under
 * way when the domain died: that may be done twice.
 */
#include "control.h"
#include "libs/lifeboat/lifeboat.h"
#include "libs/log/log.h"
#include "proto/system.h"

#define LAYOUT 1U

struct record {
	uint32_t valid; /* lifeboat_set_state */
	uint32_t number;
	int64_t id;
};

static struct journal { struct record record[LINES]; } without, *journal = &without;

void journal_open(void) {
	static struct lifeboat lifeboat;

	if (!rt_connection(SYSTEM_CONN_LIFEBOAT, 0)) return;
	if (lifeboat_open(&lifeboat, LAYOUT, sizeof(*journal)))
		log_print("its lifeboat cannot be opened: what is under way at a death is lost");
	else
		journal = lifeboat.data;
}

uint32_t journal_session(void) { return rt_start_page->incarnation + 1U; }

void journal_begin(const struct line *line, uint32_t number) {
	struct record *record = &journal->record[line->number];

	lifeboat_set_state(&record->valid, 0);
	record->number = number;
	record->id = line->id;
	lifeboat_set_state(&record->valid, 1);
}

bool journal_find(const struct line *line, uint32_t *number) {
	const struct record *record = &journal->record[line->number];

	if (lifeboat_state(&record->valid) != 1 || record->id != line->id) return false;
	*number = record->number;
	return true;
}
