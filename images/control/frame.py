# SPDX-License-Identifier: BSD-2-Clause
"""Messages as lines of bytes, and lines of bytes as messages.

A line may be anything: a half frame of somebody who died, the boot messages of a
firmware, noise. What is no frame is dropped up to the next newline and counted, so a
reader finds the next frame wherever it begins to read.
"""

import json
import re
import zlib
from typing import Any, Iterator

LARGEST = 65536
_HEAD = re.compile(rb"TC1 ([0-9a-f]{8}) ([0-9a-f]{8}) ")
_HEAD_SIZE = 22

Message = dict[str, Any]


def encode(message: Message) -> bytes:
    payload = json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode()
    if len(payload) > LARGEST:
        raise ValueError(f"a message of {len(payload)} bytes, at most {LARGEST} are allowed")
    return b"TC1 %08x %08x %s\n" % (len(payload), zlib.crc32(payload), payload)


def _decode(line: bytes) -> Message | None:
    """The message of a line without its newline; None: it is no frame."""
    head = _HEAD.match(line)
    payload = line[_HEAD_SIZE:]
    if not head or int(head[1], 16) != len(payload) or int(head[2], 16) != zlib.crc32(payload):
        return None
    try:
        message = json.loads(payload)
    except ValueError:
        return None
    return message if isinstance(message, dict) else None


class Decoder:
    """Feed it bytes; it gives messages."""

    def __init__(self) -> None:
        self._rest = b""
        self._skipping = False
        self.dropped = 0  # lines that were no frames

    def feed(self, data: bytes) -> Iterator[Message]:
        lines = (self._rest + data).split(b"\n")
        self._rest = lines.pop()
        for line in lines:
            message = None if self._skipping else _decode(line)
            self._skipping = False
            if message is not None:
                yield message
            else:
                self.dropped += 1
        if len(self._rest) > _HEAD_SIZE + LARGEST:
            self._rest, self._skipping = b"", True
