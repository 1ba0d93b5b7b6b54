# SPDX-License-Identifier: BSD-2-Clause
"""Which connection a frame belongs to, and how long."""

import struct

from frames import *
from table import *

TRACK = {"rules_out": "accept\n", "rules_in": "drop state invalid, new\naccept\n"}
BOTH = {"rules_out": "drop state invalid\naccept\n", "rules_in": "drop state invalid\naccept\n"}


def mine(flags: str, seq: int, ack: int = 0, data: bytes = b"", **rest) -> bytes:
    return tcp(flags, IP, TO, 4000, 80, seq, ack, data, **rest)


def yours(flags: str, seq: int, ack: int = 0, data: bytes = b"", **rest) -> bytes:
    return tcp(flags, TO, IP, 80, 4000, seq, ack, data, **rest)


def scale(shift: int) -> bytes:
    return bytes([1, 3, 3, shift])


SYN, SYN_ACK, ACK = mine("S", 1000), yours("SA", 5000, 1001), mine("A", 1001, 5001)
OPENED = (out(SYN, "accept", None, "new"), into(SYN_ACK, "accept", None, "established"),
          out(ACK, "accept", None, "established"))


def bad(step, data: bytes, **rest) -> bytes:
    return step(data, "drop", "rule", "invalid", **rest)


def _handshake(t: Table) -> None:
    t.case("tcp: opened by it", *OPENED, connections(1), **BOTH)
    t.case("tcp: opened from outside", into(yours("S", 1), "accept", None, "new"),
           out(mine("SA", 9, 2), "accept", None, "established"),
           into(yours("A", 2, 10), "accept", None, "established"), connections(1), **BOTH)
    t.case("tcp: syn again", out(SYN), out(SYN, "accept", None, "new"), into(SYN_ACK),
           connections(1), **BOTH)
    t.case("tcp: another syn", out(SYN), out(mine("S", 70000)), bad(into, SYN_ACK),
           into(yours("SA", 5000, 70001)), connections(1), **BOTH)
    t.case("tcp: syn ack again", *OPENED, into(SYN_ACK, "accept", None, "established"), **BOTH)
    t.case("tcp: syn ack of nothing", bad(into, SYN_ACK), connections(0), **BOTH)
    t.case("tcp: syn ack of another", out(SYN), bad(into, yours("SA", 5000, 1002)), **BOTH)
    t.case("tcp: syn ack from it", out(SYN), bad(out, mine("SA", 1000, 1)), **BOTH)
    t.case("tcp: both at once", out(SYN), into(yours("S", 5000), "accept", None, "established"),
           out(mine("SA", 1000, 5001), "accept", None, "established"),
           into(yours("SA", 5000, 1001), "accept", None, "established"),
           out(ACK, "accept", None, "established"), **BOTH)
    t.case("tcp: data with the syn", out(mine("S", 1000, data=b"early")),
           into(yours("SA", 5000, 1006)), out(mine("A", 1006, 5001)), **BOTH)
    t.case("tcp: data with the syn refused", out(mine("S", 1000, data=b"early")),
           into(yours("SA", 5000, 1001)), out(mine("PA", 1001, 5001, b"early")), **BOTH)
    t.case("tcp: ack of nothing", bad(out, ACK), bad(into, yours("A", 1, 1)), connections(0),
           **BOTH)
    t.case("tcp: ack before the syn ack", out(SYN), bad(out, ACK), **BOTH)
    t.case("tcp: answer without syn", out(SYN), bad(into, yours("A", 5000, 1001)), **BOTH)
    t.case("tcp: dropped syn leaves nothing", out(SYN, "drop"), connections(0),
           rules_out="drop state new\naccept\n")
    t.case("tcp: answers need no rule of their own", out(SYN), into(SYN_ACK), **TRACK)
    t.case("tcp: outside may not begin", into(yours("S", 1), "drop", "rule", "new"), **TRACK)
    for flags in ("SF", "SR", "FR", "F", "P", "SAR"):
        t.case(f"tcp: flags {flags}", *OPENED, bad(out, mine(flags, 1001, 5001)), **BOTH)
    t.case("tcp: two connections", *OPENED, out(tcp("S", sport=4001)), connections(2), **BOTH)
    t.case("tcp: of another VLAN", out(SYN, vlan=3), bad(into, SYN_ACK, vlan=4),
           into(SYN_ACK, vlan=3), **BOTH)
    t.case("tcp: of another host", out(SYN),
           bad(into, tcp("SA", "10.9.9.8", IP, 80, 4000, 5000, 1001)), **BOTH)
    t.case("tcp: over ipv6", out(tcp("S", IP6, TO6), "accept", None, "new"),
           into(tcp("SA", TO6, IP6, 80, 4000, 5000, 1001), "accept", None, "established"), **BOTH)


