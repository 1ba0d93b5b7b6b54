#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Aggregate throughput of a CPU benchmark over the number of domains that run it at once, as
figure 6 of "Xen and the Art of Virtualization" shows it: 1 to 128 guests (spin.c) on one CPU
under Borrowed Virtual Time, with slices of 5 ms and of 50 ms.

All guests compute during the same window of virtual time, in which one instruction is one
nanosecond; what they did together, against what one alone does, is what switches, the
timer and the policy leave of the CPU. The picture, figure6.svg, is drawn into the build folder.
"""

import argparse
import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
sys.path[:0] = [path for path in (str(TOP), str(TOP / "images")) if path not in sys.path]

from launcher import minimal  # noqa: E402
from launcher.paths import out_dir  # noqa: E402
from tests.bench.unnoticed_death import PYTHON  # noqa: E402
from tests.pv import xen  # noqa: E402
from tests.support import build_dir, system  # noqa: E402

DOMAINS = (1, 2, 4, 8, 16, 32, 64, 128)
SLICES_MS = (5, 50)
LOSS = 0.02  # the goal, at 128 domains
START_MS = 400  # when all have been made, some 0.3 ms each
WINDOW_MS = 2000  # and at least a slice for each
TIMEOUT = 900  # seconds of real time for one system, on a busy machine

DRAW = r'''
import json, sys
import matplotlib
matplotlib.use("svg")
matplotlib.rcParams["svg.hashsalt"] = "tessera"
import matplotlib.pyplot as plot

figure, axes = plot.subplots(figsize=(7, 4))
for slice_ms, points in json.load(sys.stdin):
    axes.plot([n for n, _ in points], [100 * share for _, share in points], "o-",
              label=f"slices of {slice_ms} ms")
axes.set_xscale("log", base=2)
axes.set_xticks([2 ** n for n in range(8)], [str(2 ** n) for n in range(8)])
axes.set_xlabel("domains")
axes.set_ylabel("% of what one domain does alone")
axes.set_ylim(95, 101)
axes.axhline(98, color="gray", linewidth=0.5)
axes.legend(loc="lower left")
figure.tight_layout()
figure.savefig(sys.argv[1], metadata={"Date": None})
'''


@dataclass(frozen=True)
class Point:
    """What so many domains did in a window."""

    domains: int
    slice_ms: int
    window_ms: int
    loops: tuple[int, ...]  # of each domain

    @property
    def rate(self) -> float:
        """Loops in a millisecond, together."""
        return sum(self.loops) / self.window_ms


def window(domains: int, slice_ms: int, least_ms: int) -> int:
    """A whole number of rounds, so that everybody has as many slices."""
    turn = domains * slice_ms
    return -(-least_ms // turn) * turn


def describe(domains: int, slice_ms: int, until_ms: int) -> str:
    kernel = build_dir() / "tests" / "bench" / "spin.elf"
    return minimal.describe(
        *(
            minimal.guest(f"s{number}", kernel=kernel, memory="1M", store=None,
                          cmdline=f"from={START_MS} until={until_ms}", event_ports=64,
                          grant_frames=1, cap_slots=16, map_handles=0)
            for number in range(domains)
        ),
        name="figure6", policy="sched_bvt",
        scheduling=f'arguments = "allowance={slice_ms * 1000}"',
    )


def measure(domains: int, slice_ms: int, least_ms: int = WINDOW_MS) -> Point:
    window_ms = window(domains, slice_ms, least_ms)
    with system(describe(domains, slice_ms, START_MS + window_ms), *xen.ICOUNT) as console:
        status = console.wait(TIMEOUT)
        console.reader.join(5)
        text = console.text
        log = console.logged()
    loops = tuple(int(n) for n in re.findall(r"spin (\d+) (?:\d+ ?){4}$", text, re.M))
    if status != 33 or len(loops) != domains or log.find("is up") < 0:
        raise RuntimeError(f"{len(loops)} of {domains} guests came to their end, status {status}:\n"
                           f"{text[-2000:]}{log[-2000:]}")
    return Point(domains, slice_ms, window_ms, loops)


def share(point: Point, alone: Point) -> float:
    return point.rate / alone.rate


def table(points: list[Point]) -> str:
    alone = {point.slice_ms: point for point in points if point.domains == 1}
    slices = list(alone)
    lines = ["| domains | " + " | ".join(f"slices of {ms} ms" for ms in slices) + " |",
             "|---" * (1 + len(slices)) + "|"]
    for domains in dict.fromkeys(point.domains for point in points):
        cells = [f"{share(point, alone[point.slice_ms]):.2%}"
                 for ms in slices for point in points
                 if (point.domains, point.slice_ms) == (domains, ms)]
        lines.append(f"| {domains} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def draw(points: list[Point], picture: Path) -> Path:
    curves = []
    for alone in points:
        if alone.domains == 1:
            mine = [point for point in points if point.slice_ms == alone.slice_ms]
            curves.append((alone.slice_ms, [(p.domains, share(p, alone)) for p in mine]))
    subprocess.run([PYTHON, "-c", DRAW, picture], input=json.dumps(curves), text=True, check=True)
    return picture


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n", maxsplit=1)[0])
    parser.add_argument("--built", type=Path, help="ignored: TESSERA_BUILD says it")
    parser.add_argument("--domains", type=int, action="append", help="besides one alone")
    parser.add_argument("--slice", type=int, action="append", metavar="MS")
    parser.add_argument("--window", type=int, default=WINDOW_MS, metavar="MS", help="at least")
    words = parser.parse_args()
    points = []
    for slice_ms in words.slice or SLICES_MS:
        for domains in dict.fromkeys([1, *(words.domains or DOMAINS)]):
            points.append(measure(domains, slice_ms, words.window))
            print(f"{domains} domains, {slice_ms} ms: {points[-1].rate:,.3f} loops a millisecond",
                  file=sys.stderr, flush=True)
    print(table(points))
    print(draw(points, out_dir() / "figure6.svg"))
    alone = {point.slice_ms: point for point in points if point.domains == 1}
    late = [p for p in points if share(p, alone[p.slice_ms]) < 1 - LOSS]
    return 1 if late else 0


if __name__ == "__main__":
    sys.exit(main())
