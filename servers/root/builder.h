/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The memory of a domain under construction. Its first fill_pages PFNs are given
 * to root itself, mapped in chunks, filled by a callback, unmapped, and given on
 * with their contents; the rest goes to the domain untouched. From then on root
 * cannot read any of it.
 */
#ifndef SERVERS_ROOT_BUILDER_H
#define SERVERS_ROOT_BUILDER_H

#include "proto/xen/arch.h"
#include "root.h"

#define BUILDER_MAX_SEGMENTS 256

/* PFNs [pfn, pfn + frames) are the frames from mfn on. */
struct segment {
	uint64_t pfn, mfn, frames;
};

struct builder {
	struct domain *domain;
	uint64_t fill_pages;
	uint32_t segment_count, last;                 /* last: where the last look-up ended */
	struct segment segment[BUILDER_MAX_SEGMENTS]; /* by pfn */
};

/* Fills the zeroed pages [first, first + count) of the domain, mapped at `at`. */
typedef void (*builder_render)(void *context, uint64_t first, uint64_t count, uint8_t *at);

/* Takes memory: NULL, or why not. */
const char *builder_take(struct builder *builder, struct domain *domain, uint64_t fill_pages);
/* The frame of a PFN of the domain. */
uint64_t builder_mfn(void *builder, uint64_t pfn);
const char *builder_fill(struct builder *builder, builder_render render, void *context);
/* Gives everything to the domain, the balloon's reserve included. */
const char *builder_give(struct builder *builder);
/* Sets vCPU 0 to start at `entry` with the given stack, rsi and L4 (a PFN). */
const char *builder_context(struct builder *builder, uint64_t entry, uint64_t stack, uint64_t rsi,
			    uint64_t l4_pfn);

/* The part of [first, first + count) that lies in [range, range + length), if any, all in bytes. */
bool builder_overlap(uint64_t first, uint64_t count, uint64_t range, uint64_t length,
		     uint64_t *from, uint64_t *size);

#endif
