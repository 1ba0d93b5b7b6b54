# SPDX-License-Identifier: BSD-2-Clause
"""Guests talk while the switch and the cards' drivers die: a short campaign. The long
one is the suite `campaign`."""

import unittest

from tests.fault.disk.check import median
from tests.fault.net import campaign

SEED = 3
KILLS = 10
MEDIAN_TARGET = 5_000_000  # instructions in which nothing arrives


class Kills(unittest.TestCase):
    def survives(self, plan: campaign.Plan) -> campaign.Result:
        result = campaign.run(plan)
        self.text = f"seed {SEED}\n{campaign.table(result.kills)}\n{result.log[-3000:]}"
        self.assertEqual(result.problems, [], self.text)
        for path, received in result.received.items():
            self.assertGreater(received, 0, path)
        return result

    def test_no_stream_breaks_between_guests(self) -> None:
        result = self.survives(campaign.Plan(kills=KILLS, seed=SEED))
        self.assertGreaterEqual(len(result.kills), KILLS * 3 // 4, self.text)
        self.assertLess(median(result.silences()), MEDIAN_TARGET, self.text)

    def test_no_stream_breaks_to_the_host(self) -> None:
        self.survives(campaign.Plan(kills=KILLS, seed=SEED, host=True, iommu=True))
