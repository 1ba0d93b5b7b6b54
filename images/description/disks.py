# SPDX-License-Identifier: BSD-2-Clause
"""Volumes and the guests' disks: what only the whole description shows about
them, and the configuration that their server finds (proto/vbd.h)."""

import struct
from dataclasses import dataclass
from typing import Optional

from .hardware import Extent, Place, extent_of
from .report import Report, suggestion, words
from .schema import Entry, System
from .values import Wrong

HEADER = struct.Struct("<QIIIIIIIIIIII")
VOLUME = struct.Struct("<IIII")
EXTENT = struct.Struct("<IIIIQQ")
DISK = struct.Struct("<IIIIIIQQ")
LIMIT = struct.Struct("<IIQQ")

MAGIC = 0x3146434456525354
VERSION = 1
READONLY, SHARED = 1, 2
MAX_VOLUMES, MAX_EXTENTS, MAX_DISKS, MAX_LIMITS = 192, 256, 192, 16
MAX_DRIVERS = 8  # of one server: VBD_MAX_DRIVERS


@dataclass
class PhysicalDisk:
    """A disk that the description speaks of; whoever starts the machine attaches it."""

    place: Place
    looks_for: str  # how its driver knows the device
    volumes: list[str]


def check(system: System, report: Report) -> None:
    """Also fills in each disk's server and each volume's extents."""
    for volume in system.volumes:
        _read_extents(volume, system, report)
    _check_overlaps(system, report)
    _check_drivers(system, report)
    for disk in system.disks:
        _find_server(disk, system, report)
    for disk in system.disks:
        _check_disk(disk, system, report)
    _check_numbers(system, report)
    _check_writers(system, report)
    _check_limits(system, report)
    extents = sum(len(volume["extents"]) for volume in system.volumes)
    counts = [
        ("volumes", len(system.volumes), MAX_VOLUMES), ("extents", extents, MAX_EXTENTS),
        ("disks", len(system.disks), MAX_DISKS), ("limits", len(system.limits), MAX_LIMITS),
    ]
    for what, count, limit in counts:
        if count > limit:
            report.error(1, "", f"found {count} {what}, expected at most {limit}")


def _check_drivers(system: System, report: Report) -> None:
    """A server that has too many would leave the last ones alone."""
    drivers: dict[str, int] = {}
    for entry in system.connections:
        if entry["protocol"] != "disk":
            continue
        server = entry["server"]
        drivers[server] = drivers.get(server, 0) + 1
        if drivers[server] == MAX_DRIVERS + 1:
            entry.wrong(report, "server", f'"{server}", which has {MAX_DRIVERS} disk drivers',
                        "a disk server with fewer")


def _read_extents(volume: Entry, system: System, report: Report) -> None:
    if volume["extents"] is not None:
        mixed = [key for key in ("disk", "partition", "first", "size") if volume[key] is not None]
        if mixed:
            volume.wrong(report, mixed[0], "it beside extents", "one or the other")
        if not volume["extents"]:
            volume.wrong(report, "extents", "none", "at least one")
    else:
        try:
            volume.given["extents"] = [extent_of(volume.given)]
        except Wrong as wrong:
            volume.wrong(report, "", "no place for it", str(wrong))
            volume.given["extents"] = []
    for extent in volume["extents"]:
        _check_driver(volume, extent.place, system, report)


def _drivers(system: System) -> list[str]:
    return [entry["client"] for entry in system.connections if entry["protocol"] == "disk"]


def _check_driver(entry: Entry, place: Place, system: System, report: Report) -> None:
    """The driver must be one: the client of a disk connection."""
    drivers = _drivers(system)
    if place.driver not in drivers:
        known = system.native(place.driver) is not None
        entry.wrong(
            report, "extents" if "extents" in entry.lines else "disk",
            f'"{place.driver}", {"which drives no disk" if known else "no domain of this file"}',
            'the client of a connection with the protocol "disk"'
            + suggestion(place.driver, drivers),
        )


def _check_overlaps(system: System, report: Report) -> None:
    seen: list[tuple[Extent, Entry]] = []
    for volume in system.volumes:
        for extent in volume["extents"]:
            other = next((entry for found, entry in seen if extent.overlaps(found)), None)
            if other is not None:
                where = "itself" if other is volume else f"{other.where} in line {other.line}"
                volume.wrong(report, "", f"a part of {extent.place} that belongs to {where}",
                             "parts that do not overlap")
                break
            seen.append((extent, volume))


def _find_server(disk: Entry, system: System, report: Report) -> None:
    servers = [native.name for native in system.serving("block")]
    if disk["server"] is None:
        if len(servers) == 1:
            disk.given["server"] = servers[0]
        else:
            disk.wrong(report, "", 'no "server"', "the one that serves it: "
                       + (words(servers) if servers else 'no domain serves "block"'))
    elif disk["server"] not in servers:
        disk.wrong(report, "server", f'"{disk["server"]}", which does not serve "block"',
                   f"a domain that does: {words(servers)}" + suggestion(disk["server"], servers))
        disk.given["server"] = None


def _volume(disk: Entry, system: System) -> Optional[Entry]:
    return next((entry for entry in system.volumes if entry.name == disk["volume"]), None)


