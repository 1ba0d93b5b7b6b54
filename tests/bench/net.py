#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What a guest's network costs: the distribution's iperf3 and ping on the same kernel
natively, as a guest of the distribution's Xen with netback and a bridge in a Linux
dom0, and of Tessera.

Two figures for each row, model of card, and system. Speed: QEMU runs as fast as it
can; the median of three. Instructions per packet: under -icount, with the plugin that
linux.py uses; a small and a large amount are sent between marks, and the difference
is what the packets between them cost the whole machine, guests, hypervisor and drivers.

The far end of the wire is the host's own kernel behind a tap device, in a network
namespace of its own (lan/host.sh): the one backend of QEMU that has segmentation and
checksum offloads. Virtual time waits for it: an idle machine does not jump to its
next timer here. The other peer is a second guest.
"""

import argparse
import dataclasses
import itertools
import json
import re
import statistics
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Mapping, Sequence

TOP = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(TOP), str(TOP / "images")]

from description import compile_text  # noqa: E402
from describe import program_finder  # noqa: E402
from launcher import build, launch, machine, minimal, nets, packages  # noqa: E402
from tests.bench import disk, linux, report  # noqa: E402
from tests.bench.blk import ramdisk  # noqa: E402
from tests.bench.lan import image  # noqa: E402

SYSTEMS = report.SYSTEMS
MODELS = {"virtio-net": "virtio_net", "e1000e": "e1000e"}
PEERS = {"host": 1, "guest": 3}  # by the last byte of their addresses
STREAMS = [f"tcp:{way}:{mtu}" for mtu in (1500, 500) for way in ("out", "in")]
PACKETS = [
    *(f"udp:{way}:{mtu}" for mtu in (1500, 500) for way in ("out", "in")),
    "small:out:18", "small:in:18", "ping:out:56",
]
SECONDS = 2
SPEEDS = ("Mbit/s", "packets/s", "us")
NATIVES = ("root", minimal.POLICY, "console", "uart16550", "store", "pci", "switch")
DOM0_MIB, GUEST_MIB, MACHINE_MIB = 1536, 256, 3072
TIMEOUT = 3000  # seconds for one boot
XEN_CPU = disk.XEN_CPU + ",-xsave"  # with it xl cannot unpack a second guest's kernel
CARD_MAC = "02:00:00:00:09:04"  # of nobody's guest
# As lan/bench.sh has it: the payload of a packet of a row.
HEADERS = {"tcp": 52, "udp": 28, "small": 0, "ping": 0}


Figures = dict[str, float]
Said = tuple[str, str, str]  # row, packets asked for, the program's words


def payload(row: str) -> int:
    protocol, _, size = row.split(":")
    return int(size) - HEADERS[protocol]


@dataclass
class Place:
    """Files that all runs share."""

    folder: Path
    tree: ramdisk.Tree
    guest: Path  # initramfs
    dom0: Path
    plugin: Path

    @staticmethod
    def make(folder: Path) -> "Place":
        (folder / "tree").mkdir()
        tree = ramdisk.Tree(folder / "tree")
        place = Place(folder, tree, folder / "guest.initrd", folder / "dom0.initrd",
                      folder / "count.so")
        inner = image.guest(tree)
        place.guest.write_bytes(inner)
        place.dom0.write_bytes(image.dom0(tree, inner))
        (folder / "xen").write_bytes(tree.hypervisor)
        linux.make_plugin(place.plugin)
        return place


@dataclass
class Run:
    """One boot: rows on one model of card, against one peer, in one system."""

    model: str
    peer: str
    offloads: bool
    rows: Sequence[str]
    seconds: int  # 0: count instructions

    @property
    def counting(self) -> bool:
        return not self.seconds

    @property
    def switch(self) -> str:
        return "on" if self.offloads else "off"

    def command(self, drivers: str) -> str:
        rows = " ".join(self.rows)
        return f"/bin/bench {drivers} {self.switch} 2 {PEERS[self.peer]} {self.seconds} {rows}"

    def wire(self) -> list[str]:
        """QEMU's end of the wire."""
        card = f"{self.model}-pci" if self.model == "virtio-net" else self.model
        if self.model == "virtio-net" and not self.offloads:
            names = ("csum", "guest_csum", "gso", "host_tso4", "host_tso6", "host_ufo",
                     "host_ecn", "guest_tso4", "guest_tso6", "guest_ufo", "guest_ecn",
                     "mrg_rxbuf")
            card += "".join(f",{name}=off" for name in names)
        return ["-netdev", "tap,id=wire,ifname=tap0,script=no,downscript=no", "-device",
                f"{card},netdev=wire,mac={CARD_MAC},romfile="]

    def machine(self, place: Place, boot: list[str], cpu: str = "max", wired: bool = True
                ) -> list[str]:
        extra = self.wire() if wired else []
        if self.counting:
            cpu += ",-erms,-fsrm"  # rep movsb would count bytes, one instruction each
            extra += ["-icount", "shift=0,sleep=on,align=off", "-plugin",
                      f"file={place.plugin},out={place.folder / 'counts'}"]
        parts = machine.Machine(MACHINE_MIB, place.folder / "log", boot, cpu=cpu, extra=extra)
        command = parts.arguments(False)
        return namespaced(command) if wired else command


