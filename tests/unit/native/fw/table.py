# SPDX-License-Identifier: BSD-2-Clause
"""The records of a table of cases, as cases.c reads them."""

import ipaddress
import struct

from description.rules import compile_rules
from frames import ME, mac

ACTIONS = {"accept": 1, "drop": 2, "reject": 3, "malformed": 4}
STATES = {"new": 1, "established": 2, "related": 4, "invalid": 8, "untracked": 16}
# servers/switch/fw.h and libs/packet/packet.h
REASONS = {
    "passed": 0, "short": 1, "long": 2, "tags": 3, "sender": 4, "bad arp": 5, "bad ipv4": 6,
    "bad ipv6": 7, "extensions": 8, "fragment": 9, "tiny": 10, "transport": 11, "address": 12,
    "no rules": 16, "no match": 17, "rule": 18, "rejected": 19, "mac": 20, "ip": 21, "arp": 22,
    "nd": 23, "router": 24, "early": 25, "overlap": 26, "full": 27,
}
ANY_MAC, ANY_ADDRESS, DHCP = 1, 2, 4
SECOND = 10**9
OUT, INTO = 0, 1

OPEN = "accept\n"
PREFIXES = ("10.0.0.0/24", "2001:db8::/64")


def frame(direction: int, data: bytes, action: str = "accept", reason: str | None = None,
          state: str | None = None, rule: int | None = None, log: bool | None = None,
          mirror: int | None = None, at: float = 100, have: int | None = None,
          total: int | None = None, origin: int = 1, port: int = 0, vlan: int = 0xFFFF) -> bytes:
    """One frame and what must become of it; reason, state, rule, log, mirror: as far as given.
    at: seconds. have: bytes of it that are copied. origin: the port it came from."""
    data_have = data if have is None else data[:have]
    if reason is None and action == "accept":
        reason = "passed"
    return b"F" + struct.pack(
        "<IIIIQIIBBBBIQ", port, direction, origin, vlan, int(at * SECOND), len(data_have),
        len(data) if total is None else total, ACTIONS[action],
        255 if reason is None else REASONS[reason], 255 if state is None else STATES[state],
        255 if log is None else log, 0xFFFFFFFE if rule is None else rule,
        0xFFFFFFFFFFFFFFFF if mirror is None else mirror,
    ) + data_have


def out(data: bytes, action: str = "accept", *arguments, **rest) -> bytes:
    return frame(OUT, data, action, *arguments, **rest)


def into(data: bytes, action: str = "accept", *arguments, **rest) -> bytes:
    return frame(INTO, data, action, *arguments, **rest)


def answer(data: bytes) -> bytes:
    """What the rejection of the frame before is answered with; nothing: b""."""
    return b"A" + struct.pack("<I", len(data)) + data


def successor(at: float) -> bytes:
    return b"X" + struct.pack("<Q", int(at * SECOND))


def port_reset(port: int = 0) -> bytes:
    return b"Z" + struct.pack("<I", port)


def connections(count: int) -> bytes:
    return b"N" + struct.pack("<I", count)


def set_rules(text: str, direction: int, port: int = 0) -> bytes:
    data = compile_rules(text, "case.rules")
    return b"R" + struct.pack("<III", port, direction, len(data)) + data


def open_port(flags: int = 0, prefixes: tuple = PREFIXES, address: str = ME,
              port: int = 0) -> bytes:
    data = b"P" + struct.pack("<II", port, flags) + mac(address) + struct.pack("<I", len(prefixes))
    for prefix in map(ipaddress.ip_network, prefixes):
        data += struct.pack("<16sBB6x", prefix.network_address.packed, prefix.version,
                            prefix.prefixlen)
    return data


class Table:
    def __init__(self) -> None:
        self.data = b""
        self.names: list[str] = []

    def case(self, name: str, *steps: bytes, rules_out: str | None = OPEN,
             rules_in: str | None = OPEN, flags: int = 0, prefixes: tuple = PREFIXES) -> None:
        assert name not in self.names, name
        self.names.append(name)
        shown = name.encode()
        self.data += b"C" + struct.pack("<I", len(shown)) + shown + open_port(flags, prefixes)
        if rules_out is not None:
            self.data += set_rules(rules_out, OUT)
        if rules_in is not None:
            self.data += set_rules(rules_in, INTO)
        self.data += b"".join(steps)

    def each(self, name: str, rules: str, frames: dict[str, tuple], **rest) -> None:
        """One case for each frame the VIF sends under these rules."""
        for what, (data, action, *more) in frames.items():
            self.case(f"{name}: {what}", out(data, action, *more), rules_out=rules, **rest)

    def end(self) -> bytes:
        return self.data + b"E"
