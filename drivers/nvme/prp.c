/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Segments to PRP entries, and where those do not do, to a scatter gather list.
 *
 * PRP: all but the first entry point at the start of a page,
 * and all but the last go to the end of theirs; so a list of segments is cut where
 * one does not end with its page, or the next does not start one, unless they
 * adjoin. A command also has to be whole blocks: with blocks of 4096 bytes the
 * cut is taken back to the last boundary of a block, which may leave nothing. A
 * scatter gather list says anything, but not every controller takes one.
 */
#include "nvme.h"

struct nvme_piece nvme_prps(const struct blk_segment *segments, uint32_t count, uint32_t max_bytes,
			    uint32_t block, uint64_t list[NVME_PRPS - 1]) {
	struct nvme_piece piece = {0};
	uint32_t bytes = 0, prps = 0;
	uint64_t end = 0;

	for (uint32_t i = 0; i < count; i++) {
		uint64_t start = segments[i].address;
		bool adjoins = prps && start == end && end % PAGE_SIZE;

		if (prps && !adjoins && (end | start) % PAGE_SIZE) break;
		if (segments[i].length > max_bytes - bytes) break;
		if (!adjoins && prps == NVME_PRPS) break;
		if (!prps)
			piece.first = start;
		else if (!adjoins)
			list[prps - 1] = start;
		if (!adjoins) prps++;
		bytes += segments[i].length;
		end = start + segments[i].length;
		if (bytes % block) continue;
		piece.segments = i + 1;
		piece.bytes = bytes;
		piece.entries = prps;
	}
	return piece;
}

struct nvme_piece nvme_sgls(const struct blk_segment *segments, uint32_t count, uint32_t max_bytes,
			    uint32_t block, struct nvme_sgl list[NVME_SGLS]) {
	struct nvme_piece piece = {0};
	uint32_t bytes = 0;

	for (uint32_t i = 0; i < count && i < NVME_SGLS; i++) {
		if (segments[i].length > max_bytes - bytes) break;
		list[i] = (struct nvme_sgl){
			.address = segments[i].address,
			.length = segments[i].length,
			.type = SGL_DATA,
		};
		bytes += segments[i].length;
		if (bytes % block) continue;
		piece.segments = piece.entries = i + 1;
		piece.bytes = bytes;
	}
	return piece;
}
