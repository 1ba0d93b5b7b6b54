/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Transmit: the device interrupts when its FIFO is empty, then up to 16 bytes go
 * in, and as many again while it is empty at once. The interrupt is enabled only while there is
 * something to send; enabling it makes an idle device interrupt at once, so nothing is ever
 * polled. A byte leaves the ring after the device has taken it: a driver that dies between the
 * two sends one byte twice rather than losing it.
 *
 * Receive: bytes go to the ring; when it is full, the receive interrupt is
 * turned off and the device keeps what it has until the server has made room.
 *
 * A device that says nonsense costs bounded work: at most MAX_WORK bytes are
 * taken per call, and interrupts without cause are counted until the line is
 * left masked for a while.
 */
#include "uart.h"

#define REG_DATA    0U /* RBR, THR; divisor low while DLAB */
#define REG_IER     1U /* divisor high while DLAB */
#define REG_IIR_FCR 2U
#define REG_LCR     3U
#define REG_MCR     4U
#define REG_LSR     5U
#define REG_MSR     6U
#define REG_SCRATCH 7U

#define IER_RX   0x01U
#define IER_TX   0x02U
#define IER_LINE 0x04U

#define IIR_FIFOS 0xc0U /* both bits: the FIFOs work */

#define FCR_ENABLE    0x01U
#define FCR_TRIGGER_8 0x80U

#define LCR_8N1  0x03U
#define LCR_DLAB 0x80U

#define MCR_DTR  0x01U
#define MCR_RTS  0x02U
#define MCR_OUT2 0x08U /* connects the interrupt on PCs */

#define LSR_DATA     0x01U
#define LSR_OVERRUN  0x02U
#define LSR_TX_EMPTY 0x20U /* the transmit FIFO is empty */
#define LSR_ABSENT   0xffU

#define CLOCK     115200U
#define FIFO_SIZE 16U
#define MAX_WORK  64U
#define MAX_IDLE  1000U /* interrupts in a row without cause */

static uint8_t in(const struct uart *uart, unsigned reg) {
	return uart->io.in(uart->io.device, reg);
}

static void out(const struct uart *uart, unsigned reg, uint8_t value) {
	uart->io.out(uart->io.device, reg, value);
}

static void enable(struct uart *uart, uint8_t ier) {
	if (ier != uart->ier) out(uart, REG_IER, ier);
	uart->ier = ier;
}

static bool is_present(const struct uart *uart) {
	static const uint8_t patterns[] = {0x5a, 0xa5};

	for (size_t i = 0; i < sizeof(patterns); i++) {
		out(uart, REG_SCRATCH, patterns[i]);
		if (in(uart, REG_SCRATCH) != patterns[i]) return false;
	}
	return in(uart, REG_LSR) != LSR_ABSENT;
}

/* Writes the divisor only if it is another one: the line may be sending. */
static void set_rate(const struct uart *uart, uint16_t divisor) {
	uint16_t now;

	out(uart, REG_LCR, LCR_8N1 | LCR_DLAB);
	now = (uint16_t)(in(uart, REG_DATA) | in(uart, REG_IER) << 8);
	if (now != divisor) {
		out(uart, REG_DATA, (uint8_t)divisor);
		out(uart, REG_IER, (uint8_t)(divisor >> 8));
	}
	out(uart, REG_LCR, LCR_8N1);
}

const char *uart_start(struct uart *uart, uint32_t baud) {
	if (!baud || baud > CLOCK || CLOCK % baud) return "this rate cannot be made from 115200 Hz";
	if (!is_present(uart)) return "there is no 16550 at these ports";
	out(uart, REG_IER, 0);
	set_rate(uart, (uint16_t)(CLOCK / baud));
	/* Enabling FIFOs that are enabled keeps their contents; the clear bits are never set. */
	out(uart, REG_IIR_FCR, FCR_ENABLE | FCR_TRIGGER_8);
	uart->fifo = (in(uart, REG_IIR_FCR) & IIR_FIFOS) == IIR_FIFOS ? FIFO_SIZE : 1;
	out(uart, REG_MCR, MCR_DTR | MCR_RTS | MCR_OUT2);
	uart->ier = 0;
	enable(uart, IER_RX | IER_LINE);
	return NULL;
}

/* How many bytes were taken from the device. */
static uint32_t receive(struct uart *uart, uint8_t *status) {
	uint32_t count = 0;

	for (; count < MAX_WORK; count++) {
		uint8_t byte;

		*status = in(uart, REG_LSR);
		if (*status == LSR_ABSENT || !(*status & LSR_DATA)) break;
		if (*status & LSR_OVERRUN) uart->overruns++;
		if (!ring_space(&uart->rx) && !ring_want_space(&uart->rx, 1)) {
			enable(uart, uart->ier & (uint8_t) ~(IER_RX | IER_LINE));
			return count;
		}
		byte = in(uart, REG_DATA);
		ring_put(&uart->rx, &byte, 1);
	}
	enable(uart, uart->ier | IER_RX | IER_LINE);
	uart->received += count;
	return count;
}

/*
 * How many bytes the device took. An emulated one's FIFO is empty again at once, and takes more
 * without another interrupt.
 */
static uint32_t transmit(struct uart *uart, bool *notify) {
	uint32_t count = 0;
	uint8_t byte;

	for (; count < MAX_WORK && ring_available(&uart->tx); count++) {
		if (count && count % uart->fifo == 0 && !(in(uart, REG_LSR) & LSR_TX_EMPTY)) break;
		ring_get(&uart->tx, &byte, 1);
		out(uart, REG_DATA, byte);
		*notify |= ring_release(&uart->tx);
	}
	uart->sent += count;
	return count;
}

unsigned uart_work(struct uart *uart, bool interrupt) {
	bool notify = false;
	uint32_t moved, received;
	uint8_t status;

	/* Reading IIR takes back the interrupt for an empty transmitter. */
	if (interrupt) in(uart, REG_IIR_FCR);
	moved = received = receive(uart, &status);
	notify |= ring_publish(&uart->rx);
	if (status != LSR_ABSENT && status & LSR_TX_EMPTY) moved += transmit(uart, &notify);

	if (ring_available(&uart->tx) || ring_want_data(&uart->tx))
		enable(uart, uart->ier | IER_TX);
	else
		enable(uart, uart->ier & (uint8_t)~IER_TX);

	uart->idle_interrupts = moved || !interrupt ? 0 : uart->idle_interrupts + 1;
	return (notify ? UART_NOTIFY : 0) | (received >= MAX_WORK ? UART_AGAIN : 0) |
	       (uart->idle_interrupts >= MAX_IDLE ? UART_STUCK : 0);
}
