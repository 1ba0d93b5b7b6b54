# SPDX-License-Identifier: BSD-2-Clause
"""[machine]: what `./tessera run` makes of QEMU for this system. It is checked with
the rest and not encoded: on a real machine the devices are what they are.

A physical disk of the description is a driver and a number there ("disk0",
"disk1:2"); here it gets a file. A card is its driver ("nic0"); here it gets what QEMU
joins it to. The model of either follows from what its driver looks for.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

from . import netvalues, values
from .hardware import ANY, CLASSES, Place, place
from .report import Report, shown, suggestion, words
from .values import Parser, Wrong

if TYPE_CHECKING:
    from .schema import Entry, System

BUILT_DISKS = ("debian",)  # what "built:NAME" may name here
MODELS = ("virtio-blk", "ahci", "nvme")
NET_MODELS = ("virtio-net", "e1000e")


@dataclass
class Attached:
    """A disk of the machine. source: "built:NAME" or a path."""

    place: Place
    source: str
    model: str
    readonly: bool


@dataclass
class Card:
    """A network card of the machine. netdev: as QEMU's -netdev has it, but for the id."""

    driver: str
    netdev: str
    model: str
    mac: str  # empty: QEMU chooses


@dataclass
class Line:
    """A serial line of the machine. chardev: CONTROL, or as QEMU's -chardev has it, but for
    the id. port: of the UART; None: the line is a virtio-serial device."""

    driver: str
    chardev: str
    port: Optional[int]
    irq: int


CONTROL = "control"  # where the tools find it


@dataclass
class Machine:
    """The machine that fits a description."""

    kind: str
    cpus: int
    iommu: bool
    disks: list[Attached]  # in the order of their drivers' devices
    nets: list[Card]
    lines: list[Line]


DISK_KEYS: dict[str, Parser] = {
    "file": values.file,
    "model": values.choice(*MODELS),
    "readonly": values.boolean,
}


def disks(value: Any) -> dict[Place, dict[str, Any]]:
    """{ disk0 = "built:debian", "disk1:1" = { file = "data.img", readonly = true } }"""
    if not isinstance(value, dict):
        raise Wrong('a table such as { disk0 = "built:debian" }')
    return {place(name): _table(name, content, "file", DISK_KEYS)
            for name, content in value.items()}


def _card_mac(value: Any) -> str:
    return netvalues.mac_text(netvalues.mac(value))


def _netdev(value: Any) -> str:
    text = values.text(values.CMDLINE_BYTES)(value)
    if not re.fullmatch(r"[a-z][a-z-]*(,.*)?", text):
        raise Wrong('a -netdev of QEMU without an id, such as "user" or '
                    '"user,hostfwd=tcp:127.0.0.1:2222-:22"')
    return str(text)


NET_KEYS: dict[str, Parser] = {
    "netdev": _netdev,
    "model": values.choice(*NET_MODELS),
    "mac": _card_mac,
}


def nets(value: Any) -> dict[str, dict[str, Any]]:
    """{ nic0 = "user", nic1 = { netdev = "user", model = "e1000e" } }"""
    if not isinstance(value, dict):
        raise Wrong('a table such as { nic0 = "user" }')
    return {values.name(name): _table(name, content, "netdev", NET_KEYS)
            for name, content in value.items()}


def _chardev(value: Any) -> str:
    text = str(values.text(values.CMDLINE_BYTES)(value))
    if text != CONTROL and not re.fullmatch(r"[a-z][a-z-]*(,.*)?", text):
        raise Wrong('"control", or a -chardev of QEMU without an id, such as "file,path=line.log"')
    return text


def lines(value: Any) -> dict[str, str]:
    """{ line0 = "control", line1 = "file,path=line.log" }"""
    if not isinstance(value, dict):
        raise Wrong('a table such as { line0 = "control" }')
    return {values.name(name): _chardev(content) for name, content in value.items()}


def _table(name: str, content: Any, short: str, keys: dict[str, Parser]) -> dict[str, Any]:
    """A table with these keys, or the value of `short` alone."""
    given = content if isinstance(content, dict) else {short: content}
    for key in given:
        if key not in keys:
            raise Wrong(f"only {words(keys)} in it, not {key}{suggestion(key, keys)}")
    if short not in given:
        raise Wrong(f"a {short} in each")
    try:
        return {key: keys[key](item) for key, item in given.items()}
    except Wrong as wrong:
        raise Wrong(f"{name} to be {wrong}, not {shown(content)}") from wrong


