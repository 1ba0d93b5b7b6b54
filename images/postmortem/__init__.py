# SPDX-License-Identifier: BSD-2-Clause
"""What a dead domain was doing: registers and stack, as the control line's `postmortem`
answers, and the ELF file of its build become a backtrace with functions and lines.

Native programs have no frame pointers, which would cost each call two instructions and all
functions a register. The compiler has said how to find each frame's caller without them
(unwind.py). Where that does not lead further, because there is no gdb or the stack was overwritten,
the stack is scanned, as the core does for its own panics: a word is a return address if it points
into the text, behind a call. That may show a function too many, from an older use of the stack,
but not one too few.
"""

import base64
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Iterator, Optional

from package import dom
from trace import names
from trace.records import RECORD

from . import unwind

ELF_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
PROGRAM = struct.Struct("<IIQQQQQQ")
PT_LOAD, EXECUTE = 1, 1
SHOWN = 24


class NotFound(Exception):
    """There is no ELF file of that build; the text says what was looked for."""


@dataclass
class Elf:
    path: Path
    text: bytes
    start: int  # address of text

    def follows_call(self, address: int) -> bool:
        """Whether the instruction before this address, in the text, is a call."""
        at = address - self.start
        if not 7 <= at <= len(self.text):
            return False
        code = self.text[at - 7 : at]
        if code[2] == 0xE8:
            return True
        return any(code[-n] == 0xFF and code[1 - n] & 0x38 == 0x10 for n in (2, 3, 6, 7))


def read_elf(path: Path) -> Optional[Elf]:
    """None: it is no 64-bit ELF program with text."""
    data = path.read_bytes()
    if len(data) < ELF_HEADER.size or data[:5] != b"\x7fELF\x02":
        return None
    header = ELF_HEADER.unpack_from(data)
    programs = [PROGRAM.unpack_from(data, header[5] + header[9] * n) for n in range(header[10])]
    for kind, flags, offset, address, _, size, *_ in programs:
        if kind == PT_LOAD and flags & EXECUTE:
            return Elf(path, data[offset : offset + size], address)
    return None


def find(build: Path, build_id: str) -> Elf:
    """The program of that build in a build folder, beside its package. Raises NotFound."""
    for path in sorted(build.rglob("*.dom")):
        try:
            package = dom.read(path)
        except dom.PackageError:
            continue
        for beside in sorted(build.rglob(f"{path.stem}.elf")):
            elf = read_elf(beside) if package.build_id.hex() == build_id else None
            if elf:
                return elf
    raise NotFound(f"found no program with build id {build_id or '(none)'} in {build}: it is of "
                   "another build")


def addresses(elf: Elf, rip: int, stack: bytes) -> Iterator[int]:
    """Where it was, then what on its stack is a return address."""
    yield rip
    shown = 0
    for at in range(0, len(stack) - 7, 8):
        word = int.from_bytes(stack[at : at + 8], "little")
        if elf.follows_call(word):
            yield word
            shown += 1
            if shown == SHOWN:
                return


def symbols(elf: Elf, found: list[int]) -> list[str]:
    """"function at file:line" for each; of a return address, of the call before it."""
    asked = [f"{address - (n > 0):#x}" for n, address in enumerate(found)]
    said = subprocess.run(
        ["addr2line", "-f", "-e", elf.path, *asked], capture_output=True, text=True, check=True,
    ).stdout.splitlines()
    return [f"{function} at {place}" for function, place in zip(said[::2], said[1::2])]


def _number(value: Any) -> int:
    return value if isinstance(value, int) else int(str(value), 16)


def _held(caps: list[dict[str, Any]]) -> Iterator[str]:
    """What it held when it died."""
    for cap in caps:
        what = cap.get("what") or f"{cap['first']}" + (
            f"-{cap['first'] + cap['count'] - 1}" if cap["count"] > 1 else "")
        yield f"  {cap['slot']:4} {cap['type']:8} {' '.join(cap['rights']):24} {what}"


def _records(data: bytes) -> Iterator[str]:
    """Its last trace records, as far as the core was tracing."""
    points = names.points()
    whole = len(data) // RECORD.size * RECORD.size
    for time, point, cpu, _, vcpu, a, b in RECORD.iter_unpack(data[:whole]):
        yield (f"  {time / 1e9:14.9f}  cpu {cpu} vcpu {vcpu}  "
               f"{points.get(point, str(point)):14} {a:#x} {b:#x}")


def backtrace(elf: Elf, registers: dict[str, int], stack: bytes) -> Iterator[str]:
    found, how = unwind.frames(elf.path, registers, stack), ""
    if not found:
        scanned = list(addresses(elf, registers["rip"], stack))
        found, how = list(zip(scanned, symbols(elf, scanned))), ", whatever its stack holds"
    yield f"backtrace ({elf.path.name}{how}):"
    for address, text in found:
        yield f"  {address:016x} {text}"


def report(death: dict[str, Any], build: Path) -> str:
    """The whole text. Raises NotFound."""
    registers = {name: _number(value) for name, value in death["registers"].items()}
    lines = [str(death.get("text", "")).rstrip() or "it ended"]
    shown = ("rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp", *(f"r{n}" for n in
             range(8, 16)), "rip", "rflags", "cr2")
    known = [f"{name:6} {registers[name]:016x}" for name in shown if name in registers]
    lines += ["  ".join(known[at : at + 4]) for at in range(0, len(known), 4)]
    elf = find(build, str(death.get("build_id", "")))
    stack = base64.b64decode(death.get("stack", ""))
    lines += backtrace(elf, registers, stack)
    if death.get("caps"):
        lines += ["it held:", *_held(death["caps"])]
    records = base64.b64decode(death.get("records", ""))
    if records:
        lines += ["its last trace records:", *_records(records)]
    return "\n".join(lines) + "\n"
