# SPDX-License-Identifier: BSD-2-Clause
"""The tables and keys of a description, and what is meant when a key is absent.

docs/reference/description.md says the same in words; tests/images checks that
no key is missing there.
"""

from dataclasses import dataclass, field
from typing import Any, Optional

from . import hardware, machine, netvalues, sched, values
from .lines import Lines
from .report import Report, shown, suggestion, words
from .values import Parser, Range, Wrong

MAX_PLACES = 16
MAX_DOMAINS = 2048
MAX_RESOURCES = 4096
MAX_CONNECTIONS = 4096
MAX_DEVICES = 64
FIRST_RESERVED_DOMID = 0x7FF0

PROTOCOLS = {  # SYSTEM_CONN_*
    "console": 1, "serial": 2, "store": 3, "control": 4, "xenbus": 9, "block": 10, "disk": 11,
    "pci": 8, "vif": 12, "net": 13, "netctl": 14, "blkctl": 16, "consctl": 17,
}
OF_GUESTS = ("console", "store")  # come with a guest's key of the same name
# "block" comes with the guests' disks, "vif" with their VIFs, "pci" with the domain that serves it.
DECLARED = ("serial", "control", "xenbus", "disk", "net", "netctl", "blkctl", "consctl")
ROOT_SERVES = ("control",)
SERVED = [word for word in PROTOCOLS if word not in ROOT_SERVES]
ENDS = ("stop", "destroy", "restart")  # SYSTEM_ON_*


@dataclass
class Key:
    """A key of a table: how its value is read, and its default."""

    parse: Parser
    default: Any = None
    required: bool = False


@dataclass
class Entry:
    """A table of the description with its values and where they stand."""

    name: str
    where: str  # as in messages: "guest.debian"
    line: int
    given: dict[str, Any] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)

    def __getitem__(self, key: str) -> Any:
        return self.given[key]

    def line_of(self, key: str) -> int:
        return self.lines.get(key, self.line)

    def wrong(self, report: Report, key: str, found: str, expected: str) -> None:
        """Report a mistake in the value of `key`; in the table as a whole, if key is empty."""
        what = f"{key}: found" if key else "found"
        report.error(self.line_of(key), self.where, f"{what} {found}, expected {expected}")


@dataclass
class System:
    settings: Entry
    natives: list[Entry] = field(default_factory=list)
    guests: list[Entry] = field(default_factory=list)
    connections: list[Entry] = field(default_factory=list)
    volumes: list[Entry] = field(default_factory=list)
    disks: list[Entry] = field(default_factory=list)
    limits: list[Entry] = field(default_factory=list)
    networks: list[Entry] = field(default_factory=list)
    vifs: list[Entry] = field(default_factory=list)
    machine: Entry = field(default_factory=lambda: Entry("machine", "machine", 1))
    key: bytes = b""  # by which uploaded packages must be signed
    rules: dict[str, bytes] = field(default_factory=dict)  # compiled, by path

    def joined(self) -> list[tuple[str, str, str, Entry]]:
        """All connections as (protocol, server, client, the entry that says so)."""
        found = [
            (protocol, guest[protocol], guest.name, guest)
            for guest in self.guests
            for protocol in OF_GUESTS
            if guest[protocol] is not None
        ]
        found += [
            ("block", server.name, guest.name, guest)
            for guest in self.guests
            for server in self.serving("block")
            if any((disk["guest"], disk["server"]) == (guest.name, server.name)
                   for disk in self.disks)
        ]
        in_switch = {network.name: network["server"] for network in self.networks}
        found += [
            ("vif", server.name, guest.name, guest)
            for guest in self.guests
            for server in self.serving("vif")
            if any(vif["guest"] == guest.name and in_switch.get(vif["network"]) == server.name
                   for vif in self.vifs)
        ]
        found += [("pci", bus.name, "root", bus) for bus in self.serving("pci")]
        return found + [
            (entry["protocol"], entry["server"], entry["client"], entry)
            for entry in self.connections
        ]

    def domains(self) -> list[Entry]:
        """Natives and guests, in the order of the file."""
        return sorted(self.natives + self.guests, key=lambda entry: entry.line)

    def native(self, name: str) -> Optional[Entry]:
        return next((entry for entry in self.natives if entry.name == name), None)

    def guest(self, name: str) -> Optional[Entry]:
        return next((entry for entry in self.guests if entry.name == name), None)

    def serving(self, protocol: str) -> list[Entry]:
        return [entry for entry in self.natives if protocol in entry["serves"]]

    def joins(self, protocol: str, server: str, client: str) -> bool:
        return any(found[:3] == (protocol, server, client) for found in self.joined())


PORT: Parser = values.number_range(0xFFFF, '0x60 or "0x3f8-0x3ff"')
RIGHTS = {  # by protocol: NETCTL_F_*, BLKCTL_F_*, CONSCTL_F_*, MANAGE_F_*
    "netctl": {"watch": 1, "rules": 2, "tap": 4, "limits": 8},
    "blkctl": {"watch": 1, "limits": 2},
    "consctl": {"watch": 1, "type": 2},
    "control": {"see": 1, "life": 2, "set": 4, "upgrade": 8, "inspect": 16, "trace": 32,
                "create": 64},
}
CONTROL_RIGHTS = ["see", "life"]  # if nothing is said
ALL_RIGHTS = list(dict.fromkeys(right for rights in RIGHTS.values() for right in rights))
LOG_RIGHTS = {"none": 0, "read": 1 << 1, "write": 1 << 2, "read write": 1 << 1 | 1 << 2}


