# SPDX-License-Identifier: BSD-2-Clause
"""Every domain but root dies once or more, and a guest that writes and talks notices nothing.
The long run is ./tessera bench unnoticed-death."""

import unittest

from tests.fault.unnoticed import campaign


class Unnoticed(unittest.TestCase):
    def test_a_short_run(self) -> None:
        plan = campaign.Plan(seconds=3, every_us=200_000, seed=5)
        result = campaign.run(plan)
        self.assertEqual(result.problems, [], result.console[-3000:] + result.log[-3000:])
        self.assertEqual(len(result.deaths), plan.kills)
        self.assertGreater(result.received, 100_000)
        self.assertGreater(result.answers, 100)


if __name__ == "__main__":
    unittest.main()
