# SPDX-License-Identifier: BSD-2-Clause
"""One session with a running system: requests, their answers, and events.

A client sends one request at a time. It sends it again, with the same id, when no
answer begins within a second: the line may have lost it, or the control domain may just
have been replaced. What is asked twice is done once (docs/reference/control-protocol.md).
"""

import base64
import itertools
import os
import re
import select
import socket
import time
from collections import deque
from pathlib import Path
from typing import Any, Callable, Iterator, Optional

from .frame import Decoder, Message, encode

AGAIN_SECONDS = 1.0
CHUNK = 24576  # bytes of an upload in one message


class Unreachable(Exception):
    """Nobody answers at the other end."""


class Ended(Unreachable):
    """There was a system, and it has ended."""


class Refused(Exception):
    """The system says no. fields: of the error, as the protocol has them."""

    def __init__(self, fields: Message):
        super().__init__(str(fields.get("message", fields.get("code", "refused"))))
        self.fields = fields
        self.code = str(fields.get("code", "failed"))

    def explained(self) -> str:
        """All that was said, for a person."""
        text = str(self)
        where = self.fields.get("domain")
        if where and not re.search(rf"(?<![\w-]){re.escape(str(where))}(?![\w-])", text):
            text = f"{where}: {text}"
        for key, word in (("expected", "expected"), ("found", "found"), ("try", "try")):
            if self.fields.get(key):
                text += f"\n  {word}: {self.fields[key]}"
        if self.fields.get("line"):
            text += f"\n  line {self.fields['line']} of the description"
        return text


class Client:
    """Over a Unix socket; the time limit is for each request."""

    def __init__(self, path: Path, seconds: float = 20):
        self._socket = socket.socket(socket.AF_UNIX)
        self._ids = itertools.count(time.monotonic_ns() // 1000 + os.getpid())
        self._decoder = Decoder()
        self._waiting: deque[Message] = deque()
        self._seconds = seconds
        self.events: deque[Message] = deque()  # that came while an answer was awaited
        try:
            # A path in a deep folder is too long for a socket's address; a link to it is not.
            self._connect(path)
        except OSError as error:
            self._socket.close()
            raise Unreachable(f"{path}: {error.strerror}") from error

    def _connect(self, path: Path) -> None:
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            self._socket.connect(f"/proc/self/fd/{folder}/{path.name}")
        finally:
            os.close(folder)

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()

    def fileno(self) -> int:
        return self._socket.fileno()

    def _receive(self, seconds: float) -> bool:
        """Reads what is there; False: nothing came in that time."""
        if self._waiting or self.events:
            return True
        ready, _, _ = select.select([self._socket], [], [], max(seconds, 0))
        if not ready:
            return False
        try:
            data = self._socket.recv(65536)
        except ConnectionResetError:  # it ended before it had read everything
            data = b""
        except OSError as error:
            raise Unreachable(f"the line broke: {error.strerror}") from error
        if not data:
            raise Ended("the system has ended")
        for message in self._decoder.feed(data):
            (self.events if "event" in message else self._waiting).append(message)
        return True

    def _send(self, message: Message) -> None:
        try:
            self._socket.sendall(encode(message))
        except BrokenPipeError:  # _receive() finds the end, behind what it had still to say
            pass
        except OSError as error:
            raise Unreachable(f"the line broke: {error.strerror}") from error

    def stream(self, verb: str, **keys: Any) -> Iterator[Message]:
        """The items of the answer, and last the answer itself. Raises Refused, Unreachable."""
        request = {"id": next(self._ids), "verb": verb, **keys}
        deadline = time.monotonic() + self._seconds
        again = 0.0
        while True:
            now = time.monotonic()
            if now >= deadline:
                raise Unreachable(f"no answer to '{verb}' within {self._seconds:g} seconds")
            if now >= again:
                self._send(request)
                again = now + AGAIN_SECONDS
            while self._waiting:
                message = self._waiting.popleft()
                if message.get("id") != request["id"]:
                    continue
                again = time.monotonic() + self._seconds
                if "item" in message:
                    yield message["item"]
                elif message.get("ok"):
                    yield message
                    return
                else:
                    raise Refused(message.get("error", {}))
            self._wait(min(deadline, again))

    def _wait(self, until: float) -> None:
        events = self.events
        self.events = deque()
        try:
            self._receive(until - time.monotonic())
        finally:
            self.events = events + self.events

    def request(self, verb: str, **keys: Any) -> Message:
        """The answer alone."""
        answer: Message = {}
        for answer in self.stream(verb, **keys):
            pass
        return answer

    def items(self, verb: str, **keys: Any) -> list[Message]:
        """The items alone."""
        return list(self.stream(verb, **keys))[:-1]

    def upload(self, data: bytes, told: Optional[Callable[[int], None]] = None) -> None:
        """Brings a file into the system, for the request that follows. What is 0 is so there."""
        self.request("upload", size=len(data))
        for offset in range(0, len(data), CHUNK):
            chunk = data[offset : offset + CHUNK]
            if any(chunk):
                self.request("upload", offset=offset, data=base64.b64encode(chunk).decode())
            if told:
                told(min(offset + CHUNK, len(data)))

    def event(self, seconds: Optional[float] = None) -> Optional[Message]:
        """The next event; None: there was none in that time."""
        deadline = None if seconds is None else time.monotonic() + seconds
        while not self.events:
            left = 3600.0 if deadline is None else deadline - time.monotonic()
            if not self._receive(left) and deadline is not None:
                return None
            self._waiting.clear()
        return self.events.popleft()
