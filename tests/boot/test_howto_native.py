# SPDX-License-Identifier: BSD-2-Clause
"""docs/howto/native-domain.md, followed literally in a copy of the tree."""

import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from describe import program_finder
from description import compile_text
from launcher import build, launch, machine
from launcher.paths import TOP
from tests.support import Session

PAGE = TOP / "docs" / "howto" / "native-domain.md"
FOLDERS = ("drivers", "images", "kernel", "libs", "proto", "servers")


def files_of_page(text: str) -> dict[str, str]:
    """The files that it shows: a line with the path, then a block with the contents."""
    return dict(re.findall(r"^`([\w/.]+)`:\n\n```\w+\n(.*?)^```$", text, re.M | re.S))


def commands_of_page(text: str) -> list[str]:
    return re.findall(r"^```sh\n(.*?)^```$", text, re.M | re.S)


def copy_tree(to: Path) -> None:
    for folder in FOLDERS:
        shutil.copytree(TOP / folder, to / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("meson.build", "meson_options.txt"):
        shutil.copy(TOP / file, to / file)


def run(*command: str, cwd: Path) -> None:
    done = subprocess.run(
        command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode:
        raise AssertionError(f"{' '.join(command)}:\n{done.stdout[-3000:]}")


def add_the_rest(built: Path, *programs: str) -> None:
    """What a page does not change is there already."""
    for program in programs:
        shutil.copy(build.program(build.build_dir(), program), built / "drivers" / f"{program}.dom")
    for find in (build.core, build.root):
        find(built).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(find(build.build_dir()), find(built))


class HowTo(unittest.TestCase):
    def test_page(self) -> None:
        page = PAGE.read_text()
        with tempfile.TemporaryDirectory(prefix="tessera.howto.") as name:
            tree = Path(name) / "tree"
            built = Path(name) / "built"
            copy_tree(tree)
            files = files_of_page(page)
            self.assertEqual(len(files), 2)
            for path, contents in files.items():
                (tree / path).parent.mkdir(parents=True, exist_ok=True)
                (tree / path).write_text(contents)
            for command in commands_of_page(page):
                run("sh", "-ec", command, cwd=tree)
            cross = str(tree / "images" / "cross-x86_64.ini")
            run("meson", "setup", str(built), "--cross-file", cross, cwd=tree)
            run("ninja", "-C", str(built), cwd=tree)
            self.boots((tree / "images" / "uptime.toml").read_text(), built)

    def boots(self, description: str, built: Path) -> None:
        with build.workspace() as name:
            folder = Path(name)
            compiled = compile_text(description, "test", TOP / "images", program_finder(built))
            launch.stage_kernels(compiled, folder)
            modules = launch.stage(compiled, built, folder)
            parts = machine.Machine(
                launch.memory_mib(compiled, launch.size_of(modules)),
                folder / "log",
                launch.multiboot(compiled, built, modules),
            )
            with Session(parts.arguments(terminal=False)) as console:
                console.expect(r"uptime: up for \d+ s", 120)
                console.expect("guest:/#", 120)
                first = int(console.expect(r"uptime: up for (\d+) s", 30)[1])
                second = int(console.expect(r"uptime: up for (\d+) s", 30)[1])
                self.assertIn(second - first, (2, 3))
                console.send("\x01ckill uptime\r")
                console.expect("uptime: started again", 30)
                console.expect(r"uptime: up for \d+ s", 30)


if __name__ == "__main__":
    unittest.main()
