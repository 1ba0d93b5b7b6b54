# SPDX-License-Identifier: BSD-2-Clause
"""Network drivers without a guest: netcheck (tests/drivers) stands where the switch
stands, and says of each check whether it passed."""

import re
import socket
import tempfile
import unittest

from tests.boot import checked
from tests.boot.checked import IOMMU, LIMIT, Q35
from tests.boot.netpeer import Peer, peer

KILLS = 10


def run(driver: str, device: str, arguments: str, *machine: str, until: str = "") -> str:
    """The log, when netcheck has done or `until` is in it."""
    return checked.run("netcheck", "net", driver, device, *machine, arguments=arguments,
                       until=until)


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
        with peer() as (_, wire), tempfile.TemporaryDirectory(prefix="tessera.net.") as folder:
            path = f"{folder}/monitor"
            with checked.session(
                "netcheck", "net", self.DRIVER, self.DEVICE, *wire, "-device",
                f"{model},netdev=n0,id=card", "-monitor", f"unix:{path},server=on,wait=off",
                arguments="down=1",
            ) as console:
                for wanted, state in (("take the link down", "off"), ("put the link up", "on")):
                    console.expect_log(f"netcheck: {wanted}", LIMIT)
                    command(path, f"set_link card {state}")
                log = console.expect_log(r"^netcheck: done: .*\n", LIMIT).string
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
                "virtio-net-pci,netdev=n0,vectors=0,indirect_desc=off,event_idx=off,mrg_rxbuf=off,"
                "ctrl_vq=off,ctrl_rx=off,ctrl_vlan=off,ctrl_mac_addr=off,status=off",
            )
        self.assertIn("FAIL filters: a group that was not joined comes in", log)
        self.assertIn(f"done: {self.CHECKS} passed, 1 failed", log, log[-4000:])

    def test_long_frames(self) -> None:
        """In several buffers, where the card merges them, or in one, as far as that goes."""
        for merges, mtu in (("on", 9000), ("off", 4078)):
            with peer() as (_, wire):
                log = run("virtio_net", self.DEVICE, "", *wire, "-device",
                          f"virtio-net-pci,netdev=n0,host_mtu=9000,mrg_rxbuf={merges}")
            self.passes(log, self.CHECKS + 1)
            self.assertIn(f"1 queues, MTU {mtu}", log)

    def test_one_message(self) -> None:
        self.drives(*Q35, "-device", "virtio-net-pci,netdev=n0,mq=on",
                    device='class = "virtio-net", interrupts = 1')

    def test_gateway(self) -> None:
        self.reaches_the_gateway("virtio-net-pci")

    def test_link(self) -> None:
        self.notices_the_link("virtio-net-pci")

    def test_packets_that_stay(self) -> None:
        """The peer does not read for a while: the card is reset, and goes on afterwards."""
        with peer() as (other, wire):
            with checked.session(
                "netcheck", "net", "virtio_net", self.DEVICE, *wire, "-device",
                "virtio-net-pci,netdev=n0", arguments="stall=1",
            ) as console:
                console.expect_log("netcheck: stop reading", LIMIT)
                other.reading.clear()
                console.expect_log("netcheck: read again", LIMIT)
                other.reading.set()
                log = console.expect_log(r"^netcheck: done: .*\n", LIMIT).string
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
    CHECKS = 11

    def test_pc(self) -> None:
        log = self.survives("-device", "e1000e,netdev=n0,mac=52:54:00:11:22:33")
        self.assertIn("driver: 52:54:00:11:22:33, MTU 9000", log)
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
