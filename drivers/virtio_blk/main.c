/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The domain around the disk: its PCI function, the disk server, interrupts,
 * time. It keeps no state that a successor needs: the server asks again for what
 * was not answered.
 *
 * One batch is one wake-up: on an interrupt everything that is done is taken,
 * then published once, then what the server asked meanwhile is submitted with one
 * ring of the doorbell.
 *
 * A device that leaves a request unanswered for ten seconds, or writes nonsense to
 * its ring, is reset. What was in flight is asked once more, in the order of tags;
 * what is in flight at a second reset is answered with BLK_STATUS_TIMEOUT. That is
 * safe: requests may be carried out in any order, and twice.
 */
#include "disk.h"

#include "libs/blk/driver.h"
#include "libs/control/control.h"
#include "libs/event/event.h"
#include "libs/log/log.h"
#include "libs/rt/time.h"

#define SLOT_PAGES    (BLK_TAGS / VBLK_SLOTS_PAGE)
#define QUEUE_PAGES   (VBLK_QUEUES * VIRTQUEUE_PAGES)
#define REAP_BUDGET   256U
#define TICK          MILLISECONDS(1000)
#define TIMEOUT_TICKS 11U /* at least ten seconds */
#define DRAIN_LIMIT   MILLISECONDS(20)

static struct pci pci;
static struct vblk disk;
static struct blk_driver blk;
static struct event_timer tick_timer, drain_timer;
static bool draining;   /* requests of an old session are waited for */
static bool unfinished; /* an interrupt whose work goes on */
static unsigned vectors;

static uint8_t slot_pages[SLOT_PAGES * PAGE_SIZE] __attribute__((aligned(4096)));
static uint8_t queue_pages[QUEUE_PAGES * PAGE_SIZE] __attribute__((aligned(4096)));
static uint64_t slot_addresses[SLOT_PAGES], queue_addresses[QUEUE_PAGES];
static const struct vblk_memory memory = {
	.queue_pages = queue_pages,
	.queue_addresses = queue_addresses,
	.slot_pages = slot_pages,
	.slot_addresses = slot_addresses,
};

/* If the device does not come back, root resets it and starts the driver again. */
static void restart_device(const char *reason) {
	const char *why;

	disk.resets++;
	log_print("%s: the device is reset, %u requests in flight", reason, disk.in_flight);
	why = vblk_start(&disk, &memory, vectors);
	if (why) rt_panic("after a reset, %s", why);
}

static void drained(void) {
	draining = false;
	event_timer_cancel(&drain_timer);
	blk_driver_quiesced(&blk);
}

static void on_drain_limit(void *context) {
	(void)context;
	if (!draining) return;
	restart_device("requests of the server's last session do not end");
	vblk_forget(&disk);
	drained();
	blk_driver_work(&blk);
}

static void recover(void) {
	static struct vblk_done failed[BLK_TAGS];
	unsigned count;

	restart_device("a request is not answered, or the ring makes no sense");
	if (draining) {
		vblk_forget(&disk);
		drained();
		return;
	}
	count = vblk_resume(&disk, failed);
	for (unsigned i = 0; i < count; i++)
		blk_driver_complete(&blk, failed[i].tag, failed[i].status, 0);
}

/* Takes what is done, at most REAP_BUDGET of each queue. True: maybe there is more. */
static bool reap(void) {
	struct vblk_done done;
	bool more = false;

	for (unsigned n = 0; n < disk.queues; n++) {
		unsigned budget = REAP_BUDGET;

		while (budget && vblk_reap(&disk, n, &done)) {
			budget--;
			if (!draining)
				blk_driver_complete(&blk, done.tag, done.status,
						    done.device_status);
		}
		more |= !budget;
		if (disk.queue[n].broken) recover();
	}
	if (draining && !disk.in_flight) drained();
	return more;
}

/*
 * A batch: what is done, then what the server asks. The device interrupts again when it
 * has done what the server wants to hear of. True: there is no more for now.
 */
static bool serve(void) {
	bool done = !reap();
	uint32_t others;

	blk_driver_work(&blk);
	others = (blk_driver_wants(&blk) - 1) / disk.queues;
	for (unsigned n = 0; n < disk.queues; n++)
		if (!virtqueue_want_interrupt_after(&disk.queue[n], (uint16_t)others)) done = false;
	return done;
}

