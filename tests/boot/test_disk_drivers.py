# SPDX-License-Identifier: BSD-2-Clause
"""Disk drivers without a guest: blkcheck (tests/drivers) stands where the disk server
stands, and says of each check whether it passed."""

import contextlib
import re
import tempfile
import unittest
from typing import Iterator

from tests.boot import checked, vhostdisk
from tests.boot.checked import IOMMU, Q35

CHECKS = 11  # that blkcheck makes of a disk that can be written
# Besides this a device is reset if the requests of an old session do not end within 20 ms, which
# on a busy machine happens to the best.
RESET = r"(?<!requests of the server's last session do not end): the device is reset"


@contextlib.contextmanager
def image(size: str = "64M") -> Iterator[list[str]]:
    """QEMU's arguments for an empty disk named d0."""
    with tempfile.NamedTemporaryFile(prefix="tessera.disk.") as file:
        file.truncate(int(size.rstrip("M")) << 20)
        yield ["-drive", f"if=none,id=d0,file={file.name},format=raw,cache=unsafe"]


def run(driver: str, device: str, arguments: str, *machine: str, until: str = "") -> str:
    """The log, when blkcheck has done or `until` is in it."""
    return checked.run("blkcheck", "disk", driver, device, *machine, arguments=arguments,
                       until=until)


class Drivers(unittest.TestCase):
    """What all disk drivers are held to."""

    def passes(self, log: str, checks: int) -> None:
        done = re.search(r"^blkcheck: done: (\d+) passed, (\d+) failed$", log, re.MULTILINE)
        self.assertTrue(done, log[-4000:])
        self.assertEqual((int(done[1]), int(done[2])), (checks, 0), log[-4000:])

    def drives(self, driver: str, device: str, *machine: str, **options: str) -> str:
        with image() as disk:
            log = run(driver, device, "", *disk, *machine, **options)
        self.passes(log, CHECKS)
        return log

    def survives(self, driver: str, device: str, *machine: str) -> str:
        """The driver is killed three times under load, which costs no request."""
        with image() as disk:
            log = run(driver, device, "restart=driver", *disk, *machine)
        self.passes(log, CHECKS + 1)
        self.assertEqual(log.count("driver: crashed: killed by command"), 3, log[-4000:])
        return log


