# SPDX-License-Identifier: BSD-2-Clause
"""What is fetched is made once, and whole, however many ask at the same time. And a
failed test says first why it failed."""

import os
import subprocess
import tempfile
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest.mock import patch

import guests
from tests import run
from tests.bench.blk import ramdisk

# In place of mmdebstrap: it takes its time, and counts.
SLOW = """#!/bin/sh
for output; do :; done
echo asked >>"$COUNT"
echo half >"$output"
sleep 0.3
echo whole >>"$output"
"""
ASKING = 4
ROUNDS = 20


class Cache(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.cache = self.folder / "cache"

    def test_packages_of_the_benchmarks(self) -> None:
        program, count = self.folder / "mmdebstrap", self.folder / "count"
        program.write_text(SLOW, encoding="ascii")
        program.chmod(0o755)
        with patch.dict(os.environ, {"TESSERA_CACHE": str(self.cache), "COUNT": str(count),
                                     "PATH": f"{self.folder}:{os.environ['PATH']}"}):
            with ThreadPoolExecutor(ASKING) as pool:
                asked = [pool.submit(ramdisk.archive) for _ in range(ASKING)]
                found = {one.result().read_text(encoding="ascii") for one in asked}
        self.assertEqual(found, {"half\nwhole\n"})
        self.assertEqual(count.read_text(encoding="ascii"), "asked\n")

    def package(self, name: str, data: bytes) -> Path:
        tree = self.folder / name
        (tree / "DEBIAN").mkdir(parents=True)
        (tree / "boot").mkdir()
        (tree / "boot" / "vmlinuz-1").write_bytes(data)
        (tree / "DEBIAN" / "control").write_text(
            f"Package: {name}\nVersion: 1\nArchitecture: all\nMaintainer: us\n"
            "Description: a test\n",
            encoding="ascii")
        output = self.folder / f"{name}.deb"
        subprocess.run(["dpkg-deb", "--build", "-Znone", tree, output], check=True,
                       capture_output=True)
        return output

    def test_kernels_whose_names_begin_alike(self) -> None:
        contents = {f"linux-image-6.1.0-{n}": bytes([n]) * (1 << 20) for n in range(ASKING)}
        debs = {name: self.package(name, data) for name, data in contents.items()}

        def fetch(command: list[str], folder: Path) -> str:
            name = command[-1]
            (folder / f"{name}.deb").write_bytes(debs[name].read_bytes())
            return ""

        with patch.object(guests, "_apt", fetch), ThreadPoolExecutor(ASKING) as pool:
            for number in range(ROUNDS):
                cache = self.cache / str(number)
                asked = {name: pool.submit(guests.package_file, name, cache) for name in contents}
                for name, one in asked.items():
                    self.assertEqual(one.result().read_bytes()[:4], contents[name][:4], name)


class Reason(unittest.TestCase):
    def test_the_reason_is_said_first(self) -> None:
        class Wrong(unittest.TestCase):
            def test_it(self) -> None:
                try:
                    raise OSError("the cause")
                except OSError as error:
                    raise ValueError("one\n  two\nthree") from error

        result = unittest.TestResult()
        Wrong("test_it").run(result)
        lines = run.reason_first(result.errors[0][1]).splitlines()
        self.assertEqual(lines[:4], ["ValueError: one", "  two", "three",
                                     "Traceback (most recent call last):"])
        self.assertIn("OSError: the cause", lines)
