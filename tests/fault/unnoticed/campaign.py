# SPDX-License-Identifier: BSD-2-Clause
"""Every domain but the core and root dies, one after the other, and a guest notices nothing.

A stock kernel writes to a raw disk and to ext4 with fsync (../disk/writer.c), and talks
over TCP with another guest on another card (../net/talk.c). A native domain (../killer)
kills at random times from a seed: the console server and the serial driver, the store, the
disk server and both disk drivers, the switch and both card drivers, the bus, the policy.
Time is virtual. Afterwards: every acknowledged write is on the disks, once; no stream broke and
no byte differs; the kernel's log has no line that is an error or a warning.

    python3 -m tests.fault.unnoticed.campaign --seconds 600
"""

import argparse
import json
import os
import re
import stat
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

TOP = Path(__file__).resolve().parents[3]
sys.path[:0] = [path for path in (str(TOP), str(TOP / "images")) if path not in sys.path]

import initrd  # noqa: E402
from launcher import build, minimal  # noqa: E402
from launcher.disks import Disk  # noqa: E402
from launcher.nets import Net, qemu_arguments  # noqa: E402
from tests.fault.disk import campaign as disk_campaign  # noqa: E402
from tests.fault.disk import check  # noqa: E402
from tests.fault.net import campaign as net_campaign  # noqa: E402
from tests.support import DEBIAN_KERNELS, system  # noqa: E402

KERNEL = DEBIAN_KERNELS["6.1_cloud"]
VICTIMS = ("console", "uart16550", "store", "vbd", "disk0", "disk1", "switch", "nic0", "nic1",
           "pci", minimal.POLICY)
PORT, STREAMS, RATE = 5001, 4, 50_000  # bytes per second of each stream
PAUSE_US = 20_000
START_MS = 9000  # when the guests have been at work for some time
WORK_MS = 6000  # when they begin
TAIL_MS = 1500  # of work after the last death

ALICE = """\
ip link set lo up
ip addr add 10.8.0.1/24 dev eth0; ip link set eth0 up
until grep -q up /sys/class/net/eth0/operstate; do sleep 0.1; done
until ping -c 1 -W 1 10.8.0.2; do :; done >/dev/null
before=$(dmesg | wc -l)
writer {seconds} {seed} /dev/xvda /dev/xvdb {pause} >/run/writer &
talk run 10.8.0.2 {port} {streams} {end} {rate} report >/run/wire
wait
cat /run/writer
sed 's/^/wire /' /run/wire
dmesg -r | tail -n +$((before + 1)) | sed 's/^/dmesg /'
echo "unnoticed: the end"
"""
BOB = """\
ip link set lo up
ip addr add 10.8.0.2/24 dev eth0; ip link set eth0 up
until grep -q up /sys/class/net/eth0/operstate; do sleep 0.1; done
until ping -c 1 -W 1 10.8.0.1; do :; done >/dev/null
talk serve {port}
"""


# What the writer's own mount and umount say.
MOUNTING = r"EXT4-fs \(xvdb\): (?:mounted|unmounting) filesystem"


