# SPDX-License-Identifier: BSD-2-Clause
"""Single values of rule files: addresses, ports, protocols and rates, by name or number.

Each function here takes one word and returns what it stands for, or raises Wrong with
what was expected instead. Names of services are few on purpose: a rule that says a
number is never wrong about it.
"""

import ipaddress
import re
from typing import Callable

from .report import suggestion

ETHERTYPES = {"ip": 0x0800, "arp": 0x0806, "ip6": 0x86DD, "lldp": 0x88CC, "rarp": 0x8035}
PROTOCOLS = {
    "icmp": 1, "igmp": 2, "tcp": 6, "udp": 17, "gre": 47, "esp": 50, "ah": 51, "icmp6": 58,
    "ospf": 89, "vrrp": 112, "sctp": 132, "udplite": 136,
}
WITH_PORTS = {6, 17, 132, 136}
SERVICES = {
    "ftp": 21, "ssh": 22, "telnet": 23, "smtp": 25, "domain": 53, "bootps": 67, "bootpc": 68,
    "tftp": 69, "http": 80, "pop3": 110, "ntp": 123, "imap": 143, "snmp": 161, "ldap": 389,
    "https": 443, "syslog": 514, "dhcp6-client": 546, "dhcp6-server": 547, "submission": 587,
    "ldaps": 636, "imaps": 993, "nfs": 2049, "mysql": 3306, "postgresql": 5432, "iperf3": 5201,
    "mdns": 5353,
}
ICMP_TYPES = {
    "echo-reply": 0, "destination-unreachable": 3, "source-quench": 4, "redirect": 5,
    "echo-request": 8, "router-advertisement": 9, "router-solicitation": 10,
    "time-exceeded": 11, "parameter-problem": 12, "timestamp-request": 13, "timestamp-reply": 14,
}
ICMP6_TYPES = {
    "destination-unreachable": 1, "packet-too-big": 2, "time-exceeded": 3,
    "parameter-problem": 4, "echo-request": 128, "echo-reply": 129, "listener-query": 130,
    "listener-report": 131, "listener-done": 132, "router-solicitation": 133,
    "router-advertisement": 134, "neighbour-solicitation": 135, "neighbour-advertisement": 136,
    "redirect": 137, "listener-report2": 143,
}
STATES = {"new": 1, "established": 2, "related": 4, "invalid": 8, "untracked": 16}
TCP_FLAGS = {"fin": 1, "syn": 2, "rst": 4, "psh": 8, "ack": 16, "urg": 32}
TIMES = {"second": 3600, "minute": 60, "hour": 1}
SIZES = {"bytes": 1, "kbytes": 1 << 10, "mbytes": 1 << 20}
MAX_RATE, MAX_BURST = 3600 * 10**12, 4 * 10**6
MAX_FILL = 10**9  # seconds until a bucket is full

Range = tuple[int, int]
Prefix = tuple[int, bytes, int]  # family, 16 bytes, bits
Mac = tuple[bytes, int]


class Wrong(Exception):
    """What was expected where the word stands."""


def _number(word: str) -> int | None:
    if not re.fullmatch(r"0x[0-9a-fA-F]{1,8}|\d{1,10}", word):
        return None
    return int(word, 0 if word.startswith("0x") else 10)


def numbers(names: dict[str, int], high: int, what: str, low: int = 0) -> Callable[[str], Range]:
    """A number, a name, or FIRST-LAST of these."""

    def one(word: str) -> int | None:
        found = names.get(word)
        return _number(word) if found is None else found

    def parse(word: str) -> Range:
        first = last = one(word)
        # names may have a dash, so any of them may be the one between
        for place in [m.start() for m in re.finditer("-", word)] if first is None else []:
            first, last = one(word[:place]), one(word[place + 1 :])
            if first is not None and last is not None:
                break
        if first is None or last is None or not low <= first <= last <= high:
            raise Wrong(f"{what}, from {low} to {high}{suggestion(word, names)}")
        return first, last

    return parse


