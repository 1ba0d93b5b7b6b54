# SPDX-License-Identifier: BSD-2-Clause
"""The kill campaign: a guest writes while the domains between it and its disks die.

The guest runs writer.c on a raw disk and on ext4, each with a driver of its own. A
native domain (../killer) kills the disk server, a driver, the store, or all of
them, at random virtual times from a seed. Everything runs under -icount, so a
nanosecond is an instruction. check.py then looks at what is on the disks.

    python3 -m tests.fault.disk.campaign --kills 200 --seed 7
"""

import argparse
import os
import re
import stat
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

TOP = Path(__file__).resolve().parents[3]
sys.path[:0] = [path for path in (str(TOP), str(TOP / "images")) if path not in sys.path]

import initrd  # noqa: E402
from launcher import build, minimal  # noqa: E402
from launcher.disks import Disk  # noqa: E402
from tests.fault.disk import check  # noqa: E402
from tests.support import DEBIAN_KERNELS, disk_initrd, system  # noqa: E402

KERNEL = DEBIAN_KERNELS["6.1_cloud"]
SOURCE = Path(__file__).parent / "writer.c"
RAW_DATA = 16 << 20  # as in writer.c
RAW_SIZE, EXT4_SIZE = 32 << 20, 64 << 20
VICTIMS = ("vbd", "disk0", "disk1", "store", "all")
# A death at a time is what the default budget is made for; this is one every some milliseconds.
BUDGET = 'restart = { limit = 100000, window = "1ms", backoff = "0ms" }'
START_MS = 4000  # when the guest has been at work for a second
ICOUNT = ("-icount", "shift=0,sleep=off,align=off", "-rtc", "base=2024-01-01,clock=vm", "-seed",
          "1")

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

    kills: int = 20
    seed: int = 1
    every_us: int = 40_000
    victims: tuple[str, ...] = VICTIMS
    models: tuple[str, str] = ("virtio-blk", "virtio-blk")
    start_ms: int = START_MS
    iommu: bool = False

    def seconds(self) -> int:
        """How long the guest writes: from a second before the first kill until after the last."""
        return 3 + self.kills * self.every_us * 11 // 10_000_000


@dataclass
class Result:
    """How it went."""

    console: str
    log: str
    kills: list[check.Kill] = field(default_factory=list)  # that the guest felt at work
    problems: list[str] = field(default_factory=list)
    answers: int = 0


def compile_writer(program: Path) -> None:
    subprocess.run(["gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-std=gnu17", "-static", "-o",
                    program, SOURCE], check=True)


def ramdisk(folder: Path) -> Path:
    """BusyBox, the driver for virtual disks, and the program. The kernel has ext4."""
    program, output = folder / "writer", folder / "initrd"
    compile_writer(program)
    added = initrd.Archive()
    added.add("bin/writer", stat.S_IFREG | 0o755, program.read_bytes())
    output.write_bytes(disk_initrd(KERNEL).read_bytes() + added.finish())
    return output


def make_disks(folder: Path, plan: Plan) -> list[Disk]:
    raw, files = folder / "raw.img", folder / "ext4.img"
    for path, size in ((raw, RAW_SIZE), (files, EXT4_SIZE)):
        with path.open("wb") as file:
            file.truncate(size)
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-E", "nodiscard", files], check=True)
    return [Disk(raw, plan.models[0]), Disk(files, plan.models[1])]


def describe(plan: Plan, disks: list[Disk], ramdisk_path: Path) -> str:
    arguments = (
        f"victims={','.join(plan.victims)} kills={plan.kills} seed={plan.seed} "
        f"every={plan.every_us} start={plan.start_ms}"
    )
    command = f"/bin/writer {plan.seconds()} {plan.seed} /dev/xvda /dev/xvdb"
    text = minimal.describe(
        minimal.guest("guest", kernel=f"package:{KERNEL}", initrd=ramdisk_path, memory="256M",
                      cmdline=f'console=hvc0 quiet norandmaps tessera.run="{command}"'),
        minimal.virtual("guest", disks), KILLER.format(arguments=arguments),
        raw="guest", disks=disks, store=BUDGET,
    )
    for name in ("vbd", "disk0", "disk1"):
        text = text.replace(f"[domain.{name}]\n", f"[domain.{name}]\n{BUDGET}\n")
    return text


def look(result: Result, plan: Plan, disks: list[Disk], folder: Path) -> None:
    """Fill in what the disks and the log say."""
    said = re.search(r"writer: (\d+) answers, (\d+) wrong, (\d+) errors of the kernel",
                     result.console)
    if not said:
        result.problems.append("the writer did not come to its end")
        return
    result.problems += re.findall(r"writer: (?:WRONG|kernel): .*", result.console)
    try:
        report = check.read_report(disks[0].file, RAW_DATA)
    except check.Wrong as error:
        result.problems.append(str(error))
        return
    result.answers = len(report.answers)
    result.problems += check.raw_problems(disks[0].file, report)
    result.problems += check.file_system_problems(disks[1].file, report, folder)
    if report.wrong:
        result.problems.append(f"the writer counted {report.wrong} things that are wrong")
    raw = [at for at, worker in report.answers if worker < report.regions]
    files = [at for at, worker in report.answers if worker >= report.regions]
    kills = check.kills_in(result.log)
    if re.search("PANIC of the core|: blocked", result.log):
        result.problems.append("the log tells of a panic, or of DMA that was blocked")
    if len(kills) != plan.kills:
        result.problems.append(f"{len(kills)} of {plan.kills} kills were made")
    for kill in kills:  # each by the disk that it concerns
        following = min((k.at for k in kills if k.at > kill.at), default=report.end)
        answers = files if kill.victim == "disk1" else raw
        result.kills += check.measure([kill], answers, following)


def run(plan: Plan) -> Result:
    home = Path("/dev/shm") if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="tessera.kills.", dir=home) as name:
        folder = Path(name)
        disks = make_disks(folder, plan)
        text = describe(plan, disks, ramdisk(folder))
        with system(text, *ICOUNT, attached=disks, iommu=plan.iommu) as console:
            status = console.wait(600 + 20 * plan.kills)
            result = Result(console.text, console.logged())
        if status != 33:
            result.problems.append(f"QEMU ended with status {status}")
        look(result, plan, disks, folder)
    return result


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--every", type=int, default=40_000, metavar="MICROSECONDS")
    parser.add_argument("--victims", default=",".join(VICTIMS))
    parser.add_argument("--model", default="virtio-blk")
    parser.add_argument("--iommu", action="store_true")
    parser.add_argument("--log", type=Path, help="keep the log and the console here")
    words = parser.parse_args()
    build.system()
    plan = Plan(words.kills, words.seed, words.every, tuple(words.victims.split(",")),
                (words.model, words.model), iommu=words.iommu)
    result = run(plan)
    if words.log:
        words.log.write_text(f"{result.console}\n--- log\n{result.log}")
    print(f"seed {plan.seed}: {len(result.kills)} of {plan.kills} kills felt by a guest at work, "
          f"{result.answers} answers")
    print(check.table(result.kills))
    print("\n".join(result.problems) or "nothing lost, torn or doubled")
    return 1 if result.problems else 0


if __name__ == "__main__":
    sys.exit(main())
