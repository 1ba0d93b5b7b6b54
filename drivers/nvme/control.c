/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The controller's life: disable, enable, a list of admin commands, one at a time,
 * and work (nvme.h). At start it may be in any state, so it is disabled first;
 * when it says that it is not ready it does no DMA (Base Specification 3.5.1), so
 * only then are requests that were outstanding answered or begun again.
 *
 * A controller that cannot even be disabled may still write into pages that the
 * server will use for something else. Only the bus domain can stop it, so then
 * the driver ends (nvme->running), which makes the supervisor see to that.
 */
#include "nvme.h"

#include "libs/log/log.h"
#include "libs/rt/time.h"

#define PAUSE_FIRST   20000U /* ns */
#define PAUSE_MAX     MILLISECONDS(10)
#define HALF_SECOND   MILLISECONDS(500)
#define ADMIN_TIMEOUT (10U * 1000U * MILLISECONDS(1))
#define MAX_RESETS    4U
#define ADMIN_SLOT    0U

#define PAGE_COMMANDS 0U
#define PAGE_IDENTIFY 2U

static void set_state(struct nvme *nvme, enum nvme_state state, uint64_t deadline) {
	nvme->state = state;
	nvme->deadline = deadline;
	nvme->pause = PAUSE_FIRST;
}

static void die(struct nvme *nvme, const char *why, uint32_t status) {
	nvme->state = NVME_DEAD;
	nvme->why = why;
	nvme->wake = 0;
	/* While it may still do DMA nobody is told that a request is over. */
	if (!nvme->running) nvme_fail_all(nvme, status);
}

static void disable(struct nvme *nvme, uint64_t now) {
	uint64_t wait = (CAP_TO(nvme->capabilities) + 1) * HALF_SECOND;

	nvme_write(nvme, REG_CC, 0);
	set_state(nvme, NVME_DISABLE, now + wait);
	nvme->wake = now + PAUSE_FIRST;
}

void nvme_reset(struct nvme *nvme, const char *why, uint64_t now) {
	if (nvme->state == NVME_DEAD) return;
	nvme->total_resets++;
	log_print("the controller is reset: %s", why);
	if (nvme->resets++ == MAX_RESETS) nvme->why = "it does not recover";
	disable(nvme, now);
}

/* --- admin commands --- */

static void admin_send(struct nvme *nvme, const struct nvme_command *command, uint64_t now) {
	struct nvme_queue *queue = &nvme->admin;
	struct nvme_slot *slot = &queue->slot[ADMIN_SLOT];
	struct nvme_command *to = nvme_queue_next(queue);

	*to = *command;
	slot->busy = true;
	to->id = ++slot->id;
	nvme_queue_put(queue);
	nvme_queue_tell(nvme, queue);
	nvme->deadline = now + ADMIN_TIMEOUT;
	nvme->pause = PAUSE_FIRST;
	nvme->wake = now + PAUSE_FIRST;
}

static void identify(struct nvme *nvme, uint32_t what, uint32_t nsid, uint64_t now) {
	struct nvme_command command = {
		.opcode = ADMIN_IDENTIFY,
		.nsid = nsid,
		.prp1 = nvme->memory.address[PAGE_IDENTIFY],
		.cdw10 = what,
	};

	memset(nvme_page(nvme, PAGE_IDENTIFY), 0, PAGE_SIZE);
	admin_send(nvme, &command, now);
}

static void create(struct nvme *nvme, bool completions, uint64_t now) {
	const struct nvme_queue *queue = &nvme->queue[nvme->step_index];
	struct nvme_command command = {
		.opcode = completions ? ADMIN_CREATE_CQ : ADMIN_CREATE_SQ,
		.prp1 = completions ? queue->completions_address : queue->commands_address,
		.cdw10 = (NVME_DEPTH - 1) << 16 | queue->id,
		.cdw11 = completions ? (uint32_t)queue->vector << 16 | QUEUE_INTERRUPTS |
					       QUEUE_CONTIGUOUS
				     : (uint32_t)queue->id << 16 | QUEUE_CONTIGUOUS,
	};

	admin_send(nvme, &command, now);
}

