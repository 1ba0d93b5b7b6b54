# SPDX-License-Identifier: BSD-2-Clause
"""Ten minutes of virtual time in which every second some domain dies, under a guest that
writes with fsync and talks over TCP. TESSERA_SEED chooses another sequence."""

import os
import unittest

from tests.fault.unnoticed import campaign

SEED = int(os.environ.get("TESSERA_SEED", "7"))


class Unnoticed(unittest.TestCase):
    def test_ten_minutes(self) -> None:
        plan = campaign.Plan(seed=SEED)
        result = campaign.run(plan)
        print(f"seed {SEED}, {result.answers} answers, {result.received} bytes\n"
              f"{campaign.table(result.deaths)}")
        self.assertEqual(result.problems, [], result.log[-3000:])
        self.assertEqual(len(result.deaths), plan.kills)


if __name__ == "__main__":
    unittest.main()
