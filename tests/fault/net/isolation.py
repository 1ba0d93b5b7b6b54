# SPDX-License-Identifier: BSD-2-Clause
"""A noisy guest and its neighbours: three guests on one network, all in virtual time
(-icount), so that the figures do not depend on the host.

One floods the network with small frames, ARP, broadcasts, fragments and SYNs. The
others measure round trips, against those while it is silent, and their throughput,
against what they have while it sends as they do (isolate.c).

    python3 -m tests.fault.net.isolation [--small-out FRAMES] [--first]
"""

import argparse
import re
import stat
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

TOP = Path(__file__).resolve().parents[3]
sys.path[:0] = [path for path in (str(TOP), str(TOP / "images")) if path not in sys.path]

import initrd  # noqa: E402
from launcher import build, minimal  # noqa: E402
from launcher.nets import NO_CARD, Net  # noqa: E402
from tests.fault.net.campaign import icount  # noqa: E402
from tests.support import DEBIAN_KERNELS, system  # noqa: E402

KERNEL = DEBIAN_KERNELS["6.1_cloud"]
SOURCE = Path(__file__).parent / "isolate.c"
KINDS = ("small", "arp", "broadcast", "fragments", "syn")
SLOT = 200_000_000  # ns of virtual time
SLICE = "1ms"
ADDRESSES = {"measure": "10.7.0.1", "answer": "10.7.0.2", "flood": "10.7.0.3"}
COMMANDS = {
    "measure": "until ping -c 1 -W 1 10.7.0.2; do :; done; "
               f"isolate measure 10.7.0.2 10.7.0.3 {SLOT}",
    "answer": "isolate answer",
    "flood": f"isolate flood 10.7.0.3 10.7.0.2 {SLOT}; sleep 1000",
}
SCRIPT = """\
#!/bin/sh
ip link set lo up
ip addr add {address}/24 dev eth0
ip link set eth0 up
{command}
"""


@dataclass
class Trip:
    """Round trips in nanoseconds of virtual time."""

    median: int
    most: int  # of 99 in 100
    count: int
    lost: int


@dataclass
class Figures:
    """By kind of flood; "none" is without."""

    trips: dict[str, Trip]
    streams: dict[str, int]  # bytes in a slot
    floods: dict[str, int]  # frames that the noisy guest could send in two slots

    def table(self) -> str:
        lines = [f"{'flood':12}{'round trip':>12}{'99 of 100':>12}{'lost':>6}{'of idle':>9}"
                 f"{'throughput':>14}{'of fair':>9}"]
        idle, fair = self.trips["none"], self.streams["none"]
        for kind, trip in self.trips.items():
            lines.append(
                f"{kind:12}{trip.median / 1000:>9.1f} us{trip.most / 1000:>9.1f} us{trip.lost:>6}"
                f"{trip.median / max(idle.median, 1):>9.2f}{self.streams[kind]:>14,}"
                f"{self.streams[kind] / max(fair, 1):>9.2f}"
            )
        return "\n".join(lines)


def _ramdisk(folder: Path) -> Path:
    program, output = folder / "isolate", folder / "initrd"
    subprocess.run(["gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-std=gnu17", "-static", "-o",
                    program, SOURCE], check=True)
    added = initrd.Archive()
    added.add("bin/isolate", stat.S_IFREG | 0o755, program.read_bytes())
    for name, command in COMMANDS.items():
        script = SCRIPT.format(address=ADDRESSES[name], command=command)
        added.add(f"bin/{name}", stat.S_IFREG | 0o755, script.encode())
    output.write_bytes(build.net_initrd(KERNEL).read_bytes() + added.finish())
    return output


def _describe(path: Path, limit: Optional[int], first: bool) -> str:
    network = Net(NO_CARD)
    names = sorted(ADDRESSES, key=lambda name: (name == "flood") != first)
    parts = [
        minimal.guest(name, kernel=f"package:{KERNEL}", initrd=path, memory="128M", slice=SLICE,
                      cmdline=f"console=hvc0 quiet tessera.run=/bin/{name}")
        + minimal.vif(name, network, addresses=[ADDRESSES[name]],
                      small_out=limit if name == "flood" else None)
        for name in names
    ]
    return minimal.describe(*parts, raw="measure", nets=[network])


def measure(limit: Optional[int] = None, first: bool = False, timeout: float = 900) -> Figures:
    """limit: of the noisy guest; None: what every guest has that nobody says more of; 0: none.
    first: it comes first in the CPU's plan, not last."""
    with tempfile.TemporaryDirectory(prefix="tessera.isolation.") as name:
        with system(_describe(_ramdisk(Path(name)), limit, first), *icount(sleep=False)) as console:
            console.expect("^isolate: end$", timeout)
            text = console.text
            log = console.logged()
    trips = re.findall(r"^isolate: trip (\w+) (\d+) (\d+) (\d+) (\d+)$", text, re.M)
    streams = re.findall(r"^isolate: stream (\w+) (\d+)$", text, re.M)
    floods: Counter[str] = Counter()
    for kind, number in re.findall(r"isolate: flood (\w+) (\d+)", log):
        floods[kind] += int(number)
    return Figures({kind: Trip(*map(int, numbers)) for kind, *numbers in trips},
                   {kind: int(number) for kind, number in streams}, dict(floods))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--small-out", type=int, metavar="FRAMES",
                        help="the noisy guest's limit of small frames in a second; 0: none")
    parser.add_argument("--first", action="store_true",
                        help="it comes first in the CPU's plan, not last")
    words = parser.parse_args()
    build.system()
    print(measure(words.small_out, words.first).table())


if __name__ == "__main__":
    main()
