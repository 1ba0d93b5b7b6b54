/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A request of a guest, step by step. The next step is found from where the job
 * stands (sector, left, segment, skip, extent) at the moment when its driver can
 * take it, and the job moves on only when the driver says that the step is done.
 * So a step can be asked for again whenever a session is lost, on a driver that
 * may have other limits than the one before.
 *
 * A step pins the pages that it needs, in the window of its driver. Pages are
 * pinned all at once or not at all: a job that waits for slots holds none, and
 * those that hold some all come to their end.
 */
#include "vbd.h"

#include "libs/log/log.h"

#define LOG_ERRORS 8U /* lines for each driver; the rest is counted */

void job_list_init(struct job_list *list) { list->first = list->last = VBD_NONE; }

void job_list_add(struct job_list *list, struct job *job) {
	uint16_t n = job_index(job);

	job->next = VBD_NONE;
	if (list->first == VBD_NONE)
		list->first = n;
	else
		vbd.job[list->last].next = n;
	list->last = n;
}

struct job *job_list_take(struct job_list *list) {
	struct job *job;

	if (list->first == VBD_NONE) return NULL;
	job = &vbd.job[list->first];
	list->first = job->next;
	return job;
}

/* Jobs whose record is not free are held until their ring adopts them. */
void job_init(void) {
	vbd.free_job = VBD_NONE;
	for (uint32_t n = VBD_JOBS; n--;) {
		if (vbd.boat->record[n].state != BOAT_FREE) {
			vbd.job[n].phase = JOB_HELD;
			continue;
		}
		vbd.job[n].next = vbd.free_job;
		vbd.free_job = (uint16_t)n;
	}
	job_list_init(&vbd.answers);
	for (uint32_t i = 0; i < VBD_DRIVERS; i++) {
		job_list_init(&vbd.driver[i].asking);
		job_list_init(&vbd.driver[i].starved);
		job_list_init(&vbd.driver[i].away);
	}
}

struct job *job_take_free(void) {
	struct job *job;

	if (vbd.free_job == VBD_NONE) return NULL;
	job = &vbd.job[vbd.free_job];
	vbd.free_job = job->next;
	return job;
}

static void unpin(struct job *job) {
	struct dma_table *table = &disk_driver(job->step_disk)->dma;

	if (!job->pinned) return;
	job->pinned = false;
	for (uint32_t i = 0; i < job->step_segments; i++)
		dma_unpin(table, job->list[job->segment + i].slot);
}

void job_finish(struct job *job, int status) {
	unpin(job);
	job->status = (int8_t)status;
	job->phase = JOB_ANSWERING;
	job_list_add(&vbd.answers, job);
}

/* The disk that is to be flushed next; false: no more of them. */
static bool flush_step(struct job *job) {
	const struct volume *volume = vbd.device[job->device].volume;

	for (; job->extent < volume->extent_count; job->extent++) {
		uint16_t disk = volume->extent[job->extent].disk;
		bool done = false;

		for (uint16_t i = 0; i < job->extent; i++) done |= volume->extent[i].disk == disk;
		if (done || (blk_server_is_up(&disk_driver(disk)->blk) &&
			     !(disk_info(disk)->flags & BLK_DISK_FLUSH)))
			continue;
		job->step_disk = disk;
		job->step_sector = job->step_count = job->step_segments = 0;
		job->blk_op = BLK_OP_FLUSH;
		return true;
	}
	return false;
}

/* As many sectors, from where the job stands, as fit into so many segments. */
static void count_segments(struct job *job, uint64_t sectors, uint32_t segments) {
	uint32_t count = 0, used = 0;

	while (used < segments && count < sectors) {
		const struct segment *s = &job->list[job->segment + used];

		count += s->last - s->first + 1U - (used ? 0 : job->skip);
		used++;
	}
	job->step_count = (uint32_t)MIN(count, sectors);
	job->step_segments = (uint16_t)used;
}

