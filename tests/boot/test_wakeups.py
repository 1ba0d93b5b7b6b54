# SPDX-License-Identifier: BSD-2-Clause
"""No wake-up is lost between vCPUs on several CPUs (tests/stress/watch.c), and one that were
would be found."""

import unittest

from tests.stress import system
from tests.support import boot, build_dir

# By the one whose event it was, or by another one that waits for its own.
FOUND = r"behind its event in round \d+|round \d+ has not ended"


class Watch(unittest.TestCase):
    def watch(self, cmdline: str):
        return boot(build_dir() / "tests" / "stress" / "watch.elf", "--vcpus", "3", "--cpus", "2",
                    cmdline=f"until=3 {cmdline}", memory="32M", timeout=120)

    def test_nothing_is_lost(self) -> None:
        end = self.watch("patience=60000")
        self.assertEqual(end.status, 0, end)
        self.assertRegex(end.console, system.WATCHED)

    def test_a_lost_event_is_found(self) -> None:
        end = self.watch("patience=1500 lose=20")
        self.assertEqual(end.status, 1, end)
        self.assertRegex(end.console, FOUND)


if __name__ == "__main__":
    unittest.main()
