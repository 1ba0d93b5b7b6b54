#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What it takes from the order to create a guest until its first program runs, against
`xl create` of Xen 4.17 in the same QEMU: instructions of the whole machine, counted by the
plugin that linux.py uses. And what a guest of a megabyte costs that nobody serves.

The same kernel of the distribution, the same ramdisk, 256 MiB, one CPU. On Xen, a stock
dom0 runs `xl create`; here the order comes by the control line, which is counted as well. A
mark before the order begins the count, the guest's first program ends it. Of `--times`
creations after one that warms up, the lower middle one is printed, by who executed it.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Optional

TOP = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(TOP), str(TOP / "images")]

from description import compile_text  # noqa: E402
from describe import program_finder  # noqa: E402
from launcher import build, launch, machine, minimal  # noqa: E402
from tests import manage  # noqa: E402
from tests.bench import disk, linux  # noqa: E402
from tests.bench.blk import ramdisk  # noqa: E402
from tests.pv import xen  # noqa: E402
from tests.scale import guests  # noqa: E402
from tests.support import Session, system  # noqa: E402

GUEST_MIB, DOM0_MIB, MACHINE_MIB = 256, 1024, 2048
TIMEOUT = 1800  # seconds for one boot
MINIS = 20
# mark start, xl create, and wait until the guest has powered off.
DOM0 = """#!/bin/sh
. /bin/toolstack
start_toolstack
guest_config g {memory} "" "mark end" >/run/g.cfg
round=0
while [ $round -lt {times} ]; do
    mark start
    xl create /run/g.cfg || exit 1
    while xl list g >/dev/null 2>&1; do sleep 1; done
    round=$((round + 1))
done
"""


def _arguments(folder: Path, plugin: Path, boot: list[str], cpu: str, extra: list[str]
               ) -> list[str]:
    counting = ["-icount", "shift=0,sleep=on,align=off", "-plugin",
                f"file={plugin},out={folder / 'counts'}"]
    parts = machine.Machine(MACHINE_MIB, folder / "log", boot, cpu=cpu + ",-erms,-fsrm",
                            extra=counting + extra)
    return parts.arguments(False)


def on_xen(folder: Path, tree: ramdisk.Tree, guest: bytes, mark: bytes, plugin: Path,
           times: int) -> None:
    files = {
        "bin/create": DOM0.format(memory=GUEST_MIB, times=times).encode(),
        "bin/toolstack": ramdisk.TOOLSTACK.read_bytes(), "bin/mark": mark,
        "etc/xen/xl.conf": b'autoballoon="off"\n',
        "boot/vmlinuz": tree.kernel.read_bytes(), "boot/initrd": guest,
    }
    drivers = {"dom0": ramdisk.DRIVERS["dom0"]}
    (folder / "dom0").write_bytes(ramdisk.make(tree, ramdisk.XEN_PROGRAMS, drivers, files))
    (folder / "xen").write_bytes(tree.hypervisor)
    command = _arguments(folder, plugin, [
        "-kernel", str(folder / "xen"), "-initrd",
        f'{tree.kernel} console=hvc0 quiet tessera.run="/bin/create",{folder / "dom0"}',
        "-append", f"console=com1 com1=115200,8n1 loglvl=none guest_loglvl=none "
        f"dom0_mem={DOM0_MIB}M dom0_max_vcpus=1",
    ], disk.XEN_CPU + ",-xsave", [])
    text = ""
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace") as process:
        timer = threading.Timer(TIMEOUT, process.kill)
        timer.start()
        assert process.stdout is not None
        for line in process.stdout:
            text += line
            if "tessera run: " in line:
                break
        timer.cancel()
        process.kill()
    if "tessera run: exit 0" not in text:
        sys.exit(f"create: dom0 came to no good end:\n{text[-3000:]}")