def _restart_keys() -> dict[str, Key]:
    return {
        "limit": Key(values.integer(0, 1000000), 5),
        "window": Key(values.milliseconds(1, 86400000), 60000),
        "backoff": Key(values.milliseconds(0, 3600000), 50),
    }


def _restart(value: Any) -> dict[str, int]:
    keys = _restart_keys()
    if not isinstance(value, dict):
        raise Wrong("{ limit = ..., window = ..., backoff = ... }")
    for key in value:
        if key not in keys:
            raise Wrong(f"only {words(keys)} in it, not {key}{suggestion(key, keys)}")
    result = {}
    for name, key in keys.items():
        try:
            result[name] = key.parse(value[name]) if name in value else key.default
        except Wrong as wrong:
            raise Wrong(f"{name} to be {wrong}, not {shown(value[name])}") from wrong
    return result


def _common(priority: int, ends: tuple[str, str, str]) -> dict[str, Key]:
    """What natives and guests share."""
    return {
        "domid": Key(values.integer(1, FIRST_RESERVED_DOMID - 1)),
        "place": Key(values.boolean, False),
        "autostart": Key(values.boolean),  # unless it is a place
        "priority": Key(values.integer(0, 1000), priority),
        "slice": Key(values.microseconds(50, 1000000), 0),
        "weight": Key(values.integer(1, 65535), sched.WEIGHT),
        "cap": Key(sched.percent, 0),
        "warp": Key(sched.warp),
        "reserve": Key(sched.reserve),
        "windows": Key(sched.mask("windows"), 0),
        "cpus": Key(sched.mask("CPUs"), 0),
        "policy": Key(values.name),
        "cap_slots": Key(values.integer(16, 65536)),
        "event_ports": Key(values.integer(64, 4096)),
        "grant_frames": Key(values.integer(1, 64)),
        "map_handles": Key(values.integer(0, 65536)),
        "on_poweroff": Key(values.choice(*ENDS), ends[0]),
        "on_reboot": Key(values.choice(*ENDS), ends[1]),
        "on_crash": Key(values.choice(*ENDS), ends[2]),
        "restart": Key(_restart, _restart({})),
    }


SYSTEM_KEYS = {
    "name": Key(values.name, "tessera"),
    "cpus": Key(values.integer(1, 32), 32),
    "policy": Key(values.name),
    "log": Key(values.choice("com1", "com2", "none"), "none"),
    "exit_port": Key(values.integer(1, 0xFFFF), 0),
    "exit_with_guests": Key(values.boolean, False),
    "iommu": Key(values.choice("use", "require"), "use"),
    "programs": Key(values.items(values.name, "programs"), []),
    "signed": Key(values.file),
}

NATIVE_KEYS = {
    "image": Key(values.name),
    "arguments": Key(values.text(values.ARGUMENTS_BYTES), ""),
    "memory": Key(values.pages(128 << 10, 1 << 30)),
    "serves": Key(values.items(values.choice(*SERVED), "protocols"), []),
    "ports": Key(values.items(PORT, "I/O ports"), []),
    "irqs": Key(values.items(values.integer(0, 255), "interrupt numbers"), []),
    "mmio": Key(values.items(values.device_memory, "device memory ranges"), []),
    "device": Key(hardware.device),
    "lifeboat": Key(values.pages(4 << 10, 16 << 20), 0),
    "plans": Key(sched.mask("CPUs"), 0),
    "log": Key(values.choice(*LOG_RIGHTS), "write"),
    "heartbeat": Key(values.milliseconds(0, 86400000), 10000),
    "trace": Key(values.boolean, False),
    **_common(100, ("stop", "restart", "restart")),
}

GUEST_KEYS = {
    "kernel": Key(values.file),  # required, but of a place
    "initrd": Key(values.file),
    "cmdline": Key(values.text(values.CMDLINE_BYTES), ""),
    "memory": Key(values.pages(1 << 20, 512 << 30), required=True),
    "max_memory": Key(values.pages(1 << 20, 512 << 30)),
    "vcpus": Key(values.integer(1, 128), 1),
    "console": Key(values.name),
    "store": Key(values.name),
    **_common(200, ("destroy", "restart", "stop")),
}

CONNECTION_KEYS = {
    "protocol": Key(values.choice(*DECLARED), required=True),
    "server": Key(values.name, required=True),
    "client": Key(values.name, required=True),
    "rights": Key(values.items(values.choice(*ALL_RIGHTS), "rights")),
}

VOLUME_KEYS = {
    **{name: Key(parse) for name, parse in hardware.EXTENT_KEYS.items()},
    "extents": Key(values.items(hardware.extent, "extents")),
}

