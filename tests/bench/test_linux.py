# SPDX-License-Identifier: BSD-2-Clause
"""A stock kernel's operations cost what the goals allow, and the count is right."""

import functools
import unittest

from tests.bench import linux
from tests.support import build_dir


@functools.cache
def measured():
    return linux.measure()


class Linux(unittest.TestCase):
    def test_whose_instructions(self):
        """The program's own loop is the same on both; the core is on one of them."""
        native, ours = measured()
        for name in linux.OPERATIONS:
            with self.subTest(name):
                self.assertEqual(native[name].per_operation("core", "native"), 0)
        for name in ("null", "signal", "context_switch"):
            with self.subTest(name):
                self.assertEqual(native[name].per_operation("program"),
                                 ours[name].per_operation("program"))
                self.assertGreater(ours[name].per_operation("core"), 50)

    def test_goals(self):
        _, ours = measured()
        shares = {name: ours[name].row()["hypervisor"] for name in linux.OPERATIONS}
        wrong = [f"{name}: {shares[name]} instructions, at most {goal}"
                 for name, (_, _, goal) in linux.OPERATIONS.items() if shares[name] > goal]
        self.assertEqual(wrong, [])

    def test_profile_names_functions(self):
        _, ours = measured()
        text = linux.profile(ours, build_dir() / "kernel" / "core.elf")
        self.assertRegex(text, r"1\.00 times  syscall_from_user\n")
