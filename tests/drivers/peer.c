/* SPDX-License-Identifier: BSD-2-Clause */
#include "peer.h"

#include "libs/rt/hypercall.h"
#include "libs/rt/time.h"
#include "proto/xen/event.h"
#include "proto/xen/sched.h"
#include "proto/xen/xen.h"

#define LOOK_AGAIN MILLISECONDS(100)

static uint32_t window_slot, window_first;
static uint32_t mapped_for;

void peer_find_window(uint32_t slot, uint32_t pages) {
	uint32_t count = 0;

	window_slot = slot;
	for (uint32_t i = 0; i < rt_start_page->cap_count; i++)
		if (rt_start_page->caps[i].slot == slot) {
			window_first = rt_start_page->caps[i].first_low;
			count = rt_start_page->caps[i].count;
		}
	if (count < pages) rt_panic("the DMA window has %u slots, not %u", count, pages);
}

void peer_map(uint32_t driver, uint8_t (*pages)[PAGE_SIZE], struct dma_map *maps, uint32_t count) {
	if (mapped_for == driver) return;
	mapped_for = driver;
	for (uint32_t i = 0; i < count; i++) {
		maps[i] = (struct dma_map){
			.slot = window_first + i,
			.domid = DOMID_SELF,
			.what = (uintptr_t)pages[i],
		};
		if (cap_dma_map(window_slot, &maps[i], 1) != 1)
			rt_panic("page %u cannot be mapped for DMA (%d)", i, maps[i].status);
	}
}

void peer_sleep(uint32_t port, uint64_t deadline) {
	struct shared_info *shared = (struct shared_info *)(uintptr_t)rt_start_page->shared_info;
	struct sched_poll poll = {
		.ports = (uintptr_t)&port,
		.nr_ports = 1,
		.timeout = MIN(deadline, time_now() + LOOK_AGAIN),
	};

	hypercall2(__HYPERVISOR_sched_op, SCHEDOP_poll, (uintptr_t)&poll);
	__atomic_store_n(&shared->vcpu_info[0].evtchn_upcall_pending, 0, __ATOMIC_SEQ_CST);
	__atomic_and_fetch(&shared->evtchn_pending[port / 64], ~(1ULL << port % 64),
			   __ATOMIC_SEQ_CST);
}
