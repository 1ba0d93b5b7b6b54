# SPDX-License-Identifier: BSD-2-Clause
"""Who called whom, exactly, of a program without frame pointers: by the compiler's own
description of each frame, which lies beside the debug information and costs the program nothing.
gdb reads it. What it is given is a core file of two parts: the registers, and as much of the stack
as was kept."""

import shutil
import struct
import subprocess
import tempfile
from pathlib import Path
from typing import Mapping

HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
PROGRAM = struct.Struct("<IIQQQQQQ")
ET_CORE, EM_X86_64 = 4, 62
PT_LOAD, PT_NOTE = 1, 4
READ_WRITE = 6
NT_PRSTATUS = 1
STATUS_BYTES, STATUS_REGISTERS = 336, 112  # of struct elf_prstatus
# Of struct user_regs_struct; "" is 0.
REGISTERS = ("r15", "r14", "r13", "r12", "rbp", "rbx", "r11", "r10", "r9", "r8", "rax", "rcx",
             "rdx", "rsi", "rdi", "", "rip", "", "rflags", "rsp", "", "", "", "", "", "", "")
MOST = 24  # frames that are shown
SECONDS = 60
# One line for each frame: where it is, which function, which line of it.
SCRIPT = f"""
frame, shown = gdb.newest_frame(), 0
while frame is not None and shown < {MOST}:
    place = frame.find_sal()
    file = place.symtab.filename if place.symtab else "??"
    print("frame %x %s %s:%d" % (frame.pc(), frame.name() or "??", file, place.line))
    frame, shown = frame.older(), shown + 1
"""


def core(registers: Mapping[str, int], stack: bytes) -> bytes:
    """A core file of one thread. Its stack begins at rsp."""
    status = bytearray(STATUS_BYTES)
    values = [registers.get(name, 0) & (1 << 64) - 1 for name in REGISTERS]
    struct.pack_into(f"<{len(values)}Q", status, STATUS_REGISTERS, *values)
    note = struct.pack("<III8s", 5, STATUS_BYTES, NT_PRSTATUS, b"CORE") + bytes(status)
    at = HEADER.size + 2 * PROGRAM.size
    return b"".join((
        HEADER.pack(b"\x7fELF\x02\x01\x01", ET_CORE, EM_X86_64, 1, 0, HEADER.size, 0, 0,
                    HEADER.size, PROGRAM.size, 2, 0, 0, 0),
        PROGRAM.pack(PT_NOTE, 0, at, 0, 0, len(note), 0, 4),
        PROGRAM.pack(PT_LOAD, READ_WRITE, at + len(note), registers["rsp"], 0, len(stack),
                     len(stack), 1),
        note, stack,
    ))


def frames(program: Path, registers: Mapping[str, int], stack: bytes) -> list[tuple[int, str]]:
    """(address, "function at file:line") from where it was to its start, functions that were
    inlined among them; nothing if there is no gdb, or it cannot tell."""
    if not stack or shutil.which("gdb") is None:
        return []
    with tempfile.TemporaryDirectory(prefix="tessera.core.") as name:
        dump, script = Path(name) / "core", Path(name) / "frames.py"
        dump.write_bytes(core(registers, stack))
        script.write_text(SCRIPT)
        try:
            said = subprocess.run(
                ["gdb", "-nx", "-q", "-batch", program, dump, "-x", script], text=True,
                stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=SECONDS,
                errors="replace").stdout
        except subprocess.TimeoutExpired:
            return []
    found = []
    for line in said.splitlines():
        words = line.split(" ", 3)
        if len(words) < 4 or words[0] != "frame":
            continue
        if words[2] == "??":  # what is behind an address that is none is none either
            break
        found.append((int(words[1], 16), f"{words[2]} at {words[3]}"))
    return found if len(found) > 1 else []
