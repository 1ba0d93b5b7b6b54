# SPDX-License-Identifier: BSD-2-Clause
"""docs/howto/nic-driver.md, followed literally in a copy of the tree."""

import tempfile
import time
import unittest
from pathlib import Path

from describe import program_finder
from description import compile_text
from launcher import build, launch, machine
from launcher.paths import TOP
from tests.boot.netpeer import peer
from tests.boot.test_howto_native import (
    add_the_rest, commands_of_page, copy_tree, files_of_page, run,
)
from tests.support import Session

PAGE = TOP / "docs" / "howto" / "nic-driver.md"
DRIVER = "e1000"
LIMIT = 200  # seconds of real time, on a busy machine


class HowTo(unittest.TestCase):
    def test_page(self) -> None:
        page = PAGE.read_text()
        with tempfile.TemporaryDirectory(prefix="tessera.howto.") as name:
            tree = Path(name) / "tree"
            built = Path(name) / "built"
            copy_tree(tree)
            files = files_of_page(page)
            self.assertEqual(len(files), 4)
            for path, contents in files.items():
                (tree / path).parent.mkdir(parents=True, exist_ok=True)
                (tree / path).write_text(contents)
            for command in commands_of_page(page):
                run("sh", "-ec", command, cwd=tree)
            cross = str(tree / "images" / "cross-x86_64.ini")
            run("meson", "setup", str(built), "--cross-file", cross, cwd=tree)
            run("ninja", "-C", str(built), f"drivers/{DRIVER}.dom", cwd=tree)
            add_the_rest(built, "sched_rr", "pci", "netcheck")
            self.drives((tree / "images" / "e1000.toml").read_text(), built)

    def drives(self, description: str, built: Path) -> None:
        with build.workspace() as name, peer() as (_, wire):
            folder = Path(name)
            compiled = compile_text(description, "test", TOP / "images", program_finder(built))
            modules = launch.stage(compiled, built, folder)
            parts = machine.Machine(
                launch.memory_mib(compiled, launch.size_of(modules)), folder / "log",
                launch.multiboot(compiled, built, modules),
                extra=[*wire, "-device", "e1000,netdev=n0"],
            )
            with Session(parts.arguments(terminal=False)):
                self.passes(folder / "log")

    def passes(self, log: Path) -> None:
        deadline = time.monotonic() + LIMIT
        text = ""
        while "netcheck: done:" not in text and time.monotonic() < deadline:
            time.sleep(0.2)
            text = log.read_text(errors="replace") if log.exists() else ""
        self.assertIn("done: 9 passed, 0 failed", text, text)


if __name__ == "__main__":
    unittest.main()
