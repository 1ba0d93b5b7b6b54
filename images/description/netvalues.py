# SPDX-License-Identifier: BSD-2-Clause
"""Values that name something of a network: addresses, VLANs, rates, the cards that
are a network's way out, the rule files of a VIF. Parsers as in values.py."""

import hashlib
import ipaddress
import re
from dataclasses import dataclass
from typing import Any, Optional

from . import values
from .hardware import bytes_of
from .report import shown, suggestion, words
from .values import Parser, Wrong

MAX_VLAN = 4094
MAX_VLANS, MAX_PREFIXES = 64, 16  # SWITCH_MAX_VLANS, SWITCH_MAX_PREFIXES

Prefix = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True)
class Addresses:
    """The source addresses that a VIF may use."""

    prefixes: tuple[Prefix, ...]
    dhcp: bool
    any: bool


@dataclass(frozen=True)
class Uplink:
    """A card by its driver; vlans None: all, where `vlan` does not make it an access port."""

    driver: str
    vlan: int
    vlans: Optional[tuple[int, ...]]


@dataclass(frozen=True)
class RuleFiles:
    """Paths relative to the description; None: nothing passes."""

    out: Optional[str]
    into: Optional[str]


def mac(value: Any) -> bytes:
    text = value if isinstance(value, str) else ""
    if not re.fullmatch(r"[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}", text):
        raise Wrong('six bytes such as "52:54:00:12:34:56"')
    address = bytes.fromhex(text.replace(":", ""))
    if address[0] & 1:
        raise Wrong("the address of one station: the first byte is even in those, odd in groups'")
    if not any(address):
        raise Wrong("an address that is not all zero")
    return address


def mac_text(address: bytes) -> str:
    return address.hex(":")


def own_mac(system: str, guest: str, index: int) -> bytes:
    """Always the same one for the same VIF, from the range that is nobody's."""
    digest = hashlib.sha256(f"{system}/{guest}/{index}".encode()).digest()
    return bytes([digest[0] & 0xFC | 2]) + digest[1:6]


def trunk(value: Any) -> tuple[int, ...]:
    """VLANs that are used with tags: numbers, and ranges as strings."""
    if not isinstance(value, list) or not value:
        raise Wrong('a list of VLANs such as [10, "20-29"]')
    found: list[int] = []
    for item in value:
        try:
            first, last = values.number_range(MAX_VLAN, '"20-29"')(item)
        except Wrong as wrong:
            raise Wrong(f"VLANs from 1 to {MAX_VLAN}, and {shown(item)} to be one, or a range "
                        'such as "20-29"') from wrong
        if not first:
            raise Wrong(f"VLANs from 1 to {MAX_VLAN}; 0 means none")
        for number in range(first, last + 1):
            if number in found:
                raise Wrong(f"each VLAN once, not {number} twice")
            found.append(number)
    if len(found) > MAX_VLANS:
        raise Wrong(f"at most {MAX_VLANS} VLANs, not {len(found)}")
    return tuple(found)


vlan: Parser = values.integer(1, MAX_VLAN)


def _prefix(text: str) -> Prefix:
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        pass
    try:
        loose = ipaddress.ip_interface(text)
    except ValueError as error:
        raise Wrong('"dhcp", "any", or addresses such as "10.0.0.5" or "fd00:1::/64", not '
                    + shown(text)) from error
    raise Wrong(f'"{loose.network}" for the whole prefix or "{loose.ip}" for one address, '
                f"not {shown(text)}")


def addresses(value: Any) -> Addresses:
    """["10.0.0.5/32", "dhcp"], or ["any"]"""
    if not isinstance(value, list):
        raise Wrong('a list such as ["10.0.0.5", "dhcp"]')
    prefixes: list[Prefix] = []
    said: set[str] = set()
    for item in value:
        if item in ("dhcp", "any"):
            if item in said:
                raise Wrong(f'"{item}" once')
            said.add(item)
            continue
        if not isinstance(item, str):
            raise Wrong(f'strings such as "10.0.0.5", not {shown(item)}')
        prefix = _prefix(item)
        if prefix in prefixes:
            raise Wrong(f"each address once, not {prefix} twice")
        prefixes.append(prefix)
    if "any" in said and len(value) > 1:
        raise Wrong('nothing beside "any", which takes all addresses')
    if len(prefixes) > MAX_PREFIXES:
        raise Wrong(f"at most {MAX_PREFIXES} addresses, not {len(prefixes)}")
    return Addresses(tuple(prefixes), "dhcp" in said, "any" in said)


_BITS = {"kbit": 10**3, "Mbit": 10**6, "Gbit": 10**9}


def rate(value: Any) -> int:
    """Bytes per second, said in bytes or in bits."""
    low, high = 8 << 10, 1 << 40
    expected = 'an amount per second with its unit, such as "100Mbit" or "12M" (bytes)'
    if not isinstance(value, str):
        raise Wrong(expected)
    match = re.fullmatch(r"(\d+)\s*(kbit|Mbit|Gbit)", value)
    number = int(match[1]) * _BITS[match[2]] // 8 if match else bytes_of(value)
    if number is None:
        raise Wrong(expected)
    if not low <= number <= high:
        raise Wrong(f"from {values.size_text(low)} to {values.size_text(high)} bytes per second, "
                    f"not {number}")
    return number


_UPLINK_KEYS: dict[str, Parser] = {"driver": values.name, "vlan": vlan, "trunk": trunk}


def _uplink(value: Any) -> Uplink:
    if isinstance(value, str):
        return Uplink(values.name(value), 0, None)
    if not isinstance(value, dict):
        raise Wrong('the driver of a card, such as "nic0", or { driver = "nic0", vlan = 5 }')
    given: dict[str, Any] = {}
    for key, item in value.items():
        if key not in _UPLINK_KEYS:
            raise Wrong(f"only {words(_UPLINK_KEYS)} in it, not {key}"
                        f"{suggestion(key, _UPLINK_KEYS)}")
        try:
            given[key] = _UPLINK_KEYS[key](item)
        except Wrong as wrong:
            raise Wrong(f"{key} to be {wrong}, not {shown(item)}") from wrong
    if "driver" not in given:
        raise Wrong('driver in it, such as { driver = "nic0", vlan = 5 }')
    if given.get("vlan") in given.get("trunk", ()):
        raise Wrong(f'a VLAN with tags or without, not {given["vlan"]} both in vlan and in trunk')
    return Uplink(given["driver"], given.get("vlan", 0), given.get("trunk"))


def uplinks(value: Any) -> list[Uplink]:
    """"nic0", { driver = "nic0", trunk = [10, 20] }, or a list of such"""
    found = [_uplink(item) for item in (value if isinstance(value, list) else [value])]
    names = [uplink.driver for uplink in found]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise Wrong(f"each card once, not {twice} twice")
    return found


def rules(value: Any) -> RuleFiles:
    """"office.rules" for both directions, or { out = "a.rules", in = "b.rules" }"""
    if isinstance(value, str):
        path = values.file(value)
        return RuleFiles(path, path)
    if not isinstance(value, dict) or not value:
        raise Wrong('a rule file, or { out = "a.rules", in = "b.rules" }')
    for key, item in value.items():
        if key not in ("out", "in"):
            raise Wrong(f'only out or in in it, not {key}{suggestion(key, ("out", "in"))}')
        try:
            values.file(item)
        except Wrong as wrong:
            raise Wrong(f"{key} to be {wrong}, not {shown(item)}") from wrong
    return RuleFiles(value.get("out"), value.get("in"))
