# SPDX-License-Identifier: BSD-2-Clause
"""The system description: from a TOML file to what `root` reads at boot.

    lines.py    which line a key stands on (tomllib does not say)
    values.py   single values: sizes, times, names, ranges
    hardware.py the same for devices, parts of disks, a guest's disk names
    schema.py   which tables and keys there are, and their defaults
    check.py    what only the whole shows: peers, conflicts, cycles
    disks.py    the same for volumes and disks, and proto/vbd.h
    netvalues.py, networks.py, switchconfig.py
                values, checks and proto/switch.h of networks and VIFs
    rules.py    rule files, and proto/rules.h
    machine.py  [machine]: what QEMU gets, for ./tessera run
    binary.py   proto/system.h, byte by byte

`compile_file()` is the whole way. It goes on after a mistake to the end of its
stage, so that one run shows them all; none of them leaves a half-made description.
"""

from pathlib import Path
from typing import Callable, Optional

from . import binary, check, lines, schema
from .report import DescriptionError, Report

__all__ = ["DescriptionError", "compile_file", "compile_text", "read_file"]


def _read(
    text: str, folder: Path, find_image: Optional[Callable[[str], Optional[Path]]],
    report: Report,
) -> schema.System:
    table, where = lines.parse(text, report)
    report.stop_if_errors()
    system = schema.read(table, where, report)
    report.stop_if_errors()
    check.check(system, folder, find_image, report)
    report.stop_if_errors()
    return system


def compile_text(
    text: str, name: str, folder: Path, find_image: Optional[Callable[[str], Optional[Path]]]
) -> "binary.Compiled":
    """Compile `text`, which messages call `name`; paths in it start at `folder`.

    find_image tells the file of a native program, None if there is no such
    program; find_image=None leaves files unchecked.
    """
    report = Report(name)
    system = _read(text, folder, find_image, report)
    compiled = binary.encode(system, folder)
    compiled.warnings = report.warnings
    return compiled


def compile_file(
    path: Path, find_image: Optional[Callable[[str], Optional[Path]]], name: Optional[str] = None
) -> "binary.Compiled":
    """Compile the file at `path`. Raises DescriptionError."""
    shown = name or str(path)
    return compile_text(_text(path, shown), shown, path.parent, find_image)


def _text(path: Path, shown: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise DescriptionError([f"{shown}: cannot be read: {error.strerror}"]) from error
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        raise DescriptionError(
            [f"{shown}:{line}: found a byte that is not UTF-8, expected TOML text"]
        ) from error


def read_file(path: Path) -> schema.System:
    """What the file at `path` says, checked but for the files that it names. Raises
    DescriptionError."""
    return _read(_text(path, str(path)), path.parent, None, Report(str(path)))
