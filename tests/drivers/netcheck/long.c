/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Frames that are longer than a page, and than a buffer: there and back, whole. For cards that
 * say that they can.
 */
#include "frames.h"
#include "io.h"

#include "libs/rt/time.h"

#define TYPE  0x88b8U
#define LIMIT MILLISECONDS(60000ULL)
#define AGAIN MILLISECONDS(300)

static uint32_t length, right, wrong;

static uint8_t byte_at(uint32_t i) { return (uint8_t)(i * 7 + (i >> 8) + length); }

static void on_packet(const struct io_packet *packet) {
	bool same = packet->length == length;

	if (frame_type(packet->bytes) != TYPE) return;
	for (uint32_t i = FRAME_HEADER; same && i < length; i++)
		same = packet->bytes[i] == byte_at(i);
	/* One of another length is late. */
	right += same;
	wrong += !same && packet->length == length;
}

/* In place n and those behind it. */
static void send(uint32_t n) {
	struct net_segment segments[NET_MAX_SEGMENTS];
	struct net_tx packet = {0};

	frame_header(io_frame(n), frame_peer, io.mac, TYPE);
	for (uint32_t i = FRAME_HEADER; i < length; i++)
		io_frame(n + i / PAGE_SIZE)[i % PAGE_SIZE] = byte_at(i);
	for (uint32_t at = 0; at < length; at += PAGE_SIZE)
		segments[packet.segments++] = io_segment(n + at / (uint32_t)PAGE_SIZE, 0,
							 MIN(length - at, (uint32_t)PAGE_SIZE));
	io_send(n, &packet, segments);
	io_publish();
}

const char *long_frames(void) {
	static const uint32_t lengths[] = {2047, 2048, 2049, 4084, 4085, 4096, 4097, 6144, 8193};
	uint32_t most = MIN(io.mtu + FRAME_HEADER, IO_MOST - 4);

	io_handler(on_packet);
	for (uint32_t i = 0; i <= ARRAY_SIZE(lengths); i++) {
		uint64_t end = time_now() + LIMIT, next = 0;

		length = i < ARRAY_SIZE(lengths) ? lengths[i] : most;
		if (length > most) continue;
		right = wrong = 0;
		while (!right && !wrong && time_now() < end) {
			if (time_now() >= next && !io_is_busy(0) && net_server_is_up(&io)) {
				send(0);
				next = time_now() + 3 * AGAIN;
			}
			io_pump(MIN(end, time_now() + AGAIN));
		}
		while (io_is_busy(0) && time_now() < end) io_pump(end);
		if (wrong) return "one came back as it was not sent";
		if (!right || io_is_busy(0)) return "one does not come back";
	}
	io_handler(NULL);
	return NULL;
}
