# SPDX-License-Identifier: BSD-2-Clause
"""Traces: the domains that bring the core's to a serial line of the machine, and the
command that turns what came there into what other programs open."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from description import DescriptionError
from trace import chrome, ctf, names, records

from .paths import TOP, Failure

# The third serial line of a PC, with an interrupt of its own.
TEXT = """
[domain.trace-line]
image = "uart16550"
serves = ["serial"]
ports = ["0x3e8-0x3ef"]
irqs = [5]
priority = 62
[domain.trace]
trace = true
log = "write"
arguments = "points={points}"
priority = 63
[connection.trace-line]
protocol = "serial"
server = "trace-line"
client = "trace"
"""


def text(points: list[str]) -> str:
    """What a description needs besides, to trace these points. Raises Failure."""
    try:
        return TEXT.format(points=hex(names.bits(points)))
    except KeyError as wrong:
        known = ", ".join(names.points().values())
        raise Failure(f"found the trace point {wrong}, expected all, or some of {known}", 2) \
            from None


def qemu_arguments(file: Path) -> list[str]:
    path = str(file).replace(",", ",,")
    return ["-chardev", f"file,id=trace,path={path}",
            "-device", "isa-serial,index=2,irq=5,chardev=trace"]


def add_command(commands: Any) -> None:
    parser = commands.add_parser(
        "convert-trace", help="make Chrome JSON (Perfetto) or CTF of a raw trace")
    parser.add_argument("file", type=Path, metavar="FILE", help="raw, as `run --trace` writes it")
    parser.add_argument("--perfetto", type=Path, metavar="JSON", help="write Chrome JSON here")
    parser.add_argument("--ctf", type=Path, metavar="FOLDER", help="write CTF here")
    parser.add_argument("--description", type=Path, metavar="DESCRIPTION",
                        default=TOP / "images" / "default.toml",
                        help="whose domains they are (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.set_defaults(call=convert)


def convert(arguments: argparse.Namespace) -> int:
    if not arguments.perfetto and not arguments.ctf:
        raise Failure("found neither --perfetto nor --ctf, expected one of them, or both", 2)
    try:
        trace = records.read(arguments.file.read_bytes())
        domain = names.of_description(arguments.description)
    except OSError as error:
        raise Failure(f"{error.filename}: cannot be read: {error.strerror}") from error
    except DescriptionError as error:
        raise Failure(str(error)) from error
    if not trace.records:
        raise Failure(f"{arguments.file}: found no record, expected a raw trace")
    if arguments.perfetto:
        arguments.perfetto.write_text(chrome.convert(trace, domain), encoding="ascii")
    if arguments.ctf:
        ctf.write(trace, domain, arguments.ctf)
    lost = sum(trace.lost.values())
    if arguments.json:
        print(json.dumps({"records": len(trace.records), "cpus": len(trace.cpus), "lost": lost}))
    else:
        print(f"{len(trace.records)} records of {len(trace.cpus)} CPUs, {lost} lost",
              file=sys.stderr)
    return 0
