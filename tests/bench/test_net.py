# SPDX-License-Identifier: BSD-2-Clause
"""The network benchmark runs: one row between two guests, counted, and told apart by
domain. Its tables are for `./tessera bench net`, which takes hours."""

import tempfile
import unittest
from pathlib import Path

from tests.bench import net

ROW = "ping:out:56"
MOST = 90_000  # instructions of one round trip, of the whole machine
MOST_OURS = 35_000  # of them in the core and the switch


class Net(unittest.TestCase):
    def test_one_row(self):
        with tempfile.TemporaryDirectory(prefix="tessera.") as folder:
            place = net.Place.make(Path(folder))
            run = net.Run("virtio-net", "guest", True, [ROW], 0)
            found = net.measure(place, "tessera", run)[0][ROW]
        self.assertLess(found["all"], MOST, found)
        ours = sum(found[domain] for domain in ("core", "switch"))
        self.assertLess(ours, MOST_OURS, found)
        for domain in ("core", "switch"):
            self.assertGreater(found[domain], 300, found)
