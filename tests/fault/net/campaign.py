# SPDX-License-Identifier: BSD-2-Clause
"""The network's kill campaign: guests talk while switch and card drivers die.

Two machines are made. In the first, two guests talk over two cards that QEMU joins with
a hub, and beside it over a network without an uplink: all of that is virtual time
(-icount), so how long a death was felt does not depend on the host. In the second
a guest talks to a server in this program (host.py) through QEMU's user network; the host
is part of that, so there nothing is said about time. A native domain (../killer)
kills, at random virtual times from a seed; talk.c checks each byte, iperf3 and a file
go beside it (traffic.py), and the guests' kernels must have nothing to say.

    python3 -m tests.fault.net.campaign --kills 200 --seed 7
"""

import argparse
import re
import stat
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Optional

TOP = Path(__file__).resolve().parents[3]
sys.path[:0] = [path for path in (str(TOP), str(TOP / "images")) if path not in sys.path]

import initrd  # noqa: E402
from launcher import build, minimal  # noqa: E402
from launcher.nets import DRIVERS, NO_CARD, Net, qemu_arguments  # noqa: E402
from tests.bench.lan import image  # noqa: E402
from tests.fault.disk.check import median  # noqa: E402
from tests.fault.net import host, traffic  # noqa: E402
from tests.support import DEBIAN_KERNELS, system  # noqa: E402

KERNEL = DEBIAN_KERNELS["6.1_cloud"]
SOURCE = Path(__file__).parent / "talk.c"
# By these a connection that the switch forgot breaks.
STRICT = Path(__file__).parent / "strict.rules"
VICTIMS = ("switch", "nic0", "nic1", "all")
# A death at a time is what the default budget is made for; this is one every some milliseconds.
BUDGET = 'restart = { limit = 100000, window = "1ms", backoff = "0ms" }'
START_MS, START_ALONE_MS = 9000, 6000  # when the guests have been at work for some time
SLICE = "1ms"  # two guests at work: a death should not be felt longer because the other's turn is
SHORTEST = 700_000  # gaps that talk.c tells

KILLER = """
[domain.killer]
log = "write"
arguments = "{arguments}"
priority = 5
[connection.killing]
protocol = "control"
server = "root"
client = "killer"
"""


@dataclass
class Plan:
    """What is killed how often."""

    kills: int = 10
    seed: int = 1
    every_us: int = 40_000
    victims: tuple[str, ...] = VICTIMS
    model: str = "virtio-net"
    streams: int = 4
    iommu: bool = False
    host: bool = False  # the peer is the host
    rate: int = 1_000_000  # bytes per second of each stream, so that the guests are not always
    # at work: how long a death is felt is not how long a guest waits for its turn; 0: all they
    # can, and iperf3 as well

    @property
    def start_ms(self) -> int:
        return START_ALONE_MS if self.host else START_MS

    @property
    def work_ms(self) -> int:
        """From the first kill until some time after the last."""
        return 500 + self.kills * self.every_us * 11 // 10_000

    @property
    def end(self) -> int:
        """When no more is sent, as the time-stamp counter has it."""
        return (self.start_ms + self.work_ms) * 1_000_000

    @property
    def blocks(self) -> int:
        """Of the file that is on its way all the time."""
        return traffic.blocks_in(self.work_ms)


@dataclass
class Kill:
    victim: str
    at: int
    silence: dict[str, int] = field(default_factory=dict)  # by path


@dataclass
class Result:
    """How it went."""

    console: str
    log: str
    kills: list[Kill] = field(default_factory=list)  # that the guests felt at work
    problems: list[str] = field(default_factory=list)
    received: dict[str, int] = field(default_factory=dict)  # bytes, by path

    def silences(self) -> list[int]:
        return [length for kill in self.kills for length in kill.silence.values()]


