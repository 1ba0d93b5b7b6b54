# SPDX-License-Identifier: BSD-2-Clause
"""The raw stream: pieces of the CPUs' buffers, each with how many records are missing
before it. Whatever is no piece is passed over, a record at a time, and counted."""

import struct
from dataclasses import dataclass, field
from typing import Any

RECORD = struct.Struct("<QHHHHQQ")
PIECE = struct.Struct("<QIIQQ")
MAGIC = 0x3130454341525400
POINTS_MAX = 64


@dataclass(frozen=True, order=True)
class Record:
    time: int  # ns since boot
    cpu: int
    number: int  # in its CPU's buffer
    point: int
    domain: int
    vcpu: int
    a: int
    b: int


@dataclass
class Trace:
    """A stream as it was read, in the order of time."""

    records: list[Record] = field(default_factory=list)
    lost: dict[int, int] = field(default_factory=dict)  # records, by CPU
    junk: int = 0  # units that were no piece

    @property
    def cpus(self) -> list[int]:
        return sorted({record.cpu for record in self.records} | set(self.lost))


def _piece(data: bytes, at: int) -> Any:
    magic, cpu, count, first, lost = PIECE.unpack_from(data, at)
    if magic != MAGIC or cpu >= 64:
        return None
    return cpu, count, first, lost


def read(data: bytes) -> Trace:
    """All whole records of a stream; what is cut off at its end is not there."""
    trace, at = Trace(), 0
    while at + PIECE.size <= len(data):
        piece = _piece(data, at)
        at += PIECE.size
        if piece is None:
            trace.junk += 1
            continue
        cpu, count, first, lost = piece
        trace.lost[cpu] = trace.lost.get(cpu, 0) + lost
        for number in range(first, first + count):
            if at + RECORD.size > len(data):
                return _sorted(trace)
            time, point, on, domain, vcpu, a, b = RECORD.unpack_from(data, at)
            if _piece(data, at) or on != cpu or point >= POINTS_MAX:
                break  # the piece is not as long as it says
            trace.records.append(Record(time, cpu, number, point, domain, vcpu, a, b))
            at += RECORD.size
    return _sorted(trace)


def _sorted(trace: Trace) -> Trace:
    trace.records.sort()
    return trace


def signed(value: int) -> int:
    """A result: 64 bits as a number with a sign."""
    return value - (1 << 64) if value >> 63 else value
