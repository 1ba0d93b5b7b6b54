#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Makes the header of structure offsets that the assembly files include.

    offsets.py INPUT.c OUTPUT.h DEPFILE -- COMPILER ARGS...

INPUT.c is compiled to assembly, never run. Each OFFSET(NAME, value) in it
leaves one line  .ascii "->NAME value"  there, and becomes one symbol here:
the compiler that lays out the structures is the one that is asked.
"""

import os
import re
import subprocess
import sys
import tempfile


def main() -> int:
    source, output, depfile = sys.argv[1:4]
    compiler = sys.argv[sys.argv.index("--") + 1 :]
    with tempfile.TemporaryDirectory() as folder:
        assembly = os.path.join(folder, "offsets.s")
        subprocess.run(
            [*compiler, "-S", "-MD", "-MF", depfile, "-MT", output, "-o", assembly, source],
            check=True,
        )
        with open(assembly, encoding="utf-8") as file:
            text = file.read()
    found = re.findall(r'"->(\w+) \$?(-?\d+)\\?0?"', text)
    if not found:
        print(f"{source}: no OFFSET() found in the compiler's output", file=sys.stderr)
        return 1
    lines = [f".set {name}, {value}\n" for name, value in found]
    with open(output + ".new", "w", encoding="ascii") as header:
        header.write(f"/* Made from {os.path.basename(source)}; not for editing. */\n")
        header.writelines(lines)
    os.replace(output + ".new", output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
