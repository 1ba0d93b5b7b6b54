/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest's device that comes and goes while the guest runs: root says in the control page whether
 * the guest is to have it (control_device), and the server brings it about.
 *
 * In: as if the guest had just come. Out: the backend says Closing, the guest finishes what it
 * has begun and says Closed, the nodes of both ends go, and with them the guest's device. A guest
 * that does not say so in time has it taken away, which is counted.
 *
 *             wanted out                    let go, or late           nodes gone
 *     here ---------------> leaving: LIVE ----------------> LOOSE ----------------> ABSENT
 *
 * Out and in again do not overtake each other: what is leaving leaves first. What all servers
 * of devices have in common is here; what differs they say by plug_ops.
 */
#ifndef LIBS_PLUG_PLUG_H
#define LIBS_PLUG_PLUG_H

#include "libs/rt/rt.h"

enum plug_state {
	PLUG_ABSENT,   /* nothing of it is there but nodes, perhaps */
	PLUG_UNKNOWN,  /* on its way in; what a predecessor has left may not be known yet */
	PLUG_READING,  /* its rings are not mapped yet, and need not be */
	PLUG_ADOPTING, /* likewise, but a predecessor had them mapped */
	PLUG_LIVE,
	PLUG_ENDING, /* it takes no more, and its rings go */
	PLUG_LOOSE,  /* it has no rings */
	PLUG_FAILED, /* likewise, and it cannot be had */
};

struct plug {
	const struct plug_ops *ops;
	uint32_t number;   /* of the configuration */
	uint32_t wanted;   /* by root, as last looked at: control_device() */
	bool out;          /* its guest is not to have it */
	bool leaving;      /* it is on its way out */
	bool forced;       /* without its guest's having let go */
	uint64_t patience; /* until when its guest may take to do so */
};

struct plug_ops {
	enum plug_state (*state)(uint32_t number);
	uint32_t (*front_state)(uint32_t number); /* XENBUS_*, as last read */
	bool (*guest_is_here)(uint32_t number);   /* and is not ending */
	bool (*is_written)(uint32_t number);      /* the store has its nodes */
	bool (*is_removed)(uint32_t number);      /* it has none of them any more */
	void (*come)(uint32_t number);            /* as if the guest had just come */
	void (*retry)(uint32_t number);           /* of one that could not be had; may be NULL */
	void (*stop_reading)(uint32_t number);    /* it is LOOSE then */
	void (*close)(uint32_t number);           /* the backend says Closing */
	void (*end)(uint32_t number);             /* of one that is LIVE: its rings go */
	void (*vanish)(uint32_t number);          /* it is ABSENT then, and its nodes go */
	void (*say_forced)(uint32_t number);
	void (*soon)(void);             /* plug_work() is to be called */
	void (*wake_at)(uint64_t time); /* likewise, then at the latest */
};

void plug_init(struct plug *plug, const struct plug_ops *ops, uint32_t number);
/* Takes over what root wants of it. True: that it is out, and so it is already. */
MUST_CHECK bool plug_read(struct plug *plug, uint64_t now);
/* Root may want something else. */
void plug_scan(struct plug *plug, uint64_t now);
/* Goes on with what is on its way in or out. True: it has not come to its end. */
MUST_CHECK bool plug_work(struct plug *plug, uint64_t now);
/* Of one that is leaving: its frontend has another state; its rings are gone. */
void plug_front_changed(struct plug *plug);
void plug_ended(struct plug *plug);

#endif