def _windows(t: Table) -> None:
    t.case("tcp: data both ways", *OPENED, out(mine("PA", 1001, 5001, bytes(1000))),
           into(yours("A", 5001, 2001)), into(yours("PA", 5001, 2001, bytes(1400))),
           out(mine("A", 2001, 6401)), **BOTH)
    t.case("tcp: last byte of the window", *OPENED, out(mine("A", 1001 + 8192, 5001)), **BOTH)
    t.case("tcp: beyond the window", *OPENED, bad(out, mine("A", 1001 + 8193, 5001)), **BOTH)
    t.case("tcp: long ago", *OPENED, bad(out, mine("A", 1001 - 8193, 5001)), **BOTH)
    t.case("tcp: sent again", *OPENED, out(mine("PA", 1001, 5001, bytes(900))),
           out(mine("PA", 1001, 5001, bytes(900))), **BOTH)
    t.case("tcp: keepalive", *OPENED, out(mine("A", 1000, 5001)), **BOTH)
    t.case("tcp: ack of what was not sent", *OPENED, bad(out, mine("A", 1001, 5002)), **BOTH)
    t.case("tcp: old ack", *OPENED, bad(out, mine("A", 1001, 5001 - 66001)), **BOTH)
    t.case("tcp: window scaled by both", out(mine("S", 1000, options=scale(7))),
           into(yours("SA", 5000, 1001, options=scale(3))), out(mine("A", 1001, 5001)),
           into(yours("A", 5001, 1001, window=8000)), out(mine("A", 1001 + 64000, 5001)),
           bad(out, mine("A", 1001 + 64001, 5001)), **BOTH)
    t.case("tcp: window scaled by one", out(mine("S", 1000)),
           into(yours("SA", 5000, 1001, options=scale(7))), out(mine("A", 1001, 5001)),
           into(yours("A", 5001, 1001, window=9000)), bad(out, mine("A", 1001 + 9001, 5001)),
           **BOTH)
    t.case("tcp: window opens", *OPENED, into(yours("A", 5001, 1001, window=65000)),
           out(mine("A", 1001 + 65000, 5001)), **BOTH)
    t.case("tcp: closed window probed", *OPENED, out(mine("PA", 1001, 5001, bytes(8192))),
           into(yours("A", 5001, 9193, window=0)), out(mine("A", 9193, 5001, b"x")), **BOTH)
    beyond = out(mine("PA", 1001, 5001, bytes(9192)))
    t.case("tcp: begun within the window, ends beyond", *OPENED, beyond,
           out(mine("A", 1001 + 9192, 5001)), bad(out, mine("A", 1001 + 9193, 5001)), **BOTH)
    t.case("tcp: all of that again", *OPENED, beyond, out(mine("A", 1001, 5001)),
           bad(out, mine("A", 1000, 5001)), **BOTH)
    wrap = 0xFFFFFFF0
    t.case("tcp: numbers that wrap", out(mine("S", wrap)), into(yours("SA", wrap, wrap + 1)),
           out(mine("PA", wrap + 1, wrap + 1, bytes(100))), into(yours("A", wrap + 1, wrap + 101)),
           bad(out, mine("A", wrap + 10000, wrap + 1)), **BOTH)
    t.case("tcp: large segments", *OPENED, into(yours("A", 5001, 1001, window=65535)),
           out(mine("PA", 1001, 5001, bytes(60000)), have=128), into(yours("A", 5001, 61001)),
           **BOTH)
    t.case("tcp: in fragments", *OPENED,
           out(ip4(6, tcp_bytes(4000, 80, "A", 1001, 5001, bytes(36)), more=True)),
           out(ip4(6, bytes(1000), offset=56)), into(yours("A", 5001, 2037)), **BOTH)


