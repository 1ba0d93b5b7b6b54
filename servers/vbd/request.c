/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a guest may ask for. The request is a private copy; the job gets from it
 * nothing that was not looked at. An answer to a malformed request is an error
 * for that request alone, as the frontends know it from other backends.
 */
#include "vbd.h"

static bool refuse(struct job *job, int status) {
	job->status = (int8_t)status;
	return false;
}

/* [sector, sector + count) lies on the disk, in whole blocks of it. */
static bool range_ok(const struct device *device, uint64_t sector, uint64_t count) {
	uint32_t blocks = device->volume->block / BLK_SECTOR;

	return sector <= device->volume->sectors && count <= device->volume->sectors - sector &&
	       !((sector | count) & (blocks - 1));
}

/* Segments cover whole blocks within their page. */
static bool segments_ok(const struct blkif_request_segment *from, const struct device *device,
			struct job *job) {
	uint32_t mask = device->volume->block / BLK_SECTOR - 1;
	uint64_t sectors = 0;

	for (uint32_t i = 0; i < job->segments; i++) {
		struct segment *s = &job->list[i];

		s->ref = from[i].gref;
		s->first = from[i].first_sect;
		s->last = from[i].last_sect;
		if (s->first > s->last || s->last > 7 || s->first & mask || (s->last + 1U) & mask)
			return false;
		sectors += s->last - s->first + 1U;
	}
	job->left = sectors;
	return range_ok(device, job->sector, sectors);
}

bool request_segments(const struct blkif_request_segment *from, const struct device *device,
		      struct job *job) {
	return segments_ok(from, device, job) || refuse(job, BLKIF_RSP_ERROR);
}

static bool parse_discard(const struct blkif_request_discard *r, const struct device *device,
			  struct job *job) {
	/* A secure one promises what the drivers cannot. */
	if (!device->discard || r->flag) return refuse(job, BLKIF_RSP_EOPNOTSUPP);
	job->left = r->nr_sectors;
	if (device->readonly || !range_ok(device, job->sector, job->left))
		return refuse(job, BLKIF_RSP_ERROR);
	return true;
}

static bool parse_indirect(const struct blkif_request_indirect *r, const struct device *device,
			   struct job *job) {
	job->op = job->answer_op = r->indirect_op;
	if (job->op != BLKIF_OP_READ && job->op != BLKIF_OP_WRITE)
		return refuse(job, BLKIF_RSP_ERROR);
	if (job->op == BLKIF_OP_WRITE && device->readonly) return refuse(job, BLKIF_RSP_ERROR);
	if (!r->nr_segments || r->nr_segments > VBD_SEGMENTS) return refuse(job, BLKIF_RSP_ERROR);
	job->segments = r->nr_segments;
	return true;
}

bool request_parse(const struct blkif_request *request, const struct device *device,
		   struct job *job) {
	job->op = job->answer_op = request->operation;
	job->id = request->id;
	job->sector = request->sector_number;
	job->left = 0;
	job->segments = 0;
	switch (request->operation) {
	case BLKIF_OP_DISCARD: return parse_discard((const void *)request, device, job);
	case BLKIF_OP_INDIRECT: return parse_indirect((const void *)request, device, job);
	case BLKIF_OP_READ:
	case BLKIF_OP_WRITE:
		if (!request->nr_segments) return refuse(job, BLKIF_RSP_ERROR);
		break;
	case BLKIF_OP_WRITE_BARRIER:
	case BLKIF_OP_FLUSH_DISKCACHE: break;
	default: return refuse(job, BLKIF_RSP_ERROR);
	}
	if (request->operation != BLKIF_OP_READ && device->readonly &&
	    (request->operation != BLKIF_OP_FLUSH_DISKCACHE || request->nr_segments))
		return refuse(job, BLKIF_RSP_ERROR);
	if (request->nr_segments > BLKIF_MAX_SEGMENTS_PER_REQUEST)
		return refuse(job, BLKIF_RSP_ERROR);
	if (!request->nr_segments) {
		job->sector = 0; /* of no meaning, and not looked at by frontends either */
		return true;
	}
	job->segments = request->nr_segments;
	return segments_ok(request->seg, device, job) || refuse(job, BLKIF_RSP_ERROR);
}
