# SPDX-License-Identifier: BSD-2-Clause
"""Whether a VIF may send what it sends as the one that it says it is."""

from frames import *
from table import *

ZERO = "0.0.0.0"


def ask(kind: int = 3, **rest) -> bytes:
    return dhcp(1, kind, **rest)


def ack(yours: str = "192.168.5.5", lease: int | None = 600, kind: int = 5, **rest) -> bytes:
    return dhcp(2, kind, yours=yours, lease=lease,
                **{"src": "192.168.5.1", "dst": "255.255.255.255", **rest})


def _mac(t: Table) -> None:
    t.each("mac", OPEN, {
        "its own": (ethernet(0x1234, b"x"), "accept"),
        "another": (ethernet(0x1234, b"x", src=PEER), "drop", "mac"),
        "in arp": (arp(hardware=PEER), "drop", "mac"),
        "in ethernet behind arp": (arp(src=PEER), "drop", "mac"),
        "in a neighbour's answer": (nd(136, LOCAL, PEER, option=2), "drop", "mac"),
        "in a neighbour's question": (nd(135, TO6, PEER), "drop", "mac"),
        "in a router's question": (nd(133, None, PEER), "drop", "mac"),
    })
    t.each("any mac", OPEN, {
        "in ethernet": (ethernet(0x1234, b"x", src=PEER), "accept"),
        "in arp": (arp(hardware=PEER), "accept"),
        "in a neighbour's answer": (nd(136, LOCAL, PEER, option=2), "accept"),
        "another address": (udp("10.1.0.1"), "drop", "ip"),
    }, flags=ANY_MAC)


def _addresses(t: Table) -> None:
    t.each("address", OPEN, {
        "first of its prefix": (udp("10.0.0.0"), "accept"),
        "last of its prefix": (udp("10.0.0.255"), "accept"),
        "behind its prefix": (udp("10.0.1.0"), "drop", "ip"),
        "none": (udp(ZERO), "drop", "ip"),
        "ipv6": (udp("2001:db8::ffff", TO6), "accept"),
        "ipv6 behind its prefix": (udp("2001:db8:0:1::1", TO6), "drop", "ip"),
        "link-local of its mac": (udp(LOCAL, "fe80::2"), "accept"),
        "another link-local": (udp("fe80::1", "fe80::2"), "drop", "ip"),
        "ipv6 none": (udp("::", TO6), "drop", "ip"),
        "none in icmp6": (icmp6(src="::"), "drop", "ip"),
        "of another in a later fragment": (ip4(17, bytes(8), src="10.1.0.1", offset=64),
                                           "drop", "ip"),
        "report of groups from none": (icmp6(143, src="::", dst="ff02::16", body=bytes(12)),
                                       "accept"),
        "not ip": (ethernet(0x88CC, b"x"), "accept"),
    })
    t.each("any address", OPEN, {
        "ipv4": (udp("192.0.2.1"), "accept"),
        "ipv6": (udp("fe80::1", TO6), "accept"),
        "arp": (arp(sender="192.0.2.1"), "accept"),
        "router advertisement": (nd(134), "accept"),
        "dhcp server": (ack(), "accept"),
        "another mac": (udp("192.0.2.1", **{"tags": ()})[:6] + mac(PEER) + udp()[12:], "drop",
                        "mac"),
    }, flags=ANY_ADDRESS)
    t.each("no address", OPEN, {
        "ipv4": (udp(), "drop", "ip"),
        "ipv6": (udp(IP6, TO6), "drop", "ip"),
        "link-local": (udp(LOCAL, "fe80::2"), "accept"),
        "arp": (arp(), "drop", "arp"),
    }, prefixes=())
    t.each("odd prefixes", OPEN, {
        "inside /30": (udp("10.0.0.7"), "accept"),
        "behind /30": (udp("10.0.0.8"), "drop", "ip"),
        "inside /0 of ipv6": (udp("fe80::1", TO6), "accept"),
        "one of /32": (udp("10.7.7.7"), "accept"),
    }, prefixes=("10.0.0.4/30", "::/0", "10.7.7.7/32"))


def _claims(t: Table) -> None:
    t.each("arp", OPEN, {
        "answer about itself": (arp(2), "accept"),
        "claim of another's": (arp(2, sender="10.9.9.9"), "drop", "arp"),
        "question as another": (arp(1, sender="10.9.9.9"), "drop", "arp"),
        "probe": (arp(1, sender=ZERO), "accept"),
        "answer without address": (arp(2, sender=ZERO), "drop", "arp"),
    })
    t.each("neighbours", OPEN, {
        "question": (nd(135, "fe80::2", ME), "accept"),
        "question from its address": (nd(135, TO6, ME, src=IP6), "accept"),
        "question as another": (nd(135, "fe80::2", ME, src="fe80::7"), "drop", "ip"),
        "own address taken?": (nd(135, IP6, src="::"), "accept"),
        "own link-local taken?": (nd(135, LOCAL, src="::"), "accept"),
        "another's address taken?": (nd(135, "fe80::2", src="::"), "drop", "nd"),
        "answer": (nd(136, LOCAL, ME, option=2), "accept"),
        "answer for its prefix": (nd(136, "2001:db8::5", ME, option=2), "accept"),
        "answer for another": (nd(136, "fe80::2", ME, option=2), "drop", "nd"),
        "answer from none": (nd(136, LOCAL, ME, option=2, src="::"), "drop", "nd"),
        "router wanted": (nd(133, None, ME), "accept"),
        "router wanted from none": (nd(133, src="::"), "accept"),
        "router": (nd(134), "drop", "router"),
        "redirect": (nd(137, "fe80::2"), "drop", "router"),
        "from afar": (nd(135, "fe80::2", hops=64), "drop", "nd"),
        "target cut off": (icmp6(135, src=LOCAL, hops=255, body=bytes(12)), "drop", "nd"),
        "option of no length": (nd(135, "fe80::2", extra=bytes(8)), "drop", "nd"),
        "option cut off": (nd(135, "fe80::2", extra=b"\x05\x02" + bytes(6)), "drop", "nd"),
        "two link addresses": (nd(135, "fe80::2", ME, extra=b"\x01\x01" + mac(PEER)), "drop", "nd"),
        "with a code": (icmp6(135, 1, src=LOCAL, hops=255, body=bytes(4) + ip(TO6)), "drop", "nd"),
    })
    t.case("neighbours: options not copied",
           out(nd(135, "fe80::2", ME), "drop", "nd", have=14 + 40 + 24))
    t.each("servers", OPEN, {
        "dhcp": (ack(src=IP), "drop", "router"),
        "dhcp6": (udp(IP6, TO6, 547, 546), "drop", "router"),
    })