static void begin_step(struct nvme *nvme, enum nvme_step step, uint32_t index, uint64_t now) {
	struct nvme_command queues = {
		.opcode = ADMIN_SET_FEATURES,
		.cdw10 = FEATURE_QUEUES,
		.cdw11 = (nvme->queue_count - 1) << 16 | (nvme->queue_count - 1),
	};

	nvme->step = step;
	nvme->step_index = index;
	switch (step) {
	case STEP_CONTROLLER: identify(nvme, IDENTIFY_CONTROLLER, 0, now); break;
	case STEP_QUEUES: admin_send(nvme, &queues, now); break;
	case STEP_LIST: identify(nvme, IDENTIFY_LIST, 0, now); break;
	case STEP_NAMESPACE: identify(nvme, IDENTIFY_NAMESPACE, nvme->list[index], now); break;
	case STEP_CREATE_CQ: create(nvme, true, now); break;
	case STEP_CREATE_SQ: create(nvme, false, now); break;
	}
}

static bool same_disk(const struct nvme_namespace *a, const struct nvme_namespace *b) {
	return a->disk.sectors == b->disk.sectors && a->disk.block == b->disk.block;
}

/* The first time a namespace becomes a disk; after a reset it must be the same. */
static void found_namespace(struct nvme *nvme, uint32_t id, bool answered) {
	struct nvme_namespace space, *known;
	const char *why = "the controller does not describe it";
	bool good = answered &&
		    nvme_parse_namespace(nvme, id, nvme_page(nvme, PAGE_IDENTIFY), &space, &why);

	if (!nvme->known) {
		if (good)
			nvme->namespaces[nvme->namespace_count++] = space;
		else
			log_print("namespace %u is left out: %s", id, why);
		return;
	}
	for (uint32_t i = 0; i < nvme->namespace_count; i++) {
		known = &nvme->namespaces[i];
		if (known->id == id && good && same_disk(known, &space)) known->gone = false;
	}
}

static void ready(struct nvme *nvme, uint64_t now) {
	set_state(nvme, NVME_READY, 0);
	nvme->known = true;
	nvme->wake = 0;
	for (uint32_t i = 0; i < nvme->namespace_count; i++)
		if (nvme->namespaces[i].gone)
			log_print("namespace %u is gone, or another one now",
				  nvme->namespaces[i].id);
	for (uint32_t i = 0; i < nvme->queue_count; i++) nvme_pump(nvme, &nvme->queue[i], now);
	nvme_kick(nvme);
}

static void after_namespaces(struct nvme *nvme, uint64_t now) {
	begin_step(nvme, STEP_CREATE_CQ, 0, now);
}

/* After a reset every namespace has to be found again. */
static void got_list(struct nvme *nvme, bool answered, uint64_t now) {
	if (answered) {
		nvme->list_count = nvme_parse_list(nvme_page(nvme, PAGE_IDENTIFY), nvme->list);
	} else {
		/* Before version 1.1 there is no list; they are numbered from 1. */
		nvme->list_count = 1;
		nvme->list[0] = 1;
	}
	if (!nvme->known) nvme->namespace_count = 0;
	for (uint32_t i = 0; i < nvme->namespace_count; i++) nvme->namespaces[i].gone = true;
	if (nvme->list_count)
		begin_step(nvme, STEP_NAMESPACE, 0, now);
	else
		after_namespaces(nvme, now);
}

static void got_queues(struct nvme *nvme, uint32_t result, uint64_t now) {
	uint32_t granted = MIN(result & 0xffff, result >> 16) + 1;

	if (nvme->known && granted < nvme->queue_count) {
		die(nvme, "it gives fewer queues than before its reset", BLK_STATUS_GONE);
		return;
	}
	nvme->queue_count = MIN(nvme->queue_count, granted);
	begin_step(nvme, STEP_LIST, 0, now);
}

