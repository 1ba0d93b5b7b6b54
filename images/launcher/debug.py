# SPDX-License-Identifier: BSD-2-Clause
"""`./tessera gdb`: gdb on the running system, through QEMU's stub, with the symbols of the
core and of one native domain. images/launcher/gdb_commands.py runs inside of gdb."""

import argparse
import os
import subprocess
from pathlib import Path
from typing import Any

from control import systems

from .paths import Failure, out_dir

COMMANDS = Path(__file__).resolve().parent / "gdb_commands.py"


def socket() -> Path:
    return out_dir() / "run.gdb"


def qemu_arguments(stub: Path) -> list[str]:
    path = str(stub).replace(",", ",,")
    return ["-chardev", f"socket,id=gdb,path={path},server=on,wait=off", "-gdb", "chardev:gdb"]


def add_command(commands: Any) -> None:
    parser = commands.add_parser(
        "gdb", help="gdb on the running system (run --gdb), with the right symbols")
    parser.add_argument("name", metavar="core|NAME", help="the core, or a native domain as well")
    parser.add_argument("rest", nargs=argparse.REMAINDER, metavar="ARG", help="for gdb")
    parser.set_defaults(call=run)


def command(stub: Path, built: Path, name: str, program: str) -> list[str]:
    """gdb, attached; program: of the domain `name`, "" for the core."""
    words = ["gdb", "-q", "-iex", "set pagination off", "-iex", "set confirm off",
             str(built / "kernel" / "core.elf"), "-ex", f"target remote {stub}",
             "-ex", f"source {COMMANDS}"]
    if not program:
        return words
    found = sorted(built.rglob(f"{program}.elf"))
    if not found:
        raise Failure(f'gdb: found no program "{program}" in {built}, expected {program}.elf')
    return [*words, "-ex", f"add-symbol-file {found[0]}", "-ex", f"domain {name}"]


def _program(description: Path, name: str) -> str:
    """What the domain runs, by the description."""
    import tomllib  # noqa: PLC0415

    domains = tomllib.loads(description.read_text(encoding="utf-8")).get("domain", {})
    if name == "root":
        return "root"
    if name not in domains:
        known = ", ".join(["core", "root", *domains])
        raise Failure(f'gdb: found "{name}", expected {known}', 2)
    return str(domains[name].get("image", name))


def run(arguments: argparse.Namespace) -> int:
    running = systems.running()
    if running is None or not running.gdb:
        raise Failure("gdb: found no system that was started with `./tessera run --gdb`",
                      systems.NOT_RUNNING)
    name = arguments.name
    program = "" if name == "core" else _program(Path(running.description), name)
    words = command(Path(running.gdb), Path(running.build), name, program) + arguments.rest
    return subprocess.run(words, check=False, env=dict(os.environ)).returncode
