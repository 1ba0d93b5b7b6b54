# SPDX-License-Identifier: BSD-2-Clause
"""Systems that a test manages from outside: an operator on a virtio-serial line (line0), perhaps
somebody else on a UART (line1), QEMU's sockets for both, and waiting for what was asked."""

import time
from pathlib import Path
from typing import Callable, TypeVar

from control.client import Client
from description.machine import Line
from launcher import lines

UART_PORT, UART_IRQ = 0x3E8, 5
_VIRTIO = """image = "virtio_serial"
device = { class = "virtio-serial" }"""
_UART = f"""image = "uart16550"
ports = ["{UART_PORT:#x}-{UART_PORT + 7:#x}"]
irqs = [{UART_IRQ}]"""
_MANAGER = """
[domain.{line}]
{driver}
priority = 16
serves = ["serial"]
[domain.{name}]
image = "control"
{more}
priority = 21
[connection.{line}]
protocol = "serial"
server = "{line}"
client = "{name}"
[connection.{name}]
protocol = "control"
server = "root"
client = "{name}"
rights = [{rights}]
"""
ALL_RIGHTS = ("see", "life", "set", "upgrade", "inspect", "trace", "create")
Found = TypeVar("Found")


def _manager(name: str, line: str, driver: str, rights: tuple[str, ...], **keys: str) -> str:
    return _MANAGER.format(
        name=name, line=line, driver=driver,
        more="\n".join(f'{key} = "{value}"' for key, value in keys.items()),
        rights=", ".join(f'"{right}"' for right in rights))


def operator(*rights: str, **keys: str) -> str:
    """Who acts: the domain `operator` on line0; keys: more of the domain's. Without rights: all."""
    return _manager("operator", "line0", _VIRTIO, rights or ALL_RIGHTS, lifeboat="4K", **keys)


def on_uart(name: str, *rights: str, **keys: str) -> str:
    """Somebody else, on line1."""
    return _manager(name, "line1", _UART, rights, **keys)


def arguments(folder: Path, other: str = "") -> list[str]:
    """QEMU's: sockets in this folder, by the names of the operator and of the other one."""
    joined = [Line("line0", f"socket,path={folder}/operator,server=on,wait=off", None, 0)]
    if other:
        joined.append(Line("line1", f"socket,path={folder}/{other},server=on,wait=off", UART_PORT,
                           UART_IRQ))
    return lines.qemu_arguments(joined, False)


def until(what: str, look: Callable[[], Found], wanted: Found, limit: float) -> None:
    """Looks until it is so."""
    deadline = time.monotonic() + limit
    while (found := look()) != wanted:
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} is {found}, not {wanted}")
        time.sleep(0.1)


class Operator:
    """A session at line0, and what tests wait for."""

    def __init__(self, folder: Path, limit: float):
        self.folder, self.limit = folder, limit
        self.client = Client(folder / "operator", limit)

    def state(self, name: str) -> str:
        return str(self.client.items("ps", name=name)[0]["state"])

    def wait_state(self, name: str, wanted: str) -> None:
        until(name, lambda: self.state(name), wanted, self.limit)

    def device(self, guest: str, name: str) -> str:
        return str({entry["name"]: entry["state"]
                    for entry in self.client.items("devices", name=guest)}[name])

    def wait_device(self, guest: str, name: str, wanted: str) -> None:
        until(f"{name} of {guest}", lambda: self.device(guest, name), wanted, self.limit)

    def change(self, verb: str, guest: str, name: str) -> None:
        """plug, unplug: and it is so."""
        self.client.request(verb, name=guest, device=name)
        self.wait_device(guest, name, verb + "ged")
