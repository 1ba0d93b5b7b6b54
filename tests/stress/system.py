# SPDX-License-Identifier: BSD-2-Clause
"""Everything that vCPUs, page tables, events, grants and memory go through, at once: eight
Linux guests (guest.sh) with three vCPUs each on four CPUs, and one that looks for lost
wake-ups (watch.c), on a core and native domains whose undefined behaviour is an exception.

Afterwards every guest has done some of each kind of work, as it counted itself, every domain
has ended by itself, nobody else has died, and the machine has as
much free memory as before: the core takes a domain's frames back only if nothing refers to
them any more, so every count came out even.
"""

import re
import stat
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import initrd
from control.client import Client
from launcher import build, minimal
from launcher.nets import NO_CARD, Net
from launcher.paths import out_dir
from tests import manage
from tests.bench.blk import ramdisk
from tests.support import DEBIAN_KERNELS, package, system

GUESTS, VCPUS, CPUS = 8, 3, 4
MEMORY = "256M"
SANITIZE = "['-fsanitize=undefined', '-fsanitize-undefined-trap-on-error']"
KINDS = ("vm", "fork", "talks", "plugs", "breaths", "bytes")
LEAST = 600  # seconds in which a guest does each kind of work at least once, on a busy machine
SLACK = 900  # seconds that everything besides the stress may take, on a busy machine
POLICY = "sched_bvt"
SCRIPT = Path(__file__).parent / "guest.sh"
WORDS = re.compile(r"^(?:\w+\| )?stress (\d+): (.*)$", re.M)
WATCHED = re.compile(r"watch: (\d+) rounds of \d+ vCPUs, longest wait (\d+) us")


@dataclass
class Result:
    """What the guests said, and what was wrong."""

    said: dict[int, str] = field(default_factory=dict)
    watched: str = ""
    free: tuple[int, int] = (0, 0)  # bytes, before and after
    problems: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return "\n".join([f"guest {n}: {words}" for n, words in sorted(self.said.items())]
                         + [self.watched] + self.problems)


def sanitized() -> Path:
    """The system, with undefined behaviour made an exception; the build folder."""
    folder = out_dir() / "sanitized"
    build.make(folder, ["--cross-file", build.CROSS, f"-Dc_args={SANITIZE}"], {})
    return folder


def _ramdisk(folder: Path) -> Path:
    added = initrd.Archive()
    added.add("bin/stress", stat.S_IFREG | 0o755, SCRIPT.read_bytes())
    output = folder / "initrd"
    output.write_bytes(
        build.net_initrd(DEBIAN_KERNELS["6.1_cloud"]).read_bytes()
        + ramdisk.added(ramdisk.Files(), ["usr/bin/stress-ng", "usr/bin/hackbench"], {}, {})
        + added.finish()
    )
    return output


def describe(built: Path, seconds: int, folder: Path, guests: int = GUESTS) -> str:
    kernel, ramdisk_path = package(DEBIAN_KERNELS["6.1_cloud"]), _ramdisk(folder)
    net = Net(NO_CARD)
    parts = []
    for number in range(guests):
        command = f'quiet norandmaps tessera.run="/bin/stress {number} {seconds}"'
        parts += [
            minimal.guest(f"g{number}", kernel=kernel, initrd=ramdisk_path, memory=MEMORY,
                          vcpus=VCPUS, cmdline=command) + "autostart = false\n",
            minimal.vif(f"g{number}", net, addresses=[f"10.8.0.{number + 1}"]),
        ]
    # Root's own page tables grow with the first large image that it loads, and stay.
    parts.append(minimal.guest("first", kernel=kernel, initrd=ramdisk_path, memory=MEMORY,
                               cmdline="quiet tessera.run=true") + "autostart = false\n")
    watch = built / "tests" / "stress" / "watch.elf"
    parts.append(minimal.guest("watch", kernel=watch, memory="32M", vcpus=CPUS,
                               cmdline=f"until={seconds + 60}") + "autostart = false\n")
    return minimal.describe(manage.operator(), minimal.PCI, *parts, name="stress", policy=POLICY,
                            nets=[net], exits=False)


def _wait(operator: Client, names: set[str], deadline: float) -> set[str]:
    """Until they have ended; who has not."""
    left = set(names)
    while left and time.monotonic() < deadline:
        time.sleep(1)
        left = {item["name"] for item in operator.items("ps")
                if item["name"] in names and item["state"] not in ("idle", "ended")}
    return left


def _worked(words: str, seconds: int) -> list[str]:
    """What a guest, by its last words, has done too little of."""
    done = {kind: int(count) for count, kind in re.findall(r"(\d+) (\w+)", words)}
    least = max(1, seconds // LEAST)
    return [f"{done.get(kind, 0)} {kind}, not {least} in {seconds} s"
            for kind in KINDS if done.get(kind, 0) < least]


def judge(result: Result, text: str, log: str, guests: int, seconds: int) -> None:
    """What the guests' consoles and the machine's log show to be wrong."""
    for number, words in WORDS.findall(text):
        if words.startswith("ended"):
            result.said[int(number)] = words
            result.problems += [f"guest {number}: {what}" for what in _worked(words, seconds)]
        else:
            result.problems.append(f"guest {number}: {words}")
    if len(result.said) != guests:
        result.problems.append(f"{len(result.said)} of {guests} guests came to their end")
    seen = WATCHED.search(text)
    result.watched = seen[0] if seen else ""
    if not seen:
        result.problems.append("the guest that looks for lost wake-ups did not end well")
    elif int(seen[1]) < max(1, seconds // LEAST):
        result.problems.append(f"only {seen[1]} wake-ups were looked at")
    result.problems += re.findall(r"^.*(?:soft lockup|rcu: INFO).*$", text, re.M)
    result.problems += re.findall(r"^.*(?:crashed|PANIC|assert|does not answer).*$", log, re.M)
    if result.free[0] != result.free[1]:
        result.problems.append(f"{result.free[0]} bytes were free before, {result.free[1]} after")


def run(seconds: int, guests: int = GUESTS, keep: Path | None = None) -> Result:
    """So many seconds of stress in each guest; keep: where the log goes."""
    built = sanitized()
    result = Result()
    with tempfile.TemporaryDirectory(prefix="tessera.") as name:
        folder = Path(name)
        with system(describe(built, seconds, folder, guests), *manage.arguments(folder),
                    cpus=CPUS, built=built) as console:
            console.expect_log("is up", SLACK)
            operator = Client(folder / "operator", SLACK)
            operator.request("start", name="first")
            result.problems += [f"{guest} has not ended" for guest in
                                _wait(operator, {"first"}, time.monotonic() + SLACK)]
            free = int(operator.request("system")["free"])
            names = {"watch", *(f"g{number}" for number in range(guests))}
            for guest in sorted(names):
                operator.request("start", name=guest)
            left = _wait(operator, names, time.monotonic() + seconds + 2 * SLACK)
            result.problems += [f"{guest} has not ended" for guest in sorted(left)]
            result.free = (free, int(operator.request("system")["free"]))
            died = [item for item in operator.items("ps")
                    if item["kind"] == "native" and item["failures"]]
            result.problems += [f"{item['name']} died" for item in died]
            log = console.logged()
            text = console.text
    if keep:
        keep.write_text(f"{text}\n--- log\n{log}")
    judge(result, text, log, guests, seconds)
    return result
