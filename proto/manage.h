/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SYSTEM_CONN_CONTROL: a native domain (client) manages the system through root
 * (server). Pages of root's, MANAGE_PAGES of them:
 *
 *   page 0       manage_page: one request and its answer, and a ring of events
 *   page 1..16   the payload of a request or of its answer, up to 64 KiB
 *
 * One request at a time, as in proto/netctl.h. The client fills in op, name,
 * value, argument and the payload, then counts `request` up and sends. root copies
 * what it needs before it looks, does it, fills in status, text and the payload,
 * then sets done = request and sends. A client that was restarted goes on from
 * `request`; one that finds done != request waits, or lets the answer go by. What
 * takes long (a shutdown, an upgrade) is answered when it has begun; how it ends is
 * told by events, and by WHY.
 *
 * What a client may do is in the connection's flags, from the description's
 * `rights`. A request without the right is MANAGE_DENIED and changes nothing.
 *
 * A request that fails has changed nothing: status is the stable code, `text` says
 * in the user's words which domain, what was expected, what was found and what to
 * try, `line` the line of the description.
 */
#ifndef PROTO_MANAGE_H
#define PROTO_MANAGE_H

#include "ring.h"

#define MANAGE_VERSION 1U
#define MANAGE_PAGES   17U
#define MANAGE_PAYLOAD 65536U
#define MANAGE_EVENTS  32U
#define MANAGE_NAME    32U

/* native_connection.flags: the rights of the client, by their names in a description */
#define MANAGE_F_SEE     1U  /* "see": SYSTEM, LIST, WHY, DEVICES, events */
#define MANAGE_F_LIFE    2U  /* "life": START ... CLEAR */
#define MANAGE_F_SET     4U  /* "set": SET, PLUG, UNPLUG */
#define MANAGE_F_UPGRADE 8U  /* "upgrade": UPLOAD_*, UPGRADE, ROLLBACK, SCHED */
#define MANAGE_F_INSPECT 16U /* "inspect": CAPS, POSTMORTEM */
#define MANAGE_F_TRACE   32U /* "trace": TRACE_* */
#define MANAGE_F_CREATE  64U /* "create": DEFINE, UNDEFINE */
#define MANAGE_F_ALL     127U

/* name: a domain's, if nothing else is said; of lists it may be none. */
#define MANAGE_SYSTEM       1U  /* no name; answer: manage_system */
#define MANAGE_LIST         2U  /* argument: first index; answer: manage_domain[], of all */
#define MANAGE_WHY          3U  /* answer: manage_story */
#define MANAGE_DEVICES      4U  /* argument: first index; answer: manage_device[], of all */
#define MANAGE_START        10U /* one of the description's that does not run */
#define MANAGE_SHUTDOWN     11U /* a guest is asked to; natives are ended */
#define MANAGE_REBOOT       12U /* likewise */
#define MANAGE_DESTROY      13U /* at once; everything is taken back */
#define MANAGE_PAUSE        14U
#define MANAGE_UNPAUSE      15U
#define MANAGE_RESTART      16U /* reset in place, at once */
#define MANAGE_KILL         17U /* as if it had crashed */
#define MANAGE_CLEAR        18U /* 'given up' is taken back, and it starts */
#define MANAGE_SET          20U /* argument: MANAGE_SET_*; number: the value */
#define MANAGE_PLUG         21U /* value: a VIF or disk that the description gives it */
#define MANAGE_UNPLUG       22U /* likewise */
#define MANAGE_UPLOAD_BEGIN 30U /* no name; number: bytes. Ends an upload that was not used */
#define MANAGE_UPLOAD_DATA  31U /* no name; argument: offset; payload. In any order, again */
#define MANAGE_UPGRADE \
	32U /* by what was uploaded (proto/package.h); argument: MANAGE_UPGRADE_F_* */
#define MANAGE_ROLLBACK   33U   /* to the program that it had before */
#define MANAGE_SCHED      34U   /* name: a policy's domain; value: the program that it is to run */
#define MANAGE_CAPS       40U   /* argument: first slot; answer: manage_cap[] */
#define MANAGE_POSTMORTEM 41U   /* of its last death; answer: manage_death and what it counts */
#define MANAGE_TRACE_SET  50U   /* no name; number: points to record, bits; 0: off */
#define MANAGE_TRACE_READ 51U   /* no name; argument: CPU; number: from record; answer: records */
#define MANAGE_RECORDS    1024U /* of such an answer, at most: in base64 they fit a frame */
#define MANAGE_DEFINE     60U   /* of a place: by what was uploaded (proto/define.h); it starts */
#define MANAGE_UNDEFINE   61U   /* of a place that does not run: what was brought goes */