def on_tessera(folder: Path, kernel: Path, initrd: Path, plugin: Path, times: int) -> None:
    built = build.build_dir()
    text = minimal.describe(
        minimal.PCI, manage.operator("see", "life"),
        minimal.guest("asker", kernel=kernel, initrd=initrd, memory="96M",
                      cmdline="console=hvc0 quiet"),
        minimal.guest("g", kernel=kernel, initrd=initrd, memory=f"{GUEST_MIB}M",
                      cmdline='console=hvc0 quiet norandmaps tessera.run="mark end"'
                      ).replace("[guest.g]", "[guest.g]\nautostart = false"),
        raw="asker", name="create",
    )
    compiled = compile_text(text, "create", TOP / "images", program_finder(built))
    launch.stage_kernels(compiled, folder)
    modules = launch.stage(compiled, built, folder)
    command = _arguments(folder, plugin, launch.multiboot(compiled, built, modules), "max",
                         manage.arguments(folder))
    with Session(command) as console:
        console.expect("tessera guest ready", TIMEOUT)
        operator = manage.Operator(folder, TIMEOUT)
        operator.client.request("hello")
        for number in range(times):
            console.send(f"mark start; echo begun{number}''.\n")
            console.expect(rf"begun{number}\.", TIMEOUT)
            operator.client.request("start", name="g")
            operator.wait_state("g", "idle")


def counted(folder: Path) -> Optional[dict[str, float]]:
    """The middle one of the batches behind the first, in millions of instructions, by owner."""
    batches = list(linux.batches(folder / "counts"))[1:]
    if not batches:
        return None
    found = []
    for batch in batches:
        sums: dict[str, float] = {"all": sum(batch.values()) / 1e6}
        for (address, _), count in batch.items():
            who = linux.owner(address)
            sums[who] = sums.get(who, 0) + count / 1e6
        found.append(sums)
    middle = statistics.median_low(sums["all"] for sums in found)
    return next(sums for sums in found if sums["all"] == middle)


def minis() -> guests.Many:
    with system(guests.minis(MINIS, 1), *xen.ICOUNT) as console:
        assert console.log is not None
        console.wait(TIMEOUT)
        return guests.look(console.log.read_text(errors="replace"))


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n", maxsplit=1)[0])
    parser.add_argument("--built", help="of no use here: the folder is found")
    parser.add_argument("--times", type=int, default=2)
    parser.add_argument("--only", choices=("xen", "tessera", "mini"))
    words = parser.parse_args()
    if words.only in (None, "mini"):
        found = minis()
        print(f"a guest of 1 MiB: {found.first_us * 1000:,} instructions, the {MINIS}th "
              f"{found.last_us * 1000:,}; goal: 2,000,000", flush=True)
    totals = {}
    for name in ("xen", "tessera"):
        if words.only not in (None, name):
            continue
        with tempfile.TemporaryDirectory(prefix="tessera.create.") as place:
            folder = Path(place)
            (folder / "tree").mkdir()
            tree, plugin = ramdisk.Tree(folder / "tree"), folder / "count.so"
            linux.make_plugin(plugin)
            mark = ramdisk.mark(folder).read_bytes()
            guest = ramdisk.make(tree, [], {}, {"bin/mark": mark})
            (folder / "guest").write_bytes(guest)
            if name == "xen":
                on_xen(folder, tree, guest, mark, plugin, words.times + 1)
            else:
                on_tessera(folder, tree.kernel, folder / "guest", plugin, words.times + 1)
            totals[name] = counted(folder)
        print(f"{name}, millions of instructions to the first program: "
              + ", ".join(f"{who} {count:,.1f}" for who, count in
                          sorted((totals[name] or {}).items())), flush=True)
    if all(totals.get(name) for name in ("xen", "tessera")):
        ours, theirs = totals["tessera"]["all"], totals["xen"]["all"]
        print(f"tessera / xen: {ours / theirs:.2f}; goal: 0.50")
    return 0


if __name__ == "__main__":
    sys.exit(main())
