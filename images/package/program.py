# SPDX-License-Identifier: BSD-2-Clause
"""From a linked native program (ELF) to the image that is loaded, and the needs that
its sources have said: the section .package, which libs/rt/package.h fills."""

import struct

from . import dom

EHDR = struct.Struct("<16sHHIQQQIHHHHHH")
PHDR = struct.Struct("<IIQQQQQQ")
SHDR = struct.Struct("<IIQQQQIIQQ")
PT_LOAD = 1
SECTION = ".package"
VIRT_BASE = 0x400000


def image(elf: bytes) -> bytes:
    """What lies in memory from VIRT_BASE on, without the zeroes at its end."""
    header = EHDR.unpack_from(elf)
    flat = bytearray()
    for n in range(header[10]):
        kind, _, offset, address, _, size, _, _ = PHDR.unpack_from(
            elf, header[5] + n * header[9])
        if kind != PT_LOAD or not size:
            continue
        start = address - VIRT_BASE
        if start < len(flat):
            raise dom.PackageError("its parts overlap")
        flat += bytes(start - len(flat)) + elf[offset : offset + size]
    return bytes(flat)


def _section(elf: bytes, name: str) -> bytes:
    header = EHDR.unpack_from(elf)
    sections = [SHDR.unpack_from(elf, header[6] + n * header[11]) for n in range(header[12])]
    names = sections[header[13]]
    for section in sections:
        at = names[4] + section[0]
        if elf[at : elf.index(b"\0", at)].decode() == name:
            return elf[section[4] : section[4] + section[5]]
    return b""


def needs(elf: bytes) -> list[dom.Need]:
    """Each once, in the order of their kinds. Who says one twice must mean the same."""
    data = _section(elf, SECTION)
    found: dict[tuple[int, int, int], dom.Need] = {}
    for at in range(0, len(data), dom.NEED.size):
        need = dom.need(data[at : at + dom.NEED.size])
        place = (need.kind, need.what, need.role)
        if found.setdefault(place, need) != need:
            raise dom.PackageError(f"two of its sources differ in what they need: "
                                   f"{found[place]} and {need}")
    return sorted(found.values())


def package(elf: bytes, name: str, release: str) -> dom.Package:
    return dom.Package(name, release, image(elf), needs(elf)).seal()
