# SPDX-License-Identifier: BSD-2-Clause
"""What only the whole description shows: peers that exist, names and devices
used once, connections that do not wait for each other in a circle, files that
are there, limits of the binary form. Fills in the defaults that depend on it."""

import re
import struct
from pathlib import Path
from typing import Callable, Optional

from package import dom, needs, sign

from . import disks, machine, networks, sched, schema
from .hardware import Device
from .report import Report, shown, suggestion, words
from .schema import Entry, System
from .values import PAGE, Range, size_text

FindImage = Optional[Callable[[str], Optional[Path]]]

# I/O ports that the core keeps: interrupt controllers, its timer's reference
# clock, and the serial port that it logs to.
CORE_PORTS = [(0x20, 0x21), (0x40, 0x43), (0x61, 0x61), (0xA0, 0xA1)]
LOG_PORTS = {"com1": (0x3F8, 0x3FF), "com2": (0x2F8, 0x2FF)}

NATIVE_MAX_CAPS = 256  # proto/native.h
NATIVE_MAX_CONNECTIONS = 160 - 4  # the others: control page, configuration, lifeboat, device
FUNCTION_CAPS = 14  # of a PCI function: BARs, each in two parts at most, interrupts, DMA
PORTS_OF_SERVED_GUEST = 64  # its devices have ports for each of their queues
HANDLES_OF_SERVED_GUEST = 256  # and pages of rings
WATCHED = ("netctl", "blkctl", "consctl")
HANDLES_OF_WATCHED = 34
HANDLES_OF_CONTROL = 17
HANDLES_OF_TRACE = 256  # libs/trace/trace.h
MAX_CONTROLS = 16
HANDLES_OF_RULES = 128  # pages of a configuration with rules
DEFAULT_PAGES = (1 << 20) // PAGE  # of a native domain, unless its program needs more
NATIVE_OVERHEAD_PAGES = 20  # start page, stack, page tables: proto/native.h
BOOT_MAX_MODULES = 64
IMAGE_HEADER = struct.Struct("<8s7Q")  # struct native_image

BUILT_FILES = ("busybox",)  # what "built:NAME" may name


def check(system: System, folder: Path, find_image: FindImage, report: Report) -> None:
    if not system.natives and not system.guests:
        report.error(1, "", "found no domain at all, expected a [domain.NAME] or a [guest.NAME]")
    _check_names(system, report)
    _assign_domids(system, report)
    for entry in system.domains():
        _check_place(entry, system.native(entry.name) is None, report)
    _check_policy(system, report)
    disks.check(system, report)
    networks.check(system, folder, report)
    _check_device_names(system, report)
    machine.check(system, folder, find_image is not None, report)
    machine.check_nets(system, report)
    _check_connections(system, report)
    _check_waits(system, report)
    _check_devices(system, report)
    _check_functions(system, report)
    machine.check_lines(system, report)
    for guest in system.guests:
        _check_guest(guest, system, folder, find_image is not None, report)
    packages: dict[str, dom.Package] = {}
    for native in system.natives:
        _check_native(native, system, find_image, packages, report)
    _check_programs(system, find_image, report)
    _check_key(system, folder, report)
    _check_counts(system, report)
    if not report.errors:  # else they would be found again, in other words
        needs.check(system, packages, report)


def _check_names(system: System, report: Report) -> None:
    seen: dict[str, Entry] = {}
    for entry in system.domains():
        first = seen.setdefault(entry.name, entry)
        if entry.name == "root":
            entry.wrong(report, "", "the name root",
                        "another: root is the first domain, and always there")
        elif first is not entry:
            entry.wrong(report, "", f'the name "{entry.name}" a second time',
                        f"another: {first.where} in line {first.line} has it")


def _check_device_names(system: System, report: Report) -> None:
    """`plug` names a guest's disks and VIFs alike."""
    disks_of = {(disk["guest"], disk.name): disk for disk in system.disks}
    for vif in system.vifs:
        other = disks_of.get((vif["guest"], vif.name))
        if other is not None:
            vif.wrong(report, "", f'the name "{vif.name}"',
                      f"another: {other.where} in line {other.line} is also a device of "
                      f"{vif['guest']}, and `plug` would not know which is meant")


