# SPDX-License-Identifier: BSD-2-Clause
"""The host's end of the kill campaign: a server that speaks the protocol of talk.c, in
this process, somebody who takes a file, and the distribution's iperf3, each on a port of
the loopback interface that the system chooses."""

import functools
import hashlib
import socket
import struct
import subprocess
import threading

LENGTH, STEP, CHUNK, MAGIC = 1000003, 7919, 65536, 0x4B4C4154
TO_SERVER, FROM_SERVER = 1, 2
HELLO, VERDICT = struct.Struct("<IIII"), struct.Struct("<QQ")
MASK = (1 << 64) - 1


@functools.cache
def pattern() -> bytes:
    """As in talk.c: the table, and its first part once more."""
    state, found = 0x9E3779B97F4A7C15, bytearray()
    for _ in range(LENGTH):
        state ^= state << 13 & MASK
        state ^= state >> 7
        state ^= state << 17 & MASK
        found.append(state >> 32 & 0xFF)
    return bytes(found + found[:CHUNK])


def _bytes_at(stream: int, place: int, size: int) -> bytes:
    first = (place + stream * STEP) % LENGTH
    return pattern()[first : first + size]


def content(size: int) -> bytes:
    """What `talk file` writes."""
    return (pattern()[:LENGTH] * (size // LENGTH + 1))[:size]


def _iperf() -> tuple[int, "subprocess.Popen[str]"]:
    """An iperf3 that answers once, and its port. It cannot be told to choose one."""
    for _ in range(100):
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        server = subprocess.Popen(
            ["iperf3", "-s", "-1", "--forceflush", "-B", "127.0.0.1", "-p", str(port)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert server.stdout is not None
        for line in server.stdout:
            if line.startswith("Server listening"):
                return port, server
        server.wait()  # somebody else has the port by now
        server.stdout.close()
    raise OSError("iperf3 finds no port")


class Peer:
    """The server, iperf3, and who takes a file, until it is closed."""

    def __init__(self) -> None:
        pattern()
        self.problems: list[str] = []
        self.received = 0
        self.lock = threading.Lock()
        self.iperf, self.helper = _iperf()
        self.taker = socket.create_server(("127.0.0.1", 0))
        self.file: int = self.taker.getsockname()[1]
        self.digest = ""  # of the file that came
        threading.Thread(target=self._take, daemon=True).start()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self.helper.kill()
        self.helper.communicate()
        for listener in (self.taker, self.listener):
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()

    def _accept(self) -> None:
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(peer,), daemon=True).start()

    def _take(self) -> None:
        found = hashlib.sha256()
        try:
            peer, _ = self.taker.accept()
            with peer:
                while data := peer.recv(CHUNK):
                    found.update(data)
                self.digest = found.hexdigest()
        except OSError as error:
            with self.lock:
                self.problems.append(f"host: the file: {error}")

    def _answer(self, peer: socket.socket) -> None:
        stream = -1
        try:
            with peer:
                head = peer.recv(HELLO.size, socket.MSG_WAITALL)
                magic, kind, stream, _ = HELLO.unpack(head)
                if magic != MAGIC:
                    raise OSError("no hello")
                if kind == FROM_SERVER:
                    self._put(peer, stream)
                else:
                    peer.sendall(VERDICT.pack(*self._get(peer, stream)))
        except (OSError, struct.error) as error:
            with self.lock:
                self.problems.append(f"host: stream {stream}: {error}")

    def _get(self, peer: socket.socket, stream: int) -> tuple[int, int]:
        place = wrong = 0
        while data := peer.recv(CHUNK):
            if data != _bytes_at(stream, place, len(data)):
                wrong += 1
                with self.lock:
                    self.problems.append(f"host: a byte of stream {stream} at {place}")
            place += len(data)
        with self.lock:
            self.received += place
        return place, wrong

    def _put(self, peer: socket.socket, stream: int) -> None:
        """Until the client ends its own direction; a send never waits for ever."""
        place = 0
        while True:
            place += peer.send(_bytes_at(stream, place, CHUNK))
            try:
                if not peer.recv(1, socket.MSG_DONTWAIT):
                    break
            except BlockingIOError:
                pass
        peer.shutdown(socket.SHUT_WR)
        peer.recv(1)