def _check_disk(disk: Entry, system: System, report: Report) -> None:
    guest, volume, server = system.guest(disk["guest"]), _volume(disk, system), disk["server"]
    if guest is None:
        disk.wrong(report, "guest", f'"{disk["guest"]}"', "a [guest.NAME] of this file"
                   + suggestion(disk["guest"], [entry.name for entry in system.guests]))
    if volume is None:
        disk.wrong(report, "volume", f'"{disk["volume"]}"', "a [volume.NAME] of this file"
                   + suggestion(disk["volume"], [entry.name for entry in system.volumes]))
    if server is None:
        return
    for extent in volume["extents"] if volume is not None else []:
        driver = extent.place.driver
        if driver in _drivers(system) and not system.joins("disk", server, driver):
            disk.wrong(report, "volume", f'"{disk["volume"]}" on a disk of {driver}',
                       f"one of a driver that is connected to {server}")
            break
    if guest is None:
        return
    if guest["store"] is None:
        disk.wrong(report, "guest", f'"{guest.name}", which has no store',
                   "a guest with one: disks are found there")
    elif not system.joins("xenbus", guest["store"], server):
        disk.wrong(report, "", f"{server} without a connection to the store of {guest.name}",
                   f'one with the protocol "xenbus" from {server} to {guest["store"]}')


def _check_numbers(system: System, report: Report) -> None:
    """One disk for each of a guest's device numbers, and no disk within another."""
    seen: list[Entry] = []
    for disk in system.disks:
        mine = disk["device"]
        for other in seen:
            theirs = other["device"]
            if other["guest"] != disk["guest"] or mine.whole != theirs.whole:
                continue
            if mine.number == theirs.number or mine.whole[0] in (mine.number, theirs.number):
                disk.wrong(report, "device", f'"{mine.name}"',
                           f'another: {other.where} in line {other.line} is "{theirs.name}"')
                break
        seen.append(disk)


def _check_writers(system: System, report: Report) -> None:
    """Of those that begin unplugged, the server lets in one at a time."""
    first: dict[str, Entry] = {}
    for disk in system.disks:
        if disk["mode"] != "rw" or not disk["plugged"]:
            continue
        other = first.setdefault(disk["volume"], disk)
        if other is not disk and not (disk["shared"] and other["shared"]):
            disk.wrong(report, "volume",
                       f'"{disk["volume"]}", which {other.where} in line {other.line} writes too',
                       'one writer, mode = "ro", or shared = true at all of them')


def _check_limits(system: System, report: Report) -> None:
    seen: dict[Place, Entry] = {}
    for limit in system.limits:
        _check_driver(limit, limit["disk"], system, report)
        other = seen.setdefault(limit["disk"], limit)
        if other is not limit:
            limit.wrong(report, "disk", f'"{limit["disk"]}"',
                        f"another: {other.where} in line {other.line} has it")
        if not limit["bandwidth"] and not limit["iops"]:
            limit.wrong(report, "", "no limit", "bandwidth, iops or both")


def physical(system: System) -> list[PhysicalDisk]:
    """The disks that volumes lie on, by driver and number."""
    found: dict[Place, PhysicalDisk] = {}
    for volume in system.volumes:
        for extent in volume["extents"]:
            driver = system.native(extent.place.driver)
            assert driver is not None, "checked"
            looks_for = driver["device"].looks_for if driver["device"] else ""
            disk = found.setdefault(extent.place, PhysicalDisk(extent.place, looks_for, []))
            if volume.name not in disk.volumes:
                disk.volumes.append(volume.name)
    return [found[place] for place in sorted(found, key=lambda place: (place.driver, place.number))]


class _Pool:
    def __init__(self) -> None:
        self.data = b"\0"

    def add(self, text: str) -> int:
        if not text:
            return 0
        at = self.data.find(b"\0" + text.encode() + b"\0")
        if at >= 0:
            return at + 1
        at = len(self.data)
        self.data += text.encode() + b"\0"
        return at


def served(system: System, server: Entry) -> list[Entry]:
    """The guests' disks of this server, as its configuration numbers them."""
    return [disk for disk in system.disks if disk["server"] == server.name]


def config(system: System, server: Entry) -> bytes:
    """What the server finds: the volumes of its drivers, the disks that it serves."""
    pool = _Pool()
    drivers = {entry["client"] for entry in system.connections
               if (entry["protocol"], entry["server"]) == ("disk", server.name)}
    volumes, extents, index = [], [], {}
    for volume in system.volumes:
        if not {extent.place.driver for extent in volume["extents"]} <= drivers:
            continue
        index[volume.name] = len(volumes)
        volumes.append(VOLUME.pack(pool.add(volume.name), len(extents), len(volume["extents"]),
                                   volume.line))
        line = volume.line_of("extents" if "extents" in volume.lines else "disk")
        for extent in volume["extents"]:
            extents.append(EXTENT.pack(pool.add(extent.place.driver), extent.place.number,
                                       pool.add(extent.partition), line, extent.first,
                                       extent.count))
    disks = [
        DISK.pack(
            pool.add(disk.name), pool.add(disk["guest"]), index[disk["volume"]],
            disk["device"].number,
            (READONLY if disk["mode"] == "ro" else 0) | (SHARED if disk["shared"] else 0),
            disk.line, disk["bandwidth"], disk["iops"],
        )
        for disk in served(system, server)
    ]
    limits = [
        LIMIT.pack(pool.add(limit["disk"].driver), limit["disk"].number, limit["bandwidth"],
                   limit["iops"])
        for limit in system.limits
        if limit["disk"].driver in drivers
    ]
    body, places = b"", []
    for records in (volumes, extents, disks, limits):
        places += [HEADER.size + len(body), len(records)]
        body += b"".join(records)
    places += [HEADER.size + len(body), len(pool.data)]
    body += pool.data
    return HEADER.pack(MAGIC, VERSION, HEADER.size + len(body), *places) + body
