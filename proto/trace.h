/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Traces: what the core writes down while it works. Each CPU has a buffer of its
 * own, made of frames that the holder of the Trace capability hands in
 * (TRACE_BUFFER of proto/cap/cap.h): a page with the header, then records, which
 * are written round and round. Record number i lies at i % records.
 *
 * To read, copy records [from, written), then look at `written` again: a record i
 * with i + records <= written was overwritten meanwhile, or is being so, and counts
 * as lost. So the core waits for nobody, and a reader that is too slow knows what it
 * has missed. The core reads nothing of the buffer: who can write there spoils what
 * readers find, no more.
 *
 * The stream that tools get is this: for each piece of a CPU's records a
 * trace_piece, then its records.
 */
#ifndef PROTO_TRACE_H
#define PROTO_TRACE_H

#include <stdint.h>

#define TRACE_MAGIC      0x3130454341525400ULL /* "\0TRACE01" */
#define TRACE_FRAMES_MAX 1025U                 /* of a buffer, the header's included */

/*
 * Points. A record's domain and vcpu are those whose registers the CPU holds:
 * the caller of a hypercall, who was interrupted, who ran last.
 */
#define TRACE_SWITCH        0U  /* a: the next one, domid << 32 | vcpu */
#define TRACE_IDLE          1U  /* the CPU stops waiting. a: for how long it did, ns */
#define TRACE_HYPERCALL     2U  /* a: number, b: first argument */
#define TRACE_HYPERCALL_END 3U  /* a: number, b: result; -85: it goes on, as the same call again */
#define TRACE_EVENT         4U  /* a port is set. a: domid << 32 | port */
#define TRACE_UPCALL        5U  /* the guest's event callback runs next */
#define TRACE_PAGE_FAULT    6U  /* the guest's handler runs next. a: address, b: error code */
#define TRACE_IRQ           7U  /* a: vector */
#define TRACE_GRANT_MAP     8U  /* a: granter's domid << 32 | reference, b: GNTST_* */
#define TRACE_GRANT_COPY    9U  /* a: source's domid << 32 | bytes, b: to's domid */
#define TRACE_INVOKE        10U /* a: operation << 32 | slot, b: result */
#define TRACE_PLAN_COMMIT   11U /* a: CPU, b: entries */
#define TRACE_PLAN_NOTIFY   12U /* a: CPU, b: PLAN_NOTIFY_* */
#define TRACE_STATE         13U /* a domain's state changes. a: domid, b: DOMAIN_STATE_* */
#define TRACE_POINTS        14U
#define TRACE_ALL           ((1U << TRACE_POINTS) - 1)

struct trace_record {
	uint64_t time; /* system time, ns */
	uint16_t point;
	uint16_t cpu;
	uint16_t domain; /* DOMID_INVALID: nobody's */
	uint16_t vcpu;
	uint64_t a, b;
};

struct trace_header {
	uint64_t magic; /* TRACE_MAGIC */
	uint32_t cpu;
	uint32_t records; /* that the buffer holds */
	uint64_t written; /* since it was handed in */
	uint64_t pad[509];
};

struct trace_piece {
	uint64_t magic; /* TRACE_MAGIC */
	uint32_t cpu;
	uint32_t records; /* that follow */
	uint64_t first;   /* number of the first one */
	uint64_t lost;    /* that should have come before it */
};

_Static_assert(sizeof(struct trace_record) == 32, "trace_record layout");
_Static_assert(sizeof(struct trace_header) == 4096, "trace_header fills a page");
_Static_assert(sizeof(struct trace_piece) == sizeof(struct trace_record),
	       "in a stream, everything is as large as a record");

#endif
