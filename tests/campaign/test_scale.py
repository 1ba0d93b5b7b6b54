# SPDX-License-Identifier: BSD-2-Clause
"""128 Linux guests of 64 MiB at once: what making them costs, counted in instructions, and
that all of them come up and end as they should. Takes 9 GiB of memory and some minutes."""

import tempfile
import time
import unittest
from pathlib import Path

from tests.pv.xen import ICOUNT
from tests.scale import guests
from tests.support import system

COUNT = 128
RTC = ["-rtc", "base=2024-01-01T00:00:00"]
UNTIL = 900  # seconds of the machine's clock: long enough for all to start on a slow host
GROWTH = 1.2
KIB_EACH = 436  # with what a description gives by default: docs/core/domains.md


class Linux(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="tessera.scale.")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def test_making_them(self) -> None:
        with system(guests.linux(COUNT, UNTIL, self.folder), *ICOUNT) as console:
            log = ""
            while "is up" not in log and console.process.poll() is None:
                time.sleep(0.2)
                log = console.logged()
        found = guests.look(log)
        print(found)
        self.assertEqual(found.count, COUNT)
        self.assertEqual(found.kib, COUNT * KIB_EACH)
        self.assertLessEqual(found.last_us, found.first_us * GROWTH, found)

    def test_all_at_once(self) -> None:
        with system(guests.linux(COUNT, UNTIL, self.folder), "-smp", "4", *RTC) as console:
            status = console.wait(2 * UNTIL)
            found = guests.look(console.logged())
        self.assertEqual(found.ends.count("poweroff"), COUNT, set(found.ends))
        self.assertEqual(status, 33)
