# SPDX-License-Identifier: BSD-2-Clause
"""Network drivers without a guest: netcheck (tests/drivers) stands where the switch
stands, and says of each check whether it passed."""

import re
import socket
import tempfile
import time
import unittest
from pathlib import Path
from typing import Callable, Optional

from tests.boot.netpeer import Peer, peer
from tests.support import Session, system

SYSTEM = """
[system]
name = "drivers"
policy = "sched_rr"
log = "com2"
[domain.sched_rr]
[domain.pci]
serves = ["pci"]
ports = ["0xcf8-0xcff"]
priority = 10
[domain.netcheck]
serves = ["net"]
memory = "4M"
arguments = "{arguments}"
priority = 30
[domain.driver]
image = "{driver}"
device = {{ {device} }}
memory = "4M"
priority = 20
restart = {{ limit = 100, window = "60s", backoff = "1ms" }}
[connection.net]
protocol = "net"
server = "netcheck"
client = "driver"
[connection.control]
protocol = "control"
server = "root"
client = "netcheck"
"""
IOMMU = ["-machine", "q35,kernel-irqchip=off", "-device", "intel-iommu,intremap=on"]
Q35 = ["-machine", "q35"]
LIMIT = 200  # seconds of real time, on a busy machine
KILLS = 10


def run(
    driver: str, device: str, arguments: str, *machine: str, until: str = "",
    meanwhile: Optional[Callable[[Session, str], None]] = None,
) -> str:
    """The log of a system with this driver, when netcheck has done or `until` is in it."""
    text = SYSTEM.format(arguments=arguments, driver=driver, device=device)
    ends = re.compile(until or r"^netcheck: done: |PANIC of the core", re.MULTILINE)
    with system(text, *machine) as session:
        deadline = time.monotonic() + LIMIT
        assert session.log is not None
        while True:
            log = Path(session.log).read_text(errors="replace") if session.log.exists() else ""
            log = log.replace("\r", "")
            if ends.search(log):
                return log
            if meanwhile is not None:
                meanwhile(session, log)
            if session.process.poll() is not None:
                session.reader.join(5)
                return log + session.text
            if time.monotonic() > deadline:
                return log + session.text + "\nstill running"
            time.sleep(0.1)


def command(path: str, line: str) -> None:
    """Has QEMU's monitor do something."""
    with socket.socket(socket.AF_UNIX) as monitor:
        monitor.connect(path)
        monitor.sendall(f"{line}\n".encode())
        text = b""
        while text.count(b"(qemu)") < 2 and (data := monitor.recv(4096)):
            text += data


class Drivers(unittest.TestCase):
    """What all network drivers are held to."""

    DRIVER = ""
    DEVICE = ""
    CHECKS = 0  # that netcheck makes of it

    def passes(self, log: str, checks: int) -> None:
        done = re.search(r"^netcheck: done: (\d+) passed, (\d+) failed$", log, re.MULTILINE)
        self.assertTrue(done, log[-4000:])
        assert done is not None
        self.assertEqual((int(done[1]), int(done[2])), (checks, 0), log[-4000:])

    def drives(self, *machine: str, device: str = "") -> tuple[str, Peer]:
        with peer() as (other, wire):
            log = run(self.DRIVER, device or self.DEVICE, "", *wire, *machine)
        self.passes(log, self.CHECKS)
        return log, other

    def reaches_the_gateway(self, model: str) -> None:
        """ARP and pings of all sizes through QEMU's user network."""
        log = run(self.DRIVER, self.DEVICE, "gateway=1", "-netdev", "user,id=n0",
                  "-device", f"{model},netdev=n0")
        self.passes(log, 2)

    def notices_the_link(self, model: str) -> None:
        """It is taken down and put up by QEMU's monitor."""
        said: list[str] = []

        def meanwhile(_: Session, log: str) -> None:
            for wanted, state in (("take the link down", "off"), ("put the link up", "on")):
                if f"netcheck: {wanted}" in log and state not in said:
                    command(path, f"set_link card {state}")
                    said.append(state)

        with peer() as (_, wire), tempfile.TemporaryDirectory(prefix="tessera.net.") as folder:
            path = f"{folder}/monitor"
            log = run(
                self.DRIVER, self.DEVICE, "down=1", *wire, "-device",
                f"{model},netdev=n0,id=card", "-monitor", f"unix:{path},server=on,wait=off",
                meanwhile=meanwhile,
            )
        self.passes(log, self.CHECKS + 1)
        self.assertIn("driver: the link is down", log)

    def survives(self, *machine: str, device: str = "") -> str:
        """The driver is killed ten times under load."""
        with peer() as (_, wire):
            log = run(self.DRIVER, device or self.DEVICE, f"kills={KILLS}", *wire, *machine)
        self.passes(log, self.CHECKS + 1)
        self.assertEqual(log.count("driver: crashed: killed by command"), KILLS, log[-4000:])
        return log


