/* SPDX-License-Identifier: BSD-2-Clause */
/* A firewall with four ports and memory to live in, and to be found by a successor. */
#ifndef TESTS_UNIT_FW_RIG_H
#define TESTS_UNIT_FW_RIG_H

#include "servers/switch/fw_state.h"

#define RIG_PORTS     4U
#define RIG_SET_BYTES 65536U

struct rig {
	struct fw fw;
	struct fw_limits limits;
	void *memory;
	uint64_t size, now;
	struct fw_adopted adopted;
	struct switch_port config[RIG_PORTS];
	struct switch_prefix prefix[RIG_PORTS][SWITCH_MAX_PREFIXES];
};
extern struct rig rig;

/* Fresh memory; no port is open. states: 0 for a usual number. */
void rig_start(uint32_t states, uint32_t sets);
void rig_fresh(void);
/* A successor: the same memory, ports with the same configuration. */
void rig_reopen(uint64_t now);

#endif
