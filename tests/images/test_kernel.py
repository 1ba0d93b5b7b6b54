# SPDX-License-Identifier: BSD-2-Clause
"""Guest kernel files: every packing is opened, every kind of damage is told.

A small ELF with Xen's notes is made here and packed as the boot protocol of
Linux says; so each mistake can be made alone. tests/boot has the real kernels.
"""

import gzip
import lzma
import random
import struct
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import kernel
from launcher.paths import TOP

BASE = 0xFFFFFFFF80000000
START, SIZE = 0x1000000, 0x200000  # physical place, size in memory
CONTENTS = random.Random(1).randbytes(1 << 16)

GOOD_NOTES = {
    1: struct.pack("<Q", BASE + START),
    3: struct.pack("<Q", BASE),
    5: b"xen-3.0\0",
    6: b"linux\0",
    8: b"generic\0",
}


def make_elf(notes: dict[int, bytes] | None = None, **changes: int) -> bytes:
    """An ELF with one segment and one of notes; `changes` overrule header fields."""
    packed = b""
    for kind, value in (GOOD_NOTES if notes is None else notes).items():
        packed += struct.pack("<III4s", 4, len(value), kind, b"Xen\0")
        packed += value + bytes(-len(value) % 4)
    field = {"machine": 62, "type": 2, "filesz": len(CONTENTS), "memsz": SIZE, "paddr": START,
             "phnum": 2, **changes}
    header = b"\x7fELF\2\1\1" + bytes(9) + struct.pack(
        "<HHIQQQIHHHHHH", field["type"], field["machine"], 1, START, 64, 0, 0, 64, 56,
        field["phnum"], 64, 0, 0,
    )
    place = 64 + 2 * 56
    load = struct.pack("<IIQQQQQQ", 1, 7, place, BASE + START, field["paddr"], field["filesz"],
                       field["memsz"], 4096)
    end = place + len(CONTENTS)
    note = struct.pack("<IIQQQQQQ", 4, 4, end, 0, 0, len(packed), len(packed), 4)
    return header + load + note + CONTENTS + packed


def tool(*command: str):
    return lambda data: subprocess.run(command, input=data, check=True, capture_output=True).stdout


PACKERS = {
    "gzip": gzip.compress,
    "xz": lambda data: lzma.compress(data, check=lzma.CHECK_CRC32),
    "zstd": tool("zstd", "-qc"),
    "lz4": tool("lz4", "-lqc"),
}


def make_bzimage(elf: bytes, packer: str) -> bytes:
    payload = PACKERS[packer](elf)
    if packer != "gzip":  # its stream already ends with the size
        payload += struct.pack("<I", len(elf))
    image = bytearray(3 * 512)
    image[0x1F1] = 2
    image[0x202:0x206] = b"HdrS"
    struct.pack_into("<H", image, 0x206, 0x20F)
    struct.pack_into("<II", image, 0x248, 0x100, len(payload))
    return bytes(image) + bytes(0x100) + payload + bytes(64)


class Packed(unittest.TestCase):
    """Each packing, whole and damaged."""

    def refuse(self, image: bytes, words: str) -> None:
        with self.assertRaisesRegex(kernel.KernelError, words):
            kernel.check(kernel.extract(image))

    def test_plain_elf(self) -> None:
        self.assertTrue(kernel.extract(make_elf()) == make_elf())

    def test_old_boot_protocol(self) -> None:
        image = bytearray(make_bzimage(make_elf(), "gzip"))
        struct.pack_into("<H", image, 0x206, 0x207)
        self.refuse(bytes(image), "2.07 is older than 2.08")

    def test_size_that_does_not_fit(self) -> None:
        image = make_bzimage(make_elf(), "xz")
        at = image.rindex(struct.pack("<I", len(make_elf())))
        self.refuse(image[:at] + struct.pack("<I", 5) + image[at + 4 :], "expands to .* and says 5")

    def test_empty_file(self) -> None:
        self.refuse(b"", "empty")

    def test_text_file(self) -> None:
        self.refuse(b"#!/bin/sh\n" * 100, "neither an ELF nor compressed")

    def test_other_packings_are_named(self) -> None:
        for magic, word in ((b"BZh9", "bzip2"), (b"\x89LZO", "lzo"), (b"\x5d\0\0\x80", "lzma")):
            self.refuse(magic + bytes(100), word)


def _whole(packer: str):
    def test(self: Packed) -> None:
        elf = make_elf()
        self.assertTrue(kernel.extract(make_bzimage(elf, packer)) == elf)
        self.assertTrue(kernel.extract(PACKERS[packer](elf)) == elf)
        kernel.check(elf)

    return test


