# SPDX-License-Identifier: BSD-2-Clause
"""The description of a small system: what every guest needs, and the guests that
the caller names. `./tessera boot` runs one, and so do the tests."""

from typing import Optional, Sequence

from .disks import MODELS, Disk
from .machine import EXIT_PORT

BASE = f"""
[system]
name = "{{name}}"
policy = "sched_rr"
log = "com2"
exit_port = {EXIT_PORT}
exit_with_guests = true
[domain.sched_rr]
[domain.uart16550]
serves = ["serial"]
ports = ["0x3f8-0x3ff"]
irqs = [4]
priority = 10
[domain.console]
serves = ["console"]
arguments = {{arguments}}
priority = 20
[connection.serial]
protocol = "serial"
server = "uart16550"
client = "console"
"""

STORE = """
[domain.store]
serves = ["store"{xenbus}]
lifeboat = "1M"
priority = 30
{more}
"""

# Whoever types at the console may list and restart domains.
CONTROL = """
[connection.control]
protocol = "control"
server = "root"
client = "console"
"""

BLOCKS = """
[domain.pci]
serves = ["pci"]
ports = ["0xcf8-0xcff"]
priority = 15
[domain.vbd]
serves = ["block", "disk"]
lifeboat = "256K"
priority = 50
[connection.vbdstore]
protocol = "xenbus"
server = "store"
client = "vbd"
"""

# A disk of the machine, its driver, and all of it as a volume.
PHYSICAL = """
[domain.{name}]
image = "{image}"
device = {{ class = "{model}", index = {index} }}
priority = 40
[connection.{name}]
protocol = "disk"
server = "vbd"
client = "{name}"
[volume.{name}]
disk = "{name}"
"""

VIRTUAL = """
[disk.{name}]
guest = "{guest}"
volume = "{volume}"
device = "{device}"
mode = "{mode}"
"""

XENBUS = ', "xenbus"'


def quote(text: str) -> str:
    """A TOML basic string."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def guest(name: str = "guest", **keys: object) -> str:
    """A guest with the console and the store; keys as in the reference, absent if None."""
    lines = [f"[guest.{name}]"]
    for key, value in {"console": "console", "store": "store", **keys}.items():
        if value is not None:
            lines.append(f"{key} = {value if isinstance(value, int) else quote(str(value))}")
    return "\n".join(lines) + "\n"


def device(number: int) -> str:
    return "xvd" + chr(ord("a") + number)


def physical(disks: Sequence[Disk]) -> str:
    """Drivers disk0, disk1, ... of these disks, in this order on the bus; volumes alike."""
    text = BLOCKS
    seen: dict[str, int] = {}
    for number, disk in enumerate(disks):
        index = seen.setdefault(disk.model, 0)
        seen[disk.model] += 1
        text += PHYSICAL.format(
            name=f"disk{number}", image=MODELS[disk.model], model=disk.model, index=index
        )
    return text


def virtual(guest_name: str, disks: Sequence[Disk]) -> str:
    """Each volume as a disk of the guest."""
    return "".join(
        VIRTUAL.format(
            name=f"{guest_name}-{device(number)}", guest=guest_name, volume=f"disk{number}",
            device=device(number), mode="ro" if disk.readonly else "rw",
        )
        for number, disk in enumerate(disks)
    )


def describe(
    *parts: str, name: str = "test", raw: Optional[str] = None, control: bool = False,
    disks: Sequence[Disk] = (), store: str = "",
) -> str:
    """A description: the base, then `parts`. raw: the guest to which the console belongs
    alone; disks: of the machine; store: more keys of the store."""
    text = BASE.format(name=name, arguments=quote(f"raw={raw}" if raw else ""))
    text += STORE.format(xenbus=XENBUS if disks else "", more=store)
    if control:
        text += CONTROL
    if disks:
        text += physical(disks)
    return text + "".join(parts)
