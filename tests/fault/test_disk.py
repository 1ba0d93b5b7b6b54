# SPDX-License-Identifier: BSD-2-Clause
"""A guest writes to its disks while the domains behind them die: a short campaign.
The long one is the suite `campaign`."""

import unittest

from tests.fault.disk import campaign, check

SEED = 3
MEDIAN_TARGET = 5_000_000  # instructions from a kill to the end of the silence


class Kills(unittest.TestCase):
    def test_nothing_is_lost(self) -> None:
        result = campaign.run(campaign.Plan(kills=20, seed=SEED, iommu=True))
        text = f"seed {SEED}\n{check.table(result.kills)}\n{result.log[-3000:]}"
        self.assertEqual(result.problems, [], text)
        self.assertGreaterEqual(len(result.kills), 15, text)
        self.assertLess(check.median([kill.silence for kill in result.kills]), MEDIAN_TARGET, text)
