/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The life of a port (ahci.h). After every error the link is reset: that ends
 * whatever the disk still does for commands of before, also in adapters and disks
 * that leave the narrow way of the specification, and only then is a request
 * answered or carried out again. When one of several queued commands has failed,
 * the disk is asked first which one it was.
 */
#include "ahci.h"

#include "libs/log/log.h"
#include "libs/rt/time.h"

#define PAUSE_FIRST  20000U /* ns */
#define PAUSE_MAX    MILLISECONDS(10)
#define PRESENT_TIME MILLISECONDS(20)    /* until a disk that is there shows itself */
#define LINK_TIME    MILLISECONDS(1000)  /* until the link is up */
#define SPIN_TIME    MILLISECONDS(30000) /* until the disk is ready */
#define ANSWER_TIME  MILLISECONDS(10000) /* until it has said who it is */
#define LOG_TIME     MILLISECONDS(1000)
#define STOP_TIME    MILLISECONDS(500)
#define RESET_TIME   MILLISECONDS(1) /* how long the link is held in reset, at least */
#define SAY_AGAIN    MILLISECONDS(1000)
#define MAX_TRIES    3U
#define MAX_FAILURES 40U /* more than a port has slots: each may be the one that fails */

static void set_state(struct ahci_port *port, enum ahci_port_state state, uint64_t now,
		      uint64_t time) {
	port->state = state;
	port->since = now;
	port->deadline = now + time;
	port->pause = PAUSE_FIRST;
	port->wake = now + PAUSE_FIRST;
}

static void look_again(struct ahci_port *port, uint64_t now) {
	port->pause = MIN(port->pause * 2, PAUSE_MAX);
	port->wake = now + port->pause;
}

void port_leave(struct ahci *ahci, struct ahci_port *port, const char *why) {
	if (port_exists(ahci, ahci_port_number(ahci, port))) {
		port_write(ahci, port, PORT_IE, 0);
		port_write(ahci, port, PORT_CMD, port_read(ahci, port, PORT_CMD) & ~CMD_START);
	}
	port->wake = 0;
	port->state = port->is_disk ? PORT_GONE : PORT_NONE;
	if (why) log_print("port %u is left out: %s", ahci_port_number(ahci, port), why);
	if (port->is_disk) request_fail(ahci, port, BLK_STATUS_GONE);
}

void port_bring_up(struct ahci *ahci, struct ahci_port *port, uint64_t now) {
	port_write(ahci, port, PORT_IE, 0);
	port_write(ahci, port, PORT_SCTL, SCTL_NO_SLEEP);
	port_write(ahci, port, PORT_CMD,
		   (port_read(ahci, port, PORT_CMD) & CMD_FIS) | CMD_SPIN_UP | CMD_POWER |
			   CMD_ICC_ACTIVE);
	set_state(port, PORT_LINK, now, LINK_TIME);
}

static void reset_link(struct ahci *ahci, struct ahci_port *port, uint64_t now) {
	port_write(ahci, port, PORT_SCTL, SCTL_NO_SLEEP | SCTL_RESET);
	set_state(port, PORT_COMRESET, now, RESET_TIME);
	port->wake = port->deadline;
}

/* No commands any more; STOP goes on when the adapter has noticed. */
static void stop(struct ahci *ahci, struct ahci_port *port, uint64_t now) {
	port_write(ahci, port, PORT_IE, 0);
	port_write(ahci, port, PORT_CMD, port_read(ahci, port, PORT_CMD) & ~CMD_START);
	set_state(port, PORT_STOP, now, STOP_TIME);
}

static void recover(struct ahci *ahci, struct ahci_port *port, const char *why, uint64_t now) {
	ahci->recoveries++;
	port->failures++;
	if (!port->said || now - port->said >= SAY_AGAIN) {
		port->said = now;
		log_print("port %u: %s; the link is reset (%u times so far)",
			  ahci_port_number(ahci, port), why, ahci->recoveries);
	}
	stop(ahci, port, now);
}

/* It does not come up: again, but not for ever. */
static void try_again(struct ahci *ahci, struct ahci_port *port, const char *why, uint64_t now) {
	if (++port->tries < MAX_TRIES) {
		stop(ahci, port, now);
		return;
	}
	port_leave(ahci, port, why);
}

static bool take_pages(struct ahci *ahci, struct ahci_port *port) {
	if (port->has_pages) return true;
	if (ahci->memory.pages - ahci->pages_used < AHCI_PORT_PAGES) return false;
	port->page = ahci->pages_used;
	ahci->pages_used += AHCI_PORT_PAGES;
	port->has_pages = true;
	return true;
}

