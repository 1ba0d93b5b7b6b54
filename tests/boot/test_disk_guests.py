# SPDX-License-Identifier: BSD-2-Clause
"""What a stock guest finds on disks of unusual kinds: large ones, large blocks, ones that
forget on request, that fail, or whose interrupts come over one line. By way of the whole
path, where test_disk_drivers and test_storage_drivers look at the drivers alone."""

import hashlib
import json
import os
import re
import tempfile
import unittest
from pathlib import Path

from launcher import minimal
from launcher.disks import Disk
from tests.support import Booted, DEBIAN_KERNELS, boot, disk_initrd, package, system

CLOUD = DEBIAN_KERNELS["6.1_cloud"]
MIB = 1 << 20
LIMIT = 120

LARGE = 3 << 40
FAR = 5 << 39  # two and a half tebibytes
BLOCKS = 4096
THERE = "until [ -b /dev/xvd$d ]; do sleep 0.1; done; "  # a guest does not wait for its disks
# Writes a MiB of its own far out on each disk, and reads it back.
FAR_OUT = (
    "for d in a b c; do " + THERE +
    "cat /sys/block/xvd$d/size /sys/block/xvd$d/queue/logical_block_size; "
    "yes disk $d | head -c 1048576 >/tmp/$d; "
    f"dd if=/tmp/$d of=/dev/xvd$d bs=64k seek={FAR >> 16} oflag=direct 2>/dev/null; "
    f"dd if=/dev/xvd$d bs=1M skip={FAR >> 20} count=1 iflag=direct 2>/dev/null | cmp - /tmp/$d "
    "&& echo same $d; done"
)
FORGET = (
    "for d in a b c; do " + THERE +
    "yes | head -c 8388608 | dd of=/dev/xvd$d bs=1M oflag=direct 2>/dev/null; "
    "blkdiscard -o 2097152 -l 4194304 /dev/xvd$d && echo forgotten $d; done"
)
ALL = ("virtio-blk", "nvme", "ahci")


def run_in_guest(command: str, *words: str) -> Booted:
    return boot(package(CLOUD), *words, initrd=disk_initrd(), timeout=LIMIT,
                cmdline=f'quiet tessera.run="{command}"')


class Kinds(unittest.TestCase):
    def run_on(self, size: int, command: str, *words: str) -> tuple[str, list[Path]]:
        """Each model of disk with a file of this size, which is the caller's to look at."""
        folder = tempfile.TemporaryDirectory(prefix="tessera.kinds.")
        self.addCleanup(folder.cleanup)
        files, options = [], list(words)
        for model in ALL:
            files.append(Path(folder.name) / model)
            with files[-1].open("wb") as file:
                file.truncate(size)
            options += ["--disk", f"{files[-1]},driver={model}"]
        result = run_in_guest(command, *options)
        self.assertEqual(result.status, 0, result)
        return result.console, files

    def test_three_tebibytes_in_blocks_of_4096(self) -> None:
        globals_of = [word for kind in ("virtio-blk-pci", "nvme-ns")
                      for key in ("logical_block_size", "physical_block_size")
                      for word in ("--qemu-arg", "-global", "--qemu-arg", f"{kind}.{key}={BLOCKS}")]
        said, files = self.run_on(LARGE, FAR_OUT, *globals_of)
        # An ATA disk of QEMU's has small blocks only.
        for letter, block, path in zip("abc", (BLOCKS, BLOCKS, 512), files):
            self.assertRegex(said, rf"(?m)^{LARGE >> 9}\n{block}\nsame {letter}$")
            with path.open("rb") as file:
                file.seek(FAR)
                want = (f"disk {letter}\n".encode() * MIB)[:MIB]
                self.assertTrue(file.read(MIB) == want, f"{path.name}: other data far out")

    def test_what_is_discarded_is_given_back(self) -> None:
        said, files = self.run_on(16 * MIB, FORGET)
        for letter, path in zip("abc", files):
            self.assertIn(f"forgotten {letter}\n", said)
            kept = path.stat().st_blocks * 512
            self.assertTrue(4 * MIB <= kept < 5 * MIB, f"{path.name} has {kept} bytes")
            data = path.read_bytes()
            self.assertEqual(data.count(b"y\n"), 2 * MIB, path.name)
            self.assertEqual(data[2 * MIB : 6 * MIB].count(0), 4 * MIB, path.name)

    def test_drivers_that_share_an_interrupt_line(self) -> None:
        """QEMU's PC has two lines for its PCI slots."""
        count = 4
        with tempfile.TemporaryDirectory(prefix="tessera.kinds.") as name:
            words = ["--qemu-arg", "-global", "--qemu-arg", "virtio-blk-pci.vectors=0"]
            paths = [Path(name) / str(number) for number in range(count)]
            for path in paths:
                path.write_bytes(path.name.encode() * (4 * MIB))
                words += ["--disk", str(path)]
            sums = [hashlib.md5(path.read_bytes()).hexdigest() for path in paths]
            result = run_in_guest(
                "for d in a b c d; do " + THERE +
                "(dd if=/dev/xvd$d bs=4k iflag=direct 2>/dev/null | md5sum) & done; wait", *words)
        self.assertEqual(result.status, 0, result)
        self.assertEqual(sorted(re.findall(r"(?m)^(\w{32})  -$", result.console)), sorted(sums))
        lines = re.findall(r"1af4:\w+ class 010000, messages \d+/(\d+), line (\d+)", result.log)
        self.assertEqual([messages for messages, _ in lines], ["0"] * count, result.log[-3000:])
        self.assertLess(len({line for _, line in lines}), count, lines)
        self.assertNotIn("came without an interrupt", result.log)


