# SPDX-License-Identifier: BSD-2-Clause
"""Malformed frames, and odd ones that are not."""

from frames import *
from table import *


def bad(reason: str) -> tuple:
    return ("malformed", reason)


def _ethernet(t: Table) -> None:
    t.each("ethernet", OPEN, {
        "nothing": (b"", *bad("short")),
        "13 bytes": (udp()[:13], *bad("short")),
        "header alone": (ethernet(0x1234, b""), "accept"),
        "group as sender": (udp(src="10.0.0.1")[:6] + b"\x01" + udp()[7:], *bad("sender")),
        "one tag": (udp(tags=(5,)), "accept"),
        "two tags": (udp(tags=(5, 6)), "accept"),
        "three tags": (udp(tags=(5, 6, 7)), *bad("tags")),
        "a tag cut off": (udp(tags=(5,))[:16], *bad("short")),
        "802.3 length": (ethernet(0x26, bytes(38)), "accept"),
    })
    t.case("ethernet: header not copied", out(udp(), "malformed", "long", have=20))
    t.case("ethernet: copied less than its header", out(udp(), "malformed", "long", have=10))


def _arp(t: Table) -> None:
    t.each("arp", OPEN, {
        "request": (arp(), "accept"),
        "padded": (arp() + bytes(18), "accept"),
        "cut off": (arp()[:41], *bad("bad arp")),
        "another hardware": (arp(kinds=(6, 0x0800, 6, 4)), *bad("bad arp")),
        "another protocol": (arp(kinds=(1, 0x86DD, 6, 4)), *bad("bad arp")),
        "long hardware address": (arp(kinds=(1, 0x0800, 8, 4)), *bad("bad arp")),
        "long protocol address": (arp(kinds=(1, 0x0800, 6, 16)), *bad("bad arp")),
    })


def _ipv4(t: Table) -> None:
    t.each("ipv4", OPEN, {
        "padded": (udp(data=b"x") + bytes(20), "accept"),
        "with options": (udp(options=bytes([1] * 8)), "accept"),
        "longest header": (udp(options=bytes([1] * 40)), "accept"),
        "cut off": (udp()[:33], *bad("bad ipv4")),
        "version 5": (udp(version=5), *bad("bad ipv4")),
        "header of 16 bytes": (udp(words=4), *bad("bad ipv4")),
        "length below its header": (ip4(17, b"", options=bytes(4), length=21), *bad("bad ipv4")),
        "options beyond its length": (ip4(17, b"", words=15, length=40), *bad("bad ipv4")),
        "longer than the frame": (ip4(17, bytes(8), length=29), *bad("bad ipv4")),
        "from loopback": (udp("127.0.0.1"), *bad("address")),
        "from a group": (udp("224.0.0.1"), *bad("address")),
        "from broadcast": (udp("255.255.255.255"), *bad("address")),
        "no payload": (ip4(99, b""), "accept"),
    })


def _ipv6(t: Table) -> None:
    chain = lambda *headers: b"".join(headers)
    raw = udp(IP6, TO6)[54:]
    eight = chain(*[extension(60)] * 7, extension(17))
    nine = chain(*[extension(60)] * 8, extension(17))
    t.each("ipv6", OPEN, {
        "plain": (udp(IP6, TO6), "accept"),
        "padded": (udp(IP6, TO6) + bytes(4), "accept"),
        "cut off": (udp(IP6, TO6)[:53], *bad("bad ipv6")),
        "version 4": (udp(IP6, TO6, version=4), *bad("bad ipv6")),
        "longer than the frame": (ip6(17, raw, length=len(raw) + 1), *bad("bad ipv6")),
        "from a group": (udp("ff02::1", TO6), *bad("address")),
        "from loopback": (udp("::1", TO6), *bad("address")),
        "hop by hop": (ip6(0, extension(17) + raw), "accept"),
        "hop by hop later": (ip6(60, extension(0) + extension(17) + raw), *bad("extensions")),
        "destination options": (ip6(60, extension(17, bytes(14)) + raw), "accept"),
        "routing type 0": (ip6(43, bytes([17, 0, 0, 0, 0, 0, 0, 0]) + raw), *bad("extensions")),
        "routing type 4": (ip6(43, bytes([17, 0, 4, 0, 0, 0, 0, 0]) + raw), "accept"),
        "eight headers": (ip6(60, eight + raw), "accept"),
        "nine headers": (ip6(60, nine + raw), *bad("extensions")),
        "header cut off": (ip6(60, extension(17, bytes(14))[:12]), *bad("extensions")),
        "header beyond the packet": (ip6(60, bytes([17, 200]) + bytes(6) + raw),
                                     *bad("extensions")),
        "authentication": (ip6(51, bytes([17, 4]) + bytes(22) + raw), "accept"),
        "authentication of 4 bytes": (ip6(51, bytes([6, 255]) + bytes(6)), *bad("extensions")),
        "no next header": (ip6(59, b"junk"), "accept"),
        "atomic fragment": (ip6(44, fragment6(17, 0, False) + raw), "accept"),
        "two fragment headers": (ip6(44, fragment6(44, 0, True) + fragment6(17, 0, True)
                                     + bytes(64)), *bad("extensions")),
    })