def _check_place(entry: Entry, guest: bool, report: Report) -> None:
    """What runs in a place is said later, by the file that brings it."""
    if guest and not entry["place"] and entry["kernel"] is None:
        report.error(entry.line, entry.where, 'found no "kernel", expected one: it is required')
    brought = ("kernel", "initrd", "cmdline") if guest else ("image", "arguments", "plans")
    for key in (*brought, "autostart") if entry["place"] else ():
        if key in entry.lines:
            entry.wrong(report, key, "it in a place", "it in the file that `create` brings")
    _fill(entry, autostart=not entry["place"])


def _assign_domids(system: System, report: Report) -> None:
    taken: dict[int, Entry] = {}
    for entry in system.domains():
        domid = entry["domid"]
        if domid in taken:
            first = taken[domid]
            entry.wrong(report, "domid", str(domid),
                        f"another: {first.where} in line {first.line} has it")
        elif domid is not None:
            taken[domid] = entry
    following = 1
    for entry in system.domains():
        if entry["domid"] is None:
            while following in taken:
                following += 1
            entry.given["domid"] = following
            taken[following] = entry


def _check_policy(system: System, report: Report) -> None:
    policy = system.settings["policy"]
    if policy is not None and system.native(policy) is None:
        close = suggestion(policy, [entry.name for entry in system.natives])
        system.settings.wrong(report, "policy", f'"{policy}"',
                              "a [domain.NAME] of this file" + close)
    _check_plans(system, report)
    for entry in system.domains():
        _check_placed(entry, system, report)


def _check_plans(system: System, report: Report) -> None:
    """Each CPU has one policy, and that of [system] has one at least."""
    policy, cpus = system.settings["policy"], system.settings["cpus"]
    taken = 0
    for native in system.natives:
        found = ", ".join(str(n) for n in range(64) if native["plans"] >> n & 1)
        if not found:
            continue
        if policy is None or native.name == policy:
            native.wrong(report, "plans", f"CPUs {found}",
                         "it beside another policy, which [system] names for all other CPUs")
        elif native["plans"] >> cpus:
            native.wrong(report, "plans", f"CPUs {found}", f"CPUs from 0 to {cpus - 1}")
        elif native["plans"] & taken:
            native.wrong(report, "plans", f"CPUs {found}", "CPUs that no other domain plans")
        taken |= native["plans"]
    if taken and policy is not None and not ((1 << cpus) - 1) & ~taken:
        system.settings.wrong(report, "policy", f'"{policy}" without a CPU',
                              "one CPU at least that no other domain plans")


def _check_placed(entry: Entry, system: System, report: Report) -> None:
    plans = sched.plans(system)
    policy = sched.policy_of(entry, system)
    if entry["policy"] is not None and policy not in plans:
        entry.wrong(report, "policy", f'"{policy}"',
                    "the policy of [system], or a domain that has `plans`"
                    + suggestion(policy, list(plans)))
    elif entry["cpus"] and policy in plans and not entry["cpus"] & plans[policy]:
        entry.wrong(report, "cpus", "no CPU of its policy", f'a CPU that "{policy}" plans')


def _find_peer(
    entry: Entry, key: str, protocol: Optional[str], system: System, report: Report
) -> Optional[Entry]:
    """The native domain that entry[key] names; it must serve `protocol` if one is given."""
    name = entry[key]
    if name == "root" and protocol in schema.ROOT_SERVES:
        return None  # always there
    peer = system.native(name)
    if peer is None:
        close = suggestion(name, [native.name for native in system.natives])
        kind = "a guest" if any(name == guest.name for guest in system.guests) else "no domain"
        entry.wrong(report, key, f'"{name}", {kind} of this file', "a [domain.NAME]" + close)
    elif protocol is not None and protocol not in peer["serves"]:
        serving = [native.name for native in system.natives if protocol in native["serves"]]
        entry.wrong(report, key, f'"{name}", which does not serve "{protocol}"',
                    f"a domain that does: {words(serving)}")
    return peer


def _check_connections(system: System, report: Report) -> None:
    for entry in system.connections:
        server = _find_peer(entry, "server", entry["protocol"], system, report)
        client = _find_peer(entry, "client", None, system, report)
        if server is not None and server is client:
            entry.wrong(report, "client", f'"{client.name}", the server itself', "another domain")
        if client is not None and entry["protocol"] == "xenbus" and not (
            {"block", "vif"} & set(client["serves"])
        ):
            entry.wrong(report, "client", f'"{client.name}", which serves no guest by the store',
                        'a domain that serves "block" or "vif"')
        _check_rights(entry, report)
    _check_connection_names(system, report)


