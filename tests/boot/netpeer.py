# SPDX-License-Identifier: BSD-2-Clause
"""The other end of a wire for netcheck (tests/drivers/netcheck): frames come back.

QEMU's `-netdev stream` passes frames over a local socket, each behind its length. What
comes in goes back to its sender, with two exceptions: TYPE_REQUEST asks for a frame
to the address at its end first, and TCP is put together, from segments or fragments or
both, and judged when all of it is there."""

import contextlib
import socket
import struct
import tempfile
import threading
from typing import Iterator, Optional

ECHO, REQUEST, VERDICT, IPV4 = 0x88B5, 0x88B6, 0x88B7, 0x0800
PEER = bytes([2, 0, 0, 0, 0, 1])
TCP = 6
CUT_BYTES = 20000


def checksum(data: bytes) -> int:
    """The Internet checksum as it is on the wire; 0 over what contains a right one."""
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


class Pieces:
    """A TCP segment that a card has cut, by TCP or by IP."""

    def __init__(self) -> None:
        self.fragments: dict[int, dict[int, tuple[bytes, bool]]] = {}
        self.payload = bytearray(CUT_BYTES)
        self.have = [False] * CUT_BYTES
        self.right = True

    def take(self, packet: bytes) -> Optional[bool]:
        """An IPv4 packet; whether all is right, once all is there."""
        size, total = (packet[0] & 15) * 4, struct.unpack_from(">H", packet, 2)[0]
        if total > len(packet) or checksum(packet[:size]):
            return False
        identifier, fragment = struct.unpack_from(">HH", packet, 4)
        addresses, data = packet[12:20], packet[size:total]
        if fragment & 0x3FFF:
            parts = self.fragments.setdefault(identifier, {})
            parts[(fragment & 0x1FFF) * 8] = (data, not fragment & 0x2000)
            whole = self.join(parts)
            if whole is None:
                return None
            data = whole
        return self.segment(addresses, data)

    def join(self, parts: dict[int, tuple[bytes, bool]]) -> Optional[bytes]:
        found = b""
        while len(found) in parts:
            data, last = parts[len(found)]
            found += data
            if last:
                return found
        return None

    def segment(self, addresses: bytes, data: bytes) -> Optional[bool]:
        if checksum(addresses + struct.pack(">HH", TCP, len(data)) + data):
            return False
        first = struct.unpack_from(">I", data, 4)[0]
        payload = data[(data[12] >> 4) * 4 :]
        if first + len(payload) > CUT_BYTES:
            return False
        self.payload[first : first + len(payload)] = payload
        self.have[first : first + len(payload)] = [True] * len(payload)
        if not all(self.have):
            return None
        return bytes(self.payload) == bytes((i * 7 + (i >> 8)) & 255 for i in range(CUT_BYTES))


class Peer:
    """Answers what comes over one connection, until it is closed."""

    def __init__(self, listener: socket.socket):
        self.listener = listener
        self.frames = 0
        self.cut = 0  # TCP packets that came
        self.reading = threading.Event()
        self.reading.set()
        self.pieces = Pieces()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self) -> None:
        with contextlib.suppress(OSError):
            wire, _ = self.listener.accept()
            with wire, wire.makefile("rb") as stream:
                while len(head := stream.read(4)) == 4:
                    frame = stream.read(struct.unpack(">I", head)[0])
                    self.frames += 1
                    self.reading.wait()
                    for answer in self.answers(frame):
                        wire.sendall(struct.pack(">I", len(answer)) + answer)

    def answers(self, frame: bytes) -> Iterator[bytes]:
        sender, kind = frame[6:12], struct.unpack_from(">H", frame, 12)[0]
        back = sender + PEER + frame[12:]
        if kind == IPV4 and frame[23] == TCP:
            self.cut += 1
            verdict = self.pieces.take(frame[14:])
            if verdict is not None:
                self.pieces = Pieces()
                yield sender + PEER + struct.pack(">HB", VERDICT, verdict) + bytes(45)
        elif kind == REQUEST:
            frame, address = frame[:-6], frame[-6:]
            yield address + PEER + struct.pack(">H", VERDICT) + bytes(46)
            yield sender + PEER + struct.pack(">H", ECHO) + frame[14:]
        else:
            yield back


@contextlib.contextmanager
def peer() -> Iterator[tuple[Peer, list[str]]]:
    """A peer, and QEMU's arguments for the end of the wire that is named n0."""
    with tempfile.TemporaryDirectory(prefix="tessera.wire.") as folder:
        path = f"{folder}/wire"
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path)
            listener.listen(1)
            yield Peer(listener), [
                "-netdev", f"stream,id=n0,server=off,addr.type=unix,addr.path={path}",
            ]
