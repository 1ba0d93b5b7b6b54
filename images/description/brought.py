# SPDX-License-Identifier: BSD-2-Clause
"""A domain that is brought to a running system: one file, one [guest.NAME] or [domain.NAME],
whose NAME is a place of the system's description (place = true). It says what runs there; whom
it may reach is the description's. What comes out is proto/define.h, for `./tessera create`.

    [guest.visitor]                      [domain.helper]
    kernel = "vmlinuz"                   image = "helper.dom"
    initrd = "initrd.img"                arguments = "every=5"
    cmdline = "console=hvc0 quiet"
    memory = "256M"
    devices = ["visitor-disk"]

A kernel or initrd that the system was started with is named, and not brought again.
"""

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from . import binary, lines, schema, values
from .report import DescriptionError, Report, shown, suggestion, words
from .schema import Entry, Key, System
from .values import PAGE, size_text

HEADER = struct.Struct("<QIIQQ32s32sQQ32sQQ32sII1024s1024s1848x")
MAGIC = 0x314E464544525354
VERSION = 1
MOST_DEVICES, NAME_BYTES = 32, 32
MOST = 512 << 20

GUEST_KEYS = {
    "kernel": Key(values.file, required=True),
    "initrd": Key(values.file),
    "cmdline": Key(values.text(values.CMDLINE_BYTES), ""),
    "memory": Key(values.pages(1 << 20, 512 << 30)),
    "devices": Key(values.items(values.name, "names of its disks and VIFs")),
}
NATIVE_KEYS = {
    "image": Key(values.file, required=True),
    "arguments": Key(values.text(values.ARGUMENTS_BYTES), ""),
    "memory": Key(values.pages(128 << 10, 1 << 30)),
}
KINDS = {"guest": GUEST_KEYS, "domain": NATIVE_KEYS}


@dataclass
class Brought:
    """The file's words, checked against the description."""

    entry: Entry
    place: Entry
    is_guest: bool
    memory: int  # pages
    devices: list[str]

    @property
    def name(self) -> str:
        return self.place.name


def _table(table: dict, where: lines.Lines, report: Report) -> Optional[tuple[str, str]]:
    """(kind, name) of the one table that there is."""
    found = []
    for kind, content in table.items():
        if kind not in KINDS or not isinstance(content, dict):
            report.error(where.at(kind), "", f'found "{kind}", expected one [guest.NAME] or '
                         f"[domain.NAME]{suggestion(kind, KINDS)}")
            continue
        found += [(kind, name) for name in content]
    if len(found) != 1 and not report.errors:
        report.error(1, "", f"found {len(found)} domains, expected one [guest.NAME] or "
                     "[domain.NAME]")
    return found[0] if len(found) == 1 else None


def _place(kind: str, entry: Entry, system: System, report: Report) -> Optional[Entry]:
    known = system.guests if kind == "guest" else system.natives
    places = [found.name for found in known if found["place"]]
    place = next((found for found in known if found.name == entry.name), None)
    if place is None or not place["place"]:
        what = "which has a program of its own" if place else "no domain of the description"
        entry.wrong(report, "", f'"{entry.name}", {what}',
                    f"a place (place = true) for a {kind}: {words(places)}"
                    + suggestion(entry.name, places))
        return None
    return place


def _check(brought: Brought, system: System, report: Report) -> None:
    entry, place = brought.entry, brought.place
    if brought.memory > place["memory"]:
        entry.wrong(report, "memory", size_text(brought.memory * PAGE),
                    f"at most {size_text(place['memory'] * PAGE)}, which line "
                    f"{place.line_of('memory')} of the description gives the place")
    known = [device.name for device in (*system.disks, *system.vifs)
             if device["guest"] == place.name]
    for name in brought.devices:
        if name not in known:
            entry.wrong(report, "devices", shown(name),
                        f"disks and VIFs that the description gives {place.name}: {words(known)}"
                        + suggestion(name, known))
    if len(brought.devices) > MOST_DEVICES:
        entry.wrong(report, "devices", f"{len(brought.devices)} of them",
                    f"at most {MOST_DEVICES}")


def read(path: Path, system: System) -> Brought:
    """Raises DescriptionError, with lines of `path`."""
    report = Report(str(path))
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is no UTF-8 text"
        raise DescriptionError([f"{path}: cannot be read: {why}"]) from error
    table, where = lines.parse(text, report)
    report.stop_if_errors()
    found = _table(table, where, report)
    report.stop_if_errors()
    assert found is not None, "else it was reported"
    kind, name = found
    entry = schema.entry_of(table[kind][name], (kind, name), KINDS[kind], where, report)
    report.stop_if_errors()
    place = _place(kind, entry, system, report)
    report.stop_if_errors()
    assert place is not None, "else it was reported"
    devices = entry.given.get("devices")
    if devices is None:
        devices = [device.name for device in (*system.disks, *system.vifs)
                   if device["guest"] == name and device["plugged"]]
    memory = place["memory"] if entry["memory"] is None else entry["memory"]
    brought = Brought(entry, place, kind == "guest", memory or 0, devices)
    if kind == "guest":
        _check(brought, system, report)
    report.stop_if_errors()
    return brought


def _pad(data: bytes) -> bytes:
    return data + bytes(-len(data) % PAGE)


def encode(brought: Brought, image: bytes, initrd: bytes, modules: tuple[str, str],
           label: str) -> bytes:
    """The upload. modules: names of boot modules that stand for image and initrd, or ""."""
    parts, at = [], PAGE
    for data, module in zip((image, initrd), modules):
        data = b"" if module else data
        parts += [at if data else 0, len(data), module.encode()]
        at += len(_pad(data))
    body = b"".join(_pad(data) for data, module in zip((image, initrd), modules) if not module)
    names = b"".join(name.encode().ljust(NAME_BYTES, b"\0") for name in brought.devices)
    cmdline = brought.entry["cmdline" if brought.is_guest else "arguments"]
    return HEADER.pack(
        MAGIC, VERSION, binary.KIND_GUEST if brought.is_guest else binary.KIND_NATIVE,
        PAGE + len(body), brought.memory, brought.name.encode(),
        label.encode()[: NAME_BYTES - 1], *parts, len(brought.devices), 0, names,
        cmdline.encode(),
    ) + body
