/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The guests' rings. The pages are the guest's: what is read from them is copied
 * once, into the request's record in the lifeboat, and only that copy is looked
 * at. Indices are private; those of the guest are read once per batch and their
 * distance is checked. A guest with impossible indices loses this device.
 *
 * boat.h says how a request is taken and answered so that a death at any point
 * neither loses nor doubles an answer. Within a batch all answers are written
 * first; then rsp_prod moves once, and the guest is told once.
 */
#include "vbd.h"

/* Segments of an indirect request arrive here by a grant copy. */
static struct blkif_request_segment indirect[VBD_SEGMENTS];

static uint32_t load(const uint32_t *index) { return __atomic_load_n(index, __ATOMIC_ACQUIRE); }
static void store(uint32_t *index, uint32_t value) {
	__atomic_store_n(index, value, __ATOMIC_RELEASE);
}

static void *slot(const struct queue *queue, uint32_t index) {
	return (uint8_t *)(queue->shared + 1) + (size_t)(index & queue->mask) * BLKIF_SLOT_SIZE;
}

/* The words that this kind of request has, each read once. */
static void copy_request(struct blkif_request *to, const volatile uint64_t *from) {
	uint64_t *words = (uint64_t *)to;
	uint32_t count = 3;

	words[0] = from[0];
	if (to->operation == BLKIF_OP_INDIRECT)
		count = sizeof(struct blkif_request_indirect) / 8;
	else if (to->operation == BLKIF_OP_DISCARD)
		count = sizeof(struct blkif_request_discard) / 8;
	else
		count += MIN(to->nr_segments, BLKIF_MAX_SEGMENTS_PER_REQUEST);
	for (uint32_t i = 1; i < count; i++) words[i] = from[i];
}

static bool read_indirect(const struct blkif_request *request, const struct device *device,
			  struct job *job) {
	const struct blkif_request_indirect *r = (const void *)request;

	if (link_copy(device->end.domid, r->indirect_grefs[0], indirect,
		      job->segments * (uint32_t)sizeof(indirect[0]))) {
		job->status = BLKIF_RSP_ERROR;
		return false;
	}
	return request_segments(indirect, device, job);
}

static void count(struct device *device, const struct job *job) {
	if (job->op == BLKIF_OP_READ) {
		device->count->reads++;
		device->count->read_sectors += job->left;
	} else if (job->op != BLKIF_OP_DISCARD && job->left) {
		device->count->writes++;
		device->count->write_sectors += job->left;
	} else {
		device->count->others++;
	}
}

/* The request is in its record, which is OUTSTANDING. again: a predecessor has counted it. */
static void begin(struct job *job, bool again) {
	const struct blkif_request *request = &vbd.boat->record[job_index(job)].request;
	struct device *device = &vbd.device[job->device];

	if (!request_parse(request, device, job) ||
	    (request->operation == BLKIF_OP_INDIRECT && !read_indirect(request, device, job))) {
		if (!again) {
			device->count->malformed += job->status != BLKIF_RSP_EOPNOTSUPP;
			device->count->others++;
		}
		job_finish(job, job->status);
		return;
	}
	if (!again) count(device, job);
	bucket_charge(&device->requests, 1);
	if (job->op != BLKIF_OP_DISCARD) bucket_charge(&device->bytes, job->left * BLK_SECTOR);
	job_begin(job);
}

static void count_job(struct job *job, struct device *device, uint32_t number) {
	job->device = (uint16_t)(device - vbd.device);
	job->queue = (uint8_t)number;
	device->jobs++;
	vbd.guest[device->end.guest].jobs++;
}

static void take(struct job *job, struct device *device, uint32_t number) {
	struct queue *queue = &device->queue[number];
	struct boat_record *record = &vbd.boat->record[job_index(job)];

	copy_request(&record->request, slot(queue, queue->req_cons));
	record->device = (uint16_t)(device - vbd.device);
	record->queue = (uint16_t)number;
	record->incarnation = device->end.incarnation;
	boat_set(record, BOAT_OUTSTANDING);
	queue->req_cons++;
	count_job(job, device, number);
	vbd.asked = MAX(vbd.asked, device->jobs);
	begin(job, false);
}

static bool limited(struct device *device) {
	uint64_t bytes = bucket_wait(&device->bytes, vbd.now);
	uint64_t requests = bucket_wait(&device->requests, vbd.now);

	vbd_wake_at(MAX(bytes, requests));
	return bytes || requests;
}

/*
 * Before it is left alone, the guest is asked to tell: of the next request if
 * nothing is under way, else when there are as many new ones as are under way. For
 * when one of those is answered we look again anyway.
 */
static uint32_t available(const struct device *device, struct queue *queue) {
	uint32_t count = load(&queue->shared->req_prod) - queue->req_cons;
	uint32_t several = MIN(MAX(device->jobs, 1U), queue->mask / 2 + 1);

	if (count) return count;
	store(&queue->shared->req_event, queue->req_cons + several);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return load(&queue->shared->req_prod) - queue->req_cons;
}

enum ring_taken ring_take(struct device *device, uint32_t number) {
	struct queue *queue = &device->queue[number];
	uint32_t count = available(device, queue);
	struct job *job;