def _ends(t: Table) -> None:
    fin = (out(mine("FA", 1001, 5001)), into(yours("A", 5001, 1002)))
    both = (*fin, into(yours("FA", 5001, 1002)), out(mine("A", 1002, 5002)))
    t.case("tcp: closed", *OPENED, *both, connections(1), **BOTH)
    t.case("tcp: half closed", *OPENED, *fin, into(yours("PA", 5001, 1002, b"still")),
           out(mine("A", 1002, 5006)), **BOTH)
    t.case("tcp: half closed for 5 minutes", *OPENED, *fin, out(mine("A", 1002, 5001), at=399),
           **BOTH)
    t.case("tcp: half closed for longer", *OPENED, *fin, bad(out, mine("A", 1002, 5001), at=400),
           **BOTH)
    t.case("tcp: closed, then opened", *OPENED, *both, out(mine("S", 90000), "accept", None, "new"),
           into(yours("SA", 7, 90001)), connections(1), **BOTH)
    t.case("tcp: closed, then opened from outside", *OPENED, *both,
           into(yours("S", 90000), "accept", None, "new"), out(mine("SA", 7, 90001)),
           connections(1), **BOTH)
    t.case("tcp: closed, then forgotten", *OPENED, *both, bad(out, mine("A", 1002, 5002), at=161),
           **BOTH)
    t.case("tcp: refused", out(SYN), into(yours("RA", 0, 1001), "accept", None, "established"),
           out(mine("S", 2000), "accept", None, "new"), **BOTH)
    t.case("tcp: refused by a stranger", out(SYN), bad(into, yours("RA", 0, 1002)), **BOTH)
    t.case("tcp: reset", *OPENED, into(yours("R", 5001)), out(mine("S", 2000), "accept", None,
                                                              "new"), **BOTH)
    t.case("tcp: reset out of window", *OPENED, bad(into, yours("R", 90000)),
           out(mine("PA", 1001, 5001, b"x")), **BOTH)
    t.case("tcp: reset, then forgotten", *OPENED, into(yours("R", 5001)),
           bad(out, ACK, at=111), **BOTH)
    t.case("tcp: reset does not live longer", *OPENED, into(yours("R", 5001)), out(ACK, at=105),
           bad(out, ACK, at=111), **BOTH)
    t.case("tcp: syn within", *OPENED, out(mine("S", 90000), "accept", None, "established"),
           out(mine("PA", 1001, 5001, b"x")), **BOTH)
    t.case("tcp: reset before an answer", out(SYN), out(mine("R", 1001), "accept", None, "new"),
           **BOTH)
    t.case("tcp: an hour silent", *OPENED, out(ACK, at=3700), **BOTH)
    t.case("tcp: a day silent", *OPENED, bad(out, ACK, at=86501), **BOTH)
    t.case("tcp: no answer for a minute", out(SYN), bad(into, SYN_ACK, at=161), **BOTH)
    t.case("tcp: survives the switch", *OPENED, successor(150), connections(1),
           into(yours("PA", 5001, 1001, b"x"), "accept", None, "established", at=151),
           bad(out, mine("A", 1001 + 8193, 5001), at=151), **BOTH)
    t.case("tcp: gone with the guest", *OPENED, port_reset(), connections(0), bad(into, yours("A",
        5001, 1001)),
           **BOTH)