def _on_native(place: Place, run: Run) -> list[str]:
    return run.machine(place, [
        "-kernel", str(place.tree.kernel), "-initrd", str(place.guest), "-append",
        f'console=ttyS0 quiet norandmaps tessera.run="{run.command(run.model)}"',
    ])


def _on_xen(place: Place, run: Run) -> list[str]:
    command = f"/bin/dom0 {run.model} {run.switch} {run.command('guest')}"
    kernel = f'{place.tree.kernel} console=hvc0 quiet norandmaps tessera.run="{command}"'
    return run.machine(place, [
        "-kernel", str(place.folder / "xen"), "-initrd", f"{kernel},{place.dom0}", "-append",
        f"console=com1 com1=115200,8n1 loglvl=none guest_loglvl=none dom0_mem={DOM0_MIB}M "
        "dom0_max_vcpus=1",
    ], XEN_CPU)


def _on_tessera(place: Place, run: Run) -> list[str]:
    built = build.build_dir()
    wired = run.peer == "host"  # two guests need no card
    net = nets.Net("tap" if wired else nets.NO_CARD, run.model)
    commands = {"bench": run.command("guest"), "peer": f"/bin/bench guest {run.switch} 3"}
    parts = [
        minimal.guest(name, kernel=place.tree.kernel, initrd=place.guest,
                      memory=f"{GUEST_MIB}M",
                      cmdline=f'console=hvc0 quiet norandmaps tessera.run="{command}"')
        + minimal.vif(name, net, addresses=[f"10.9.0.{digit}"], small_out=0)
        for digit, (name, command) in enumerate(commands.items(), 2)
    ]
    text = minimal.describe(*parts, raw="bench", nets=[net])
    compiled = compile_text(text, "net", TOP / "images", program_finder(built))
    modules_folder = Path(tempfile.mkdtemp(dir=place.folder))
    launch.stage_kernels(compiled, modules_folder)
    modules = launch.stage(compiled, built, modules_folder)
    return run.machine(place, launch.multiboot(compiled, built, modules), wired=wired)


START = {"native": _on_native, "xen": _on_xen, "tessera": _on_tessera}


def converse(command: list[str], seconds: float) -> str:
    """What is said until the guest has come to its end; the machine is not asked to stop."""
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace") as process:
        timer = threading.Timer(seconds, process.kill)
        timer.start()
        text = ""
        assert process.stdout is not None
        for line in process.stdout:
            text += line.replace("\r", "")
            if re.match("bench: |tessera run: ", line):
                break
        timer.cancel()
        process.kill()
    return text


