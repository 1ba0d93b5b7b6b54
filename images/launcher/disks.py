# SPDX-License-Identifier: BSD-2-Clause
"""Disks of the machine that QEMU makes: which file, as which device.

A file is raw unless it starts as a qcow2 image does or the user names the format;
QEMU is told, and never guesses from what a guest wrote. With an IOMMU the machine
is a q35 whose devices all go through it.
"""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Sequence

import debian
import diskimage

from . import packages
from .paths import Failure, cache_dir, out_dir

BAD_ARGUMENTS = 2
MODELS = {"virtio-blk": "virtio_blk", "ahci": "ahci", "nvme": "nvme"}  # and their drivers
FORMATS = ("raw", "qcow2")
MACHINES = ("pc", "q35")
BUILT = "built:debian"


@dataclass
class Disk:
    """A disk of the machine."""

    file: Path
    model: str = "virtio-blk"
    readonly: bool = False
    format: str = "raw"

    def blockdev(self, node: str) -> str:
        """The argument of -blockdev. As JSON, so that any file name will do."""
        # QEMU's ATA disks insist on being writable; the disk server is not asked to write.
        readonly = self.readonly and self.model != "ahci"
        common = {"read-only": readonly, "discard": "unmap"}
        file = {"driver": "file", "filename": str(self.file.absolute()), **common}
        return json.dumps({"driver": self.format, "node-name": node, "file": file, **common})


def parse(word: str) -> Disk:
    """FILE[,driver=MODEL][,format=FORMAT][,ro]. Raises Failure."""
    name, *options = word.split(",")
    disk = Disk(Path(name))
    given = ""
    for option in options:
        key, _, value = option.partition("=")
        if option == "ro":
            disk.readonly = True
        elif key == "driver" and value in MODELS:
            disk.model = value
        elif key == "format" and value in FORMATS:
            disk.format = given = value
        else:
            raise Failure(
                f'--disk: found "{option}", expected ro, driver={"|".join(MODELS)} or '
                f'format={"|".join(FORMATS)}', BAD_ARGUMENTS,
            )
    if not disk.file.is_file() and not disk.file.is_block_device():
        raise Failure(f"--disk: {name} is no file", BAD_ARGUMENTS)
    if not given:
        disk.format = image_format(disk.file)
    return disk


def image_format(path: Path) -> str:
    try:
        return diskimage.file_format(path)
    except diskimage.DiskError as error:
        raise Failure(str(error)) from error


def machine_type(kind: str, iommu: bool) -> str:
    return "q35,kernel-irqchip=off" if iommu else kind


def qemu_arguments(disks: Sequence[Disk], iommu: bool) -> list[str]:
    """QEMU's devices, one controller each, in this order on the bus."""
    found = ["-device", "intel-iommu,intremap=on"] if iommu else []
    for number, disk in enumerate(disks):
        node, bus = f"disk{number}", f"controller{number}"
        found += ["-blockdev", disk.blockdev(node)]
        if disk.model == "virtio-blk":
            platform = ",iommu_platform=on,disable-legacy=on" if iommu else ""
            found += ["-device", f"virtio-blk-pci,drive={node}{platform}"]
        elif disk.model == "ahci":
            found += ["-device", f"ahci,id={bus}", "-device", f"ide-hd,bus={bus}.0,drive={node}"]
        else:
            found += ["-device", f"nvme,drive={node},serial={node}"]
    return found


# --- The Debian disk ---


def debian_image() -> Path:
    """The pristine Debian disk, made if it is not in the cache."""
    packages.require("disk")
    try:
        return debian.image(cache_dir())
    except debian.MakeError as error:
        raise Failure(f"the Debian disk cannot be made: {error}") from error


def copy(source: Path, output: Path) -> Path:
    """A copy that stays sparse. `output` appears whole or not at all."""
    output.parent.mkdir(parents=True, exist_ok=True)
    temporary = output.with_suffix(".new")
    done = subprocess.run(
        ["cp", "--sparse=always", "--reflink=auto", source, temporary],
        capture_output=True, text=True, check=False,
    )
    if done.returncode:
        raise Failure(done.stderr.strip())
    temporary.replace(output)
    return output
