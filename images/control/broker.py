# SPDX-License-Identifier: BSD-2-Clause
"""Many clients on one line.

A control domain sees one client, which asks one thing at a time. The broker is that
client: it joins the line of a QEMU to a socket where any number of tools may speak the
same protocol, each with its own ids. It sends what they ask in turn, under ids of its
own; sends it again when no answer begins in time; and brings answers and events to whom
they belong.

 - A client that goes leaves its request behind: the answer is dropped.
 - An upload belongs to one client until it was used, or that client has gone. Others
   get "busy".
 - Events and consoles are on as long as somebody wants them. A tap belongs to one client, for
   it has a beginning and a filter.
"""

import itertools
import selectors
import socket
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Optional

from .frame import Decoder, Message, encode

AGAIN_SECONDS = 2.0
MOST_WAITING = 64  # requests of one client
MOST_UNSENT = 1 << 22  # bytes for a client that does not read
USES_UPLOAD = ("upgrade", "define")


@dataclass(eq=False)
class _Peer:
    connection: socket.socket
    decoder: Decoder = field(default_factory=Decoder)
    unsent: bytes = b""
    waiting: int = 0  # requests of its that wait
    events: bool = False
    consoles: set[str] = field(default_factory=set)
    tap: bool = False


@dataclass
class _Asked:
    """The request that is under way."""

    peer: Optional[_Peer]  # None: it has gone, or the broker itself asked
    own_id: int
    message: Message
    again: float


def _refusal(number: object, code: str, text: str) -> Message:
    return {"id": number, "ok": False, "error": {"code": code, "message": text}}


