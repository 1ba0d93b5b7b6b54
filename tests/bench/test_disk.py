# SPDX-License-Identifier: BSD-2-Clause
"""The disk benchmark runs: one row, counted, and told apart by domain. Its table is
for `./tessera bench disk`, which takes an hour."""

import tempfile
import unittest
from pathlib import Path

from tests.bench import disk, report

ROW = "randread:4k:32"
MOST = 45_000  # instructions of one request, of the whole machine
MOST_OURS = 13_000  # of them outside the guest


class Disk(unittest.TestCase):
    def test_one_row(self):
        with tempfile.TemporaryDirectory(prefix="tessera.") as folder:
            place = disk.Place.make(Path(folder))
            run = disk.Run("virtio-blk", [ROW], 0)
            found = disk.measure(place, "tessera", run)[ROW]
        self.assertLess(found["all"], MOST, found)
        self.assertLess(found["all"] - found["kernel"] - found["program"], MOST_OURS, found)
        for domain in ("core", "vbd", "virtio_blk"):
            self.assertGreater(found[domain], 300, found)
        self.assertLess(found.get("native", 0), 100, "instructions of no known domain")

    def test_the_better_of_two_rounds_stays(self):
        kept = report.Kept(None)
        for iops, us in ((3, 20), (5, 30), (4, 10)):
            kept.add("disk", "xen", ROW, {"iops": iops, "us": us})
        self.assertEqual(kept.found["disk"]["xen"][ROW], {"iops": 5, "us": 10})
