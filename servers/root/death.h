/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is known of a domain at its death, kept for who asks (MANAGE_POSTMORTEM): its
 * registers, the fault, whose program it was. Taken before the reset, which scrubs
 * everything. The last death of each domain, of the last DEATHS that died.
 */
#ifndef SERVERS_ROOT_DEATH_H
#define SERVERS_ROOT_DEATH_H

#include "proto/manage.h"
#include "root.h"

/* It has ended, and is still as it was. */
void death_record(const struct domain *domain, const char *text);
/* False: it has not died, or that is too long ago. */
bool death_read(const struct domain *domain, struct manage_death *death);

#endif
