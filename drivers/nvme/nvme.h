/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An NVMe controller as a state machine over registers, queue pages and a clock,
 * apart from how the registers are reached and from who asks, so that the host's
 * tests run it against controllers that lie.
 *
 *   DISABLE --CSTS.RDY 0--> ENABLE --CSTS.RDY 1--> SETUP --admin commands--> READY
 *      ^                                                                      |
 *      +---- a command's time is over, the controller says that it failed ----+
 *
 * Nothing waits: every step is made by an interrupt or by nvme_timer(), and every
 * state has a deadline. Commands are begun in READY only; requests that come
 * earlier wait.
 *
 * A request is one or more commands, since a PRP list (whole pages but for the ends)
 * cannot say every list of segments, and a controller limits what one moves. A command is known by
 * its queue and its slot there; the other bits of its identifier count the slot's uses, so a
 * completion that comes late, or twice, is recognised.
 *
 * Retry rule: a request whose command failed with 'retry' allowed, or timed out,
 * is carried out once more from its beginning. Requests that a reset interrupted
 * innocently are carried out again without that count.
 */
#ifndef DRIVERS_NVME_NVME_H
#define DRIVERS_NVME_NVME_H

#include "libs/rt/rt.h"
#include "proto/blk.h"
#include "spec.h"

#define NVME_MAX_QUEUES  4U
#define NVME_DEPTH       64U /* entries of a queue: a page of commands */
#define NVME_SLOTS       (NVME_DEPTH - 1)
#define NVME_TICK        1000000000U /* ns between looks at a controller that works */
#define NVME_PRPS        256U        /* of one command: PRP 1 and a list of half a page */
#define NVME_LIST_BYTES  2048U
#define NVME_SGLS        (NVME_LIST_BYTES / 16U)
#define NVME_ADMIN_PAGES 3U                            /* commands, completions, identify data */
#define NVME_QUEUE_PAGES (2U + DIV_UP(NVME_SLOTS, 2U)) /* commands, completions, PRP lists */
#define NVME_PAGES       (NVME_ADMIN_PAGES + NVME_MAX_QUEUES * NVME_QUEUE_PAGES)

/* How the controller is reached, and who is answered. */
struct nvme_host {
	uint32_t (*read)(void *context, uint32_t offset);
	void (*write)(void *context, uint32_t offset, uint32_t value);
	void (*answer)(void *context, uint16_t tag, uint32_t status, uint32_t device_status);
	void *context;
};

/* Pages of the driver's that the controller reaches. */
struct nvme_memory {
	uint8_t *at; /* adjacent here */
	uint32_t pages;
	uint64_t address[NVME_PAGES]; /* anywhere for the controller */
};

struct nvme_namespace {
	uint32_t id;
	bool gone; /* not there any more, or another one now */
	uint8_t block_shift;
	struct blk_disk disk;
};

struct nvme_slot {
	bool busy;
	bool orphan; /* nobody waits for it: its request is of an old session */
	uint16_t id; /* of the command */
	uint16_t tag;
	uint64_t deadline;
};

struct nvme_queue {
	uint16_t id; /* 0: admin */
	uint16_t vector;
	struct nvme_command *commands;
	volatile struct nvme_completion *completions;
	uint64_t commands_address, completions_address;
	uint32_t tail, told; /* next entry; tail as the controller knows it */
	uint32_t head;
	uint16_t phase;
	uint32_t page;        /* first page of PRP lists in nvme_memory */
	uint32_t busy;        /* slots */
	uint16_t first, last; /* requests that have commands to begin; BLK_TAGS: none */
	struct nvme_slot slot[NVME_SLOTS];
};

struct nvme_request {
	struct blk_request request;
	bool used, queued; /* queued: linked from its queue */
	bool failed;       /* begin no more commands for it */
	bool retried;
	uint8_t queue;
	uint16_t next;
	uint16_t commands; /* outstanding */
	uint32_t segment;  /* next one to be done */
	uint64_t sectors;  /* done, or on their way */
	uint32_t status, device_status;
	bool retry; /* the failure may be temporary */
	struct blk_segment segments[BLK_MAX_SEGMENTS];
};

enum nvme_state { NVME_DISABLE, NVME_ENABLE, NVME_SETUP, NVME_READY, NVME_DEAD };
enum nvme_step {
	STEP_CONTROLLER,
	STEP_QUEUES,
	STEP_LIST,
	STEP_NAMESPACE,
	STEP_CREATE_CQ,
	STEP_CREATE_SQ
};

struct nvme {
	struct nvme_host host;
	struct nvme_memory memory;
	uint32_t registers; /* bytes of them that are mapped */
	uint32_t vectors;   /* interrupts that there are, at least 1 */
	uint64_t timeout;   /* ns, of a command */

	enum nvme_state state;
	enum nvme_step step;
	uint32_t step_index; /* namespace, queue */
	uint64_t deadline;   /* of the state */
	uint64_t wake;       /* when nvme_timer() is wanted, 0 = never */
	uint64_t pause;      /* between two looks at a register */
	uint32_t resets;     /* since a command was last completed well */
	const char *why;     /* DEAD: the reason */
	bool running;        /* DEAD: it could not be stopped, and may still do DMA */
	bool known;          /* the namespaces have been found once */

