# SPDX-License-Identifier: BSD-2-Clause
"""Captured packets: what two guests say to each other stands in a file that tcpdump reads,
also when the capturing domain dies meanwhile."""

import contextlib
import struct
import subprocess
import tempfile
import time
import unittest
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator

from launcher import capture, minimal
from launcher.nets import NO_CARD, Net
from tests.boot.test_net import CLOUD, TIMEOUT, ramdisk, up, vif
from tests.support import Session, boot, package, system

SECTION, INTERFACE, PACKET = 0x0A0D0D0A, 1, 6
COMMENT, NAME, FLAGS = 1, 2, 2
IN, OUT = 1, 2


@dataclass
class Packet:
    """As it was captured."""

    port: str
    direction: int
    data: bytes
    comment: str


def _options(data: bytes) -> dict[int, bytes]:
    found, at = {}, 0
    while at < len(data):
        code, length = struct.unpack_from("<HH", data, at)
        found[code] = data[at + 4 : at + 4 + length]
        at += 4 + (length + 3) // 4 * 4
    return found


def read(data: bytes) -> list[Packet]:
    """The packets of a pcapng file, as far as it has been written. AssertionError: it is none."""
    packets: list[Packet] = []
    ports: list[str] = []
    at = 0
    while at + 12 <= len(data):
        kind, length = struct.unpack_from("<II", data, at)
        assert length >= 12 and length % 4 == 0, f"block of {length} bytes at {at}"
        if at + length > len(data):
            break
        block = data[at + 8 : at + length - 4]
        assert data[at + length - 4 : at + length] == struct.pack("<I", length), f"at {at}"
        if kind == SECTION:
            assert block[:4] == struct.pack("<I", 0x1A2B3C4D)
            ports = []
        elif kind == INTERFACE:
            ports.append(_options(block[8:])[NAME].decode())
        else:
            assert kind == PACKET, f"block of type {kind:#x} at {at}"
            port, _, _, kept, _ = struct.unpack_from("<5I", block)
            options = _options(block[20 + (kept + 3) // 4 * 4 :])
            packets.append(Packet(
                ports[port], options[FLAGS][0], block[20 : 20 + kept],
                options.get(COMMENT, b"").decode(),
            ))
        at += length
    return packets


LEFT = up(eth0="10.7.0.1") + """\
until ping -c 1 -W 1 10.7.0.2; do :; done
ping -c 3 -s 1000 10.7.0.2
ip addr add 10.7.0.66/24 dev eth0
ping -c 1 -W 1 -I 10.7.0.66 10.7.0.2
echo were sent
until read line; do sleep 1; done
ping -c 100 10.7.0.2
"""
KILLER = """
[domain.killer]
log = "write"
arguments = "victims={victims} kills={kills} start=8000 every=200000 seed=7"
[connection.killer]
protocol = "control"
server = "root"
client = "killer"
"""
KILLS = 12
OFTEN = 'restart = { limit = 100, window = "1s", backoff = "0ms" }\n'
RIGHT = up(eth0="10.7.0.2") + "sleep 100000\n"


@contextlib.contextmanager
def captured(more: str = "") -> Iterator[tuple[Session, Path]]:
    """Two guests that talk; the session is left's console."""
    scripts = {"left": LEFT, "right": RIGHT}
    with tempfile.TemporaryDirectory(prefix="tessera.capture.") as name:
        where, file = Path(name), Path(name) / "packets.pcapng"
        path = ramdisk(where, scripts)
        parts = [
            minimal.guest(guest, kernel=f"package:{CLOUD}", initrd=path, memory="128M",
                          cmdline=f"console=hvc0 quiet tessera.run=/bin/{guest}")
            for guest in scripts
        ]
        text = minimal.describe(
            *parts, vif("left", 0, "10.7.0.1"), vif("right", 0, "10.7.0.2"), more, raw="left",
            nets=[Net(NO_CARD)],
        )
        text = capture.added(text, "this")
        if more:
            for name in ("capture", "switch"):
                text = text.replace(f"[domain.{name}]\n", f"[domain.{name}]\n{OFTEN}")
        with system(text, *capture.qemu_arguments(file)) as console:
            yield console, file


def is_echo(packet: Packet, kind: int, size: int = 0) -> bool:
    return (packet.data[12:14] == b"\x08\x00" and packet.data[23] == 1
            and packet.data[34] == kind and len(packet.data) >= size)


class Capture(unittest.TestCase):
    def wait_for(self, file: Path, session: Session, done: object) -> list[Packet]:
        """The file's packets, when they are enough, or at the limit."""
        deadline = time.monotonic() + TIMEOUT
        while True:
            packets = read(file.read_bytes())
            ended = session.process.poll() is not None or time.monotonic() > deadline
            if ended or done(packets):  # type: ignore[operator]
                return packets
            time.sleep(0.2)

    def test_two_guests(self) -> None:
        def spoofed(packets: list[Packet]) -> list[Packet]:
            return [p for p in packets if p.data[26:30] == bytes((10, 7, 0, 66)) and p.comment]

        with captured() as (console, file):
            console.expect("^were sent$", TIMEOUT)
            packets = self.wait_for(file, console, spoofed)
            log = console.logged()
            said = subprocess.run(["tcpdump", "-nn", "-r", file], capture_output=True, text=True,
                                  check=False)
        self.assertTrue(spoofed(packets), log[-3000:])
        self.assertEqual({p.port for p in packets}, {"left-0", "right-0"})
        # Request and answer: each in at one port and out at the other.
        for kind, first, second in ((8, "left-0", "right-0"), (0, "right-0", "left-0")):
            for port, direction in ((first, IN), (second, OUT)):
                found = [p for p in packets if is_echo(p, kind, 512) and not p.comment
                         and (p.port, p.direction) == (port, direction)]
                self.assertGreaterEqual(len(found), 3, f"{kind} at {port}\n{log[-2000:]}")
        self.assertEqual({(p.port, p.direction) for p in spoofed(packets)}, {("left-0", IN)})
        self.assertIn("10.7.0.1 > 10.7.0.2: ICMP echo request", said.stdout, said.stderr)
        self.assertIn("10.7.0.2 > 10.7.0.1: ICMP echo reply", said.stdout)

    def test_of_one_guest(self) -> None:
        """./tessera boot --capture: questions that nobody answers."""
        with tempfile.TemporaryDirectory(prefix="tessera.capture.") as name:
            file = Path(name) / "packets.pcapng"
            path = ramdisk(Path(name), {"ask": up(eth0="10.7.0.1") + "ping -c 3 10.7.0.9\n"})
            result = boot(package(CLOUD), "--vif", "none", "--capture", str(file), initrd=path,
                          cmdline="console=hvc0 quiet tessera.run=/bin/ask", timeout=TIMEOUT)
            packets = read(file.read_bytes())
        self.assertEqual(result.status, 0, str(result))
        asked = [p for p in packets if p.data[12:14] == b"\x08\x06"]
        self.assertTrue(asked, str(result))
        self.assertEqual({(p.port, p.direction, p.data[38:42]) for p in asked},
                         {("guest-0", IN, bytes((10, 7, 0, 9)))})

    def test_without_a_network(self) -> None:
        result = boot(package(CLOUD), "--capture", "nowhere")
        self.assertEqual(result.status, 2, str(result))
        self.assertIn("--capture: there is no --vif", result.errors)

    def dies(self, victim: str) -> None:
        """The file is whole at the end, and goes on."""
        killer = KILLER.format(victims=victim, kills=KILLS)
        with captured(killer) as (console, file):
            console.expect("^were sent$", TIMEOUT)
            deadline = time.monotonic() + TIMEOUT
            while time.monotonic() < deadline:
                log = console.logged()
                if log.count("killer: kill ") >= KILLS:
                    break
                time.sleep(0.2)
            before = len(read(file.read_bytes()))
            console.send("\n")  # it sends once more, and ends
            packets = self.wait_for(file, console, lambda found: len(found) > before)
        self.assertGreaterEqual(log.count("killer: kill "), KILLS, log[-3000:])
        self.assertGreater(len(packets), before, log[-3000:])

    def test_deaths(self) -> None:
        """Of the capturing domain: no byte is lost or doubled."""
        self.dies("capture")

    def test_deaths_of_the_switch(self) -> None:
        self.dies("switch")


if __name__ == "__main__":
    unittest.main()
