/* SPDX-License-Identifier: BSD-2-Clause */
#include "frame.h"

#include "switch.h"

struct pool pool;
struct frame frames[FRAMES];

/* Dropped, but a copy that was asked for may still read them. */
static uint16_t dropped[FRAMES];
static uint32_t dropped_count;

#define TAG_OFFSET 12U
#define TAG_SIZE   4U

/* Half of the pool for what guests send, at least. */
void pool_init(void *memory, uint32_t pages, uint16_t domid, uint32_t ref) {
	pages = MIN(pages, POOL_PAGES);
	pool = (struct pool){.memory = memory, .ref = ref, .domid = domid, .pages = pages};
	pool.buffers = MIN(pages / 2, POOL_BUFFERS);
	pool.singles = pages - pool.buffers;
	dropped_count = 0;
	for (uint32_t i = FRAMES; i; i--) pool.frame[pool.free_frames++] = (uint16_t)(i - 1);
	link_pool(pool.singles, pool.buffers);
	for (uint32_t i = pool.buffers; i; i--)
		pool.buffer[pool.free_buffers++] = (uint16_t)(i - 1);
	pool_grow(POOL_FIRST);
	memset(pool.memory[POOL_ZERO], 0, PAGE_SIZE);
}

void pool_grow(uint32_t count) {
	uint32_t first = pool.open;

	count = MIN(count, pool.singles - first);
	if (!count) return;
	link_pool(first, count);
	pool.open += count;
	for (uint32_t i = pool.open; i-- > first;)
		if (i != POOL_ZERO) pool.page[pool.free_pages++] = (uint16_t)i;
}

uint16_t buffer_take(void) {
	return pool.free_buffers ? pool.buffer[--pool.free_buffers] : SW_NONE;
}

void buffer_free(uint16_t buffer) { pool.buffer[pool.free_buffers++] = buffer; }

static void piece_free(const struct piece *piece) {
	if (piece->page == SW_NONE) return;
	if (piece->page < pool.singles)
		pool.page[pool.free_pages++] = piece->page;
	else
		buffer_free((uint16_t)(piece->page - pool.singles));
}

struct frame *frame_take(void) {
	struct frame *frame;

	if (!pool.free_frames) return NULL;
	frame = &frames[pool.frame[--pool.free_frames]];
	/* The pieces are whatever they were. */
	__builtin_memset(frame, 0, offsetof(struct frame, piece));
	frame->refs = 1;
	frame->queue = frame->parent = frame->tagged.page = SW_NONE;
	return frame;
}

void frame_drop(struct frame *frame) {
	if (--frame->refs) return;
	dropped[dropped_count++] = frame_index(frame);
}

static void release(struct frame *frame) {
	/* The first is its own always. */
	for (uint32_t i = 0; i < frame->pieces; i++) {
		piece_free(&frame->piece[i]);
		if (frame->parent != SW_NONE) break;
	}
	piece_free(&frame->tagged);
	if (frame->parent != SW_NONE) frame_drop(&frames[frame->parent]);
	pool.frame[pool.free_frames++] = frame_index(frame);
}

void frame_release_dropped(void) {
	/* A parent may be added on the way. */
	for (uint32_t i = 0; i < dropped_count; i++) release(&frames[dropped[i]]);
	dropped_count = 0;
}

static bool take_page(struct piece *piece) {
	if (!pool.free_pages) return false;
	piece->page = pool.page[--pool.free_pages];
	piece->domid = pool.domid;
	piece->ref = pool.ref + piece->page;
	piece->offset = piece->length = 0;
	return true;
}

void frame_buffer(struct frame *frame, uint16_t buffer, uint32_t offset, uint32_t length) {
	uint32_t page = buffer_page(buffer);
	struct piece *piece = &frame->piece[frame->pieces++];

	*piece = (struct piece){
		.ref = pool.ref + page,
		.domid = pool.domid,
		.page = (uint16_t)page,
		.offset = (uint16_t)offset,
		.length = (uint16_t)length,
	};
	frame->length += length;
	if (frame->pieces > 1) return;
	frame->head = piece_at(piece);
	frame->head_length = (uint16_t)length;
}

struct frame *frame_make(uint32_t length) {
	struct frame *frame = frame_take();

