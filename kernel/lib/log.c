/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The log ring. `written` is the position of the next byte; byte n lies at
 * n % LOG_SIZE. Whoever writes owns log_lock, which nests inside every other
 * lock; the reader's interrupt is sent after it is dropped.
 */
#include "lib/log.h"
#include "lib/string.h"
#include "cpu/asm.h"
#include "event/channel.h"

#define COM1 0x3f8
#define COM2 0x2f8

#define UART_STATUS 5
#define UART_EMPTY  0x20

/* A port that never gets ready (there is none) must not stop the boot. */
#define UART_PATIENCE 1000000

static struct lock log_lock;
static char ring[LOG_SIZE] GUARDED_BY(log_lock);
static u64 written GUARDED_BY(log_lock);
static struct vcpu *reader;
static u16 serial_port;

static bool has_word(const char *line, const char *word) {
	size_t length = strlen(word);

	for (; strlen(line) >= length; line++)
		if (memcmp(line, word, length) == 0) return true;
	return false;
}

void log_init(const char *command_line) {
	/* No interrupts; 115200 baud, 8 bits, no parity, 1 stop bit; FIFO on; DTR, RTS. */
	static const u8 setup[][2] = {{1, 0}, {3, 0x80}, {0, 1}, {1, 0}, {3, 3}, {2, 7}, {4, 3}};

	serial_port = has_word(command_line, "log=com2")   ? COM2
		      : has_word(command_line, "log=none") ? 0
							   : COM1;
	for (size_t i = 0; serial_port && i < ARRAY_SIZE(setup); i++)
		out8(serial_port + setup[i][0], setup[i][1]);
}

static void serial_put(char c) {
	unsigned patience = UART_PATIENCE;

	while (!(in8(serial_port + UART_STATUS) & UART_EMPTY))
		if (!--patience) {
			serial_port = 0;
			return;
		}
	out8(serial_port, (u8)c);
}

static void serial_write(const char *text, size_t size) {
	for (; size && serial_port; size--, text++) {
		if (*text == '\n') serial_put('\r');
		serial_put(*text);
	}
}

void log_write(const char *text, size_t size) {
	struct vcpu *to = reader;

	lock_take(&log_lock);
	for (size_t i = 0; i < size; i++) ring[written++ % LOG_SIZE] = text[i];
	if (!to) serial_write(text, size);
	lock_drop(&log_lock);
	if (to) virq_send(to, VIRQ_CON_RING);
}

size_t log_read(char *to, size_t size, u64 *position) {
	lock_take(&log_lock);
	u64 oldest = written > LOG_SIZE ? written - LOG_SIZE : 0;
	if (*position < oldest || *position > written) *position = oldest;
	size_t n = MIN(size, written - *position);
	for (size_t i = 0; i < n; i++) to[i] = ring[(*position)++ % LOG_SIZE];
	lock_drop(&log_lock);
	return n;
}

bool log_set_reader(struct vcpu *v) {
	if (v && reader) return false;
	reader = v;
	return true;
}

void log_panic(void) {
	reader = NULL;
	log_lock.held = 0; /* whoever held it will not go on */
}
