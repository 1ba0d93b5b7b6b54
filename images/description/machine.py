# SPDX-License-Identifier: BSD-2-Clause
"""[machine]: what `./tessera run` makes of QEMU for this system. It is checked with
the rest and not encoded: on a real machine the devices are what they are.

A physical disk of the description is a driver and a number there ("disk0",
"disk1:2"); here it gets a file. Its model follows from what its driver looks for.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

from . import values
from .hardware import ANY, CLASSES, Place, place
from .report import Report, shown, suggestion, words
from .values import Parser, Wrong

if TYPE_CHECKING:
    from .schema import Entry, System

BUILT_DISKS = ("debian",)  # what "built:NAME" may name here
MODELS = ("virtio-blk", "ahci", "nvme")


@dataclass
class Attached:
    """A disk of the machine. source: "built:NAME" or a path."""

    place: Place
    source: str
    model: str
    readonly: bool


@dataclass
class Machine:
    """The machine that fits a description."""

    kind: str
    cpus: int
    iommu: bool
    disks: list[Attached]  # in the order of their drivers' devices


DISK_KEYS: dict[str, Parser] = {
    "file": values.file,
    "model": values.choice(*MODELS),
    "readonly": values.boolean,
}


def disks(value: Any) -> dict[Place, dict[str, Any]]:
    """{ disk0 = "built:debian", "disk1:1" = { file = "data.img", readonly = true } }"""
    if not isinstance(value, dict):
        raise Wrong('a table such as { disk0 = "built:debian" }')
    found = {}
    for name, content in value.items():
        where = place(name)
        given = content if isinstance(content, dict) else {"file": content}
        for key in given:
            if key not in DISK_KEYS:
                raise Wrong(f"only {words(DISK_KEYS)} in it, not {key}{suggestion(key, DISK_KEYS)}")
        if "file" not in given:
            raise Wrong("a file in each")
        try:
            found[where] = {key: DISK_KEYS[key](item) for key, item in given.items()}
        except Wrong as wrong:
            raise Wrong(f"{name} to be {wrong}, not {shown(content)}") from wrong
    return found


def inside(value: str) -> tuple[Optional[Place], str]:
    """disk:DISK/PATH: which disk (None if that is no place), and the path."""
    name, _, path = value.removeprefix("disk:").partition("/")
    try:
        return place(name), "/" + path
    except Wrong:
        return None, "/" + path


def _model(driver: "Entry", given: dict[str, Any]) -> str:
    """The word by which its driver looks for the device; empty if that is no model."""
    device = driver["device"]
    for name in MODELS:
        code, vendor, number, _ = CLASSES[name]
        same = (
            device.class_code == code if code is not None
            else (device.vendor, device.device) == (vendor, number)
        )
        if same:
            return given.get("model", name)
    return given.get("model", "")


def check(system: "System", folder: Path, files: bool, report: Report) -> None:
    """After the disks' own checks."""
    machine, used = system.machine, _volumes(system)
    for where, given in machine["disks"].items():
        if where not in used:
            machine.wrong(report, "disks", f'"{where}"',
                          f"a disk that a volume lies on: {words(map(str, used))}")
            continue
        driver = system.native(where.driver)
        if driver is not None and driver["device"] is not None and not _model(driver, given):
            machine.wrong(report, "disks", f'"{where}" without a model',
                          f'model = {words(MODELS)}: its driver looks for '
                          f'{driver["device"].looks_for}')
        kind, colon, name = given["file"].partition(":")
        if colon and kind == "built":
            if name not in BUILT_DISKS:
                machine.wrong(report, "disks", shown(given["file"]),
                              f"built:NAME with NAME {words(BUILT_DISKS)}")
        elif files and not (folder / given["file"]).is_file():
            machine.wrong(
                report, "disks", f'{shown(given["file"])} for {where} '
                f"(volume {', '.join(used[where])}), which is no file",
                "the path of a disk image, or built:NAME",
            )


def _volumes(system: "System") -> dict[Place, list[str]]:
    """Physical disks, and the volumes on them."""
    found: dict[Place, list[str]] = {}
    for volume in system.volumes:
        for extent in volume["extents"]:
            found.setdefault(extent.place, []).append(volume.name)
    return found


def _order(system: "System", where: Place) -> tuple[int, int, int, str, int]:
    """Where the device must come on the bus so that its driver finds it."""
    driver = system.native(where.driver)
    device = driver["device"] if driver is not None else None
    if device is None:
        return (2, 0, 0, where.driver, where.number)
    index = 0 if device.index == ANY else device.index
    line = driver.line if driver is not None else 0
    return (0 if device.address != ANY else 1, device.address, index, f"{line:06}", where.number)


def machine(system: "System", folder: Path) -> Machine:
    found = []
    for where, given in system.machine["disks"].items():
        driver, source = system.native(where.driver), given["file"]
        if not source.startswith("built:"):
            source = str(folder / source)
        model = _model(driver, given) if driver is not None and driver["device"] else ""
        found.append(Attached(where, source, model or MODELS[0], given.get("readonly", False)))
    found.sort(key=lambda disk: _order(system, disk.place))
    settings = system.machine
    return Machine(settings["type"], settings["cpus"], settings["iommu"], found)
