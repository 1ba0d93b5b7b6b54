/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Frames on their way, and the pool that their bytes lie in.
 *
 * A frame is a chain of pieces, each a range within one page: of the pool, or still the
 * sender's. Its first bytes are always in the pool, at `head`: they are what is
 * judged, and what every receiver gets. What is still the sender's may change until it
 * is copied, so nobody here looks at it.
 *
 * The pool is the end of the lifeboat: pages of root's, which we have mapped, guests'
 * pages are copied to by reference, and cards reach. Its first part are
 * single pages, for what guests send; the rest are buffers, a page each as well, for what cards
 * receive: neither can use up the other's. A frame owns its pieces of the pool; they become free
 * with its last reference.
 */
#ifndef SERVERS_SWITCH_FRAME_H
#define SERVERS_SWITCH_FRAME_H

#include "libs/packet/packet.h"
#include "libs/rt/rt.h"
#include "proto/net.h"

#define POOL_PAGES   1536U /* at most */
#define POOL_BUFFERS 768U  /* at most */
#define POOL_FIRST   192U  /* single pages before the first frame. The others come later, */
#define POOL_STEP    32U   /* so many at once: mapping them all makes a restart longer */
#define FRAMES       1024U
#define FRAME_PIECES 21U /* the head, and as many as a packet may have slots, and some */
#define FRAME_HEAD   PACKET_HEADER
#define FRAME_APART  (PAGE_SIZE / 4 * 3) /* bytes: a piece that is nearly a page */

#define SW_NONE   0xffffU
#define POOL_ZERO 0U /* a page of zeroes, never used for anything else */

struct piece {
	uint32_t ref;   /* grant of the page, by the sender or by root */
	uint16_t domid; /* who granted it */
	uint16_t page;  /* of the pool; SW_NONE: it is the sender's */
	uint16_t offset, length;
};

#define FRAME_BLANK   1U  /* the transport's checksum is not filled in */
#define FRAME_VALID   2U  /* it was checked, or need not be */
#define FRAME_OUTSIDE 4U  /* some pieces are the sender's */
#define FRAME_FAILED  8U  /* a piece could not be read */
#define FRAME_KEEP    16U /* is wanted for longer than the round: all of it into the pool */
#define FRAME_REFUSAL 32U /* a TCP reset or an ICMP error: somebody did not want what was sent */

struct frame {
	uint16_t refs;
	uint16_t port; /* where it came from */
	uint16_t vlan; /* inside the network */
	uint8_t flags; /* FRAME_* */
	uint8_t gso;   /* NET_GSO_* */
	uint16_t gso_size;
	uint8_t family;                   /* 4, 6, or 0: not IP */
	uint16_t network;                 /* where its header begins */
	uint16_t csum_start, csum_offset; /* with FRAME_BLANK: the transport's */
	uint16_t header;                  /* bytes of all headers, with GSO */
	uint32_t length;
	uint32_t hash;                /* of the flow */
	uint16_t queue, first, slots; /* requests that it came in; queue SW_NONE: in none */
	uint16_t parent;              /* SW_NONE, or whose pieces it has behind its first */
	uint16_t pieces;
	uint16_t head_length;
	uint16_t merged; /* other frames that it was made of: merge.c */
	uint8_t *head;
	struct piece tagged; /* the head with a VLAN tag; page SW_NONE: not made yet */
	struct piece piece[FRAME_PIECES];
};

struct pool {
	uint8_t (*memory)[PAGE_SIZE];
	uint32_t ref;     /* root's grant of the first page */
	uint16_t domid;   /* root */
	uint32_t pages;   /* all */
	uint32_t singles; /* of them single pages: the first */
	uint32_t buffers;
	uint32_t open; /* single pages that are mapped: the first */
	uint32_t free_pages, free_buffers, free_frames;
	uint16_t page[POOL_PAGES]; /* stacks of the free ones */
	uint16_t buffer[POOL_BUFFERS];
	uint16_t frame[FRAMES];
};
extern struct pool pool;
extern struct frame frames[FRAMES];

/* memory: room for `pages` pages, granted from `ref` on; what is wanted at once is mapped now. */
void pool_init(void *memory, uint32_t pages, uint16_t domid, uint32_t ref);
/* Maps up to `count` more single pages, if any are left. */
void pool_grow(uint32_t count);

static inline uint16_t frame_index(const struct frame *frame) { return (uint16_t)(frame - frames); }

static inline uint8_t *piece_at(const struct piece *piece) {
	return pool.memory[piece->page] + piece->offset;
}

/* One reference, no pieces. NULL: all are in use. */
struct frame *frame_take(void);
static inline void frame_keep(struct frame *frame) { frame->refs++; }
/* With the last reference it is free at the next frame_release_dropped(). */
void frame_drop(struct frame *frame);
/* No copy that was asked for is outstanding: what was dropped is free now. */
void frame_release_dropped(void);
/* `length` bytes from `offset` on in a buffer as the frame's last piece. */
void frame_buffer(struct frame *frame, uint16_t buffer, uint32_t offset, uint32_t length);
/*
 * A new frame of `length` bytes of memory, in as few pages as they fill: what fits one page
 * and leaves room for a tag is all at its head. NULL: no frame or no page is free.
 */
struct frame *frame_make(uint32_t length);
/*
 * Asks for the copies that bring the first `bytes` of a frame into the pool; they are
 * there after copy_flush(). False: the pool is used up, nothing was asked for.
 */
bool frame_pull(struct frame *frame, uint32_t bytes);
/* The head with its tag: all but the first piece are the same. False: no page for it. */
bool frame_tag(struct frame *frame);
/* The frame is larger by a tag there. */
static inline const struct piece *frame_piece(const struct frame *frame, uint32_t n, bool tagged) {
	return tagged && !n ? &frame->tagged : &frame->piece[n];
}
/* Takes a tag out of the head: bytes 12 to 15 are gone. */
void frame_untag(struct frame *frame);
/* Pages that this many bytes fill. */
static inline uint32_t frame_page_count(uint32_t length) {
	return DIV_UP(length, (uint32_t)PAGE_SIZE);
}
/* And that a frame from a guest takes, at most: in each but the last, less than a piece is free. */
static inline uint32_t frame_most_pages(uint32_t length) {
	return length < FRAME_APART ? 1
				    : MIN(DIV_UP(length, (uint32_t)FRAME_APART) + 1, FRAME_PIECES);
}

uint16_t buffer_take(void); /* SW_NONE: none is free */
void buffer_free(uint16_t buffer);
static inline uint32_t buffer_page(uint16_t buffer) { return pool.singles + buffer; }

#endif
