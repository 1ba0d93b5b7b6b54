# SPDX-License-Identifier: BSD-2-Clause
"""What people read: tables, units, colours.

Colours only on a terminal, and not when NO_COLOR is set (no-color.org) or the terminal
is a dumb one. Nothing here is meant for programs: these use --json.
"""

import argparse
import json
import os
import sys
from typing import Iterable, Mapping, Optional, Sequence, TextIO

_COLOURS = {"red": 31, "green": 32, "yellow": 33, "grey": 90, "bold": 1}
STATES = {
    "running": "green", "trial": "yellow", "paused": "yellow", "starting": "yellow",
    "waiting": "yellow", "held": "yellow", "ending": "yellow", "given-up": "red",
    "stopped": "red", "idle": "grey",
}


def coloured(stream: TextIO, environment: Mapping[str, str] = os.environ) -> bool:
    return (stream.isatty() and not environment.get("NO_COLOR")
            and environment.get("TERM") != "dumb")


def paint(text: str, colour: Optional[str], stream: TextIO) -> str:
    if colour is None or not coloured(stream):
        return text
    return f"\x1b[{_COLOURS[colour]}m{text}\x1b[0m"


def printable(text: str) -> str:
    """Text of the system's, which a terminal does not take for commands."""
    return "".join(c if c.isprintable() or c in "\n\t" else f"\\x{ord(c):02x}" for c in text)


def show(value: object) -> None:
    """For programs; on a terminal, for people too."""
    print(json.dumps(value, indent=2 if sys.stdout.isatty() else None))


def planned(arguments: argparse.Namespace, said: str) -> int:
    """What --dry-run says: nothing was changed."""
    if arguments.json:
        show({"ok": True, "would": said})
    else:
        print(said)
    return 0


def lost(event: Mapping[str, object], things: str) -> str:
    """What an event of that name says."""
    return f"{event['count'] or 'an unknown number of'} {things} are lost"


def size(bytes_: int) -> str:
    for unit, shift in (("GiB", 30), ("MiB", 20), ("KiB", 10)):
        if bytes_ >= 1 << shift:
            whole = bytes_ / (1 << shift)
            return f"{whole:.0f} {unit}" if whole >= 100 or not bytes_ % (1 << shift) else (
                f"{whole:.1f} {unit}")
    return f"{bytes_} B"


def span(nanoseconds: int) -> str:
    seconds = nanoseconds / 1e9
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 120:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} m" if hours else f"{minutes} m {rest:02} s"


def table(head: Sequence[str], rows: Iterable[Sequence[str]], stream: TextIO,
          colours: Sequence[Optional[str]] = (), right: Sequence[int] = ()) -> None:
    """Columns as wide as they must be. colours: of the rows; right: columns of numbers."""
    lines = [list(head), *(list(map(printable, row)) for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    for number, line in enumerate(lines):
        cells = [
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths))
        ]
        colour = "bold" if number == 0 else colours[number - 1] if colours else None
        print(paint("  ".join(cells).rstrip(), colour, stream), file=stream)


class Progress:
    """A line that says how far long work has come; silent where nobody watches."""

    def __init__(self, what: str, whole: int):
        self._what, self._whole = what, whole
        self._shown = sys.stderr.isatty()

    def __call__(self, done: int) -> None:
        if self._shown:
            part = 100 * done // max(self._whole, 1)
            print(f"\r{self._what}: {part:3} %", end="", file=sys.stderr, flush=True)
            if done >= self._whole:
                print(file=sys.stderr)
