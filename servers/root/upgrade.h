/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Another program for a native domain that runs (docs/decisions/0008-upgrade.md):
 *
 *     fit.c       does it fit the domain, its connections and its lifeboat?
 *     canary.c    does it start at all? In a domain that has nothing
 *     upgrade.c   the old one is stopped between two events and reset in place, the new
 *                 one takes over, and has to show that it works; else the old one is back
 *
 * One upgrade at a time. Nothing of it is on a disk: after a power cut the system begins
 * as its image says.
 */
#ifndef SERVERS_ROOT_UPGRADE_H
#define SERVERS_ROOT_UPGRADE_H

#include "program.h"
#include "root.h"

#define UPGRADE_TEXT 512U

/*
 * Begins; the program is held by the caller and now by the upgrade, or dropped. MANAGE_OK
 * or why not, with the reason in text. check: only that.
 */
uint32_t upgrade_begin(struct domain *domain, struct program *program, bool check,
		       char text[UPGRADE_TEXT]);
uint32_t upgrade_back(struct domain *domain, char text[UPGRADE_TEXT]);
/* Whether it runs a program that has yet to prove itself. */
bool upgrade_on_trial(const struct domain *domain);

/* supervise.c: it runs; it said something on its control page. */
void upgrade_started(struct domain *domain);
void upgrade_look(struct domain *domain);
/* It has crashed, or cannot be built. True: it has its old program again, start that. */
bool upgrade_ended(struct domain *domain, const char *why);

/* --- fit.c --- */

/* NULL, or what does not fit; *status says of which kind it is. */
const char *fit_check(const struct domain *domain, const struct package *package, uint32_t *status);

/* --- canary.c --- */

enum canary_state { CANARY_WAITING, CANARY_WELL, CANARY_DEAD };

/* Before the objects and pages of domains are made. */
void canary_describe(void);
struct domain *canary_domain(void); /* NULL: nobody may upgrade anything */
/* Starts the program, with as much memory as that domain has. NULL, or why not. */
const char *canary_start(const struct domain *like, struct program *program);
enum canary_state canary_look(char why[64]);
/* Takes everything back. False: not yet, call it again. */
bool canary_end(void);

#endif