class Broken(Disk):
    """Its sector 800 cannot be read."""

    def blockdev(self, node: str) -> str:
        rule = {"event": "read_aio", "errno": 5, "sector": 800, "iotype": "read"}
        file = {"driver": "file", "filename": str(self.file), "discard": "unmap"}
        return json.dumps({"driver": "raw", "node-name": node, "file": {
            "driver": "blkdebug", "inject-error": [rule], "image": file}})


class Verified(Disk):
    """All that is written goes to a second file as well (NAME.twin), and QEMU ends when
    something that is read is another there. (It also ends at a request to write zeroes, which
    blkverify of QEMU 7.2 cannot do; a guest's blkfront never sends one.)"""

    def twin(self) -> Path:
        return Path(f"{self.file}.twin")

    def blockdev(self, node: str) -> str:
        test, raw = ({"driver": "file", "filename": str(path)} for path in
                     (self.file, self.twin()))
        return json.dumps({"driver": "raw", "node-name": node, "file": {
            "driver": "blkverify", "test": test, "raw": raw}})


class Twins(unittest.TestCase):
    COMMAND = (
        "yes twin | head -c 6291456 | dd of=/dev/xvda bs=128k oflag=direct 2>/dev/null; "
        "dd if=/dev/zero of=/dev/xvda bs=4k seek=77 count=300 oflag=direct conv=fsync 2>/dev/null; "
        "dd if=/dev/xvda of=/dev/null bs=64k iflag=direct && echo same; "
        "dd if=/dev/xvda of=/dev/null bs=4k skip=1800 iflag=direct && echo again"
    )

    def run_on(self, disk: Disk) -> tuple[int, str]:
        text = minimal.describe(
            minimal.guest("one", kernel=f"package:{CLOUD}", memory="128M", initrd=disk_initrd(),
                          cmdline=f'console=hvc0 quiet tessera.run="{self.COMMAND}"'),
            minimal.virtual("one", [disk]), raw="one", disks=[disk])
        with system(text, attached=[disk]) as console:
            return console.wait(LIMIT), console.text

    def test_what_is_read_is_what_the_twin_has(self) -> None:
        for model in ALL:
            with self.subTest(model), tempfile.TemporaryDirectory(prefix="tessera.kinds.") as name:
                disk = Verified(Path(name) / "disk", model)
                for path in (disk.file, disk.twin()):
                    path.write_bytes(b"before\n" * 2 * MIB)
                    os.truncate(path, 8 * MIB)
                _, said = self.run_on(disk)
                self.assertRegex(said, r"(?m)^same\r?$")
                self.assertRegex(said, r"(?m)^again\r?$")
                found = disk.file.read_bytes()
                self.assertTrue(found == disk.twin().read_bytes(), "the twins differ")
                want = bytearray((b"twin\n" * 2 * MIB)[: 6 * MIB])
                want[77 * 4096 : 377 * 4096] = bytes(300 * 4096)
                self.assertTrue(found[: 6 * MIB] == bytes(want), "other data was written")

    def test_a_twin_that_differs(self) -> None:
        """So that the test above can fail."""
        with tempfile.TemporaryDirectory(prefix="tessera.kinds.") as name:
            disk = Verified(Path(name) / "disk", "virtio-blk")
            disk.file.write_bytes(bytes(8 * MIB))
            disk.twin().write_bytes(bytes(7 * MIB) + b"x" + bytes(MIB - 1))
            status, said = self.run_on(disk)
        self.assertNotEqual(status, 33, said)
        self.assertNotRegex(said, r"(?m)^same\r?$")


class Errors(unittest.TestCase):
    def test_a_sector_that_cannot_be_read(self) -> None:
        """An error for who asked for it, and nothing else."""
        command = (
            "dd if=/dev/xvda of=/dev/null bs=4k skip=100 count=1 iflag=direct || echo lost; "
            "dd if=/dev/xvda of=/dev/null bs=4k count=100 iflag=direct && echo before; "
            "dd if=/dev/xvda of=/dev/null bs=4k skip=101 iflag=direct && echo behind; "
            "dd if=/dev/zero of=/dev/xvda bs=4k seek=100 count=1 oflag=direct && echo written"
        )
        for model in ALL:
            with self.subTest(model), tempfile.NamedTemporaryFile(prefix="tessera.kinds.") as file:
                file.truncate(16 * MIB)
                attached = [Broken(Path(file.name), model)]
                text = minimal.describe(
                    minimal.guest("one", kernel=f"package:{CLOUD}", memory="128M",
                                  initrd=disk_initrd(),
                                  cmdline=f'console=hvc0 quiet tessera.run="{command}"'),
                    minimal.virtual("one", attached), raw="one", disks=attached)
                with system(text, attached=attached) as console:
                    console.wait(LIMIT)
                for word in ("lost", "before", "behind", "written"):
                    self.assertRegex(console.text, rf"(?m)^{word}\r?$")


if __name__ == "__main__":
    unittest.main()