def ramdisk(folder: Path, scripts: dict[str, str], iperf: bool) -> Path:
    """BusyBox, netfront, the programs, and the guests' scripts."""
    program, output = folder / "talk", folder / "initrd"
    subprocess.run(["gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-std=gnu17", "-static", "-o",
                    program, SOURCE], check=True)
    added = initrd.Archive()
    added.add("bin/talk", stat.S_IFREG | 0o755, program.read_bytes())
    for name, text in scripts.items():
        script = f"#!/bin/sh\n{text}"
        added.add(f"bin/{name}", stat.S_IFREG | 0o755, script.encode())
    data = build.net_initrd(KERNEL).read_bytes() + added.finish()
    output.write_bytes(data + (image.iperf() if iperf else b""))
    return output


def _scripts(plan: Plan, peer: Optional[host.Peer] = None) -> dict[str, str]:
    return traffic.scripts(plan.end, plan.streams, plan.rate, plan.blocks, plan.model, peer)


def _guest(name: str, ramdisk_path: Path) -> str:
    return minimal.guest(name, kernel=f"package:{KERNEL}", initrd=ramdisk_path, memory="160M",
                         slice=SLICE, cmdline=f"console=hvc0 quiet tessera.run=/bin/{name}")


def _describe(plan: Plan, networks: list[Net], *parts: str) -> str:
    domains = ["switch", *(f"nic{n}" for n, net in enumerate(networks) if net.has_card)]
    victims = [name for name in plan.victims if name in [*domains, "all"]]
    arguments = (f"victims={','.join(victims)} kills={plan.kills} seed={plan.seed} "
                 f"every={plan.every_us} start={plan.start_ms}")
    text = minimal.describe(*parts, KILLER.format(arguments=arguments), raw="alice",
                            nets=networks)
    for name in domains:
        text = text.replace(f"[domain.{name}]\n", f"[domain.{name}]\n{BUDGET}\n")
    return text


def two_guests(plan: Plan, folder: Path, networks: list[Net]) -> str:
    """Alice is on the first wire and Bob on the second; both are on the third network."""
    path = ramdisk(folder, _scripts(plan), True)
    wires = {"alice": 0, "bob": 1}
    vifs = [
        minimal.vif(name, networks[number], number, index, addresses=[address])
        for digit, (name, wire) in enumerate(wires.items(), 1)
        for index, number, address in ((0, wire, f"10.8.0.{digit}"), (1, 2, f"10.7.0.{digit}"))
    ]
    return _describe(plan, networks, *(_guest(name, path) for name in wires), *vifs)


def one_guest(plan: Plan, folder: Path, networks: list[Net], peer: host.Peer) -> str:
    path = ramdisk(folder, _scripts(plan, peer), True)
    return _describe(plan, networks, _guest("alice", path),
                     minimal.vif("alice", networks[0], addresses=["10.0.2.15"],
                                 rules=str(STRICT)))


def icount(sleep: bool) -> list[str]:
    return ["-icount", f"shift=0,sleep={'on' if sleep else 'off'},align=off", "-rtc",
            "base=2024-01-01,clock=vm", "-seed", "1"]


def _silence(kill: Kill, following: int, gaps: list[tuple[int, int]]) -> int:
    """The longest time between this kill and the next one in which nothing arrived."""
    found = [min(end, following) - max(begin, kill.at) for begin, end in gaps
             if begin < following and end > kill.at]
    return max([SHORTEST, *found])


def _felt(result: Result, plan: Plan, kills: list[Kill]) -> None:
    for path in ("wire", "inside"):
        work = re.search(rf"^{path} talk: from (\d+) to (\d+)$", result.console, re.M)
        if not work:
            continue
        begin, end = int(work[1]), min(int(work[2]), plan.end)
        gaps = [(int(a), int(b)) for a, b in
                re.findall(rf"^{path} talk: gap (\d+) (\d+)$", result.console, re.M)]
        for kill, following in zip(kills, [*(kill.at for kill in kills[1:]), end]):
            if path == "inside" and kill.victim.startswith("nic"):
                continue  # no card is on that way
            if begin <= kill.at < end:
                kill.silence[path] = _silence(kill, following, gaps)
    result.kills = [kill for kill in kills if kill.silence]


