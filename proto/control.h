/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SYSTEM_CONN_CONTROL: the page through which root speaks with a native domain.
 * root makes it for every native domain, as connections[0] of its start page
 * (name "control", role client); it needs no line in the description. Whoever may
 * manage the system has a declared connection besides: proto/manage.h.
 *
 * State, not messages: root writes what it wants, the domain writes what it has
 * done, and a domain that was restarted sees at once where things stand.
 *
 *  - peer[i] belongs to connections[i] when the peer is a guest, whose memory a
 *    server maps. wanted changes, the control port is sent, the server brings
 *    its side in order and copies wanted to done. PRESENT: map the ring. ABSENT:
 *    the guest has ended; take out what it still had to say, pass it on, unmap.
 *    A guest's memory goes back only when its servers have let go of it (or did
 *    not in time, and are reset).
 *  - beat_asked: root counts it up and sends; the domain's event loop copies it to
 *    beat. One that has answered once and then does not within the description's
 *    `heartbeat` counts as hung, and is ended as if it had crashed.
 *  - ask[i] belongs to connections[i] of a store, when the peer is a guest: what root
 *    has the store write into the guest's home. root writes value, counts asked up
 *    and sends; the store does it, copies asked to done.
 *  - device[n] belongs to the guests' device number n of a server's configuration: disk n
 *    of a disk server, port n of a switch. wanted says whether the guest is to have it,
 *    and counts changes, so that out and in again is not taken for nothing. The server
 *    brings it about and copies wanted to done, with CONTROL_DEVICE_REFUSED or
 *    CONTROL_DEVICE_FORCED if that is how it went.
 *  - A scheduling policy (SYSTEM_DOMAIN_F_POLICY) finds the vCPUs that there are
 *    in the pages behind CONTROL_PAGES: plan_count entries, in order of priority.
 *    plan_version is odd while root rewrites them. Until plan_done says that the
 *    policy has committed a plan, root commits plans of its own.
 */
#ifndef PROTO_CONTROL_H
#define PROTO_CONTROL_H

#include <stddef.h>

#include "native.h"

#define CONTROL_VERSION 2U
#define CONTROL_PAGES   2U /* of struct control_page; a policy has more behind them */

/* control_peer.wanted and .done: state in the low bits, incarnation of the guest above. */
#define CONTROL_PEER_ABSENT     0U
#define CONTROL_PEER_PRESENT    1U
#define CONTROL_PEER_STATE_MASK 1U
#define CONTROL_PEER_SHIFT      1

struct control_peer {
	uint32_t wanted; /* root writes */
	uint32_t done;   /* the native domain writes */
};

/* What a guest is asked through the store: at most one of each kind is under way. */
#define CONTROL_ASK_SHUTDOWN 0U /* value: CONTROL_SHUTDOWN_* */
#define CONTROL_ASK_MEMORY   1U /* value: KiB, the balloon's target */
#define CONTROL_ASK_VCPUS    2U /* value: how many are to be online, from 0 on */
#define CONTROL_ASKS         3U

#define CONTROL_SHUTDOWN_POWEROFF 1U
#define CONTROL_SHUTDOWN_REBOOT   2U

struct control_ask {
	uint16_t asked; /* root writes */
	uint16_t done;  /* the store writes */
	uint32_t value;
};

/* control_device.wanted and .done; the count of changes is above CONTROL_DEVICE_SHIFT. */
#define CONTROL_DEVICE_OUT     1U /* the guest is not to have it */
#define CONTROL_DEVICE_REFUSED 2U /* done: it cannot be had; the log says why */
#define CONTROL_DEVICE_FORCED  4U /* done: taken away from a guest that did not let go */
#define CONTROL_DEVICE_SHIFT   8
#define CONTROL_DEVICES        192U

struct control_device {
	uint32_t wanted; /* root writes */
	uint32_t done;   /* the server writes */
};

struct control_page {
	uint32_t version; /* CONTROL_VERSION */
	uint32_t plan_version;
	uint32_t plan_count;
	uint32_t plan_done; /* the policy writes: plan_version of the plan it has committed */
	struct control_peer peer[NATIVE_MAX_CONNECTIONS];
	uint32_t beat_asked; /* root writes */
	uint32_t beat;       /* the native domain writes */
	struct control_ask ask[NATIVE_MAX_CONNECTIONS][CONTROL_ASKS];
	struct control_device device[CONTROL_DEVICES];
	uint8_t pad[1512];
};

/*
 * One vCPU that the policy may place; the array starts behind CONTROL_PAGES, sorted by
 * priority. What a policy has no use for it ignores.
 */
struct control_vcpu {
	uint32_t slot; /* of the policy's own table: Domain capability with RIGHT_SCHED */
	uint32_t vcpu;
	uint32_t slice_us; /* 0: as the policy likes */
	uint16_t priority; /* as in the description */
	uint16_t flags;    /* CONTROL_VCPU_* */
	uint32_t weight;   /* 1..65535; CONTROL_WEIGHT is usual */
	uint32_t cap;      /* most of a CPU that it may use, in thousandths; 0: no limit */
	uint32_t warp_us;  /* how far it may get ahead of others; 0: not */
	uint32_t warp_limit_us,
		unwarp_us;             /* run time in a warp, then the pause from it; 0: no limit */
	uint32_t period_us, budget_us; /* a reservation: so much in each period; 0: none */
	uint32_t pad;
	uint64_t windows; /* of a table: bit n; 0: all */
	uint64_t cpus;    /* where it may run: bit n; 0: anywhere */
};
#define CONTROL_VCPU_GUEST 1U
#define CONTROL_WEIGHT     256U

#define CONTROL_VCPUS_PER_PAGE 64U

_Static_assert(sizeof(struct control_page) == CONTROL_PAGES * 4096, "control_page fills its pages");
_Static_assert(offsetof(struct control_page, beat) == 1300, "control_page layout");
_Static_assert(sizeof(struct control_vcpu) == 64, "control_vcpu layout");

#endif
