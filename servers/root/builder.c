/* SPDX-License-Identifier: BSD-2-Clause */
#include "builder.h"

#include "libs/cap/cap.h"
#include "memory.h"
#include "proto/xen/xen.h"
#include "space.h"

static void add_segment(struct builder *b, const struct extent *e) {
	uint32_t at = b->segment_count++;

	for (; at && b->segment[at - 1].pfn > e->pfn; at--) b->segment[at] = b->segment[at - 1];
	b->segment[at] = (struct segment){.pfn = e->pfn, .mfn = e->mfn, .frames = e->frames};
}

const char *builder_take(struct builder *b, struct domain *domain, uint64_t fill_pages) {
	static char text[96];
	const struct system_domain *d = domain->d;
	uint64_t rest = d->memory_pages - fill_pages, spare = d->maximum_pages - d->memory_pages;

	*b = (struct builder){.domain = domain, .fill_pages = fill_pages};
	if (memory_free_frames() < d->maximum_pages) {
		rt_format(text, sizeof(text),
			  "it wants %lu MiB of memory, and the machine has %lu MiB left",
			  d->maximum_pages / 256, memory_free_frames() / 256);
		return text;
	}
	if (!memory_take(domain->index, 0, fill_pages) ||
	    (rest && !memory_take(domain->index, fill_pages, rest)) ||
	    (spare && !memory_take(domain->index, MEMORY_SPARE, spare)))
		return "the memory left is in too many pieces";

	for (struct extent *e = memory_next(domain->index, NULL); e;
	     e = memory_next(domain->index, e)) {
		if (e->pfn == MEMORY_SPARE) continue;
		if (b->segment_count == BUILDER_MAX_SEGMENTS)
			return "the memory left is in too many pieces";
		add_segment(b, e);
		if (e->pfn < fill_pages && memory_give_self(e))
			return "its memory cannot be prepared";
	}
	return NULL;
}

uint64_t builder_mfn(void *context, uint64_t pfn) {
	struct builder *b = context;

	for (uint32_t i = 0; i < b->segment_count; i++) {
		uint32_t n = b->last + i < b->segment_count ? b->last + i
							    : b->last + i - b->segment_count;
		const struct segment *s = &b->segment[n];

		if (pfn >= s->pfn && pfn - s->pfn < s->frames) {
			b->last = n;
			return s->mfn + (pfn - s->pfn);
		}
	}
	rt_panic("PFN %lu is not one of %s", pfn, b->domain->name);
}

const char *builder_fill(struct builder *b, builder_render render, void *context) {
	static uint64_t mfns[SPACE_CHUNK_PAGES];

	for (uint64_t first = 0; first < b->fill_pages; first += SPACE_CHUNK_PAGES) {
		uint32_t count = (uint32_t)MIN(b->fill_pages - first, (uint64_t)SPACE_CHUNK_PAGES);

		for (uint32_t i = 0; i < count; i++) mfns[i] = builder_mfn(b, first + i);
		if (space_map_chunk(mfns, count)) return "its memory cannot be mapped";
		render(context, first, count, space_chunk());
		space_unmap_chunk();
	}
	return NULL;
}

const char *builder_give(struct builder *b) {
	uint16_t owner = b->domain->index;

	for (struct extent *e = memory_next(owner, NULL); e; e = memory_next(owner, e))
		if (memory_give(e, b->domain->slot)) return "its memory cannot be given to it";
	return NULL;
}

const char *builder_context(struct builder *b, uint64_t entry, uint64_t stack, uint64_t rsi,
			    uint64_t l4_pfn) {
	static struct vcpu_guest_context context;
	int error;

	context = (struct vcpu_guest_context){
		.flags = VGCF_in_kernel | VGCF_online,
		.user_regs =
			{
				.rip = entry,
				.rsp = stack,
				.rsi = rsi,
				.rflags = 0x202,
				.cs = FLAT_KERNEL_CS,
				.ss = FLAT_KERNEL_SS,
			},
		.kernel_ss = FLAT_KERNEL_SS,
		.kernel_sp = stack,
		.ctrlreg[3] = builder_mfn(b, l4_pfn) << PAGE_SHIFT,
	};
	/* FCW, and MXCSR at byte 24: the state after a reset of the FPU. */
	context.fpu_ctxt[0] = 0x7f;
	context.fpu_ctxt[1] = 0x03;
	context.fpu_ctxt[24] = 0x80;
	context.fpu_ctxt[25] = 0x1f;

	error = cap_domain_set_context(b->domain->slot, 0, &context);
	return error ? "the core refuses its first page tables or registers" : NULL;
}

bool builder_overlap(uint64_t first, uint64_t count, uint64_t range, uint64_t length,
		     uint64_t *from, uint64_t *size) {
	uint64_t end = MIN(first + count, range + length);

	*from = MAX(first, range);
	if (*from >= end) return false;
	*size = end - *from;
	return true;
}
