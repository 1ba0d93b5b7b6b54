# SPDX-License-Identifier: BSD-2-Clause
"""Each condition, option and action of the rule language."""

import struct

from frames import *
from table import *


def answer_frame(kind: int, payload: bytes, source: bytes) -> bytes:
    """What goes back to the sender of `source`."""
    return source[6:12] + source[:6] + struct.pack(">H", kind) + payload


def ip4_answer(protocol: int, payload: bytes) -> bytes:
    """IPv4 from TO to IP as the firewall makes it: nothing to put together again."""
    header = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 0, 0x4000, 64, protocol, 0,
                         ip(TO), ip(IP))
    return header[:10] + struct.pack(">H", checksum(header)) + header[12:] + payload


def _order(t: Table) -> None:
    t.case("no rules at all", out(udp(), "drop", "no rules"), into(udp(), "drop", "no rules"),
           rules_out=None, rules_in=None)
    t.case("no rules to it", out(udp()), into(udp(), "drop", "no rules"), rules_in=None)
    t.case("no rules from it", out(udp(), "drop", "no rules"), into(udp()), rules_out=None)
    t.case("an empty file", out(udp(), "drop", "no match"), rules_out="# nothing\n")
    t.case("each direction its own", out(udp()), into(udp(TO, IP), "drop", "no match"),
           rules_out="accept udp\n", rules_in="accept tcp\n")
    t.case("the first that applies", out(udp(), "accept", rule=1), out(tcp(), "drop", rule=2),
           rules_out="drop icmp\naccept udp\ndrop\n")
    t.case("none applies", out(udp(), "drop", "no match"), rules_out="accept tcp\n")
    t.case("a port that is none of ours", frame(OUT, udp(), "drop", "no rules", port=1))
    t.case("all conditions together",
           out(tcp("S", sport=5000, dport=22)), out(tcp("S", sport=5000, dport=23), "drop"),
           out(tcp("S", sport=4999, dport=22), "drop"),
           out(tcp("S", "10.0.0.2", sport=5000, dport=22), "drop"),
           rules_out="accept tcp from 10.0.0.1 sport 5000 to 10.9.0.0/16 dport ssh state new\n")


def _link(t: Table) -> None:
    t.each("smac", "accept smac 52:54:00:00:00:00/40\n", {
        "inside": (udp(), "accept"), "outside": (udp(src="10.0.0.1")[:6] + mac("52:54:00:01:00:01")
                                                 + udp()[12:], "drop", "no match"),
    }, flags=ANY_MAC)
    t.each("dmac", f"accept dmac {PEER}, {ALL}\n", {
        "the first": (udp(), "accept"), "the second": (udp()[:0] + mac(ALL) + udp()[6:], "accept"),
        "neither": (mac(OTHER) + udp()[6:], "drop", "no match"),
    })
    t.each("dmac not", f"accept dmac not {PEER}\n", {
        "it": (udp(), "drop", "no match"), "another": (mac(OTHER) + udp()[6:], "accept"),
    })
    t.each("ethertype", "accept ethertype lldp, 0x1234-0x1236\n", {
        "by name": (ethernet(0x88CC, b"x"), "accept"),
        "first": (ethernet(0x1234, b"x"), "accept"), "last": (ethernet(0x1236, b"x"), "accept"),
        "behind": (ethernet(0x1237, b"x"), "drop", "no match"),
        "ip": (udp(), "drop", "no match"),
    })
    t.each("ethertype behind tags", "accept ip\n", {
        "one": (udp(tags=(7,)), "accept"), "two": (udp(tags=(7, 8)), "accept"),
    })
    for rules, vlan, action in (
        ("accept vlan 7", 7, "accept"), ("accept vlan 7", 8, "drop"), ("accept vlan none", 0,
            "accept"),
        ("accept vlan none", 1, "drop"), ("accept vlan 5-9, 20", 20, "accept"),
        ("accept vlan not 5-9", 9, "drop"), ("accept vlan not 5-9", 10, "accept"),
    ):
        t.case(f"{rules}: {vlan}", out(udp(), action, vlan=vlan), rules_out=rules + "\n")