def _check_rights(entry: Entry, report: Report) -> None:
    known = schema.RIGHTS.get(entry["protocol"])
    if entry["protocol"] == "control":
        _fill(entry, rights=schema.CONTROL_RIGHTS)
    if known is None:
        if entry["rights"] is not None:
            entry.wrong(report, "rights", f'it with the protocol "{entry["protocol"]}"',
                        f"it with {words(schema.RIGHTS)} only")
        return
    if not entry["rights"]:
        entry.wrong(report, "rights" if entry["rights"] is not None else "", "no rights",
                    f"some of {words(known)}")
    for right in entry["rights"] or []:
        if right not in known:
            entry.wrong(report, "rights", f'"{right}" with the protocol "{entry["protocol"]}"',
                        f"some of {words(known)}")


def _check_connection_names(system: System, report: Report) -> None:
    """A domain knows each of its connections by a name, and can have one only of some kinds.
    Those of a guest have its name, and tell themselves apart by their kind."""
    names: dict[tuple[str, str], Entry] = {}
    single: dict[tuple[str, str, str], Entry] = {}
    for protocol, server, client, entry in system.joined():
        for end in (server, client):
            first = names.setdefault((end, entry.name), entry)
            if first is not entry:
                entry.wrong(report, "", f'the name "{entry.name}"',
                            f'another: "{end}" knows {first.where} by it')
        if protocol not in ("control", "xenbus", "disk", "net", *WATCHED):
            continue
        # A watcher of several servers has one connection with each.
        with_whom = server if protocol in WATCHED else ""
        first = single.setdefault((client, protocol, with_whom), entry)
        if first is not entry:
            entry.wrong(report, "", f'a second {protocol} connection of "{client}"'
                        + (f' with "{server}"' if with_whom else ""),
                        f"one: {first.where} in line {first.line} is it")


def _waits(system: System) -> dict[str, list[tuple[str, Entry]]]:
    """client -> [(server, the entry that says so)]"""
    waits: dict[str, list[tuple[str, Entry]]] = {}
    for entry in system.connections:
        if entry["client"] != entry["server"]:
            waits.setdefault(entry["client"], []).append((entry["server"], entry))
    return waits


def _check_waits(system: System, report: Report) -> None:
    """A client waits for its server at start: no circle of them ever gets up."""
    waits = _waits(system)
    done: set[str] = set()
    path: list[str] = []

    def visit(name: str) -> None:
        path.append(name)
        for server, entry in waits.get(name, []):
            if server in path:
                circle = [*path[path.index(server) :], server]
                entry.wrong(report, "", "a circle of waits: " + " waits for ".join(circle),
                            "that servers can start before their clients")
            elif server not in done:
                visit(server)
        done.add(path.pop())

    for name in list(waits):
        if name not in done:
            visit(name)


def _overlap(one: Range, other: Range) -> bool:
    return one[0] <= other[1] and other[0] <= one[1]


def _range_text(extent: Range) -> str:
    return hex(extent[0]) if extent[0] == extent[1] else f"{extent[0]:#x}-{extent[1]:#x}"


def _kept_ports(settings: Entry) -> list[tuple[Range, str]]:
    """I/O ports that no domain can get, and who has them."""
    kept = [(extent, "the core, for interrupts and time") for extent in CORE_PORTS]
    log = settings["log"]
    if log in LOG_PORTS:
        kept.append((LOG_PORTS[log], f'the core\'s log (log = "{log}")'))
    if settings["exit_port"]:
        kept.append(((settings["exit_port"], settings["exit_port"]), "root (exit_port)"))
    return kept


def _check_devices(system: System, report: Report) -> None:
    """Every port, interrupt and page of device memory belongs to one domain."""
    used = {"ports": _kept_ports(system.settings), "irqs": [], "mmio": []}
    for native in system.natives:
        for key, holders in used.items():
            for item in native[key]:
                extent = (item, item) if isinstance(item, int) else item
                holder = next((who for other, who in holders if _overlap(extent, other)), None)
                if holder is not None:
                    value = str(item) if key == "irqs" else _range_text(extent)
                    native.wrong(report, key, value,
                                 f"something that is free: it belongs to {holder}")
                else:
                    holders.append((extent, f"{native.where} in line {native.line_of(key)}"))


