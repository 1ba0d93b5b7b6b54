# SPDX-License-Identifier: BSD-2-Clause
"""`./tessera boot`: one guest in a minimal system, for scripts.

The system is root, the console server, the UART driver, the store, the scheduling
policy and the guest; with disks also the bus, the disk server and a driver for each
disk, with networks the switch and a driver for each card. QEMU loads it without a
boot loader (multiboot 1). Standard output is the guest's console and nothing else;
everything said about it goes to standard error.
Exit status: 0 powered off by itself, 1 crashed or could not start, 2 bad
arguments, 124 timeout.
"""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from describe import program_finder
from description import DescriptionError, compile_text, values
from description.binary import Compiled

from . import build, capture, disks, launch, machine, minimal, nets, packages
from .paths import Failure

BAD_ARGUMENTS = 2


@dataclass
class Guest:
    """What the command line says about the guest."""

    kernel: Path
    initrd: Optional[Path]
    cmdline: str
    memory: str
    vcpus: int
    disks: list[disks.Disk]
    nets: list[nets.Net]
    captured: bool


def _memory(word: str) -> str:
    try:
        values.pages(4 << 20, 512 << 30)(word)
    except values.Wrong as wrong:
        raise argparse.ArgumentTypeError(f'found "{word}", expected {wrong}') from wrong
    return word


def _positive(word: str) -> float:
    try:
        seconds = float(word)
    except ValueError:
        seconds = 0
    if not 0 < seconds < 1e9:
        raise argparse.ArgumentTypeError(f'found "{word}", expected a number of seconds above 0')
    return seconds


def _vcpus(word: str) -> int:
    if not word.isdecimal() or not 1 <= int(word) <= 128:
        raise argparse.ArgumentTypeError(f'found "{word}", expected a whole number from 1 to 128')
    return int(word)


def cpus(word: str) -> int:
    if not word.isdecimal() or not 1 <= int(word) <= 32:
        raise argparse.ArgumentTypeError(f'found "{word}", expected a whole number from 1 to 32')
    return int(word)


def _cmdline(word: str) -> str:
    try:
        return str(values.text(values.CMDLINE_BYTES)(word))
    except values.Wrong as wrong:
        raise argparse.ArgumentTypeError(f"expected {wrong}") from wrong


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--guest", required=True, metavar="KERNEL", help="bzImage or ELF, compressed or not")
    add("--initrd", metavar="FILE", help="initial ramdisk of the guest")
    add("--cmdline", default="", type=_cmdline, metavar="TEXT", help="the guest's command line")
    add("--memory", default="256M", type=_memory, metavar="SIZE", help="such as 64M or 2G")
    add("--vcpus", default=1, type=_vcpus, metavar="N", help="virtual CPUs of the guest")
    add("--cpus", default=1, type=cpus, metavar="N", help="CPUs of the machine")
    add("--disk", action="append", default=[], metavar="FILE[,driver=MODEL][,format=F][,ro]",
        help="a disk image: raw or qcow2; its device is virtio-blk, ahci or nvme; xvda, xvdb, ...")
    add("--machine", default="pc", choices=disks.MACHINES, help="QEMU's machine")
    add("--iommu", action="store_true", help="a q35 with an IOMMU that all devices go through")
    add("--vif", action="append", default=[], nargs="?", const="",
        metavar="[driver=MODEL,][mac=MAC,][mtu=N,][queues=N,][rules=FILE,][NETDEV]",
        help="a network of its own for eth0, eth1, ...; its card is virtio-net or e1000e, joined "
        "to NETDEV of QEMU (without an id; user if absent); without rules, everything passes")
    add("--capture", type=Path, metavar="FILE",
        help="write the packets of all networks here, as pcapng")
    add("--timeout", type=_positive, metavar="S", help="give up after this many seconds")
    add("--icount", action="store_true", help="virtual time: exactly one ns per instruction")
    add("--log", metavar="FILE", help="keep the log of the core and root here")
    add("--qemu-arg", action="append", default=[], metavar="ARG", help="one argument for QEMU")


def _file(name: str, what: str) -> Path:
    path = Path(name)
    if not path.is_file():
        raise Failure(f"{what}: {name} is no file", BAD_ARGUMENTS)
    return path


def _check(arguments: argparse.Namespace) -> Guest:
    if arguments.capture and not arguments.vif:
        raise Failure("--capture: there is no --vif whose packets could be captured", BAD_ARGUMENTS)
    return Guest(
        _file(arguments.guest, "--guest"),
        _file(arguments.initrd, "--initrd") if arguments.initrd else None,
        arguments.cmdline,
        arguments.memory,
        arguments.vcpus,
        [disks.parse(word) for word in arguments.disk],
        [nets.parse(word) for word in arguments.vif],
        arguments.capture is not None,
    )


def _describe(guest: Guest, built: Optional[Path]) -> Compiled:
    """With the programs of `built`; before the build, as much as can be known without."""
    text = minimal.describe(
        minimal.guest(
            "guest", kernel=guest.kernel.absolute(), cmdline=guest.cmdline, memory=guest.memory,
            vcpus=guest.vcpus, initrd=guest.initrd and guest.initrd.absolute(), on_crash="stop",
        ),
        minimal.virtual("guest", guest.disks), minimal.vifs("guest", guest.nets),
        name="boot", raw="guest", disks=guest.disks, nets=guest.nets,
    )
    name = "the system of ./tessera boot"
    if guest.captured:
        text = capture.added(text, name)
    try:
        finder = program_finder(built) if built else None
        return compile_text(text, name, Path(), finder)
    except DescriptionError as error:
        raise Failure(str(error)) from error


def run(arguments: argparse.Namespace) -> int:
    guest = _check(arguments)
    compiled = _describe(guest, None)
    packages.require("build", "boot")
    with build.workspace() as name:
        folder = Path(name)
        launch.stage_kernels(compiled, folder)
        built = build.system()
        compiled = _describe(guest, built)
        modules = launch.stage(compiled, built, folder)
        parts = machine.Machine(
            launch.memory_mib(compiled, launch.size_of(modules)),
            Path(arguments.log) if arguments.log else folder / "log",
            launch.multiboot(compiled, built, modules),
            machine=disks.machine_type(arguments.machine, arguments.iommu),
            cpus=arguments.cpus,
            icount=arguments.icount,
            extra=disks.qemu_arguments(guest.disks, arguments.iommu)
            + nets.qemu_arguments(guest.nets, arguments.iommu)
            + (capture.qemu_arguments(arguments.capture) if arguments.capture else [])
            + arguments.qemu_arg,
        )
        end = machine.run(parts, arguments.timeout)
    if end.reason:
        print(f"tessera: {end.reason}", file=sys.stderr)
    return end.status
