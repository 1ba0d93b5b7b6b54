#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Instructions per primitive, on Tessera and on the distribution's Xen.

Boots the bench kernel on both under QEMU's -icount, where one instruction is one
nanosecond of virtual time and a run repeats to the instruction, and prints the
two counts and their ratio. On Xen the kernel is dom0; rows that need a second domain
are measured there in two domUs that a Linux in dom0 starts (--no-pair leaves that out,
which takes a minute more). What answers events exists on Tessera only.
"""

import argparse
import json
import re
import subprocess
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(TOP), str(TOP / "images")]

from launcher import build, machine, minimal  # noqa: E402
from tests.bench import disk  # noqa: E402
from tests.bench.blk import ramdisk  # noqa: E402
from tests.pv import xen  # noqa: E402
from tests.support import system  # noqa: E402

TARGET = 0.5  # of Xen's instructions, at most
TIMEOUT = 400  # seconds of real time, on a busy machine
PAIR = TOP / "tests" / "bench" / "pair"
VCPUS = "vcpus"  # what the kernel is told where it has two


def parse(text: str) -> dict[str, int]:
    """The rows that a bench kernel printed."""
    if "bench end" not in text:
        sys.exit(f"primitives: the bench kernel did not finish:\n{text}")
    return {name: int(count) for name, count in re.findall(r"^bench (\w+) (\d+)$", text, re.M)}


def on_xen(kernel: Path) -> dict[str, int]:
    alone = xen.boot(kernel, icount=True, timeout=TIMEOUT)
    two = xen.boot(kernel, VCPUS, icount=True, timeout=TIMEOUT, xen_options="dom0_max_vcpus=2")
    return parse(alone) | parse(two)


def pair_on_xen(kernel: Path) -> dict[str, int]:
    """The rows of pair.c, of two domUs."""
    with build.workspace() as name:
        folder = Path(name)
        (folder / "tree").mkdir()
        tree = ramdisk.Tree(folder / "tree")
        (folder / "xen").write_bytes(tree.hypervisor)
        (folder / "dom0").write_bytes(ramdisk.make(
            tree, ramdisk.XEN_PROGRAMS, {"dom0": ramdisk.DRIVERS["dom0"]},
            {"bin/dom0": (PAIR / "dom0.sh").read_bytes(), "boot/primitives": kernel.read_bytes(),
             "bin/toolstack": ramdisk.TOOLSTACK.read_bytes(),
             "etc/xen/xl.conf": b'autoballoon="off"\n'}))
        dom0 = f"{tree.kernel} console=hvc0 quiet norandmaps tessera.run=/bin/dom0"
        parts = machine.Machine(
            1024, folder / "log",
            ["-kernel", str(folder / "xen"), "-initrd", f"{dom0},{folder / 'dom0'}", "-append",
             "console=com1 com1=115200,8n1 loglvl=none guest_loglvl=none dom0_mem=512M "
             "dom0_max_vcpus=1"],
            cpu=disk.XEN_CPU, icount=True,
        )
        done = subprocess.run(
            ["timeout", str(TIMEOUT), *parts.arguments(False)], stdin=subprocess.DEVNULL,
            capture_output=True, text=True, errors="replace", check=False,
        )
    return parse(done.stdout.replace("\r", ""))


def _alone(kernel: Path, cmdline: str = "", vcpus: int = 1) -> dict[str, int]:
    done = subprocess.run(
        [TOP / "tessera", "boot", "--icount", "--memory", "64M", "--timeout", str(TIMEOUT),
         "--vcpus", str(vcpus), f"--cmdline={cmdline}", "--guest", kernel],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )
    if done.returncode:
        sys.exit(f"primitives: the boot ended with status {done.returncode}:\n"
                 f"{done.stdout}{done.stderr}")
    return parse(done.stdout.replace("\r", ""))


def _pair(kernel: Path) -> dict[str, int]:
    text = minimal.describe(
        '[domain.echo]\nserves = ["store"]\npriority = 30\n',
        *(minimal.guest(name, kernel=kernel, cmdline=part, memory="32M", store="echo")
          for name, part in (("bench", "pair"), ("other", "yield"))),
        name="pair", raw="bench",
    )
    with system(text, *xen.ICOUNT) as console:
        console.wait(TIMEOUT)
        console.reader.join(5)
        return parse(console.text)


def on_tessera(kernel: Path) -> dict[str, int]:
    return _alone(kernel) | _alone(kernel, VCPUS, 2) | _pair(kernel)


def table(theirs: dict[str, int], ours: dict[str, int]) -> str:
    lines = [f"{'primitive':32}{'Xen':>10}{'Tessera':>10}{'ratio':>8}"]
    for name in dict.fromkeys([*ours, *theirs]):
        a, b = theirs.get(name), ours.get(name)
        ratio = f"{b / a:.2f}" if a and b else ""
        mark = " *" if a and b and b > a * TARGET else ""
        lines.append(f"{name:32}{a or '-':>10}{b or '-':>10}{ratio:>8}{mark}")
    lines.append(f"* more than {TARGET:.0%} of Xen's instructions")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--built", type=Path, default=TOP / "build/system",
                        help="the build folder of the system (default: %(default)s)")
    parser.add_argument("--only", choices=["xen", "tessera"], help="measure on one of them")
    parser.add_argument("--no-pair", action="store_true", help="no domUs on Xen")
    parser.add_argument("--json", action="store_true", help="print the counts as JSON")
    arguments = parser.parse_args()
    kernel = arguments.built / "tests" / "bench" / "primitives.elf"
    theirs, ours = {}, {}
    if arguments.only != "tessera" and xen.available():
        theirs = on_xen(kernel) | ({} if arguments.no_pair else pair_on_xen(kernel))
    if arguments.only != "xen":
        ours = on_tessera(kernel)
    if arguments.json:
        print(json.dumps({"xen": theirs, "tessera": ours}, indent=2))
    else:
        print(table(theirs, ours))


if __name__ == "__main__":
    main()
