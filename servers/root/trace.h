/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The core's traces, from root's side: the buffers are pages of root's own, handed to
 * the core for good, and lent to those that the description lets trace.
 */
#ifndef SERVERS_ROOT_TRACE_H
#define SERVERS_ROOT_TRACE_H

#include "libs/rt/rt.h"
#include "proto/trace.h"

struct domain;

/* Grants that the domains that may trace need. */
uint32_t trace_grants(void);
/* Makes the buffers, one for each CPU; nothing is recorded yet. */
void trace_init(void);
/* The start page of a domain that may trace gets them, read-only, as SYSTEM_CONN_TRACE. */
void trace_give(const struct domain *domain, struct native_start *start);
/* From now on these points are recorded. False: there are no such points. */
MUST_CHECK bool trace_set(uint64_t points);
/* A piece of a CPU's records (libs/trace). False: there is no such CPU. */
MUST_CHECK bool trace_read(uint32_t cpu, uint64_t from, struct trace_record *to, uint32_t count,
			   struct trace_piece *piece);
/* A domain's last records, oldest first, as far as they are not long ago. How many. */
uint32_t trace_last(uint16_t domid, struct trace_record *to, uint32_t count);

#endif
