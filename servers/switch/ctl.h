/* SPDX-License-Identifier: BSD-2-Clause */
/* The switch's end of SYSTEM_CONN_NETCTL connections (proto/netctl.h); ctl.c and tap.c. */
#ifndef SERVERS_SWITCH_CTL_H
#define SERVERS_SWITCH_CTL_H

#include "switch.h"

#define CTL_CLIENTS 4U

/* Bytes of each packet that are kept, at most: a block fits the ring several times. */
#define TAP_KEEP 16384U

struct ctl_client {
	struct netctl_page *page; /* shared */
	uint8_t *payload;         /* shared */
	uint32_t flags;           /* NETCTL_F_*: what it may do */
	uint32_t port;            /* event channel */
	uint8_t *tap;             /* shared: a ring of NETCTL_TAP bytes */
	uint32_t put, shown;      /* bytes put into it; of them, as the client knows */
	bool tapping;
	uint32_t tapped; /* which port, or NETCTL_ALL */
	uint32_t keep;   /* bytes of each packet */
};

extern struct ctl_client ctl_client[CTL_CLIENTS];
extern uint32_t ctl_clients;

/* A client whose pages are mapped. */
void ctl_add(void *pages, uint32_t flags, uint32_t port);
/* Does what a client asks for, if it asks for something; shows it what was tapped. */
void ctl_work(struct ctl_client *client);

/* A NETCTL_* status. */
uint32_t tap_start(struct ctl_client *client, uint32_t port, uint32_t keep);
void tap_stop(struct ctl_client *client);
/* Shows what was put. True: the client wants to be told. */
bool tap_show(struct ctl_client *client);

#endif
