# SPDX-License-Identifier: BSD-2-Clause
"""One run of QEMU: what the machine is made of, and how its end is understood.

COM1 is the guest's console and belongs to the caller; COM2 carries the log of
the core and of root into a file, where the reason of an end is found. root
leaves through isa-debug-exit; a core that panics says so in its log and stops.
"""

import re
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Optional

QEMU = "qemu-system-x86_64"
EXIT_PORT = 0xF4
POLL_SECONDS = 0.1
ESCAPE = "0x1d"  # Ctrl-]
PANIC = "PANIC of the core"
REFUSED = "core: cannot start: "
TIMEOUT_STATUS = 124

# MiB of translated code that QEMU keeps. A process has its libraries where no other has them, and
# QEMU translates them once more for it: with the 1 GiB that it takes by itself some pages of a
# guest have so many translations after a thousand processes that each store into them takes
# tenths of a second, and the core clears all pages of a guest that has ended.
TRANSLATIONS = 128

# What root writes to the exit port when the last guest has ended.
END_POWEROFF, END_CRASHED, END_REBOOT, END_NOT_BUILT = 0x10, 0x11, 0x12, 0x13


@dataclass
class Machine:
    """The parts of a QEMU command line that differ between runs."""

    memory_mib: int
    log: Path
    boot: list[str]  # -kernel ... or -cdrom ...
    cpu: str = "max"
    machine: str = "pc"
    cpus: int = 1
    icount: bool = False
    extra: list[str] = field(default_factory=list)

    def arguments(self, terminal: bool) -> list[str]:
        """`terminal`: someone sits at the console, and wants the keys to leave QEMU."""
        console = "stdio,id=com1,signal=off"
        if terminal:
            console += ",mux=on"  # Ctrl-] and then x leaves; Ctrl-A is the console server's
        found = [
            QEMU, "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none",
            "-machine", self.machine, "-cpu", self.cpu, "-m", str(self.memory_mib),
            "-smp", str(self.cpus), "-accel", f"tcg,tb-size={TRANSLATIONS}",
            "-echr", ESCAPE, "-chardev", console, "-serial", "chardev:com1",
            "-chardev", f"file,id=com2,path={str(self.log).replace(',', ',,')}",
            "-serial", "chardev:com2",
            "-device", f"isa-debug-exit,iobase={EXIT_PORT:#x},iosize=4",
        ]
        if self.icount:
            found += ["-icount", "shift=0,sleep=off,align=off"]
            found += ["-rtc", "base=2024-01-01,clock=vm", "-seed", "1"]
        return found + self.boot + self.extra


@dataclass
class End:
    """How a run ended: the exit status of the command, and why in the user's words."""

    status: int
    reason: str = ""


def _read_log(log: Path) -> str:
    try:
        return log.read_text(encoding="utf-8", errors="replace").replace("\r", "")
    except FileNotFoundError:
        return ""


def _root_says(log: str, pattern: str) -> str:
    """The lines of root that match, without its name."""
    found = re.findall(rf"^.*root: ({pattern})$", log, re.MULTILINE)
    return "\n".join(found)


def understand(code: int, log: str) -> End:
    """What an exit status of QEMU and the log mean together."""
    if REFUSED in log:
        return End(1, log[log.index(REFUSED) :].rstrip())
    if PANIC in log:
        return End(1, "the core panicked:\n" + log[log.index(PANIC) :].rstrip())
    value = code >> 1 if code > 0 and code & 1 else None
    if value == END_POWEROFF:
        return End(0)
    if value == END_CRASHED:
        return End(1, _root_says(log, "guest .*: (?:crashed|cannot be built): .*") or "it crashed")
    if value == END_REBOOT:
        return End(0)
    if value == END_NOT_BUILT:
        said = _root_says(log, ".*")
        return End(1, "root could not build the system:\n" + (said or log.rstrip()))
    if code == 0:
        return End(1, "the machine stopped before the guest did" + _tail(log))
    if code < 0:
        return End(1, f"QEMU was ended by signal {-code}" + _tail(log))
    return End(1, f"QEMU ended with status {code}" + _tail(log))


def _tail(log: str) -> str:
    lines = log.strip().splitlines()[-5:]
    return "; the log ends with:\n" + "\n".join(lines) if lines else ""


def _wait(
    process: "subprocess.Popen[bytes]", log: Path, deadline: Optional[float]
) -> Optional[int]:
    """QEMU's exit status; None at the deadline. A panic is given time to be told."""
    while True:
        try:
            return process.wait(POLL_SECONDS)
        except subprocess.TimeoutExpired:
            pass
        text = _read_log(log)
        if PANIC in text or REFUSED in text:
            time.sleep(1)
            process.kill()
            return process.wait()
        if deadline is not None and time.monotonic() >= deadline:
            return None


def run(machine: Machine, timeout: Optional[float]) -> End:
    """Run to the end, to a panic, or to the timeout. The caller's streams are COM1."""
    terminal = sys.stdin is not None and sys.stdin.isatty()
    stdin = None if sys.stdin is not None else subprocess.DEVNULL
    deadline = None if timeout is None else time.monotonic() + timeout
    machine.log.write_bytes(b"")
    try:
        process = subprocess.Popen(machine.arguments(terminal), stdin=stdin)
    except FileNotFoundError:
        return End(1, f"there is no {QEMU}")
    try:
        code = _wait(process, machine.log, deadline)
        if code is None:
            return End(TIMEOUT_STATUS, f"still running after {timeout:g} seconds")
    except KeyboardInterrupt:
        return End(130, "interrupted")
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    return understand(code, _read_log(machine.log))