static void got_answer(struct nvme *nvme, uint32_t status, uint32_t result, uint64_t now) {
	uint32_t next = nvme->step_index + 1;
	bool good = !STATUS_CODE(status);

	if (!good && nvme->step != STEP_LIST && nvme->step != STEP_NAMESPACE) {
		log_print("step %d of its setup: status %#x", (int)nvme->step, status);
		die(nvme, "it refuses an admin command that it must know", BLK_STATUS_GONE);
		return;
	}
	switch (nvme->step) {
	case STEP_CONTROLLER:
		if (nvme_parse_controller(nvme, nvme_page(nvme, PAGE_IDENTIFY)))
			begin_step(nvme, STEP_QUEUES, 0, now);
		else
			die(nvme, "it wants queue entries of another size", BLK_STATUS_GONE);
		break;
	case STEP_QUEUES: got_queues(nvme, result, now); break;
	case STEP_LIST: got_list(nvme, good, now); break;
	case STEP_NAMESPACE:
		found_namespace(nvme, nvme->list[nvme->step_index], good);
		if (next < nvme->list_count)
			begin_step(nvme, STEP_NAMESPACE, next, now);
		else
			after_namespaces(nvme, now);
		break;
	case STEP_CREATE_CQ: begin_step(nvme, STEP_CREATE_SQ, nvme->step_index, now); break;
	case STEP_CREATE_SQ:
		if (next < nvme->queue_count)
			begin_step(nvme, STEP_CREATE_CQ, next, now);
		else
			ready(nvme, now);
		break;
	}
}

static void work_admin(struct nvme *nvme, uint64_t now) {
	struct nvme_queue *queue = &nvme->admin;
	struct nvme_slot *slot = &queue->slot[ADMIN_SLOT];
	struct nvme_completion entry;
	bool answered = false, taken = false;

	for (uint32_t i = 0; i < NVME_DEPTH && !answered; i++) {
		if (!nvme_queue_take(queue, &entry)) break;
		taken = true;
		answered = slot->busy && entry.id == slot->id && !entry.sq_id;
		nvme->lies += !answered;
	}
	if (taken) nvme_queue_taken(nvme, queue);
	if (!answered) return;
	slot->busy = false;
	if (nvme->state == NVME_SETUP) got_answer(nvme, entry.status >> 1, entry.result, now);
}

/* --- disable and enable --- */

static void write64(struct nvme *nvme, uint32_t offset, uint64_t value) {
	nvme_write(nvme, offset, (uint32_t)value);
	nvme_write(nvme, offset + 4, (uint32_t)(value >> 32));
}

static void enable(struct nvme *nvme, uint64_t now) {
	nvme_queue_init(nvme, &nvme->admin, 0, PAGE_COMMANDS);
	for (uint32_t i = 0; i < nvme->queue_count; i++)
		nvme->queue[i].vector =
			(uint16_t)(nvme->vectors > 1 ? 1 + i % (nvme->vectors - 1) : 0);
	nvme_write(nvme, REG_AQA, (NVME_DEPTH - 1) << 16 | (NVME_DEPTH - 1));
	write64(nvme, REG_ASQ, nvme->admin.commands_address);
	write64(nvme, REG_ACQ, nvme->admin.completions_address);
	nvme_write(nvme, REG_CC, CC_RUN);
	set_state(nvme, NVME_ENABLE, now + (CAP_TO(nvme->capabilities) + 1) * HALF_SECOND);
}

static void disabled(struct nvme *nvme, uint64_t now) {
	if (nvme->why) {
		die(nvme, nvme->why, BLK_STATUS_TIMEOUT);
		return;
	}
	nvme_requeue(nvme, now);
	enable(nvme, now);
}

static void look_again(struct nvme *nvme, uint64_t now) {
	nvme->wake = MIN(now + nvme->pause, nvme->deadline);
	nvme->pause = MIN(nvme->pause * 2, PAUSE_MAX);
}

