# SPDX-License-Identifier: BSD-2-Clause
"""`create` and `undefine`: a domain of the description is started, or one is brought to a place
of the description by a file of its own (description/brought.py)."""

import argparse
import json
import re
from pathlib import Path

import kernel
from description import DescriptionError, binary, brought, compile_file, read_file
from launcher import build
from launcher.paths import Failure
from package import dom

from . import systems, text
from .client import Client, Refused
from .frame import Message

BAD_ARGUMENTS = 2


def _description(arguments: argparse.Namespace) -> Path:
    running = None if arguments.description else systems.running()
    path = arguments.description or (Path(running.description) if running else None)
    if path is None:
        raise Failure("--description: which description the system behind --socket has",
                      BAD_ARGUMENTS)
    return Path(path)


def _module(kind: str, source: str, modules: list[binary.Module]) -> str:
    """The boot module that is this source; "": it must be brought. Files may have changed since
    the system was started, packages and what is built are known by their names."""
    if not source.startswith(("package:", "built:")):
        return ""
    return next((found.name for found in modules if (found.kind, found.source) == (kind, source)),
                "")


def _source(source: str, folder: Path) -> str:
    if source.startswith("disk:"):
        raise Failure(f"{source}: a file on a disk of the system's cannot be brought from here; "
                      "expected a path, package:NAME or built:NAME", BAD_ARGUMENTS)
    return source if source.startswith(("package:", "built:")) else str(folder / source)


def _guest(found: brought.Brought, folder: Path, modules: list[binary.Module]) -> bytes:
    entry = found.entry
    image_source = _source(entry["kernel"], folder)
    initrd_source = _source(binary.initrd_source(entry), folder) if entry["initrd"] else ""
    names = (_module("kernel", image_source, modules),
             _module("initrd", initrd_source, modules))
    try:
        image = kernel.prepare(build.source(image_source), found.memory * brought.PAGE)
    except kernel.KernelError as error:
        raise Failure(f"{image_source}: {error}") from error
    initrd = build.source(initrd_source).read_bytes() if initrd_source else b""
    return brought.encode(found, image, initrd, names, re.split("[/:]", entry["kernel"])[-1])


def _native(found: brought.Brought, folder: Path) -> bytes:
    path = folder / found.entry["image"]
    try:
        package = dom.read(path)
    except dom.PackageError as error:
        raise Failure(f"{path}: {error}") from error
    return brought.encode(found, path.read_bytes(), b"", ("", ""), package.name)


def _file(arguments: argparse.Namespace) -> tuple[brought.Brought, bytes]:
    path, running = Path(arguments.name), _description(arguments)
    try:
        found = brought.read(path, read_file(running))
        modules = compile_file(running, None).modules if found.is_guest else []
    except DescriptionError as error:
        raise Failure(str(error)) from error
    try:
        data = (_guest(found, path.parent, modules) if found.is_guest
                else _native(found, path.parent))
    except OSError as error:
        raise Failure(f"{error.filename}: {error.strerror}", BAD_ARGUMENTS) from error
    if len(data) > brought.MOST:
        raise Failure(f"{path}: found {text.size(len(data))} of kernel and initrd, expected at "
                      f"most {text.size(brought.MOST)}")
    return found, data


def is_file(name: str) -> bool:
    return name.endswith(".toml") or "/" in name


def bring(arguments: argparse.Namespace, client: Client) -> str:
    """Its name; it is there and has been started. Nothing stays of one that is refused."""
    found, data = _file(arguments)
    if arguments.dry_run:
        text.planned(arguments, f"{found.name}: would be brought, {text.size(len(data))}, and "
                     f"started with {', '.join(found.devices) or 'no devices'}")
        return ""
    place = client.items("ps", name=found.name)
    if place and place[0].get("program"):
        raise Refused({"code": "state", "domain": found.name, "message": "the place is taken",
                       "found": f"{place[0]['program']}, {place[0]['state']}",
                       "expected": "an empty place",
                       "try": f"destroy {found.name}, then undefine {found.name}"})
    client.upload(data, text.Progress(f"{arguments.name} -> {found.name}", len(data)))
    try:
        client.request("define", name=found.name)
    except Refused as error:
        line = {"line": found.entry.line, "domain": found.name}
        raise Refused({**error.fields, **line, "message":
                       f"{arguments.name}:{found.entry.line}: {error}"}) from error
    return found.name


def undefine(arguments: argparse.Namespace, client: Client) -> int:
    found: list[Message] = client.items("ps", name=arguments.name)
    if arguments.dry_run:
        return text.planned(
            arguments, f"{arguments.name}: is {found[0]['state']}; what was brought would go")
    client.request("undefine", name=arguments.name)
    print(json.dumps({"ok": True}) if arguments.json else f"{arguments.name}: an empty place")
    return 0