def inside(value: str) -> tuple[Optional[Place], str]:
    """disk:DISK/PATH: which disk (None if that is no place), and the path."""
    name, _, path = value.removeprefix("disk:").partition("/")
    try:
        return place(name), "/" + path
    except Wrong:
        return None, "/" + path


def _model(
    driver: "Entry", given: dict[str, Any], models: tuple[str, ...] = MODELS
) -> str:
    """The word by which its driver looks for the device; empty if that is no model."""
    device = driver["device"]
    for name in models:
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


def check_nets(system: "System", report: Report) -> None:
    machine = system.machine
    drivers = [entry["client"] for entry in system.connections if entry["protocol"] == "net"]
    for name, given in machine["nets"].items():
        driver = system.native(name)
        if name not in drivers or driver is None:
            machine.wrong(report, "nets", f'"{name}"', "the client of a connection with the "
                          f'protocol "net": {words(drivers)}{suggestion(name, drivers)}')
        elif driver["device"] is not None and not _model(driver, given, NET_MODELS):
            machine.wrong(report, "nets", f'"{name}" without a model', f"model = "
                          f"{words(NET_MODELS)}: its driver looks for "
                          f"{driver['device'].looks_for}")


def check_lines(system: "System", report: Report) -> None:
    drivers = [entry.name for entry in system.serving("serial")]
    for name in system.machine["lines"]:
        driver = system.native(name)
        if driver is None or name not in drivers:
            system.machine.wrong(
                report, "lines", f'"{name}"', f'a domain that serves "serial": {words(drivers)}'
                f"{suggestion(name, drivers)}")
        elif driver["device"] is None and not (driver["ports"] and driver["irqs"]):
            system.machine.wrong(
                report, "lines", f'"{name}", which has neither a device nor ports and an irq',
                'a driver with device = { class = "virtio-serial" }, or with ports and irqs')


def _volumes(system: "System") -> dict[Place, list[str]]:
    """Physical disks, and the volumes on them."""
    found: dict[Place, list[str]] = {}
    for volume in system.volumes:
        for extent in volume["extents"]:
            found.setdefault(extent.place, []).append(volume.name)
    return found


def _order(system: "System", name: str, number: int) -> tuple[int, int, int, str, int]:
    """Where the device must come on the bus so that its driver finds it."""
    driver = system.native(name)
    device = driver["device"] if driver is not None else None
    if device is None:
        return (2, 0, 0, name, number)
    index = 0 if device.index == ANY else device.index
    line = driver.line if driver is not None else 0
    return (0 if device.address != ANY else 1, device.address, index, f"{line:06}", number)


def _cards(system: "System") -> list[Card]:
    found = []
    for name, given in system.machine["nets"].items():
        driver = system.native(name)
        known = driver is not None and driver["device"] is not None
        model = _model(driver, given, NET_MODELS) if known else ""
        found.append(Card(name, given["netdev"], model or NET_MODELS[0], given.get("mac", "")))
    return sorted(found, key=lambda card: _order(system, card.driver, 0))


def _lines(system: "System") -> list[Line]:
    found = []
    for name, chardev in system.machine["lines"].items():
        driver = system.native(name)
        if driver is not None and driver["device"] is None:
            found.append(Line(name, chardev, driver["ports"][0][0], driver["irqs"][0]))
        else:
            found.append(Line(name, chardev, None, 0))
    return sorted(found, key=lambda line: _order(system, line.driver, 0))


def machine(system: "System", folder: Path) -> Machine:
    found = []
    for where, given in system.machine["disks"].items():
        driver, source = system.native(where.driver), given["file"]
        if not source.startswith("built:"):
            source = str(folder / source)
        model = _model(driver, given) if driver is not None and driver["device"] else ""
        found.append(Attached(where, source, model or MODELS[0], given.get("readonly", False)))
    found.sort(key=lambda disk: _order(system, disk.place.driver, disk.place.number))
    settings = system.machine
    return Machine(settings["type"], settings["cpus"], settings["iommu"], found,
                   _cards(system), _lines(system))
