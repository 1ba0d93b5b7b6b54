# SPDX-License-Identifier: BSD-2-Clause
"""Which running system a command means, and the line to it.

`./tessera run` writes run.json into the build folder when it starts a machine: what it
runs, and the sockets of its control lines by the drivers' names. A command takes the first
line, or the one that --line names; or --socket FILE, whatever is behind that.
"""

import argparse
import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Optional

from launcher.paths import Failure, out_dir

from .client import Client, Unreachable

NOT_RUNNING = 3  # exit status


@dataclass
class Running:
    """What `./tessera run` says of the system that it runs."""

    pid: int
    description: str
    build: str  # the folder of the programs, with their symbols
    lines: dict[str, str] = field(default_factory=dict)  # driver: socket
    gdb: str = ""  # socket of QEMU's stub


def _file() -> Path:
    return out_dir() / "run.json"


def announce(running: Running) -> None:
    temporary = _file().with_suffix(".new")
    temporary.write_text(json.dumps(asdict(running)), encoding="utf-8")
    temporary.rename(_file())


def withdraw() -> None:
    _file().unlink(missing_ok=True)


def running() -> Optional[Running]:
    """The system that runs from this build folder; None: there is none."""
    try:
        found = Running(**json.loads(_file().read_text(encoding="utf-8")))
        os.kill(found.pid, 0)
    except (OSError, ValueError, TypeError):
        return None
    return found


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--socket", type=Path, metavar="FILE", help="of the control line, instead of run's")
    add("--line", metavar="NAME", help="the control line, by its driver's name")
    add("--timeout", type=float, default=20, metavar="S", help="seconds to wait for an answer")


def socket_of(arguments: argparse.Namespace) -> Path:
    if arguments.socket:
        return Path(arguments.socket)
    found = running()
    if found is None:
        raise Failure("no system runs from this build folder; './tessera run' starts one",
                      NOT_RUNNING)
    if not found.lines:
        raise Failure(f"{found.description} has no control line: its [machine] needs lines = "
                      '{ DRIVER = "control" }', NOT_RUNNING)
    name = arguments.line or next(iter(found.lines))
    if name not in found.lines:
        raise Failure(f"--line: found {name}, expected {', '.join(found.lines)}", 2)
    return Path(found.lines[name])


def connect(arguments: argparse.Namespace) -> Client:
    try:
        return Client(socket_of(arguments), arguments.timeout)
    except Unreachable as error:
        raise Failure(f"nobody answers: {error}", NOT_RUNNING) from error
