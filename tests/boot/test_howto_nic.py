# SPDX-License-Identifier: BSD-2-Clause
"""docs/howto/nic-driver.md, followed literally in a copy of the tree."""

import unittest

from tests.boot import howto
from tests.boot.netpeer import peer
from tests.support import system


class HowTo(unittest.TestCase):
    def test_page(self) -> None:
        others = ("sched_rr", "pci", "netcheck")
        with howto.followed("nic-driver.md", 4, "drivers/e1000.dom", others) as (tree, built):
            description = (tree / "images" / "e1000.toml").read_text()
            with peer() as (_, wire), system(
                description, *wire, "-device", "e1000,netdev=n0", built=built
            ) as console:
                log = console.expect_log(r"^netcheck: done: .*\n", 200).string
        self.assertIn("done: 9 passed, 0 failed", log, log)


if __name__ == "__main__":
    unittest.main()
