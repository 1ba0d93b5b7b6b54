# SPDX-License-Identifier: BSD-2-Clause
"""A guest floods, of whose VIF the description says nothing; its neighbours do not feel it.
All of it is virtual time: the verdict is the same on every host."""

import unittest

from tests.fault.net import isolation

LEAST_SENT = 100  # frames: a flood that was none would prove nothing


class Isolation(unittest.TestCase):
    def test_neighbours_of_a_flood(self) -> None:
        found = isolation.measure()
        table = found.table()
        self.assertEqual(set(found.trips), {"none", *isolation.KINDS}, table)
        idle, fair = found.trips["none"].median, found.streams["none"]
        for kind in isolation.KINDS:
            self.assertLessEqual(found.trips[kind].median, 2 * idle, table)
            self.assertEqual(found.trips[kind].lost, 0, table)
            self.assertGreaterEqual(found.streams[kind], fair * 95 // 100, table)
        for kind in isolation.KINDS[:-1]:  # the last slot may not be over yet
            self.assertGreater(found.floods.get(kind, 0), LEAST_SENT, f"{table}\n{found.floods}")
