/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The adapter as a whole: taking it over from the firmware, its reset, and which
 * port an interrupt or the time is for. It may be in any state at start; the reset
 * ends all DMA (AHCI 10.4.3). An adapter that does not even finish its reset may
 * still write into pages that the server will use for something else; only the bus
 * domain can stop it, so then the driver ends (ahci->running).
 */
#include "ahci.h"

#include "libs/log/log.h"
#include "libs/rt/time.h"

#define PAUSE_FIRST  20000U /* ns */
#define PAUSE_MAX    MILLISECONDS(10)
#define HANDOFF_TIME MILLISECONDS(2000)
#define RESET_TIME   MILLISECONDS(1000)
#define MAX_RESETS   4U

static void set_state(struct ahci *ahci, enum ahci_state state, uint64_t deadline) {
	ahci->state = state;
	ahci->deadline = deadline;
	ahci->pause = PAUSE_FIRST;
}

static void look_again(struct ahci *ahci, uint64_t now) {
	ahci->look = now + ahci->pause;
	ahci->pause = MIN(ahci->pause * 2, PAUSE_MAX);
}

static void die(struct ahci *ahci, const char *why) {
	ahci->state = AHCI_DEAD;
	ahci->why = why;
	ahci->look = 0;
	for (uint32_t i = 0; i < AHCI_PORTS; i++) ahci->port[i].wake = 0;
	/* While it may still do DMA nobody is told that a request is over. */
	if (!ahci->running) request_fail(ahci, NULL, BLK_STATUS_GONE);
}

static void begin_reset(struct ahci *ahci, uint64_t now) {
	ahci_write(ahci, REG_GHC, GHC_AHCI);
	ahci_write(ahci, REG_GHC, GHC_AHCI | GHC_RESET);
	for (uint32_t i = 0; i < AHCI_PORTS; i++) {
		struct ahci_port *port = &ahci->port[i];

		port->wake = 0;
		port->want_log = false;
		if (port->state != PORT_NONE && port->state != PORT_GONE) port->state = PORT_STOP;
	}
	set_state(ahci, AHCI_RESET, now + RESET_TIME);
	look_again(ahci, now);
}

/* Ports that were there before are there again; GONE stays so. */
static void after_reset(struct ahci *ahci, uint64_t now) {
	if (ahci->why) {
		die(ahci, ahci->why);
		return;
	}
	ahci->capabilities = ahci_read(ahci, REG_CAP);
	ahci->implemented = ahci_read(ahci, REG_PI) & ahci->use;
	for (uint32_t i = 0; !(ahci->capabilities & CAP_64) && i < ahci->memory.pages; i++) {
		if (!(ahci->memory.address[i] >> 32)) continue;
		die(ahci, "it has 32 bits of address, and the driver's pages lie beyond");
		return;
	}
	set_state(ahci, AHCI_RUN, 0);
	ahci->look = 0;
	ahci_write(ahci, REG_IS, UINT32_MAX);
	ahci_write(ahci, REG_GHC, GHC_AHCI | GHC_INTERRUPTS);
	for (uint32_t i = 0; i < AHCI_PORTS; i++) {
		struct ahci_port *port = &ahci->port[i];

		if (port->state == PORT_GONE || (ahci->known && !port->is_disk)) continue;
		if (port_exists(ahci, i))
			port_bring_up(ahci, port, now);
		else
			port_leave(ahci, port, NULL);
		port_work(ahci, port, now);
	}
}

/*
 * The disks are numbered once, when no port is on its way any more. A successor
 * that has found as many as its predecessor had need not wait for empty ports.
 */
static void number_disks(struct ahci *ahci) {
	bool settled = true;
	uint32_t found = 0;

	if (ahci->known || ahci->state != AHCI_RUN) return;
	for (uint32_t i = 0; i < AHCI_PORTS; i++) {
		settled &= port_settled(&ahci->port[i]);
		found += ahci->port[i].state == PORT_RUN;
	}
	if (!settled && (!ahci->expected || found < ahci->expected)) return;
	ahci->known = true;
	for (uint8_t i = 0; i < AHCI_PORTS && ahci->disk_count < BLK_MAX_DISKS; i++)
		if (ahci->port[i].state == PORT_RUN) ahci->disk_port[ahci->disk_count++] = i;
}

