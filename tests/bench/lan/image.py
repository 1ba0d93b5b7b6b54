# SPDX-License-Identifier: BSD-2-Clause
"""User space for the network benchmark: the distribution's iperf3 and ethtool, and
Xen's tools for its dom0, put together as those of the disk benchmark are
(../blk/ramdisk.py)."""

import tempfile
from pathlib import Path

from launcher.paths import TOP
from tests.bench.blk import ramdisk

SCRIPTS = TOP / "tests" / "bench" / "lan"

# Modules by what they drive; what they depend on is found out.
DRIVERS = {
    "virtio-net": ("virtio_pci", "virtio_net"),
    "e1000e": ("e1000e",),
    "guest": ("xen-netfront",),
    "dom0": ("xen-evtchn", "xen-gntdev", "xen-privcmd", "xenfs", "bridge", "xen-netback"),
}


def _script(name: str) -> bytes:
    return (SCRIPTS / name).read_bytes()


def guest(tree: ramdisk.Tree) -> bytes:
    """For the guests, and for the bare machine."""
    with tempfile.TemporaryDirectory() as name:
        mark = ramdisk.mark(Path(name)).read_bytes()
    drivers = {name: list for name, list in DRIVERS.items() if name != "dom0"}
    return ramdisk.make(tree, ["usr/bin/iperf3", "sbin/ethtool"], drivers,
                        {"bin/bench": _script("bench.sh"), "bin/mark": mark})


def dom0(tree: ramdisk.Tree, inner: bytes) -> bytes:
    """For Xen's dom0; `inner` is the initramfs of its guests."""
    drivers = {name: list for name, list in DRIVERS.items() if name != "guest"}
    return ramdisk.make(tree, [*ramdisk.XEN_PROGRAMS, "sbin/ethtool"], drivers,
                        ramdisk.dom0_files(tree, SCRIPTS, inner))


def iperf() -> bytes:
    """The iperf3 that is installed here, to be added to an initramfs around BusyBox."""
    return ramdisk.added(ramdisk.Files(), ["usr/bin/iperf3"], {}, {})
