# SPDX-License-Identifier: BSD-2-Clause
"""Store, console and disk server for as many guests as a system is meant to have: each of
128 small guests writes to its own part of one disk and reads it back (blkfront.c)."""

import re
import tempfile
import unittest
from pathlib import Path

from launcher import minimal
from launcher.disks import Disk
from tests.pv.xen import ICOUNT
from tests.support import build_dir, system

GUESTS = 128
SECTORS = 1024  # of each; blkfront.c uses the eight from 800 on
VOLUME = '[volume.part{n}]\ndisk = "disk0"\nfirst = {first}\nsize = {size}\n'


def part(number: int) -> str:
    name = f"g{number}"
    return (
        minimal.guest(name, kernel=build_dir() / "tests" / "hostile" / "blkfront.elf",
                      memory="8M", cmdline="case=honest", on_crash="stop")
        + VOLUME.format(n=number, first=number * SECTORS, size=SECTORS)
        + minimal.VIRTUAL.format(name=f"{name}-disk", guest=name, volume=f"part{number}",
                                 device="xvda", mode="rw")
    )


class ManyGuests(unittest.TestCase):
    def test_a_disk_for_each_of_128(self) -> None:
        with tempfile.TemporaryDirectory(prefix="tessera.many.") as name:
            path = Path(name) / "disk.img"
            with path.open("wb") as file:
                file.truncate(GUESTS * SECTORS * 512)
            disks = [Disk(path)]
            text = minimal.describe(*map(part, range(GUESTS)), disks=disks)
            text = text.replace('[volume.disk0]\ndisk = "disk0"\n', "")
            text = text.replace('lifeboat = "1M"', 'lifeboat = "16M"')
            with system(text, *ICOUNT, attached=disks) as console:
                status = console.wait(900)
                log = console.logged()
                said = console.text
            data = path.read_bytes()
        passed = re.findall(r"blkfront: 1 passed, 0 failed", said)
        self.assertEqual(len(passed), GUESTS, said[-3000:] + log[-3000:])
        self.assertEqual(status, 33, log[-3000:])
        self.assertNotRegex(log, r"root: (vbd|disk0|store|console): crashed")
        block = bytes(i * 7 % 256 for i in range(4096))
        for n in range(GUESTS):
            at = (n * SECTORS + 800) * 512
            self.assertEqual(data[at : at + 4096], block, f"the block of guest {n}")