static void step_bring_up(struct nvme *nvme, uint64_t now) {
	uint32_t status = nvme_read(nvme, REG_CSTS);
	enum nvme_state before = nvme->state;

	if (status == REG_ABSENT) {
		die(nvme, "it is not there any more", BLK_STATUS_GONE);
		return;
	}
	if (nvme->state == NVME_DISABLE && !(status & CSTS_READY)) {
		disabled(nvme, now);
		status = nvme_read(nvme, REG_CSTS);
	}
	if (nvme->state == NVME_ENABLE && status & CSTS_READY && !(status & CSTS_FATAL)) {
		set_state(nvme, NVME_SETUP, 0);
		begin_step(nvme, STEP_CONTROLLER, 0, now);
	}
	if (nvme->state == NVME_SETUP) work_admin(nvme, now);
	if (nvme->state == NVME_READY || nvme->state == NVME_DEAD) return;
	if (now < nvme->deadline || nvme->state != before) {
		look_again(nvme, now);
	} else if (nvme->state == NVME_DISABLE) {
		nvme->running = true;
		die(nvme, "it cannot be stopped", BLK_STATUS_TIMEOUT);
	} else {
		nvme_reset(nvme, "it does not come up", now);
	}
}

static void tick(struct nvme *nvme, uint64_t now) {
	uint32_t status = nvme_read(nvme, REG_CSTS);

	if (status == REG_ABSENT) {
		die(nvme, "it is not there any more", BLK_STATUS_GONE);
		return;
	}
	for (uint32_t i = 0; i < nvme->queue_count; i++)
		nvme_work_queue(nvme, &nvme->queue[i], now);
	nvme_kick(nvme);
	if (status & CSTS_FATAL || !(status & CSTS_READY))
		nvme_reset(nvme, "it says that it has failed", now);
	else if (nvme_overdue(nvme, now))
		nvme_reset(nvme, "a command takes too long", now);
	else
		nvme->wake = nvme_idle(nvme) ? 0 : now + NVME_TICK;
}

void nvme_timer(struct nvme *nvme, uint64_t now) {
	if (nvme->state == NVME_READY)
		tick(nvme, now);
	else if (nvme->state != NVME_DEAD)
		step_bring_up(nvme, now);
}

bool nvme_interrupt(struct nvme *nvme, uint32_t vector, uint64_t now) {
	bool all = true;

	if (nvme->state == NVME_DEAD) return true;
	if (nvme->state != NVME_READY) {
		step_bring_up(nvme, now);
		return true;
	}
	if (!vector) work_admin(nvme, now);
	for (uint32_t i = 0; i < nvme->queue_count; i++)
		if (nvme->queue[i].vector == vector)
			all &= nvme_work_queue(nvme, &nvme->queue[i], now);
	return all;
}

static const char *unusable(const struct nvme *nvme) {
	uint64_t cap = nvme->capabilities;

	if ((uint32_t)cap == REG_ABSENT) return "nothing answers in its registers";
	if (!(cap & CAP_CSS_NVM)) return "it has no NVM commands";
	if (CAP_MPSMIN(cap)) return "it has no pages of 4 KiB";
	if (CAP_MQES(cap) < NVME_DEPTH - 1) return "its queues are too short";
	if (!nvme->queue_count) return "too few pages or registers for one queue";
	return NULL;
}

void nvme_start(struct nvme *nvme, uint64_t now) {
	uint32_t queues = MIN(MAX(nvme->vectors - 1, 1U), NVME_MAX_QUEUES);
	const char *why;

	if (nvme->registers < REG_DOORBELLS) {
		die(nvme, "it has too few registers", BLK_STATUS_GONE);
		return;
	}
	nvme->capabilities = nvme_read(nvme, REG_CAP) | (uint64_t)nvme_read(nvme, REG_CAP + 4)
								<< 32;
	queues = MIN(queues, (nvme->memory.pages - NVME_ADMIN_PAGES) / NVME_QUEUE_PAGES);
	while (queues && nvme_doorbell(nvme, queues, true) > nvme->registers - 4) queues--;
	nvme->queue_count = queues;
	why = unusable(nvme);
	if (why) {
		die(nvme, why, BLK_STATUS_GONE);
		return;
	}
	disable(nvme, now);
	step_bring_up(nvme, now);
}
