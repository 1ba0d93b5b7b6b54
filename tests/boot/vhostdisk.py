# SPDX-License-Identifier: BSD-2-Clause
"""A virtio disk that is a thread of the test, by QEMU's vhost-user-blk: none of QEMU's own disks
ever says that it is done with less than it was asked for, and this one does where it is told to.

Virtio 1.1, 2.6 (split queues) and 5.2 (block device); the messages are those of QEMU's
docs/interop/vhost-user.rst. One queue, chains in the queue itself, the data in memory."""

import array
import mmap
import os
import selectors
import socket
import struct
import tempfile
import threading
from pathlib import Path
from typing import Callable, Optional

SECTOR = 512
VERSION_1, PROTOCOL, FLUSH, SEG_MAX = 1 << 32, 1 << 30, 1 << 9, 1 << 2
CONFIG = 1 << 9  # of the protocol's own features
REPLY = 5  # version 1, and this is an answer
(GET_FEATURES, SET_MEM_TABLE, SET_VRING_NUM, SET_VRING_ADDR, SET_VRING_BASE, GET_VRING_BASE,
 SET_VRING_KICK, SET_VRING_CALL, GET_PROTOCOL_FEATURES, GET_CONFIG) = (
    1, 5, 8, 9, 10, 11, 12, 13, 15, 24)
NEXT, WRITE = 1, 2  # of a descriptor
IN, OUT = 0, 1


class Region:
    """A part of the machine's memory."""

    def __init__(self, guest: int, size: int, user: int, offset: int, fd: int):
        self.guest, self.user, self.size = guest, user, size
        self.at = mmap.mmap(fd, size, offset=offset)
        os.close(fd)


