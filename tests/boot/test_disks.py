# SPDX-License-Identifier: BSD-2-Clause
"""Disks: a complete Debian that lives on one, GRUB that reads the guest's own /boot,
each model of disk on each machine, and what happens when a disk is not as described."""

import contextlib
import re
import subprocess
import tempfile
import unittest
from pathlib import Path
from typing import Iterator, Sequence

import diskimage
from diskimage import ALIGNMENT, Partition
from launcher import disks, minimal
from launcher.disks import Disk
from launcher.paths import TOP, out_dir
from tests.support import (
    COMMAND, DEBIAN_KERNELS, GRUB, Session, boot, disk_initrd, package, system,
)

SMALL = 16 << 20
CLOUD = DEBIAN_KERNELS["6.1_cloud"]


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="tessera.disks.") as name:
        yield Path(name)


def blank(path: Path, size: int = SMALL) -> Path:
    with path.open("wb") as file:
        file.truncate(size)
    return path


def debian_copy(where: Path) -> Path:
    return disks.copy(disks.debian_image(), where / "debian.img")


def file_system(image: Path, where: Path) -> Path:
    """The partition `root` of a Debian disk, as a file of its own."""
    root = next(part for part in diskimage.read_table(image) if part.name == "root")
    output = where / "root.img"
    subprocess.run(
        ["dd", f"if={image}", f"of={output}", "bs=1M", "conv=sparse", "status=none",
         f"skip={root.first >> 20}", f"count={root.size >> 20}"], check=True,
    )
    return output