static void work_adapter(struct ahci *ahci, uint64_t now) {
	uint32_t ghc = ahci_read(ahci, REG_GHC);

	if (ghc == REG_ABSENT) {
		die(ahci, "it is not there any more");
		return;
	}
	if (ahci->state == AHCI_HANDOFF) {
		uint32_t owner = ahci_read(ahci, REG_BOHC);

		/* A firmware that does not let go in time is not asked again. */
		if (!(owner & BOHC_BIOS) || now >= ahci->deadline)
			begin_reset(ahci, now);
		else
			look_again(ahci, now);
		return;
	}
	if (!(ghc & GHC_RESET)) {
		after_reset(ahci, now);
	} else if (now < ahci->deadline) {
		look_again(ahci, now);
	} else {
		ahci->running = true;
		die(ahci, "it does not finish its reset");
	}
}

static void earliest(uint64_t *wake, uint64_t other) {
	if (other && (!*wake || other < *wake)) *wake = other;
}

/* After anything was done: what there is to know, and when to look again. */
static void settle(struct ahci *ahci) {
	number_disks(ahci);
	ahci->wake = ahci->look;
	for (uint32_t left = ahci->implemented; left; left &= left - 1)
		earliest(&ahci->wake, ahci->port[__builtin_ctz(left)].wake);
}

void ahci_reset(struct ahci *ahci, const char *why, uint64_t now) {
	if (ahci->state == AHCI_DEAD) return;
	log_print("the adapter is reset: %s", why);
	if (ahci->resets++ == MAX_RESETS) ahci->why = "it does not recover";
	begin_reset(ahci, now);
	settle(ahci);
}

void ahci_interrupt(struct ahci *ahci, uint64_t now) {
	uint32_t is;

	if (ahci->state != AHCI_RUN) return;
	is = ahci_read(ahci, REG_IS);
	if (is == REG_ABSENT && ahci_read(ahci, REG_GHC) == REG_ABSENT) {
		die(ahci, "it is not there any more");
		settle(ahci);
		return;
	}
	for (uint32_t left = is; left && ahci->state == AHCI_RUN; left &= left - 1) {
		struct ahci_port *port = &ahci->port[__builtin_ctz(left)];

		if (!port_settled(port) || port->state == PORT_RUN) port_work(ahci, port, now);
	}
	ahci_write(ahci, REG_IS, is);
	settle(ahci);
}

void ahci_timer(struct ahci *ahci, uint64_t now) {
	if (ahci->state == AHCI_RUN && ahci_read(ahci, REG_GHC) == REG_ABSENT)
		die(ahci, "it is not there any more");
	if (ahci->state == AHCI_HANDOFF || ahci->state == AHCI_RESET) work_adapter(ahci, now);
	for (uint32_t i = 0; i < AHCI_PORTS && ahci->state == AHCI_RUN; i++) {
		struct ahci_port *port = &ahci->port[i];

		if (port->wake && port->wake <= now) port_work(ahci, port, now);
	}
	settle(ahci);
}

void ahci_start(struct ahci *ahci, uint64_t now) {
	for (uint32_t i = 0; i < AHCI_PORTS; i++)
		ahci->port[i].first = ahci->port[i].last = BLK_TAGS;
	if (ahci->registers < PORT(1) || ahci_read(ahci, REG_CAP) == REG_ABSENT) {
		die(ahci, "nothing answers in its registers");
		return;
	}
	/* AHCI mode, and no interrupts until it has been reset. */
	ahci_write(ahci, REG_GHC, GHC_AHCI);
	if (ahci_read(ahci, REG_CAP2) & CAP2_HANDOFF && ahci_read(ahci, REG_BOHC) & BOHC_BIOS) {
		ahci_write(ahci, REG_BOHC, ahci_read(ahci, REG_BOHC) | BOHC_OS);
		set_state(ahci, AHCI_HANDOFF, now + HANDOFF_TIME);
		look_again(ahci, now);
	} else {
		begin_reset(ahci, now);
		work_adapter(ahci, now);
	}
	settle(ahci);
}
