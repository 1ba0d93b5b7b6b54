/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The UART driver against a model of the device: bytes arrive in order in both
 * directions, a restart loses none, nothing is asked of the device without an
 * interrupt or an event, and devices that lie cost bounded work.
 */
#include "native.h"

#include "drivers/uart16550/uart.h"
#include "proto/serial.h"

#define FIFO 16U

/* The model. */
static struct {
	uint8_t ier, lcr, mcr, fcr, scratch;
	uint16_t divisor;
	uint8_t tx[FIFO], rx[FIFO];
	uint32_t tx_count, rx_count;
	bool emulated; /* what is written is sent at once */
	bool drained;  /* the transmitter-empty interrupt is pending */
	uint32_t accesses, cleared;
	enum { HONEST, ABSENT, ALWAYS_DATA, NEVER_EMPTY, SILENT } lie;
} dev;

static uint8_t sent[200000];
static uint32_t sent_count;

/* The line takes what is in the FIFO. */
static void dev_transmit(void) {
	memcpy(sent + sent_count, dev.tx, dev.tx_count);
	sent_count += dev.tx_count;
	if (dev.tx_count) dev.drained = true;
	dev.tx_count = 0;
}

static uint8_t dev_lsr(void) {
	if (dev.lie == ALWAYS_DATA) return 0x61;
	if (dev.lie == NEVER_EMPTY) return 0;
	return (uint8_t)((dev.rx_count ? 1 : 0) | (dev.tx_count ? 0 : 0x60));
}

static uint8_t dev_in(void *device, unsigned reg) {
	uint8_t value;

	CHECK(!device && reg < 8);
	dev.accesses++;
	if (dev.lie == ABSENT) return 0xff;
	if (dev.lcr & 0x80 && reg < 2) return (uint8_t)(dev.divisor >> 8 * reg);
	switch (reg) {
	case 0:
		value = dev.rx[0];
		if (dev.rx_count) memmove(dev.rx, dev.rx + 1, --dev.rx_count);
		return value;
	case 1: return dev.ier;
	case 2:
		value = dev.drained && dev.ier & 2 ? 0xc2 : 0xc1;
		dev.drained = false;
		return value;
	case 3: return dev.lcr;
	case 5: return dev_lsr();
	case 7: return dev.scratch;
	default: return 0;
	}
}

static void dev_out(void *device, unsigned reg, uint8_t value) {
	CHECK(!device && reg < 8);
	dev.accesses++;
	if (dev.lcr & 0x80 && reg < 2) {
		dev.divisor = reg ? (uint16_t)((dev.divisor & 0xff) | value << 8)
				  : (uint16_t)((dev.divisor & 0xff00) | value);
		/* A new rate in the middle of a byte spoils it. */
		CHECK(!dev.tx_count);
		return;
	}
	switch (reg) {
	case 0:
		CHECK(dev.lie || dev.tx_count < FIFO);
		if (dev.tx_count < FIFO) dev.tx[dev.tx_count++] = value;
		dev.drained = false;
		if (dev.emulated) dev_transmit();
		break;
	case 1:
		if (value & 2 && !(dev.ier & 2) && !dev.tx_count) dev.drained = true;
		dev.ier = value;
		break;
	case 2:
		dev.cleared += (value & 6) != 0;
		dev.fcr = value;
		break;
	case 3: dev.lcr = value; break;
	case 4: dev.mcr = value; break;
	case 7: dev.scratch = value; break;
	default: break;
	}
}

static bool dev_interrupts(void) {
	return (dev.ier & 1 && dev.rx_count) || (dev.ier & 2 && dev.drained);
}

static struct serial_page page;
static struct uart uart;
static struct ring tx, rx; /* the console server's ends */

static const char *start_driver(void) {
	memset(&uart, 0, sizeof(uart));
	ring_attach_consumer(&uart.tx, &page.tx, page.tx_data, SERIAL_TX_SIZE, 1);
	ring_attach_producer(&uart.rx, &page.rx, page.rx_data, SERIAL_RX_SIZE, 1);
	uart.io = (struct uart_io){.in = dev_in, .out = dev_out};
	return uart_start(&uart, 115200);
}

static void start_all(void) {
	memset(&page, 0, sizeof(page));
	memset(&dev, 0, sizeof(dev));
	sent_count = 0;
	CHECK(!start_driver());
	ring_attach_producer(&tx, &page.tx, page.tx_data, SERIAL_TX_SIZE, 1);
	ring_attach_consumer(&rx, &page.rx, page.rx_data, SERIAL_RX_SIZE, 1);
	uart_work(&uart, false);
}

static void test_start(void) {
	start_all();
	CHECK(dev.lcr == 3 && dev.divisor == 1 && dev.fcr & 1 && dev.mcr & 8);
	CHECK(!dev.cleared && uart.fifo == 1 + 15);
	CHECK(uart_start(&uart, 0) && uart_start(&uart, 7777));
	dev.lie = ABSENT;
	CHECK(strstr(start_driver(), "no 16550"));
}