static bool on_interrupt(void *context) {
	(void)context;
	/* A line may be shared, and reading the reason is what ends the interrupt. */
	if (!vectors && !(virtio_isr(&disk.virtio) & 1) && !unfinished) return true;
	unfinished = !serve();
	return !unfinished;
}

static void on_tick(void *context) {
	(void)context;
	disk.tick++;
	if (vblk_missed(&disk)) {
		log_print("answers of the device came without an interrupt");
		serve();
	}
	if (vblk_stuck(&disk, TIMEOUT_TICKS)) {
		recover();
		blk_driver_work(&blk);
	}
	if (disk.in_flight) event_timer_arm(&tick_timer, time_now() + TICK);
}

static bool submit(void *device, const struct blk_request *request,
		   const struct blk_segment *segments) {
	(void)device;
	return vblk_submit(&disk, request, segments);
}

static void kick(void *device) {
	(void)device;
	vblk_kick(&disk);
	if (!tick_timer.deadline && disk.in_flight) event_timer_arm(&tick_timer, time_now() + TICK);
}

static bool quiesce(void *device) {
	(void)device;
	if (!disk.in_flight) return true;
	draining = true;
	event_timer_arm(&drain_timer, time_now() + DRAIN_LIMIT);
	return false;
}

static bool look(void *device) {
	(void)device;
	return serve();
}

static const struct blk_driver_ops ops = {
	.submit = submit, .kick = kick, .quiesce = quiesce, .look = look};

static void lend(void *pages, uint32_t count, uint64_t *addresses) {
	int error = pci_dma_map(&pci, pages, count, 0, addresses);

	if (error) rt_panic("%u pages cannot be mapped for DMA (%d)", count, error);
}

/* A device that does not offer it goes past the IOMMU, and has to be told so. */
static void choose_addresses(void) {
	const char *why = virtio_begin(&disk.virtio, 0);

	if (why) rt_panic("%s", why);
	pci.machine = !virtio_has(&disk.virtio, VIRTIO_F_ACCESS_PLATFORM);
	if (pci.machine && pci.device->flags & PCI_DEVICE_IOMMU)
		log_print("the device goes past the IOMMU (with QEMU: iommu_platform=on), so it "
			  "is trusted");
}

static void start_interrupts(void) {
	unsigned count = pci_irq_count(&pci);

	if (!count) rt_panic("the device has no interrupt");
	if (pci.device->irq_kind == PCI_IRQ_MSIX) vectors = count;
}

static void bind_interrupts(void) {
	unsigned used = vectors ? disk.queues : 1;

	for (unsigned n = 0; n < used; n++) pci_irq(&pci, n, on_interrupt, NULL);
}

static void bring_up(void) {
	const char *why = virtio_open(&disk.virtio, &pci);

	if (why) rt_panic("%s", why);
	choose_addresses();
	start_interrupts();
	lend(slot_pages, SLOT_PAGES, slot_addresses);
	lend(queue_pages, QUEUE_PAGES, queue_addresses);
	why = vblk_start(&disk, &memory, vectors);
	if (why) rt_panic("%s", why);
	vblk_ask_name(&disk);
	if (disk.in_flight) rt_panic("the device does not answer");
}

void native_main(void) {
	int error;

	control_init(NULL, NULL);
	tick_timer.handler = on_tick;
	drain_timer.handler = on_drain_limit;
	error = blk_driver_attach(&blk, 0, &ops, NULL);
	if (error) rt_panic("no disk server is connected (%d)", error);
	pci_open(&pci, 0);
	bring_up();
	if (!blk_driver_disk(&blk, 0, &disk.info)) rt_panic("the device describes an absurd disk");
	log_print("disk 0: %lu sectors, blocks of %u, %u queues, %u segments, flags 0x%x, \"%s\"",
		  disk.info.sectors, disk.info.block, disk.info.queues, disk.info.max_segments,
		  disk.info.flags, disk.info.name);
	bind_interrupts();
	blk_driver_gather(&blk, BLK_DRIVER_GATHER);
	blk_driver_online(&blk, pci.machine ? BLK_PAGE_MACHINE : 0);
	event_loop();
}
