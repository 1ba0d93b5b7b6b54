# SPDX-License-Identifier: BSD-2-Clause
"""The checked description as bytes: proto/system.h is the contract, and
tests/images compares the sizes and offsets here with what a C compiler says."""

import struct
import zlib
from dataclasses import dataclass, field
from pathlib import Path

from . import disks, machine, sched, switchconfig
from .hardware import ANY
from .schema import ENDS, LOG_RIGHTS, PROTOCOLS, RIGHTS, Entry, System

HEADER = struct.Struct("<Q20I")
DOMAIN = struct.Struct("<IIIIHBBIQQIIIIIBBBBIIIIIIII" + sched.FORMAT)
RESOURCE = struct.Struct("<IIQQII")
CONNECTION = struct.Struct("<IIIIIIII")
DEVICE = struct.Struct("<12I")
BLOB = struct.Struct("<4I")
PLUG = struct.Struct("<8I")

MAGIC = 0x3153595341525354
VERSION = 5
F_EXIT_WITH_GUESTS, F_REQUIRE_IOMMU = 1, 2
KIND_ROOT, KIND_NATIVE, KIND_GUEST = range(3)
DOMAIN_F_AUTOSTART, DOMAIN_F_POLICY, DOMAIN_F_PLACE = 1, 2, 4
# Pages of native rings: proto/serial.h, manage.h, blk.h, pci.h, net.h, netctl.h, blkctl.h,
# consctl.h.
RING_PAGES = {
    "serial": 1, "control": 17, "xenbus": 1, "disk": 10, "pci": 8, "net": 10, "netctl": 34,
    "blkctl": 18, "consctl": 33,
}
XENBUS_VBD, XENBUS_VIF = 1, 2
PLUG_OUT = 1
RES_IOPORTS, RES_IRQ, RES_MMIO, RES_LOG, RES_CPU, RES_TRACE = range(1, 7)


@dataclass
class Module:
    """A boot module that the description asks for."""

    name: str  # as root looks it up
    kind: str  # "program", "kernel" or "initrd"
    source: str  # program name, "package:NAME", "built:NAME[/PACKAGE]", "disk:DISK/PATH" or a path
    guest: str = ""  # the guest that first asked for it


@dataclass
class Compiled:
    """What a description becomes."""

    name: str
    data: bytes
    modules: list[Module]  # without "root" and "system"
    log: str  # serial port of the core's log
    guest_pages: int  # memory of all guests at start
    native_pages: int
    disks: list[disks.PhysicalDisk]  # what its volumes lie on, by driver
    guests: dict[str, Entry]
    machine: machine.Machine  # for ./tessera run; nothing of it is in `data`
    warnings: list[str] = field(default_factory=list)


class _Strings:
    """The pool: equal strings once, offset 0 is the empty string."""

    def __init__(self) -> None:
        self.data = b"\0"
        self.offsets = {"": 0}

    def add(self, text: str) -> int:
        if text not in self.offsets:
            self.offsets[text] = len(self.data)
            self.data += text.encode() + b"\0"
        return self.offsets[text]


class _Modules:
    """Boot modules by what is in them: two guests share one kernel."""

    def __init__(self) -> None:
        self.listed: list[Module] = []

    def add(self, kind: str, source: str, name: str, guest: str = "") -> str:
        for module in self.listed:
            if (module.kind, module.source) == (kind, source):
                return module.name
        self.listed.append(Module(name, kind, source, guest))
        return name


def initrd_source(guest: Entry) -> str:
    """built:busybox has the drivers of its kernel, where that comes from a package of one."""
    kernel, initrd = guest["kernel"], guest["initrd"]
    if initrd == "built:busybox" and kernel.startswith("package:linux-image"):
        return f"{initrd}/{kernel.removeprefix('package:')}"
    return str(initrd)


