# SPDX-License-Identifier: BSD-2-Clause
"""What is fetched is made once, and whole, however many ask at the same time. And a
failed test says first why it failed."""

import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from launcher.paths import TOP
from tests import run

# In place of mmdebstrap: it takes its time, and counts.
SLOW = """#!/bin/sh
for output; do :; done
echo asked >>"$FOLDER/count"
echo half >"$output"
sleep 0.3
echo whole >>"$output"
"""
APT = """#!/bin/sh
for name; do :; done
cp "$FOLDER/$name.deb" .
"""
# Programs of their own, as other tests run in this one beside.
ARCHIVE = """
from concurrent.futures import ThreadPoolExecutor
from tests.bench.blk import ramdisk
with ThreadPoolExecutor(4) as pool:
    for one in [pool.submit(ramdisk.archive) for _ in range(4)]:
        print(*one.result().read_text().split())
"""
KERNELS = """
from concurrent.futures import ThreadPoolExecutor
from launcher.paths import cache_dir
import guests
with ThreadPoolExecutor(4) as pool:
    for number in range(20):
        cache = cache_dir() / str(number)
        names = [f"linux-image-6.1.0-{n}" for n in range(4)]
        asked = [pool.submit(guests.package_file, name, cache) for name in names]
        print(*(one.result().read_bytes()[0] for one in asked))
"""


class Cache(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))

    def program(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text, encoding="ascii")
        (self.folder / name).chmod(0o755)

    def ask(self, program: str) -> list[str]:
        environment = {**os.environ, "TESSERA_CACHE": str(self.folder / "cache"),
                       "FOLDER": str(self.folder), "PYTHONPATH": f"{TOP}:{TOP / 'images'}",
                       "PATH": f"{self.folder}:{os.environ['PATH']}"}
        done = subprocess.run([sys.executable, "-c", program], env=environment, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        self.assertEqual(done.returncode, 0, done.stdout)
        return done.stdout.splitlines()

    def test_packages_of_the_benchmarks(self) -> None:
        self.program("mmdebstrap", SLOW)
        self.assertEqual(self.ask(ARCHIVE), ["half whole"] * 4)
        self.assertEqual((self.folder / "count").read_text(encoding="ascii"), "asked\n")

    def package(self, name: str, data: bytes) -> None:
        tree = self.folder / name
        (tree / "DEBIAN").mkdir(parents=True)
        (tree / "boot").mkdir()
        (tree / "boot" / "vmlinuz-1").write_bytes(data)
        (tree / "DEBIAN" / "control").write_text(
            f"Package: {name}\nVersion: 1\nArchitecture: all\nMaintainer: us\n"
            "Description: a test\n",
            encoding="ascii")
        subprocess.run(["dpkg-deb", "--build", "-Znone", tree, self.folder / f"{name}.deb"],
                       check=True, capture_output=True)

    def test_kernels_whose_names_begin_alike(self) -> None:
        for n in range(4):
            self.package(f"linux-image-6.1.0-{n}", bytes([n]) * (1 << 20))
        self.program("apt-get", APT)
        self.assertEqual(self.ask(KERNELS), ["0 1 2 3"] * 20)


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
