# SPDX-License-Identifier: BSD-2-Clause
"""Captured packets: the domains that bring them to a serial line of the machine, and the
file that QEMU writes what comes there to."""

import tomllib
from pathlib import Path

from .paths import Failure

# The fourth serial line of a PC.
TEXT = """
[domain.capture-line]
image = "uart16550"
serves = ["serial"]
ports = ["0x2e8-0x2ef"]
irqs = [3]
priority = 60
[domain.capture]
log = "write"
priority = 61
[connection.capture-line]
protocol = "serial"
server = "capture-line"
client = "capture"
[connection.capture]
protocol = "netctl"
server = "{switch}"
client = "capture"
rights = ["tap"]
"""


def text(switch: str) -> str:
    """What a description needs besides, to capture what this domain forwards."""
    return TEXT.format(switch=switch)


def added(description: str, name: str) -> str:
    """A description with capturing. name: for messages. Raises Failure."""
    try:
        domains = tomllib.loads(description).get("domain", {})
    except tomllib.TOMLDecodeError:
        return description  # the compiler says what is wrong with it
    for switch, keys in domains.items():
        if isinstance(keys, dict) and "netctl" in keys.get("serves", []):
            return description + text(switch)
    raise Failure(f'--capture: in {name} no domain serves "netctl": there is no switch', 2)


def qemu_arguments(file: Path) -> list[str]:
    path = str(file).replace(",", ",,")
    return ["-chardev", f"file,id=capture,path={path}",
            "-device", "isa-serial,index=3,chardev=capture"]
