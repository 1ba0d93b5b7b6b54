# SPDX-License-Identifier: BSD-2-Clause
"""Meson and Ninja, and the files that come out of them or out of packages."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Optional

import guests
import initrd
from describe import program_finder, write_whole

from .paths import TOP, Failure, alone, build_dir, cache_dir, host_dir

CROSS = TOP / "images" / "cross-x86_64.ini"
HOST_ARGUMENTS = ["-Dhost_tests=true", "-Db_sanitize=address,undefined", "-Db_lundef=false"]


def _run(command: list[str | Path], environment: Optional[dict[str, str]] = None) -> None:
    """Run a build step: silent when it works, all it said when it does not."""
    result = subprocess.run(
        command, cwd=TOP, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
        stdin=subprocess.DEVNULL, env={**os.environ, **(environment or {})},
    )
    if result.returncode:
        said = result.stdout.decode(errors="replace").rstrip()
        raise Failure(f"{said}\nthe build failed: {' '.join(map(str, command))}")


def make(folder: Path, arguments: list[str | Path], environment: dict[str, str]) -> None:
    """Bring one build folder up to date, alone among all that try. Raises Failure."""
    with alone(folder):
        folder.mkdir(exist_ok=True)
        if not (folder / "build.ninja").exists():
            print(f"tessera: building in {os.path.relpath(folder)}", file=sys.stderr)
            _run(["meson", "setup", folder, TOP, *arguments], environment)
        _run(["ninja", "--quiet", "-C", folder], environment)


def system() -> Path:
    """Build the core and the native programs; the folder they are in."""
    if not os.environ.get("TESSERA_NO_BUILD"):
        make(build_dir(), ["--cross-file", CROSS], {})
    return build_dir()


def host() -> Path:
    """Build the host's test programs; the folder they are in."""
    if not os.environ.get("TESSERA_NO_BUILD"):
        make(host_dir(), [*HOST_ARGUMENTS], {"CC": "clang"})
    return host_dir()


def core(folder: Path) -> Path:
    return folder / "kernel" / "core.elf"


def root(folder: Path) -> Path:
    """The one native program that is no package: the core starts it."""
    return folder / "servers" / "root" / "root.bin"


def program(folder: Path, name: str) -> Path:
    path = program_finder(folder)(name)
    if path is None:
        raise Failure(f'the build made no program "{name}"')
    return path


def busybox_initrd() -> Path:
    """The BusyBox initramfs, made anew when its sources are newer."""
    output = cache_dir() / "busybox.initrd"
    busybox = fetched("busybox-static")
    newest = max(path.stat().st_mtime for path in (busybox, Path(initrd.__file__)))
    if not output.exists() or output.stat().st_mtime < newest:
        write_whole(output, initrd.build(busybox))
    return output


def disk_initrd(package: str) -> Path:
    """The BusyBox initramfs with the driver for virtual disks of a package's kernel."""
    return _driver_initrd(package, "disk", "xen-blkfront")


def net_initrd(package: str) -> Path:
    """The same with the drivers for virtual disks and networks."""
    return _driver_initrd(package, "net", "xen-blkfront", "xen-netfront")


def _driver_initrd(package: str, what: str, *drivers: str) -> Path:
    output = cache_dir() / f"{package}.{what}.initrd"
    busybox = busybox_initrd()
    if not output.exists() or output.stat().st_mtime < busybox.stat().st_mtime:
        try:
            files = {name: guests.module(package, name, cache_dir()) for name in drivers}
        except guests.FetchError as error:
            raise Failure(str(error)) from error
        write_whole(output, busybox.read_bytes() + initrd.modules(files))
    return output


def fetched(package: str) -> Path:
    try:
        return guests.package_file(package, cache_dir())
    except guests.FetchError as error:
        raise Failure(str(error)) from error


def source(name: str) -> Path:
    """A file as a description names it: package:NAME, built:NAME or a path."""
    kind, colon, rest = name.partition(":")
    if colon and kind == "package":
        return fetched(rest)
    if colon and kind == "built":
        package = rest.partition("/")[2]  # of the guest's kernel, if it comes from one
        return net_initrd(package) if package else busybox_initrd()
    return Path(name)


def workspace() -> "tempfile.TemporaryDirectory[str]":
    return tempfile.TemporaryDirectory(prefix="tessera.")
