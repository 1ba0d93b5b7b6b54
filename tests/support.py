# SPDX-License-Identifier: BSD-2-Clause
"""What Python tests share: booting guests as a user would, and talking to them."""

import contextlib
import functools
import os
import re
import signal
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator, Optional, Sequence

from describe import program_finder
from description import compile_text
from launcher import build, disks, launch, machine, nets
from launcher.paths import TOP, out_dir

COMMAND = str(TOP / "tessera")

# The guest kernels that must boot, by the packages they come from.
DEBIAN_KERNELS = {
    "6.1_cloud": "linux-image-cloud-amd64",
    "6.1_full": "linux-image-amd64",
    "6.12_cloud": "linux-image-6.12-cloud-amd64",
    "6.12_full": "linux-image-6.12-amd64",
}
GRUB = "grub-xen-host"


@functools.cache
def package(name: str) -> Path:
    """The kernel of a package, fetched once."""
    return build.fetched(name)


@functools.cache
def busybox() -> Path:
    return build.busybox_initrd()


@functools.cache
def disk_initrd(package_name: str = DEBIAN_KERNELS["6.1_cloud"]) -> Path:
    """BusyBox and the driver for virtual disks, for the kernel of this package."""
    return build.disk_initrd(package_name)


@functools.cache
def net_initrd(package_name: str = DEBIAN_KERNELS["6.1_cloud"]) -> Path:
    """The same with the driver for virtual networks; ip=dhcp on the command line asks for
    addresses, and /etc/dhcp is udhcpc's script."""
    return build.net_initrd(package_name)


def build_dir() -> Path:
    """The freestanding build, as the runner made it."""
    return build.build_dir()


@dataclass
class Booted:
    """How a `./tessera boot` ended."""

    status: int
    console: str  # standard output: the guest's console, CRLF made LF
    errors: str  # standard error
    log: str  # of the core and root

    def __str__(self) -> str:
        return (
            f"status {self.status}\n--- console\n{self.console[-3000:]}\n"
            f"--- errors\n{self.errors}\n--- log\n{self.log[-3000:]}"
        )


def _arguments(guest: Path, log: str, options: Sequence[str]) -> list[str]:
    return [COMMAND, "boot", "--guest", str(guest), "--log", log, *options]


def boot(
    guest: Path, *options: str, initrd: Optional[Path] = None, cmdline: str = "",
    memory: str = "256M", timeout: float = 60,
) -> Booted:
    """Boot a guest to its end; nothing is typed."""
    words = ["--memory", memory, "--timeout", str(timeout), f"--cmdline={cmdline}", *options]
    if initrd is not None:
        words += ["--initrd", str(initrd)]
    with tempfile.NamedTemporaryFile(prefix="tessera.log.") as log:
        result = subprocess.run(
            _arguments(guest, log.name, words), stdin=subprocess.DEVNULL, capture_output=True,
            timeout=timeout + 60, check=False,
        )
        text = log.read().decode(errors="replace")
    return Booted(
        result.returncode,
        result.stdout.decode(errors="replace").replace("\r\n", "\n"),
        result.stderr.decode(errors="replace"),
        text,
    )


class Session:
    """A program on whose console a test types: send, expect, wait."""

    def __init__(self, command: Sequence[str | Path]):
        self.text = ""
        self.log: Optional[Path] = None  # of the core and root, while it runs
        self.seen = 0  # expect() looks only behind this
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            start_new_session=True, cwd=TOP,
        )
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *_: object) -> None:
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        self.reader.join(5)
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                stream.close()

    def _read(self) -> None:
        assert self.process.stdout is not None
        while True:
            data = os.read(self.process.stdout.fileno(), 1 << 16)
            if not data:
                return
            self.text += data.decode(errors="replace").replace("\r", "")

    def send(self, text: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def expect(self, pattern: str, timeout: float = 60) -> "re.Match[str]":
        """Wait for `pattern` behind what was found before."""
        deadline = time.monotonic() + timeout
        while True:
            alive = self.reader.is_alive()
            match = re.compile(pattern, re.MULTILINE).search(self.text, self.seen)
            if match:
                self.seen = match.end()
                return match
            if time.monotonic() > deadline or not alive:
                text = f"waited in vain for {pattern!r}; the console ends with:\n"
                raise AssertionError(text + self.text[-3000:])
            time.sleep(0.05)

    def wait(self, timeout: float = 60) -> int:
        return self.process.wait(timeout)

    def logged(self) -> str:
        """The log so far."""
        if self.log is None or not self.log.exists():
            return ""
        return self.log.read_text(errors="replace").replace("\r", "")

    def expect_log(self, pattern: str, timeout: float = 150, behind: int = 0) -> "re.Match[str]":
        """Wait until the log has `pattern` behind that place; the whole log is .string."""
        wanted = re.compile(pattern, re.MULTILINE)
        deadline = time.monotonic() + timeout
        while True:
            ended = self.process.poll() is not None or time.monotonic() > deadline
            match = wanted.search(log := self.logged(), behind)
            if match:
                return match
            if ended:
                text = f"waited in vain for {pattern!r}; the log ends with:\n{log[-5000:]}"
                raise AssertionError(f"{text}\nand the console with:\n{self.text[-3000:]}")
            time.sleep(0.1)


def session(
    guest: Path, *options: str, initrd: Optional[Path] = None, timeout: float = 120
) -> Session:
    """Boot a guest and stay at its console."""
    words = ["--timeout", str(timeout), *options]
    if initrd is not None:
        words += ["--initrd", str(initrd)]
    return Session([COMMAND, "boot", "--guest", str(guest), *words])


@contextlib.contextmanager
def system(
    description: str, *extra: str, attached: Sequence[disks.Disk] = (), kind: str = "pc",
    iommu: bool = False, cards: Sequence[nets.Net] = (), cpus: int = 1, icount: bool = False,
    built: Optional[Path] = None,
) -> Iterator[Session]:
    """A whole described system without an ISO; the session is its first serial line.
    The description's log must be com2: it is in session.log while the system runs.
    launcher.minimal makes descriptions; attached: the disks of the machine; cards: its networks;
    built: where the programs are, if elsewhere."""
    built = built or build_dir()
    with build.workspace() as name:
        folder = Path(name)
        compiled = compile_text(description, "test", TOP / "images", program_finder(built))
        launch.stage_kernels(compiled, folder)
        modules = launch.stage(compiled, built, folder)
        parts = machine.Machine(
            launch.memory_mib(compiled, launch.size_of(modules)),
            folder / "log",
            launch.multiboot(compiled, built, modules),
            machine=disks.machine_type(kind, iommu),
            cpus=cpus,
            icount=icount,
            extra=disks.qemu_arguments(attached, iommu) + nets.qemu_arguments(cards, iommu)
            + list(extra),
        )
        with Session(parts.arguments(terminal=False)) as console:
            console.log = folder / "log"
            yield console
