# SPDX-License-Identifier: BSD-2-Clause
"""A thousand guests at once: that they run, and what each costs.

Instructions are counted (one is a nanosecond of the system's time), so the figures
are the same on every machine. docs/core/domains.md says what the core holds for a domain.
"""

import unittest

from tests.pv.xen import ICOUNT
from tests.scale import guests
from tests.support import system

COUNT = 1000
UNTIL = 1  # second; the last one is made after a third of it
KIB_EACH = 24  # a domain with one vCPU, 64 ports, 512 grants, 16 capabilities
GROWTH = 1.2  # the last one's making against the first one's
MOST_US = 2000  # of virtual time, to make one


class Minis(unittest.TestCase):
    def test_a_thousand_at_once(self) -> None:
        with system(guests.minis(COUNT, UNTIL), *ICOUNT) as console:
            status = console.wait(280)
            found = guests.look(console.logged())
        print(found)
        self.assertEqual(found.ends.count("poweroff"), COUNT, set(found.ends))
        self.assertEqual(status, 33, "root does not say that all have powered off")
        self.assertEqual((found.count, found.kib), (COUNT, COUNT * KIB_EACH))
        self.assertLessEqual(found.last_us, found.first_us * GROWTH, found)
        self.assertLessEqual(max(found.first_us, found.last_us), MOST_US, found)
