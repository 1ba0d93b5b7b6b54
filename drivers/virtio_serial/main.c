/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The domain around a virtio console device: a serial line (proto/serial.h) that needs
 * no ports and knows no rate. It keeps no state that a successor needs but one: what
 * the device had given it and it had not passed on goes with it. Who speaks over the
 * line must bear that, as over any line (the control protocol asks again).
 *
 * A device that writes nonsense to its rings ends the driver: root resets the device and
 * starts it again. A host that does not read holds the line up, and is waited for.
 */
#include "libs/control/control.h"
#include "libs/event/event.h"
#include "libs/grant/grant.h"
#include "libs/log/log.h"
#include "libs/pci/pci.h"
#include "libs/rt/package.h"
#include "libs/virtio/virtio.h"
#include "port.h"
#include "proto/serial.h"
#include "proto/system.h"

PACKAGE_SERVER(SYSTEM_CONN_SERIAL, 1, 1);

#define QUEUES      2U
#define QUEUE_PAGES (QUEUES * VIRTQUEUE_PAGES)

static struct pci pci;
static struct virtio virtio;
static struct vserial port;
static uint32_t server_port;
static unsigned vectors;

static uint8_t queue_pages[QUEUE_PAGES * PAGE_SIZE] __attribute__((aligned(4096)));
static uint8_t data_pages[2 * PAGE_SIZE] __attribute__((aligned(4096)));

/* True: all is done. */
static bool work(void) {
	unsigned wants = vserial_work(&port);

	if (port.in.broken || port.out.broken) rt_panic("the device's ring makes no sense");
	if (port.tx.broken || port.rx.broken) rt_panic("its server's ring indices are impossible");
	if (wants & VSERIAL_NOTIFY) event_send(server_port);
	return !(wants & VSERIAL_AGAIN);
}

static bool on_interrupt(void *context) {
	(void)context;
	/* Reading the reason is what ends a line's interrupt. */
	if (!vectors) virtio_isr(&virtio);
	return work();
}

static void on_server(void *context) {
	(void)context;
	if (!work()) event_again(server_port);
}

static void attach(void) {
	const struct native_connection *connection = rt_connection(SYSTEM_CONN_SERIAL, 0);
	static struct grant_mapping mapping;
	struct serial_page *page;
	int error;

	if (!connection) rt_panic("nobody uses this serial line: it has no connection");
	error = grant_map(&mapping, connection->ring_domid, connection->ring_ref, 1);
	if (error) rt_panic("the serial ring cannot be mapped (%d)", error);
	page = mapping.at;
	ring_attach_consumer(&port.tx, &page->tx, page->tx_data, SERIAL_TX_SIZE, 1);
	ring_attach_producer(&port.rx, &page->rx, page->rx_data, SERIAL_RX_SIZE, 1);
	server_port = connection->port;
	event_handle(server_port, on_server, NULL);
}

static void lend(void *pages, uint32_t count, uint64_t *addresses) {
	int error = pci_dma_map(&pci, pages, count, 0, addresses);

	if (error) rt_panic("%u pages cannot be mapped for DMA (%d)", count, error);
}

/* A device that does not offer it goes past the IOMMU, and has to be told so. */
static void choose_addresses(void) {
	const char *why = virtio_begin(&virtio, VIRTIO_F_EVENT_IDX);

	if (why) rt_panic("%s", why);
	pci.machine = !virtio_has(&virtio, VIRTIO_F_ACCESS_PLATFORM);
	if (pci.machine && pci.device->flags & PCI_DEVICE_IOMMU)
		log_print("the device goes past the IOMMU (with QEMU: iommu_platform=on), so it "
			  "is trusted");
}

static void bring_up(void) {
	uint64_t queues[QUEUE_PAGES], data[2];
	const char *why = virtio_open(&virtio, &pci);
	uint16_t vector = VIRTIO_NO_VECTOR;

	if (why) rt_panic("%s", why);
	choose_addresses();
	if (!pci_irq_count(&pci)) rt_panic("the device has no interrupt");
	if (pci.device->irq_kind == PCI_IRQ_MSIX) {
		vectors = 1;
		vector = 0;
	}
	lend(queue_pages, QUEUE_PAGES, queues);
	lend(data_pages, 2, data);
	port.in_page = data_pages;
	port.out_page = data_pages + PAGE_SIZE;
	port.in_address = data[0];
	port.out_address = data[1];
	why = virtio_queue(&virtio, 0, &port.in, queue_pages, queues, 16, vector);
	if (!why)
		why = virtio_queue(&virtio, 1, &port.out, queue_pages + VIRTQUEUE_PAGES * PAGE_SIZE,
				   queues + VIRTQUEUE_PAGES, 16, vector);
	if (why) rt_panic("%s", why);
	virtio_ready(&virtio);
	vserial_start(&port);
}

void native_main(void) {
	control_init(NULL, NULL);
	attach();
	pci_open(&pci, 0);
	bring_up();
	pci_irq(&pci, 0, on_interrupt, NULL);
	event_loop();
}