/* Interrupts and events only: everything is sent, and an idle driver is left alone. */
static void test_transmit(void) {
	uint8_t byte = 0;
	uint32_t total = 0;

	start_all();
	while (total < 100000) {
		while (total < 100000 && noise() % 64 && ring_put(&tx, &byte, 1)) {
			byte++;
			total++;
		}
		if (ring_publish(&tx)) uart_work(&uart, false);
		while (dev_interrupts() && noise() % 8) {
			uart_work(&uart, true);
			if (noise() % 2) dev_transmit();
		}
		dev_transmit();
	}
	for (unsigned i = 0; dev_interrupts() && i < 10000; i++) {
		uart_work(&uart, true);
		dev_transmit();
	}
	CHECK(sent_count == total && !dev_interrupts() && !(dev.ier & 2));
	for (uint32_t i = 0; i < total; i++) CHECK(sent[i] == (uint8_t)i);
}

/* Few interrupts where the line is never busy; nothing is lost, each call does bounded work. */
static void test_emulated(void) {
	uint32_t total = 0, calls = 0, before;

	start_all();
	dev.emulated = true;
	for (uint8_t byte = 0; total < SERIAL_TX_SIZE && ring_put(&tx, &byte, 1); byte++) total++;
	CHECK(ring_publish(&tx));
	uart_work(&uart, false);
	for (; dev_interrupts() && calls < 10000; calls++) {
		before = sent_count;
		uart_work(&uart, true);
		CHECK(sent_count - before <= 64);
	}
	CHECK(sent_count == total && calls <= total / 64 && !(dev.ier & 2));
	for (uint32_t i = 0; i < total; i++) CHECK(sent[i] == (uint8_t)i);
}

static void test_receive(void) {
	uint8_t in = 0, out = 0, byte;
	unsigned notified = 0;

	start_all();
	for (unsigned i = 0; i < 100000; i++) {
		if (dev.rx_count < FIFO) dev.rx[dev.rx_count++] = in++;
		if (dev_interrupts() && noise() % 4)
			notified += uart_work(&uart, true) & UART_NOTIFY;
		/* A slow reader: the ring fills up, the device keeps its bytes. */
		if (noise() % 16 == 0) {
			for (unsigned n = 0; n < 14 && ring_get(&rx, &byte, 1); n++)
				CHECK(byte == out++);
			ring_want_data(&rx);
			if (ring_release(&rx)) uart_work(&uart, false);
		}
	}
	CHECK(notified);
}

/* The driver dies at any moment between two calls: its successor goes on. */
static void test_restart(void) {
	uint8_t byte = 0;
	uint32_t total = 0;

	start_all();
	while (total < 50000) {
		for (unsigned n = noise() % 40; n && ring_put(&tx, &byte, 1); n--) {
			byte++;
			total++;
		}
		ring_publish(&tx);
		uart_work(&uart, false);
		if (noise() % 8 == 0) {
			CHECK(!start_driver());
			uart_work(&uart, false);
		}
		if (noise() % 2) dev_transmit();
		if (dev_interrupts()) uart_work(&uart, true);
	}
	for (unsigned i = 0; i < 1000; i++) {
		dev_transmit();
		uart_work(&uart, true);
	}
	CHECK(sent_count == total && !dev.cleared);
	for (uint32_t i = 0; i < total; i++) CHECK(sent[i] == (uint8_t)i);
}

static void test_lies(void) {
	uint32_t before;
	unsigned wants = 0;

	/* Data without end: a bounded number per call, and no more than the ring takes. */
	start_all();
	dev.lie = ALWAYS_DATA;
	before = dev.accesses;
	wants = uart_work(&uart, true);
	CHECK(wants & UART_AGAIN && dev.accesses - before < 400);
	for (unsigned i = 0; i < 100; i++) uart_work(&uart, true);
	CHECK(ring_available(&rx) == SERIAL_RX_SIZE && !(dev.ier & 1));

	/* A transmitter that is never empty: the bytes stay in the ring. */
	start_all();
	dev.lie = NEVER_EMPTY;
	ring_put(&tx, "abc", 3);
	ring_publish(&tx);
	for (unsigned i = 0; i < 2000; i++) wants = uart_work(&uart, true);
	CHECK(wants & UART_STUCK && ring_unread(&tx) == 3);

	/* A device that has gone away. */
	start_all();
	dev.lie = ABSENT;
	wants = uart_work(&uart, true);
	CHECK(!(wants & UART_AGAIN) && !ring_available(&rx));
}

int main(void) {
	static const struct test tests[] = {
		{"finding and setting up the device", test_start},
		{"transmit, by interrupts alone", test_transmit},
		{"transmit, to a line that is never busy", test_emulated},
		{"receive, with a slow reader", test_receive},
		{"a restart in the middle", test_restart},
		{"devices that lie", test_lies},
	};

	return RUN("uart", tests);
}
