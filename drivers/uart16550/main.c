/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The domain around the UART: capabilities, the serial connection, the
 * interrupt. It keeps no state that a successor needs: unsent bytes lie in the
 * ring, which is root's memory.
 *
 * Argument: baud=RATE (default 115200).
 */
#include "libs/cap/cap.h"
#include "libs/control/control.h"
#include "libs/event/event.h"
#include "libs/grant/grant.h"
#include "libs/log/log.h"
#include "libs/rt/package.h"
#include "libs/rt/time.h"
#include "proto/serial.h"
#include "proto/system.h"
#include "uart.h"

PACKAGE_SERVER(SYSTEM_CONN_SERIAL, 1, 1);
PACKAGE_CAPABILITY(CAP_IOPORTS);
PACKAGE_CAPABILITY(CAP_IRQ);

#define DEFAULT_BAUD 115200U
#define STUCK_DELAY  MILLISECONDS(100)

static struct uart uart;
static uint16_t port_base;
static uint32_t irq, irq_slot, server_port, irq_port;
static struct event_timer unmask_timer;

static uint8_t port_in(void *device, unsigned reg) {
	uint8_t value;

	(void)device;
	__asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"((uint16_t)(port_base + reg)));
	return value;
}

static void port_out(void *device, unsigned reg, uint8_t value) {
	(void)device;
	__asm__ volatile("outb %0, %1" : : "a"(value), "Nd"((uint16_t)(port_base + reg)));
}

static void acknowledge(void *context) {
	int error = cap_irq_ack(irq_slot, irq);

	(void)context;
	if (error) rt_panic("its interrupt cannot be acknowledged (%d)", error);
}

static void work(bool interrupt) {
	unsigned wants = uart_work(&uart, interrupt);

	if (uart.tx.broken || uart.rx.broken)
		rt_panic("the console server's ring indices are impossible");
	if (wants & UART_NOTIFY) event_send(server_port);
	if (wants & UART_AGAIN) event_again(server_port);
	if (!interrupt) return;
	if (wants & UART_STUCK) {
		log_print("interrupt %u comes for nothing; masked for 100 ms", irq);
		uart.idle_interrupts = 0;
		event_timer_arm(&unmask_timer, time_now() + STUCK_DELAY);
	} else {
		acknowledge(NULL);
	}
}

static void on_interrupt(void *context) {
	(void)context;
	work(true);
}

static void on_server(void *context) {
	(void)context;
	work(false);
}

static void attach(const struct native_connection *connection) {
	static struct grant_mapping mapping;
	struct serial_page *page;
	int error = grant_map(&mapping, connection->ring_domid, connection->ring_ref, 1);

	if (error) rt_panic("the serial ring cannot be mapped (%d)", error);
	page = mapping.at;
	ring_attach_consumer(&uart.tx, &page->tx, page->tx_data, SERIAL_TX_SIZE, 1);
	ring_attach_producer(&uart.rx, &page->rx, page->rx_data, SERIAL_RX_SIZE, 1);
	server_port = connection->port;
	event_handle(server_port, on_server, NULL);
}

/* The first capability of a type, with its range. */
static const struct native_cap *find_capability(uint32_t type) {
	for (uint32_t i = 0; i < rt_start_page->cap_count; i++)
		if (rt_start_page->caps[i].type == type) return &rt_start_page->caps[i];
	rt_panic("it lacks a capability of type %u", type);
}

static void take_device(void) {
	const struct native_cap *ports = find_capability(CAP_IOPORTS);
	const struct native_cap *interrupt = find_capability(CAP_IRQ);
	int result;

	if (ports->count < 8) rt_panic("a 16550 has 8 ports, not %u", ports->count);
	port_base = (uint16_t)ports->first_low;
	result = cap_ioports_enable(ports->slot);
	if (result) rt_panic("ports 0x%x.. cannot be used (%d)", port_base, result);

	irq = interrupt->first_low;
	irq_slot = interrupt->slot;
	result = cap_irq_bind(irq_slot, irq, 0, irq < 16 ? IRQ_ISA : IRQ_LEVEL | IRQ_LOW);
	if (result <= 0) rt_panic("interrupt %u cannot be bound (%d)", irq, result);
	irq_port = (uint32_t)result;
	event_handle(irq_port, on_interrupt, NULL);
}

void native_main(void) {
	const struct native_connection *connection = rt_connection(SYSTEM_CONN_SERIAL, 0);
	uint64_t baud = DEFAULT_BAUD;
	const char *why;
	char text[16];

	if (rt_argument("baud", text, sizeof(text)) && !rt_number(text, &baud))
		rt_panic("baud=%s is not a number", text);
	if (!connection) rt_panic("nobody uses this serial line: it has no connection");
	control_init(NULL, NULL);
	attach(connection);
	take_device();
	uart.io = (struct uart_io){.in = port_in, .out = port_out};
	unmask_timer.handler = acknowledge;
	why = uart_start(&uart, (uint32_t)MIN(baud, UINT32_MAX));
	if (why) rt_panic("ports 0x%x..: %s", port_base, why);
	work(false);
	/* The line may have been pending, and masked, since a predecessor died. */
	acknowledge(NULL);
	event_loop();
}
