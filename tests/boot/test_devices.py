# SPDX-License-Identifier: BSD-2-Clause
"""Devices and their drivers as root handles them: what each gets, what happens when
one is not there, and that drivers and the bus domain come back."""

import re
import tempfile
import unittest
from pathlib import Path

from launcher import minimal
from launcher.disks import Disk
from tests.support import Session, system

SWITCH = "\x01"  # Ctrl-A, the console server's key

BASE = """
[system]
name = "devices"
policy = "sched_rr"
log = "com2"
{settings}
[domain.sched_rr]
[domain.uart16550]
serves = ["serial"]
ports = ["0x3f8-0x3ff"]
irqs = [4]
priority = 10
[domain.console]
serves = ["console"]
priority = 20
[connection.serial]
protocol = "serial"
server = "uart16550"
client = "console"
[connection.control]
protocol = "control"
server = "root"
client = "console"
[domain.pci]
serves = ["pci"]
ports = ["0xcf8-0xcff"]
priority = 15
"""

DRIVER = """
[domain.{name}]
image = "{image}"
device = {{ {device} }}
[connection.{name}]
protocol = "disk"
server = "vbd"
client = "{name}"
"""


def described(*drivers: tuple[str, str, str], settings: str = "") -> str:
    """Drivers as (name, program, device)."""
    served = minimal.STORE.format(xenbus=minimal.XENBUS, more="") + minimal.BLOCKS
    return BASE.format(settings=settings) + served + "".join(
        DRIVER.format(name=name, image=image, device=device) for name, image, device in drivers
    )


NVME = ("disk1", "nvme", 'class = "nvme"')
VIRTIO = ("disk0", "virtio_blk", 'class = "virtio-blk", interrupts = 2')


class Devices(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="tessera.devices.")
        self.addCleanup(self.folder.cleanup)

    def blank(self, name: str, model: str) -> Disk:
        path = Path(self.folder.name) / name
        with path.open("wb") as file:
            file.truncate(16 << 20)
        return Disk(path, model)

    def command(self, console: Session, words: str) -> None:
        console.send(f"{SWITCH}c")
        console.expect(r"\[root\] ")
        console.send(f"{words}\r")

    def test_a_device_that_is_not_there(self) -> None:
        second = ("disk2", "nvme", 'class = "nvme"')
        text = described(NVME, second, VIRTIO)
        line = text.index('class = "nvme"', text.index("disk2"))
        with system(text, attached=[self.blank("a", "nvme")]) as console:
            log = console.expect_log(r"disk1: disk 0: ").string
        number = text[:line].count("\n") + 1
        self.assertIn(f"root: disk2: its device (line {number} of the description) belongs to "
                      "another driver; it is not started", log)
        self.assertRegex(log, r"root: disk0: its device \(line \d+ of the description\) is not "
                              r"there; it is not started")
        self.assertIn("root: disk0: looked for class 000000/000000, vendor 1af4, device 1042, "
                      "address any, index any", log)
        self.assertRegex(log, r"root: there is 00:0\d\.0: class 010802, vendor 1b36, device 0010")

    def test_an_index_counts_functions(self) -> None:
        drivers = [(f"disk{n}", "nvme", f'class = "nvme", index = {n}') for n in (1, 0)]
        attached = [self.blank("a", "nvme"), self.blank("b", "nvme")]
        with system(described(*drivers), attached=attached) as console:
            for name in ("disk0", "disk1"):
                console.expect_log(f"{name}: disk 0: ")
            self.command(console, "ps")
            found = dict(re.findall(r"^(disk\d) .* (00:\d\d\.0) 1b36:0010 msi-x$", console.expect(
                r"(?s:disk1 .*MiB of memory are free)")[0], re.MULTILINE))
        self.assertLess(found["disk0"], found["disk1"])

    def test_required_iommu_that_is_not_there(self) -> None:
        text = described(NVME, settings='iommu = "require"')
        with system(text, attached=[self.blank("a", "nvme")]) as console:
            log = console.expect_log(r"it is not started").string
            self.command(console, "ps")
            console.expect(r"^console +\d+ running")
            console.expect(r"^disk1 +\d+ idle .*no device$")
        self.assertIn("root: disk1: no IOMMU enforces what it reaches, and the description "
                      "requires one", log)

    def test_required_iommu_that_is_there(self) -> None:
        text = described(NVME, settings='iommu = "require"')
        attached = [self.blank("a", "nvme")]
        with system(text, attached=attached, kind="q35", iommu=True) as console:
            log = console.expect_log(r"disk1: disk 0: ").string
        self.assertIn("root: the IOMMU enforces DMA and interrupts", log)

    def test_drivers_and_bus_come_back(self) -> None:
        """In every order: a driver, the bus domain, both at once."""
        attached = [self.blank("a", "nvme"), self.blank("b", "virtio-blk")]
        with system(described(NVME, VIRTIO), attached=attached) as console:
            for name in ("disk0", "disk1"):
                console.expect_log(f"{name}: disk 0: ")
            self.command(console, "kill disk1")
            console.expect_log(r"disk1: started again\n(?s:.*)disk1: disk 0: ")
            self.command(console, "kill pci")
            console.expect_log(r"pci: started again\n(?s:.*)in use")
            self.command(console, "kill disk0")
            log = console.expect_log(r"disk0: started again\n(?s:.*)disk0: disk 0: ").string
            self.command(console, "kill pci")
            self.command(console, "kill disk0")
            self.command(console, "kill pci")
            console.expect_log(r"(?s:disk0: started again\n.*){2}disk0: disk 0: ")
            self.command(console, "ps")
            console.expect(r"^pci +\d+ running +\d+ +\d+ +3$")
            console.expect(r"^disk1 +\d+ running +\d+ +\d+ +1  00:0\d\.0 1b36:0010 msi-x$")
            console.expect(r"^disk0 +\d+ running +\d+ +\d+ +2  00:0\d\.0 1af4:1001 msi-x$")
            console.expect(r"^no IOMMU guards DMA: the drivers and their devices are trusted")
        self.assertIn("root: no IOMMU guards DMA", log)

    def test_bus_domain_that_is_given_up(self) -> None:
        text = described(NVME).replace('ports = ["0xcf8-0xcff"]', "ports = []")
        with system(text, attached=[self.blank("a", "nvme")]) as console:
            log = console.expect_log(r"it is not started").string
        self.assertIn("root: pci: given up after 5 restarts", log)
        self.assertRegex(log, r"root: disk1: its device .* is not known: the bus domain is given "
                              r"up; it is not started")

    def test_a_device_that_reaches_for_the_core(self) -> None:
        """The IOMMU blocks it; the driver is named and ended, and given up in the end."""
        driver = ("rogue", "rogue", "vendor = 0x1234, device = 0x11e8")
        with system(described(driver), "-device", "edu", kind="q35", iommu=True) as console:
            log = console.expect_log(r"rogue: given up after 5 restarts").string
            self.command(console, "ps")
            console.expect(r"^rogue +\d+ given up .*00:0\d\.0 1234:11e8 msi$")
        self.assertRegex(log, r"dma: rogue \(00:0\d\.0\) tried to write 0x100000: blocked")
        blamed = re.findall(r"root: rogue: crashed: its device 00:0\d\.0 tried to write "
                            r"0x100\w{3}, which is not its own \(\d+ blocked\)", log)
        self.assertEqual(len(blamed), 6, log[-3000:])
        self.assertEqual(log.count("about to write over the core"), 6)
