/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An AHCI host bus adapter as state machines over registers, pages and a clock,
 * apart from how the registers are reached and from who asks, so that the host's
 * tests run it against adapters that lie.
 *
 *   adapter:  HANDOFF -> RESET -> RUN                     (or DEAD)
 *
 *   port:     LINK -> SIGNATURE -> IDENTIFY -> RUN        (or NONE: nothing to use)
 *              ^                                |
 *              |                   an error, a command's time is over, the link went
 *              |                                v
 *           COMRESET <------- STOP <----> LOG (which of several queued commands was it?)
 *
 * Nothing waits: every step is made by an interrupt or by ahci_timer(), and every
 * state has a deadline. A disk that does not come back, or comes back as another
 * one, is GONE.
 *
 * A request is one command in one of the port's slots, whose number is the NCQ tag.
 * The first queued one after a reset runs alone: QEMU's adapter clears, with its bit,
 * those of commands that the reset has ended.
 * Queued and other commands do not mix in a disk: when the first of the waiting
 * ones is of the other kind, the port runs empty first. Not queued: one at a time.
 *
 * Retry rule: a request that failed, or may have (the disk cannot say which of
 * several it was), or timed out, is carried out once more, alone; when that fails
 * it is answered. Others that an error interrupted are carried out again without
 * that count.
 */
#ifndef DRIVERS_AHCI_AHCI_H
#define DRIVERS_AHCI_AHCI_H

#include "libs/rt/rt.h"
#include "proto/blk.h"
#include "spec.h"

#define AHCI_PORTS      32U
#define AHCI_SLOTS      32U
#define AHCI_PORT_PAGES (2U + AHCI_SLOTS) /* lists, identify and log data, command tables */
#define AHCI_PAGES      (BLK_MAX_DISKS * AHCI_PORT_PAGES)
#define AHCI_TICK       1000000000U /* ns between looks at a port that works */

/* How the adapter is reached, and who is answered. */
struct ahci_host {
	uint32_t (*read)(void *context, uint32_t offset);
	void (*write)(void *context, uint32_t offset, uint32_t value);
	void (*answer)(void *context, uint16_t tag, uint32_t status, uint32_t device_status);
	void *context;
};

/* Pages of the driver's that the adapter reaches. */
struct ahci_memory {
	uint8_t *at; /* adjacent here */
	uint32_t pages;
	uint64_t address[AHCI_PAGES]; /* anywhere for the adapter */
};

/* What IDENTIFY DEVICE says, as far as it is used. */
struct ahci_identity {
	char serial[21];
	uint64_t sectors; /* of 512 bytes */
	uint32_t block, physical_block;
	uint32_t depth; /* commands at once; 0: no NCQ */
	bool flush, cache, fua, trim;
};

enum ahci_port_state {
	PORT_NONE, /* not implemented, empty, or nothing that the driver uses */
	PORT_LINK,
	PORT_SIGNATURE,
	PORT_IDENTIFY,
	PORT_RUN,
	PORT_STOP,
	PORT_LOG,
	PORT_COMRESET,
	PORT_GONE,
};

struct ahci_slot {
	bool orphan; /* nobody waits for it: its request is of an old session */
	uint16_t tag;
	uint64_t deadline;
};

struct ahci_port {
	enum ahci_port_state state;
	uint64_t since, deadline; /* of the state */
	uint64_t wake;            /* when it wants to be looked at, 0 = never */
	uint64_t pause;           /* between two looks at a register */
	uint32_t page;            /* first of its pages */
	bool has_pages;
	bool is_disk;         /* it has been in RUN */
	bool want_log;        /* STOP: ask the disk which command failed */
	uint64_t said;        /* when the log was last told of an error */
	uint32_t tries;       /* to come up */
	uint32_t failures;    /* recoveries since a request was answered */
	uint32_t limit;       /* slots in use at most */
	uint32_t issued;      /* slots */
	uint32_t unsent;      /* of them: the adapter has not been told */
	bool queued;          /* they are NCQ commands */
	bool alone;           /* the one that is issued tolerates no other */
	bool fresh;           /* no queued command has been begun since the link came up */
	uint16_t first, last; /* requests that wait for a slot; BLK_TAGS: none */
	struct ahci_identity identity;
	struct ahci_slot slot[AHCI_SLOTS];
};

struct ahci_request {
	struct blk_request request;
	bool used, queued; /* queued: linked from its port */
	bool alone;        /* its second time */
	bool failed;
	uint16_t next;
	uint32_t status, device_status;
	struct blk_segment segments[BLK_MAX_SEGMENTS];
};

enum ahci_state { AHCI_HANDOFF, AHCI_RESET, AHCI_RUN, AHCI_DEAD };

struct ahci {
	struct ahci_host host;
	struct ahci_memory memory;
	uint32_t registers; /* bytes of them that are mapped */
	uint32_t use;       /* ports that the driver may use, as a mask */
	uint32_t expected;  /* disks that a predecessor had, 0 = not known */
	uint64_t timeout;   /* ns, of a command */

	enum ahci_state state;
	uint64_t deadline, look, pause; /* of the state, until RUN */
	uint64_t wake;                  /* when ahci_timer() is wanted, 0 = never */
	uint32_t resets;                /* since a request was answered well */
	const char *why;                /* DEAD: the reason */
	bool running;                   /* DEAD: it could not be stopped, and may still do DMA */
	bool known;                     /* the disks have been numbered */
	uint32_t capabilities, implemented;
	uint32_t pages_used;
	struct ahci_port port[AHCI_PORTS];
	uint32_t disk_count;
	uint8_t disk_port[BLK_MAX_DISKS];
	struct ahci_request requests[BLK_TAGS];

