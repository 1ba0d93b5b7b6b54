#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""For how long the core's locks are held, in instructions: the longest time that another CPU
may have to wait for one.

A core is built whose lock_take() and lock_drop() are functions (nothing is inlined, so the
figures are too large rather than too small), and a plugin (locks/hold.c) watches
them while a Linux guest runs ops.c, and while a hundred small guests are made, run, and end.
"""

import argparse
import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator

TOP = Path(__file__).resolve().parents[2]
sys.path[:0] = [path for path in (str(TOP), str(TOP / "images")) if path not in sys.path]

from launcher import build, minimal  # noqa: E402
from launcher.paths import out_dir  # noqa: E402
from tests.bench import linux  # noqa: E402
from tests.pv import xen  # noqa: E402
from tests.support import DEBIAN_KERNELS, package, system  # noqa: E402

SOURCE = TOP / "tests" / "bench" / "locks" / "hold.c"
GUESTS = 100
MOST_HANDLES = 65536
TIMEOUT = 900  # seconds of real time for one system, on a busy machine


@dataclass
class Hold:
    """One place that takes a lock."""

    lock: str
    function: str
    times: int
    most: int


def built() -> Path:
    folder = out_dir() / "locks"
    build.make(folder, ["--cross-file", build.CROSS, "-Dc_args=-fno-inline"], {})
    return folder


def _places(core: Path, addresses: list[str]) -> Iterator[tuple[str, str]]:
    """Of each call: the lock, as the source names it, and the function."""
    said = subprocess.run(["addr2line", "-f", "-e", core, *addresses], check=True, cwd=core.parent,
                          capture_output=True, text=True).stdout.splitlines()
    for function, place in zip(said[::2], said[1::2]):
        name, _, line = place.split(" ")[0].rpartition(":")
        source = TOP / name[name.rindex("kernel/"):]
        text = source.read_text(encoding="utf-8").splitlines()[int(line) - 1]
        found = re.search(r"lock_take\(&?(.*?)\)", text)
        yield (found[1] if found else text.strip()), function


def read(core: Path, said: Path) -> list[Hold]:
    lines = [line.split() for line in said.read_text(encoding="ascii").splitlines()]
    lines = [words for words in lines if int(words[1])]
    places = _places(core, [words[0] for words in lines])
    return [Hold(lock, function, int(times), int(most))
            for (lock, function), (_, times, most) in zip(places, lines)]


def watch(folder: Path, text: str) -> list[Hold]:
    """A system that ends by itself."""
    core = build.core(built())
    copies: dict[str, list[str]] = {"lock_take": [], "lock_drop": []}
    for address, name in linux.symbols(core):
        base = name.partition(".")[0]  # compilers make copies for some callers
        if base in copies:
            copies[base].append(f"{address:x}")
    plugin, said = folder / "hold.so", folder / "held"
    subprocess.run([*linux.COMPILER, "-std=c17", "-shared", "-fPIC", "-fvisibility=hidden", "-o",
                    plugin, SOURCE], check=True)
    options = f"take={':'.join(copies['lock_take'])},drop={':'.join(copies['lock_drop'])}"
    with system(text, *xen.ICOUNT, "-plugin", f"file={plugin},out={said},{options}",
                built=built()) as console:
        status = console.wait(TIMEOUT)
        console.reader.join(5)
        if status != 33:
            sys.exit(f"locks: the system ended with status {status}:\n{console.text[-3000:]}")
    return read(core, said)


def linux_guest(folder: Path) -> str:
    ramdisk, _ = linux.make(folder)
    return minimal.describe(
        minimal.guest("one", kernel=package(DEBIAN_KERNELS["6.1_cloud"]), initrd=ramdisk,
                      memory="256M", cmdline=f"console=hvc0 {linux.RUN}"),
        raw="one", policy="sched_bvt",
    )


def many_guests(count: int) -> str:
    """The first one has as many handles for mappings as there may be."""
    kernel = built() / "tests" / "scale" / "mini.elf"
    return minimal.describe(*(
        minimal.guest(f"m{number}", kernel=kernel, memory="1M", console=None, store=None,
                      cmdline="until=1 every=20", event_ports=64, grant_frames=1, cap_slots=16,
                      map_handles=0 if number else MOST_HANDLES)
        for number in range(count)
    ), policy="sched_bvt")


def together(*runs: list[Hold]) -> list[Hold]:
    """Of each place the most, longest first."""
    found: dict[tuple[str, str], Hold] = {}
    for hold in (hold for run in runs for hold in run):
        known = found.setdefault((hold.lock, hold.function), Hold(hold.lock, hold.function, 0, 0))
        known.times += hold.times
        known.most = max(known.most, hold.most)
    return sorted(found.values(), key=lambda hold: -hold.most)


def table(found: list[Hold]) -> str:
    lines = ["| lock | taken by | times | longest |", "|---|---|---|---|"]
    lines += [f"| `{hold.lock}` | `{hold.function}` | {hold.times:,} | {hold.most:,} |"
              for hold in found]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n", maxsplit=1)[0])
    parser.add_argument("--built", type=Path, help="ignored: TESSERA_BUILD says it")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    words = parser.parse_args()
    with build.workspace() as name:
        folder = Path(name)
        found = together(watch(folder, linux_guest(folder)), watch(folder, many_guests(GUESTS)))
    if words.json:
        print(json.dumps([vars(hold) for hold in found], indent=2))
    else:
        print(table(found))


if __name__ == "__main__":
    main()
