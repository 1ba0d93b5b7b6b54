#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""How late a thread of a stock guest wakes up: the distribution's cyclictest in Debian's
kernel, alone and beside guests that only compute, under several policies.

It asks to be woken every millisecond and notes how much later it was, in microseconds. All
run on one CPU, in virtual time where one instruction is one nanosecond, so the
distributions repeat and are those of no particular machine. A row has the least, some
percentiles and the most; --histogram prints all that was seen.
"""

import argparse
import re
import sys
import tempfile
from collections import Counter
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
sys.path[:0] = [path for path in (str(TOP), str(TOP / "images")) if path not in sys.path]

from launcher import minimal  # noqa: E402
from tests.bench.blk import ramdisk  # noqa: E402
from tests.bench.wake import beside  # noqa: E402
from tests.pv import xen  # noqa: E402
from tests.support import DEBIAN_KERNELS, package, system  # noqa: E402

HOGS = 4
SAMPLES = 5000
PROMISED_US = 1000  # to whom the policy promises something
LONGEST_US = 200_000
TIMEOUT = 900  # seconds of real time for one system, on a busy machine
PERCENTILES = (50, 90, 99, 99.9)

# Name: policy, number of hogs, and what the description says of the guest.
CASES = {
    "BVT, alone": ("sched_bvt", 0, ""),
    "round robin": ("sched_rr", HOGS, ""),
    "BVT": ("sched_bvt", HOGS, ""),
    "BVT, warped": ("sched_bvt", HOGS, 'warp = { by = "50ms" }\n'),
    "EDF, 2 ms in 10 ms": ("sched_edf", HOGS,
                           'reserve = { budget = "2ms", period = "10ms" }\n'),
}

Histogram = Counter[int]  # us late: how often


def initrd(folder: Path) -> Path:
    output = folder / "initrd"
    if not output.exists():
        output.write_bytes(ramdisk.make(ramdisk.Files(), ["usr/bin/cyclictest"], {}, {}))
    return output


def describe(name: str, samples: int, folder: Path) -> str:
    policy, hogs, wishes = CASES[name]
    command = (f"cyclictest -q -m -t1 -p90 -i1000 -l{samples} -h{LONGEST_US} >/tmp/seen; "
               "grep -v ' 0*$' /tmp/seen; echo all of it")
    timed = minimal.guest(
        "timed", kernel=package(DEBIAN_KERNELS["6.1_cloud"]), initrd=initrd(folder),
        memory="256M", cmdline=f'console=hvc0 quiet tessera.run="PATH=$PATH:/usr/bin; {command}"',
    )
    return minimal.describe(timed + wishes, *beside(hogs), name="cyclictest", raw="timed",
                            policy=policy)


def understand(text: str, samples: int) -> Histogram:
    found = Counter({int(late): int(n) for late, n in re.findall(r"^(\d{6}) (\d{6})$", text, re.M)})
    if found.total() != samples:
        raise RuntimeError(f"{found.total()} of {samples} samples:\n{text[-3000:]}")
    return found


def measure(name: str, samples: int, folder: Path) -> Histogram:
    with system(describe(name, samples, folder), *xen.ICOUNT) as console:
        console.expect("^all of it$", TIMEOUT)
        return understand(console.text, samples)


def percentile(found: Histogram, part: float) -> int:
    """The least lateness that so many per cent do not exceed."""
    left = found.total() * part / 100
    for late in sorted(found):
        left -= found[late]
        if left <= 0:
            return late
    return max(found)


def row(name: str, found: Histogram) -> str:
    cells = [min(found), *(percentile(found, part) for part in PERCENTILES), max(found)]
    return f"| {name} | " + " | ".join(f"{cell:,}" for cell in cells) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n", maxsplit=1)[0])
    parser.add_argument("--built", type=Path, help="ignored: TESSERA_BUILD says it")
    parser.add_argument("--case", action="append", choices=CASES, help="only this one")
    parser.add_argument("--samples", type=int, default=SAMPLES)
    parser.add_argument("--histogram", action="store_true", help="all that was seen, too")
    words = parser.parse_args()
    heads = ["least", *(f"{part} %" for part in PERCENTILES), "most"]
    print("| us late, beside guests that compute | " + " | ".join(heads) + " |")
    print("|---" * (1 + len(heads)) + "|")
    with tempfile.TemporaryDirectory(prefix="tessera.") as folder:
        seen = {}
        for name in words.case or CASES:
            seen[name] = measure(name, words.samples, Path(folder))
            print(row(name, seen[name]), flush=True)
    for name, found in seen.items() if words.histogram else ():
        print(f"\n{name}")
        for late in sorted(found):
            bar = "#" * (60 * found[late] // max(found.values()))
            print(f"{late:8} us {found[late]:6}  {bar}")


if __name__ == "__main__":
    main()