class Debian(unittest.TestCase):
    """The disk of the default system."""

    def log_in(self, console: Session) -> None:
        console.expect("debian login:", 900)
        console.send("root\n")
        console.expect(r"root@debian:~#", 120)
        console.send("bind 'set enable-bracketed-paste off'; PS1='debian:# '\n")
        console.expect("debian:# $", 120)

    def clean(self, image: Path, where: Path) -> Path:
        root = file_system(image, where)
        check = subprocess.run(["e2fsck", "-fn", root], capture_output=True, text=True,
                               check=False)
        self.assertEqual(check.returncode, 0, check.stdout + check.stderr)
        return root

    def lives(self, image: Path, where: Path, console: Session) -> None:
        """Log in, write, look for errors, switch off; what was written is on the disk."""
        self.log_in(console)
        console.send("seq 200000 >/srv/numbers && sync && md5sum /srv/numbers\n")
        digest = console.expect(r"^([0-9a-f]{32})  /srv/numbers$", 120)[1]
        console.send("systemctl is-system-running --wait; echo state $?\n")
        said = console.expect(r"^(running|degraded|starting)\n(?:.*\n)*?state \d", 180)
        self.assertEqual(said[1], "running", console.text[-3000:])
        console.send("dmesg --level err,crit,alert,emerg | sed s/^/bad:/; echo end of errors\n")
        errors = console.expect(r"((?:^bad:.*\n)*)^end of errors$", 60)[1]
        self.assertFalse(re.search(r"I/O error|xvda|EXT4|blkfront", errors), errors)
        console.send("poweroff\n")
        self.assertEqual(console.wait(180), 33, console.text[-3000:])
        root = self.clean(image, where)
        written = where / "numbers"
        subprocess.run(["debugfs", "-R", f"dump /srv/numbers {written}", root], check=True,
                       capture_output=True)
        found = subprocess.run(["md5sum", written], check=True, capture_output=True, text=True)
        self.assertEqual(found.stdout.split()[0], digest)

    def manage(self, page: str) -> None:
        """Each command of a page that can be typed while the system runs."""
        text = (TOP / "docs" / "howto" / page).read_text()
        blocks = re.findall(r"^```sh\n((?:(?:\./tessera|ninja) (?!run|sign).*\n)+)```$", text, re.M)
        self.assertTrue(blocks)
        for line in "".join(blocks).splitlines():
            words = line.partition("  #")[0].replace("build/", f"{out_dir()}/").split()
            if ">" in words:  # into a file: here it is only shown
                words = words[: words.index(">")]
            if words[:2] == ["./tessera", "build"]:
                continue  # `run` has done that
            done = subprocess.run(
                [COMMAND if words[0] == "./tessera" else words[0], *words[1:]], text=True,
                stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=300)
            self.assertEqual(done.returncode, 0, f"{line}\n{done.stdout}{done.stderr}")

    def test_default_system(self) -> None:
        """By the README's first command, with a disk of the test's own; and what the pages say
        about managing it and about upgrades, while it writes."""
        with folder() as where:
            image = debian_copy(where)
            command = [COMMAND, "run", "--disk", f"disk0={image}"]
            with Session(command) as console:
                self.log_in(console)
                console.send("cat /sys/hypervisor/type; findmnt -no SOURCE,FSTYPE /\n")
                console.expect("^xen$")
                console.expect("^/dev/xvda +ext4$")
                console.send("until ip -4 -o addr show eth0 | grep 'scope global'; do sleep 1; "
                             "done; ping -c 1 -w 60 10.0.2.2\n")
                console.expect(r"inet 10\.0\.2\.15/24", 120)
                console.expect(r"bytes from 10\.0\.2\.2", 120)
                console.send("(while dd if=/dev/zero of=file bs=64k count=64 conv=fsync; do :; "
                             "done) 2>/dev/null & before=$(dmesg | wc -l)\n")
                for page in ("manage.md", "audit.md", "metrics.md"):
                    self.manage(page)
                self.manage("upgrade.md")
                console.send("kill %1; dmesg | tail -n +$((before + 1)) | sed s/^/bad:/; "
                             "echo end of errors\n")
                errors = console.expect(r"((?:^bad:.*\n)*)^end of errors$", 120)[1]
                self.assertEqual(errors, "")
                console.send("poweroff\n")
                self.assertEqual(console.wait(180), 0, console.text[-3000:])
            self.clean(image, where)

    def system_of(self, **keys: object) -> str:
        text = minimal.describe(
            minimal.guest("debian", memory="512M", **keys),
            disks=[Disk(Path("debian.img"))], raw="debian",
        )
        text = text.replace('[volume.disk0]\n', '[volume.disk0]\npartition = "root"\n')
        return text + minimal.virtual("debian", [Disk(Path("debian.img"))])

    def test_writes_survive_and_fsck_is_clean(self) -> None:
        with folder() as where:
            image = debian_copy(where)
            kernel, ramdisk = where / "vmlinuz", where / "initrd"
            diskimage.extract(image, "/vmlinuz", kernel)
            diskimage.extract(image, "/initrd.img", ramdisk)
            text = self.system_of(kernel=kernel, initrd=ramdisk,
                                  cmdline="root=/dev/xvda ro console=hvc0 quiet")
            with system(text, attached=[Disk(image)]) as console:
                self.lives(image, where, console)

    def test_grub_reads_the_boot_folder_of_the_guest(self) -> None:
        with folder() as where:
            image = debian_copy(where)
            text = self.system_of(kernel=f"package:{GRUB}")
            with system(text, attached=[Disk(image)]) as console:
                console.expect("Booting `Debian'", 120)
                self.lives(image, where, console)

    def test_grub_says_what_it_cannot_boot(self) -> None:
        """6.1 cloud is compressed with LZ4, which GRUB's loader does not know."""
        with folder() as where:
            tree = where / "tree"
            (tree / "boot" / "grub").mkdir(parents=True)
            (tree / "vmlinuz").write_bytes(package(CLOUD).read_bytes())
            (tree / "boot" / "grub" / "grub.cfg").write_text("linux /vmlinuz\nboot\n")
            image = blank(where / "root.img", 64 << 20)
            subprocess.run(["mke2fs", "-q", "-t", "ext4", "-d", tree, image], check=True)
            options = ["--disk", str(image), "--memory", "256M", "--timeout", "120"]
            with Session([COMMAND, "boot", "--guest", str(package(GRUB)), *options]) as guest:
                guest.expect("error: .*", 120)


PATTERN = (
    "for n in 0 5 2 7; do yes block $n | head -c 1048576 >/tmp/$n; "
    "dd if=/tmp/$n of=/dev/{device} bs=64k seek=$((n * 16)) oflag=direct 2>&1 | tail -1; "
    "dd if=/dev/{device} bs=4k skip=$((n * 256)) count=256 iflag=direct 2>/dev/null | "
    "cmp - /tmp/$n && echo same $n; done"
)


class Models(unittest.TestCase):
    """A guest writes and reads back; the host finds the same in the file."""

    def check(self, model: str, *options: str) -> None:
        with folder() as where:
            image = blank(where / "disk.img")
            result = boot(
                package(CLOUD), "--disk", f"{image},driver={model}", *options,
                initrd=disk_initrd(), timeout=120,
                cmdline=f'quiet tessera.run="{PATTERN.format(device="xvda")}"',
            )
            self.assertEqual(result.status, 0, result)
            data = image.read_bytes()
            for number in (0, 5, 2, 7):
                self.assertIn(f"same {number}\n", result.console, result)
                want = (f"block {number}\n".encode() * (1 << 20))[: 1 << 20]
                self.assertTrue(data[number << 20 :][: 1 << 20] == want, f"MiB {number} differs")


for _model in disks.MODELS:
    for _title, _options in (
        ("pc", ()), ("q35", ("--machine", "q35")), ("q35_with_iommu", ("--iommu",)),
    ):
        def _test(self: Models, model: str = _model, options: Sequence[str] = _options) -> None:
            self.check(model, *options)

        setattr(Models, f"test_{_model.replace('-', '_')}_on_{_title}", _test)