def _damaged(packer: str):
    def test(self: Packed) -> None:
        image = make_bzimage(make_elf(), packer)
        self.refuse(image[: len(image) - 200], "cut off")
        whole = PACKERS[packer](make_elf())
        self.refuse(whole[: len(whole) // 2], "damaged or cut off")
        for at in (len(image) // 2, 3 * 512 + 0x100 + 20):
            changed = image[:at] + bytes([image[at] ^ 0xFF]) + image[at + 1 :]
            try:
                self.assertFalse(kernel.extract(changed) == make_elf())
            except kernel.KernelError:
                pass  # most damage is noticed; lz4 has no checksum

    return test


for name in PACKERS:
    setattr(Packed, f"test_{name}", _whole(name))
    setattr(Packed, f"test_{name}_damaged", _damaged(name))


class Checked(unittest.TestCase):
    """What the ELF and its notes must say."""

    def refuse(self, elf: bytes, words: str, memory: int | None = None) -> None:
        with self.assertRaisesRegex(kernel.KernelError, words):
            kernel.check(elf, memory)

    def notes(self, **changes: bytes | None) -> dict[int, bytes]:
        changed = {**GOOD_NOTES, **{int(key[1:]): value for key, value in changes.items()}}
        return {key: value for key, value in changed.items() if value is not None}

    def test_enough_memory(self) -> None:
        kernel.check(make_elf(), START + SIZE + 4096)

    def test_too_little_memory(self) -> None:
        self.refuse(make_elf(), "needs more than 18 MiB of memory, and gets 16 MiB", 16 << 20)

    def test_no_notes(self) -> None:
        self.refuse(make_elf({}), "not a PV kernel")

    def test_other_interface(self) -> None:
        self.refuse(make_elf(self.notes(n5=b"xen-4.0\0")), 'interface "xen-4.0"')

    def test_other_loader(self) -> None:
        notes = self.notes(n8=b"special\0", n6=b"plan9\0")
        self.refuse(make_elf(notes), 'loader "special"')

    def test_entry_outside(self) -> None:
        for entry in (BASE + START - 1, BASE + START + SIZE, 0):
            self.refuse(make_elf(self.notes(n1=struct.pack("<Q", entry))), "entry .* outside")

    def test_hypercall_page_outside(self) -> None:
        for page in (BASE + START + SIZE, BASE + START + 1, 0):
            notes = self.notes(n2=struct.pack("<Q", page))
            self.refuse(make_elf(notes), "hypercall page .* outside")

    def test_number_of_odd_length(self) -> None:
        self.refuse(make_elf(self.notes(n1=b"abc")), "3 bytes long")

    def test_note_longer_than_its_segment(self) -> None:
        elf = bytearray(make_elf())
        at = elf.index(b"Xen\0") - 8
        struct.pack_into("<I", elf, at, 0x7FFFFFFF)
        self.refuse(bytes(elf), "longer than its segment")

    def test_cut_off_at_many_places(self) -> None:
        elf = make_elf()
        for length in (3, 63, 64, 150, 1000, len(elf) - 4):
            self.refuse(elf[:length], "cut off|not a 64-bit|longer")

    def test_other_machine(self) -> None:
        self.refuse(make_elf(machine=183), "another machine")

    def test_object_file(self) -> None:
        self.refuse(make_elf(type=1), "not an executable")

    def test_larger_in_the_file_than_in_memory(self) -> None:
        self.refuse(make_elf(memsz=16), "larger in the file")

    def test_segment_that_wraps(self) -> None:
        self.refuse(make_elf(paddr=(1 << 64) - 4096), "larger in the file|wraps")

    def test_nothing_to_load(self) -> None:
        self.refuse(make_elf(memsz=0, filesz=0), "nothing to load")

    def test_too_many_headers(self) -> None:
        self.refuse(make_elf(phnum=65535), "cut off")

    def test_program_of_the_host(self) -> None:
        self.refuse(Path("/bin/true").read_bytes(), "not a PV kernel")


class Command(unittest.TestCase):
    def test_says_which_file_and_why(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "vmlinuz"
            path.write_bytes(make_elf({}))
            result = subprocess.run(
                [sys.executable, TOP / "images" / "kernel.py", path, Path(folder) / "out"],
                capture_output=True, text=True, check=False,
            )
            self.assertEqual(result.returncode, 1)
            self.assertRegex(result.stderr, "vmlinuz: it is not a PV kernel")
            self.assertFalse((Path(folder) / "out").exists())
