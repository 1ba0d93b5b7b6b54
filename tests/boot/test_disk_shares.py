# SPDX-License-Identifier: BSD-2-Clause
"""Two stock guests hammer one disk: the shares of what it can do, and the limits of each.
Everything is counted in virtual time by the guests themselves, and the disk is QEMU's null
device, which answers at once: so nothing depends on how fast the machine is that runs the
test."""

import json
import re
import unittest
from dataclasses import dataclass
from pathlib import Path

from launcher import minimal
from launcher.disks import Disk
from tests.pv.xen import ICOUNT
from tests.support import DEBIAN_KERNELS, disk_initrd, system

KERNEL = DEBIAN_KERNELS["6.1_cloud"]
READERS = 16  # more at once than one turn of a guest on the disk has room for
# Each reader at a place of its own, and far from its end: a new one takes time, in which its
# guest asks for less than it may have. The kernel counts requests and sectors of the disk.
COMMAND = (
    "n=0; while [ $n -lt {readers} ]; do n=$((n + 1)); (while :; do dd if=/dev/xvda of=/dev/null "
    "bs={size} count=4096 skip=$((n * 64)) iflag=direct 2>/dev/null; done) & done; sleep {settle}; "
    "for n in 1 2; do set -- $(cat /proc/uptime /sys/block/xvda/stat); echo at $1 $3 $5; "
    "sleep {seconds}; done; sleep {settle}"
)
SETTLE, SECONDS = 1, 3
PERCENT = 5
COST = 8192  # what a request counts besides its bytes (docs/disks.md)


@dataclass
class Rate:
    """Of one guest, in each second of virtual time."""

    requests: float
    bytes: float

    @property
    def cost(self) -> float:
        return self.bytes + COST * self.requests


def rate(text: str) -> Rate:
    """From the two lines that a guest has printed."""
    lines = re.findall(r"at ([\d.]+) (\d+) (\d+)", text)
    (t0, r0, s0), (t1, r1, s1) = (tuple(map(float, line)) for line in lines[:2])
    return Rate((r1 - r0) / (t1 - t0), (s1 - s0) * 512 / (t1 - t0))


class Null(Disk):
    """No file, no time."""

    def blockdev(self, node: str) -> str:
        return json.dumps({"driver": "null-co", "node-name": node, "size": 128 << 20,
                           "read-zeroes": True})


class Shares(unittest.TestCase):
    def within(self, value: float, expected: float) -> None:
        self.assertLessEqual(abs(value - expected), expected * PERCENT / 100,
                             f"{value:.1f}, expected {expected:.1f}")

    def hammer(self, sizes: tuple[str, str], disk: str = "", first: str = "", second: str = ""
               ) -> tuple[Rate, Rate]:
        """What both get; disk, first, second: limits of the disk, of each guest's."""
        attached = [Null(Path("null"))]
        parts = []
        for guest, size, limit in zip(("one", "two"), sizes, (first, second)):
            command = COMMAND.format(readers=READERS, size=size, settle=SETTLE,
                                     seconds=SECONDS)
            parts += [
                minimal.guest(guest, kernel=f"package:{KERNEL}", memory="128M",
                              initrd=disk_initrd(KERNEL),
                              cmdline=f'console=hvc0 quiet tessera.run="{command}"'),
                minimal.VIRTUAL.format(name=guest, guest=guest, volume="disk0",
                                       device="xvda", mode="ro") + limit,
            ]
        text = minimal.describe(*parts, raw="one", disks=attached)
        if disk:
            text += f'\n[limit.all]\ndisk = "disk0"\n{disk}\n'
        with system(text, *ICOUNT, attached=attached) as console:
            console.wait(500)
            log = console.logged()
        others = "".join(line for line in log.splitlines(True) if "two" in line)
        return rate(console.text), rate(others)

    def test_equal_requests(self) -> None:
        one, two = self.hammer(("4k", "4k"), disk="iops = 1000")
        self.within(one.requests, 500)
        self.within(two.requests, 500)

    def test_large_beside_small(self) -> None:
        one, two = self.hammer(("4k", "44k"), disk='bandwidth = "8M"')
        self.within(one.bytes + two.bytes, 8 << 20)
        self.within(one.cost, two.cost)

    def test_limits_of_each(self) -> None:
        one, two = self.hammer(("4k", "16k"), first="iops = 400\n", second='bandwidth = "2M"\n')
        self.within(one.requests, 400)
        self.within(two.bytes, 2 << 20)


if __name__ == "__main__":
    unittest.main()