/* False: the disk cannot do it. */
static bool data_step(struct job *job) {
	const struct volume *volume = vbd.device[job->device].volume;
	const struct blk_disk *disk;
	uint64_t room, limit;

	job->step_sector = job->sector;
	job->step_disk = volume->extent[volume_map(volume, &job->step_sector, &room)].disk;
	job->step_segments = 0;
	if (!blk_server_is_up(&disk_driver(job->step_disk)->blk)) return true;

	disk = disk_info(job->step_disk);
	if (job->op == BLKIF_OP_DISCARD) {
		if (!(disk->flags & BLK_DISK_DISCARD) || !disk->max_discard) return false;
		job->blk_op = BLK_OP_DISCARD;
		job->step_count = (uint32_t)MIN(MIN(job->left, room), disk->max_discard);
		return true;
	}
	job->blk_op = job->op == BLKIF_OP_READ ? BLK_OP_READ : BLK_OP_WRITE;
	limit = MIN(room, disk->max_sectors & ~(volume->block / BLK_SECTOR - 1));
	if (!limit || !disk->max_segments) return false;
	if (job->left <= limit && (uint32_t)(job->segments - job->segment) <= disk->max_segments) {
		job->step_count = (uint32_t)job->left;
		job->step_segments = (uint16_t)(job->segments - job->segment);
		return true;
	}
	count_segments(job, MIN(limit, job->left),
		       MIN(disk->max_segments, (uint32_t)(job->segments - job->segment)));
	return true;
}

/* False: not enough slots are free now; nothing is pinned. */
static bool pin(struct job *job, struct driver *driver, bool *asked) {
	const struct device *device = &vbd.device[job->device];
	bool readonly = job->blk_op == BLK_OP_WRITE && !device->persistent;

	*asked = false;
	for (uint32_t i = 0; i < job->step_segments; i++) {
		struct segment *s = &job->list[job->segment + i];

		s->slot = dma_pin(&driver->dma, device->end.domid, s->ref, readonly,
				  device->persistent);
		if (s->slot == DMA_NONE) {
			while (i--) dma_unpin(&driver->dma, job->list[job->segment + i].slot);
			return false;
		}
		*asked |= !dma_is_mapped(&driver->dma, s->slot);
	}
	job->pinned = job->step_segments;
	return true;
}

static void start_step(struct job *job) {
	struct driver *driver = disk_driver(job->step_disk);
	bool asked;

	if (driver->given_up) {
		job_finish(job, BLKIF_RSP_ERROR);
	} else if (!blk_server_is_up(&driver->blk)) {
		job->phase = JOB_AWAY;
		job_list_add(&driver->away, job);
	} else if (!pin(job, driver, &asked)) {
		job->phase = JOB_STARVED;
		job_list_add(&driver->starved, job);
	} else if (asked) {
		job->phase = JOB_ASKING;
		job_list_add(&driver->asking, job);
	} else {
		disk_queue(job);
	}
}

static void next_step(struct job *job) {
	if (job->stage == STAGE_FLUSH_BEFORE) {
		if (flush_step(job)) {
			start_step(job);
			return;
		}
		job->stage = STAGE_DATA;
	}
	if (job->stage == STAGE_DATA) {
		if (job->left) {
			if (data_step(job))
				start_step(job);
			else
				job_finish(job, BLKIF_RSP_EOPNOTSUPP);
			return;
		}
		job->extent = 0;
		job->stage = job->op == BLKIF_OP_WRITE_BARRIER && job->segments ? STAGE_FLUSH_AFTER
										: STAGE_END;
	}
	if (job->stage == STAGE_FLUSH_AFTER && flush_step(job)) {
		start_step(job);
		return;
	}
	job_finish(job, BLKIF_RSP_OKAY);
}

void job_begin(struct job *job) {
	struct device *device = &vbd.device[job->device];

	job->segment = job->extent = 0;
	job->skip = job->tries = 0;
	job->pinned = false;
	job->stage = job->op == BLKIF_OP_WRITE_BARRIER || job->op == BLKIF_OP_FLUSH_DISKCACHE
			     ? STAGE_FLUSH_BEFORE
			     : STAGE_DATA;
	if (job->op == BLKIF_OP_WRITE_BARRIER) {
		device->barrier = job_index(job);
		if (device->jobs > 1) {
			job->phase = JOB_BARRIER;
			return;
		}
	}
	next_step(job);
}

void job_barrier(struct device *device) {
	struct job *job = &vbd.job[device->barrier];

	if (job->phase == JOB_BARRIER) next_step(job);
}

/* Moves on over what the step has done. */
static void advance(struct job *job) {
	uint32_t count = job->step_count;

	job->tries = 0;
	if (job->blk_op == BLK_OP_FLUSH) {
		job->extent++;
		return;
	}
	job->sector += count;
	job->left -= count;
	if (!job->left || job->op == BLKIF_OP_DISCARD) return;
	for (;;) {
		const struct segment *s = &job->list[job->segment];
		uint32_t here = s->last - s->first + 1U - job->skip;

		if (count < here) break;
		count -= here;
		job->segment++;
		job->skip = 0;
	}
	job->skip = (uint8_t)(job->skip + count);
}