#define MANAGE_UPGRADE_F_CHECK 1U /* all checks, no change */

/* status: stable; the host's tools name them by the words behind */
#define MANAGE_OK          0U
#define MANAGE_INVALID     1U  /* "invalid": the request itself */
#define MANAGE_DENIED      2U  /* "denied": the client lacks the right */
#define MANAGE_UNKNOWN     3U  /* "unknown": no such domain, device, program or op */
#define MANAGE_STATE       4U  /* "state": not in the state that it is in */
#define MANAGE_NO_MEMORY   5U  /* "no-memory" */
#define MANAGE_LIMIT       6U  /* "limit": the description does not allow so much */
#define MANAGE_BAD_PACKAGE 7U  /* "bad-package": malformed, altered, not signed */
#define MANAGE_MISMATCH    8U  /* "mismatch": versions or needs do not fit */
#define MANAGE_BUSY        9U  /* "busy": something else is under way with it; try again */
#define MANAGE_FAILED      10U /* "failed": it began and was rolled back */
#define MANAGE_UNSUPPORTED 11U /* "unsupported": not by this kind of domain, or this machine */

#define MANAGE_SET_MEMORY    1U /* MiB; a guest's target, between its least and maximum */
#define MANAGE_SET_WEIGHT    2U
#define MANAGE_SET_CAP       3U /* thousandths of a CPU; 0: none */
#define MANAGE_SET_HEARTBEAT 4U /* ms until it counts as hung; 0: not watched */
#define MANAGE_SET_VCPUS     5U /* how many of a guest's are to be online, at least 1 */

/* Where a domain stands; the words are the tools'. */
#define MANAGE_STATE_IDLE     0U /* "idle" */
#define MANAGE_STATE_HELD     1U /* "held": for a device */
#define MANAGE_STATE_STARTING 2U /* "starting" */
#define MANAGE_STATE_RUNNING  3U /* "running" */
#define MANAGE_STATE_PAUSED   4U /* "paused": by request */
#define MANAGE_STATE_STOPPED  5U /* "stopped": memory kept */
#define MANAGE_STATE_ENDING   6U /* "ending" */
#define MANAGE_STATE_WAITING  7U /* "waiting": for the back-off */
#define MANAGE_STATE_GIVEN_UP 8U /* "given-up" */
#define MANAGE_STATE_TRIAL    9U /* "trial": runs a new program that has yet to prove itself */

#define MANAGE_KIND_ROOT   0U
#define MANAGE_KIND_NATIVE 1U
#define MANAGE_KIND_GUEST  2U

struct manage_system {
	char name[MANAGE_NAME];
	uint64_t now_ns; /* since boot */
	uint64_t total_frames, free_frames;
	uint64_t tsc_khz;
	uint32_t cpus, domains;
	uint32_t flags; /* MANAGE_SYSTEM_* */
	uint32_t events_lost;
};
#define MANAGE_SYSTEM_IOMMU    1U
#define MANAGE_SYSTEM_INTREMAP 2U
#define MANAGE_SYSTEM_SIGNED   4U /* only signed packages are taken */

struct manage_domain {
	char name[MANAGE_NAME];
	char program[MANAGE_NAME]; /* natives: package's name; guests: kernel's module */
	char version[16];          /* of the package; "" for guests */
	uint8_t build_id[20];      /* of the program; 0 for guests */
	uint16_t domid;
	uint8_t kind, state;
	uint32_t index, line;
	uint32_t vcpus;
	uint32_t weight, cap;
	uint32_t heartbeat_ms; /* 0: not watched */
	uint64_t pages, maximum_pages;
	uint64_t run_ns;
	uint64_t started_ns;              /* since boot */
	uint32_t incarnation;             /* how often it was built, less one */
	uint32_t restarts, restarts_left; /* of the budget, within the window */
	uint32_t stories;                 /* failures so far; the last one is what WHY tells */
	uint32_t previous;                /* 1: ROLLBACK has something to go back to */
	uint32_t pad;
	char device[48]; /* a driver's: "00:03.0 1af4:1042", "" = none */
};