static void work_link(struct ahci *ahci, struct ahci_port *port, uint64_t now) {
	uint32_t det = SSTS_DET(port_read(ahci, port, PORT_SSTS));
	uint64_t lists;

	if (det == DET_NONE && now - port->since >= (port->is_disk ? LINK_TIME : PRESENT_TIME)) {
		port_leave(ahci, port, port->is_disk ? "the disk was taken away" : NULL);
		return;
	}
	if (det != DET_UP) {
		if (now >= port->deadline)
			try_again(ahci, port, "something is there, but the link stays down", now);
		else
			look_again(port, now);
		return;
	}
	if (!take_pages(ahci, port)) {
		port_leave(ahci, port, "the driver has no pages for it");
		return;
	}
	memset(ahci_page(ahci, port->page + PAGE_LISTS), 0, PAGE_SIZE);
	lists = ahci->memory.address[port->page + PAGE_LISTS];
	port_write(ahci, port, PORT_CLB, (uint32_t)lists);
	port_write(ahci, port, PORT_CLB + 4, (uint32_t)(lists >> 32));
	port_write(ahci, port, PORT_FB, (uint32_t)(lists + FIS_OFFSET));
	port_write(ahci, port, PORT_FB + 4, (uint32_t)((lists + FIS_OFFSET) >> 32));
	port_write(ahci, port, PORT_SERR, UINT32_MAX);
	port_write(ahci, port, PORT_CMD, port_read(ahci, port, PORT_CMD) | CMD_FIS);
	set_state(port, PORT_SIGNATURE, now, SPIN_TIME);
}

/* Begins a command of the driver's own; the port is empty and stopped. */
static void run_own(struct ahci *ahci, struct ahci_port *port, uint8_t command, uint64_t lba) {
	command_of_drivers(ahci, port, command, lba);
	port_write(ahci, port, PORT_SERR, UINT32_MAX);
	port_write(ahci, port, PORT_IS, UINT32_MAX);
	port_write(ahci, port, PORT_IE, IS_ALL);
	port_write(ahci, port, PORT_CMD, port_read(ahci, port, PORT_CMD) | CMD_START);
	port_write(ahci, port, PORT_CI, 1U << SLOT_OF_DRIVERS);
}

static void work_signature(struct ahci *ahci, struct ahci_port *port, uint64_t now) {
	uint32_t tfd = port_read(ahci, port, PORT_TFD);
	uint32_t signature = port_read(ahci, port, PORT_SIG);

	if (tfd & (TFD_BUSY | TFD_DRQ) || signature == UINT32_MAX) {
		if (now >= port->deadline)
			try_again(ahci, port, "the disk does not become ready", now);
		else
			look_again(port, now);
		return;
	}
	if (signature != SIG_DISK) {
		port_leave(ahci, port,
			   signature == SIG_ATAPI        ? "an ATAPI device"
			   : signature == SIG_MULTIPLIER ? "a port multiplier"
							 : "something that is no disk");
		return;
	}
	run_own(ahci, port, ATA_IDENTIFY, 0);
	set_state(port, PORT_IDENTIFY, now, ANSWER_TIME);
}

enum own { OWN_RUNS, OWN_DONE, OWN_FAILED };

static enum own own_state(struct ahci *ahci, struct ahci_port *port, uint64_t now) {
	uint32_t is = port_read(ahci, port, PORT_IS);

	port_write(ahci, port, PORT_IS, is);
	if (is & (IS_TASK_FILE | IS_FATAL) || now >= port->deadline) return OWN_FAILED;
	if (port_read(ahci, port, PORT_CI) & 1U << SLOT_OF_DRIVERS) return OWN_RUNS;
	return port_read(ahci, port, PORT_TFD) & TFD_ERROR ? OWN_FAILED : OWN_DONE;
}

static bool same_disk(const struct ahci_identity *a, const struct ahci_identity *b) {
	return a->sectors == b->sectors && a->block == b->block && !strcmp(a->serial, b->serial);
}

