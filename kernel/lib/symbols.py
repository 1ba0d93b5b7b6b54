#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Makes the core's table of function names for its backtraces, as assembly.

    symbols.py              an empty table, for the first link
    symbols.py NM CORE.ELF  the functions of CORE.ELF, on standard output

The table, in section .symbols:
    symbol_count   u32 n
    symbol_table   n times { u32 address - core_start; u32 offset in names },
                   ascending by address
    symbol_names   NUL-terminated strings
The linker script defines core_start, the lowest linked address.
"""

import subprocess
import sys


def functions(nm: str, elf: str) -> list[tuple[int, str]]:
    """(distance from core_start, name) of every function, ascending."""
    output = subprocess.run([nm, "-n", elf], check=True, capture_output=True, text=True).stdout
    symbols = [line.split() for line in output.splitlines() if len(line.split()) == 3]
    addresses = {name: int(address, 16) for address, _, name in symbols}
    start = addresses["core_start"]
    found: dict[int, str] = {}
    for address, kind, name in symbols:
        distance = int(address, 16) - start
        if kind in "tT" and 0 <= distance < 1 << 32:
            found.setdefault(distance, name)
    return sorted(found.items())


def assembly(symbols: list[tuple[int, str]]) -> str:
    lines = [
        '.section .symbols, "a"',
        ".balign 8",
        ".global symbol_count, symbol_table, symbol_names",
        f"symbol_count: .long {len(symbols)}",
        "symbol_table:",
    ]
    offset = 0
    for distance, name in symbols:
        lines.append(f".long {distance:#x}, {offset}")
        offset += len(name) + 1
    lines.append("symbol_names:")
    lines.extend(f'.asciz "{name}"' for _, name in symbols)
    lines.append('.section .note.GNU-stack, "", @progbits')
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(assembly(functions(*sys.argv[1:3]) if len(sys.argv) > 1 else []), end="")
