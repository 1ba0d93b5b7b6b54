/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Managing the system in words: a line such as `restart nic0` becomes a request to
 * root, its answer becomes lines for a person. For the console, and for domains that
 * only want to say `kill disk0`.
 */
#ifndef LIBS_MANAGE_TEXT_H
#define LIBS_MANAGE_TEXT_H

#include "libs/manage/manage.h"

#define MANAGE_LINE     192U /* longest line of an answer, its newline and NUL included */
#define MANAGE_COMMAND  64U  /* longest command, its NUL included */
#define MANAGE_COMMANDS 8U   /* that can wait for their turn */

/*
 * room: bytes that `say` takes now; while it is less than a line, the answer waits for
 * manage_text_go_on(). Both may be NULL: nobody reads the answers. False: this domain
 * has no connection with root.
 */
bool manage_text_open(void (*say)(const char *line), uint32_t (*room)(void));
/* False: it may not, it is too long, or too many wait. */
bool manage_text(const char *line);
/* Goes on with what waited for room or, where there is no event loop, for an answer. */
void manage_text_go_on(void);
/* All commands are answered, and the answers said. */
bool manage_text_idle(void);

/* The words of the protocol: of MANAGE_* codes, of MANAGE_STATE_*, and of one of MANAGE_F_*. */
const char *manage_status_word(uint32_t status);
const char *manage_state_word(uint32_t state);
/* NULL: there is no such right. */
const char *manage_right_word(uint32_t right);

#endif
