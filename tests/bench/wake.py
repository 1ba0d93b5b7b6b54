#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""From a wake-up to running, in instructions: a small kernel (wake.c) sleeps until times
that it chose, and notes how much later it runs. It is warped, so that it stands before
whoever else there is; what is left is the core's: the timer's interrupt, the wake-up, the
switch, and for how long interrupts were off. All run on one CPU, in virtual time where one
instruction is one nanosecond.
"""

import argparse
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
sys.path[:0] = [path for path in (str(TOP), str(TOP / "images")) if path not in sys.path]

from launcher import minimal  # noqa: E402
from tests.bench import primitives  # noqa: E402
from tests.pv import xen  # noqa: E402
from tests.support import build_dir, system  # noqa: E402

SAMPLES = 5000
TIMEOUT = 900  # seconds of real time for one system, on a busy machine
FIGURES = ("median", "most99", "most999", "most")


def beside(count: int) -> list[str]:
    """So many guests that only compute."""
    image = build_dir() / "tests" / "bench" / "spin.elf"
    return [
        minimal.guest(f"hog{number}", kernel=image, memory="1M", console=None, store=None)
        for number in range(count)
    ]


# Name: how many compute beside it.
CASES = {"alone": 0, "beside four that compute": 4}


def measure(name: str, samples: int) -> dict[str, int]:
    timed = minimal.guest("timed", kernel=build_dir() / "tests" / "bench" / "wake.elf",
                          cmdline=f"samples={samples}", memory="32M")
    text = minimal.describe(timed + 'warp = { by = "500ms" }\n', *beside(CASES[name]),
                            name="wake", raw="timed", policy="sched_bvt")
    with system(text, *xen.ICOUNT) as console:
        console.expect("^bench end$", TIMEOUT)
        return primitives.parse(console.text)


def table(found: dict[str, dict[str, int]]) -> str:
    lines = [f"{'instructions':36}{'median':>9}{'99 %':>9}{'99.9 %':>9}{'most':>9}"]
    for name, row in found.items():
        lines.append(f"{name:36}" + "".join(f"{row[figure]:>9,}" for figure in FIGURES))
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--built", help="of no use here: the folder is found")
    parser.add_argument("--samples", type=int, default=SAMPLES)
    parser.add_argument("--case", choices=CASES, help="only this one")
    arguments = parser.parse_args()
    cases = [arguments.case] if arguments.case else list(CASES)
    print(table({name: measure(name, arguments.samples) for name in cases}))


if __name__ == "__main__":
    main()
