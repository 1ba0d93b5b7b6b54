/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Pages of root's own that native domains share: rings, control pages, lifeboats,
 * what they are told. root owns and grants them, so what is in them is still
 * there when a domain at one of their ends has died. They are made at boot and
 * stay, like root's grant table.
 */
#ifndef SERVERS_ROOT_PAGES_H
#define SERVERS_ROOT_PAGES_H

#include "libs/rt/rt.h"

/* Room for this many grants. Panics, as all here do, when that cannot be. */
void pages_init(uint32_t grants);
/* Adjacent zeroed frames; the first one. */
uint64_t pages_take(uint64_t frames);
/* Grants adjacent frames to a domain; the first reference. */
uint32_t pages_grant(uint16_t domid, uint64_t mfn, uint32_t frames, bool readonly);
/* Maps them for root, writable; to stay, or until pages_unmap. */
void *pages_map(uint64_t mfn, uint32_t frames);
void pages_unmap(void *at, uint32_t frames);

#endif
