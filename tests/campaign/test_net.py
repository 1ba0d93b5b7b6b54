# SPDX-License-Identifier: BSD-2-Clause
"""The network's long kill campaign: 200 deaths with each model of card, between two
guests and to the host. TESSERA_SEED chooses another sequence than the usual one."""

import os
import unittest

from tests.fault.disk.check import median
from tests.fault.net import campaign

SEED = int(os.environ.get("TESSERA_SEED", "7"))
KILLS = 200
MEDIAN_TARGET = 5_000_000  # instructions in which nothing arrives


class Campaign(unittest.TestCase):
    def survives(self, **keys: object) -> None:
        plan = campaign.Plan(KILLS, SEED, **keys)
        result = campaign.run(plan)
        print(f"{keys}, seed {SEED}, {result.received}\n{campaign.table(result.kills)}")
        self.assertEqual(result.problems, [], result.log[-3000:])
        if not plan.host and plan.rate:
            self.assertGreater(len(result.kills), KILLS * 9 // 10)
            self.assertLess(median(result.silences()), MEDIAN_TARGET)

    def test_virtio_net(self) -> None:
        self.survives(model="virtio-net")

    def test_e1000e(self) -> None:
        self.survives(model="e1000e")

    def test_virtio_net_behind_an_iommu(self) -> None:
        self.survives(model="virtio-net", iommu=True)

    def test_to_the_host(self) -> None:
        self.survives(model="virtio-net", host=True)

    def test_busy_guests(self) -> None:
        """The streams go as fast as they can."""
        self.survives(model="virtio-net", rate=0)
