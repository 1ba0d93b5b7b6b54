/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * PCI functions and their drivers. Each record of the description gets, once, the
 * function that it means, a DmaSpace, interrupts and narrowed capabilities, and
 * keeps them; a driver that starts again finds the same.
 *
 *     UNKNOWN --- the bus domain is ready ---> PRESENT  or  MISSING
 *
 *     driver to start:  PREPARE, then it is built
 *     driver has ended: QUIESCE, empty the DmaSpace, then its memory is taken back
 */
#ifndef SERVERS_ROOT_DEVICES_H
#define SERVERS_ROOT_DEVICES_H

#include "root.h"

enum device_wait {
	DEVICES_THERE, /* it can be built now */
	DEVICES_LATER, /* supervise_continue() will be called */
	DEVICES_NEVER, /* what it needs is missing; the log says what */
};

void devices_init(void);
/* Whether all that this domain needs of the bus is there; asks for it if not. */
enum device_wait devices_before(struct domain *domain);
/* It is built and about to run. */
void devices_starting(struct domain *domain);
/*
 * It has ended. False: no device can touch its memory any more. True: one could,
 * and supervise_quiesced() will be called.
 */
bool devices_ended(struct domain *domain);
/* It is given up: what waits for it waits no longer. */
void devices_given_up(struct domain *domain);

/* handover.c: capabilities of a driver or of the bus domain, its device page, the server's part. */
const char *devices_give(struct domain *domain, struct native_start *start);
void devices_give_page(struct domain *domain, struct native_start *start);
const char *devices_give_server(struct domain *server, struct native_start *start,
				struct native_connection *connection, const struct domain *driver);

/* Looks for accesses that were blocked, and ends the drivers whose devices made them. */
void devices_check_faults(void);

/* For lists: "00:04.0 1af4:1042 msix"; empty: it drives none. */
void devices_text(const struct domain *domain, char *text, size_t size);
/* Who is believed, in a sentence; NULL: there are no devices. */
const char *devices_trust(void);
/* An IOMMU guards what each device that is there reaches. */
bool devices_enforced(void);

#endif
