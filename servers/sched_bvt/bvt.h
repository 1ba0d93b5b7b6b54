/* SPDX-License-Identifier: BSD-2-Clause */
/* Borrowed Virtual Time in two parts: main.c makes plans, balance.c chooses CPUs. */
#ifndef SERVERS_SCHED_BVT_BVT_H
#define SERVERS_SCHED_BVT_BVT_H

#include "libs/sched/sched.h"

/* sched_vcpu.own: */
enum {
	BVT_AVT,    /* actual virtual time, ns of a vCPU with the usual weight */
	BVT_SEEN,   /* ran, when it was last charged */
	BVT_WARPED, /* ns that it ran in this warp */
	BVT_PAUSE,  /* it does not warp before this time */
	BVT_WINDOW, /* number of the cap's window, and */
	BVT_USED,   /* ns that it ran in it */
	BVT_WANTED, /* balance.c: wanted, when it was last looked at; */
	BVT_DEMAND, /* part of a CPU that it wanted since the time before, in thousandths */
	BVT_PLACE,  /* in the order of the plan that runs, and */
	BVT_BUDGET, /* ns that it has there */
};

/* The scheduler's virtual time of a CPU. */
int64_t bvt_svt(uint32_t cpu);

/* Gives new vCPUs a CPU, and now and then moves one from the CPU with the most demand to that
 * with the least. moved[cpu] is set for CPUs whose set has changed. */
void bvt_balance(bool *moved);

#endif
