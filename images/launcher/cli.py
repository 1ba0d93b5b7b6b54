# SPDX-License-Identifier: BSD-2-Clause
"""The command line: which word does what."""

import argparse
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from control import systems, verbs, web
from description.binary import Compiled

from . import boot, build, capture, disks, dom, iso, launch, lines, machine, manual, nets, packages
from . import debug, reach, rules, trace
from .paths import TOP, Failure, out_dir

DEFAULT = TOP / "images" / "default.toml"

# Options whose value may start with a dash; argparse would take it for an option.
TAKES_ANYTHING = ("--qemu-arg", "--cmdline")

DISK: dict[str, Any] = {
    "action": "append", "default": [], "metavar": "DISK=FILE",
    "help": "another file for a disk of the description's [machine]",
}


def _join_values(words: list[str]) -> list[str]:
    """--qemu-arg -cpu  ->  --qemu-arg=-cpu"""
    joined: list[str] = []
    rest = iter(words)
    for word in rest:
        following = next(rest, None) if word in TAKES_ANYTHING else None
        joined.append(word if following is None else f"{word}={following}")
    return joined


@dataclass
class Image:
    """A system as it was put together."""

    path: Path
    compiled: Compiled
    attached: list[disks.Disk]
    cards: list[nets.Net]


def _image(arguments: argparse.Namespace) -> Image:
    description = Path(arguments.description)
    output = Path(getattr(arguments, "output", None) or out_dir() / f"{description.stem}.iso")
    packages.require("build", "boot", "iso")
    built = build.system()
    captured = getattr(arguments, "capture", None) is not None
    traced = trace.text(arguments.trace_points) if getattr(arguments, "trace", None) else ""
    compiled = iso.compile_description(description, built, captured, traced)
    attached = disks.attached(compiled, description.stem, arguments.disk)
    cards = nets.attached(compiled, getattr(arguments, "net", []))
    iso.make(compiled, attached, output, built)
    for warning in compiled.warnings:
        print(warning, file=sys.stderr)
    return Image(output, compiled, attached, cards)


def _build(arguments: argparse.Namespace) -> int:
    image = _image(arguments)
    print(json.dumps({"image": str(image.path), "warnings": image.compiled.warnings})
          if arguments.json else image.path)
    return 0


def _run(arguments: argparse.Namespace) -> int:
    image = _image(arguments)
    fits = image.compiled.machine
    iommu = fits.iommu or arguments.iommu
    memory = launch.memory_mib(image.compiled, 2 * image.path.stat().st_size)
    print(f"tessera: {image.path} in QEMU; to leave: poweroff, or Ctrl-] x", file=sys.stderr)
    for disk in image.attached:
        print(f"tessera: its disk {disk.driver} is {disk.file}", file=sys.stderr)
    parts = machine.Machine(
        memory, out_dir() / "run.log", ["-cdrom", str(image.path), "-boot", "d"],
        machine=disks.machine_type(arguments.machine or fits.kind, iommu),
        cpus=arguments.cpus or fits.cpus,
        extra=disks.qemu_arguments(image.attached, iommu)
        + nets.qemu_arguments(image.cards, iommu)
        + lines.qemu_arguments(fits.lines, iommu)
        + (capture.qemu_arguments(arguments.capture) if arguments.capture else [])
        + (trace.qemu_arguments(arguments.trace) if arguments.trace else [])
        + (debug.qemu_arguments(debug.socket()) if arguments.gdb else [])
        + arguments.qemu_arg,
    )
    with lines.brokers(fits.lines) as sockets:
        systems.announce(systems.Running(
            os.getpid(), str(arguments.description), str(build.build_dir()), sockets,
            str(debug.socket()) if arguments.gdb else ""))
        try:
            end = machine.run(parts, None)
        finally:
            systems.withdraw()
    if end.reason:
        print(f"tessera: {end.reason}", file=sys.stderr)
    return end.status


def _python(arguments: list[str | Path]) -> int:
    """Tests and benchmarks are programs of their own, which use the launcher's parts."""
    environment = {**os.environ, "PYTHONPATH": f"{TOP}:{TOP / 'images'}"}
    return subprocess.run([sys.executable, *arguments], env=environment, check=False).returncode


