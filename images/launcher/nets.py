# SPDX-License-Identifier: BSD-2-Clause
"""Network cards of the machine that QEMU makes: what each is joined to, as which device.

What a card is joined to is said in QEMU's own words, a -netdev without its id: "user",
"user,hostfwd=tcp:127.0.0.1:2222-:22", "tap,ifname=tap0,script=no,downscript=no",
"socket,listen=127.0.0.1:4000". For `./tessera boot`, "none" is a network without a card.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Sequence

from description import netvalues
from description.binary import Compiled
from description.machine import NET_MODELS
from description.report import words
from description.values import Wrong

from .paths import TOP, Failure

BAD_ARGUMENTS = 2
DRIVERS = {"virtio-net": "virtio_net", "e1000e": "e1000e"}  # of the models
OPEN = TOP / "images" / "rules" / "open.rules"
NO_CARD = "none"


@dataclass
class Net:
    """A network, its card, and for `boot` the guest's VIF on it."""

    netdev: str = "user"
    model: str = NET_MODELS[0]
    mac: str = ""  # of the card; empty: QEMU chooses
    mtu: int = 1500
    queues: int = 0  # of the VIF; 0: as many as the guest has vCPUs
    rules: Path = OPEN
    guest_mac: str = ""  # of the VIF; empty: made of names

    @property
    def has_card(self) -> bool:
        return self.netdev != NO_CARD


def _number(option: str, word: str, low: int, high: int) -> int:
    if not word.isdecimal() or not low <= int(word) <= high:
        raise Failure(f'--vif: found {option}={word}, expected a number from {low} to {high}',
                      BAD_ARGUMENTS)
    return int(word)


def parse(word: str) -> Net:
    """[driver=MODEL,][mac=MAC,][mtu=N,][queues=N,][rules=FILE,][NETDEV]. Raises Failure."""
    net, rest = Net(), word
    while rest:
        option, _, following = rest.partition(",")
        key, _, value = option.partition("=")
        if key == "driver" and value in DRIVERS:
            net.model = value
        elif key == "mtu":
            net.mtu = _number(key, value, 68, 65521)
        elif key == "queues":
            net.queues = _number(key, value, 1, 4)
        elif key == "mac":
            try:
                net.guest_mac = netvalues.mac_text(netvalues.mac(value))
            except Wrong as wrong:
                raise Failure(f"--vif: found mac={value}, expected {wrong}",
                              BAD_ARGUMENTS) from wrong
        elif key == "rules":
            net.rules = Path(value).absolute()
            if not net.rules.is_file():
                raise Failure(f"--vif: rules={value} is no file", BAD_ARGUMENTS)
        elif "=" in option or not option:
            raise Failure(
                f'--vif: found "{option}", expected driver={"|".join(DRIVERS)}, mac=MAC, mtu=N, '
                "queues=N, rules=FILE, and last what its card is joined to, such as user or none",
                BAD_ARGUMENTS,
            )
        else:
            net.netdev = rest
            break
        rest = following
    return net


def qemu_arguments(nets: Sequence[Net], iommu: bool) -> list[str]:
    """QEMU's cards in this order on the bus; networks without one are left out."""
    found = []
    for number, net in enumerate(net for net in nets if net.has_card):
        kind, comma, options = net.netdev.partition(",")
        found += ["-netdev", f"{kind},id=net{number}{comma}{options}"]
        device = "virtio-net-pci" if net.model == "virtio-net" else net.model
        if iommu and net.model == "virtio-net":
            device += ",iommu_platform=on,disable-legacy=on"
        mac = f",mac={net.mac}" if net.mac else ""
        # Nobody boots from the network: without its ROM the firmware does not try.
        found += ["-device", f"{device},netdev=net{number},romfile={mac}"]
    return found


def attached(compiled: Compiled, given: Sequence[str]) -> list[Net]:
    """The cards that a description's system needs, in order. given: NIC=NETDEV of the command
    line."""
    others = dict(word.partition("=")[::2] for word in given)
    found = []
    for card in compiled.machine.nets:
        netdev = others.pop(card.driver, card.netdev)
        found.append(Net(netdev, card.model, card.mac))
    if others:
        known = words(card.driver for card in compiled.machine.nets)
        raise Failure(f"--net: found {next(iter(others))}, expected a card that [machine] names: "
                      f"{known}", BAD_ARGUMENTS)
    return found