def namespaced(command: list[str]) -> list[str]:
    """In namespaces with the far end of the wire; all of it ends with its first process."""
    return ["unshare", "--map-root-user", "--net", "--pid", "--fork", "--kill-child", "sh",
            str(image.SCRIPTS / "host.sh"), *command]


def sayings(text: str) -> list[Said]:
    """The lines of bench.sh on a console."""
    return re.findall(r"^net (\S+) (\d+) (.*)$", text, re.M)


def speed(row: str, said: str) -> Figures:
    """The figures of a run: Mbit/s, packets a second, or microseconds of a round trip."""
    if row.startswith("ping:"):
        found = re.search(r"min/avg/max = [\d.]+/([\d.]+)/", said)
        return {"us": float(found[1]) * 1000} if found else {}
    # What the receiver has: of the sender's packets iperf3 calls lost only those before the last.
    received = json.loads(said)["end"]["sum_received"]
    if row.startswith("small:"):
        return {"packets/s": received["bytes"] / payload(row) / received["seconds"]}
    return {"Mbit/s": received["bytes"] * 8 / received["seconds"] / 1e6}


def speeds(said: Sequence[Said]) -> dict[str, Figures]:
    """The middle one of what was measured of each row."""
    takes: dict[str, dict[str, list[float]]] = {}
    for row, _, words in said:
        for figure, value in speed(row, words).items():
            takes.setdefault(row, {}).setdefault(figure, []).append(value)
    return {row: {figure: statistics.median(values) for figure, values in figures.items()}
            for row, figures in takes.items()}


def packets_of(row: str, said: str) -> float:
    """How many packets of the row's size a counted run was."""
    if row.startswith("ping:"):
        found = re.search(r"(\d+) packets received", said)
        return float(found[1]) if found else 0
    return float(json.loads(said)["end"]["sum_received"]["bytes"]) / payload(row)


def counts(said: Sequence[Said], counted: Sequence[Mapping[str, int]]) -> dict[str, Figures]:
    """Instructions per packet, by owner. Of three runs of a row the first warms up."""
    found = {}
    for number in range(0, min(len(said), len(counted)) - 2, 3):
        row = said[number][0]
        try:
            few, many = (packets_of(row, words) for _, _, words in said[number + 1:number + 3])
        except ValueError:  # iperf3 failed, and says why
            break
        before, after = counted[number + 1:number + 3]
        found[row] = {who: (after.get(who, 0) - before.get(who, 0)) / (many - few)
                      for who in {**before, **after}}
    return found


def measure(place: Place, system: str, run: Run) -> tuple[dict[str, Figures], str]:
    """Row: figures, of the rows that came to their end, and all that was said. Figures of
    a counting run are instructions per packet."""
    text = converse(START[system](place, run), TIMEOUT)
    said = sayings(text)
    if not run.counting:
        return speeds(said), text
    programs = [*NATIVES, MODELS[run.model]] if system == "tessera" else []
    counted = list(report.batches(place.folder / "counts", report.Natives(programs)))
    return counts(said, counted), text


def heading(run: Run) -> str:
    return f"{run.model}, guest to host" if run.peer == "host" else "guest to guest"


def runs(model: str, systems: Sequence[str], peer: str, wanted: Sequence[str]
         ) -> list[tuple[str, Run]]:
    """What is to be booted: offloads are of a whole boot."""
    found = []
    for system in systems:
        if (system, peer) == ("native", "guest"):
            continue
        for offloads in (True, False):
            rows = STREAMS + PACKETS if offloads else STREAMS
            rows = [row for row in rows if not wanted or row in wanted]
            if rows:
                found.append((system, Run(model, peer, offloads, rows, 0)))
    return found


