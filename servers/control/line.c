/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A line. Bytes leave its ring only when there is no request under way, so whoever asks
 * faster than is answered is held up by the line itself, and nothing is lost or grows.
 */
#include "control.h"

#include "libs/event/event.h"
#include "libs/grant/grant.h"

#define STEPS 64U /* pieces of input in one go */

struct line lines[LINES];

static char message[FRAME_PAYLOAD];
static struct json_writer writer;

void line_open(uint32_t number, const struct native_connection *connection) {
	static struct grant_mapping mappings[LINES];
	struct line *line = &lines[number];
	struct serial_page *page;
	int error = grant_map(&mappings[number], connection->ring_domid, connection->ring_ref, 1);

	if (error) rt_panic("the serial ring cannot be mapped (%d)", error);
	page = mappings[number].at;
	line->connection = connection;
	line->number = number;
	ring_attach_producer(&line->tx, &page->tx, page->tx_data, SERIAL_TX_SIZE, 1);
	ring_attach_consumer(&line->rx, &page->rx, page->rx_data, SERIAL_RX_SIZE, 1);
	frame_reader_init(&line->reader, line->payload, FRAME_PAYLOAD);
}

uint32_t line_room(const struct line *line) {
	return OUT_SIZE - (line->out_length - line->out_sent);
}

bool line_has_room(const struct line *line) {
	return line_room(line) >= FRAME_PAYLOAD + FRAME_EXTRA;
}

struct json_writer *line_begin(const struct line *line, bool with_id) {
	json_writer_init(&writer, message, sizeof(message));
	json_open(&writer, NULL, '{');
	if (with_id) json_number(&writer, "id", line->id);
	return &writer;
}

static bool queue(struct line *line, const char *payload, uint32_t length) {
	uint32_t waiting = line->out_length - line->out_sent;
	uint8_t *to;

	if (OUT_SIZE - waiting < length + FRAME_EXTRA) return false;
	memmove(line->out, line->out + line->out_sent, waiting);
	line->out_sent = 0;
	to = line->out + waiting;
	frame_header((char *)to, payload, length);
	memcpy(to + FRAME_HEADER, payload, length);
	to[FRAME_HEADER + length] = '\n';
	line->out_length = waiting + length + FRAME_EXTRA;
	return true;
}

bool line_end(struct line *line) {
	json_close(&writer, '}');
	return !writer.full && queue(line, message, writer.length);
}

void line_end_kept(struct line *line) {
	if (!line_end(line) || writer.length > KEPT_ANSWER) return;
	memcpy(line->kept, message, writer.length);
	line->kept_length = writer.length;
	line->kept_id = line->id;
}

void line_done(struct line *line) {
	line->has_request = line->waits = false;
	event_again(line->connection->port);
}

static void send_out(struct line *line) {
	while (line->out_sent < line->out_length) {
		uint32_t put = ring_put(&line->tx, line->out + line->out_sent,
					line->out_length - line->out_sent);

		line->out_sent += put;
		if (!put && (line->tx.broken || !ring_want_space(&line->tx, SERIAL_TX_SIZE / 2)))
			break;
	}
}

/* One piece of input; false: there is none. */
static bool read_in(struct line *line) {
	uint8_t bytes[64];
	uint32_t available = MIN(ring_available(&line->rx), (uint32_t)sizeof(bytes)), taken;
	bool ready;

	if (!available) return ring_want_data(&line->rx);
	if (!ring_peek(&line->rx, 0, bytes, available)) return false;
	taken = frame_read(&line->reader, bytes, available, &ready);
	ring_get(&line->rx, bytes, taken);
	if (ready) {
		line->has_request = true;
		request_begin(line);
	}
	return true;
}

void line_push(struct line *line) {
	bool notify;

	send_out(line);
	if (line->tx.broken || line->rx.broken)
		rt_panic("the ring indices of its line's driver are impossible");
	notify = ring_release(&line->rx);
	notify |= ring_publish(&line->tx);
	if (notify) event_send(line->connection->port);
}

void line_work(struct line *line) {
	bool more = true;

	if (!line->connection) return;
	if (line->has_request) request_continue(line);
	for (uint32_t i = 0; i < STEPS && more && !line->has_request; i++)
		more = line_has_room(line) && read_in(line);
	line_push(line);
	if (more && !line->has_request && line_has_room(line)) event_again(line->connection->port);
}
