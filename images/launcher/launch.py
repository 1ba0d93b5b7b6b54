# SPDX-License-Identifier: BSD-2-Clause
"""From a compiled description to the files that a boot loader loads, and to a
QEMU that loads them by itself (multiboot 1), which is faster than by an ISO."""

import shutil
from pathlib import Path

import kernel
from description.binary import Compiled
from description.values import PAGE

from . import build
from .paths import Failure


def stage_kernels(compiled: Compiled, folder: Path) -> None:
    """Put the guests' kernels into `folder`, as ELF, and only if they can start. Needs
    nothing that is built, so that a wrong kernel is refused before a long build."""
    for module in compiled.modules:
        if module.kind != "kernel":
            continue
        memory = compiled.guests[module.guest]["memory"] * PAGE
        source = build.source(module.source)
        try:
            (folder / module.name).write_bytes(kernel.prepare(source, memory))
        except kernel.KernelError as error:
            raise Failure(f"{module.source}: {error}") from error
        except OSError as error:
            raise Failure(f"{module.source}: {error.strerror}") from error


def stage(compiled: Compiled, built: Path, folder: Path) -> list[Path]:
    """Add everything else; the paths of all boot modules in the order of loading."""
    shutil.copyfile(build.root(built), folder / "root")
    (folder / "system").write_bytes(compiled.data)
    for module in compiled.modules:
        if module.kind == "program":
            shutil.copyfile(build.program(built, module.source), folder / module.name)
        elif module.kind == "initrd":
            shutil.copyfile(build.source(module.source), folder / module.name)
    return [folder / name for name in ("root", "system", *(m.name for m in compiled.modules))]


def memory_mib(compiled: Compiled, loaded: int) -> int:
    """RAM for a machine that runs this system: guests, natives, `loaded` bytes of
    modules, and for the core 1/64 of that (tables of frames) and a fixed part."""
    size = (compiled.guest_pages + compiled.native_pages) * PAGE + loaded
    return (size + size // 64 >> 20) + 64


def size_of(modules: list[Path]) -> int:
    return sum(path.stat().st_size + PAGE for path in modules)


def multiboot(compiled: Compiled, built: Path, modules: list[Path]) -> list[str]:
    """QEMU's arguments to load the core and its modules itself."""
    return [
        "-kernel", str(build.core(built)),
        "-append", f"log={compiled.log}",
        "-initrd", ",".join(map(str, modules)),
    ]
