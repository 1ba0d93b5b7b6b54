/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The 16550 as a state machine over eight registers, apart from how the
 * registers are reached and from where interrupts come, so that the host's tests
 * run it against devices that lie.
 */
#ifndef DRIVERS_UART16550_UART_H
#define DRIVERS_UART16550_UART_H

#include "libs/ring/ring.h"
#include "libs/rt/rt.h"

/* How registers 0..7 are reached. */
struct uart_io {
	uint8_t (*in)(void *device, unsigned reg);
	void (*out)(void *device, unsigned reg, uint8_t value);
	void *device;
};

struct uart {
	struct uart_io io;
	struct ring tx, rx; /* consumer of tx, producer of rx */
	uint8_t ier;        /* interrupts that are enabled now */
	uint32_t fifo;      /* bytes that may be written when the transmitter is empty */
	uint64_t sent, received;
	uint32_t overruns;        /* reported by the device */
	uint32_t idle_interrupts; /* in a row: nothing was to do */
};

/* What uart_work() wants of its caller. */
#define UART_NOTIFY (1U << 0) /* send the event channel to the server */
#define UART_AGAIN  (1U << 1) /* there is more to do: call again soon */
#define UART_STUCK  (1U << 2) /* the device interrupts for nothing: keep the line masked a while */

/*
 * Looks whether there is a UART and sets it up for 8N1 at this rate. What a
 * predecessor left in its FIFOs stays. NULL, or what is wrong.
 */
const char *uart_start(struct uart *uart, uint32_t baud);
/* After an interrupt or an event of the server: moves what can be moved. */
unsigned uart_work(struct uart *uart, bool interrupt);

#endif