static void report(struct job *job, uint32_t status) {
	static const char *const words[] = {
		"",
		"failed",
		"is not supported",
		"was refused as malformed",
		"was not answered",
		"found no disk",
		"found a disk that can only be read",
	};
	struct driver *driver = disk_driver(job->step_disk);

	if (driver->errors++ >= LOG_ERRORS) return;
	log_print("disk %s: a request of %u sectors at %lu of %s/%u %s",
		  vbd.device[job->device].end.name, job->step_count, job->step_sector,
		  driver->connection->peer, job->step_disk % BLK_MAX_DISKS,
		  words[status < ARRAY_SIZE(words) ? status : 1]);
}

void job_step_done(struct job *job, uint32_t status) {
	if (status == BLK_STATUS_OK) {
		unpin(job);
		advance(job);
		next_step(job);
		return;
	}
	report(job, status);
	/* The device was reset: it may do better now. What it says itself is final. */
	if (status == BLK_STATUS_TIMEOUT && ++job->tries < VBD_TRIES) {
		disk_queue(job);
		return;
	}
	vbd.device[job->device].count->failed++;
	job_finish(job, status == BLK_STATUS_UNSUPPORTED && job->blk_op != BLK_OP_READ &&
					job->blk_op != BLK_OP_WRITE
				? BLKIF_RSP_EOPNOTSUPP
				: BLKIF_RSP_ERROR);
}

void job_mapped(struct driver *driver) {
	struct job *job;

	dma_flush(&driver->dma);
	while ((job = job_list_take(&driver->asking)) != NULL) {
		bool all = true;

		for (uint32_t i = 0; i < job->step_segments; i++)
			all &= dma_is_mapped(&driver->dma, job->list[job->segment + i].slot);
		if (all) {
			disk_queue(job);
			continue;
		}
		vbd.device[job->device].count->malformed++;
		job_finish(job, BLKIF_RSP_ERROR);
	}
}

/* In the order in which they came; the first that finds no room ends the round. */
void job_feed(struct driver *driver) {
	struct job_list waiting = driver->starved;
	struct job *job;

	job_list_init(&driver->starved);
	while (driver->starved.first == VBD_NONE && (job = job_list_take(&waiting)) != NULL)
		next_step(job);
	if (waiting.first == VBD_NONE || driver->starved.first == VBD_NONE) return;
	vbd.job[driver->starved.last].next = waiting.first;
	driver->starved.last = waiting.last;
}

void job_session_lost(struct driver *driver) {
	uint32_t n = (uint32_t)(driver - vbd.driver);

	job_list_init(&driver->asking);
	job_list_init(&driver->starved);
	job_list_init(&driver->away);
	for (uint32_t i = 0; i < BLK_MAX_DISKS; i++) {
		struct disk *disk = &vbd.disk[n * BLK_MAX_DISKS + i];

		disk->in_flight = disk->batch_count = 0;
		disk->waiting = (struct bits){0};
		job_list_init(&disk->batch);
		for (uint32_t g = 0; g < VBD_GUESTS; g++) job_list_init(&disk->wait[g]);
	}
	for (uint32_t i = 0; i < VBD_JOBS; i++) {
		struct job *job = &vbd.job[i];

		if (job->phase < JOB_AWAY || job->phase > JOB_FLIGHT ||
		    disk_driver(job->step_disk) != driver)
			continue;
		job->pinned = false;
		job->phase = JOB_AWAY;
		job_list_add(&driver->away, job);
	}
}

/* Takes all jobs of a list through next_step(), which may put them into another. */
static void resume(struct job_list *list) {
	struct job_list all = *list;
	struct job *job;

	job_list_init(list);
	while ((job = job_list_take(&all)) != NULL) next_step(job);
}

void job_session_begins(struct driver *driver) { resume(&driver->away); }

void job_give_up(struct driver *driver) {
	struct job_list all = driver->away;
	struct job *job;

	job_list_init(&driver->away);
	while ((job = job_list_take(&all)) != NULL) {
		vbd.device[job->device].count->failed++;
		job_finish(job, BLKIF_RSP_ERROR);
	}
}
