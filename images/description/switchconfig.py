# SPDX-License-Identifier: BSD-2-Clause
"""What a switch finds of the description: proto/switch.h, byte by byte."""

import struct
from typing import Optional

from .netvalues import Addresses, Uplink
from .schema import Entry, System

HEADER = struct.Struct("<Q12I")
NETWORK = struct.Struct("<4I")
PORT = struct.Struct("<8I6sH6I5Q")
PREFIX = struct.Struct("<16sBB6x")
RULESET = struct.Struct("<4I")

MAGIC = 0x3146434853525354
VERSION = 2
PORT_VIF, PORT_UPLINK = 1, 2
ANY_MAC, ANY_ADDRESS, DHCP, TRUNK = 1, 2, 4, 8
NO_RULES = 0xFFFFFFFF


class _Parts:
    """Lists and rule sets behind the arrays, each at a multiple of 8 from the header's start."""

    def __init__(self, start: int):
        self.start = start
        self.data = b""

    def add(self, part: bytes) -> int:
        at = self.start + len(self.data)
        self.data += part + bytes(-len(part) % 8)
        return at

    def vlans(self, numbers: Optional[tuple[int, ...]]) -> tuple[int, int]:
        if not numbers:
            return 0, 0
        return self.add(struct.pack(f"<{len(numbers)}H", *numbers)), len(numbers)

    def prefixes(self, addresses: Addresses) -> tuple[int, int]:
        if not addresses.prefixes:
            return 0, 0
        return self.add(b"".join(
            PREFIX.pack(prefix.network_address.packed.ljust(16, b"\0"), prefix.version,
                        prefix.prefixlen)
            for prefix in addresses.prefixes
        )), len(addresses.prefixes)


class _Strings:
    """The pool: equal strings once. Their places are from the header's start, 0 is the empty
    string."""

    def __init__(self, start: int, texts: list[str]):
        self.start = start
        self.data = b"\0"
        self.places = {"": 0}
        for text in texts:
            if text not in self.places:
                self.places[text] = start + len(self.data)
                self.data += text.encode() + b"\0"

    def __getitem__(self, text: str) -> int:
        return self.places[text]


def _files(vif: Entry) -> tuple[Optional[str], Optional[str]]:
    return (vif["rules"].out, vif["rules"].into) if vif["rules"] is not None else (None, None)


def _vif(vif: Entry, network: int, sets: list[str], parts: _Parts, strings: _Strings) -> bytes:
    addresses = vif["addresses"]
    flags = (0 if vif["mac_check"] else ANY_MAC) | (ANY_ADDRESS if addresses.any else 0)
    flags |= (DHCP if addresses.dhcp else 0) | (TRUNK if vif["trunk"] else 0)
    return PORT.pack(
        strings[vif.name], PORT_VIF, strings[vif["guest"]], network, vif["index"], vif["queues"],
        flags, vif.line, vif["mac"], vif["vlan"], *parts.vlans(vif["trunk"]),
        *parts.prefixes(addresses),
        *(NO_RULES if path is None else sets.index(path) for path in _files(vif)),
        vif["rate_out"], vif["packets_out"], vif["rate_in"], vif["packets_in"],
        vif["small_out"],
    )


def _uplink(uplink: Uplink, network: int, line: int, parts: _Parts, strings: _Strings) -> bytes:
    """A card of which no VLANs are said carries all, with tags."""
    access = uplink.vlan and uplink.vlans is None
    name = strings[uplink.driver]
    return PORT.pack(name, PORT_UPLINK, name, network, 0, 1, 0 if access else TRUNK, line,
                     bytes(6), uplink.vlan, *parts.vlans(uplink.vlans), 0, 0,
                     NO_RULES, NO_RULES, 0, 0, 0, 0, 0)


def served(system: System, server: Entry) -> list[Entry]:
    """The VIFs of this switch, as its configuration numbers them: they are its first ports."""
    names = [entry.name for entry in system.networks if entry["server"] == server.name]
    return [vif for vif in system.vifs if vif["network"] in names]


def config(system: System, server: Entry) -> bytes:
    networks = [entry for entry in system.networks if entry["server"] == server.name]
    names = [network.name for network in networks]
    vifs = served(system, server)
    uplinks = [(uplink, number, network.line_of("uplink"))
               for number, network in enumerate(networks) for uplink in network["uplink"]]
    lines: dict[str, int] = {}  # of rule files, where they are first named
    for vif in vifs:
        for path in _files(vif):
            if path is not None:
                lines.setdefault(path, vif.line_of("rules"))
    sets = list(lines)
    places, end = [], HEADER.size
    for form, count in ((NETWORK, len(networks)), (PORT, len(vifs) + len(uplinks)),
                        (RULESET, len(sets))):
        places += [end, count]
        end += form.size * count
    strings = _Strings(end, [*names, *(name for vif in vifs for name in (vif.name, vif["guest"])),
                             *(uplink.driver for uplink, _, _ in uplinks), *sets])
    pool = strings.data + bytes(-(end + len(strings.data)) % 8)
    parts = _Parts(end + len(pool))
    arrays = [NETWORK.pack(strings[network.name], network["mtu"], network.line, 0)
              for network in networks]
    arrays += [_vif(vif, names.index(vif["network"]), sets, parts, strings) for vif in vifs]
    arrays += [_uplink(*found, parts, strings) for found in uplinks]
    arrays += [RULESET.pack(strings[path], lines[path], parts.add(system.rules[path]),
                            len(system.rules[path])) for path in sets]
    states = sum(network["states"] for network in networks)
    header = HEADER.pack(MAGIC, VERSION, parts.start + len(parts.data), *places, end,
                         len(strings.data), states, 0)
    return header + b"".join(arrays) + pool + parts.data
