/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Files of the core that keep private state which lives as long as a machine;
 * a test has many machines in one process, so it must be able to start anew.
 */
#include "kernel/domain/domain.c"
#include "kernel/cap/objects.c"
#include "kernel/iommu/dma.c"

void core_forget(void);

void core_forget(void) {
	domains = NULL;
	spaces = NULL;
}
