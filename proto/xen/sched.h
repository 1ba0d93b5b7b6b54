/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sched_op(cmd, struct): giving up the CPU, waiting, and ending the domain.
 */
#ifndef PROTO_XEN_SCHED_H
#define PROTO_XEN_SCHED_H

#include <stddef.h>
#include <stdint.h>

#define SCHEDOP_yield           0 /* no argument */
/*
 * Opens the upcall mask and waits for an event. Argument: for how many ns after it who runs on this
 * CPU may go on, if it does not give way before; at most PLAN_PATIENCE_MAX (proto/cap/cap.h),
 * 0: not at all. Xen's interface has no argument here, and stock guests pass 0.
 */
#define SCHEDOP_block           1
#define SCHEDOP_shutdown        2 /* struct sched_shutdown */
#define SCHEDOP_poll            3 /* struct sched_poll */
#define SCHEDOP_remote_shutdown 4 /* struct sched_remote_shutdown */
#define SCHEDOP_shutdown_code   5 /* struct sched_shutdown; records the reason only */
#define SCHEDOP_watchdog        6 /* struct sched_watchdog */
#define SCHEDOP_pin_override    7 /* struct sched_pin_override */

struct sched_shutdown {
	uint32_t reason; /* SHUTDOWN_* */
};
#define SHUTDOWN_poweroff   0
#define SHUTDOWN_reboot     1
#define SHUTDOWN_suspend    2
#define SHUTDOWN_crash      3
#define SHUTDOWN_watchdog   4
#define SHUTDOWN_soft_reset 5
#define SHUTDOWN_MAX        5

struct sched_poll {
	uint64_t ports; /* pointer to uint32_t[nr_ports] */
	uint32_t nr_ports;
	uint32_t pad;
	uint64_t timeout; /* absolute system time in ns, 0 = none */
};
#define SCHED_POLL_MAX_PORTS 128

struct sched_remote_shutdown {
	uint16_t domain_id, pad;
	uint32_t reason;
};

struct sched_watchdog {
	uint32_t id;      /* 0: a new one, its id is the result */
	uint32_t timeout; /* seconds, 0 destroys */
};

struct sched_pin_override {
	int32_t pcpu;
};

_Static_assert(sizeof(struct sched_poll) == 24, "sched_poll layout");
_Static_assert(offsetof(struct sched_poll, timeout) == 16, "sched_poll layout");
_Static_assert(sizeof(struct sched_remote_shutdown) == 8, "sched_remote_shutdown layout");
_Static_assert(sizeof(struct sched_watchdog) == 8, "sched_watchdog layout");

#endif
