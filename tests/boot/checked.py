# SPDX-License-Identifier: BSD-2-Clause
"""A driver without a guest: a checker (tests/drivers) stands where its server stands, and
says of each check whether it passed. Ends that lie (tests/fault) stand there too."""

from contextlib import AbstractContextManager

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
[domain.{checker}]
serves = ["{protocol}"]
memory = "4M"
arguments = "{arguments}"
priority = 30
[domain.driver]
image = "{driver}"
device = {{ {device} }}
memory = "4M"
priority = 20
restart = {{ limit = 100, window = "1s", backoff = "0ms" }}
[connection.driver]
protocol = "{protocol}"
server = "{checker}"
client = "driver"
[connection.control]
protocol = "control"
server = "root"
client = "{checker}"
"""
IOMMU = ["-machine", "q35,kernel-irqchip=off", "-device", "intel-iommu,intremap=on"]
Q35 = ["-machine", "q35"]
LIMIT = 200  # seconds of real time, on a busy machine


def session(
    checker: str, protocol: str, driver: str, device: str, *machine: str, arguments: str = "",
) -> AbstractContextManager[Session]:
    """A system with this driver, for this device of the machine."""
    text = SYSTEM.format(
        checker=checker, protocol=protocol, driver=driver, device=device, arguments=arguments
    )
    return system(text, *machine)


def run(
    checker: str, protocol: str, driver: str, device: str, *machine: str, arguments: str = "",
    until: str = "",
) -> str:
    """The log, when the checker has done or has said `until`."""
    with session(checker, protocol, driver, device, *machine, arguments=arguments) as console:
        return console.expect_log(until or rf"^{checker}: done: .*\n", LIMIT).string