	if (!frame) return NULL;
	while (frame->length < length) {
		struct piece *piece = &frame->piece[frame->pieces];
		/* The first page keeps room for a tag: frame_tag(). */
		uint32_t room = frame->pieces ? PAGE_SIZE : PAGE_SIZE - TAG_SIZE;

		if (frame->pieces == FRAME_PIECES || !take_page(piece)) {
			frame_drop(frame);
			return NULL;
		}
		piece->length = (uint16_t)MIN(length - frame->length, room);
		frame->length += piece->length;
		frame->pieces++;
	}
	frame->head = piece_at(&frame->piece[0]);
	frame->head_length = frame->piece[0].length;
	return frame;
}

/*
 * Bytes of a piece that go to a page which holds `end` already. A piece that is nearly a page gets
 * one of its own: cut in two it would be two copies.
 */
static uint32_t part_of(uint32_t length, uint32_t end, uint32_t room) {
	if (length > room - end && length >= FRAME_APART && length <= room) return 0;
	return MIN(room - end, length);
}

/* Pieces that are in the pool already. */
static uint32_t inside(const struct frame *frame) {
	uint32_t n = 0;

	while (n < frame->pieces && frame->piece[n].page != SW_NONE) n++;
	return n;
}

bool frame_pull(struct frame *frame, uint32_t bytes) {
	struct piece outside[FRAME_PIECES], *to;
	uint32_t n = inside(frame), count = frame->pieces - n;

	if (pool.free_pages < MAX(frame_page_count(bytes + TAG_SIZE), count) + 1) return false;
	memcpy(outside, &frame->piece[n], count * sizeof(outside[0]));
	for (uint32_t i = 0; i < n; i++) bytes -= frame->piece[i].length;
	frame->pieces = (uint16_t)n;
	/* A head that has a tag already is as long as it is. */
	to = n && (n > 1 || frame->tagged.page == SW_NONE) ? &frame->piece[n - 1] : NULL;
	for (uint32_t i = 0; i < count; i++) {
		struct piece *from = &outside[i];

		while (bytes && from->length) {
			/* The first page keeps room for a tag: frame_tag(). */
			uint32_t room = frame->pieces > 1 ? PAGE_SIZE : PAGE_SIZE - TAG_SIZE;
			uint32_t end = to ? to->offset + (uint32_t)to->length : room;
			uint32_t part = part_of(MIN(bytes, from->length), end, room);

			if (!part) {
				to = &frame->piece[frame->pieces++];
				(void)take_page(to);
				continue;
			}
			copy_to_pool(frame, from, part, to->page, end);
			to->length = (uint16_t)(to->length + part);
			from->offset = (uint16_t)(from->offset + part);
			from->length = (uint16_t)(from->length - part);
			bytes -= part;
		}
		if (from->length) frame->piece[frame->pieces++] = *from;
	}
	if (inside(frame) == frame->pieces) frame->flags &= (uint8_t)~FRAME_OUTSIDE;
	if (!n) {
		frame->head = piece_at(&frame->piece[0]);
		frame->head_length = frame->piece[0].length;
	}
	return true;
}

bool frame_tag(struct frame *frame) {
	struct piece *tagged = &frame->tagged;
	uint32_t length = frame->piece[0].length;
	const uint8_t *from = frame->head;
	uint8_t *to;

	if (tagged->page != SW_NONE) return true;
	if (length > PAGE_SIZE - TAG_SIZE || !take_page(tagged)) return false;
	to = piece_at(tagged);
	memcpy(to, from, TAG_OFFSET);
	to[TAG_OFFSET] = 0x81;
	to[TAG_OFFSET + 1] = 0;
	to[TAG_OFFSET + 2] = (uint8_t)(frame->vlan >> 8);
	to[TAG_OFFSET + 3] = (uint8_t)frame->vlan;
	memcpy(to + TAG_OFFSET + TAG_SIZE, from + TAG_OFFSET, length - TAG_OFFSET);
	tagged->length = (uint16_t)(length + TAG_SIZE);
	return true;
}

void frame_untag(struct frame *frame) {
	struct piece *piece = &frame->piece[0];

	memmove(frame->head + TAG_SIZE, frame->head, TAG_OFFSET);
	frame->head += TAG_SIZE;
	frame->head_length = (uint16_t)(frame->head_length - TAG_SIZE);
	piece->offset = (uint16_t)(piece->offset + TAG_SIZE);
	piece->length = (uint16_t)(piece->length - TAG_SIZE);
	frame->length -= TAG_SIZE;
	if (frame->flags & FRAME_BLANK && frame->csum_start)
		frame->csum_start = (uint16_t)(frame->csum_start - TAG_SIZE);
}