def look(result: Result, plan: Plan) -> None:
    """Fill in what the guests and the log say."""
    for path in ("wire",) if plan.host else ("wire", "inside"):
        said = re.search(rf"^{path} talk: (\d+) wrong, (\d+) lines", result.console, re.M)
        if not said:
            result.problems.append(f"the guests did not come to their end ({path})")
        elif said.groups() != ("0", "0"):
            result.problems.append(f"{path}: {said[0]}")
        found = re.findall(rf"^{path} talk: (?:stream|arrived) \d+: (\d+) bytes", result.console,
                           re.M)
        result.received[path] = sum(map(int, found))
        if len(found) < plan.streams:
            result.problems.append(f"{path}: {len(found)} of {plan.streams} streams came to an end")
        result.problems += traffic.look(result.console, path)
        if not plan.host:
            result.problems += traffic.look_at_file(result.console, path, plan.blocks)
    for text in (result.console, result.log):
        result.problems += re.findall(r"talk: (?:WRONG|kernel): .*", text)
    if re.search("PANIC of the core|: blocked", result.log):
        result.problems.append("the log tells of a panic, or of DMA that was blocked")
    kills = [Kill(victim, int(at))
             for victim, at in re.findall(r"kill \d+ (\S+) at (\d+)", result.log)]
    if len(kills) != plan.kills:
        result.problems.append(f"{len(kills)} of {plan.kills} kills were made")
    _felt(result, plan, sorted(kills, key=lambda kill: kill.at))


def run(plan: Plan) -> Result:
    with tempfile.TemporaryDirectory(prefix="tessera.kills.") as name:
        folder = Path(name)
        peer = host.Peer() if plan.host else None
        if peer:
            networks = [Net("user", plan.model)]
            text = one_guest(plan, folder, networks, peer)
        else:
            networks = [Net("hubport,hubid=0", plan.model) for _ in range(2)] + [Net(NO_CARD)]
            text = two_guests(plan, folder, networks)
        extra = icount(sleep=plan.host) + qemu_arguments(networks, plan.iommu)
        try:
            with system(text, *extra, iommu=plan.iommu) as console:
                status = console.wait(600 + 20 * plan.kills)
                result = Result(console.text, console.logged())
        finally:
            if peer:
                peer.close()
        if status != 33:
            result.problems.append(f"QEMU ended with status {status}")
        look(result, plan)
        if peer:
            result.problems += peer.problems
            if peer.digest != traffic.digest(plan.blocks):
                result.problems.append("host: the file is another one")
            result.received["host"] = peer.received
    return result


def table(kills: list[Kill]) -> str:
    """How long nothing arrived, in milliseconds of virtual time, by path and victim."""
    lines = [f"{'path':10}{'victim':10}{'kills':>6}{'median':>10}{'maximum':>10}"]
    for path in ("wire", "inside"):
        for victim in [*sorted({kill.victim for kill in kills}), ""]:
            mine = [kill.silence[path] for kill in kills
                    if path in kill.silence and victim in ("", kill.victim)]
            if mine:
                lines.append(f"{path:10}{victim or 'together':10}{len(mine):>6}"
                             f"{median(mine) / 1e6:>10.1f}{max(mine) / 1e6:>10.1f}")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--every", type=int, default=40_000, metavar="MICROSECONDS")
    parser.add_argument("--victims", default=",".join(VICTIMS))
    parser.add_argument("--model", default="virtio-net", choices=list(DRIVERS))
    parser.add_argument("--iommu", action="store_true")
    parser.add_argument("--host", action="store_true", help="the peer is the host")
    parser.add_argument("--busy", action="store_true",
                        help="no limit to the streams: times tell nothing then")
    parser.add_argument("--log", type=Path, help="keep the log and the console here")
    words = parser.parse_args()
    build.system()
    plan = Plan(words.kills, words.seed, words.every, tuple(words.victims.split(",")),
                words.model, iommu=words.iommu, host=words.host)
    if words.busy:
        plan.rate = 0
    result = run(plan)
    if words.log:
        words.log.write_text(f"{result.console}\n--- log\n{result.log}")
    print(f"seed {plan.seed}: {len(result.kills)} of {plan.kills} kills felt at work, "
          f"bytes received: {result.received}")
    print(table(result.kills))
    print("\n".join(result.problems) or "no stream broke, no byte differs")
    return 1 if result.problems else 0


if __name__ == "__main__":
    sys.exit(main())
