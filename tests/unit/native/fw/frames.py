# SPDX-License-Identifier: BSD-2-Clause
"""Frames for tests, byte by byte and with right checksums: written from the RFCs, apart from
what the project itself does to frames."""

import ipaddress
import struct

ME, PEER, OTHER = "52:54:00:00:00:01", "52:54:00:00:00:02", "52:54:00:00:00:03"
ALL = "ff:ff:ff:ff:ff:ff"
IP, IP6 = "10.0.0.1", "2001:db8::1"
TO, TO6 = "10.9.9.9", "2001:db8:9::9"
# The link-local address of ME (RFC 4291, appendix A).
LOCAL = "fe80::5054:ff:fe00:1"


def mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


def ip(text: str) -> bytes:
    return ipaddress.ip_address(text).packed


def checksum(data: bytes) -> int:
    data += bytes(len(data) % 2)
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def ethernet(kind: int, payload: bytes, src: str = ME, dst: str = PEER, tags: tuple = ()) -> bytes:
    tagged = b"".join(struct.pack(">HH", 0x8100, tag) for tag in tags)
    return mac(dst) + mac(src) + tagged + struct.pack(">H", kind) + payload


def ip4(protocol: int, payload: bytes, src: str = IP, dst: str = TO, options: bytes = b"",
        offset: int = 0, more: bool = False, number: int = 7, length: int | None = None,
        version: int = 4, words: int | None = None, **link) -> bytes:
    """offset in bytes; length and words (of the header) may lie."""
    words = 5 + len(options) // 4 if words is None else words
    length = 20 + len(options) + len(payload) if length is None else length
    header = struct.pack(">BBHHHBBH4s4s", version << 4 | words, 0, length, number,
                         offset // 8 | (0x2000 if more else 0), 64, protocol, 0, ip(src),
                         ip(dst)) + options
    header = header[:10] + struct.pack(">H", checksum(header)) + header[12:]
    return ethernet(0x0800, header + payload, **link)


def ip6(protocol: int, payload: bytes, src: str = IP6, dst: str = TO6, hops: int = 64,
        length: int | None = None, version: int = 6, **link) -> bytes:
    length = len(payload) if length is None else length
    header = struct.pack(">IHBB16s16s", version << 28, length, protocol, hops, ip(src), ip(dst))
    return ethernet(0x86DD, header + payload, **link)


def pseudo(src: str, dst: str, protocol: int, data: bytes) -> bytes:
    if ":" in src:
        return ip(src) + ip(dst) + struct.pack(">II", len(data), protocol)
    return ip(src) + ip(dst) + struct.pack(">HH", protocol, len(data))


def _by_family(protocol: int, data: bytes, src: str, dst: str, **rest) -> bytes:
    return (ip6 if ":" in src else ip4)(protocol, data, src, dst, **rest)


FLAGS = {"F": 1, "S": 2, "R": 4, "P": 8, "A": 16, "U": 32}


def tcp_bytes(sport: int, dport: int, flags: str, seq: int = 1000, ack: int = 0,
              data: bytes = b"", window: int = 8192, options: bytes = b"") -> bytes:
    bits = sum(FLAGS[flag] for flag in flags)
    words = 5 + len(options) // 4
    return struct.pack(">HHIIBBHHH", sport, dport, seq & 0xFFFFFFFF, ack & 0xFFFFFFFF,
                       words << 4, bits, window, 0, 0) + options + data


def tcp(flags: str = "S", src: str = IP, dst: str = TO, sport: int = 4000, dport: int = 80,
        seq: int = 1000, ack: int = 0, data: bytes = b"", window: int = 8192,
        options: bytes = b"", **rest) -> bytes:
    raw = tcp_bytes(sport, dport, flags, seq, ack, data, window, options)
    summed = checksum(pseudo(src, dst, 6, raw) + raw)
    return _by_family(6, raw[:16] + struct.pack(">H", summed) + raw[18:], src, dst, **rest)