class Broker:
    """line: QEMU's end, a path; path: where clients come. Runs in a thread of its own."""

    def __init__(self, line: Path, path: Path):
        self._line_path, self.path = line, path
        self._selector = selectors.DefaultSelector()
        self._line: Optional[_Peer] = None
        self._peers: list[_Peer] = []
        self._turn: deque[tuple[Optional[_Peer], Message]] = deque()
        self._asked: Optional[_Asked] = None
        self._uploader: Optional[_Peer] = None
        self._ids = itertools.count(time.time_ns() // 1_000_000)
        path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(16)
        self._selector.register(self._listener, selectors.EVENT_READ, None)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> "Broker":
        self._thread.start()
        return self

    def stop(self) -> None:
        self._ended.set()
        self._thread.join(5)
        self.path.unlink(missing_ok=True)

    # --- the loop ---

    def _run(self) -> None:
        while not self._ended.is_set():
            if self._line is None:
                self._open_line()
            for key, ready in self._selector.select(0.2):
                if key.data is None:
                    self._accept()
                else:
                    self._serve(key.data, ready)
            self._ask()
        for peer in list(self._peers) + ([self._line] if self._line else []):
            self._forget(peer)
        self._selector.unregister(self._listener)
        self._listener.close()

    def _open_line(self) -> None:
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(str(self._line_path))
        except OSError:
            connection.close()
            return
        self._line = self._add(connection)
        # Whatever a predecessor has left half sent ends here.
        self._send(self._line, b"\n")

    def _add(self, connection: socket.socket) -> _Peer:
        connection.setblocking(False)
        peer = _Peer(connection)
        self._selector.register(connection, selectors.EVENT_READ, peer)
        return peer

    def _accept(self) -> None:
        connection, _ = self._listener.accept()
        self._peers.append(self._add(connection))

    def _serve(self, peer: _Peer, ready: int) -> None:
        try:
            if ready & selectors.EVENT_WRITE:
                self._flush(peer)
            if not ready & selectors.EVENT_READ:
                return
            data = peer.connection.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._forget(peer)
            return
        for message in peer.decoder.feed(data):
            if peer is self._line:
                self._from_line(message)
            else:
                self._from_client(peer, message)

    def _forget(self, peer: _Peer) -> None:
        self._selector.unregister(peer.connection)
        peer.connection.close()
        if peer is self._line:
            self._line = None
            return
        self._peers.remove(peer)
        self._turn = deque(entry for entry in self._turn if entry[0] is not peer)
        if self._uploader is peer:
            self._uploader = None
        if self._asked and self._asked.peer is peer:
            self._asked.peer = None
        self._unsubscribe(peer)

    # --- sending ---

    def _send(self, peer: _Peer, data: bytes) -> None:
        if len(peer.unsent) > MOST_UNSENT:
            return  # a client that does not read loses what it does not read
        peer.unsent += data
        try:
            self._flush(peer)
        except OSError:
            pass  # reading finds it closed

    def _flush(self, peer: _Peer) -> None:
        try:
            sent = peer.connection.send(peer.unsent) if peer.unsent else 0
        except BlockingIOError:
            sent = 0
        peer.unsent = peer.unsent[sent:]
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if peer.unsent else 0)
        self._selector.modify(peer.connection, events, peer)

    # --- requests ---

    def _from_client(self, peer: _Peer, message: Message) -> None:
        number, verb = message.get("id"), message.get("verb")
        if not isinstance(number, int) or not isinstance(verb, str):
            self._send(peer, encode(_refusal(number, "invalid", "found no id and verb in it")))
        elif self._is_under_way(peer, number):
            pass  # asked again
        elif peer.waiting >= MOST_WAITING:
            self._send(peer, encode(_refusal(number, "busy", "too many requests at once")))
        elif verb in ("upload", *USES_UPLOAD) and self._uploader not in (None, peer):
            self._send(peer, encode(_refusal(number, "busy", "someone else is uploading")))
        else:
            if verb == "upload":
                self._uploader = peer
            peer.waiting += 1
            self._turn.append((peer, message))

    def _is_under_way(self, peer: _Peer, number: int) -> bool:
        if self._asked and self._asked.peer is peer and self._asked.own_id == number:
            return True
        return any(entry[0] is peer and entry[1]["id"] == number for entry in self._turn)

    def _ask(self) -> None:
        """The next request, or the present one again."""
        now = time.monotonic()
        if self._line is None:
            return
        while self._asked is None and self._turn:
            peer, message = self._turn.popleft()
            if peer:
                peer.waiting -= 1
            if peer is None or self._subscribe(peer, message):
                self._asked = _Asked(
                    peer, message.get("id", 0), {**message, "id": next(self._ids)}, 0.0
                )
        if self._asked and now >= self._asked.again:
            self._asked.again = now + AGAIN_SECONDS
            self._send(self._line, encode(self._asked.message))

    def _from_line(self, message: Message) -> None:
        if "event" in message:
            self._event(message)
            return
        asked = self._asked
        if asked is None or message.get("id") != asked.message["id"]:
            return
        if asked.peer is not None:
            self._send(asked.peer, encode({**message, "id": asked.own_id}))
        if "item" in message:
            asked.again = time.monotonic() + AGAIN_SECONDS
            return
        if asked.message["verb"] in USES_UPLOAD and self._uploader is asked.peer:
            self._uploader = None
        if asked.peer is not None and not message.get("ok"):
            self._note(asked.peer, {**asked.message, "on": False})
        self._asked = None

    # --- events ---

    def _note(self, peer: _Peer, message: Message) -> bool:
        """Who wants what; whether anybody still wants it."""
        on, name = bool(message.get("on")), message.get("name")
        if message["verb"] == "events":
            peer.events = on
            return any(other.events for other in self._peers)
        if message["verb"] == "console" and isinstance(name, str) and "data" not in message:
            (peer.consoles.add if on else peer.consoles.discard)(name)
            return any(name in other.consoles for other in self._peers)
        if message["verb"] == "net-tap":
            peer.tap = on
            return any(other.tap for other in self._peers)
        return False

    def _subscribe(self, peer: _Peer, message: Message) -> bool:
        """False: it is answered here: others still want it, or have it for themselves."""
        number, on = message["id"], message.get("on")
        if message["verb"] == "net-tap" and on and any(
                other.tap for other in self._peers if other is not peer):
            self._send(peer, encode(_refusal(number, "busy", "someone else taps")))
            return False
        if self._note(peer, message) and on is False:
            self._send(peer, encode({"id": number, "ok": True}))
            return False
        return True

    def _unsubscribe(self, peer: _Peer) -> None:
        """After it has gone: what nobody wants any more is turned off."""
        if peer.events and not any(other.events for other in self._peers):
            self._turn.append((None, {"verb": "events", "on": False}))
        if peer.tap and not any(other.tap for other in self._peers):
            self._turn.append((None, {"verb": "net-tap", "on": False}))
        for name in peer.consoles:
            if not any(name in other.consoles for other in self._peers):
                self._turn.append((None, {"verb": "console", "name": name, "on": False}))

    def _event(self, message: Message) -> None:
        kind, name = message["event"], message.get("name")
        if kind == "hello":
            self._restore()
        for peer in self._peers:
            if kind == "lost":  # of which console, nobody knows
                wanted = {"console": bool(peer.consoles), "tap": peer.tap}.get(
                    str(message.get("of")), peer.events)
            else:
                wanted = {"console": name in peer.consoles, "tap": peer.tap}.get(kind, peer.events)
            if wanted:
                self._send(peer, encode(message))

    def _restore(self) -> None:
        """The control domain is a new one, and knows of no subscriptions."""
        if self._asked:
            self._asked.again = 0.0
        if any(peer.events for peer in self._peers):
            self._turn.append((None, {"verb": "events", "on": True}))
        for peer in self._peers:  # a capture has a beginning: it ends here
            if peer.tap:
                self._send(peer, encode({"event": "tap", "data": ""}))
                peer.tap = False
        for name in sorted(set().union(*(peer.consoles for peer in self._peers))):
            self._turn.append((None, {"verb": "console", "name": name, "on": True}))
