/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A device of the guest as a frontend sees it: nodes in the store, a backend, pages that are
 * granted to it. One device at a time; PAGES data pages are granted as DATA + n to the
 * backend of each. Whatever does not come within a minute of the guest's time is a failure.
 */
#ifndef TESTS_HOSTILE_FRONTEND_H
#define TESTS_HOSTILE_FRONTEND_H

#include "cases.h"

#define PAGES 16U
#define RING  8U /* the first grant reference of the caller's own */
#define DATA  32U

extern uint8_t *data[PAGES];
extern uint16_t backend_id; /* of the device found last */

uint32_t noise(void); /* the same numbers in each run */
void rest(void);
void send(uint32_t to);
uint32_t number(const char *text);

void set_up_grants(void);              /* once, first */
void find_backend(const char *device); /* such as "vbd/51712"; waits for it */
void grant(uint32_t ref, void *page);
void write_node(const char *name, const char *value); /* of the device */
void write_number(const char *name, uint32_t value);
bool wait_backend(uint32_t state); /* false: it does not get there */

#endif
