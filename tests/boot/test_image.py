# SPDX-License-Identifier: BSD-2-Clause
"""The bootable image: the same bytes each time, and every machine boots it."""

import functools
import json
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

from tests.support import COMMAND, TOP, Session, out_dir

UEFI = ["-drive", "if=pflash,format=raw,readonly=on,file=/usr/share/OVMF/OVMF_CODE.fd"]
BOCHS_BIOS = Path("/usr/share/bochs/BIOS-bochs-latest")
VGA_BIOS = Path("/usr/share/vgabios/vgabios.bin")
READY = "tessera guest ready"
BOCHS_SECONDS = 300


SMALL = TOP / "images" / "small.toml"  # a system without disks: every machine can boot it


def make(output: Path, *description: Path) -> Path:
    """The default system's image, or that of `description`."""
    result = subprocess.run(
        [COMMAND, "build", *description, "-o", output, "--json"], capture_output=True, text=True,
        check=False, timeout=600,
    )
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout) == {"image": str(output), "warnings": []}, result.stdout
    return output


@functools.cache
def image() -> Path:
    """One image for all tests of this run."""
    return make(out_dir() / "test.iso", SMALL)


class Build(unittest.TestCase):
    def test_two_builds_are_identical(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            first = make(Path(folder) / "first.iso").read_bytes()
            time.sleep(2)  # no date of today may be in it
            second = make(Path(folder) / "second.iso").read_bytes()
        self.assertTrue(first == second, "two builds of the same commit differ")

    def test_bad_description_makes_no_image(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            output = Path(folder) / "bad.iso"
            bad = TOP / "images" / "bad" / "irq-twice.toml"
            result = subprocess.run(
                [COMMAND, "build", bad, "-o", output], capture_output=True, text=True, check=False
            )
            self.assertEqual(result.returncode, 1)
            self.assertIn("irq-twice.toml:10: domain.console: irqs: found 4", result.stderr)
            self.assertFalse(list(Path(folder).iterdir()))


class Qemu(unittest.TestCase):
    """QEMU's two machines, by both firmwares, from a CD and from a disk."""

    def boot(self, machine: str, *options: str | Path) -> None:
        command: list[str | Path] = [
            "qemu-system-x86_64", "-nodefaults", "-display", "none", "-no-reboot", "-vga", "std",
            "-cpu", "max", "-m", "1G", "-machine", machine, "-serial", "stdio", "-serial", "null",
            "-device", "isa-debug-exit,iobase=0xf4,iosize=4", *options,
        ]
        with Session(command) as console:
            console.expect(READY, 180)
            console.expect("guest:/#")
            console.send("poweroff\n")
            self.assertEqual(console.wait(60), 33, console.text[-2000:])

    def test_pc_bios(self) -> None:
        self.boot("pc", "-cdrom", image())

    def test_q35_bios(self) -> None:
        self.boot("q35", "-cdrom", image())

    def test_pc_uefi(self) -> None:
        self.boot("pc", *UEFI, "-cdrom", image())

    def test_q35_uefi(self) -> None:
        self.boot("q35", *UEFI, "-cdrom", image())

    def test_disk_bios(self) -> None:
        self.boot("pc", "-drive", f"format=raw,snapshot=on,file={image()}")


BOCHS = """\
megs: 1024
cpu: model=corei7_skylake_x, count=1, ips=50000000, reset_on_triple_fault=0
romimage: file={bios}
vgaromimage: file={vga}
ata0: enabled=1
ata0-master: type=cdrom, path={image}, status=inserted
boot: cdrom
com1: enabled=1, mode=file, dev={folder}/com1
com2: enabled=1, mode=file, dev={folder}/com2
log: {folder}/log
panic: action=fatal
error: action=report
info: action=ignore
debug: action=ignore
display_library: term
clock: sync=none, time0=utc
"""


class Bochs(unittest.TestCase):
    """Bochs is stricter than QEMU about what a CPU accepts."""

    def test_bios(self) -> None:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "com1").touch()
            (folder / "debugger").write_text("c\n")
            text = BOCHS.format(bios=BOCHS_BIOS, vga=VGA_BIOS, image=image(), folder=folder)
            (folder / "bochsrc").write_text(text)
            # Debian's Bochs draws on a terminal and starts in its debugger.
            bochs = f"bochs -q -f {folder}/bochsrc -rc {folder}/debugger"
            with Session(["script", "-qc", bochs, "/dev/null"]):
                self.watch(folder)

    def watch(self, folder: Path) -> None:
        deadline = time.monotonic() + BOCHS_SECONDS
        while time.monotonic() < deadline:
            if READY.encode() in (folder / "com1").read_bytes():
                return
            time.sleep(0.5)
        said = {
            path.name: path.read_bytes()[-1500:].decode(errors="replace")
            for path in (folder / "com1", folder / "com2", folder / "log")
            if path.exists()
        }
        self.fail("\n".join(f"--- {name}\n{text}" for name, text in said.items()))