static void work_identify(struct ahci *ahci, struct ahci_port *port, uint64_t now) {
	enum own state = own_state(ahci, port, now);
	struct ahci_identity identity;
	const char *why = "it does not say who it is";

	if (state == OWN_RUNS) {
		look_again(port, now);
		return;
	}
	if (state == OWN_FAILED ||
	    !identify_parse(ahci_page(ahci, port->page + PAGE_DATA), &identity, &why)) {
		try_again(ahci, port, why, now);
		return;
	}
	if (!(ahci->capabilities & CAP_NCQ)) identity.depth = 0;
	if (port->is_disk && !same_disk(&port->identity, &identity)) {
		port_leave(ahci, port, "it is another disk now");
		return;
	}
	port->identity = identity;
	port->limit = identity.depth ? MIN(identity.depth, CAP_SLOTS(ahci->capabilities)) : 1;
	port->is_disk = port->fresh = true;
	port->tries = 0;
	set_state(port, PORT_RUN, now, 0);
	port->wake = 0;
	request_again(ahci, port);
	if (port->failures > MAX_FAILURES) {
		port_leave(ahci, port, "nothing but errors");
		return;
	}
	request_pump(ahci, port, now);
	request_kick(ahci, port);
}

static void work_stop(struct ahci *ahci, struct ahci_port *port, uint64_t now) {
	uint32_t tfd;

	if (port_read(ahci, port, PORT_CMD) & CMD_RUNS) {
		if (now >= port->deadline)
			ahci_reset(ahci, "a port cannot be stopped", now);
		else
			look_again(port, now);
		return;
	}
	tfd = port_read(ahci, port, PORT_TFD);
	if (!port->want_log || tfd & (TFD_BUSY | TFD_DRQ)) {
		if (port->want_log) request_blame(ahci, port, port->issued, BLK_STATUS_IO, tfd);
		port->want_log = false;
		reset_link(ahci, port, now);
		return;
	}
	run_own(ahci, port, ATA_READ_LOG, LOG_NCQ_ERROR);
	set_state(port, PORT_LOG, now, LOG_TIME);
}

/* The disk's word for which command it was counts if it is one that could have been. */
static void work_log(struct ahci *ahci, struct ahci_port *port, uint64_t now) {
	const volatile uint8_t *log = ahci_page(ahci, port->page + PAGE_DATA);
	enum own state = own_state(ahci, port, now);
	uint32_t slots = port->issued;

	if (state == OWN_RUNS) {
		look_again(port, now);
		return;
	}
	if (state == OWN_DONE) {
		uint8_t first = log[0];

		if (!(first & LOG_NOT_QUEUED) && port->issued & 1U << (first & 0x1f))
			slots = 1U << (first & 0x1f);
	}
	request_blame(ahci, port, slots, BLK_STATUS_IO, log[2] | (uint32_t)log[3] << 8);
	port->want_log = false;
	stop(ahci, port, now);
}

static void work_run(struct ahci *ahci, struct ahci_port *port, uint64_t now) {
	uint32_t is = port_read(ahci, port, PORT_IS), overdue, slots;

	port_write(ahci, port, PORT_IS, is);
	if (port->issued) {
		slots = port_read(ahci, port, port->queued ? PORT_SACT : PORT_CI) | port->unsent;
		/* A failed command's bit goes out as a good one's does in some adapters. */
		if (port->queued || !(is & (IS_TASK_FILE | IS_FATAL)))
			request_done(ahci, port, ~slots);
	}
	if (is & (IS_TASK_FILE | IS_FATAL)) {
		port->want_log = port->issued & (port->issued - 1); /* more than one */
		if (!port->want_log)
			request_blame(ahci, port, port->issued, BLK_STATUS_IO,
				      port_read(ahci, port, PORT_TFD));
		recover(ahci, port, is & IS_TASK_FILE ? "a command failed" : "a fatal error", now);
		return;
	}
	if (is & IS_LINK) {
		recover(ahci, port, "the link went down or up", now);
		return;
	}
	if (request_overdue(port, now, &overdue)) {
		ahci->timeouts++;
		request_blame(ahci, port, overdue, BLK_STATUS_TIMEOUT, 0);
		recover(ahci, port, "a command takes too long", now);
		return;
	}
	request_pump(ahci, port, now);
	request_kick(ahci, port);
	if (port->wake && port->wake <= now) port->wake = port->issued ? now + AHCI_TICK : 0;
}

void port_work(struct ahci *ahci, struct ahci_port *port, uint64_t now) {
	switch (port->state) {
	case PORT_NONE:
	case PORT_GONE: port->wake = 0; break;
	case PORT_LINK: work_link(ahci, port, now); break;
	case PORT_SIGNATURE: work_signature(ahci, port, now); break;
	case PORT_IDENTIFY: work_identify(ahci, port, now); break;
	case PORT_RUN: work_run(ahci, port, now); break;
	case PORT_STOP: work_stop(ahci, port, now); break;
	case PORT_LOG: work_log(ahci, port, now); break;
	case PORT_COMRESET:
		if (now >= port->deadline) port_bring_up(ahci, port, now);
		break;
	}
}