ethertype = numbers(ETHERTYPES, 0xFFFF, "an EtherType such as 0x88cc or arp")
protocol = numbers(PROTOCOLS, 255, "a protocol such as tcp or 47")
port = numbers(SERVICES, 0xFFFF, "a port such as 22, ssh or 1024-65535")
vlan = numbers({"none": 0}, 4094, 'a VLAN number, or "none"')


def icmp_type(names: dict[str, int]) -> Callable[[str], Range]:
    """TYPE or TYPE/CODE: numbers of type << 8 | code."""
    parse_type = numbers(names, 255, "an ICMP type such as echo-request or 3")

    def parse(word: str) -> Range:
        kind, slash, code = word.partition("/")
        first, last = parse_type(kind)
        if not slash:
            return first << 8, last << 8 | 255
        number = _number(code)
        if number is None or number > 255 or first != last:
            raise Wrong("TYPE/CODE with one type and a code from 0 to 255")
        return first << 8 | number, first << 8 | number

    return parse


def _prefix(network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> Prefix:
    return network.version, network.network_address.packed.ljust(16, b"\0"), network.prefixlen


def addresses(word: str) -> list[Prefix]:
    """An address, a prefix, or FIRST-LAST, which becomes several prefixes."""
    expected = "an address such as 10.0.0.1, 10.0.0.0/8, 10.0.0.1-10.0.0.9 or 2001:db8::/32"
    if "%" in word:
        raise Wrong(expected)
    try:
        if "-" in word:
            first, last = map(ipaddress.ip_address, word.split("-", 1))
            if first.version != last.version or int(first) > int(last):
                raise Wrong("two addresses of one family, the lower one first")
            return [_prefix(part) for part in ipaddress.summarize_address_range(first, last)]
        network = ipaddress.ip_network(word, strict=False)
    except (ValueError, TypeError) as error:
        raise Wrong(expected) from error
    bits = word.partition("/")[2]
    if bits and not bits.isdecimal():
        raise Wrong("a prefix with its length in bits, such as " + str(network))
    if bits and ipaddress.ip_address(word.partition("/")[0]) != network.network_address:
        raise Wrong(f"no bits behind the prefix: {network}")
    return [_prefix(network)]


def mac(word: str) -> Mac:
    address, slash, bits = word.partition("/")
    if not re.fullmatch(r"[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}", address) or (
        slash and not (bits.isdecimal() and int(bits) <= 48)
    ):
        raise Wrong("a MAC address such as 52:54:00:12:34:56, or 52:54:00:00:00:00/24")
    count = int(bits) if slash else 48
    value = int(address.replace(":", ""), 16)
    if value & ((1 << (48 - count)) - 1):
        raise Wrong(f"no bits behind the first {count}")
    return value.to_bytes(6, "big"), count


def tcp_flags(word: str) -> tuple[int, int]:
    """VALUE/MASK, as in pf: (mask, value)."""
    value_text, slash, mask_text = word.partition("/")
    if not slash:
        raise Wrong("flags that are set, and those that are looked at, such as syn/syn,ack")
    masks = []
    for text in (value_text, mask_text):
        found = 0
        for name in filter(None, text.split(",")):
            if name not in TCP_FLAGS:
                raise Wrong("TCP flags: " + ", ".join(TCP_FLAGS) + suggestion(name, TCP_FLAGS))
            found |= TCP_FLAGS[name]
        masks.append(found)
    value, mask = masks
    if not mask or value & ~mask:
        raise Wrong("behind the slash all flags that are looked at, such as syn/syn,ack")
    return mask, value


def rate(amount: int, unit: str) -> tuple[int, bool]:
    """'second' or 'kbytes/second': tokens per hour, and whether they are bytes."""
    size, slash, time = unit.rpartition("/")
    if time not in TIMES or (slash and size not in SIZES):
        raise Wrong("N/second, N/minute, N/hour or N kbytes/second (bytes, mbytes)")
    tokens = amount * SIZES.get(size, 1) * TIMES[time]
    if not 1 <= tokens <= MAX_RATE:
        raise Wrong("a rate that is not 0, and not above 10^12 in a second")
    return tokens, bool(slash)
