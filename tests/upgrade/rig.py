# SPDX-License-Identifier: BSD-2-Clause
"""A guest with a disk and a network card, and somebody at the console who has domains
run other programs. Shared by the tests and by the benchmark of upgrades."""

import re
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator, Sequence

from launcher import build, disks, minimal, nets
from tests.support import DEBIAN_KERNELS, Session, system

KERNEL = DEBIAN_KERNELS["6.1_cloud"]
SWITCH = "\x01"  # Ctrl-A, the console server's key
DISK_MIB = 32
CONTROL_RIGHTS = 'client = "console"\nrights = ["see", "life", "upgrade"]\n'


@dataclass
class Rig:
    console: Session

    def command(self, words: str) -> None:
        self.console.send(f"{SWITCH}c")
        self.console.send(f"{words}\r")

    def log(self) -> str:
        return self.console.logged()

    def wait_for_log(self, pattern: str, behind: int = 0, timeout: float = 120) -> "re.Match[str]":
        return self.console.expect_log(pattern, timeout, behind)

    def upgrade(self, domain: str, program: str) -> "re.Match[str]":
        """What the log says when it is over, and passed; the times in microseconds."""
        behind = len(self.log())
        self.command(f"upgrade {domain} {program}")
        return self.wait_for_log(
            rf"{domain}: upgrade to {program} (\S+): away for (\d+) us, (\d+) us until it answered",
            behind)


def description(programs: Sequence[str] = (), network: bool = True) -> str:
    text = minimal.describe(
        minimal.guest("one", kernel=f"package:{KERNEL}",
                      initrd=build.net_initrd(KERNEL), cmdline="quiet", memory="96M"),
        minimal.virtual("one", [disks.Disk(Path("x"), "virtio-blk")]),
        minimal.vifs("one", [nets.parse("")]) if network else "",
        name="upgrade", control=True, disks=[disks.Disk(Path("x"), "virtio-blk")],
        nets=[nets.parse("")] if network else [], programs=programs,
    )
    text = text.replace('client = "console"\n', CONTROL_RIGHTS, 2)
    # The first of the two is the serial line's, which has no rights.
    text = text.replace(CONTROL_RIGHTS, 'client = "console"\n', 1)
    return text


@contextmanager
def running(
    programs: Sequence[str] = (), network: bool = True, icount: bool = False
) -> Iterator[Rig]:
    with build.workspace() as folder:
        image = Path(folder) / "disk.img"
        with open(image, "wb") as file:
            file.truncate(DISK_MIB << 20)
        with system(
            description(programs, network), attached=[disks.Disk(image, "virtio-blk")],
            kind="q35", iommu=True, cards=[nets.parse("")] if network else [], icount=icount,
        ) as console:
            console.expect("guest:/#", 240)
            yield Rig(console)
