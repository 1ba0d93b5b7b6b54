# SPDX-License-Identifier: BSD-2-Clause
"""Two guests on one CPU: one attacks, the other one must not notice.

The victim watches its memory, registers, timers and its share of the CPU while
the hostile kernel beside it does its worst, without end or until it crashes.
Virtual time counts instructions, so that a busy host does not look like harm.
"""

import unittest

from launcher import minimal
from tests.pv.xen import ICOUNT
from tests.support import build_dir, system


def description(attack: str) -> str:
    folder = build_dir() / "tests" / "hostile"
    return minimal.describe(
        minimal.guest("victim", kernel=folder / "victim.elf", memory="32M"),
        minimal.guest("attacker", kernel=folder / "hostile.elf", cmdline=attack, memory="32M",
                      on_crash="stop"),
        name="beside", raw="victim",
    )


class Beside(unittest.TestCase):
    def unharmed_by(self, attack: str) -> None:
        with system(description(attack), *ICOUNT) as console:
            end = console.expect(r"^(victim: .* passed.*|panic.*)\n", 120)
            log = console.logged()
            self.assertEqual(end[1], "victim: 2 passed, 0 failed", console.text + log)
            self.assertNotIn("PANIC", log)

    def test_every_case_once(self) -> None:
        self.unharmed_by("")

    def test_event_flood(self) -> None:
        self.unharmed_by("forever case=event_flood")

    def test_long_calls(self) -> None:
        self.unharmed_by("forever case=multicall_long")

    def test_random_calls(self) -> None:
        self.unharmed_by("forever case=random_calls")

    def test_timers(self) -> None:
        self.unharmed_by("forever case=timer_extremes")

    def test_stack_overflow(self) -> None:
        self.unharmed_by("case=stack_overflow")

    def test_endless_faults(self) -> None:
        self.unharmed_by("case=endless_faults")
