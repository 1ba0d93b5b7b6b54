# SPDX-License-Identifier: BSD-2-Clause
"""The checker of the kill campaign: disks that are as reported, and each thing that
must not be, which it has to find."""

import contextlib
import struct
import subprocess
import tempfile
import unittest
import zlib
from pathlib import Path
from typing import Callable, Iterator

from tests.fault.disk import check
from tests.fault.disk.check import BLOCK, HEADER, MAGIC, MAX_ANSWERS, REPORT_MAGIC, SECTOR

REGIONS, BLOCKS, FILES = 4, 8, 3
TOTAL = REGIONS * BLOCKS
DATA = TOTAL * BLOCK


def sector(block: int, sequence: int, number: int) -> bytes:
    body = struct.pack("<IIII", MAGIC, block, sequence, number)
    body += bytes((block + sequence + number) % 256 for _ in range(SECTOR - 20))
    return body + struct.pack("<I", zlib.crc32(body))


def block_of(block: int, sequence: int) -> bytes:
    if not sequence:
        return bytes(BLOCK)
    return b"".join(sector(block, sequence, n) for n in range(BLOCK // SECTOR))


SEQUENCE = [block % 5 for block in range(TOTAL)]
VERSIONS = [(2, 100), (0, 0), (7, 5001)]
ANSWERS = [(1000, 0), (1100, 1), (1200, 4), (5000, 2)]


def report() -> bytes:
    data = struct.pack(f"<{TOTAL}I", *SEQUENCE)
    table = struct.pack(f"<{2 * FILES}I", *(v for v, _ in VERSIONS), *(s for _, s in VERSIONS))
    data += table + bytes(BLOCK - len(table))
    data += b"".join(struct.pack("<QII", at, worker, 0) for at, worker in ANSWERS)
    data += bytes(16 * (MAX_ANSWERS - len(ANSWERS)))
    header = HEADER.pack(REPORT_MAGIC, REGIONS, BLOCKS, FILES, len(ANSWERS), 0, zlib.crc32(data),
                         900, 6000)
    return header + bytes(BLOCK - len(header)) + data


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="tessera.check.") as name:
        yield Path(name)


class Raw(unittest.TestCase):
    def image(self, where: Path) -> Path:
        path = where / "raw.img"
        blocks = (block_of(block, sequence) for block, sequence in enumerate(SEQUENCE))
        path.write_bytes(b"".join(blocks) + report())
        return path

    def problems(self, change: Callable[[bytearray], None]) -> list[str]:
        with folder() as where:
            path = self.image(where)
            data = bytearray(path.read_bytes())
            change(data)
            path.write_bytes(data)
            return check.raw_problems(path, check.read_report(path, DATA))

    def finds(self, block: int, word: str, data: bytes, offset: int = 0) -> None:
        def change(image: bytearray) -> None:
            at = block * BLOCK + offset
            image[at : at + len(data)] = data

        found = self.problems(change)
        self.assertTrue(found and all(f"block {block}," in line for line in found), found)
        self.assertIn(word, found[0])

    def test_good(self) -> None:
        self.assertEqual(self.problems(lambda image: None), [])

    def test_lost(self) -> None:
        self.finds(4, "lost", block_of(4, 3))
        self.finds(4, "holds something else", bytes(BLOCK))

    def test_done_over(self) -> None:
        self.finds(3, "done over", block_of(3, 1))

    def test_torn(self) -> None:
        self.finds(4, "lost", sector(4, 2, 5), 5 * SECTOR)
        self.finds(4, "wrong checksum", b"\xff", 3 * SECTOR + 77)

    def test_elsewhere(self) -> None:
        self.finds(4, "of block 9", block_of(9, 4))
        self.finds(4, "holds sector 1", sector(4, 4, 1))
        self.finds(5, "never written", b"\1", 100)

    def test_too_new(self) -> None:
        self.finds(4, "not acknowledged last", block_of(4, 5))

    def test_report(self) -> None:
        for at, what in ((0, "no report"), (BLOCK + 5, "checksum"), (8, "larger")):
            with folder() as where:
                path = self.image(where)
                data = bytearray(path.read_bytes())
                data[DATA + at + (3 if at == 8 else 0)] ^= 0x55
                path.write_bytes(data)
                with self.assertRaises(check.Wrong) as caught:
                    check.read_report(path, DATA)
                self.assertIn(what, str(caught.exception))


class FileSystem(unittest.TestCase):
    def problems(self, contents: dict[int, bytes], spoil: bool = False) -> list[str]:
        with folder() as where:
            tree = where / "tree"
            tree.mkdir()
            for number, data in contents.items():
                (tree / f"file{number}").write_bytes(data)
            image = where / "ext4.img"
            with image.open("wb") as file:
                file.truncate(8 << 20)
            subprocess.run(["mke2fs", "-q", "-t", "ext4", "-d", tree, image], check=True)
            if spoil:
                subprocess.run(["debugfs", "-w", "-R", "clri file0", image], check=True,
                               capture_output=True)
            raw = where / "raw.img"
            raw.write_bytes(bytes(DATA) + report())
            copies = where / "copies"
            copies.mkdir()
            return check.file_system_problems(image, check.read_report(raw, DATA), copies)

    def good(self) -> dict[int, bytes]:
        return {n: check.file_content(n, *entry) for n, entry in enumerate(VERSIONS) if entry[0]}

    def test_good(self) -> None:
        self.assertEqual(self.problems(self.good()), [])

    def test_old_version(self) -> None:
        found = self.problems({**self.good(), 2: check.file_content(2, 6, 5001)})
        self.assertEqual(found, ["file 2 is not its version 7 of 5001 bytes"])

    def test_missing(self) -> None:
        contents = self.good()
        del contents[0]
        self.assertEqual(len(self.problems(contents)), 1)

    def test_damaged(self) -> None:
        found = self.problems(self.good(), spoil=True)
        self.assertTrue(any("e2fsck" in line for line in found), found)


class Times(unittest.TestCase):
    def test_silence(self) -> None:
        kills = check.kills_in("x: kill 0 vbd at 1000\nkill 1 all at 2000\nkill 2 store at 9000\n")
        found = check.measure(kills, [500, 1010, 1600, 1700, 2500, 2600, 8000], 10000)
        self.assertEqual([(k.victim, k.first, k.silence) for k in found],
                         [("vbd", 10, 590), ("all", 500, 5400)])

    def test_before_the_first_answer(self) -> None:
        self.assertEqual(check.measure([check.Kill("vbd", 5)], [10, 20], 30), [])

    def test_table(self) -> None:
        text = check.table([check.Kill("vbd", 0, 1000, 2000), check.Kill("vbd", 0, 3000, 9000)])
        self.assertRegex(text, r"vbd +2 +3\.0 +3\.0 +9\.0 +9\.0")