def _transport(t: Table) -> None:
    short = tcp_bytes(1, 2, "S")
    t.each("transport", OPEN, {
        "tcp of 19 bytes": (ip4(6, short[:19]), *bad("transport")),
        "tcp offset 4": (ip4(6, short[:12] + b"\x40" + short[13:]), *bad("transport")),
        "tcp options cut off": (ip4(6, short[:12] + b"\xf0" + short[13:]), *bad("transport")),
        "tcp malformed options": (tcp(options=b"\x03\x00\x00\x00"), "accept"),
        "udp of 7 bytes": (ip4(17, bytes(7)), *bad("transport")),
        "udp length 7": (udp(length=7), *bad("transport")),
        "udp longer than ip": (udp(length=13), *bad("transport")),
        "udp shorter than ip": (udp(length=10), "accept"),
        "udp-lite length 0": (udp(protocol=136, length=0), "accept"),
        "sctp of 11 bytes": (ip4(132, bytes(11)), *bad("transport")),
        "sctp": (ip4(132, bytes(12)), "accept"),
        "icmp of 7 bytes": (ip4(1, bytes(7)), *bad("transport")),
        "icmp over ipv6": (ip6(1, bytes(3)), "accept"),
        "icmp6 of 7 bytes": (ip6(58, bytes(7)), *bad("transport")),
        "icmp6 over ipv4": (ip4(58, bytes(3)), "accept"),
    })
    t.case("transport: header not copied", out(tcp(), "malformed", "long", have=50))
    t.case("transport: payload not copied", out(tcp(data=bytes(1000)), have=54))
    t.case("transport: large frame", out(tcp(data=bytes(65000)), have=128))


def _fragments(t: Table) -> None:
    raw = udp(data=bytes(56))[34:]
    first = ip4(17, raw, more=True)
    t.each("fragment", OPEN, {
        "first": (first, "accept"),
        "first with 7 bytes too many": (ip4(17, raw + bytes(7), more=True), *bad("fragment")),
        "empty": (ip4(17, b"", offset=64, more=True), *bad("fragment")),
        "beyond 64 KiB": (ip4(17, bytes(16), offset=65528), *bad("fragment")),
        "without transport header": (ip4(6, tcp_bytes(1, 2, "S")[:16], more=True), *bad("tiny")),
        "udp of one word": (ip4(17, raw[:8], more=True), "accept"),
        "on the transport header": (ip4(6, bytes(16), offset=8), *bad("tiny")),
        "on its end": (ip4(6, bytes(16), offset=16), *bad("tiny")),
        "ipv6 without transport header": (ip6(44, fragment6(60, 0, True) + extension(6)),
                                          *bad("tiny")),
        "ipv6 on the transport header": (ip6(44, fragment6(6, 8, False) + bytes(16)), *bad("tiny")),
        "later without a first": (ip4(17, bytes(8), offset=64), "drop", "early"),
    })
    later = ip4(17, bytes(8), offset=64)
    t.case("fragment: in order", out(first), out(later))
    t.case("fragment: another number", out(first),
           out(ip4(17, bytes(8), offset=64, number=8), "drop", "early"))
    t.case("fragment: another protocol", out(first), out(ip4(6, bytes(8), offset=64), "drop",
                                                         "early"))
    t.case("fragment: another sender", out(first),
           out(ip4(17, bytes(8), src="10.0.0.2", offset=64), "drop", "early"))
    t.case("fragment: another VLAN", out(first, vlan=3), out(later, "drop", "early", vlan=4))
    t.case("fragment: of the other direction", out(first), into(later, "drop", "early"))
    t.case("fragment: too late", out(first), out(later, "drop", "early", at=131))
    t.case("fragment: over the first", out(first),
           out(ip4(17, bytes(16), offset=56), "drop", "overlap"), out(later, "drop", "early"))
    t.case("fragment: first one dropped", out(first, "drop", "rule"), out(later, "drop", "early"),
           rules_out="drop udp dport 53\naccept\n")
    t.case("fragment: first one again, dropped", out(first),
           out(ip4(17, udp(dport=54, data=bytes(56))[34:], more=True), "drop"),
           out(later, "drop", "early"), rules_out="accept udp dport 53\n")
    t.case("fragment: as many bytes as a packet", out(first),
           *[out(ip4(17, bytes(16000), offset=64 + 16000 * n, more=True)) for n in range(4)],
           out(ip4(17, bytes(16000), offset=64, more=True), "drop", "overlap"))
    t.case("fragment: verdict and rule of the first", out(first, rule=1), out(later, rule=1),
           rules_out="drop tcp\naccept udp\n")
    t.case("fragment: a condition on it", out(first, "drop"), out(udp()),
           rules_out="drop fragment\naccept\n")
    t.case("fragment: not one", out(first, "drop", "no match"), out(udp()),
           rules_out="accept not fragment\n")
    t.case("fragment: of many packets at once",
           *[out(ip4(17, raw, more=True, number=n)) for n in range(17)],
           out(ip4(17, bytes(8), offset=64, number=0), "drop", "early"),
           out(ip4(17, bytes(8), offset=64, number=16)))
    t.case("fragment: lost with the switch", out(first), successor(101),
           out(later, "drop", "early", at=102))
    first6 = ip6(44, fragment6(17, 0, True) + raw)
    t.case("fragment: ipv6 in order", out(first6), out(ip6(44, fragment6(17, 64, False) + b"x")))
    t.case("fragment: ipv6 of another chain", out(ip6(44, fragment6(60, 0,
                                                                    True) + extension(17) + raw)),
           out(ip6(44, fragment6(60, 72, False) + b"x")))
    t.case("fragment: ipv6 over the first",
           out(ip6(44, fragment6(60, 0, True) + extension(17) + raw)),
           out(ip6(44, fragment6(60, 64, False) + b"x"), "drop", "overlap"))
    t.case("fragment: large ping", out(icmp(data=bytes(56), more=True)),
           out(ip4(1, bytes(56), offset=64)))


def add(t: Table) -> None:
    for part in (_ethernet, _arp, _ipv4, _ipv6, _transport, _fragments):
        part(t)
