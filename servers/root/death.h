/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is known of a domain at its death, kept for who asks (MANAGE_POSTMORTEM): its
 * registers, the fault, its stack, what it held, its last trace records. Taken before the reset,
 * which scrubs everything. The last death of each domain, of the last DEATHS that died.
 */
#ifndef SERVERS_ROOT_DEATH_H
#define SERVERS_ROOT_DEATH_H

#include "proto/manage.h"
#include "root.h"

/* It has ended, and is still as it was. */
void death_record(const struct domain *domain, const char *text);
/* What there is to be said (proto/manage.h), into MANAGE_PAYLOAD bytes. How many; 0: it has not
 * died, or that is too long ago. */
uint32_t death_read(const struct domain *domain, uint8_t *to);
/* Nothing is kept of it any more. */
void death_forget(const struct domain *domain);

#endif
