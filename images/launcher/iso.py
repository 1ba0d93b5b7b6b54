# SPDX-License-Identifier: BSD-2-Clause
"""The bootable image: GRUB and multiboot 2, for BIOS and UEFI, CD and USB disk.

GRUB is assembled from its modules directly instead of by grub-mkrescue, which
insists on every platform that happens to be installed: so only what is needed
is on the image, and two builds of the same commit are identical byte by byte.
Dates are those of the last commit (or SOURCE_DATE_EPOCH).
"""

import os
import subprocess
import time
from pathlib import Path
from typing import Sequence

from describe import program_finder
from description import DescriptionError, compile_file, compile_text
from description.binary import Compiled

from . import build, capture, disks, launch
from .paths import TOP, Failure

MODULES = ["normal", "configfile", "search", "search_fs_file", "iso9660", "part_msdos", "part_gpt"]
MODULES += ["multiboot2", "all_video"]
GRUB = Path("/usr/lib/grub")
WITHOUT_HISTORY = 1700000000  # the date of an archive that is no clone
FAT_SERIAL = "54455353"  # any fixed number
FAT_KILOBYTES = 1440

EARLY = """\
search --no-floppy --file --set=root /boot/core.elf
set prefix=($root)/boot/grub
configfile /boot/grub/grub.cfg
"""


def _epoch() -> int:
    if "SOURCE_DATE_EPOCH" in os.environ:
        return int(os.environ["SOURCE_DATE_EPOCH"])
    try:
        said = subprocess.run(
            ["git", "-C", TOP, "log", "-1", "--format=%ct"],
            capture_output=True, text=True, check=True,
        ).stdout
        return int(said)
    except (OSError, subprocess.CalledProcessError, ValueError):
        return WITHOUT_HISTORY


def _step(command: list[str | Path], epoch: int) -> None:
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(epoch), "TZ": "UTC", "LC_ALL": "C"}
    try:
        result = subprocess.run(
            command, capture_output=True, text=True, check=False, env=environment
        )
    except FileNotFoundError as error:
        raise Failure(f"the program {command[0]} is missing") from error
    if result.returncode:
        raise Failure(f"{command[0]} failed: {result.stderr.strip()}")


def compile_description(
    path: Path, built: Path, captured: bool = False, more: str = ""
) -> Compiled:
    """captured: with the domains that bring packets to a serial line. more: is added to it."""
    try:
        compiled = compile_file(path, program_finder(built))
        if captured or more:
            text = path.read_text(encoding="utf-8")
            text = (capture.added(text, str(path)) if captured else text) + more
            compiled = compile_text(text, str(path), path.parent, program_finder(built))
        return compiled
    except DescriptionError as error:
        raise Failure(str(error)) from error


def _grub_cfg(compiled: Compiled, names: list[str]) -> str:
    lines = [
        "set timeout=0",
        f'menuentry "Tessera: {compiled.name}" {{',
        f"    multiboot2 /boot/core.elf log={compiled.log}",
        *(f"    module2 /boot/{name} {name}" for name in names),
        "}",
    ]
    return "\n".join(lines) + "\n"


def _stage_grub(folder: Path, boot: Path, epoch: int) -> None:
    early, efi, fat = folder / "early.cfg", folder / "bootx64.efi", boot / "efi.img"
    early.write_text(EARLY, encoding="ascii")
    common: list[str | Path] = ["-p", "/boot/grub", "-c", early]
    for target, output, extra in (
        ("i386-pc-eltorito", boot / "bios.img", ["biosdisk"]),
        ("x86_64-efi", efi, []),
    ):
        _step(["grub-mkimage", "-O", target, *common, "-o", output, *extra, *MODULES], epoch)
    os.utime(efi, (epoch, epoch))
    _step(["mformat", "-C", "-i", fat, "-f", str(FAT_KILOBYTES), "-N", FAT_SERIAL, "::"], epoch)
    _step(["mmd", "-i", fat, "::/EFI", "::/EFI/BOOT"], epoch)
    _step(["mcopy", "-m", "-i", fat, efi, "::/EFI/BOOT/BOOTX64.EFI"], epoch)


def _write(tree: Path, output: Path, epoch: int) -> None:
    for path in [tree, *tree.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
        os.utime(path, (epoch, epoch))
    date = time.strftime("%Y%m%d%H%M%S00", time.gmtime(epoch))
    temporary = output.with_suffix(".iso.new")
    _step(
        [
            "xorriso", "-as", "mkisofs", "-quiet", "-o", temporary, "-V", "TESSERA", "-r", "-J",
            f"--modification-date={date}", "--set_all_file_dates", "set_to_mtime",
            "-b", "boot/bios.img", "-no-emul-boot", "-boot-load-size", "4", "-boot-info-table",
            "--grub2-boot-info", "--grub2-mbr", GRUB / "i386-pc" / "boot_hybrid.img",
            "-eltorito-alt-boot", "-e", "boot/efi.img", "-no-emul-boot", "-isohybrid-gpt-basdat",
            tree,
        ],
        epoch,
    )
    temporary.replace(output)


def make(compiled: Compiled, attached: Sequence[disks.Disk], output: Path, built: Path) -> None:
    """Make the image of a system. Raises Failure; `output` appears whole or not at all."""
    epoch = _epoch()
    with build.workspace() as name:
        folder = Path(name)
        boot = folder / "tree" / "boot"
        (boot / "grub").mkdir(parents=True)
        disks.take_out(compiled, attached, folder)
        launch.stage_kernels(compiled, boot)
        modules = launch.stage(compiled, built, boot)
        _step(["objcopy", "--strip-all", build.core(built), boot / "core.elf"], epoch)
        grub_cfg = _grub_cfg(compiled, [module.name for module in modules])
        (boot / "grub" / "grub.cfg").write_text(grub_cfg, encoding="ascii")
        _stage_grub(folder, boot, epoch)
        output.parent.mkdir(parents=True, exist_ok=True)
        _write(folder / "tree", output, epoch)