def _test(arguments: argparse.Namespace) -> int:
    packages.require("build", "boot", "iso", "disk", "test", "bench")
    return _python([TOP / "tests" / "run.py", *arguments.suites])


def _bench(arguments: argparse.Namespace) -> int:
    """`bench NAME OPTION...`: the options are the one benchmark's own."""
    known = {path.stem.replace("_", "-"): path
             for path in sorted((TOP / "tests" / "bench").glob("[!t_]*.py"))
             if "def main(" in path.read_text(encoding="utf-8")}
    names = [word for word in arguments.names if not word.startswith("-")]
    options: list[str] = []
    if len(names) < len(arguments.names):
        names, options = arguments.names[:1], arguments.names[1:]
    unknown = [name for name in names if name not in known]
    if unknown:
        raise Failure(f"found the benchmark {unknown[0]}, expected {', '.join(known)}", 2)
    packages.require("build", "boot", "disk", "test", "bench")
    built = build.system()
    status = 0
    for name in names or known:
        status |= _python([known[name], "--built", built, *options])
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tessera", description="the Tessera hypervisor")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    run = commands.add_parser("run", help="boot a system in QEMU; the terminal is its console")
    run.add_argument("description", nargs="?", default=DEFAULT, metavar="DESCRIPTION",
                     help="of the system; if absent, images/default.toml")
    run.add_argument("--disk", **DISK)
    run.add_argument("--net", action="append", default=[], metavar="NIC=NETDEV",
                     help="what a card of the description's [machine] is joined to instead")
    run.add_argument("--machine", choices=disks.MACHINES, help="not what the description says")
    run.add_argument("--cpus", type=boot.cpus, metavar="N", help="CPUs of the machine")
    run.add_argument("--iommu", action="store_true", help="even if the description does not say so")
    run.add_argument("--capture", type=Path, metavar="FILE",
                     help="write the packets that the switch sees here, as pcapng")
    run.add_argument("--trace", type=Path, metavar="FILE",
                     help="write the core's traces here, raw (see convert-trace)")
    run.add_argument("--trace-points", nargs="+", default=["all"], metavar="POINT",
                     help="record only these")
    run.add_argument("--gdb", action="store_true", help="let ./tessera gdb look into it")
    run.add_argument("--qemu-arg", action="append", default=[], metavar="ARG",
                     help="one more for QEMU")
    run.set_defaults(call=_run)

    make = commands.add_parser("build", help="make the bootable ISO, for BIOS and UEFI")
    make.add_argument("description", nargs="?", default=DEFAULT, metavar="DESCRIPTION",
                      help="of the system; if absent, images/default.toml")
    make.add_argument("--disk", **DISK)
    make.add_argument("-o", "--output", metavar="FILE", help="the ISO")
    make.add_argument("--json", action="store_true", help="for programs")
    make.set_defaults(call=_build)

    guest = commands.add_parser(
        "boot", help="boot one guest kernel in a minimal system", allow_abbrev=False
    )
    boot.add_arguments(guest)
    guest.set_defaults(call=boot.run)

    rules.add_command(commands)
    trace.add_command(commands)
    debug.add_command(commands)
    reach.add_command(commands)
    dom.add_commands(commands)
    verbs.add_commands(commands)
    web.add_command(commands)

    test = commands.add_parser("test", help="run the tests")
    test.add_argument("suites", nargs="*", metavar="SUITE",
                      help="such as unit or boot/net; if absent, all")
    test.set_defaults(call=_test)

    bench = commands.add_parser("bench", help="run the benchmarks and print the table")
    bench.add_argument("names", nargs=argparse.REMAINDER, metavar="NAME",
                       help="those to run; behind one of them, options for it (--help)")
    bench.set_defaults(call=_bench)
    manual.add_commands(commands, parser)
    return parser


def _end(signal_number: int, _: object) -> None:
    """Asked to end: leave by the way that also ends QEMU."""
    sys.exit(128 + signal_number)


def main(words: list[str]) -> int:
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end)
    arguments = _parser().parse_args(_join_values(words))
    try:
        status = int(arguments.call(arguments))
        sys.stdout.flush()
        return status
    except Failure as failure:
        print(f"tessera: {failure}", file=sys.stderr)
        return failure.status
    except BrokenPipeError:
        # Whoever reads has enough, such as `head`; what is left to be said goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except KeyboardInterrupt:
        return 130