def udp(src: str = IP, dst: str = TO, sport: int = 5000, dport: int = 53, data: bytes = b"data",
        length: int | None = None, protocol: int = 17, **rest) -> bytes:
    length = 8 + len(data) if length is None else length
    raw = struct.pack(">HHHH", sport, dport, length, 0) + data
    summed = checksum(pseudo(src, dst, protocol, raw) + raw) or 0xFFFF
    return _by_family(protocol, raw[:6] + struct.pack(">H", summed) + raw[8:], src, dst, **rest)


def icmp(kind: int = 8, code: int = 0, number: int = 77, src: str = IP, dst: str = TO,
         data: bytes = b"ping", **rest) -> bytes:
    raw = struct.pack(">BBHHH", kind, code, 0, number, 1) + data
    raw = raw[:2] + struct.pack(">H", checksum(raw)) + raw[4:]
    return ip4(1, raw, src, dst, **rest)


def icmp6(kind: int = 128, code: int = 0, number: int = 77, src: str = IP6, dst: str = TO6,
          data: bytes = b"ping", body: bytes | None = None, **rest) -> bytes:
    """body: all behind the checksum."""
    body = struct.pack(">HH", number, 1) + data if body is None else body
    raw = struct.pack(">BBH", kind, code, 0) + body
    raw = raw[:2] + struct.pack(">H", checksum(pseudo(src, dst, 58, raw) + raw)) + raw[4:]
    return ip6(58, raw, src, dst, **rest)


def error_about(frame: bytes, src: str, dst: str, kind: int = 3, code: int = 1,
                quoted: int = 28, **rest) -> bytes:
    """An ICMP error that quotes the IP packet of a frame without tags."""
    quote = frame[14 : 14 + quoted]
    if ":" in src:
        return icmp6(kind, code, src=src, dst=dst, body=bytes(4) + quote, **rest)
    raw = struct.pack(">BBHI", kind, code, 0, 0) + quote
    raw = raw[:2] + struct.pack(">H", checksum(raw)) + raw[4:]
    return ip4(1, raw, src, dst, **rest)


def arp(operation: int = 1, sender: str = IP, target: str = TO, hardware: str = ME,
        src: str = ME, dst: str = ALL, kinds: tuple = (1, 0x0800, 6, 4)) -> bytes:
    return ethernet(0x0806, struct.pack(">HHBBH", *kinds, operation) + mac(hardware) + ip(sender)
                    + bytes(6) + ip(target), src, dst)


def nd(kind: int, target: str | None = None, link: str | None = None, src: str = LOCAL,
       dst: str = "ff02::1", option: int = 1, hops: int = 255, extra: bytes = b"", **rest) -> bytes:
    """Neighbour discovery, types 133 to 137."""
    body = bytes(4)
    if kind == 134:
        body += bytes(8)
    if target is not None:
        body += ip(target)
    if kind == 137:
        body += ip(target or "::")
    if link is not None:
        body += bytes([option, 1]) + mac(link)
    return icmp6(kind, 0, src=src, dst=dst, body=body + extra, hops=hops, **rest)


def dhcp(operation: int, kind: int, transaction: int = 0x1234, yours: str = "0.0.0.0",
         client: str = "0.0.0.0", hardware: str = ME, lease: int | None = None,
         src: str = "0.0.0.0", dst: str = "255.255.255.255", cookie: int = 0x63825363,
         end: bytes = b"\xff", **rest) -> bytes:
    """operation 1 from a client, 2 from a server; rest: of the frame."""
    raw = struct.pack(">BBBBIHH4s4s4s4s", operation, 1, 6, 0, transaction, 0, 0, ip(client),
                      ip(yours), bytes(4), bytes(4)) + mac(hardware).ljust(16, b"\0") + bytes(192)
    raw += struct.pack(">I", cookie) + bytes([53, 1, kind])
    if lease is not None:
        raw += bytes([51, 4]) + struct.pack(">I", lease)
    ports = (68, 67) if operation == 1 else (67, 68)
    return udp(src, dst, *ports, data=raw + end, **rest)


def extension(following: int, data: bytes = bytes(6)) -> bytes:
    """An IPv6 extension header; data: 6, 14, ... bytes."""
    return bytes([following, (len(data) + 2) // 8 - 1]) + data


def fragment6(following: int, offset: int, more: bool, number: int = 7) -> bytes:
    return struct.pack(">BBHI", following, 0, offset | more, number)
