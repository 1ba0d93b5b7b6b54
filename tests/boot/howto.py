# SPDX-License-Identifier: BSD-2-Clause
"""A page of docs/howto, followed literally in a copy of the tree: its files are written, its
commands run, and what it describes is built beside what the tree builds."""

import contextlib
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Iterator

from launcher import build
from launcher.paths import TOP

PAGES = TOP / "docs" / "howto"
FOLDERS = ("drivers", "images", "kernel", "libs", "proto", "servers")


def files_of(page: str) -> dict[str, str]:
    """The files that it shows: a line with the path, then a block with the contents."""
    return dict(re.findall(r"^`([\w/.]+)`:\n\n```\w+\n(.*?)^```$", page, re.M | re.S))


def commands_of(page: str) -> list[str]:
    return re.findall(r"^```sh\n(.*?)^```$", page, re.M | re.S)


def _run(*command: str, cwd: Path) -> None:
    done = subprocess.run(
        command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode:
        raise AssertionError(f"{' '.join(command)}:\n{done.stdout[-3000:]}")


def _copy_tree(to: Path) -> None:
    for folder in FOLDERS:
        shutil.copytree(TOP / folder, to / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("meson.build", "meson_options.txt"):
        shutil.copy(TOP / file, to / file)


def _add_the_rest(built: Path, *programs: str) -> None:
    """What the page does not change is there already."""
    for program in programs:
        shutil.copy(build.program(build.build_dir(), program), built / "drivers" / f"{program}.dom")
    for find in (build.core, build.root):
        find(built).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(find(build.build_dir()), find(built))


@contextlib.contextmanager
def followed(
    page: str, files: int, target: str = "", others: tuple[str, ...] = (),
) -> Iterator[tuple[Path, Path]]:
    """The tree and the build folder after the page, which must show so many files. target:
    the one thing to build, with `others` as the tree has them; if empty, everything."""
    text = (PAGES / page).read_text()
    with tempfile.TemporaryDirectory(prefix="tessera.howto.") as name:
        tree, built = Path(name) / "tree", Path(name) / "built"
        _copy_tree(tree)
        shown = files_of(text)
        if len(shown) != files:
            raise AssertionError(f"{page} shows {len(shown)} files, not {files}")
        for path, contents in shown.items():
            (tree / path).parent.mkdir(parents=True, exist_ok=True)
            (tree / path).write_text(contents)
        for command in commands_of(text):
            _run("sh", "-ec", command, cwd=tree)
        cross = str(tree / "images" / "cross-x86_64.ini")
        _run("meson", "setup", str(built), "--cross-file", cross, cwd=tree)
        _run("ninja", "-C", str(built), *filter(None, [target]), cwd=tree)
        if target:
            _add_the_rest(built, *others)
        yield tree, built
