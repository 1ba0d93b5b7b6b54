# SPDX-License-Identifier: BSD-2-Clause
"""cyclictest in a stock guest: its distribution is understood, and who is promised
something is not kept waiting by those that compute."""

import tempfile
import unittest
from collections import Counter
from pathlib import Path

from tests.bench import cyclictest

SAMPLES = 200


class Cyclictest(unittest.TestCase):
    def most(self, case: str) -> int:
        with tempfile.TemporaryDirectory() as folder:
            found = cyclictest.measure(case, SAMPLES, Path(folder))
        print(cyclictest.row(case, found))
        return max(found)

    def test_bvt_with_warp(self) -> None:
        self.assertLess(self.most("BVT, warped"), cyclictest.PROMISED_US)

    def test_edf(self) -> None:
        self.assertLess(self.most("EDF, 2 ms in 10 ms"), cyclictest.PROMISED_US)

    def test_percentiles(self) -> None:
        found = Counter({10: 90, 20: 9, 500: 1})
        parts = (50, 90, 99, 99.9)
        self.assertEqual([cyclictest.percentile(found, part) for part in parts], [10, 10, 20, 500])


if __name__ == "__main__":
    unittest.main()
