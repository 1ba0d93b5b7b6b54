# SPDX-License-Identifier: BSD-2-Clause
"""Guests that abuse the store (xenstore.c): they harm themselves at most. One beside
them is served at the same time, and soon."""

import unittest

from launcher import minimal
from tests.pv.xen import ICOUNT
from tests.support import build_dir, system


class Xenstore(unittest.TestCase):
    def run_to(self, title: str, count: int, *guests: str) -> None:
        text = minimal.describe(*guests, name="xenstore", raw=title)
        with system(text, *ICOUNT) as console:
            end = console.expect(r"^(\w+: .*passed.*|panic.*)\n", 300)
            log = console.logged()
            self.assertEqual(end[1], f"{title}: {count} passed, 0 failed", console.text + log)
            self.assertNotRegex(log, "PANIC|root: store: crashed")

    def guest(self, name: str, words: str) -> str:
        return minimal.guest(
            name, kernel=build_dir() / "tests" / "hostile" / "xenstore.elf", cmdline=words,
            memory="16M", on_crash="stop",
        )

    def test_alone(self) -> None:
        self.run_to("xenstore", 6, self.guest("xenstore", ""))

    def test_beside(self) -> None:
        self.run_to("victim", 1, self.guest("victim", "victim"), self.guest("attacker", "forever"))
