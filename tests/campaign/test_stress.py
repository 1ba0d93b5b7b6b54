# SPDX-License-Identifier: BSD-2-Clause
"""Stress on four CPUs, for two minutes and for an hour: tests/stress/system.py says of what,
and what must hold."""

import unittest

from launcher.paths import out_dir
from tests.stress import system


class Stress(unittest.TestCase):
    def stress(self, seconds: int) -> None:
        result = system.run(seconds, keep=out_dir() / f"stress-{seconds}.log")
        print(result)
        self.assertFalse(result.problems, str(result))

    def test_two_minutes(self) -> None:
        self.stress(120)

    def test_an_hour(self) -> None:
        self.stress(3600)


if __name__ == "__main__":
    unittest.main()
