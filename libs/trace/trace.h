/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading the core's traces (proto/trace.h): the buffers of all CPUs lie one behind the
 * other, each of as many pages. The core goes on writing meanwhile; what it has
 * overwritten is counted, never given out.
 */
#ifndef LIBS_TRACE_TRACE_H
#define LIBS_TRACE_TRACE_H

#include <stdint.h>

#include "proto/trace.h"

/* The most frames of all buffers together, and of one, for so many CPUs. */
#define TRACE_BUFFERS_FRAMES 256U
static inline uint32_t trace_buffer_frames(uint32_t cpus) {
	uint32_t frames = TRACE_BUFFERS_FRAMES / (cpus ? cpus : 1);

	return frames < 4 ? 4 : frames > 65 ? 65 : frames;
}

/*
 * Copies up to `count` records of the buffer, which has `frames` pages, from number `from`
 * on; a number that the buffer has not reached is as its end. *piece says which they are
 * and how many; the next ones start at first + records.
 */
void trace_copy(const struct trace_header *buffer, uint32_t frames, uint64_t from,
		struct trace_record *to, uint32_t count, struct trace_piece *piece);

#endif
