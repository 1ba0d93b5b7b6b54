# SPDX-License-Identifier: BSD-2-Clause
"""Disk images on the host: what is written is what Linux' tools read, and the other
way round; formats; files out of file systems."""

import os
import struct
import subprocess
import tempfile
import unittest
import zlib
from pathlib import Path

import diskimage
from diskimage import ALIGNMENT, DiskError, Partition
from launcher import disks
from launcher.disks import Disk
from launcher.paths import Failure

SIZE = 16 << 20
TWO = [Partition("root", ALIGNMENT, 8 << 20), Partition("späte Daten", 10 << 20, 1 << 20)]


class Images(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.image = self.folder / "disk.img"

    def file_system(self, offset: int) -> None:
        tree = self.folder / "tree"
        (tree / "boot").mkdir(parents=True)
        (tree / "boot" / "kernel").write_bytes(b"kernel\n" * 1000)
        (tree / "kernel").symlink_to("boot/kernel")
        (tree / "absolute").symlink_to("/boot/kernel")
        (tree / "circle").symlink_to("circle")
        subprocess.run(
            ["mke2fs", "-q", "-F", "-t", "ext4", "-E", f"offset={offset}", "-d", tree, self.image,
             "8192k"], check=True,
        )


class Tables(Images):
    def test_both_copies_are_whole(self) -> None:
        diskimage.write_table(self.image, TWO, SIZE)
        self.assertEqual(self.image.stat().st_size, SIZE)
        self.assertEqual(diskimage.read_table(self.image), TWO)
        data = self.image.read_bytes()
        self.assertEqual(data[510:512], b"\x55\xaa")
        for at in (512, SIZE - 512):
            header = data[at : at + diskimage.HEADER.size]
            fields = list(diskimage.HEADER.unpack(header))
            (crc,) = struct.unpack_from("<I", header, 16)
            self.assertEqual(crc, zlib.crc32(header[:16] + bytes(4) + header[20:]))
            entries = data[fields[10] * 512 :][: 128 * 128]
            self.assertEqual(fields[13], zlib.crc32(entries))
            self.assertEqual(fields[5], at // 512)

    def test_no_table(self) -> None:
        self.image.write_bytes(bytes(SIZE))
        self.assertEqual(diskimage.read_table(self.image), [])

    def test_a_table_that_lies(self) -> None:
        diskimage.write_table(self.image, TWO, SIZE)
        with self.image.open("r+b") as file:
            file.seek(512 + 80)
            file.write(struct.pack("<I", 1 << 31))
        with self.assertRaisesRegex(DiskError, "2147483648 entries"):
            diskimage.read_table(self.image)


class Files(Images):
    def extract(self, path: str) -> bytes:
        output = self.folder / "output"
        diskimage.extract(self.image, path, output)
        return output.read_bytes()

    def test_in_a_partition_and_through_links(self) -> None:
        self.file_system(ALIGNMENT)
        diskimage.write_table(self.image, TWO, SIZE)
        for path in ("/boot/kernel", "/kernel", "/absolute"):
            self.assertEqual(self.extract(path), b"kernel\n" * 1000)

    def test_without_a_table(self) -> None:
        self.file_system(0)
        self.assertEqual(self.extract("/kernel"), b"kernel\n" * 1000)

    def test_what_is_not_there(self) -> None:
        self.file_system(0)
        with self.assertRaisesRegex(DiskError, "File not found"):
            self.extract("/boot/nothing")
        with self.assertRaisesRegex(DiskError, "too many symbolic links"):
            self.extract("/circle")

    def test_no_file_system(self) -> None:
        self.image.write_bytes(bytes(SIZE))
        with self.assertRaisesRegex(DiskError, "no ext4 file system"):
            self.extract("/kernel")

    def test_qcow2(self) -> None:
        self.image.write_bytes(diskimage.QCOW2_MAGIC + bytes(SIZE))
        with self.assertRaisesRegex(DiskError, "raw images"):
            self.extract("/kernel")


class Options(Images):
    """--disk FILE,..."""

    def test_format_is_found_or_said(self) -> None:
        self.image.write_bytes(bytes(1024))
        self.assertEqual(disks.parse(str(self.image)), Disk(self.image))
        self.image.write_bytes(diskimage.QCOW2_MAGIC + bytes(1024))
        self.assertEqual(disks.parse(str(self.image)).format, "qcow2")
        self.assertEqual(disks.parse(f"{self.image},format=raw").format, "raw")

    def test_model_and_mode(self) -> None:
        self.image.write_bytes(bytes(1024))
        self.assertEqual(disks.parse(f"{self.image},driver=nvme,ro"),
                         Disk(self.image, "nvme", readonly=True))

    def test_unreadable(self) -> None:
        with self.assertRaisesRegex(Failure, "is no file"):
            disks.parse(str(self.folder))

    def test_qemu_gets_the_format_and_any_name(self) -> None:
        path = self.folder / 'a,b"c.img'
        path.write_bytes(bytes(1024))
        words = disks.qemu_arguments([Disk(path)], False)
        self.assertIn('"driver": "raw"', words[1])
        self.assertIn('a,b\\"c.img', words[1])

    def test_one_controller_for_the_disks_of_a_driver(self) -> None:
        words = " ".join(disks.qemu_arguments(
            [Disk(self.image, "ahci", driver="sata"), Disk(self.image, "nvme", driver="fast"),
             Disk(self.image, "ahci", driver="sata", number=3)], False,
        ))
        self.assertEqual(words.count("ahci,id="), 1)
        self.assertIn("ide-hd,bus=controller0.3,drive=disk2", words)

    def test_iommu(self) -> None:
        words = " ".join(disks.qemu_arguments([Disk(self.image)], True))
        self.assertIn("intel-iommu,intremap=on", words)
        self.assertIn("iommu_platform=on", words)
        self.assertEqual(disks.machine_type("pc", True), "q35,kernel-irqchip=off")


class Copies(Images):
    def test_a_copy_stays_sparse(self) -> None:
        with self.image.open("wb") as file:
            file.truncate(SIZE)
            file.seek(SIZE // 2)
            file.write(b"data")
        copied = disks.copy(self.image, self.folder / "below" / "copy.img")
        self.assertEqual(copied.read_bytes(), self.image.read_bytes())
        self.assertLess(os.stat(copied).st_blocks * 512, SIZE // 4)
