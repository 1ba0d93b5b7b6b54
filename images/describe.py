#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The description compiler: TOML in, the binary form of proto/system.h out.

    describe.py DESCRIPTION.toml OUTPUT.bin [--programs FOLDER] [--modules] [--disks]

--programs names the build's folder, where NAME.dom files of native programs
are looked for; without it, files are not checked. --modules lists the boot
modules that the description asks for, --disks the physical disks that its volumes
lie on, as DRIVER:NUMBER, what the driver looks for, and the volumes: which file or
device that is on a machine is not the description's affair. Exit status 0, or 1 with every mistake
on standard error; the output appears whole or not at all.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path
from typing import Callable, Optional

from description import DescriptionError, compile_file


def program_finder(folder: Path) -> Callable[[str], Optional[Path]]:
    """Looks for native programs in a build directory."""

    def find(name: str) -> Optional[Path]:
        for group in ("servers", "drivers", "tests"):
            found = sorted((folder / group).rglob(f"{name}.dom"))
            if found:
                return found[0]
        return None

    return find


def write_whole(path: Path, data: bytes) -> None:
    """Write `data` to `path`, which has either its old contents or all of it."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name + ".")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def main() -> int:
    parser = argparse.ArgumentParser(description="compile a system description")
    parser.add_argument("input", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--programs", type=Path, help="build folder with the native programs")
    parser.add_argument("--modules", action="store_true", help="list the boot modules")
    parser.add_argument("--disks", action="store_true", help="list the physical disks")
    arguments = parser.parse_args()
    finder = program_finder(arguments.programs) if arguments.programs else None
    try:
        compiled = compile_file(arguments.input, finder)
        write_whole(arguments.output, compiled.data)
    except DescriptionError as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        print(f"{arguments.output}: cannot be written: {error.strerror}", file=sys.stderr)
        return 1
    for warning in compiled.warnings:
        print(warning, file=sys.stderr)
    if arguments.modules:
        for module in compiled.modules:
            print(module.name, module.kind, module.source)
    if arguments.disks:
        for disk in compiled.disks:
            print(f"{disk.place} {disk.looks_for or '-'}: {', '.join(disk.volumes)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
