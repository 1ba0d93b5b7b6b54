/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Order and sharing on a physical disk. Steps wait in one list for each guest.
 * When the disk has nothing admitted, a batch is: the guests in turn, each with
 * the same number of sectors (deficit round robin), and within the batch by
 * sector, from where the last one ended upwards and then from the lowest on.
 * What comes later goes into the next batch, so no step waits for more than the
 * rest of this one and its turn in the next, wherever it lies on the disk.
 *
 * The driver has VBD_DEPTH steps of a disk at once, at most: what waits here can
 * still be put into order and shared, what the device has cannot.
 */
#include "vbd.h"

#define BATCH   16U
#define QUANTUM 256 /* sectors of one guest in its turn */
#define COST    16U /* sectors that a request costs besides its own */

void disk_init(struct disk *disk) {
	for (uint32_t i = 0; i < VBD_GUESTS; i++) job_list_init(&disk->wait[i]);
	job_list_init(&disk->batch);
}

void disk_queue(struct job *job) {
	struct disk *disk = &vbd.disk[job->step_disk];
	uint16_t guest = vbd.device[job->device].end.guest;

	job->phase = JOB_QUEUED;
	job_list_add(&disk->wait[guest], job);
	bits_add(&disk->waiting, guest);
	vbd.busy |= 1ULL << job->step_disk;
}

/* By distance from the head, upwards. Often it belongs behind the last. */
static void admit(struct disk *disk, struct job *job) {
	uint64_t distance = job->step_sector - disk->head;
	uint16_t n = job_index(job), *link = &disk->batch.first;

	disk->batch_count++;
	if (disk->batch.first == VBD_NONE ||
	    vbd.job[disk->batch.last].step_sector - disk->head <= distance) {
		job_list_add(&disk->batch, job);
		return;
	}
	while (vbd.job[*link].step_sector - disk->head <= distance) link = &vbd.job[*link].next;
	job->next = *link;
	*link = n;
}

/* The whole disk's limits. */
static bool limited(struct disk *disk) {
	uint64_t bytes = bucket_wait(&disk->bytes, vbd.now);
	uint64_t requests = bucket_wait(&disk->requests, vbd.now);

	vbd_wake_at(MAX(bytes, requests));
	return bytes || requests;
}

/* Sectors that the device moves: none for a flush or a discard. */
static uint32_t moved(const struct job *job) { return job->step_segments ? job->step_count : 0; }

static void charge(struct disk *disk, const struct job *job) {
	bucket_charge(&disk->bytes, (uint64_t)moved(job) * BLK_SECTOR);
	bucket_charge(&disk->requests, 1);
}

/* What is left of a guest's turn. False: the disk's limit is reached. */
static bool go_on(struct disk *disk, uint32_t guest) {
	struct job_list *list = &disk->wait[guest];

	while (disk->deficit[guest] > 0 && disk->batch_count < BATCH) {
		struct job *job;

		if (limited(disk)) return false;
		job = job_list_take(list);
		disk->deficit[guest] -= (int32_t)(moved(job) + COST);
		charge(disk, job);
		admit(disk, job);
		if (list->first != VBD_NONE) continue;
		bits_remove(&disk->waiting, guest);
		/* Who has nothing to ask saves nothing up, but what it owes it owes. */
		disk->deficit[guest] = MIN(disk->deficit[guest], 0);
		break;
	}
	return true;
}

/* A turn that the end of a batch has cut goes on in the next. */
static void form_batch(struct disk *disk) {
	while (bits_any(&disk->waiting) && disk->batch_count < BATCH) {
		if (!bits_has(&disk->waiting, disk->turn) || disk->deficit[disk->turn] <= 0) {
			uint32_t later = bits_next(&disk->waiting, disk->turn + 1);

			disk->turn = later != VBD_NONE ? later : bits_next(&disk->waiting, 0);
			disk->deficit[disk->turn] += QUANTUM;
		}
		if (!go_on(disk, disk->turn)) return;
	}
}

/* The addresses of the step's sectors. A discard lies nowhere in memory. */
static void address(const struct job *job, const struct dma_table *table, struct blk_segment *to) {
	uint32_t left = job->step_count, skip = job->skip;

	for (uint32_t i = 0; i < job->step_segments; i++) {
		const struct segment *s = &job->list[job->segment + i];
		uint32_t first = s->first + skip, count = MIN(s->last + 1U - first, left);

		to[i] = (struct blk_segment){
			.address = table->slot[s->slot].address + first * BLK_SECTOR,
			.length = count * BLK_SECTOR,
		};
		left -= count;
		skip = 0;
	}
}

/* False: the driver has no room. */
static bool submit(uint16_t number, struct job *job) {
	struct driver *driver = disk_driver(number);
	struct blk_segment segments[VBD_SEGMENTS];
	struct blk_request request = {
		.op = job->blk_op,
		.segments = job->step_segments,
		.disk = (uint8_t)(number % BLK_MAX_DISKS),
		.queue = job->queue,
		.sector = job->step_sector,
		.count = job->step_count,
	};
	int tag;

	address(job, &driver->dma, segments);
	tag = blk_server_submit(&driver->blk, &request, segments);
	if (tag < 0) return false;
	driver->job_of_tag[tag] = job_index(job);
	driver->submitted = true;
	job->phase = JOB_FLIGHT;
	job->since = vbd.now;
	return true;
}

void disk_dispatch(uint16_t number) {
	struct disk *disk = &vbd.disk[number];

	while (disk->in_flight < VBD_DEPTH) {
		struct job *job;

		if (!disk->batch_count) form_batch(disk);
		if (!disk->batch_count) break;
		job = &vbd.job[disk->batch.first];
		if (!submit(number, job)) break;
		disk->batch.first = job->next;
		disk->batch_count--;
		disk->in_flight++;
		if (job->blk_op != BLK_OP_FLUSH) disk->head = job->step_sector + job->step_count;
	}
	/* What is left waits for a completion, for room, or for the time of vbd_wake_at(). */
	if (!disk->batch_count && !bits_any(&disk->waiting)) vbd.busy &= ~(1ULL << number);
}
