# SPDX-License-Identifier: BSD-2-Clause
"""Descriptions of systems with many guests, and what root says of them.

A guest of either kind ends by itself at a moment that is the same for all, later than
the last one has started; so all were there at once if nobody ended before root
says that the system is up, and all were well if all end by powering off.
"""

import re
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

import initrd
from launcher import minimal
from tests.support import DEBIAN_KERNELS, build_dir, package

INIT = Path(__file__).parent / "init.c"
RTC = 1704067200  # 2024-01-01 in seconds, as tests.pv.xen.ICOUNT sets the clock
# The files of its trace events would be half of what such a guest has left.
SMALL = "initcall_blacklist=tracer_init_tracefs"
ENDED = re.compile(r"root: guest \S+: (.*)")
SAID = re.compile(
    r"root: (\d+) guests are there, the first made in (\d+) us, the last in (\d+) us; "
    r"the core holds (\d+) KiB for them"
)


@dataclass
class Many:
    """What the log says of many guests."""

    count: int
    first_us: int
    last_us: int
    kib: int
    ends: list[str]  # how each guest ended

    def __str__(self) -> str:
        return (f"{self.count} guests: the first made in {self.first_us} us, the last in "
                f"{self.last_us} us, {self.last_us / self.first_us:.3f} times as much; the core "
                f"holds {self.kib / self.count:g} KiB for each")


def look(log: str) -> Many:
    """Raises AssertionError if root has not said so, or a guest ended before all had started."""
    said = SAID.search(log)
    up = log.find("is up")
    assert said and up >= 0, log[-3000:]
    ends = list(ENDED.finditer(log))
    assert not ends or ends[0].start() > up, log[up - 3000 : up]
    return Many(*(int(word) for word in said.groups()), [end[1] for end in ends])


def minis(count: int, until: int) -> str:
    """Guests of a megabyte that nobody serves."""
    kernel = build_dir() / "tests" / "scale" / "mini.elf"
    return minimal.describe(
        *(
            minimal.guest(
                f"m{number}", kernel=kernel, memory="1M", console=None, store=None,
                cmdline=f"until={until} every=250", event_ports=64, grant_frames=1, cap_slots=16,
                map_handles=0,
            )
            for number in range(count)
        ),
        name="scale",
    )


def ramdisk(folder: Path) -> Path:
    """init.c and nothing else: BusyBox alone would be too much for a guest of 64 MiB."""
    program, output = folder / "init", folder / "initrd"
    subprocess.run(
        ["gcc", "-O1", "-Wall", "-Wextra", "-Werror", "-std=gnu17", "-static", "-nostdlib",
         "-ffreestanding", "-fno-stack-protector", "-o", program, INIT], check=True)
    archive = initrd.Archive()
    archive.add("dev", stat.S_IFDIR | 0o755)
    archive.add("dev/console", stat.S_IFCHR | 0o600, device=(5, 1))
    archive.add("init", stat.S_IFREG | 0o755, program.read_bytes())
    output.write_bytes(archive.finish())
    return output


def linux(count: int, until: int, folder: Path) -> str:
    """Guests of 64 MiB with Debian's smallest kernel."""
    kernel, ramdisk_path = package(DEBIAN_KERNELS["6.1_cloud"]), ramdisk(folder)
    return minimal.describe(
        *(
            minimal.guest(
                f"g{number}", kernel=kernel, initrd=ramdisk_path, memory="64M",
                console="console" if number == 0 else None, store=None,
                cmdline=f"quiet {SMALL} panic=-1 -- {RTC + until}",
            )
            for number in range(count)
        ),
        name="scale", raw="g0",
    )