	/* what happened, for the log */
	uint64_t commands;
	uint32_t recoveries, timeouts, short_transfers;
};

/* All of struct ahci but host, memory, registers, use, expected and timeout is zero. */
void ahci_start(struct ahci *ahci, uint64_t now);
void ahci_interrupt(struct ahci *ahci, uint64_t now);
/* When ahci->wake has come. */
void ahci_timer(struct ahci *ahci, uint64_t now);
/* What disk n (below disk_count) is. */
void ahci_describe(const struct ahci *ahci, uint32_t n, struct blk_disk *disk);

/*
 * Takes a request that has been checked as libs/blk/driver.h says; its tag is not
 * in use. host.answer is called for it, now or later.
 */
void ahci_submit(struct ahci *ahci, const struct blk_request *request,
		 const struct blk_segment *segments, uint64_t now);
/* Tells the adapter of the commands that were made since. */
void ahci_kick(struct ahci *ahci);
/* Forgets all requests. ahci_idle(): the adapter does nothing for them any more. */
void ahci_drop(struct ahci *ahci);
bool ahci_idle(const struct ahci *ahci);
/* Stops the adapter whatever it does, and starts it again. */
void ahci_reset(struct ahci *ahci, const char *why, uint64_t now);

/* --- between the files of the driver --- */

static inline uint32_t ahci_read(struct ahci *ahci, uint32_t offset) {
	return ahci->host.read(ahci->host.context, offset);
}
static inline void ahci_write(struct ahci *ahci, uint32_t offset, uint32_t value) {
	ahci->host.write(ahci->host.context, offset, value);
}
static inline uint32_t ahci_port_number(const struct ahci *ahci, const struct ahci_port *port) {
	return (uint32_t)(port - ahci->port);
}
static inline uint32_t port_read(struct ahci *ahci, const struct ahci_port *port, uint32_t offset) {
	return ahci_read(ahci, PORT(ahci_port_number(ahci, port)) + offset);
}
static inline void port_write(struct ahci *ahci, const struct ahci_port *port, uint32_t offset,
			      uint32_t value) {
	ahci_write(ahci, PORT(ahci_port_number(ahci, port)) + offset, value);
}
static inline void *ahci_page(const struct ahci *ahci, uint32_t page) {
	return ahci->memory.at + page * PAGE_SIZE;
}

/* Pages of a port, from port->page on. */
#define PAGE_LISTS      0U /* command list; received FISes at FIS_OFFSET */
#define PAGE_DATA       1U /* what IDENTIFY and READ LOG return */
#define PAGE_TABLES     2U
#define FIS_OFFSET      1024U
#define DATA_BYTES      512U
#define SLOT_OF_DRIVERS 0U /* for its own commands, while no others run */

/* port.c */
void port_bring_up(struct ahci *ahci, struct ahci_port *port, uint64_t now);
/* A look at a port: after an interrupt, or when port->wake has come. */
void port_work(struct ahci *ahci, struct ahci_port *port, uint64_t now);
/* It has nothing for the driver, now or any more, and does no DMA. why: for the log, or NULL. */
void port_leave(struct ahci *ahci, struct ahci_port *port, const char *why);
static inline bool port_exists(const struct ahci *ahci, uint32_t n) {
	return ahci->implemented >> n & 1 && PORT(n) + PORT_BYTES <= ahci->registers;
}
static inline bool port_settled(const struct ahci_port *port) {
	return port->state == PORT_NONE || port->state == PORT_RUN || port->state == PORT_GONE;
}

/* command.c: makes a command in a slot; the adapter is not told. */
void command_of_drivers(struct ahci *ahci, struct ahci_port *port, uint8_t command, uint64_t lba);
/* BLK_STATUS_OK, or why this request cannot be made a command. */
uint32_t command_of_request(struct ahci *ahci, struct ahci_port *port, uint32_t slot,
			    const struct ahci_request *r);
bool command_is_queued(const struct ahci_port *port, const struct ahci_request *r);

/* request.c */
void request_pump(struct ahci *ahci, struct ahci_port *port, uint64_t now);
void request_kick(struct ahci *ahci, struct ahci_port *port);
/* These slots are done. */
void request_done(struct ahci *ahci, struct ahci_port *port, uint32_t slots);
/* One of these slots failed, for one that is known; all are to be done again (request_again). */
void request_blame(struct ahci *ahci, struct ahci_port *port, uint32_t slots, uint32_t status,
		   uint32_t device_status);
bool request_overdue(const struct ahci_port *port, uint64_t now, uint32_t *slots);
/* The disk does nothing any more: what was issued waits again, or is answered if it has failed. */
void request_again(struct ahci *ahci, struct ahci_port *port);
/* Answers everything of the port, or of all ports if it is NULL, with this status. */
void request_fail(struct ahci *ahci, struct ahci_port *port, uint32_t status);

/* identify.c. False: it makes no sense, or the driver cannot use it; *why says what. */
bool identify_parse(const uint8_t data[DATA_BYTES], struct ahci_identity *identity,
		    const char **why);

#endif
