# SPDX-License-Identifier: BSD-2-Clause
"""Guests with stock netfronts: each kernel gets an address by DHCP and talks with the
host, on each card, with an IOMMU and without; guests talk to each other, as far as
VLANs and rules let them."""

import contextlib
import functools
import hashlib
import itertools
import os
import random
import socket
import stat
import tempfile
import threading
import unittest
from pathlib import Path
from typing import Iterator, Optional

import initrd
from launcher import build, minimal
from launcher.nets import NO_CARD, OPEN, Net
from tests.support import DEBIAN_KERNELS, Session, boot, package, system

CLOUD = DEBIAN_KERNELS["6.1_cloud"]
DATA = "".join(f"{n}\n" for n in range(1, 200001)).encode()  # as seq makes it
DIGEST = hashlib.md5(DATA).hexdigest()
TIMEOUT = 300  # seconds, on a busy machine
# Of the network alone: a busy host makes other parts of a kernel complain of lost time.
ERRORS = r"dmesg -r | sed -n '/^<[0-3]>.*\(eth\|vif\|net\)/s/^/bad: /p'"


@functools.cache
def drivers(package_name: str = CLOUD) -> bytes:
    return build.net_initrd(package_name).read_bytes()


def ramdisk(folder: Path, scripts: dict[str, str], package_name: str = CLOUD) -> Path:
    """BusyBox, netfront, and scripts for tessera.run=/bin/NAME."""
    added = initrd.Archive()
    for name, text in scripts.items():
        added.add(f"bin/{name}", stat.S_IFREG | 0o755, f"#!/bin/sh\n{text}".encode())
    output = folder / "initrd"
    output.write_bytes(drivers(package_name) + added.finish())
    return output


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="tessera.net.") as name:
        yield Path(name)


# --- The host ---

_ports = itertools.count(random.Random(os.getpid()).randrange(8000))


def free_port() -> int:
    """One below those that the system gives out by itself."""
    while True:
        port = 20000 + next(_ports) % 8000
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


class Host:
    """Takes what a guest sends, answers with its digest; then sends to the guest's port."""

    def __init__(self) -> None:
        self.back = free_port()  # leads to the guest's port 7
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self.problem: Optional[str] = "the guest did not come"
        threading.Thread(target=self._serve, daemon=True).start()

    def __enter__(self) -> "Host":
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def _serve(self) -> None:
        try:
            peer, _ = self.listener.accept()
            with peer:
                digest = hashlib.md5()
                while data := peer.recv(1 << 16):
                    digest.update(data)
                peer.sendall(digest.hexdigest().encode() + b"\n")
            with socket.create_connection(("127.0.0.1", self.back), TIMEOUT) as guest:
                guest.sendall(DATA)
                guest.shutdown(socket.SHUT_WR)
                guest.recv(1)
            self.problem = None
        except OSError as error:
            self.problem = str(error)

    def netdev(self) -> str:
        return f"user,hostfwd=tcp:127.0.0.1:{self.back}-:7"


TALK_TO_HOST = """\
ip -4 addr show dev eth0
nc -l -p 7 >/run/came &
ping -c 3 -W 60 10.0.2.2
echo "went $(seq 200000 | nc 10.0.2.2 {port})"
wait
echo "came $(md5sum </run/came)"
ls /sys/class/net/eth0/queues
{errors}
"""


class Kernels(unittest.TestCase):
    """DHCP, ping, TCP both ways. Together: all kernels, both cards, IOMMU and none."""

    def talks(self, name: str, model: str, *options: str) -> str:
        kernel = DEBIAN_KERNELS[name]
        with folder() as where, Host() as host:
            script = TALK_TO_HOST.format(port=host.port, errors=ERRORS)
            path = ramdisk(where, {"talk": script}, kernel)
            booted = boot(
                package(kernel), "--vif", f"driver={model},{host.netdev()}", *options,
                initrd=path, timeout=TIMEOUT,
                cmdline="console=hvc0 quiet ip=dhcp tessera.run=/bin/talk",
            )
            said = booted.console
            self.assertEqual(booted.status, 0, str(booted))
            self.assertIn("inet 10.0.2.15/24", said, str(booted))
            self.assertIn("3 packets received", said, str(booted))
            self.assertIn(f"went {DIGEST}", said, f"{booted}\n{host.problem}")
            self.assertIn(f"came {DIGEST}", said, f"{booted}\n{host.problem}")
            self.assertNotIn("bad: ", said)
        return said

    def test_6_1_cloud(self) -> None:
        self.talks("6.1_cloud", "virtio-net")

    def test_6_1_full(self) -> None:
        self.talks("6.1_full", "e1000e", "--iommu")

    def test_6_12_cloud(self) -> None:
        self.talks("6.12_cloud", "virtio-net", "--iommu")

    def test_6_12_full(self) -> None:
        self.talks("6.12_full", "e1000e")

    def test_two_queues(self) -> None:
        said = self.talks("6.1_cloud", "virtio-net", "--vcpus", "2", "--cpus", "2")
        for queue in ("rx-0", "rx-1", "tx-0", "tx-1"):
            self.assertIn(queue, said)


# --- Between guests ---

