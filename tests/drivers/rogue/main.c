/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A driver that makes its device, QEMU's `edu`, write where it may not: over the
 * core, over and over again. It must not get far, and nobody else may notice.
 */
#include "libs/control/control.h"
#include "libs/event/event.h"
#include "libs/log/log.h"
#include "libs/pci/pci.h"
#include "libs/rt/package.h"
#include "libs/rt/time.h"
#include "proto/blk.h"
#include "proto/system.h"

/* It is wired as a driver, and never says a word there. */
PACKAGE_CLIENT(SYSTEM_CONN_DISK, BLK_OLDEST, BLK_VERSION);

#define EDU_SIZE        0x1000U
#define EDU_DMA_FROM    0x80U
#define EDU_DMA_TO      0x88U
#define EDU_DMA_COUNT   0x90U
#define EDU_DMA_COMMAND 0x98U
#define EDU_BUFFER      0x40000U
#define DMA_FROM_EDU    3U        /* and start */
#define VICTIM          0x100000U /* the core's first page */
#define PERIOD          MILLISECONDS(20)

static struct pci pci;
static uint8_t *edu;
static struct event_timer timer;

static void attack(void *context) {
	(void)context;
	mmio_write64(edu + EDU_DMA_FROM, EDU_BUFFER);
	mmio_write64(edu + EDU_DMA_TO, VICTIM);
	mmio_write64(edu + EDU_DMA_COUNT, PAGE_SIZE / 2);
	mmio_write64(edu + EDU_DMA_COMMAND, DMA_FROM_EDU);
	event_timer_arm(&timer, time_now() + PERIOD);
}

void native_main(void) {
	control_init(NULL, NULL);
	pci_open(&pci, 0);
	edu = pci_map_bar(&pci, 0, 0, EDU_SIZE);
	if (!edu) rt_panic("it has no registers");
	log_print("about to write over the core");
	timer.handler = attack;
	attack(NULL);
	event_loop();
}