class VirtioBlk(Drivers):
    DEVICE = 'class = "virtio-blk"'

    def test_pc(self) -> None:
        log = self.survives("virtio_blk", self.DEVICE,
                            "-device", "virtio-blk-pci,drive=d0,serial=NAME1")
        self.assertIn('1 queues, 59 segments, flags 0x34, "NAME1"', log)
        self.assertNotRegex(log, RESET)

    def test_the_bus_domain_dies(self) -> None:
        """Nobody notices; and its successor can prepare the driver's device again."""
        with image() as disk:
            log = run("virtio_blk", self.DEVICE, "restart=pci", *disk, *Q35,
                      "-device", "virtio-blk-pci,drive=d0")
            again = run("virtio_blk", self.DEVICE, "restart=pci,driver", *disk, *Q35,
                        "-device", "virtio-blk-pci,drive=d0")
        self.passes(log, CHECKS + 1)
        self.assertIn("restart: 0 requests asked again", log)
        self.assertIn("pci: crashed: killed by command", log)
        self.assertIn(", in use", log)
        self.passes(again, CHECKS + 1)
        self.assertEqual(again.count("driver: crashed: killed by command"), 1, again[-4000:])

    def test_behind_a_bridge_with_blocks_of_4096(self) -> None:
        log = self.drives(
            "virtio_blk", self.DEVICE, *Q35, "-device", "pcie-root-port,id=port0,chassis=1",
            "-device", "virtio-blk-pci,drive=d0,bus=port0,logical_block_size=4096,"
            "physical_block_size=4096",
        )
        self.assertIn("blocks of 4096", log)

    def test_iommu(self) -> None:
        log = self.survives(
            "virtio_blk", self.DEVICE, *IOMMU, "-device",
            "virtio-blk-pci,drive=d0,iommu_platform=on,disable-legacy=on",
        )
        self.assertIn("root: the IOMMU enforces DMA and interrupts", log)
        self.assertNotIn("blocked", log)

    def test_past_the_iommu(self) -> None:
        log = self.survives("virtio_blk", self.DEVICE, *IOMMU,
                            "-device", "virtio-blk-pci,drive=d0")
        self.assertIn("driver: the device goes past the IOMMU", log)

    def test_queues(self) -> None:
        log = self.drives("virtio_blk", f"{self.DEVICE}, interrupts = 4", *Q35,
                          "-device", "virtio-blk-pci,drive=d0,num-queues=4,vectors=5")
        self.assertIn("4 queues", log)

    def test_line_interrupt_and_no_niceties(self) -> None:
        log = self.survives(
            "virtio_blk", self.DEVICE, "-device",
            "virtio-blk-pci,drive=d0,vectors=0,indirect_desc=off,event_idx=off",
        )
        self.assertNotRegex(log, RESET)

    def test_read_only(self) -> None:
        with image() as disk:
            disk[1] += ",readonly=on"
            log = run("virtio_blk", self.DEVICE, "", *disk, "-device", "virtio-blk-pci,drive=d0")
        self.passes(log, 4)
        self.assertIn("PASS read-only", log)

    def test_legacy_device_is_refused(self) -> None:
        with image() as disk:
            log = run("virtio_blk", self.DEVICE, "", *disk, "-device",
                      "virtio-blk-pci,drive=d0,disable-modern=on,disable-legacy=off",
                      until="driver: panic")
        self.assertIn("driver: panic: the device is from before Virtio 1.0 (legacy)", log)

    def test_slow_disk(self) -> None:
        """Requests are under way when a session or the driver ends: the device is reset."""
        with image() as disk:
            disk[1] += ",throttling.iops-total=400"
            log = run("virtio_blk", self.DEVICE, "restart=driver", *disk, *Q35,
                      "-device", "virtio-blk-pci,drive=d0")
        self.passes(log, CHECKS + 1)
        self.assertIn("requests of the server's last session do not end", log)

    def test_disk_that_does_not_answer(self) -> None:
        """Ten seconds, a reset, ten more, and the request has failed; not for ever."""
        with image() as disk:
            disk[1] += ",throttling.bps-total=1"
            log = run("virtio_blk", self.DEVICE, "", *disk, "-device", "virtio-blk-pci,drive=d0",
                      until="(FAIL|PASS) one block")
        self.assertIn("FAIL one block", log)
        self.assertEqual(log.count("the device is reset, 1 requests in flight"), 2, log[-4000:])

    def test_short_transfer(self) -> None:
        """A read that is said to be done, and moved half: an error for who asked, no one else."""
        size = 64 << 20
        last = (size - 4096) // 512

        def half(write: bool, sector: int, count: int) -> int:
            return count // 2 if sector == last and not write else count

        for moves, failed in ((None, 0), (half, 1)):
            with self.subTest(failed=failed), vhostdisk.Disk(size, moves) as disk:
                log = run("virtio_blk", self.DEVICE, "", *disk.arguments(128))
                self.assertIn(f"done: {CHECKS - failed} passed, {failed} failed", log, log[-4000:])
                self.assertEqual("FAIL the last page: read" in log, bool(failed), log[-4000:])

    def test_errors_of_the_disk(self) -> None:
        """A sector that cannot be had: an error for who asked, and nobody else."""
        with image() as disk, tempfile.NamedTemporaryFile("w", prefix="tessera.rules.") as rules:
            rules.write('[inject-error]\nevent = "read_aio"\nerrno = "5"\nsector = "800"\n')
            rules.flush()
            disk[1] = disk[1].replace("file=", f"file=blkdebug:{rules.name}:", 1)
            log = run("virtio_blk", self.DEVICE, "", *disk, "-device", "virtio-blk-pci,drive=d0")
        self.assertIn("FAIL write zeroes: write", log, log[-4000:])
        self.assertIn("PASS as many segments as it takes", log)
        self.assertIn("PASS discard", log)
        self.assertNotRegex(log, RESET)