def _others(t: Table) -> None:
    ask, reply = udp(), udp(TO, IP, 53, 5000)
    t.case("udp: asked", out(ask, "accept", None, "new"), out(ask, "accept", None, "new"),
           into(reply, "accept", None, "established"), out(ask, "accept", None, "established"),
           connections(1), **TRACK)
    t.case("udp: not asked", into(reply, "drop", "rule", "new"), **TRACK)
    t.case("udp: another port", out(ask), into(udp(TO, IP, 54, 5000), "drop", "rule", "new"),
           **TRACK)
    t.case("udp: too late", out(ask), into(reply, "drop", "rule", "new", at=131), **TRACK)
    t.case("udp: later when answered", out(ask), into(reply), into(reply, at=270), **TRACK)
    t.case("udp: over ipv6", out(udp(IP6, TO6)), into(udp(TO6, IP6, 53, 5000)), **TRACK)
    t.case("udp: survives the switch", out(ask), successor(110), into(reply, at=111), **TRACK)
    t.case("ping: answered", out(icmp(), "accept", None, "new"),
           into(icmp(0, src=TO, dst=IP), "accept", None, "established"), **TRACK)
    t.case("ping: another number", out(icmp()), bad(into, icmp(0, number=78, src=TO, dst=IP)),
           **TRACK)
    t.case("ping: answer to nothing", bad(into, icmp(0, src=TO, dst=IP)), connections(0), **TRACK)
    t.case("ping: answer from who asked", out(icmp()), bad(out, icmp(0)), **BOTH)
    t.case("ping: asked both ways", out(icmp()), into(icmp(8, src=TO, dst=IP), "accept", None,
                                                      "new"),
           into(icmp(0, src=TO, dst=IP), "accept", None, "established"),
           out(icmp(0), "accept", None, "established"), connections(2), **BOTH)
    t.case("ping: over ipv6", out(icmp6()), into(icmp6(129, src=TO6, dst=IP6)), **TRACK)
    t.case("ping: timestamps are apart", out(icmp(13)), bad(into, icmp(0, src=TO, dst=IP)),
           into(icmp(14, src=TO, dst=IP)), **TRACK)
    t.case("gre: by addresses", out(ip4(47, b"gre!"), "accept", None, "new"),
           into(ip4(47, b"gre!", TO, IP), "accept", None, "established"), **TRACK)
    t.case("untracked: arp", out(arp(), "accept", None, "untracked"), connections(0), **BOTH)
    t.case("untracked: neighbours", out(nd(135, "fe80::2"), "accept", None, "untracked"),
           connections(0), **BOTH)
    t.case("untracked: not ip", out(ethernet(0x1234, b"x"), "accept", None, "untracked"), **BOTH)
    t.case("untracked: icmp redirect", out(icmp(5), "accept", None, "untracked"), **BOTH)
    t.case("state not new", out(udp(), "drop", "rule"), out(arp()),
           rules_out="drop state new\naccept state not new\n")


def _related(t: Table) -> None:
    rules = {"rules_out": "accept\n", "rules_in": "accept state established, related\n"}
    related = {"action": "accept", "state": "related"}
    t.case("error: about udp", out(udp()), into(error_about(udp(), "10.9.9.254", IP), **related),
           **rules)
    t.case("error: about tcp", out(tcp()), into(error_about(tcp(), "10.9.9.254", IP, 11),
                                                **related), **rules)
    t.case("error: about ping", out(icmp()), into(error_about(icmp(), "10.9.9.254", IP),
                                                  **related), **rules)
    t.case("error: from it", into(udp(TO, IP, 53, 5000)), out(error_about(udp(TO, IP, 53, 5000),
        IP, TO, 3, 3),
                                                            **related),
                                                            rules_out="accept state related\n")
    t.case("error: over ipv6", out(udp(IP6, TO6)),
           into(error_about(udp(IP6, TO6), TO6, IP6, 1, 4, 48), **related), **rules)
    t.case("error: packet too big", out(tcp("S", IP6, TO6)),
           into(error_about(tcp("S", IP6, TO6), "2001:db8:5::1", IP6, 2, 0, 60), **related),
           **rules)
    lost = {"action": "drop", "reason": "no match", "state": "invalid"}
    t.case("error: about nothing", into(error_about(udp(), TO, IP), **lost), **rules)
    t.case("error: about another port", out(udp()), into(error_about(udp(sport=5001), TO, IP),
                                                         **lost), **rules)
    t.case("error: about the answer", out(udp()),
           into(error_about(udp(TO, IP, 53, 5000), TO, IP), **lost), **rules)
    t.case("error: quotes too little", out(udp()), into(error_about(udp(), TO, IP, quoted=27),
                                                        **lost), **rules)
    t.case("error: quotes nothing", out(udp()), into(error_about(udp(), TO, IP, quoted=0), **lost),
           **rules)
    t.case("error: quotes a later fragment", out(udp()),
           into(error_about(ip4(17, udp()[34:], offset=64), TO, IP), **lost), **rules)
    t.case("error: about an error", out(udp()),
           into(error_about(error_about(udp(), IP, TO), TO, IP, quoted=56), **lost), **rules)
    t.case("error: begins nothing", out(udp()), into(error_about(udp(), TO, IP)), connections(1),
           **rules)
    redirect = struct.pack(">BBH4s", 5, 1, 0, ip(TO)) + udp()[14:42]
    t.case("error: a redirect is none", out(udp()), into(ip4(1, redirect, TO, IP), "drop",
                                                         "no match", "untracked"),
           **rules)


def add(t: Table) -> None:
    for part in (_handshake, _windows, _ends, _others, _related):
        part(t)
