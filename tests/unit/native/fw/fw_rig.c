/* SPDX-License-Identifier: BSD-2-Clause */
#include "../native.h"

#include "fw_rig.h"

struct rig rig;

static const char *const names[RIG_PORTS] = {"vif", "uplink", "other", "monitor"};
static const uint64_t seed[2] = {0x9e3779b97f4a7c15, 0xd1b54a32d192ed03};

void rig_start(uint32_t states, uint32_t sets) {
	free(rig.memory);
	memset(&rig, 0, sizeof(rig));
	rig.limits = (struct fw_limits){RIG_PORTS, sets, RIG_SET_BYTES, states};
	rig.size = fw_size(&rig.limits);
	CHECK(rig.size);
	rig.memory = calloc(1, rig.size);
	CHECK(rig.memory);
	CHECK(fw_open(&rig.fw, rig.memory, &rig.limits, names, seed, rig.now, &rig.adopted));
}

void rig_fresh(void) { rig_start(256, 9); }

void rig_reopen(uint64_t now) {
	struct fw before = rig.fw;

	rig.now = now;
	memset(&rig.fw, 0x5a, sizeof(rig.fw));
	CHECK(fw_open(&rig.fw, rig.memory, &rig.limits, names, seed, now, &rig.adopted));
	for (uint32_t i = 0; i < RIG_PORTS; i++)
		if (before.port[i].config) fw_port_open(&rig.fw, i, &rig.config[i], rig.prefix[i]);
}
