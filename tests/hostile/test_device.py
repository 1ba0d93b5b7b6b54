# SPDX-License-Identifier: BSD-2-Clause
"""A device under the core's own eyes: QEMU's `edu`, driven by a program in root's place.

Its output is that of device/main.c. The machine is a PC without an IOMMU, with
one, and with one that remembers what is not there; and one whose device memory
lies below the end of RAM.
"""

import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from launcher import build
from launcher.machine import Machine
from tests.support import build_dir

IOMMU = "intel-iommu,intremap=on"
POWEROFF = 0x10 << 1 | 1


class Device(unittest.TestCase):
    def device(self, iommu: str = "", memory: int = 128) -> str:
        """What the core and the program said; no case has failed."""
        with tempfile.TemporaryDirectory(prefix="tessera.device.") as folder:
            root = Path(folder) / "root"
            shutil.copyfile(build_dir() / "tests" / "hostile" / "device.bin", root)
            log = Path(folder) / "log"
            arguments = Machine(
                memory_mib=memory, log=log,
                machine="q35,kernel-irqchip=off" if iommu else "pc",
                boot=["-kernel", str(build.core(build_dir())), "-append", "log=com2",
                      "-initrd", str(root)],
                extra=[*(["-device", iommu] if iommu else []),
                       "-device", "edu,dma_mask=0xffffffffff"],
            ).arguments(False)
            end = subprocess.run(
                arguments, stdin=subprocess.DEVNULL, capture_output=True, timeout=120, check=False
            )
            said = log.read_text(encoding="utf-8").replace("\r", "")
        self.assertEqual(re.findall(r"FAIL.*", said), [], said)
        self.assertRegex(said, r"device: \d+ passed, 0 failed", said[-2000:])
        self.assertEqual(end.returncode, POWEROFF)
        return said

    def check_blocked(self, said: str) -> None:
        self.assertIn("PASS unmapped", said)
        self.assertRegex(said, r"dma: edu \(00:\w\w\.0\) tried to write 0x40001000: blocked")
        self.assertIn("dma: a device without a driver (00:", said)

    def test_without_iommu(self) -> None:
        self.assertIn("DMA drivers are trusted", self.device())

    def test_iommu(self) -> None:
        said = self.device(IOMMU)
        self.check_blocked(said)
        self.assertIn("it raises no interrupt but its own", said)

    def test_without_remapping(self) -> None:
        said = self.device("intel-iommu,intremap=off")
        self.check_blocked(said)
        self.assertIn("interrupts are not checked", said)

    def test_caching_mode(self) -> None:
        self.check_blocked(self.device(f"{IOMMU},caching-mode=on,aw-bits=48"))

    def test_device_memory_below_the_end_of_ram(self) -> None:
        self.check_blocked(self.device(IOMMU, memory=5120))
