# SPDX-License-Identifier: BSD-2-Clause
"""The long kill campaign: 200 deaths on each model of disk. Not part of a plain
`./tessera test`; TESSERA_SEED chooses another sequence than the usual one."""

import os
import unittest

from tests.fault.disk import campaign, check

SEED = int(os.environ.get("TESSERA_SEED", "7"))
KILLS = 200


class Campaign(unittest.TestCase):
    def survives(self, model: str, iommu: bool = False) -> None:
        plan = campaign.Plan(KILLS, SEED, models=(model, model), iommu=iommu)
        result = campaign.run(plan)
        print(f"{model}, seed {SEED}, {result.answers} answers\n{check.table(result.kills)}")
        self.assertEqual(result.problems, [], result.log[-3000:])
        self.assertGreater(len(result.kills), KILLS * 9 // 10)

    def test_virtio_blk(self) -> None:
        self.survives("virtio-blk")

    def test_virtio_blk_behind_an_iommu(self) -> None:
        self.survives("virtio-blk", iommu=True)

    def test_ahci(self) -> None:
        self.survives("ahci")

    def test_nvme(self) -> None:
        self.survives("nvme")
