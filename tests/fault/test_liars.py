# SPDX-License-Identifier: BSD-2-Clause
"""Ends of a disk connection that lie: a driver to the disk server, and a server to
the driver of a device behind an IOMMU."""

import re
import tempfile
import unittest
from pathlib import Path

from launcher import minimal
from launcher.disks import Disk
from tests.boot import checked
from tests.boot.test_disk_drivers import image
from tests.support import DEBIAN_KERNELS, disk_initrd, system

KERNEL = DEBIAN_KERNELS["6.1_cloud"]
# Reads from the liar's disk beside; what it says of that is its own affair.
COMMAND = (
    "(while :; do dd if=/dev/xvdb of=/dev/null bs=4k count=50 iflag=direct 2>/dev/null; done) & "
    "for n in 1 2 3 4 5; do yes block $n | head -c 1048576 >/tmp/$n; "
    "dd if=/tmp/$n of=/dev/xvda bs=16k seek=$((n * 64)) oflag=direct 2>/dev/null; "
    "dd if=/dev/xvda bs=16k skip=$((n * 64)) count=64 iflag=direct 2>/dev/null | "
    "cmp - /tmp/$n && echo same $n; sleep 1; done"
)


def blank(path: Path) -> Disk:
    with path.open("wb") as file:
        file.truncate(32 << 20)
    return Disk(path)


class Liars(unittest.TestCase):
    def test_driver(self) -> None:
        """The disk of another driver goes on, and the disk server lives."""
        with tempfile.TemporaryDirectory(prefix="tessera.liar.") as name:
            disks = [blank(Path(name) / f"{number}.img") for number in range(2)]
            text = minimal.describe(
                minimal.guest("guest", kernel=f"package:{KERNEL}", initrd=disk_initrd(KERNEL),
                              memory="128M", cmdline=f'console=hvc0 quiet tessera.run="{COMMAND}"'),
                minimal.virtual("guest", disks), raw="guest", disks=disks,
            )
            text = text.replace('[domain.disk1]\nimage = "virtio_blk"\n',
                                '[domain.disk1]\nimage = "liar"\nlog = "write"\n')
            with system(text, attached=disks) as console:
                for n in range(1, 6):
                    console.expect(f"^same {n}$", 120)
                console.wait(60)
                log = console.logged()
        lies = re.findall(r"disk1: (\d+) lies in (\d+) sessions", log)
        self.assertTrue(lies and int(lies[-1][1]) > 10, log[-3000:])
        self.assertNotRegex(log, r"root: (vbd|disk0|store): crashed", log[-3000:])

    def test_server(self) -> None:
        """Garbage, and addresses that the device may not reach; then the driver works."""
        with image() as disk:
            log = checked.run(
                "badserver", "disk", "virtio_blk", 'class = "virtio-blk"', *checked.IOMMU, *disk,
                "-device", "virtio-blk-pci,drive=d0,iommu_platform=on,disable-legacy=on",
            )
        self.assertNotIn("FAIL", log)
        self.assertNotIn("PANIC", log)
        # Each time that the device went where it must not, the driver was started again.
        self.assertRegex(log, r"root: driver: crashed: its device \S+ tried to")
        self.assertRegex(log, r"dma: driver \(00:\w\w\.\d\) tried to \w+ 0x\w+: blocked")
        refused = re.search(r"the driver refused (\d+)", log)
        self.assertTrue(refused and int(refused[1]) > 0, log[-3000:])
