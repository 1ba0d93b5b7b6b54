#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Guest kernels: from what a user has to the ELF that root loads.

    kernel.py KERNEL OUTPUT.elf [--memory BYTES]

A bzImage carries its ELF compressed; an ELF may be compressed as a whole. The
result must be a kernel that can start as a paravirtual guest (its ELF notes say
so) and fit into the memory it will get. Root checks all this again at boot and
is the authority there; this is the early, friendlier check.
"""

import argparse
import bz2
import lzma
import struct
import subprocess
import sys
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Iterator, Optional

MAX_ELF = 1 << 30  # no kernel is larger; bounds decompression
PAGE = 4096

BOOT_SECTORS, BOOT_MAGIC, BOOT_VERSION, BOOT_PAYLOAD = 0x1F1, 0x202, 0x206, 0x248
OLDEST_BOOT_VERSION = 0x0208  # the first with payload_offset

GZIP_MAGIC = b"\x1f\x8b"
PT_LOAD, PT_NOTE, SHT_NOTE = 1, 4, 7
MACHINE_X86_64 = 62

NOTE_ENTRY, NOTE_HYPERCALL_PAGE, NOTE_VIRT_BASE, NOTE_PADDR_OFFSET = 1, 2, 3, 4
NOTE_XEN_VERSION, NOTE_GUEST_OS, NOTE_LOADER, NOTE_INIT_P2M = 5, 6, 8, 15


class KernelError(Exception):
    """This file cannot start as a guest; the text says why."""


# --- Getting at the ELF ---


def _run(command: list[str], data: bytes, what: str) -> bytes:
    """Decompress with a command of the distribution."""
    try:
        result = subprocess.run(command, input=data, capture_output=True, check=False)
    except FileNotFoundError as error:
        raise KernelError(f"{what} data needs the program {command[0]}") from error
    if result.returncode or not result.stdout:
        raise KernelError(f"its {what} data is damaged or cut off")
    return result.stdout


def _inflate(data: bytes) -> bytes:
    decoder = zlib.decompressobj(31)
    result = decoder.decompress(data, MAX_ELF)
    if not decoder.eof:
        raise KernelError("its gzip data is damaged or cut off")
    return result


def _unxz(data: bytes) -> bytes:
    decoder = lzma.LZMADecompressor(lzma.FORMAT_XZ)
    result = decoder.decompress(data, MAX_ELF)
    if not decoder.eof:
        raise KernelError("its xz data is damaged or cut off")
    return result


def _unzstd(data: bytes) -> bytes:
    return _run(["zstd", "-dcq", "--long=31"], data, "zstd")


def _unlz4(data: bytes) -> bytes:
    return _run(["lz4", "-dcq"], data, "lz4")


def _refuse(name: str):
    def refuse(_: bytes) -> bytes:
        raise KernelError(f"it is compressed with {name}; gzip, xz, zstd and lz4 are understood")

    return refuse


_FORMATS = [
    (GZIP_MAGIC, "gzip", _inflate),
    (b"\xfd7zXZ\0", "xz", _unxz),
    (b"\x28\xb5\x2f\xfd", "zstd", _unzstd),
    (b"\x02\x21\x4c\x18", "lz4", _unlz4),
    (b"BZh", "bzip2", _refuse("bzip2")),
    (b"\x89LZO", "lzo", _refuse("lzo")),
    (b"\x5d\x00\x00", "lzma", _refuse("the old lzma")),
    (b"\x04\x22\x4d\x18", "lz4", _refuse("lz4 in a modern frame")),
]


def _decompress(data: bytes) -> bytes:
    if data[:4] == b"\x7fELF":
        return data
    for magic, name, decode in _FORMATS:
        if data.startswith(magic):
            try:
                return decode(data)
            except (zlib.error, lzma.LZMAError, EOFError, OSError) as error:
                raise KernelError(f"its {name} data is damaged or cut off") from error
    raise KernelError("it holds neither an ELF nor compressed data that is understood")


def _payload(image: bytes) -> tuple[bytes, Optional[int]]:
    """The compressed kernel in a bzImage, and the size it says it expands to."""
    sectors = image[BOOT_SECTORS] or 4
    (version,) = struct.unpack_from("<H", image, BOOT_VERSION)
    if version < OLDEST_BOOT_VERSION:
        raise KernelError(f"its boot protocol {version >> 8}.{version & 255:02} is older than 2.08")
    offset, length = struct.unpack_from("<II", image, BOOT_PAYLOAD)
    start = (sectors + 1) * 512 + offset
    if length < 8:
        raise KernelError("its header names no payload")
    if start > len(image) or length > len(image) - start:
        raise KernelError(
            f"it is cut off: its payload ends at byte {start + length}, the file at {len(image)}"
        )
    payload = image[start : start + length]
    if payload[:4] == b"\x7fELF":
        return payload, None
    (size,) = struct.unpack_from("<I", payload, length - 4)
    if payload[:2] != GZIP_MAGIC:
        payload = payload[:-4]  # in gzip data it is part of the stream
    return payload, size


def extract(image: bytes) -> bytes:
    """The ELF in a kernel file of any kind that is understood."""
    if not image:
        raise KernelError("it is empty")
    size = None
    if len(image) > BOOT_PAYLOAD + 8 and image[BOOT_MAGIC : BOOT_MAGIC + 4] == b"HdrS":
        image, size = _payload(image)
    elf = _decompress(image)
    if size is not None and len(elf) != size:
        raise KernelError(f"it is cut off: it expands to {len(elf)} bytes, and says {size}")
    if elf[:4] != b"\x7fELF":
        raise KernelError("what it expands to is no ELF")
    return elf


# --- Looking at the ELF ---


@dataclass
class Segment:
    kind: int
    offset: int
    vaddr: int
    paddr: int
    filesz: int
    memsz: int


@dataclass
class Elf:
    data: bytes
    entry: int
    segments: list[Segment]
    notes: dict[int, bytes] = field(default_factory=dict)

    def number(self, note: int, default: Optional[int] = None) -> Optional[int]:
        data = self.notes.get(note)
        if data is None:
            return default
        if len(data) not in (1, 2, 4, 8):
            raise KernelError(f"its ELF note {note} is {len(data)} bytes long, not a number")
        return int.from_bytes(data, "little")

    def string(self, note: int) -> str:
        return self.notes.get(note, b"").split(b"\0")[0].decode("ascii", "replace")


def _table(
    data: bytes, offset: int, entry: int, count: int, least: int, what: str
) -> Iterator[int]:
    """Where each header of a table lies, which must be whole."""
    if count and (entry < least or offset > len(data) or count * entry > len(data) - offset):
        raise KernelError(f"it is cut off: its {what} headers end behind the file")
    return (offset + index * entry for index in range(count))


def _notes(data: bytes, offset: int, size: int) -> Iterator[tuple[bytes, int, bytes]]:
    end = offset + size
    while end - offset >= 12:
        namesz, descsz, kind = struct.unpack_from("<III", data, offset)
        name = offset + 12
        desc = name + (namesz + 3 & ~3)
        following = desc + (descsz + 3 & ~3)
        if following > end:
            raise KernelError("an ELF note is longer than its segment")
        yield data[name : name + namesz].rstrip(b"\0"), kind, data[desc : desc + descsz]
        offset = following


def _note_extents(elf: Elf) -> Iterator[tuple[int, int]]:
    """Where notes lie: the segments that hold some, else the sections."""
    found = [(s.offset, s.filesz) for s in elf.segments if s.kind == PT_NOTE and s.offset]
    if not found:
        offset, size, count = struct.unpack_from("<Q10xHH", elf.data, 40)
        for at in _table(elf.data, offset, size, count, 64, "section"):
            (kind,) = struct.unpack_from("<I", elf.data, at + 4)
            if kind == SHT_NOTE:
                found.append(struct.unpack_from("<QQ", elf.data, at + 24))
    for offset, size in found:
        if offset > len(elf.data) or size > len(elf.data) - offset:
            raise KernelError("it is cut off: its ELF notes lie behind the end of the file")
        yield offset, size


def parse(data: bytes) -> Elf:
    if len(data) < 64 or data[4:6] != b"\2\1":
        raise KernelError("it is not a 64-bit little-endian ELF")
    kind, machine = struct.unpack_from("<HH", data, 16)
    if machine != MACHINE_X86_64:
        raise KernelError(f"it is made for another machine (ELF machine {machine}), not x86-64")
    if kind not in (2, 3):
        raise KernelError("it is an ELF, but not an executable")
    entry, offset = struct.unpack_from("<QQ", data, 24)
    size, count = struct.unpack_from("<HH", data, 54)
    elf = Elf(data, entry, [])
    for at in _table(data, offset, size, count, 56, "program"):
        kind, place, vaddr, paddr, filesz, memsz = struct.unpack_from("<I4xQQQQQ", data, at)
        if kind == PT_LOAD and (place > len(data) or filesz > len(data) - place):
            raise KernelError(
                f"it is cut off: a segment ends at byte {place + filesz}, the file at {len(data)}"
            )
        elf.segments.append(Segment(kind, place, vaddr, paddr, filesz, memsz))
    for place, length in _note_extents(elf):
        for name, number, value in _notes(data, place, length):
            if name == b"Xen":
                elf.notes[number] = value
    return elf


def check(data: bytes, memory: Optional[int] = None) -> None:
    """Raise KernelError unless this ELF can start as a PV guest of `memory` bytes."""
    elf = parse(data)
    if b"__xen_guest\0" in data[-(1 << 20) :] and not elf.notes:
        return  # the form before notes: root reads it
    if NOTE_XEN_VERSION not in elf.notes and NOTE_ENTRY not in elf.notes:
        raise KernelError("it is not a PV kernel: no ELF notes of Xen (Linux: CONFIG_XEN_PV)")
    version, loader = elf.string(NOTE_XEN_VERSION), elf.string(NOTE_LOADER)
    if not version.startswith("xen-3.0"):
        raise KernelError(f'its notes ask for the interface "{version}", and this is "xen-3.0"')
    if not loader.startswith("generic") and not elf.string(NOTE_GUEST_OS).startswith("linux"):
        raise KernelError(f'its notes ask for the loader "{loader}", and this is "generic"')
    _check_layout(elf, memory)


def _check_layout(elf: Elf, memory: Optional[int]) -> None:
    loads = [segment for segment in elf.segments if segment.kind == PT_LOAD and segment.memsz]
    if not loads:
        raise KernelError("it has nothing to load")
    for load in loads:
        if load.filesz > load.memsz or load.paddr + load.memsz >= 1 << 64:
            raise KernelError("a segment of it is larger in the file than in memory")
    base, offset = elf.number(NOTE_VIRT_BASE, 0) or 0, elf.number(NOTE_PADDR_OFFSET, 0) or 0
    if min(load.paddr for load in loads) < offset:
        raise KernelError("its notes lie: a segment lies below PADDR_OFFSET")
    start = min(load.paddr for load in loads) - offset
    end = max(load.paddr + load.memsz for load in loads) - offset
    entry = elf.number(NOTE_ENTRY, elf.entry) or 0
    if not base + start <= entry < base + end:
        raise KernelError(
            f"its notes lie: the entry {entry:#x} is outside the kernel, "
            f"{base + start:#x} to {base + end:#x}"
        )
    page = elf.number(NOTE_HYPERCALL_PAGE)
    if page is not None and (page % PAGE or not base + start <= page <= base + end - PAGE):
        raise KernelError(f"its notes lie: the hypercall page {page:#x} is outside the kernel")
    if memory is not None and end >= memory:
        raise KernelError(
            f"it needs more than {end / (1 << 20):.0f} MiB of memory, and gets {memory >> 20} MiB"
        )


def prepare(path: Path, memory: Optional[int] = None) -> bytes:
    """The checked ELF in the kernel file at `path`. Raises KernelError or OSError."""
    elf = extract(path.read_bytes())
    check(elf, memory)
    return elf


def main() -> int:
    parser = argparse.ArgumentParser(description="extract and check a PV guest kernel")
    parser.add_argument("kernel", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--memory", type=int, help="bytes that the guest will have")
    arguments = parser.parse_args()
    try:
        elf = prepare(arguments.kernel, arguments.memory)
    except (KernelError, OSError) as error:
        print(f"{arguments.kernel}: {error}", file=sys.stderr)
        return 1
    arguments.output.write_bytes(elf)
    return 0


if __name__ == "__main__":
    sys.exit(main())
