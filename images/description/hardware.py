# SPDX-License-Identifier: BSD-2-Clause
"""Values that name hardware: a PCI function, a driver's disk and a part of it,
a disk as a guest numbers it. Parsers as in values.py."""

import re
from dataclasses import dataclass
from typing import Any, Optional

from . import values
from .report import shown, suggestion, words
from .values import PAGE, Parser, Range, Wrong

ANY = 0xFFFFFFFF  # SYSTEM_ANY
SECTOR = 512
MAX_SECTORS = 1 << 54

DISKS_OF_DRIVER = 8  # BLK_MAX_DISKS
SLOTS_UNIT = 512  # of a DMA window
SLOTS_MAX = 65536

# Words for what a driver looks for: (class, vendor, device, another device).
CLASSES: dict[str, tuple[Optional[int], Optional[int], Optional[int], int]] = {
    "nvme": (0x010802, None, None, 0),
    "ahci": (0x010601, None, None, 0),
    "virtio-blk": (None, 0x1AF4, 0x1042, 0x1001),
    "virtio-net": (None, 0x1AF4, 0x1041, 0x1000),
    "virtio-serial": (None, 0x1AF4, 0x1043, 0x1003),
    "e1000e": (None, 0x8086, 0x10D3, 0),
}


@dataclass
class Device:
    """struct system_device, but for the domain and the line."""

    vendor: int
    device: int
    device_or: int
    class_code: int
    class_mask: int
    address: int
    index: int
    interrupts: int
    dma_slots: int
    own_slots: int
    looks_for: str  # in words, for lists

    def same_choice(self, other: "Device") -> bool:
        """Whether both can only mean one and the same function."""
        if self.address != ANY or other.address != ANY:
            return self.address == other.address
        if self.index == ANY or self.index != other.index:
            return False
        mine = (self.vendor, self.device, self.device_or, self.class_code, self.class_mask)
        return mine == (other.vendor, other.device, other.device_or, other.class_code,
                        other.class_mask)


