# SPDX-License-Identifier: BSD-2-Clause
"""The description of a small system: what every guest needs, and the guests that
the caller names. `./tessera boot` runs one, and so do the tests."""

from typing import Optional, Sequence

from .disks import MODELS, Disk
from .machine import EXIT_PORT
from .nets import DRIVERS, Net

POLICY = "sched_bvt"

BASE = f"""
[system]
name = "{{name}}"
policy = "{{policy}}"
programs = {{programs}}
log = "com2"
exit_port = {EXIT_PORT}
exit_with_guests = {{exits}}
[domain.{{policy}}]
{{scheduling}}
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

PCI = """
[domain.pci]
serves = ["pci"]
ports = ["0xcf8-0xcff"]
priority = 15
"""

BLOCKS = """
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

SWITCH = """
[domain.switch]
serves = ["vif", "net", "netctl"]
lifeboat = "8M"
priority = 50
[connection.switchstore]
protocol = "xenbus"
server = "store"
client = "switch"
"""

# A card of the machine, and its driver.
CARD = """
[domain.{name}]
image = "{image}"
device = {{ class = "{model}", index = {index} }}
priority = 40
[connection.{name}]
protocol = "net"
server = "switch"
client = "{name}"
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


def cards(nets: Sequence[Net]) -> str:
    """The switch, networks net0, net1, ..., and the drivers nic0, nic1, ... of those that
    have a card, in this order on the bus."""
    text = SWITCH
    seen: dict[str, int] = {}
    for number, net in enumerate(nets):
        text += f"[network.net{number}]\nmtu = {net.mtu}\n"
        if not net.has_card:
            continue
        index = seen.setdefault(net.model, 0)
        seen[net.model] += 1
        text += f'uplink = "nic{number}"\n' + CARD.format(
            name=f"nic{number}", image=DRIVERS[net.model], model=net.model, index=index
        )
    return text


def vif(guest_name: str, net: Net, number: int = 0, index: int = 0, **keys: object) -> str:
    """A VIF of the guest on network `number`; keys as in the reference, which may replace
    those that follow from `net`."""
    given = {"guest": guest_name, "network": f"net{number}", "index": index,
             "rules": str(net.rules), "queues": net.queues or None,
             "mac": net.guest_mac or None, **keys}
    lines = [f"[vif.{guest_name}-{index}]"]
    for key, value in given.items():
        if value is not None:
            text = str(value).lower() if isinstance(value, bool) else str(value)
            lines.append(f"{key} = {quote(text) if isinstance(value, str) else text}")
    return "\n".join(lines) + "\n"


def vifs(guest_name: str, nets: Sequence[Net]) -> str:
    """eth0 on net0, and so on."""
    return "".join(vif(guest_name, net, number, number) for number, net in enumerate(nets))


def describe(
    *parts: str, name: str = "test", raw: Optional[str] = None, control: bool = False,
    disks: Sequence[Disk] = (), store: str = "", nets: Sequence[Net] = (), policy: str = POLICY,
    scheduling: str = "", programs: Sequence[str] = (), exits: bool = True,
) -> str:
    """A description: the base, then `parts`. raw: the guest to which the console belongs
    alone; disks, nets: of the machine; store, scheduling: more keys of the store and the policy;
    programs: more that are to be there; exits: with the last guest."""
    text = BASE.format(
        name=name, policy=policy, scheduling=scheduling, exits=str(exits).lower(),
        arguments=quote(f"raw={raw}" if raw else ""),
        programs="[" + ", ".join(map(quote, programs)) + "]",
    )
    text += STORE.format(xenbus=XENBUS if disks or nets else "", more=store)
    if control:
        text += CONTROL
    if disks or any(net.has_card for net in nets):
        text += PCI
    if disks:
        text += physical(disks)
    if nets:
        text += cards(nets)
    return text + "".join(parts)