@dataclass
class Plan:
    """How long, and how often somebody dies."""

    seconds: int = 600
    every_us: int = 1_000_000
    seed: int = 1
    victims: tuple[str, ...] = VICTIMS

    @property
    def kills(self) -> int:
        return max(1, self.seconds * 1_000_000 // self.every_us)

    @property
    def end_ms(self) -> int:
        return START_MS + self.kills * self.every_us * 11 // 10_000 + TAIL_MS


@dataclass
class Death:
    """silent_ns: the longest time until the next one in which nothing arrived over TCP."""

    victim: str
    at_ns: int
    silent_ns: int


@dataclass
class Result:
    deaths: list[Death] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    answers: int = 0  # of disks
    received: int = 0  # bytes over TCP
    console: str = ""
    log: str = ""


def _ramdisk(folder: Path, plan: Plan) -> Path:
    """That of the network's campaign, and the writer of the disks'."""
    # It begins before the first death, and ends after the talk: its last words are the kernel's.
    words = {"seconds": plan.end_ms // 1000 - WORK_MS // 1000 + 3, "seed": plan.seed,
             "pause": PAUSE_US, "port": PORT, "streams": STREAMS, "rate": RATE,
             "end": plan.end_ms * 1_000_000}
    path = net_campaign.ramdisk(
        folder, {"alice": ALICE.format(**words), "bob": BOB.format(port=PORT)}, False)
    added = initrd.Archive()
    disk_campaign.compile_writer(folder / "writer")
    added.add("bin/writer", stat.S_IFREG | 0o755, (folder / "writer").read_bytes())
    path.write_bytes(path.read_bytes() + added.finish())
    return path


def _guest(name: str, ramdisk: Path) -> str:
    return minimal.guest(name, kernel=f"package:{KERNEL}", initrd=ramdisk, memory="192M",
                         cmdline=f"console=hvc0 quiet tessera.run=/bin/{name}")


def describe(plan: Plan, disks: list[Disk], networks: list[Net], ramdisk: Path) -> str:
    arguments = (f"victims={','.join(plan.victims)} kills={plan.kills} seed={plan.seed} "
                 f"every={plan.every_us} start={START_MS}")
    text = minimal.describe(
        _guest("alice", ramdisk), _guest("bob", ramdisk),
        minimal.virtual("alice", disks),
        minimal.vif("alice", networks[0], 0, 0, addresses=["10.8.0.1"]),
        minimal.vif("bob", networks[1], 1, 0, addresses=["10.8.0.2"]),
        disk_campaign.KILLER.format(arguments=arguments),
        raw="alice", disks=disks, nets=networks, store=disk_campaign.BUDGET,
    )
    for name in set(plan.victims) - {"store"}:
        text = text.replace(f"[domain.{name}]\n", f"[domain.{name}]\n{disk_campaign.BUDGET}\n")
    return text


def _look_at_net(result: Result, plan: Plan, kills: list[check.Kill]) -> None:
    said = re.search(r"^wire talk: (\d+) wrong, (\d+) lines", result.console, re.M)
    work = re.search(r"^wire talk: from (\d+) to (\d+)$", result.console, re.M)
    if not said or not work:
        result.problems.append("the talk did not come to its end")
        return
    if said.groups() != ("0", "0"):
        result.problems.append(said[0])
    found = re.findall(r"^wire talk: (?:stream|arrived) \d+: (\d+) bytes", result.console, re.M)
    result.received = sum(map(int, found))
    if len(found) < STREAMS:
        result.problems.append(f"{len(found)} of {STREAMS} streams came to an end")
    gaps = [(int(a), int(b))
            for a, b in re.findall(r"^wire talk: gap (\d+) (\d+)$", result.console, re.M)]
    end = min(int(work[2]), plan.end_ms * 1_000_000)
    for kill, following in zip(kills, [*(kill.at for kill in kills[1:]), end]):
        inside = [min(b, following) - max(a, kill.at) for a, b in gaps
                  if a < following and b > kill.at]
        if int(work[1]) <= kill.at < end:
            result.deaths.append(Death(kill.victim, kill.at,
                                       max([net_campaign.SHORTEST, *inside])))


def _look_at_disks(result: Result, disks: list[Disk], folder: Path) -> None:
    result.problems += re.findall(r"writer: (?:WRONG|kernel): .*", result.console)
    try:
        report = check.read_report(disks[0].file, disk_campaign.RAW_DATA)
    except check.Wrong as error:
        result.problems.append(str(error))
        return
    result.answers = len(report.answers)
    if report.wrong:
        result.problems.append(f"the writer counted {report.wrong} things that are wrong")
    result.problems += check.raw_problems(disks[0].file, report)
    result.problems += check.file_system_problems(disks[1].file, report, folder)


def look(result: Result, plan: Plan, disks: list[Disk], folder: Path) -> None:
    """Fill in what the guests, the log and the disks say."""
    if "unnoticed: the end" not in result.console:
        result.problems.append("the guest did not come to its end")
        return
    kills = sorted(check.kills_in(result.log), key=lambda kill: kill.at)
    if len(kills) != plan.kills:
        result.problems.append(f"{len(kills)} of {plan.kills} kills were made")
    if re.search("PANIC of the core|: blocked|given up", result.log):
        result.problems.append("the log tells of a panic, of DMA that was blocked, or of one that "
                               "was given up")
    result.problems += [line for line in re.findall(r"^dmesg (<.*)$", result.console, re.M)
                        if not re.search(MOUNTING, line)]
    _look_at_net(result, plan, kills)
    _look_at_disks(result, disks, folder)


def run(plan: Plan) -> Result:
    home = Path("/dev/shm") if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="tessera.kills.", dir=home) as name:
        folder = Path(name)
        disks = disk_campaign.make_disks(folder, disk_campaign.Plan())
        networks = [Net("hubport,hubid=0") for _ in range(2)]
        text = describe(plan, disks, networks, _ramdisk(folder, plan))
        extra = [*disk_campaign.ICOUNT, *qemu_arguments(networks, False)]
        with system(text, *extra, attached=disks) as console:
            status = console.wait(600 + 20 * plan.seconds)
            result = Result(console=console.text,
                            log=console.logged())
        if status != 33:
            result.problems.append(f"QEMU ended with status {status}")
        look(result, plan, disks, folder)
    return result


def table(deaths: list[Death]) -> str:
    """Milliseconds of virtual time in which nothing arrived over TCP, by victim."""
    lines = [f"{'victim':12}{'deaths':>7}{'median':>10}{'maximum':>10}"]
    for victim in [*sorted({death.victim for death in deaths}), ""]:
        mine = [death.silent_ns for death in deaths if victim in ("", death.victim)]
        lines.append(f"{victim or 'together':12}{len(mine):>7}{check.median(mine) / 1e6:>10.1f}"
                     f"{max(mine, default=0) / 1e6:>10.1f}")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=int, default=600, help="of virtual time")
    parser.add_argument("--every", type=int, default=1_000_000, metavar="MICROSECONDS")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--victims", default=",".join(VICTIMS))
    parser.add_argument("--log", type=Path, help="keep the log and the console here")
    parser.add_argument("--json", type=Path, help="keep the deaths here")
    words = parser.parse_args()
    build.system()
    plan = Plan(words.seconds, words.every, words.seed, tuple(words.victims.split(",")))
    result = run(plan)
    if words.log:
        words.log.write_text(f"{result.console}\n--- log\n{result.log}")
    if words.json:
        words.json.write_text(json.dumps([vars(death) for death in result.deaths]))
    print(f"seed {plan.seed}: {len(result.deaths)} of {plan.kills} deaths at work, "
          f"{result.answers} answers of disks, {result.received} bytes over TCP")
    print(table(result.deaths))
    print("\n".join(result.problems) or "nothing was noticed")
    return 1 if result.problems else 0


if __name__ == "__main__":
    sys.exit(main())
