# SPDX-License-Identifier: BSD-2-Clause
"""Disks of the machine that QEMU makes: which file, as which device.

A file is raw unless it starts as a qcow2 image does or the user names the format;
QEMU is told, and never guesses. (A guest that writes that magic into its raw disk
gets a disk that does not open the next time: say format=raw then.) With an IOMMU
the machine is a q35 whose devices all go through it.
"""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Sequence

import debian
import diskimage
from description.binary import Compiled
from description.machine import Attached, inside

from . import packages
from .paths import Failure, alone, cache_dir, out_dir

BAD_ARGUMENTS = 2
MODELS = {"virtio-blk": "virtio_blk", "ahci": "ahci", "nvme": "nvme"}  # and their drivers
FORMATS = ("raw", "qcow2")
MACHINES = ("pc", "q35")


@dataclass
class Disk:
    """A disk of the machine."""

    file: Path
    model: str = "virtio-blk"
    readonly: bool = False
    format: str = "raw"
    driver: str = ""  # disks of one driver share a controller
    number: int = 0  # there

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
    """QEMU's devices in this order on the bus, one controller for each driver."""
    found = ["-device", "intel-iommu,intremap=on"] if iommu else []
    controllers: dict[str, str] = {}
    for number, disk in enumerate(disks):
        node = f"disk{number}"
        found += ["-blockdev", disk.blockdev(node)]
        if disk.model == "virtio-blk":
            if disk.number:
                raise Failure(f"{disk.driver}:{disk.number}: a virtio-blk device is one disk")
            platform = ",iommu_platform=on,disable-legacy=on" if iommu else ""
            found += ["-device", f"virtio-blk-pci,drive={node}{platform}"]
            continue
        bus = controllers.get(disk.driver or node)
        if bus is None:
            bus = controllers[disk.driver or node] = f"controller{number}"
            serial = ",serial=tessera" if disk.model == "nvme" else ""
            found += ["-device", f"{disk.model},id={bus}{serial}"]
        place = f"bus={bus}.{disk.number}" if disk.model == "ahci" else f"nsid={disk.number + 1}"
        unit = "ide-hd" if disk.model == "ahci" else f"nvme-ns,bus={bus}"
        found += ["-device", f"{unit},{place},drive={node}"]
    return found


# --- The Debian disk ---


def debian_image() -> Path:
    """The pristine Debian disk, made if it is not in the cache, once if many ask."""
    packages.require("disk")
    output = debian.cached(cache_dir())
    with alone(output):
        try:
            if not output.is_file():
                print("tessera: making the Debian disk", file=sys.stderr)
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


# --- The disks of a description ---


def attached(compiled: Compiled, name: str, given: Sequence[str]) -> list[Disk]:
    """The disks that a description's system needs, in order. name: of the system, for its
    own copies of built disks; given: DISK=FILE[,...] of the command line."""
    others = {}
    for word in given:
        place, _, options = word.partition("=")
        others[place if ":" in place else f"{place}:0"] = options
    found = []
    for entry in compiled.machine.disks:
        options = others.pop(str(entry.place), None)
        if options is not None:
            disk = parse(options)
            disk.model = disk.model if "driver=" in options else entry.model
        else:
            path = _own_copy(name, entry) if entry.source.startswith("built:") else None
            path = path or Path(entry.source)
            disk = Disk(path, entry.model, entry.readonly, image_format(path))
        disk.driver, disk.number = entry.place.driver, entry.place.number
        found.append(disk)
    if others:
        known = ", ".join(str(entry.place) for entry in compiled.machine.disks) or "none"
        raise Failure(
            f"--disk: found {next(iter(others))}, expected a disk that [machine] names: {known}",
            BAD_ARGUMENTS,
        )
    return found


def _own_copy(name: str, entry: Attached) -> Path:
    """The system's copy of a built disk; it stays until it is deleted."""
    path = out_dir() / f"{name}-{entry.place.driver}-{entry.place.number}.img"
    return path if path.is_file() else copy(debian_image(), path)


def take_out(compiled: Compiled, disks: Sequence[Disk], folder: Path) -> None:
    """Copy the kernels and initrds that are on disks into `folder`, and name them there."""
    for module in compiled.modules:
        if not module.source.startswith("disk:"):
            continue
        place, path = inside(module.source)
        disk = next(
            disk for disk in disks
            if place is not None and (disk.driver, disk.number) == (place.driver, place.number)
        )
        output = folder / f"{module.name}.found"
        try:
            diskimage.extract(disk.file, path, output)
        except diskimage.DiskError as error:
            raise Failure(f"{module.source}: {error}") from error
        module.source = str(output)
