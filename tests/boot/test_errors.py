# SPDX-License-Identifier: BSD-2-Clause
"""What `./tessera boot` refuses, with which exit status and which words."""

import subprocess
import tempfile
import unittest
from pathlib import Path

from tests.images.test_kernel import GOOD_NOTES, make_elf
from tests.support import COMMAND, DEBIAN_KERNELS, boot, busybox, package


class Arguments(unittest.TestCase):
    """Exit status 2: the command line is wrong."""

    def refuse(self, words: str, *arguments: str) -> None:
        result = subprocess.run(
            [COMMAND, "boot", *arguments], capture_output=True, text=True, check=False, timeout=60
        )
        self.assertEqual(result.returncode, 2, result.stderr)
        self.assertEqual(result.stdout, "")
        self.assertRegex(result.stderr, words)

    def test_no_guest(self) -> None:
        self.refuse("--guest")

    def test_no_such_guest(self) -> None:
        self.refuse("nowhere is no file", "--guest", "nowhere")

    def test_no_such_initrd(self) -> None:
        self.refuse("nowhere is no file", "--guest", COMMAND, "--initrd", "nowhere")

    def test_memory_without_unit(self) -> None:
        self.refuse('found "64", expected an amount', "--guest", COMMAND, "--memory", "64")

    def test_no_vcpus(self) -> None:
        self.refuse("from 1 to 128", "--guest", COMMAND, "--vcpus", "0")

    def test_timeout_of_nothing(self) -> None:
        self.refuse("seconds above 0", "--guest", COMMAND, "--timeout", "0")

    def test_long_command_line(self) -> None:
        self.refuse("at most 1023 bytes", "--guest", COMMAND, "--cmdline", "x" * 1024)

    def test_vif_options(self) -> None:
        for options, found in (("driver=ne2k,user", "driver=ne2k"), ("mtu=60", "mtu=60"),
                               ("queues=0", "queues=0"), ("rules=none.rules", "none.rules"),
                               ("mac=01:02:03:04:05:06", "even"),
                               ("user=yes", "user=yes"), ("queues=1,,user", '""')):
            self.refuse(found, "--guest", COMMAND, "--vif", options)

    def test_no_such_disk(self) -> None:
        self.refuse("--disk: nowhere.img is no file", "--guest", COMMAND, "--disk", "nowhere.img")

    def test_disk_options(self) -> None:
        known = "expected ro, driver=virtio-blk|ahci|nvme or format=raw|qcow2"
        for option in ("driver=scsi", "format=vmdk", "rw"):
            self.refuse(known.replace("|", r"\|"), "--guest", COMMAND, "--disk",
                        f"{COMMAND},{option}")

    def test_machine(self) -> None:
        self.refuse("invalid choice: 'microvm'", "--guest", COMMAND, "--machine", "microvm")

    def test_unknown_option(self) -> None:
        self.refuse("unrecognized arguments", "--guest", COMMAND, "--dick", "disk.img")


class Kernels(unittest.TestCase):
    """Exit status 1: this kernel cannot start, and why."""

    def refuse(self, words: str, image: bytes, memory: str = "256M") -> None:
        with tempfile.NamedTemporaryFile(prefix="vmlinuz.") as file:
            file.write(image)
            file.flush()
            result = boot(Path(file.name), memory=memory, timeout=30)
        self.assertEqual(result.status, 1, result)
        self.assertEqual(result.console, "", result)
        self.assertRegex(result.errors, words, result)

    def test_not_a_kernel(self) -> None:
        self.refuse("neither an ELF nor compressed", b"hello, world\n" * 100)

    def test_not_a_pv_kernel(self) -> None:
        self.refuse("not a PV kernel", Path("/bin/true").read_bytes())

    def test_truncated(self) -> None:
        image = package(DEBIAN_KERNELS["6.12_cloud"]).read_bytes()
        self.refuse("cut off", image[: len(image) - (1 << 20)])

    def test_notes_that_lie(self) -> None:
        self.refuse("entry .* outside", make_elf({**GOOD_NOTES, 1: bytes(8)}))

    def test_more_than_its_memory(self) -> None:
        image = package(DEBIAN_KERNELS["6.1_full"]).read_bytes()
        self.refuse("needs more than 74 MiB of memory, and gets 64 MiB", image, "64M")

    def test_initrd_that_does_not_fit(self) -> None:
        with tempfile.NamedTemporaryFile(prefix="initrd.") as file:
            file.truncate(64 << 20)
            result = boot(
                package(DEBIAN_KERNELS["6.1_cloud"]), initrd=Path(file.name), memory="96M",
                timeout=60,
            )
        self.assertEqual(result.status, 1, result)
        self.assertRegex(result.errors, "guest guest: cannot be built: .*memory", result)


class Machines(unittest.TestCase):
    """A machine that the core cannot use: it says what is missing."""

    def refuse(self, words: str, *options: str) -> None:
        arguments = [f"--qemu-arg={option}" for option in options]
        result = boot(
            package(DEBIAN_KERNELS["6.1_cloud"]), *arguments, initrd=busybox(), timeout=60
        )
        self.assertEqual(result.status, 1, result)
        self.assertRegex(result.errors, words, result)

    def test_little_memory(self) -> None:
        self.refuse("memory", "-m", "160M")

    def test_no_nx(self) -> None:
        self.refuse("lacks .*NX", "-cpu", "max,nx=off")

    def test_no_syscall(self) -> None:
        self.refuse("lacks the SYSCALL", "-cpu", "max,syscall=off")

    def test_qemu_that_does_not_start(self) -> None:
        self.refuse("QEMU ended with status 1", "-device", "no-such-device")