def _addresses(t: Table) -> None:
    t.each("from", "accept from 10.0.0.1, 10.0.0.64/26\n", {
        "the address": (udp(), "accept"), "in the prefix": (udp("10.0.0.127"), "accept"),
        "neither": (udp("10.0.0.2"), "drop", "no match"),
        "behind the prefix": (udp("10.0.0.128"), "drop", "no match"),
        "in arp": (arp(), "accept"), "ipv6": (udp(IP6, TO6), "drop", "no match"),
        "not ip": (ethernet(0x1234, b"x"), "drop", "no match"),
    })
    t.each("to", "accept to 10.9.0.0/16, 2001:db8:9::/48\n", {
        "ipv4": (udp(), "accept"), "ipv6": (udp(IP6, TO6), "accept"),
        "ipv4 elsewhere": (udp(dst="10.8.0.1"), "drop", "no match"),
        "ipv6 elsewhere": (udp(IP6, "2001:db8:8::1"), "drop", "no match"),
        "in arp": (arp(target="10.9.1.1"), "accept"),
    })
    t.each("to not", "accept to not 10.9.0.0/16\n", {
        "it": (udp(), "drop", "no match"), "another": (udp(dst="10.8.0.1"), "accept"),
        "ipv6": (udp(IP6, TO6), "accept"), "no address": (ethernet(0x1234, b"x"), "drop",
                                                          "no match"),
    })
    t.each("a range of addresses", "accept from 10.0.0.3-10.0.0.8\n", {
        str(n): (udp(f"10.0.0.{n}"), "accept" if 3 <= n <= 8 else "drop") for n in (2, 3, 5, 8, 9)
    })
    t.each("ipv6 prefix in the middle of a byte", "accept from 2001:db8::/65\n", {
        "inside": (udp("2001:db8::7fff:0:0:1", TO6), "accept"),
        "outside": (udp("2001:db8::8000:0:0:1", TO6), "drop", "no match"),
    })
    t.each("families", "drop ip6\naccept ip\n", {
        "ip": (udp(), "accept"), "ip6": (udp(IP6, TO6), "drop", "rule"),
        "arp": (arp(), "drop", "no match"),
    })
    t.each("any", "accept from any to any\n", {
        "ip": (udp(), "accept"), "not ip": (ethernet(0x1234, b"x"), "accept"),
    })


def _transport(t: Table) -> None:
    t.each("proto", "accept proto udp, 47\n", {
        "udp": (udp(), "accept"), "udp over ipv6": (udp(IP6, TO6), "accept"),
        "gre": (ip4(47, bytes(4)), "accept"), "tcp": (tcp(), "drop", "no match"),
        "arp": (arp(), "drop", "no match"),
    })
    t.each("proto not", "accept proto not tcp\n", {
        "udp": (udp(), "accept"), "tcp": (tcp(), "drop", "no match"),
        "arp": (arp(), "drop", "no match"),
    })
    t.each("proto behind headers", "accept udp\n", {
        "options": (ip6(60, extension(17) + udp(IP6, TO6)[54:]), "accept"),
        "atomic fragment": (ip6(44, fragment6(17, 0, False) + udp(IP6, TO6)[54:]), "accept"),
    })
    t.each("dport", "accept dport 53, 1000-2000, https\n", {
        "udp": (udp(), "accept"), "tcp": (tcp(dport=443), "accept"),
        "sctp": (ip4(132, struct.pack(">HHII", 1, 1000, 0, 0)), "accept"),
        "last": (udp(dport=2000), "accept"), "behind": (udp(dport=2001), "drop", "no match"),
        "no ports": (icmp(), "drop", "no match"),
    })
    t.each("sport not", "accept udp sport not 5000\n", {
        "it": (udp(), "drop", "no match"), "another": (udp(sport=1), "accept"),
        "tcp": (tcp(), "drop", "no match"),
    })
    t.each("type", "accept icmp type echo-request, 3/4\n", {
        "the type": (icmp(), "accept"), "the type, another code": (icmp(8, 1), "accept"),
        "type and code": (icmp(3, 4), "accept"), "another code": (icmp(3, 3), "drop", "no match"),
        "icmp6": (icmp6(8), "drop", "no match"), "udp": (udp(), "drop", "no match"),
    })
    t.each("type of icmp6", "accept icmp6 type echo-request\n", {
        "it": (icmp6(), "accept"), "another": (icmp6(129), "drop", "no match"),
        "icmp": (icmp(128), "drop", "no match"),
        "over ipv4": (ip4(58, b"\x80" + bytes(7)), "drop", "no match"),
    })
    t.each("flags", "accept flags syn/syn,ack\n", {
        "syn": (tcp("S"), "accept"), "syn with others": (tcp("SPU"), "accept"),
        "syn ack": (tcp("SA"), "drop", "no match"), "ack": (tcp("A"), "drop", "no match"),
        "udp": (udp(), "drop", "no match"),
    })
    t.each("flags not", "accept tcp flags not /fin,syn,rst,ack\n", {
        "none of them": (tcp("P"), "drop", "no match"), "one of them": (tcp("R"), "accept"),
    })
    t.each("dhcp", "accept dhcp\n", {
        "client": (dhcp(1, 1), "accept"), "udp": (udp(), "drop", "no match"),
    }, flags=DHCP)
    t.each("neighbour", "accept neighbour\n", {
        "question": (nd(135, "fe80::2"), "accept"), "ping": (icmp6(), "drop", "no match"),
    })


