/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the domains have in common that stand where a driver's server stands (blkcheck,
 * netcheck): pages of their own in the driver's DMA window, and a wait for one port.
 *
 * Waiting is a loop of its own here, not the event loop: a test reads best from
 * top to bottom, and nothing else happens in these domains.
 */
#ifndef TESTS_DRIVERS_PEER_H
#define TESTS_DRIVERS_PEER_H

#include "libs/cap/cap.h"
#include "libs/rt/rt.h"

/* The window of this capability, with room for so many pages; ends the domain if it has not. */
void peer_find_window(uint32_t slot, uint32_t pages);

/*
 * `driver` (its incarnation + 1) reaches these pages from now on. The window of one that
 * was started again has been emptied: then they are mapped once more.
 */
void peer_map(uint32_t driver, uint8_t (*pages)[PAGE_SIZE], struct dma_map *maps, uint32_t count);

/* Sleeps until something comes at the port, the time has come, or for a tenth of a second. */
void peer_sleep(uint32_t port, uint64_t deadline);

#endif
