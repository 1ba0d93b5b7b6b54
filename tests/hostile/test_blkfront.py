# SPDX-License-Identifier: BSD-2-Clause
"""A guest whose block frontend lies in every field (blkfront.c): it has answers, until
its own device is taken away; the disk of another guest goes on."""

import tempfile
import unittest
from pathlib import Path

from launcher import minimal
from launcher.disks import Disk
from tests.pv.xen import ICOUNT
from tests.support import DEBIAN_KERNELS, build_dir, disk_initrd, system

KERNEL = DEBIAN_KERNELS["6.1_cloud"]
ROUNDS = 2000
COMMAND = (
    "cat /proc/uptime; for n in 1 2 3 4; do yes block $n | head -c 1048576 >/tmp/$n; "
    "dd if=/tmp/$n of=/dev/xvda bs=16k seek=$((n * 64)) oflag=direct 2>/dev/null; "
    "dd if=/dev/xvda bs=16k skip=$((n * 64)) count=64 iflag=direct 2>/dev/null | "
    "cmp - /tmp/$n && echo same $n; done; cat /proc/uptime"
)
MOST = 2  # times as long as beside a guest that asks for the right things


def blank(path: Path) -> Disk:
    with path.open("wb") as file:
        file.truncate(32 << 20)
    return Disk(path)


def attacker(words: str, volume: str) -> str:
    return minimal.guest(
        "attacker", kernel=build_dir() / "tests" / "hostile" / "blkfront.elf", memory="16M",
        cmdline=words, on_crash="stop",
    ) + minimal.VIRTUAL.format(name="attacked", guest="attacker", volume=volume, device="xvda",
                               mode="rw")


class BlockFrontend(unittest.TestCase):
    def alone(self, words: str) -> None:
        with tempfile.TemporaryDirectory(prefix="tessera.blkfront.") as name:
            disks = [blank(Path(name) / "disk.img")]
            text = minimal.describe(attacker(words, "disk0"), raw="attacker",
                                    disks=disks)
            with system(text, attached=disks) as console:
                end = console.expect(r"^(blkfront: .*passed.*|panic.*)\n", 200)
                log = console.logged()
        self.assertEqual(end[1], "blkfront: 4 passed, 0 failed", console.text + log[-3000:])
        self.assertNotRegex(log, r"root: (vbd|disk0|store): crashed")
        self.assertIn("is taken away: its ring's indices are impossible", log)

    def test_lies(self) -> None:
        self.alone(f"rounds={ROUNDS}")

    def test_index_behind(self) -> None:
        self.alone("rounds=10 index=4294967295")

    def victim(self, attack: str) -> float:
        """Seconds of virtual time that another guest's work on its own disk takes."""
        with tempfile.TemporaryDirectory(prefix="tessera.blkfront.") as name:
            disks = [blank(Path(name) / f"{number}.img") for number in range(2)]
            text = minimal.describe(
                minimal.guest("victim", kernel=f"package:{KERNEL}", initrd=disk_initrd(KERNEL),
                              memory="128M",
                              cmdline=f'console=hvc0 quiet tessera.run="{COMMAND}"'),
                minimal.virtual("victim", disks[:1]), attack, raw="victim", disks=disks,
            )
            with system(text, *ICOUNT, attached=disks) as console:
                begin = float(console.expect(r"^([0-9.]+) [0-9.]+$", 200)[1])
                for n in range(1, 5):
                    console.expect(f"^same {n}$", 200)
                end = float(console.expect(r"^([0-9.]+) [0-9.]+$", 60)[1])
                log = console.logged()
        self.assertNotRegex(log, r"root: (vbd|disk0|disk1|store): crashed")
        self.assertNotIn("PANIC", log)
        return end - begin

    def test_beside(self) -> None:
        """By the same disk server: nobody dies, and lies cost the victim no more than as
        many right requests would."""
        honest = self.victim(attacker("forever case=honest", "disk1"))
        lies = self.victim(attacker("forever case=lies", "disk1"))
        self.assertLess(lies, MOST * honest, f"{honest} s beside an honest guest, {lies} s")