class VirtioNet(Drivers):
    DRIVER = "virtio_net"
    DEVICE = 'class = "virtio-net", interrupts = 2'
    CHECKS = 9

    def test_pc(self) -> None:
        log = self.survives("-device", "virtio-net-pci,netdev=n0,mac=52:54:00:11:22:33")
        self.assertIn("driver: 52:54:00:11:22:33, 1 queues, MTU 1500", log)
        self.assertNotIn("the card is reset", log)

    def test_iommu(self) -> None:
        log = self.survives(
            *IOMMU, "-device", "virtio-net-pci,netdev=n0,iommu_platform=on,disable-legacy=on"
        )
        self.assertIn("root: the IOMMU enforces DMA and interrupts", log)
        self.assertNotIn("blocked", log)

    def test_past_the_iommu(self) -> None:
        log, _ = self.drives(*IOMMU, "-device", "virtio-net-pci,netdev=n0")
        self.assertIn("driver: the card goes past the IOMMU", log)

    def test_line_interrupt_and_no_niceties(self) -> None:
        """Without a control queue it has no filter: everything comes in."""
        with peer() as (_, wire):
            log = run(
                "virtio_net", self.DEVICE, f"kills={KILLS}", *wire, "-device",
                "virtio-net-pci,netdev=n0,vectors=0,indirect_desc=off,event_idx=off,"
                "ctrl_vq=off,ctrl_rx=off,ctrl_vlan=off,ctrl_mac_addr=off,status=off",
            )
        self.assertIn("FAIL filters: a group that was not joined comes in", log)
        self.assertIn(f"done: {self.CHECKS} passed, 1 failed", log, log[-4000:])

    def test_one_message(self) -> None:
        self.drives(*Q35, "-device", "virtio-net-pci,netdev=n0,mq=on",
                    device='class = "virtio-net", interrupts = 1')

    def test_gateway(self) -> None:
        self.reaches_the_gateway("virtio-net-pci")

    def test_link(self) -> None:
        self.notices_the_link("virtio-net-pci")

    def test_packets_that_stay(self) -> None:
        """The peer does not read for a while: the card is reset, and goes on afterwards."""

        def meanwhile(_: Session, log: str) -> None:
            if "netcheck: read again" in log:
                other.reading.set()
            elif "netcheck: stop reading" in log:
                other.reading.clear()

        with peer() as (other, wire):
            log = run("virtio_net", self.DEVICE, "stall=1", *wire, "-device",
                      "virtio-net-pci,netdev=n0", meanwhile=meanwhile)
            other.reading.set()
        self.passes(log, self.CHECKS + 1)
        self.assertIn("driver: a packet does not leave, or the card has failed", log)

    def test_legacy_device_is_refused(self) -> None:
        with peer() as (_, wire):
            log = run("virtio_net", self.DEVICE, "", *wire, "-device",
                      "virtio-net-pci,netdev=n0,disable-modern=on,disable-legacy=off",
                      until="driver: panic")
        self.assertIn("driver: panic: the device is from before Virtio 1.0 (legacy)", log)


class E1000e(Drivers):
    DRIVER = "e1000e"
    DEVICE = 'class = "e1000e", interrupts = 2'
    CHECKS = 10

    def test_pc(self) -> None:
        log = self.survives("-device", "e1000e,netdev=n0,mac=52:54:00:11:22:33")
        self.assertIn("driver: 52:54:00:11:22:33, MTU 1500", log)
        self.assertIn("checksums: 10 of 10 that came in were checked", log)
        self.assertNotIn("the card is reset", log)

    def test_iommu(self) -> None:
        log = self.survives(*IOMMU, "-device", "e1000e,netdev=n0")
        self.assertIn("root: the IOMMU enforces DMA and interrupts", log)
        self.assertNotIn("blocked", log)

    def test_one_message(self) -> None:
        _, other = self.drives(*Q35, "-device", "e1000e,netdev=n0",
                               device='class = "e1000e", interrupts = 1')
        self.assertGreater(other.cut, 4)

    def test_gateway(self) -> None:
        self.reaches_the_gateway("e1000e")

    def test_link(self) -> None:
        self.notices_the_link("e1000e")


if __name__ == "__main__":
    unittest.main()