/* A guest's disk or VIF. */
struct manage_device {
	char name[MANAGE_NAME], guest[MANAGE_NAME], server[MANAGE_NAME];
	uint8_t kind;    /* MANAGE_DEVICE_* */
	uint8_t wanted;  /* 1: the guest is to have it */
	uint8_t settled; /* 1: and so it is, or `refused` */
	uint8_t refused; /* 1: the server cannot; WHY of the guest, and the server's log, say more
			  */
	uint32_t line;
	uint32_t changes; /* since the system's start */
	uint32_t forced;  /* how often it was taken from a guest that did not let go */
	uint32_t pad[4];
};
#define MANAGE_DEVICE_DISK 0U
#define MANAGE_DEVICE_VIF  1U

/* The last failure of a domain, or of what was asked of it. */
struct manage_story {
	uint64_t at_ns;
	uint32_t count, line;
	uint32_t status; /* MANAGE_*, what it would be answered with */
	uint32_t pad;
	char what[128]; /* "crashed: page fault at 0x0 (rip 0x401234)" */
	char expected[128];
	char found[128];
	char advice[128];
};

struct manage_cap {
	uint32_t slot, type, rights; /* proto/cap */
	uint32_t parent;             /* index of the domain whose table it was derived from, or
				      * MANAGE_NO_PARENT */
	uint64_t first, count;       /* its range; Domain: first = domid */
	char what[32];               /* in words, if root knows: "device 00:03.0", "" */
};
#define MANAGE_NO_PARENT 0xffffffffU

struct manage_death {
	uint64_t at_ns;
	uint32_t incarnation, vcpu;
	uint32_t vector, error_code;
	uint64_t cr2, cr3;
	uint64_t rax, rbx, rcx, rdx, rsi, rdi, rbp, rsp;
	uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
	uint64_t rip, rflags;
	uint8_t build_id[20];
	/* what follows this, in this order */
	uint32_t stack_size; /* bytes, from rsp on: natives only, and not if rsp was nonsense */
	uint32_t caps;       /* manage_cap[]: what it held, at most MANAGE_DEATH_CAPS of it */
	uint32_t records; /* trace_record[] (proto/trace.h): its last ones, if there is a trace */
	char text[128];
};
#define MANAGE_DEATH_STACK   4096U
#define MANAGE_DEATH_CAPS    32U
#define MANAGE_DEATH_RECORDS 16U

struct manage_event {
	uint64_t at_ns;
	char name[MANAGE_NAME];
	uint8_t from, to; /* MANAGE_STATE_* */
	uint8_t pad[2];
	uint32_t incarnation;
	uint32_t stories;
	uint32_t pad1[3];
};

struct manage_page {
	/* written by the client */
	uint32_t request;
	uint32_t op;
	uint32_t argument, length; /* length: bytes of the payload */
	uint64_t number;
	char name[MANAGE_NAME], value[MANAGE_NAME];
	uint8_t pad0[40];
	/* written by root */
	uint32_t version;
	uint32_t done;
	uint32_t status;
	uint32_t line;          /* of the description; 0: none */
	uint32_t answer_length; /* bytes of the payload */
	uint32_t more;          /* LIST, CAPS, ...: where to go on; 0: that was all */
	uint32_t events_lost;
	uint32_t pad1[25];
	char text[512];
	struct ring_header events; /* root -> client */
	uint8_t pad2[1024 - 128 - 128 - 512 - 128];
	struct manage_event event_data[MANAGE_EVENTS];
	uint8_t pad3[4096 - 1024 - 64 * MANAGE_EVENTS];
};

_Static_assert(sizeof(struct ring_header) == 128, "ring_header size");
_Static_assert(sizeof(struct manage_event) == 64, "manage_event layout");
_Static_assert(offsetof(struct manage_page, version) == 128, "manage_page layout");
_Static_assert(offsetof(struct manage_page, event_data) == 1024, "manage_page layout");
_Static_assert(sizeof(struct manage_page) == 4096, "manage_page fills a page");
_Static_assert(sizeof(struct manage_system) == 80, "manage_system layout");
_Static_assert(sizeof(struct manage_domain) == 232, "manage_domain layout");
_Static_assert(sizeof(struct manage_death) == 344, "manage_death layout");
_Static_assert(sizeof(struct manage_story) == 536, "manage_story layout");
_Static_assert(sizeof(struct manage_device) == 128, "manage_device layout");
_Static_assert(sizeof(struct manage_cap) == 64, "manage_cap layout");

#endif