def _dhcp(t: Table) -> None:
    none = {"prefixes": (), "flags": DHCP}
    use = udp("192.168.5.5")
    t.each("dhcp", OPEN, {
        "discover": (ask(1), "accept"),
        "request": (ask(3), "accept"),
        "to one server": (ask(3, dst="192.168.5.1"), "drop", "ip"),
        "as another client": (ask(3, hardware=PEER), "drop", "ip"),
        "renewing a lease nobody saw": (ask(3, src="192.168.5.5", client="192.168.5.5"), "accept"),
        "from another's address": (ask(3, src="192.168.5.6", client="192.168.5.5"), "drop", "ip"),
        "not dhcp at all": (udp(ZERO, "255.255.255.255", 68, 67, data=b"x"), "drop", "ip"),
        "address not leased": (use, "drop", "ip"),
        "probe": (arp(1, sender=ZERO), "accept"),
    }, **none)
    t.case("dhcp: not allowed", out(ask(1), "drop", "ip"), prefixes=())
    t.case("dhcp: leased", out(ask()), into(ack()), out(use), out(arp(2, sender="192.168.5.5")),
           out(udp("192.168.5.6"), "drop", "ip"), **none)
    t.case("dhcp: over", out(ask()), into(ack()), out(use, at=750), out(use, "drop", "ip", at=761),
           **none)
    t.case("dhcp: renewed", out(ask()), into(ack()), out(ask(transaction=9), at=400),
           into(ack(transaction=9), at=400), out(use, at=1000), **none)
    t.case("dhcp: for ever", out(ask()), into(ack(lease=0xFFFFFFFF)), out(use, at=10**9), **none)
    t.case("dhcp: not asked", into(ack()), out(use, "drop", "ip"), **none)
    t.case("dhcp: another transaction", out(ask()), into(ack(transaction=5)),
           out(use, "drop", "ip"), **none)
    t.case("dhcp: for another", out(ask()), into(ack(hardware=PEER)), out(use, "drop", "ip"),
           **none)
    t.case("dhcp: an offer only", out(ask()), into(ack(kind=2)), out(use, "drop", "ip"), **none)
    t.case("dhcp: no time given", out(ask()), into(ack(lease=None)), out(use, "drop", "ip"), **none)
    t.case("dhcp: another cookie", out(ask()), into(ack(cookie=1)), out(use, "drop", "ip"), **none)
    t.case("dhcp: options without end", out(ask()), into(ack(end=b"")), out(use, "drop", "ip"),
           **none)
    t.case("dhcp: answer from a checked VIF", open_port(0, port=2), out(ask()), into(ack(),
        origin=2),
           out(use, "drop", "ip"), **none)
    t.case("dhcp: answer from an unchecked VIF", open_port(ANY_ADDRESS, port=2), out(ask()),
           into(ack(), origin=2), out(use), **none)
    t.case("dhcp: answer from itself", out(ask()), into(ack(), origin=0), out(use, "drop", "ip"),
           **none)
    t.case("dhcp: answer that rules drop", out(ask()), into(ack(), "drop"), out(use, "drop", "ip"),
           rules_in="drop udp sport 67\naccept\n", **none)
    t.case("dhcp: released", out(ask()), into(ack()),
           out(dhcp(1, 7, client="192.168.5.5", src="192.168.5.5", dst="192.168.5.1")),
           out(use, "drop", "ip"), **none)
    t.case("dhcp: without the flag", out(ask(src=IP)), into(ack()), out(use, "drop", "ip"))
    t.case("dhcp: survives the switch", out(ask()), into(ack()), successor(200), out(use, at=201),
           **none)
    t.case("dhcp: gone with the guest", out(ask()), into(ack()), port_reset(), out(use, "drop",
        "ip"), **none)
    many = [step for n in range(5) for step in (
        out(ask(transaction=n)), into(ack(f"192.168.5.{n + 1}", 600 + n, transaction=n)))]
    t.case("dhcp: five leases", *many, out(udp("192.168.5.1"), "drop", "ip"),
           *[out(udp(f"192.168.5.{n}")) for n in range(2, 6)], **none)


def add(t: Table) -> None:
    for part in (_mac, _addresses, _claims, _dhcp):
        part(t)