def title(run: Run, row: str) -> str:
    protocol, way, size = row.split(":")
    what = {"tcp": f"TCP, MTU {size}", "udp": f"UDP, MTU {size}",
            "small": f"UDP, {size} bytes", "ping": f"ping, {size} bytes"}[protocol]
    words = [what] if protocol == "ping" else [what, {"out": "transmit", "in": "receive"}[way]]
    return ", ".join(words if run.offloads else [*words, "no offloads"])


def missing(kept: report.Kept, system: str, run: Run) -> Sequence[str]:
    figures = ("all",) if run.counting else SPEEDS
    return [row for row in run.rows
            if not kept.has(heading(run), system, title(run, row), figures)]


def gather(place: Place, kept: report.Kept, system: str, run: Run, again: bool) -> bool:
    """Boots until all rows are there; what a boot did not come to is tried once more.
    again: once at least."""
    for attempt in range(2):
        rows = run.rows if again and not attempt else missing(kept, system, run)
        if not rows:
            break
        print(f"net: {run.model}, {system}, to the {run.peer}, offloads {run.switch}, "
              f"{'instructions' if run.counting else 'speed'}: {' '.join(rows)}", file=sys.stderr)
        found, text = measure(place, system, dataclasses.replace(run, rows=rows))
        for row, figures in found.items():
            if figures:
                kept.add(heading(run), system, title(run, row), figures)
        if missing(kept, system, run):
            print(f"net: not all of the rows:\n{text[-2000:]}", file=sys.stderr)
    return not missing(kept, system, run)


def tables(plan: Sequence[tuple[str, Run]], found: report.Results) -> str:
    order = list(dict.fromkeys(title(run, row) for _, run in plan for row in run.rows))
    driver = MODELS[plan[0][1].model]
    names = {"kernel": "guest kernel", "program": "program", "core": "core", "switch": "switch"}
    if plan[0][1].peer == "host":
        names[driver] = driver
    parts = (report.table(SPEEDS, "speed", found, order),
             report.table(("all",), "instructions per packet", found, order),
             report.shares(names, found, order))
    return "\n".join(part for part in parts if part)


def options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--built", type=Path, help="ignored: TESSERA_BUILD says it")
    parser.add_argument("--system", action="append", choices=SYSTEMS, help="only this one")
    parser.add_argument("--model", action="append", choices=list(MODELS), help="only this one")
    parser.add_argument("--peer", action="append", choices=list(PEERS), help="only this one")
    parser.add_argument("--row", action="append", choices=STREAMS + PACKETS, help="only this one")
    parser.add_argument("--seconds", type=int, default=SECONDS, help="of each row; 0: no speeds")
    parser.add_argument("--no-counts", action="store_true", help="no instructions per packet")
    parser.add_argument("--rounds", type=int, default=1, metavar="N",
                        help="measure speeds of all systems N times in turn, and keep the best")
    parser.add_argument("--results", type=Path, metavar="FILE",
                        help="keep figures there, and measure only what is not there yet")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    return parser


def main() -> None:
    words = options().parse_args()
    packages.require("bench")
    kept = report.Kept(words.results)
    amounts = ([words.seconds] if words.seconds else []) + ([] if words.no_counts else [0])
    whole = True
    with build.workspace() as name:
        place = Place.make(Path(name))
        for model, peer in itertools.product(words.model or MODELS, words.peer or PEERS):
            if peer == "guest" and model != next(iter(words.model or MODELS)):
                continue  # no card is on that way
            plan = runs(model, words.system or SYSTEMS, peer, words.row or ())
            for turn, (system, run), seconds in itertools.product(range(words.rounds), plan,
                                                                  amounts):
                run.seconds = seconds
                if seconds or not turn:
                    whole &= gather(place, kept, system, run, turn > 0)
            if plan and not words.json:
                name = heading(plan[0][1])
                print(f"### {name}\n\n{tables(plan, kept.found.get(name, {}))}", flush=True)
    if words.json:
        print(json.dumps(kept.found, indent=2))
    sys.exit(0 if whole else 1)


if __name__ == "__main__":
    main()
