/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the device page says comes from root and is believed; the function's own
 * words in it (config) are not. BARs are mapped page by page: the core accepts a
 * frame if the domain holds an Mmio capability over it, and makes it uncached.
 */
#include "libs/pci/pci.h"

#include "libs/cap/cap.h"
#include "libs/event/event.h"
#include "libs/grant/grant.h"
#include "libs/rt/package.h"
#include "libs/rt/window.h"
#include "proto/system.h"
#include "proto/xen/xen.h"

PACKAGE_CLIENT(SYSTEM_CONN_PCI, PCI_BUS_VERSION, PCI_BUS_VERSION);

void pci_open(struct pci *pci, unsigned n) {
	const struct native_connection *connection = rt_connection(SYSTEM_CONN_PCI, n);
	struct grant_mapping mapping = {0};
	int error;

	if (!connection) rt_panic("it has no device: the description names none for it");
	error = grant_map_readonly(&mapping, connection->ring_domid, connection->ring_ref, 1);
	if (error) rt_panic("the device page cannot be mapped (%d)", error);
	*pci = (struct pci){.device = mapping.at};
	if (pci->device->version != PCI_BUS_VERSION || pci->device->irq_count > PCI_MAX_MESSAGES)
		rt_panic("the device page is of version %u", pci->device->version);
}

void *pci_map_bar(const struct pci *pci, unsigned bar, uint64_t offset, uint64_t size) {
	const struct pci_bar *b = &pci->device->function.bar[bar < PCI_BARS ? bar : 0];
	uint64_t first, pages;
	uint8_t *at;

	if (bar >= PCI_BARS || !(b->flags & PCI_BAR_MEMORY) || !size || offset > b->size ||
	    size > b->size - offset)
		return NULL;
	first = (b->address + offset) / PAGE_SIZE;
	pages = (b->address + offset + size - 1) / PAGE_SIZE - first + 1;
	at = window_take(pages);
	if (!at) return NULL;
	for (uint64_t i = 0; i < pages; i++) {
		int error = window_map_frame(at + i * PAGE_SIZE, first + i, true);

		if (error)
			rt_panic("frame %#lx of BAR %u cannot be mapped (%d)", first + i, bar,
				 error);
	}
	return at + (b->address + offset) % PAGE_SIZE;
}

unsigned pci_irq_count(const struct pci *pci) {
	return pci->device->irq_kind == PCI_IRQ_NONE ? 0 : pci->device->irq_count;
}

static void acknowledge(const struct pci_irq *irq) {
	int error = cap_irq_ack(irq->pci->device->irq_slot, irq->irq);

	if (error) rt_panic("interrupt %u cannot be acknowledged (%d)", irq->irq, error);
}

static void on_event(void *context) {
	struct pci_irq *irq = context;

	if (irq->handler(irq->context))
		acknowledge(irq);
	else
		event_again(irq->port);
}

void pci_irq(struct pci *pci, unsigned n, pci_irq_handler handler, void *context) {
	const struct pci_device *device = pci->device;
	uint32_t flags = device->irq_kind == PCI_IRQ_LINE ? IRQ_LEVEL | IRQ_LOW : 0;
	struct pci_irq *irq;
	int port;

	rt_assert(n < pci_irq_count(pci), "an interrupt that the function has");
	irq = &pci->irq[n];
	*irq = (struct pci_irq){
		.pci = pci,
		.handler = handler,
		.context = context,
		.irq = device->irq_first + n,
	};
	port = cap_irq_bind(device->irq_slot, irq->irq, 0, flags);
	if (port <= 0) rt_panic("interrupt %u cannot be bound (%d)", irq->irq, port);
	irq->port = (uint32_t)port;
	event_handle(irq->port, on_event, irq);
	event_again(irq->port);
}

int pci_dma_map(struct pci *pci, void *at, uint32_t pages, uint32_t flags, uint64_t *address) {
	const struct pci_device *device = pci->device;

	rt_assert((uintptr_t)at % PAGE_SIZE == 0, "whole pages are mapped");
	if (pages > device->dma_count - pci->dma_used) return -XEN_ENOSPC;
	for (uint32_t i = 0; i < pages; i++) {
		struct dma_map map = {
			.slot = device->dma_first + pci->dma_used,
			.domid = DOMID_SELF,
			.flags = flags & PCI_DMA_READONLY ? DMA_READONLY : 0,
			.what = (uintptr_t)at + i * PAGE_SIZE,
		};
		int result = cap_dma_map(device->dma_slot, &map, 1);

		if (result < 0) return result;
		if (map.status) return map.status;
		address[i] = pci->machine ? map.machine : map.address;
		pci->dma_used++;
	}
	return 0;
}