def _domain(
    entry: Entry, kind: int, strings: _Strings, modules: _Modules, is_policy: bool, policy: int
) -> bytes:
    guest = kind == KIND_GUEST
    if entry["place"]:
        module = initrd = ""
    elif guest:
        module = modules.add("kernel", entry["kernel"], f"{entry.name}.kernel", entry.name)
        initrd = entry["initrd"] or ""
        if initrd:
            initrd = modules.add("initrd", initrd_source(entry), f"{entry.name}.initrd", entry.name)
    else:
        module, initrd = modules.add("program", entry["image"], entry["image"]), ""
    flags = DOMAIN_F_AUTOSTART if entry["autostart"] else 0
    flags |= DOMAIN_F_POLICY if is_policy else 0
    flags |= DOMAIN_F_PLACE if entry["place"] else 0
    return DOMAIN.pack(
        strings.add(entry.name),
        strings.add(module),
        strings.add(initrd),
        strings.add(entry["cmdline" if guest else "arguments"]),
        entry["domid"],
        kind,
        flags,
        entry["vcpus"] if guest else 1,
        entry["memory"],
        entry["max_memory"] if guest else entry["memory"],
        entry["slice"],
        entry["cap_slots"],
        entry["event_ports"],
        entry["grant_frames"],
        entry["map_handles"],
        ENDS.index(entry["on_poweroff"]),
        ENDS.index(entry["on_reboot"]),
        ENDS.index(entry["on_crash"]),
        0,
        entry["restart"]["limit"],
        entry["restart"]["window"],
        entry["restart"]["backoff"],
        entry["priority"],
        entry.line,
        0 if guest else entry["lifeboat"],
        0 if guest else entry["heartbeat"],
        0,
        *sched.record(entry, policy),
    )


def _root(strings: _Strings) -> bytes:
    name = strings.add("root")
    return DOMAIN.pack(name, name, 0, 0, 0, KIND_ROOT, 0, 1, *[0] * 29)


def _resources(native: Entry, index: int, cpus: int) -> list[bytes]:
    """Everything this native may use; cpus: bits, of a policy."""
    found = []

    def add(kind: int, first: int, count: int, key: str, flags: int = 0) -> None:
        found.append(RESOURCE.pack(index, kind, first, count, flags, native.line_of(key)))

    for first, last in native["ports"]:
        add(RES_IOPORTS, first, last - first + 1, "ports")
    for irq in native["irqs"]:
        add(RES_IRQ, irq, 1, "irqs")
    for first, last in native["mmio"]:
        add(RES_MMIO, first, last - first + 1, "mmio")
    if native["log"] != "none":
        add(RES_LOG, 0, 0, "log", LOG_RIGHTS[native["log"]])
    for first, count in sched.runs(cpus):
        add(RES_CPU, first, count, "plans")
    if native["trace"]:
        add(RES_TRACE, 0, 0, "trace")
    return found


def _flags(system: System, protocol: str, client: str, entry: Entry) -> int:
    if protocol in RIGHTS:
        return sum(RIGHTS[protocol][right] for right in set(entry["rights"]))
    if protocol != "xenbus":
        return 0
    served = system.native(client)["serves"]
    return (XENBUS_VBD if "block" in served else 0) | (XENBUS_VIF if "vif" in served else 0)


def _connections(system: System, index: dict[str, int], strings: _Strings) -> list[bytes]:
    """Each is known by the name of the entry that declares it."""
    return [
        CONNECTION.pack(
            strings.add(entry.name), PROTOCOLS[protocol], index[server], index[client],
            RING_PAGES.get(protocol, 0), _flags(system, protocol, client, entry), entry.line, 0,
        )
        for protocol, server, client, entry in system.joined()
    ]


