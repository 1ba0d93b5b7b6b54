#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What a stock kernel makes of the hypervisor, in instructions per operation.

The distribution's kernel runs linux/ops.c twice in the same QEMU, on the bare
machine and as Tessera's guest, under -icount, with a plugin (linux/count.c) that
counts every instruction by its address. Addresses tell whose it is: Linux and its
program leave the core's part of the address space alone, and ops is linked above
all native domains. So the share of guest and hypervisor is counted, not inferred.

Of the batches of an operation the one with the median count is taken: others
contain a timer tick. --profile says where the core's instructions went.
"""

import argparse
import bisect
import json
import re
import stat
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator, Optional

TOP = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(TOP), str(TOP / "images")]

import initrd  # pylint: disable=wrong-import-position
from launcher import build, machine  # pylint: disable=wrong-import-position

SOURCES = TOP / "tests" / "bench" / "linux"
CPU = "max,-erms,-fsrm"  # rep movsb would count bytes, one instruction each
SLACK = 200  # an instruction that faults is counted once more than the clock does
MEMORY_MIB = 256
TIMEOUT = 600  # seconds of real time, on a busy machine
RUN = "quiet norandmaps tessera.run=/bin/ops"
COMPILER = ["gcc", "-O2", "-Wall", "-Wextra", "-Werror"]
PROGRAM_BASE = 0x10000000  # above all that native domains use
CORE, CORE_END = 0xFFFF800000000000, 0xFFFF880000000000
AREAS, AREAS_END, AREA_MASK = 0xFFFF820000000000, 0xFFFF828000000000, 0x3FFFF

# Name, and the goal: total / native, and the hypervisor's share.
OPERATIONS = {
    "null": ("null system call", 1.5, 190),
    "signal": ("signal delivery", 1.1, 380),
    "fork_exit": ("fork + exit", 2.0, 200_000),
    "fork_exec": ("fork + exec", 1.8, 380_000),
    "mmap_1m": ("mmap of a 1 MiB file, touched", 1.9, 190_000),
    "fault_file": ("page fault on a file", 1.75, 480),
    "fault_protection": ("protection fault", 1.1, 400),
    "context_switch": ("context switch over pipes", 1.3, 1_200),
    "pipe_round_trip": ("pipe round trip", 1.3, 2_400),
    "tcp_round_trip": ("TCP round trip on loopback", 1.15, 2_400),
    "clock_gettime": ("clock_gettime", 1.0, 0),
}

Batch = dict[tuple[int, str], int]  # (address, what it does to TLBs): how often


def owner(address: int) -> str:
    if CORE <= address < CORE_END:
        return "core"
    if address >= CORE_END:
        return "kernel"
    return "program" if address >= PROGRAM_BASE else "native"


@dataclass
class Operation:
    """The median batch of an operation."""

    count: int  # operations in it
    batch: Batch

    def per_operation(self, *owners: str) -> int:
        found = sum(n for (address, _), n in self.batch.items() if owner(address) in owners)
        return round(found / self.count)

    def kinds(self, letters: str) -> float:
        return sum(n for (_, kind), n in self.batch.items() if kind in letters) / self.count

    def row(self) -> dict[str, float]:
        return {
            "guest": self.per_operation("program", "kernel"),
            "hypervisor": self.per_operation("core", "native"),
            "roots": self.kinds("r"),
            "flushes": self.kinds("g") / 2 + self.kinds("p"),  # CR4 is written there and back
            "pages": self.kinds("i"),
        }


def records(path: Path) -> Iterator[list[list[str]]]:
    """The lines of each batch, in words: see count.c."""
    batch: list[list[str]] = []
    with open(path, encoding="ascii") as lines:
        for line in lines:
            if line == "batch\n":
                yield batch
                batch = []
            else:
                batch.append(line.split())


def batches(path: Path) -> Iterator[Batch]:
    for lines in records(path):
        batch: Batch = {}
        for address, count, kind, *_ in lines:
            key = int(address, 16), kind
            batch[key] = batch.get(key, 0) + int(count)
        yield batch


def understand(text: str, counts: Path) -> dict[str, Operation]:
    """What the program printed, and the batches that the plugin saw, together."""
    said = re.findall(r"^ops (\w+) (\d+) ([\d ]+)$", text.replace("\r", ""), re.M)
    if len(said) != len(OPERATIONS):
        sys.exit(f"linux: {len(said)} of {len(OPERATIONS)} operations were measured:\n{text}")
    found = {}
    counted = batches(counts)
    for name, count, ticks in said:
        next(counted)  # one warms up
        mine = []
        for elapsed in map(int, ticks.split()):
            mine.append(next(counted))
            total = sum(mine[-1].values())
            if abs(total - elapsed) > elapsed / SLACK:
                sys.exit(f"linux: {name}: {total} instructions counted in {elapsed} ns")
        mine.sort(key=lambda batch: sum(batch.values()))
        found[name] = Operation(int(count), mine[len(mine) // 2])
    return found


def make_plugin(output: Path) -> None:
    subprocess.run(
        [*COMPILER, "-std=c17", "-shared", "-fPIC", "-fvisibility=hidden", "-o", output,
         SOURCES / "count.c"],
        check=True,
    )


def make(folder: Path) -> tuple[Path, Path]:
    """The initramfs with the program, and the plugin."""
    base = f"-Wl,-Ttext-segment={PROGRAM_BASE:#x}"
    ops, plugin, ramdisk = folder / "ops", folder / "count.so", folder / "initrd"
    subprocess.run(
        [*COMPILER, "-std=gnu17", "-static", base, "-o", ops, SOURCES / "ops.c"], check=True
    )
    make_plugin(plugin)
    added = initrd.Archive()
    added.add("bin/ops", stat.S_IFREG | 0o755, ops.read_bytes())
    ramdisk.write_bytes(build.busybox_initrd().read_bytes() + added.finish())  # Linux reads both
    return ramdisk, plugin


def _run(command: list[str | Path], counts: Path) -> dict[str, Operation]:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          errors="replace", timeout=2 * TIMEOUT, check=False)
    if done.returncode:
        sys.exit(f"linux: {command[0]} ended with status {done.returncode}:\n"
                 f"{done.stdout}{done.stderr}")
    return understand(done.stdout, counts)


def on_nothing(kernel: Path, folder: Path, ramdisk: Path, plugin: Path) -> dict[str, Operation]:
    """The kernel on the bare machine."""
    counts = folder / "native.counts"
    parts = machine.Machine(
        MEMORY_MIB, folder / "com2",
        ["-kernel", str(kernel), "-initrd", str(ramdisk), "-append", f"console=ttyS0 {RUN}"],
        cpu=CPU, icount=True, extra=["-plugin", f"file={plugin},out={counts}"],
    )
    return _run(["timeout", str(TIMEOUT), *parts.arguments(False)], counts)


def on_tessera(kernel: Path, folder: Path, ramdisk: Path, plugin: Path) -> dict[str, Operation]:
    counts = folder / "tessera.counts"
    qemu = ["-cpu", CPU, "-plugin", f"file={plugin},out={counts}"]
    return _run(
        [TOP / "tessera", "boot", "--icount", "--memory", f"{MEMORY_MIB}M", "--guest", kernel,
         "--initrd", ramdisk, "--cmdline", f"console=hvc0 {RUN}", "--timeout", str(TIMEOUT),
         *(word for argument in qemu for word in ("--qemu-arg", argument))],
        counts,
    )


def measure(kernel: Optional[Path] = None) -> tuple[dict[str, Operation], dict[str, Operation]]:
    """The kernel on the bare machine and on Tessera."""
    with build.workspace() as name:
        folder = Path(name)
        parts = (kernel or build.fetched("linux-image-cloud-amd64"), folder, *make(folder))
        return on_nothing(*parts), on_tessera(*parts)


def table(native: dict[str, Operation], ours: dict[str, Operation]) -> str:
    lines = [
        f"{'':30}{'native':>9}{'guest':>9}{'Tessera':>9}{'(goal)':>9}{'total/native':>14}"
        f"{'(goal)':>8}{'root loads':>12}{'flushes':>9}{'invlpg':>8}"
    ]
    for name, (title, ratio_goal, share_goal) in OPERATIONS.items():
        alone = native[name].row()
        row = ours[name].row()
        total = row["guest"] + row["hypervisor"]
        lines.append(
            f"{title:30}{alone['guest']:>9}{row['guest']:>9}{row['hypervisor']:>9}"
            f"{share_goal:>9}{total / alone['guest']:>14.2f}{ratio_goal:>8}"
            f"{alone['roots']:>6.1f}{row['roots']:>6.1f}{alone['flushes']:>4.0f}"
            f"{row['flushes']:>5.0f}{alone['pages']:>3.0f}{row['pages']:>5.0f}"
        )
    lines.append("root loads (CR3), full flushes, single pages: native, and with Tessera")
    return "\n".join(lines)


def symbols(core: Path) -> list[tuple[int, str]]:
    listed = subprocess.run(["nm", core], check=True, capture_output=True, text=True).stdout
    return sorted((int(a, 16), n) for a, n in re.findall(r"^(\w+) [tT] (\S+)$", listed, re.M))


def profile(ours: dict[str, Operation], core: Path) -> str:
    """Instructions, and entries, of the core's functions for one operation each."""
    known = symbols(core)
    starts = [address for address, _ in known]
    entry = next(address for address, name in known if name == "entry_text")
    lines = []
    for title, operation in ours.items():
        spent: Counter[str] = Counter()
        entered: Counter[str] = Counter()
        for (address, _), n in operation.batch.items():
            if owner(address) != "core":
                continue
            if AREAS <= address < AREAS_END:  # the alias of the entry text in a CPU's area
                address = entry + (address & AREA_MASK)
            start, name = known[max(bisect.bisect(starts, address) - 1, 0)]
            spent[name] += n
            entered[name] += n if address == start else 0
        lines.append(f"\n{title}: {operation.per_operation('core')} in the core")
        each = operation.count
        lines += [f"{n / each:12.1f}{entered[name] / each:10.2f} times  {name}"
                  for name, n in spent.most_common(40)]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--built", type=Path, default=TOP / "build/system",
                        help="the build folder of the system (default: %(default)s)")
    parser.add_argument("--guest", type=Path, metavar="KERNEL",
                        help="another kernel than the distribution's linux-image-cloud-amd64")
    parser.add_argument("--profile", action="store_true", help="the core's functions, too")
    parser.add_argument("--json", action="store_true", help="print the counts as JSON")
    arguments = parser.parse_args()
    native, ours = measure(arguments.guest)
    if arguments.json:
        print(json.dumps({name: {"native": native[name].row(), "tessera": ours[name].row()}
                          for name in OPERATIONS}, indent=2))
    else:
        print(table(native, ours))
    if arguments.profile:
        print(profile(ours, build.core(arguments.built)))


if __name__ == "__main__":
    main()