LIMIT_KEYS = {
    "bandwidth": Key(hardware.amount(64 << 10, 1 << 40, 1, '"50M", in bytes per second'), 0),
    "iops": Key(values.integer(1, 1000000000), 0),
}

DISK_KEYS = {
    "guest": Key(values.name, required=True),
    "volume": Key(values.name, required=True),
    "device": Key(hardware.virtual_device, required=True),
    "server": Key(values.name),
    "mode": Key(values.choice("rw", "ro"), "rw"),
    "shared": Key(values.boolean, False),
    "plugged": Key(values.boolean, True),
    **LIMIT_KEYS,
}

NETWORK_KEYS = {
    "mtu": Key(values.integer(68, 65521), 1500),
    "uplink": Key(netvalues.uplinks, []),
    "server": Key(values.name),
    "states": Key(values.integer(64, 65536), 4096),
}

PACKETS: Parser = values.integer(1, 1000000000)
VIF_KEYS = {
    "guest": Key(values.name, required=True),
    "network": Key(values.name, required=True),
    "index": Key(values.integer(0, 63), 0),
    "mac": Key(netvalues.mac),
    "mac_check": Key(values.boolean, True),
    "vlan": Key(netvalues.vlan, 0),
    "trunk": Key(netvalues.trunk),
    "queues": Key(values.integer(1, 4)),
    "addresses": Key(netvalues.addresses, netvalues.addresses(["dhcp"])),
    "rules": Key(netvalues.rules),
    "rate_out": Key(netvalues.rate, 0),
    "rate_in": Key(netvalues.rate, 0),
    "packets_out": Key(PACKETS, 0),
    "packets_in": Key(PACKETS, 0),
    "small_out": Key(values.integer(0, 1000000000), 10000),
    "plugged": Key(values.boolean, True),
}

NAMED = {
    "domain": NATIVE_KEYS,
    "guest": GUEST_KEYS,
    "connection": CONNECTION_KEYS,
    "volume": VOLUME_KEYS,
    "disk": DISK_KEYS,
    "limit": {"disk": Key(hardware.place, required=True), **LIMIT_KEYS},
    "network": NETWORK_KEYS,
    "vif": VIF_KEYS,
}
MACHINE_KEYS = {
    "type": Key(values.choice("pc", "q35"), "pc"),
    "cpus": Key(values.integer(1, 32), 1),
    "iommu": Key(values.boolean, False),
    "disks": Key(machine.disks, {}),
    "nets": Key(machine.nets, {}),
    "lines": Key(machine.lines, {}),
}
TABLES = {"system": SYSTEM_KEYS, "machine": MACHINE_KEYS, **NAMED}


def entry_of(
    table: Any, path: tuple[str, ...], keys: dict[str, Key], lines: Lines, report: Report
) -> Entry:
    where = ".".join(path)
    entry = Entry(path[-1], where, lines.at(*path))
    if not isinstance(table, dict):
        report.error(entry.line, "", f"found {where} = {shown(table)}, expected a table [{where}]")
        table = {}
    for key, value in table.items():
        line = entry.lines[key] = lines.at(*path, key)
        if key not in keys:
            report.error(
                line, where, f'found the unknown key "{key}", expected {words(sorted(keys))}'
                f"{suggestion(key, keys)}"
            )
            continue
        try:
            entry.given[key] = keys[key].parse(value)
        except Wrong as wrong:
            report.error(line, where, f"{key}: found {shown(value)}, expected {wrong}")
    for name, key in keys.items():
        if key.required and name not in table:
            report.error(entry.line, where, f'found no "{name}", expected one: it is required')
        entry.given.setdefault(name, key.default)
    return entry


def _named(
    kind: str, table: Any, lines: Lines, report: Report
) -> list[Entry]:
    if not isinstance(table, dict):
        report.error(lines.at(kind), "", f"found {kind} = {shown(table)}, expected [{kind}.NAME]")
        return []
    entries = []
    for name, content in table.items():
        line = lines.at(kind, name)
        if not isinstance(content, dict):
            report.error(line, "", f'found the key "{name}" in [{kind}], expected [{kind}.NAME]')
            continue
        try:
            values.name(name)
        except Wrong as wrong:
            report.error(line, "", f"found [{kind}.{shown(name)}], expected {wrong}")
            continue
        entries.append(entry_of(content, (kind, name), NAMED[kind], lines, report))
    return sorted(entries, key=lambda entry: entry.line)


def read(table: dict, lines: Lines, report: Report) -> System:
    """Every table and key looked at alone; defaults filled in."""
    for kind in table:
        if kind not in TABLES:
            report.error(
                lines.at(kind), "", f'found the unknown table "{kind}", '
                f"expected {words(TABLES)}{suggestion(kind, TABLES)}"
            )
    settings = entry_of(table.get("system", {}), ("system",), SYSTEM_KEYS, lines, report)
    named = {kind: _named(kind, table.get(kind, {}), lines, report) for kind in NAMED}
    emulated = entry_of(table.get("machine", {}), ("machine",), MACHINE_KEYS, lines, report)
    return System(settings, *named.values(), emulated)