	uint64_t capabilities;
	uint32_t max_bytes; /* of one command */
	uint16_t optional;  /* ONCS */
	bool cache;         /* volatile */
	bool sgl;           /* it takes scatter gather lists */
	char serial[21];
	uint32_t queue_count;
	struct nvme_queue admin, queue[NVME_MAX_QUEUES];
	uint32_t namespace_count;
	struct nvme_namespace namespaces[BLK_MAX_DISKS];
	uint32_t list[BLK_MAX_DISKS]; /* namespaces as the controller lists them now */
	uint32_t list_count;
	struct nvme_request requests[BLK_TAGS];

	/* what happened, for the log */
	uint64_t commands;
	uint32_t lies, timeouts, retries, total_resets;
};

/* All of struct nvme but host, memory, registers, vectors and timeout is zero. */
void nvme_start(struct nvme *nvme, uint64_t now);
/* After interrupt `vector`. False: there is more; call again soon. */
bool nvme_interrupt(struct nvme *nvme, uint32_t vector, uint64_t now);
/* When nvme->wake has come. */
void nvme_timer(struct nvme *nvme, uint64_t now);

/*
 * Takes a request that has been checked as libs/blk/driver.h says; its tag is not
 * in use. host.answer is called for it, now or later.
 */
void nvme_submit(struct nvme *nvme, const struct blk_request *request,
		 const struct blk_segment *segments, uint64_t now);
/* Tells the controller of the commands that were made since. */
void nvme_kick(struct nvme *nvme);
/* Forgets all requests. nvme_idle(): the controller does nothing for them any more. */
void nvme_drop(struct nvme *nvme);
bool nvme_idle(const struct nvme *nvme);
/* Stops the controller whatever it does, and starts it again. */
void nvme_reset(struct nvme *nvme, const char *why, uint64_t now);

/* --- between the files of the driver --- */

static inline uint32_t nvme_read(struct nvme *nvme, uint32_t offset) {
	return nvme->host.read(nvme->host.context, offset);
}
static inline void nvme_write(struct nvme *nvme, uint32_t offset, uint32_t value) {
	nvme->host.write(nvme->host.context, offset, value);
}
static inline uint32_t nvme_doorbell(const struct nvme *nvme, uint32_t queue, bool completions) {
	return REG_DOORBELLS + ((2 * queue + completions) << (2 + CAP_DSTRD(nvme->capabilities)));
}
static inline void *nvme_page(const struct nvme *nvme, uint32_t page) {
	return nvme->memory.at + page * PAGE_SIZE;
}

/* queue.c: an empty queue pair in the pages from `page` on. */
void nvme_queue_init(struct nvme *nvme, struct nvme_queue *queue, uint16_t id, uint32_t page);
/* The place of the next command, zeroed; nvme_queue_put() makes it part of the batch. */
struct nvme_command *nvme_queue_next(struct nvme_queue *queue);
void nvme_queue_put(struct nvme_queue *queue);
void nvme_queue_tell(struct nvme *nvme, struct nvme_queue *queue);
/* Copies the next completion out. False: there is none. */
bool nvme_queue_take(struct nvme_queue *queue, struct nvme_completion *completion);
void nvme_queue_taken(struct nvme *nvme, struct nvme_queue *queue);

/* request.c */
bool nvme_work_queue(struct nvme *nvme, struct nvme_queue *queue, uint64_t now);
void nvme_pump(struct nvme *nvme, struct nvme_queue *queue, uint64_t now);
/* The controller has stopped: what was outstanding is to be done again, or has failed. */
void nvme_requeue(struct nvme *nvme, uint64_t now);
/* Answers everything with this status. */
void nvme_fail_all(struct nvme *nvme, uint32_t status);
/* The deadline of a command has passed. */
bool nvme_overdue(const struct nvme *nvme, uint64_t now);

/* prp.c: how much of the request one command can do, and its PRPs or descriptors. */
struct nvme_piece {
	uint32_t segments; /* 0: not even one block */
	uint32_t bytes;
	uint32_t entries;
	uint64_t first; /* PRP 1; the others are in list[] */
};
struct nvme_piece nvme_prps(const struct blk_segment *segments, uint32_t count, uint32_t max_bytes,
			    uint32_t block, uint64_t list[NVME_PRPS - 1]);
struct nvme_piece nvme_sgls(const struct blk_segment *segments, uint32_t count, uint32_t max_bytes,
			    uint32_t block, struct nvme_sgl list[NVME_SGLS]);

/* identify.c: what the controller says about itself. False: it makes no sense, *why says what. */
bool nvme_parse_controller(struct nvme *nvme, const uint8_t data[PAGE_SIZE]);
uint32_t nvme_parse_list(const uint8_t data[PAGE_SIZE], uint32_t list[BLK_MAX_DISKS]);
bool nvme_parse_namespace(const struct nvme *nvme, uint32_t id, const uint8_t data[PAGE_SIZE],
			  struct nvme_namespace *space, const char **why);

#endif