def _check_functions(system: System, report: Report) -> None:
    """PCI functions: somebody must find them, and each has one driver."""
    buses = system.serving("pci")
    for bus in buses[1:]:
        bus.wrong(report, "serves", '"pci"', f"one domain that does: {buses[0].where} in line "
                  f"{buses[0].line} is it")
    chosen: list[tuple[Device, Entry]] = []
    for native in system.natives:
        device = native["device"]
        if device is None:
            continue
        if not buses:
            native.wrong(report, "device", device.looks_for, 'a domain that serves "pci" beside '
                         "it: nobody else finds devices")
        elif native in buses:
            native.wrong(report, "device", device.looks_for,
                         'none: a domain that serves "pci" finds devices for others')
        other = next((entry for found, entry in chosen if device.same_choice(found)), None)
        if other is not None:
            native.wrong(report, "device", device.looks_for,
                         f"another: {other.where} in line {other.line_of('device')} has it")
        chosen.append((device, native))


def _check_file(entry: Entry, key: str, system: System, folder: Path, report: Report) -> None:
    value = entry[key]
    kind, colon, name = value.partition(":")
    if colon and kind == "package":
        if not re.fullmatch(r"[a-z0-9][a-z0-9+.-]+", name):
            entry.wrong(report, key, shown(value), "package:NAME with the name of a Debian package")
    elif colon and kind == "built":
        if name not in BUILT_FILES:
            close = suggestion(name, BUILT_FILES)
            entry.wrong(report, key, shown(value),
                        f"built:NAME with NAME {words(BUILT_FILES)}{close}")
    elif colon and kind == "disk":
        known = system.machine["disks"]
        if machine.inside(value)[0] not in known:
            entry.wrong(report, key, shown(value), "disk:DISK/PATH with DISK of those that "
                        f"[machine] has files for: {words(map(str, known))}")
    elif not (folder / value).is_file():
        entry.wrong(report, key, shown(value) + ", which is no file",
                    "the path of one, package:NAME, built:NAME or disk:DISK/PATH")


def _check_guest(guest: Entry, system: System, folder: Path, files: bool, report: Report) -> None:
    for key in schema.OF_GUESTS:
        if guest[key] is not None:
            _find_peer(guest, key, key, system, report)
    _fill(guest, max_memory=guest["memory"], cap_slots=64, event_ports=1024, grant_frames=64,
          map_handles=256)
    if guest["max_memory"] < guest["memory"]:
        guest.wrong(report, "max_memory", size_text(guest["max_memory"] * PAGE),
                    f"at least memory, {size_text(guest['memory'] * PAGE)}")
    for key in ("kernel", "initrd"):
        if files and guest[key] is not None:
            _check_file(guest, key, system, folder, report)
    _check_event_ports(guest, report)


def _ends(native: Entry, system: System) -> int:
    """How many connections end at this native."""
    return sum(native.name in (server, client) for _, server, client, _ in system.joined())


def _capabilities(native: Entry, system: System) -> int:
    """What root hands this native at its start, at most."""
    devices = sum(len(native[key]) for key in ("ports", "irqs", "mmio"))
    if native["device"]:
        devices += FUNCTION_CAPS
    if "pci" in native["serves"]:
        devices += 1  # all device memory
    ends = _ends(native, system) + len(_served_drivers(native, system))
    cpus = sched.plans(system).get(native.name, 0).bit_count()
    return ends + devices + 1 + native["trace"] + cpus


def _served_drivers(native: Entry, system: System) -> list[str]:
    return [client for protocol, server, client, _ in system.joined()
            if protocol in ("disk", "net") and server == native.name]