	if (!count) return RING_EMPTY;
	/* Answers that are not out yet use slots as well. */
	if (count > queue->mask + 1 - (queue->req_cons - queue->rsp_prod)) {
		backend_break(&device->end, "its ring's indices are impossible");
		return RING_EMPTY;
	}
	for (uint32_t n = 0; n < count; n++) {
		if (n == VBD_BATCH) return RING_MORE;
		if (device->end.state != BACKEND_LIVE || device->barrier != VBD_NONE ||
		    vbd.guest[device->end.guest].jobs >= vbd.job_cap || limited(device))
			return RING_BLOCKED;
		job = job_take_free();
		if (!job) return RING_BLOCKED;
		take(job, device, number);
	}
	return available(device, queue) ? RING_MORE : RING_EMPTY;
}

/* --- answers --- */

static void answer(struct job *job) {
	struct device *device = &vbd.device[job->device];
	struct queue *queue = &device->queue[job->queue];
	uint32_t index = queue->rsp_prod++;
	uint64_t *to = slot(queue, index);

	boat_answered(&vbd.boat->record[job_index(job)], index);
	__atomic_store_n(&to[0], job->id, __ATOMIC_RELAXED);
	__atomic_store_n(&to[1], job->answer_op | (uint64_t)(uint16_t)job->status << 16,
			 __ATOMIC_RELAXED);
	queue->dirty = true;
}

static void publish(struct device *device) {
	for (uint32_t i = 0; i < device->queue_count; i++) {
		struct queue *queue = &device->queue[i];
		uint32_t now = queue->rsp_prod, before = queue->published;

		if (!queue->dirty) continue;
		queue->dirty = false;
		queue->published = now;
		store(&queue->shared->rsp_prod, now);
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		if (now - load(&queue->shared->rsp_event) < now - before) link_notify(queue->port);
	}
}

static void release(struct job *job) {
	struct device *device = &vbd.device[job->device];

	boat_set(&vbd.boat->record[job_index(job)], BOAT_FREE);
	if (device->barrier == job_index(job)) device->barrier = VBD_NONE;
	job->phase = JOB_FREE;
	job->next = vbd.free_job;
	vbd.free_job = job_index(job);
	device->jobs--;
	vbd.guest[device->end.guest].jobs--;
	bits_add(&vbd.released, job->device);
	if (device->barrier != VBD_NONE && device->jobs == 1) job_barrier(device);
}

void ring_answer(void) {
	struct job_list told;
	struct bits devices = {0};
	struct job *job;

	if (vbd.answers.first == VBD_NONE) return;
	/* A frontend takes a grant back as soon as it has the answer. */
	for (uint32_t i = 0; i < vbd.driver_count; i++) dma_flush_drops(&vbd.driver[i].dma);
	/* A barrier may come to its end while others are released: it is answered next time. */
	told = vbd.answers;
	job_list_init(&vbd.answers);
	for (uint16_t n = told.first; n != VBD_NONE; n = vbd.job[n].next) {
		answer(&vbd.job[n]);
		bits_add(&devices, vbd.job[n].device);
	}
	for (uint32_t n = 0; (n = bits_next(&devices, n)) != VBD_NONE; n++) publish(&vbd.device[n]);
	while ((job = job_list_take(&told)) != NULL) release(job);
}

/* --- a device's rings come and go --- */

void ring_forget(uint16_t device) {
	for (uint16_t i = 0; i < VBD_JOBS; i++) {
		struct job *job = &vbd.job[i];

		if (job->phase != JOB_HELD || vbd.boat->record[i].device != device) continue;
		boat_set(&vbd.boat->record[i], BOAT_FREE);
		job->phase = JOB_FREE;
		job->next = vbd.free_job;
		vbd.free_job = i;
	}
}

static uint32_t adopt(struct device *device, uint32_t number, uint32_t rsp_prod) {
	uint16_t numbers[BOAT_RECORDS];
	struct boat_ring ring = {
		.device = (uint16_t)(device - vbd.device),
		.queue = (uint16_t)number,
		.incarnation = device->end.incarnation,
	};
	uint32_t count = boat_adopt(vbd.boat, &ring, rsp_prod, numbers), adopted = 0;

	for (uint32_t i = 0; i < count; i++) {
		struct job *job = &vbd.job[numbers[i]];

		/* The boat is input: a record that says so does not make a job a predecessor's. */
		if (job->phase != JOB_HELD) continue;
		job->phase = JOB_TAKEN;
		count_job(job, device, number);
		adopted++;
	}
	return adopted;
}

void ring_connect(struct device *device, bool adopting) {
	uint16_t n = (uint16_t)(device - vbd.device);
	bool broken = false;

	device->barrier = VBD_NONE;
	for (uint32_t i = 0; i < device->queue_count; i++) {
		struct queue *queue = &device->queue[i];

		queue->rsp_prod = queue->published = load(&queue->shared->rsp_prod);
		queue->req_cons = queue->rsp_prod;
		if (adopting) queue->req_cons += adopt(device, i, queue->rsp_prod);
		queue->dirty = false;
		broken |= queue->req_cons - queue->rsp_prod > queue->mask + 1;
	}
	/* What boat_adopt() has freed, and what belongs to no queue of today. */
	ring_forget(n);
	/* All are counted before one begins: a barrier waits for the others. */
	for (uint16_t i = 0; i < VBD_JOBS; i++)
		if (vbd.job[i].phase == JOB_TAKEN && vbd.job[i].device == n)
			begin(&vbd.job[i], true);
	if (broken)
		backend_break(&device->end,
			      "more of its requests are recorded than its ring can hold");
}
