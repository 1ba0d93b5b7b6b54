# SPDX-License-Identifier: BSD-2-Clause
"""No lock of the core is held for long, whatever small guests that come and go make of it."""

import unittest
from pathlib import Path

from launcher import build
from tests.bench import locks

GUESTS = 8
LONGEST = 100_000  # instructions: 64 entries of a plan, or frames to be scrubbed, and no more
COMMON = {"tree_lock", "p->lock", "d->channel_lock"}


class Locks(unittest.TestCase):
    def test_held_for_a_bounded_time(self) -> None:
        with build.workspace() as name:
            found = locks.together(locks.watch(Path(name), locks.many_guests(GUESTS)))
        print(locks.table(found))
        self.assertLessEqual(COMMON, {hold.lock for hold in found})
        self.assertLess(found[0].most, LONGEST, locks.table(found[:3]))


if __name__ == "__main__":
    unittest.main()