def _check_native(
    native: Entry, system: System, find_image: FindImage, packages: dict[str, dom.Package],
    report: Report,
) -> None:
    if {"block", "vif"} <= set(native["serves"]):
        native.wrong(report, "serves", '"block" and "vif"', "one of them: each has a configuration")
    _fill(native, image=native.name)
    if find_image is not None and not native["place"]:
        package = _check_image(native, find_image, report)
        if package is not None:
            packages[native.name] = package
    _fill(native, memory=DEFAULT_PAGES)
    ends = _ends(native, system) + native["trace"]  # root makes that one, too
    wanted = _capabilities(native, system)
    if ends > NATIVE_MAX_CONNECTIONS:
        native.wrong(report, "", f"{ends} connections to it", f"at most {NATIVE_MAX_CONNECTIONS}")
    if wanted > NATIVE_MAX_CAPS:
        native.wrong(report, "", f"{wanted} devices and peers", f"at most {NATIVE_MAX_CAPS}")
    if native.name in sched.plans(system):
        wanted += len(system.domains())
    guests = sum(found[0] in ("block", "vif") and found[1] == native.name
                 for found in system.joined())
    ports = 32 + 2 * wanted + PORTS_OF_SERVED_GUEST * guests
    watched = sum(found[0] in WATCHED and native.name in found[1:3] for found in system.joined())
    handles = 64 + 16 * ends + native["lifeboat"] + HANDLES_OF_SERVED_GUEST * guests
    controls = sum(found[0] == "control" and found[2] == native.name
                   for found in system.joined())
    handles += HANDLES_OF_CONTROL * controls + (HANDLES_OF_TRACE if native["trace"] else 0)
    handles += HANDLES_OF_WATCHED * watched + (HANDLES_OF_RULES if "vif" in native["serves"] else 0)
    _fill(native, cap_slots=-(-(64 + 2 * wanted) // 16) * 16, grant_frames=1,
          event_ports=min(4096, -(-ports // 64) * 64), map_handles=handles)
    _check_event_ports(native, report)


def _check_event_ports(entry: Entry, report: Report) -> None:
    if entry["event_ports"] % 64:
        entry.wrong(report, "event_ports", str(entry["event_ports"]), "a multiple of 64")


def _find_package(
    entry: Entry, key: str, image: str, find_image: Callable[[str], Optional[Path]],
    report: Report,
) -> Optional[dom.Package]:
    path = find_image(image)
    if image in ("root", "system") or path is None:
        entry.wrong(report, key, f'"{image}"',
                    "the name of a program that is built under servers/ or drivers/")
        return None
    try:
        package = dom.read(path)
    except dom.PackageError as error:
        entry.wrong(report, key, f'"{path.name}": {error}', "the package of a program")
        return None
    if len(package.image) < IMAGE_HEADER.size or package.image[:8] != b"TSRANAT1":
        entry.wrong(report, key, f'"{path.name}", which has no native image header',
                    "a program linked with libs/")
        return None
    return package


def _check_image(
    native: Entry, find_image: Callable[[str], Optional[Path]], report: Report
) -> Optional[dom.Package]:
    image = native["image"]
    package = _find_package(native, "image", image, find_image, report)
    if package is None:
        return None
    _, virt_base, _, _, _, _, memory_end, _ = IMAGE_HEADER.unpack_from(package.image)
    needed = (memory_end - virt_base + PAGE - 1) // PAGE + NATIVE_OVERHEAD_PAGES
    _fill(native, memory=max(needed, DEFAULT_PAGES))
    if native["memory"] < needed:
        native.wrong(report, "memory", size_text(native["memory"] * PAGE),
                     f'at least {size_text(needed * PAGE)} for the program "{image}"')
    return package


def _check_key(system: System, folder: Path, report: Report) -> None:
    value = system.settings["signed"]
    if value is None:
        return
    try:
        system.key = sign.public_key(folder / value)
    except sign.KeyFailure as error:
        system.settings.wrong(report, "signed", f"{shown(value)}: {error}",
                              "the file of an Ed25519 public key")


def _check_programs(system: System, find_image: FindImage, report: Report) -> None:
    """Programs that are there for later; root checks their needs when one is to run."""
    for name in system.settings["programs"]:
        if find_image is not None:
            _find_package(system.settings, "programs", name, find_image, report)


def _fill(entry: Entry, **defaults: object) -> None:
    for key, value in defaults.items():
        if entry[key] is None:
            entry.given[key] = value


def _check_counts(system: System, report: Report) -> None:
    modules = (
        2 + len({native["image"] for native in system.natives if not native["place"]}
                | set(system.settings["programs"]))
        + len({guest["kernel"] for guest in system.guests} - {None})
        + len({guest["initrd"] for guest in system.guests} - {None})
    )
    devices = sum(_capabilities(native, system) for native in system.natives)
    counts = [
        ("domains", 1 + len(system.domains()), schema.MAX_DOMAINS),
        ("places", sum(entry["place"] for entry in system.domains()), schema.MAX_PLACES),
        ("devices", devices, schema.MAX_RESOURCES),
        ("PCI devices", sum(bool(native["device"]) for native in system.natives),
         schema.MAX_DEVICES),
        ("connections", len(system.joined()), schema.MAX_CONNECTIONS),
        ("connections of protocol control",
         sum(found[0] == "control" for found in system.joined()), MAX_CONTROLS),
        ("different programs, kernels and initrds", modules, BOOT_MAX_MODULES),
    ]
    for what, count, limit in counts:
        if count > limit:
            report.error(1, "", f"found {count} {what}, expected at most {limit}")
