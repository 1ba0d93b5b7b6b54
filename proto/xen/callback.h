/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * callback_op(cmd, struct): where the hypervisor enters a guest kernel other
 * than through its trap table. Per vCPU.
 */
#ifndef PROTO_XEN_CALLBACK_H
#define PROTO_XEN_CALLBACK_H

#include <stddef.h>
#include <stdint.h>

#define CALLBACKOP_register   0
#define CALLBACKOP_unregister 1

#define CALLBACKTYPE_event               0
#define CALLBACKTYPE_failsafe            1
#define CALLBACKTYPE_syscall             2
#define CALLBACKTYPE_sysenter_deprecated 3
#define CALLBACKTYPE_nmi                 4
#define CALLBACKTYPE_sysenter            5
#define CALLBACKTYPE_syscall32           7

struct callback_register {
	uint16_t type;  /* CALLBACKTYPE_* */
	uint16_t flags; /* CALLBACKF_* */
	uint32_t pad;
	uint64_t address;
};
#define CALLBACKF_mask_events 1U /* entry sets the upcall mask */

struct callback_unregister {
	uint16_t type, unused;
};

_Static_assert(sizeof(struct callback_register) == 16, "callback_register layout");
_Static_assert(offsetof(struct callback_register, address) == 8, "callback_register layout");
_Static_assert(sizeof(struct callback_unregister) == 4, "callback_unregister layout");

#endif