def _devices(system: System, index: dict[str, int]) -> list[bytes]:
    """Those that are named by their address come first: they leave no choice."""
    drivers = [native for native in system.natives if native["device"]]
    records = []
    for native in sorted(drivers, key=lambda native: native["device"].address == ANY):
        d = native["device"]
        records.append(DEVICE.pack(
            index[native.name], d.vendor, d.device, d.class_code, d.class_mask, d.address,
            d.index, d.interrupts, d.dma_slots, d.own_slots, native.line_of("device"), d.device_or,
        ))
    return records


def _blobs(system: System, index: dict[str, int], first: int) -> tuple[list[bytes], bytes]:
    """Each server's configuration, and root's key: records, and the bytes from `first` on."""
    servers = [(server, disks.config) for server in system.serving("block")]
    servers += [(server, switchconfig.config) for server in system.serving("vif")]
    blobs = [(index[server.name], config(system, server)) for server, config in servers]
    if system.key:
        blobs.append((0, system.key))
    records, content = [], b""
    first += len(blobs) * BLOB.size
    for domain, data in blobs:
        records.append(BLOB.pack(domain, first + len(content), len(data), 0))
        content += data + bytes(-len(data) % 8)
    return records, content


def _plugs(system: System, index: dict[str, int], strings: _Strings) -> list[bytes]:
    """The guests' devices, with their places in the configurations of their servers."""
    servers = [(server, "block", disks.served) for server in system.serving("block")]
    servers += [(server, "vif", switchconfig.served) for server in system.serving("vif")]
    return [
        PLUG.pack(strings.add(device.name), index[device["guest"]], index[server.name],
                  PROTOCOLS[protocol], number, 0 if device["plugged"] else PLUG_OUT, device.line, 0)
        for server, protocol, served in servers
        for number, device in enumerate(served(system, server))
    ]


def encode(system: System, folder: Path) -> Compiled:
    settings, strings, modules = system.settings, _Strings(), _Modules()
    name = strings.add(settings["name"])
    domains, resources = [_root(strings)], []
    index = {entry.name: number for number, entry in enumerate(system.domains(), 1)}
    index["root"] = 0
    plans = sched.plans(system)
    for entry in system.domains():
        policy = sched.policy_of(entry, system)
        native = system.native(entry.name) is entry
        kind = KIND_NATIVE if native else KIND_GUEST
        domains.append(_domain(
            entry, kind, strings, modules, native and entry.name in plans, index.get(policy, 0)
        ))
        if native:
            resources += _resources(entry, index[entry.name], plans.get(entry.name, 0))
    connections = _connections(system, index, strings)
    for program in settings["programs"]:
        modules.add("program", program, program)

    body, places = b"", []
    for records in (domains, resources, connections, _devices(system, index)):
        places += [HEADER.size + len(body), len(records)]
        body += b"".join(records)
    blobs, content = _blobs(system, index, HEADER.size + len(body))
    places += [HEADER.size + len(body), len(blobs)]
    body += b"".join(blobs) + content
    plugs = _plugs(system, index, strings)
    places += [HEADER.size + len(body), len(plugs)]
    body += b"".join(plugs)
    places += [HEADER.size + len(body), len(strings.data)]
    body += strings.data
    flags = F_EXIT_WITH_GUESTS if settings["exit_with_guests"] else 0
    flags |= F_REQUIRE_IOMMU if settings["iommu"] == "require" else 0
    header = HEADER.pack(
        MAGIC, VERSION, HEADER.size + len(body), zlib.crc32(body), name, *places, flags,
        settings["exit_port"],
    )
    for module in modules.listed:
        named = module.source.startswith(("package:", "built:", "disk:"))
        if module.kind != "program" and not named:
            module.source = str(folder / module.source)
    return Compiled(
        settings["name"],
        header + body,
        modules.listed,
        settings["log"],
        sum(guest["memory"] for guest in system.guests),
        sum(native["memory"] + native["lifeboat"] for native in system.natives),
        disks.physical(system),
        {guest.name: guest for guest in system.guests},
        machine.machine(system, folder),
    )