def _options(t: Table) -> None:
    t.case("log goes on", out(udp(), "accept", log=True, rule=1), out(tcp(), "drop", log=False),
           rules_out="log udp\naccept udp\n")
    t.case("log of a decision", out(udp(), "drop", "rule", log=True), rules_out="drop udp log\n")
    t.case("log of a rule before", out(udp(), "drop", "no match", log=True), rules_out="log\n")
    t.case("mirror goes on", out(udp(), "accept", mirror=1 << 3), out(tcp(), mirror=0),
           rules_out="mirror monitor udp\naccept\n")
    t.case("mirror of a decision", out(udp(), "drop", "rule", mirror=1 << 3),
           rules_out="drop mirror monitor\n")
    t.case("mirror to two", out(udp(), mirror=1 << 3 | 1 << 2),
           rules_out="mirror monitor\nmirror other\naccept\n")
    t.case("mirror of later fragments", out(ip4(17, udp(data=bytes(56))[34:], more=True), mirror=8),
           out(ip4(17, bytes(8), offset=64), mirror=8), rules_out="accept mirror monitor\n")
    t.case("limit in packets", *[out(udp())] * 5, out(udp(), "drop", "no match"),
           out(udp(), at=100.5), out(udp(), "drop", "no match", at=100.5),
           rules_out="accept limit 2/second burst 5\n")
    t.case("limit goes on to the next rule", out(udp(), rule=0), out(udp(), rule=1),
           rules_out="accept limit 1/minute burst 1\naccept\n")
    t.case("limit over", out(udp()), out(udp(), "drop", "rule"), out(udp(), at=160),
           rules_out="drop limit over 1/minute burst 1\naccept\n")
    t.case("limit in bytes", out(udp(data=bytes(982))), out(udp(data=bytes(983)), "drop"),
           out(udp(data=bytes(982))), out(udp(), "drop"), out(udp(data=bytes(982)), at=101),
           rules_out="accept limit 1 kbytes/second burst 2 kbytes\n")
    t.case("limit counts what it applies to", *[out(tcp(sport=n), "drop") for n in range(9)],
           out(udp()),
           rules_out="accept udp limit 1/hour burst 1\n")
    t.case("limit fills up to its burst", out(udp(), at=10**6), out(udp(), at=10**6),
           out(udp(), "drop", at=10**6), rules_out="accept limit 1/second burst 2\n")
    t.case("limit survives the switch", out(udp()), successor(100), out(udp(), "drop"),
           rules_out="accept limit 1/hour burst 1\n")
    t.case("rules survive the switch", out(udp(), rule=0), successor(100), out(udp(), rule=0),
           out(tcp(), "drop", "no match"), rules_out="accept udp\n")
    t.case("rules are swapped", out(udp()), set_rules("drop udp\n", OUT), out(udp(), "drop",
        "rule"),
           into(udp(TO, IP, 53, 5000), "accept", None, "established"))


