# SPDX-License-Identifier: BSD-2-Clause
"""The NVMe and AHCI drivers on every kind of machine, by the checks of all disk drivers."""

import tempfile

from tests.boot import test_disk_drivers
from tests.boot.checked import IOMMU, Q35
from tests.boot.test_disk_drivers import image, run

BAD_SECTOR = '[inject-error]\nevent = "read_aio"\nerrno = "5"\nsector = "{sector}"\n{more}'


class Storage(test_disk_drivers.Drivers):
    """What both are held to besides."""

    def with_errors(self, driver: str, device: str, more: str, *machine: str) -> str:
        """The log when sector 800 cannot be read."""
        with image() as disk, tempfile.NamedTemporaryFile("w", prefix="tessera.rules.") as rules:
            rules.write(BAD_SECTOR.format(sector=800, more=more))
            rules.flush()
            disk[1] = disk[1].replace("file=", f"file=blkdebug:{rules.name}:", 1)
            return run(driver, device, "", *disk, *machine)

    def one_fails(self, driver: str, device: str, *machine: str) -> None:
        """A sector that cannot be read: an error for who asked, and nobody else."""
        log = self.with_errors(driver, device, "", *machine)
        self.assertIn("FAIL write zeroes", log)
        self.assertIn("PASS as many segments as it takes", log)
        self.assertIn("PASS discard", log)

    def fails_once(self, driver: str, device: str, *machine: str) -> None:
        """What fails once is asked again, and nobody notices."""
        log = self.with_errors(driver, device, 'once = "on"\n', *machine)
        self.passes(log, test_disk_drivers.CHECKS)

    def slow_disk(self, driver: str, device: str, *machine: str) -> str:
        """Commands are still under way when a session or the driver ends: the device is reset."""
        with image() as disk:
            disk[1] += ",throttling.iops-total=400"
            log = run(driver, device, "restart=driver", *disk, *machine)
        self.passes(log, test_disk_drivers.CHECKS + 1)
        return log


class Nvme(Storage):
    DEVICE = 'class = "nvme", interrupts = 5'
    DISK = ["-device", "nvme,drive=d0,serial=NAME2,max_ioqpairs=4"]

    def test_pc(self) -> None:
        log = self.survives("nvme", self.DEVICE, *self.DISK)
        self.assertIn("namespace 1, 64 MiB, blocks of 512, 4 queues", log)
        self.assertIn('"NAME2": 131072 sectors', log)
        self.assertNotIn("is reset", log)

    def test_iommu(self) -> None:
        log = self.survives("nvme", self.DEVICE, *IOMMU, *self.DISK)
        self.assertIn("root: the IOMMU enforces DMA and interrupts", log)
        self.assertNotIn("blocked", log)

    def test_one_interrupt_small_transfers_behind_a_bridge(self) -> None:
        log = self.drives(
            "nvme", 'class = "nvme"', *Q35, "-device", "pcie-root-port,id=bridge,chassis=1",
            "-device", "nvme,drive=d0,serial=x,bus=bridge,mdts=1",
        )
        self.assertIn("1 queues", log)

    def test_blocks_of_4096(self) -> None:
        log = self.drives("nvme", self.DEVICE, "-device", "nvme,drive=d0,serial=x,"
                          "logical_block_size=4096,physical_block_size=4096")
        self.assertIn("blocks of 4096", log)

    def test_namespaces(self) -> None:
        """Each is a disk; one with metadata in its blocks is left out."""
        with image() as disk, image("32M") as other, image("32M") as strange:
            drives = disk + [word.replace("id=d0", "id=d1") for word in other]
            drives += [word.replace("id=d0", "id=d2") for word in strange]
            log = run("nvme", self.DEVICE, "", *drives, "-device", "nvme,serial=x,id=n",
                      "-device", "nvme-ns,drive=d0,bus=n,nsid=2",
                      "-device", "nvme-ns,drive=d2,bus=n,nsid=4,ms=8",
                      "-device", "nvme-ns,drive=d1,bus=n,nsid=7,logical_block_size=4096,"
                      "physical_block_size=4096")
        self.passes(log, test_disk_drivers.CHECKS)
        self.assertIn("namespace 4 is left out: metadata in each block", log)
        self.assertIn("disk 0: namespace 2, 64 MiB, blocks of 512", log)
        self.assertIn("disk 1: namespace 7, 32 MiB, blocks of 4096", log)

    def test_three_tebibytes(self) -> None:
        with image(f"{3 << 20}M") as disk:
            log = run("nvme", self.DEVICE, "", *disk, *self.DISK)
        self.passes(log, test_disk_drivers.CHECKS)
        self.assertIn("6442450944 sectors", log)

    def test_errors(self) -> None:
        self.one_fails("nvme", self.DEVICE, *self.DISK)
        self.fails_once("nvme", self.DEVICE, *self.DISK)

    def test_slow_disk(self) -> None:
        log = self.slow_disk("nvme", self.DEVICE, *self.DISK)
        self.assertIn("the controller is reset: commands of the old session do not end", log)


class Ahci(Storage):
    DEVICE = 'class = "ahci"'
    DISK = ["-device", "ahci,id=sata", "-device", "ide-hd,bus=sata.2,drive=d0,serial=NAME3"]

    def test_pc(self) -> None:
        log = self.survives("ahci", self.DEVICE, *self.DISK)
        self.assertIn("port 2, 64 MiB, blocks of 512, 32 commands at once", log)
        self.assertIn('"NAME3": 131072 sectors', log)
        self.assertNotIn("reset", log)

    def test_iommu_and_the_adapter_of_the_chipset(self) -> None:
        """With a CD drive beside the disk."""
        log = self.survives("ahci", self.DEVICE, *IOMMU, "-device", "ide-hd,bus=ide.1,drive=d0",
                            "-device", "ide-cd,bus=ide.3")
        self.assertIn("port 1, 64 MiB", log)
        self.assertIn("port 3 is left out: an ATAPI device", log)
        self.assertIn("root: the IOMMU enforces DMA and interrupts", log)
        self.assertNotIn("blocked", log)

    def test_three_tebibytes(self) -> None:
        with image(f"{3 << 20}M") as disk:
            log = run("ahci", self.DEVICE, "", *disk, *self.DISK)
        self.passes(log, test_disk_drivers.CHECKS)
        self.assertIn("6442450944 sectors", log)

    def test_errors(self) -> None:
        self.one_fails("ahci", self.DEVICE, *self.DISK)
        self.fails_once("ahci", self.DEVICE, *self.DISK)

    def test_slow_disk(self) -> None:
        log = self.slow_disk("ahci", self.DEVICE, *self.DISK)
        self.assertIn("the adapter is reset: commands of the old session do not end", log)
