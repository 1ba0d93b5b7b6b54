#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Instructions per primitive, on Tessera and on the distribution's Xen.

Boots the bench kernel on both under QEMU's -icount, where one instruction is one
nanosecond of virtual time and a run repeats to the instruction, and prints the
two counts and their ratio. Rows that need a second domain exist on Tessera only:
dom0 is alone on a Xen without tools.
"""

import argparse
import json
import re
import subprocess
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(TOP), str(TOP / "images")]

from launcher import minimal  # noqa: E402
from tests.pv import xen  # noqa: E402
from tests.support import system  # noqa: E402

TARGET = 0.5  # of Xen's instructions, at most
TIMEOUT = 400  # seconds of real time, on a busy machine

def parse(text: str) -> dict[str, int]:
    """The rows that a bench kernel printed."""
    if "bench end" not in text:
        sys.exit(f"primitives: the bench kernel did not finish:\n{text}")
    return {name: int(count) for name, count in re.findall(r"^bench (\w+) (\d+)$", text, re.M)}


def on_xen(kernel: Path) -> dict[str, int]:
    return parse(xen.boot(kernel, icount=True, timeout=TIMEOUT))


def _alone(kernel: Path) -> dict[str, int]:
    done = subprocess.run(
        [TOP / "tessera", "boot", "--icount", "--memory", "64M", "--timeout", str(TIMEOUT),
         "--guest", kernel],
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
    return _alone(kernel) | _pair(kernel)


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
    parser.add_argument("--json", action="store_true", help="print the counts as JSON")
    arguments = parser.parse_args()
    kernel = arguments.built / "tests" / "bench" / "primitives.elf"
    theirs, ours = {}, {}
    if arguments.only != "tessera" and xen.available():
        theirs = on_xen(kernel)
    if arguments.only != "xen":
        ours = on_tessera(kernel)
    if arguments.json:
        print(json.dumps({"xen": theirs, "tessera": ours}, indent=2))
    else:
        print(table(theirs, ours))


if __name__ == "__main__":
    main()
