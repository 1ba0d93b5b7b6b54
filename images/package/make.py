#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""A step of the build: make.py [--release VERSION] PROGRAM.elf NAME.dom"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from package import dom, program  # noqa: E402  (the folder is known only now)


def main() -> int:
    parser = argparse.ArgumentParser(description="make a package of a native program")
    parser.add_argument("--release", default="0")
    parser.add_argument("program", type=Path)
    parser.add_argument("output", type=Path)
    arguments = parser.parse_args()
    try:
        made = program.package(
            arguments.program.read_bytes(), arguments.output.stem, arguments.release)
        dom.parse(made.packed())
    except dom.PackageError as error:
        print(f"{arguments.program}: {error}", file=sys.stderr)
        return 1
    arguments.output.write_bytes(made.packed())
    return 0


if __name__ == "__main__":
    sys.exit(main())
