#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What a guest's disk costs: the distribution's fio on the same kernel natively, as
a guest of the distribution's Xen with blkback in a Linux dom0, and of Tessera.

Two figures for each row, model of disk, and system. IOPS: QEMU runs as fast as it
can, the disk is a file in the host's page cache. Instructions per request: under
-icount, with the plugin that linux.py uses; fio does 64 requests and then 1088
between marks, and the difference is what 1024 requests cost the whole machine,
guest, hypervisor and drivers. The disk is QEMU's null device there: it answers at
once, so that no time of the host's disk comes into virtual time.
"""

import argparse
import itertools
import json
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Sequence

TOP = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(TOP), str(TOP / "images")]

from description import compile_text  # noqa: E402
from describe import program_finder  # noqa: E402
from launcher import build, disks, launch, machine, minimal  # noqa: E402
from tests.bench import linux, report  # noqa: E402
from tests.bench.blk import ramdisk  # noqa: E402

SYSTEMS = report.SYSTEMS
MODELS = {"virtio-blk": "vda", "ahci": "sda", "nvme": "nvme0n1"}  # as Linux names them
ROWS = [
    f"{pattern}{direction}:{size}:{depth}"
    for size in ("4k", "128k")
    for pattern in ("", "rand")
    for direction in ("read", "write")
    for depth in (1, 32)
]
SECONDS = 4
NATIVES = ("root", minimal.POLICY, "console", "uart16550", "store", "pci", "vbd")
DISK_BYTES = 256 << 20
REQUESTS = 1024  # bench.sh: 1088 - 64
GUEST_MIB, DOM0_MIB = 512, 1024
MACHINE_MIB = 2048  # of all three, so that QEMU's part is the same
TIMEOUT = 3000  # seconds for one boot
XEN_CPU = "max,-smap,-la57"


@dataclass
class Place:
    """Files that all runs share."""

    folder: Path
    tree: ramdisk.Tree
    guest: Path  # initramfs
    dom0: Path
    plugin: Path
    disk: Path

    @staticmethod
    def make(folder: Path) -> "Place":
        (folder / "tree").mkdir()
        tree = ramdisk.Tree(folder / "tree")
        place = Place(folder, tree, folder / "guest.initrd", folder / "dom0.initrd",
                      folder / "count.so", folder / "disk.img")
        inner = ramdisk.guest(tree)
        place.guest.write_bytes(inner)
        place.dom0.write_bytes(ramdisk.dom0(tree, inner))
        linux.make_plugin(place.plugin)
        with place.disk.open("wb") as file:
            file.truncate(DISK_BYTES)
        return place


@dataclass
class Run:
    """One boot: rows on one model of disk, in one system."""

    model: str
    rows: Sequence[str]
    seconds: int  # 0: count instructions

    @property
    def counting(self) -> bool:
        return not self.seconds

    def command(self, drivers: str, device: str) -> str:
        return f"/bin/bench {drivers} {device} {self.seconds} {' '.join(self.rows)}"

    def disk_arguments(self, place: Place) -> list[str]:
        found = disks.qemu_arguments([disks.Disk(place.disk, self.model)], False)
        if self.counting:
            null = {"driver": "null-co", "node-name": "disk0", "size": DISK_BYTES,
                    "read-zeroes": True}
            found[found.index("-blockdev") + 1] = json.dumps(null)
        return found

    def machine(self, place: Place, boot: list[str], cpu: str = "max") -> list[str]:
        extra = self.disk_arguments(place)
        if self.counting:
            cpu += ",-erms,-fsrm"  # rep movsb would count bytes, one instruction each
            extra += ["-plugin", f"file={place.plugin},out={place.folder / 'counts'}"]
        parts = machine.Machine(MACHINE_MIB, place.folder / "log", boot, cpu=cpu,
                                icount=self.counting, extra=extra)
        return parts.arguments(False)


def _on_native(place: Place, run: Run) -> list[str]:
    command = run.command(run.model, MODELS[run.model])
    return run.machine(place, [
        "-kernel", str(place.tree.kernel), "-initrd", str(place.guest), "-append",
        f'console=ttyS0 quiet norandmaps tessera.run="{command}"',
    ])


def _on_xen(place: Place, run: Run) -> list[str]:
    hypervisor = place.folder / "xen"
    if not hypervisor.exists():
        hypervisor.write_bytes(place.tree.hypervisor)
    command = f"/bin/dom0 {run.model} {MODELS[run.model]} {run.command('guest', 'xvda')}"
    kernel = f'{place.tree.kernel} console=hvc0 quiet norandmaps tessera.run="{command}"'
    return run.machine(place, [
        "-kernel", str(hypervisor), "-initrd", f"{kernel},{place.dom0}", "-append",
        f"console=com1 com1=115200,8n1 loglvl=none guest_loglvl=none dom0_mem={DOM0_MIB}M "
        "dom0_max_vcpus=1",
    ], XEN_CPU)


def _on_tessera(place: Place, run: Run) -> list[str]:
    built = build.build_dir()
    text = minimal.describe(
        minimal.guest(
            "guest", kernel=place.tree.kernel, initrd=place.guest, memory=f"{GUEST_MIB}M",
            cmdline=f'console=hvc0 quiet norandmaps tessera.run="{run.command("guest", "xvda")}"',
        ),
        minimal.virtual("guest", [disks.Disk(place.disk, run.model)]),
        raw="guest", disks=[disks.Disk(place.disk, run.model)],
    )
    compiled = compile_text(text, "disk", TOP / "images", program_finder(built))
    modules_folder = Path(tempfile.mkdtemp(dir=place.folder))
    launch.stage_kernels(compiled, modules_folder)
    modules = launch.stage(compiled, built, modules_folder)
    return run.machine(place, launch.multiboot(compiled, built, modules))


START = {"native": _on_native, "xen": _on_xen, "tessera": _on_tessera}


def measure(place: Place, system: str, run: Run) -> dict[str, dict[str, float]]:
    """Row: figures. Those of a counting run are instructions per request."""
    command = START[system](place, run)
    done = subprocess.run(
        ["timeout", str(TIMEOUT), *command], stdin=subprocess.DEVNULL, capture_output=True,
        text=True, errors="replace", check=False,
    )
    said = re.findall(r"^fio (\S+) ([\d.]+)(?:\+([\d.]+))?\r?$", done.stdout, re.M)
    if len(said) != len(run.rows):
        sys.exit(f"disk: {system}, {run.model}: {len(said)} of {len(run.rows)} rows:\n"
                 f"{done.stdout[-3000:]}{done.stderr[-1000:]}")
    if not run.counting:
        return {row: {"iops": float(one) + float(two or 0)} for row, one, two in said}
    programs = [*NATIVES, disks.MODELS[run.model]] if system == "tessera" else []
    counted = list(report.batches(place.folder / "counts", report.Natives(programs)))
    found = {}
    for number, (row, _, _) in enumerate(said):
        _, few, many = counted[3 * number : 3 * number + 3]
        found[row] = {owner: (many[owner] - few[owner]) / REQUESTS for owner in many}
    return found


def gather(place: Place, kept: report.Kept, model: str, system: str, rows: Sequence[str],
           seconds: int, again: bool) -> None:
    """Rows that are not there yet, or again, in one boot. seconds 0: instructions."""
    figure = "iops" if seconds else "all"
    missing = [row for row in rows if again or not kept.has(model, system, row, (figure,))]
    if not missing:
        return
    print(f"disk: {model}, {system}, {'IOPS' if seconds else 'instructions'}, "
          f"{len(missing)} rows", file=sys.stderr, flush=True)
    for row, figures in measure(place, system, Run(model, missing, seconds)).items():
        kept.add(model, system, row, figures)


def tables(model: str, found: report.Results) -> str:
    driver = disks.MODELS[model]
    names = {"kernel": "guest kernel", "program": "fio", "core": "core", "vbd": "vbd",
             driver: driver}
    parts = (report.table(("iops",), "IOPS", found, ROWS),
             report.table(("all",), "instructions per request", found, ROWS),
             report.shares(names, found, ROWS))
    return "\n".join(part for part in parts if part)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--built", type=Path, help="ignored: TESSERA_BUILD says it")
    parser.add_argument("--system", action="append", choices=SYSTEMS, help="only this one")
    parser.add_argument("--model", action="append", choices=list(MODELS), help="only this one")
    parser.add_argument("--row", action="append", choices=ROWS, help="only this one")
    parser.add_argument("--seconds", type=int, default=SECONDS, help="of each row; 0: no IOPS")
    parser.add_argument("--no-counts", action="store_true", help="no instructions per request")
    parser.add_argument("--rounds", type=int, default=1, metavar="N",
                        help="measure speeds of all systems N times in turn, and keep the best")
    parser.add_argument("--results", type=Path, metavar="FILE",
                        help="keep figures there, and measure only what is not there yet")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    arguments = parser.parse_args()
    models = arguments.model or list(MODELS)
    amounts = [arguments.seconds] if arguments.seconds else []
    amounts += [] if arguments.no_counts else [0]
    kept = report.Kept(arguments.results)
    with build.workspace() as name:
        place = Place.make(Path(name))
        for model, turn in itertools.product(models, range(arguments.rounds)):
            for system, amount in itertools.product(arguments.system or SYSTEMS, amounts):
                if amount or not turn:
                    gather(place, kept, model, system, arguments.row or ROWS, amount, turn > 0)
    if arguments.json:
        print(json.dumps(kept.found, indent=2))
        return
    for model in models:
        print(f"### {model}\n\n{tables(model, kept.found.get(model, {}))}", flush=True)


if __name__ == "__main__":
    main()