class Boot(unittest.TestCase):
    """`./tessera boot --disk` as a user has it."""

    def run_in_guest(self, command: str, *words: str) -> str:
        result = boot(package(CLOUD), *words, initrd=disk_initrd(), timeout=120,
                      cmdline=f'quiet tessera.run="{command}"')
        self.assertEqual(result.status, 0, result)
        return result.console

    def test_three_disks_in_order(self) -> None:
        with folder() as where:
            words = []
            for number, model in enumerate(("nvme", "virtio-blk", "virtio-blk")):
                image = blank(where / f"{number}.img", SMALL << number)
                words += ["--disk", f"{image},driver={model}"]
            said = self.run_in_guest("cat /sys/block/xvd?/size", *words)
            sizes = [int(word) for word in re.findall(r"^(\d+)$", said, re.M)]
            self.assertEqual(sizes, [SMALL >> 9, SMALL >> 8, SMALL >> 7])

    def test_read_only(self) -> None:
        with folder() as where:
            image = blank(where / "disk.img")
            said = self.run_in_guest(
                "cat /sys/block/xvda/ro; dd if=/dev/zero of=/dev/xvda count=1 || echo refused",
                "--disk", f"{image},ro",
            )
            self.assertRegex(said, r"(?m)^1$")
            self.assertIn("refused", said)

    def test_guest_sees_a_partition_table(self) -> None:
        with folder() as where:
            image = where / "disk.img"
            diskimage.write_table(image, [Partition("one", ALIGNMENT, 4 << 20),
                                          Partition("two", 8 << 20, 2 << 20)], SMALL)
            said = self.run_in_guest("cat /sys/block/xvda/xvda?/size", "--disk", str(image))
            self.assertRegex(said, r"(?m)^8192\n4096$")


class Wrong(unittest.TestCase):
    """A disk that is not as described: its guest waits, the error names the volume, and
    the other guest starts."""

    def guests(self, volume: str, image: Path, words: str) -> None:
        attached = [Disk(image)]
        text = minimal.describe(
            minimal.guest("good", kernel=package(CLOUD), initrd=disk_initrd(), memory="128M",
                          cmdline="quiet"),
            minimal.guest("bad", kernel=package(CLOUD), initrd=disk_initrd(), memory="128M",
                          cmdline="quiet"),
            "[disk.bad]\nguest = \"bad\"\nvolume = \"lost\"\ndevice = \"xvda\"\n",
            f"[volume.lost]\n{volume}\n", raw="good", disks=attached,
        ).replace("[volume.disk0]\ndisk = \"disk0\"\n", "")
        with system(text, attached=attached) as console:
            console.expect("guest:/#", 120)
            console.expect_log(words)

    def test_no_such_partition(self) -> None:
        with folder() as where:
            image = where / "disk.img"
            diskimage.write_table(image, [Partition("root", ALIGNMENT, 4 << 20)], SMALL)
            self.guests('disk = "disk0"\npartition = "home"', image,
                        "vbd: volume lost .*: no partition has this name")

    def test_no_partition_table(self) -> None:
        with folder() as where:
            self.guests('disk = "disk0"\npartition = "home"', blank(where / "disk.img"),
                        "vbd: volume lost .*: no partition table")

    def test_broken_partition_table(self) -> None:
        with folder() as where:
            image = where / "disk.img"
            diskimage.write_table(image, [Partition("root", ALIGNMENT, 4 << 20)], SMALL)
            with image.open("r+b") as file:
                for place in (1024 + 32, SMALL - 33 * 512 + 32):  # both copies of the entries
                    file.seek(place)
                    file.write(b"\xff" * 8)
            self.guests('disk = "disk0"\npartition = "root"', image,
                        "vbd: volume lost .*: the partition table's entries have a wrong checksum")

    def test_too_small(self) -> None:
        with folder() as where:
            self.guests('disk = "disk0"\nfirst = 0\nsize = "1G"', blank(where / "disk.img"),
                        "vbd: volume lost .*: the disk is too small for it")

    def test_missing_file(self) -> None:
        """Named by the check of the description, with the volume."""
        with folder() as where:
            text = (TOP / "images" / "default.toml").read_text()
            description = where / "lost.toml"
            description.write_text(text.replace('"built:debian"', '"nowhere.img"'))
            result = subprocess.run([COMMAND, "build", description, "-o", where / "lost.iso"],
                                    capture_output=True, text=True, check=False)
            self.assertEqual(result.returncode, 1)
            self.assertIn('"nowhere.img" for disk0:0 (volume root), which is no file',
                          result.stderr)
            self.assertFalse((where / "lost.iso").exists())