UP = """\
ip link set lo up
for at in {addresses}; do
    until [ -e "/sys/class/net/${{at%%=*}}" ]; do sleep 0.2; done
    ip addr add "${{at#*=}}/24" dev "${{at%%=*}}"
    ip link set "${{at%%=*}}" up
done
"""
ANSWER = """\
(while :; do nc -l -p 7 -e md5sum; done) &
(while :; do nc -l -p 81 -e cat; done) &
(while :; do nc -l -p 82 -e cat; done) &
wait
"""


RULES = """\
mirror third-0 tcp dport 7
drop tcp dport 81
reject log tcp dport 82
accept
"""


def up(**addresses: str) -> str:
    return UP.format(addresses=" ".join(f"{card}={at}" for card, at in addresses.items()))


@contextlib.contextmanager
def guests(scripts: dict[str, str], *vifs: str, networks: int = 1) -> Iterator[Session]:
    """Guests that run the scripts of their names; the first has the console."""
    with folder() as where:
        path = ramdisk(where, scripts)
        parts = [
            minimal.guest(name, kernel=f"package:{CLOUD}", initrd=path, memory="128M",
                          cmdline=f"console=hvc0 quiet tessera.run=/bin/{name}")
            for name in scripts
        ]
        text = minimal.describe(*parts, *vifs, raw=next(iter(scripts)),
                                nets=[Net(NO_CARD)] * networks)
        with system(text) as console:
            yield console


def vif(guest: str, index: int, address: str, network: int = 0, **keys: object) -> str:
    return minimal.vif(guest, Net(NO_CARD), network, index, addresses=[address], **keys)


class Guests(unittest.TestCase):
    """Networks without a card."""

    def test_two_guests_talk(self) -> None:
        left = up(eth0="10.7.0.1") + (
            "until ping -c 1 -W 1 10.7.0.2; do :; done\n"
            'until said=$(seq 200000 | nc 10.7.0.2 7) && [ -n "$said" ]; do sleep 0.2; done\n'
            'echo "went $said"\n'
            f"{ERRORS}\n"
            "echo the end\n"
        )
        scripts = {"left": left, "right": up(eth0="10.7.0.2") + ANSWER}
        with guests(scripts, vif("left", 0, "10.7.0.1"), vif("right", 0, "10.7.0.2")) as console:
            console.expect("1 packets received", TIMEOUT)
            console.expect(f"went {DIGEST}", TIMEOUT)
            console.expect("^the end$", TIMEOUT)
            self.assertNotIn("bad: ", console.text)

    def test_vlans_are_apart(self) -> None:
        """Left and right reach each other on network 1; on network 0 only left and middle."""
        left = up(eth0="10.7.0.1", eth1="10.8.0.1") + (
            "until ping -c 1 -W 1 10.8.0.2; do :; done\n"
            "until ping -c 1 -W 1 10.7.0.3; do :; done\n"
            "echo both are up\n"
            "ping -c 3 -W 3 10.7.0.2\n"
            "echo the end\n"
        )
        scripts = {
            "left": left,
            "right": up(eth0="10.7.0.2", eth1="10.8.0.2") + ANSWER,
            "middle": up(eth0="10.7.0.3") + ANSWER,
        }
        vifs = [
            vif("left", 0, "10.7.0.1", vlan=10), vif("right", 0, "10.7.0.2", vlan=20),
            vif("middle", 0, "10.7.0.3", vlan=10),
            vif("left", 1, "10.8.0.1", 1), vif("right", 1, "10.8.0.2", 1),
        ]
        with guests(scripts, *vifs, networks=2) as console:
            console.expect("^both are up$", 2 * TIMEOUT)
            console.expect("3 packets transmitted, 0 packets received", TIMEOUT)
            console.expect("^the end$", TIMEOUT)

    def test_rules_drop_and_reject(self) -> None:
        """Port 7 is open, 81 is silent, 82 answers that it is closed and is told in the log;
        a third guest hears by a mirror what goes to port 7."""
        left = up(eth0="10.7.0.1") + (
            "until ping -c 1 -W 1 10.7.0.2; do :; done\n"
            "until ping -c 1 -W 1 10.7.0.3; do :; done\n"
            'until said=$(seq 200000 | nc 10.7.0.2 7) && [ -n "$said" ]; do sleep 0.2; done\n'
            'echo "went $said"\n'
            "for port in 81 82; do nc -w 5 10.7.0.2 $port </dev/null; done\n"
            "echo the end\n"
        )
        count = "cat /sys/class/net/eth0/statistics/rx_bytes"
        third = up(eth0="10.7.0.3") + (
            f"until [ $({count}) -gt 1000000 ]; do sleep 0.5; done; echo heard; sleep 1000\n"
        )
        scripts = {"left": left, "right": up(eth0="10.7.0.2") + ANSWER, "third": third}
        with folder() as where:
            rules = where / "test.rules"
            rules.write_text(RULES)
            vifs = [vif("left", 0, "10.7.0.1"), vif("third", 0, "10.7.0.3"),
                    vif("right", 0, "10.7.0.2").replace(
                        f'rules = "{OPEN}"',
                        f'rules = {{ in = "{rules}", out = "{OPEN}" }}')]
            with guests(scripts, *vifs) as console:
                console.expect(f"went {DIGEST}", TIMEOUT)
                console.expect("nc: .*timed out", TIMEOUT)
                console.expect("nc: .*[Cc]onnection refused", TIMEOUT)
                console.expect("^the end$", TIMEOUT)
                console.expect_log(":82,", TIMEOUT)
                console.expect_log("third: heard", TIMEOUT)


if __name__ == "__main__":
    unittest.main()