class Disk:
    """Of so many bytes. moves(write, sector, count): so many bytes are moved of a request, all
    of which is said to be done."""

    def __init__(self, size: int, moves: Optional[Callable[[bool, int, int], int]] = None):
        self.data = bytearray(size)
        self.moves = moves or (lambda write, sector, count: count)
        self.folder = tempfile.TemporaryDirectory(prefix="tessera.vhost.")
        self.path = Path(self.folder.name) / "socket"
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(self.path))
        self.listener.listen(1)
        self.regions: list[Region] = []
        self.number = self.taken = 0  # of the queue: its size, requests taken
        self.rings = (0, 0, 0)  # addresses of descriptors, of what is used, of what is available
        self.kick = self.call = -1
        self.events = selectors.DefaultSelector()
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def __enter__(self) -> "Disk":
        return self

    def __exit__(self, *_: object) -> None:
        self.listener.close()
        self.folder.cleanup()

    def arguments(self, memory: int) -> list[str]:
        """Of QEMU; `memory` in MiB, as the disk has to share it."""
        return [
            "-m", str(memory), "-object",
            f"memory-backend-memfd,id=memory,share=on,size={memory}M",
            "-machine", "memory-backend=memory",
            "-chardev", f"socket,id=disk,path={self.path}",
            "-device", "vhost-user-blk-pci,chardev=disk,disable-legacy=on",
        ]

    # --- messages ---

    def _serve(self) -> None:
        line, _ = self.listener.accept()
        self.events.register(line, selectors.EVENT_READ, "message")
        while True:
            for key, _ in self.events.select():
                if key.data == "kick":
                    os.read(self.kick, 8)
                    self._work()
                elif not self._message(line):
                    return

    def _message(self, line: socket.socket) -> bool:
        head, ancillary, _, _ = line.recvmsg(12, socket.CMSG_SPACE(8 * 4))
        if len(head) < 12:
            return False
        request, _, size = struct.unpack("<3I", head)
        body = line.recv(size, socket.MSG_WAITALL) if size else b""
        fds = array.array("i")
        for _, _, data in ancillary:
            fds.frombytes(data[: len(data) // 4 * 4])
        answer = self._answer(request, body, list(fds))
        if answer is not None:
            line.sendall(struct.pack("<3I", request, REPLY, len(answer)) + answer)
        return True

    def _answer(self, request: int, body: bytes, fds: list[int]) -> Optional[bytes]:
        if request == GET_FEATURES:
            return struct.pack("<Q", VERSION_1 | PROTOCOL | FLUSH | SEG_MAX)
        if request == GET_PROTOCOL_FEATURES:
            return struct.pack("<Q", CONFIG)
        if request == GET_CONFIG:
            offset, size, _ = struct.unpack_from("<3I", body)
            config = struct.pack("<Q2I", len(self.data) // SECTOR, 0, 16).ljust(256, b"\0")
            return body[:12] + config[offset : offset + size]
        if request == GET_VRING_BASE:
            self._stop()
            return struct.pack("<2I", 0, self.taken)
        if request == SET_MEM_TABLE:
            count, = struct.unpack_from("<I", body)
            self.regions = [Region(*struct.unpack_from("<4Q", body, 8 + 32 * i), fds[i])
                            for i in range(count)]
        elif request == SET_VRING_NUM:
            _, self.number = struct.unpack("<2I", body)
        elif request == SET_VRING_BASE:
            _, self.taken = struct.unpack("<2I", body)
        elif request == SET_VRING_ADDR:
            self.rings = struct.unpack_from("<3Q", body, 8)
        elif request == SET_VRING_CALL:
            self.call = fds[0] if fds else -1
        elif request == SET_VRING_KICK and fds:
            self._stop()
            self.kick = fds[0]
            self.events.register(self.kick, selectors.EVENT_READ, "kick")
        return None

    def _stop(self) -> None:
        if self.kick >= 0:
            self.events.unregister(self.kick)
            os.close(self.kick)
        self.kick = -1

    # --- requests ---

    def _memory(self, address: int, size: int, guest: bool = True) -> memoryview:
        for region in self.regions:
            first = region.guest if guest else region.user
            if first <= address and address + size <= first + region.size:
                return memoryview(region.at)[address - first : address - first + size]
        raise ValueError(f"{address:#x} is no memory")

    def _chain(self, head: int) -> list[tuple[memoryview, bool]]:
        table = self._memory(self.rings[0], 16 * self.number, guest=False)
        found, n, flags = [], head, NEXT
        while flags & NEXT:
            address, length, flags, after = struct.unpack_from("<QIHH", table, 16 * n)
            found.append((self._memory(address, length), bool(flags & WRITE)))
            n = after
        return found

    def _carry_out(self, chain: list[tuple[memoryview, bool]]) -> int:
        """How many bytes were written to memory."""
        kind, _, sector = struct.unpack_from("<IIQ", chain[0][0])
        data = [part for part, _ in chain[1:-1]]
        left = total = sum(map(len, data)) if kind in (IN, OUT) else 0
        if total:
            left = self.moves(kind == OUT, sector, total)
        at, moved = sector * SECTOR, left
        for part in data:
            count = min(len(part), left)
            if kind == IN:
                part[:count] = self.data[at : at + count]
            else:
                self.data[at : at + count] = part[:count]
            at, left = at + count, left - count
        chain[-1][0][0] = 0  # well done
        return 1 + (moved if kind == IN else 0)

    def _work(self) -> None:
        _, used_at, available_at = self.rings
        available = self._memory(available_at, 4 + 2 * self.number, guest=False)
        used = self._memory(used_at, 4 + 8 * self.number, guest=False)
        while self.taken != struct.unpack_from("<H", available, 2)[0]:
            head, = struct.unpack_from("<H", available, 4 + 2 * (self.taken % self.number))
            written = self._carry_out(self._chain(head))
            struct.pack_into("<2I", used, 4 + 8 * (self.taken % self.number), head, written)
            self.taken = (self.taken + 1) % 65536
            struct.pack_into("<H", used, 2, self.taken)
        os.write(self.call, struct.pack("<Q", 1))
