# SPDX-License-Identifier: BSD-2-Clause
"""The core on the machine itself: what it refuses, how it panics, what it maps."""

import re
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

from tests.support import build_dir

TIMEOUT = 60


def run(wanted: str, *options: str, monitor: str = "", answer: str = "") -> tuple[str, str]:
    """Start the core with nothing but root until its log has `wanted`. Then give
    `monitor` to QEMU's monitor until that (or the log) has `answer`. The log, and
    what the monitor said."""
    folder = build_dir()
    with tempfile.TemporaryDirectory() as scratch:
        log, said = Path(scratch) / "log", Path(scratch) / "said"
        log.touch()
        with open(said, "wb") as output:
            process = subprocess.Popen(
                ["qemu-system-x86_64", "-nodefaults", "-display", "none", "-no-reboot",
                 "-accel", "tcg", "-cpu", "max", "-m", "64", "-serial", f"file:{log}",
                 "-monitor", "stdio", "-kernel", folder / "kernel" / "core.elf",
                 "-initrd", f"{folder / 'servers' / 'root' / 'root.bin'} root", *options],
                stdin=subprocess.PIPE, stdout=output, stderr=subprocess.STDOUT,
            )
            try:
                deadline = time.monotonic() + TIMEOUT
                while wanted not in log.read_text(errors="replace"):
                    assert time.monotonic() < deadline, log.read_text(errors="replace")
                    time.sleep(0.2)
                if monitor:
                    assert process.stdin
                    process.stdin.write(monitor.encode() + b"\n")
                    process.stdin.flush()
                while not any(answer in path.read_text(errors="replace") for path in (log, said)):
                    assert time.monotonic() < deadline, said.read_text(errors="replace")
                    time.sleep(0.2)
                time.sleep(0.5)
            finally:
                process.kill()
                process.wait()
                if process.stdin:
                    process.stdin.close()
        return log.read_text(errors="replace").replace("\r", ""), said.read_text(errors="replace")


class Refused(unittest.TestCase):
    """A machine that will not do: one line that says which part is missing."""

    def refuse(self, words: str, *options: str) -> None:
        log, _ = run("cannot start", *options)
        self.assertRegex(log, f"core: cannot start: .*{words}")
        self.assertNotIn("PANIC", log)

    def test_32_bits(self) -> None:
        self.refuse("long mode", "-cpu", "qemu32")

    def test_no_nx(self) -> None:
        self.refuse("no-execute", "-cpu", "max,-nx")

    def test_no_syscall(self) -> None:
        self.refuse("SYSCALL", "-cpu", "max,-syscall")

    def test_no_apic(self) -> None:
        self.refuse("local APIC", "-cpu", "max,-apic")

    def test_no_memory(self) -> None:
        self.refuse("not enough memory: the core needs [0-9]+ MiB", "-m", "4")

    def test_no_root(self) -> None:
        core = build_dir() / "kernel" / "core.elf"
        self.refuse("no module named root", "-initrd", f"{core} core")

    def test_root_is_no_program(self) -> None:
        core = build_dir() / "kernel" / "core.elf"
        self.refuse("root is not a native image", "-initrd", f"{core} root")


class Accepted(unittest.TestCase):
    def test_no_pge(self) -> None:
        """Global pages are of use only where there are PCIDs."""
        log, _ = run("root: ", "-cpu", "max,-pge")
        self.assertNotIn("cannot start", log)


class Panic(unittest.TestCase):
    def test_report(self) -> None:
        """A machine check: registers, whose turn it was, names of functions."""
        log, _ = run(
            "root: ", monitor="mce -b 0 1 0xbe00000000000000 0x5 0 0", answer="backtrace:"
        )
        self.assertIn("PANIC of the core: exception 18 (#MC), error 0", log)
        self.assertRegex(log, r"cpu 0, (domain 0 \(root\), vcpu 0|no domain)")
        self.assertRegex(log, r"rax [0-9a-f]{16} rbx [0-9a-f]{16}")
        self.assertRegex(log, r"cr2 [0-9a-f]+ cr3 [0-9a-f]+")
        self.assertRegex(log, r"at:\n  [0-9a-f]{16}")


class Pages(unittest.TestCase):
    def test_nothing_is_writable_and_executable(self) -> None:
        """In `info tlb`, X stands for no-execute, W for writable."""
        _, said = run("root: ", monitor="info tlb\nquit", answer="ffff83")
        entries = re.findall(r"^([0-9a-f]{16}): ([0-9a-f]{16}) (\S{9})$", said, re.MULTILINE)
        core = [entry for entry in entries if entry[0].startswith("ffff82")]
        text = {frame for _, frame, flags in core if not flags.startswith("X")}
        self.assertGreater(len(entries), 1000)
        self.assertGreater(len(text), 20)
        for address, frame, flags in entries:
            self.assertTrue(flags.startswith("X") or "W" not in flags, address)
            if frame in text:
                self.assertNotIn("W", flags, f"text at {frame} is writable at {address}")


if __name__ == "__main__":
    unittest.main()