def _rejects(t: Table) -> None:
    rules = {"rules_out": "reject\n"}

    def reset(frame: bytes, flags: str, seq: int, ack: int) -> bytes:
        raw = tcp_bytes(80, 4000, flags, seq, ack, window=0)
        raw = raw[:16] + struct.pack(">H", checksum(pseudo(TO, IP, 6, raw) + raw)) + raw[18:]
        return answer_frame(0x0800, ip4_answer(6, raw), frame)

    def unreachable(frame: bytes, code: int, quoted: int) -> bytes:
        raw = struct.pack(">BBHI", 3, code, 0, 0) + frame[14 : 14 + quoted]
        raw = raw[:2] + struct.pack(">H", checksum(raw)) + raw[4:]
        return answer_frame(0x0800, ip4_answer(1, raw), frame)

    t.case("reject syn", out(tcp(), "reject", "rejected"), answer(reset(tcp(), "RA", 0, 1001)),
           **rules)
    data = tcp("PA", seq=5, ack=99, data=b"hello")
    t.case("reject data", out(data, "reject"), answer(reset(data, "R", 99, 0)), **rules)
    fin = tcp("F", seq=7, data=b"abc")
    t.case("reject fin without ack", out(fin, "reject"), answer(reset(fin, "RA", 0, 11)), **rules)
    t.case("reject rst", out(tcp("R"), "reject"), answer(b""), **rules)
    t.case("reject udp", out(udp(), "reject"), answer(unreachable(udp(), 3, 32)), **rules)
    long = udp(data=bytes(range(256)) * 4)
    t.case("reject long udp", out(long, "reject"), answer(unreachable(long, 3, 548)), **rules)
    t.case("reject padded udp", out(udp() + bytes(9), "reject"), answer(unreachable(udp(), 3, 32)),
           **rules)
    t.case("reject ping", out(icmp(), "reject"), answer(unreachable(icmp(), 13, 32)), **rules)
    gre = ip4(47, b"gre!")
    t.case("reject gre", out(gre, "reject"), answer(unreachable(gre, 13, 24)), **rules)
    t.case("reject an error", out(error_about(udp(TO, IP), IP, TO), "reject"), answer(b""), **rules)
    t.case("reject arp", out(arp(), "reject"), answer(b""), **rules)
    t.case("reject to a group", out(udp(dst="224.0.0.251"), "reject"), answer(b""), **rules)
    t.case("reject to all of the link", out(udp(dst=TO)[:0] + mac(ALL) + udp()[6:], "reject"),
           answer(b""), **rules)
    t.case("reject to broadcast", out(udp(dst="255.255.255.255"), "reject"), answer(b""), **rules)
    t.case("reject igmp6 report", out(icmp6(143, body=bytes(12)), "reject"), answer(b""), **rules)
    for what, frame6 in (("tcp", tcp("S", IP6, TO6)), ("udp", udp(IP6, TO6)), ("ping", icmp6())):
        if what == "tcp":
            raw = tcp_bytes(80, 4000, "RA", 0, 1001, window=0)
            raw = raw[:16] + struct.pack(">H", checksum(pseudo(TO6, IP6, 6, raw) + raw)) + raw[18:]
            number = 6
        else:
            raw = struct.pack(">BBHI", 1, 4 if what == "udp" else 1, 0, 0) + frame6[14:]
            raw = raw[:2] + struct.pack(">H", checksum(pseudo(TO6, IP6, 58, raw) + raw)) + raw[4:]
            number = 58
        header = struct.pack(">IHBB16s16s", 6 << 28, len(raw), number, 64, ip(TO6), ip(IP6))
        t.case(f"reject {what} over ipv6", out(frame6, "reject"),
               answer(answer_frame(0x86DD, header + raw, frame6)), **rules)
    t.case("reject tagged", out(tcp(tags=(5,)), "reject"), answer(reset(tcp(), "RA", 0, 1001)),
           **rules)
    t.case("reject to it", into(tcp(), "reject", "rejected"), answer(reset(tcp(), "RA", 0, 1001)),
           rules_in="reject tcp\n")


def add(t: Table) -> None:
    for part in (_order, _link, _addresses, _transport, _options, _rejects):
        part(t)