def _class(value: Any) -> tuple[int, int, Optional[int], Optional[int], int]:
    """class code, mask, vendor, device, another device"""
    expected = words(f'"{word}"' for word in CLASSES)
    if isinstance(value, str) and value in CLASSES:
        code, vendor, device, other = CLASSES[value]
        return code or 0, 0 if code is None else 0xFFFFFF, vendor, device, other
    match = re.fullmatch(r"0x([0-9a-fA-F]{2}){1,3}", value) if isinstance(value, str) else None
    if not match:
        close = suggestion(value, CLASSES) if isinstance(value, str) else ""
        raise Wrong(f'{expected}, or a class code such as "0x010802" or "0x0106"{close}')
    digits = value[2:]
    missing = 8 * (3 - len(digits) // 2)
    return int(digits, 16) << missing, 0xFFFFFF >> missing << missing, None, None, 0


def _address(value: Any) -> int:
    match = (
        re.fullmatch(r"([0-9a-f]{2}):([0-9a-f]{2})\.([0-7])", value)
        if isinstance(value, str)
        else None
    )
    if not match or int(match[2], 16) > 31:
        raise Wrong('bus, device and function as lspci shows them, such as "00:04.0"')
    return int(match[1], 16) << 8 | int(match[2], 16) << 3 | int(match[3])


def _slots(low: int, unit: int) -> Parser:
    parse_pages = values.pages(low * PAGE, SLOTS_MAX * PAGE)

    def parse(value: Any) -> int:
        slots = int(parse_pages(value))
        if slots % unit:
            raise Wrong(f"a multiple of {values.size_text(unit * PAGE)}")
        return slots

    return parse


_DEVICE_KEYS: dict[str, Parser] = {
    "class": _class,
    "vendor": values.integer(0, 0xFFFE),
    "device": values.integer(0, 0xFFFE),
    "address": _address,
    "index": values.integer(0, 63),
    "interrupts": values.integer(1, 16),
    "dma": _slots(SLOTS_UNIT, SLOTS_UNIT),
    "own": _slots(1, 1),
}


def device(value: Any) -> Device:
    """The PCI function that a driver has: { class = "nvme", ... }."""
    if not isinstance(value, dict):
        raise Wrong('a table such as { class = "nvme" }')
    given: dict[str, Any] = {}
    for key, item in value.items():
        if key not in _DEVICE_KEYS:
            raise Wrong(f"only {words(_DEVICE_KEYS)} in it, not {key}"
                        f"{suggestion(key, _DEVICE_KEYS)}")
        try:
            given[key] = _DEVICE_KEYS[key](item)
        except Wrong as wrong:
            raise Wrong(f"{key} to be {wrong}, not {shown(item)}") from wrong
    if not given.keys() & {"class", "vendor", "device", "address"}:
        raise Wrong("class, vendor, device or address in it, to know the function by")
    if "address" in given and given.get("index", 0):
        raise Wrong("no index in it: an address names one function")
    code, mask, vendor, number, other = given.get("class", (0, 0, None, None, 0))
    for key, implied in (("vendor", vendor), ("device", number)):
        if implied is not None and key in given:
            raise Wrong(f'no {key} in it: class = "{value["class"]}" says that')
    dma, own = given.get("dma", 4096), given.get("own", 256)
    if own >= dma:
        raise Wrong(f"own to be less than dma, {values.size_text(dma * PAGE)}: "
                    "the rest is for the data")
    return Device(
        given.get("vendor", ANY if vendor is None else vendor),
        given.get("device", ANY if number is None else number),
        other, code, mask, given.get("address", ANY), given.get("index", ANY),
        given.get("interrupts", 1), dma, own,
        " ".join(f"{key}={shown(value[key])}".replace('"', "")
                 for key in ("class", "vendor", "device", "address", "index") if key in value),
    )


@dataclass(frozen=True)
class Place:
    """A physical disk: the driver domain and the number there."""

    driver: str
    number: int

    def __str__(self) -> str:
        return f"{self.driver}:{self.number}"


def place(value: Any) -> Place:
    text = value if isinstance(value, str) else ""
    match = re.fullmatch(r"([a-z][a-z0-9_-]*)(?::(\d+))?", text)
    if not match:
        raise Wrong('the name of a driver, with the number of its disk if it has several, '
                    'such as "disk0" or "disk0:1"')
    if int(match[2] or 0) >= DISKS_OF_DRIVER:
        raise Wrong(f"a disk number below {DISKS_OF_DRIVER}")
    return Place(match[1], int(match[2] or 0))


_SIZES = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


def bytes_of(text: str) -> Optional[int]:
    """Bytes with a unit; None: it is no such amount."""
    match = re.fullmatch(r"(\d+)\s*([KMGT])", text)
    return int(match[1]) * _SIZES[match[2]] if match else None


def amount(low: int, high: int, unit: int, example: str) -> Parser:
    """Bytes with a unit, as multiples of `unit`."""

    def parse(value: Any) -> int:
        size = bytes_of(value) if isinstance(value, str) else None
        if size is None:
            raise Wrong(f"an amount with its unit, such as {example}")
        if not low <= size <= high:
            raise Wrong(f"from {values.size_text(low)} to {values.size_text(high)}")
        return size // unit

    return parse


def sectors(low: int) -> Parser:
    """A number of sectors of 512 bytes: a whole number, or an amount such as "10G"."""
    parse_amount = amount(low * SECTOR, MAX_SECTORS * SECTOR, SECTOR, '"512M" or "10G"')

    def parse(value: Any) -> int:
        if isinstance(value, int) and not isinstance(value, bool):
            return int(values.integer(low, MAX_SECTORS)(value))
        try:
            return int(parse_amount(value))
        except Wrong as wrong:
            raise Wrong(f"{wrong}, or a number of sectors of 512 bytes") from wrong

    return parse


def partition(value: Any) -> str:
    value = values.text(108)(value)
    if not value or len(value.encode("utf-16-le")) > 72:
        raise Wrong("the name of a GPT partition, 1 to 36 characters")
    return str(value)


@dataclass
class Extent:
    """A part of a volume; count 0: up to the end of the disk."""

    place: Place
    partition: str
    first: int
    count: int

    def overlaps(self, other: "Extent") -> bool:
        """As far as can be known without looking at the disk."""
        if self.place != other.place:
            return False
        if self.partition and other.partition:
            return self.partition == other.partition
        if self.partition or other.partition:
            sectors_of = other if self.partition else self
            return not sectors_of.first and not sectors_of.count
        mine = self.first + self.count if self.count else MAX_SECTORS
        theirs = other.first + other.count if other.count else MAX_SECTORS
        return self.first < theirs and other.first < mine


EXTENT_KEYS: dict[str, Parser] = {
    "disk": place,
    "partition": partition,
    "first": sectors(0),
    "size": sectors(1),
}


def extent_of(given: dict[str, Any]) -> Extent:
    """An extent from parsed keys; those absent are None or missing."""
    if given.get("disk") is None:
        raise Wrong('disk in it: the driver whose disk it is on, such as "disk0"')
    if given.get("partition") is not None and (
        given.get("first") is not None or given.get("size") is not None
    ):
        raise Wrong("either partition, or first and size")
    return Extent(given["disk"], given.get("partition") or "", given.get("first") or 0,
                  given.get("size") or 0)


def extent(value: Any) -> Extent:
    if not isinstance(value, dict):
        raise Wrong('tables such as { disk = "disk0", partition = "data" } in brackets')
    given = {}
    for key, item in value.items():
        if key not in EXTENT_KEYS:
            raise Wrong(f"only {words(EXTENT_KEYS)} in an extent, not {key}"
                        f"{suggestion(key, EXTENT_KEYS)}")
        try:
            given[key] = EXTENT_KEYS[key](item)
        except Wrong as wrong:
            raise Wrong(f"{key} to be {wrong}, not {shown(item)}") from wrong
    return extent_of(given)


@dataclass
class Virtual:
    """A disk or partition as a guest's blkfront numbers it."""

    name: str
    number: int
    whole: Range  # the numbers of the disk and its partitions


def virtual_device(value: Any) -> Virtual:
    expected = '"xvda", "xvda1", "sda", "hdc" or alike'
    text = value if isinstance(value, str) else ""
    match = re.fullmatch(r"(xvd|sd|hd)([a-z]{1,2})(\d{0,3})", text)
    if not match:
        raise Wrong(expected)
    kind, letters, part = match[1], match[2], int(match[3] or 0)
    disk = 0
    for letter in letters:
        disk = disk * 26 + ord(letter) - ord("a") + 1
    disk -= 1
    if kind == "hd" and disk < 4:
        first, size = (3, 22)[disk // 2] << 8 | (disk % 2) << 6, 64
    elif kind == "sd" and disk < 16:
        first, size = 8 << 8 | disk << 4, 16
    elif kind == "xvd" and disk < 16 and part < 16:
        first, size = 202 << 8 | disk << 4, 16
    elif kind == "xvd":
        first, size = 1 << 28 | disk << 8, 256
    else:
        raise Wrong(f"{expected}; sd goes to sdp, hd to hdd")
    if part >= size or match[3].startswith("0"):
        raise Wrong(f"a partition number from 1 to {size - 1}")
    return Virtual(text, first + part, (first, first + size - 1))
