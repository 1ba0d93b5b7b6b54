# SPDX-License-Identifier: BSD-2-Clause
"""docs/howto/block-driver.md, followed literally in a copy of the tree."""

import unittest

from tests.boot import howto
from tests.support import system


class HowTo(unittest.TestCase):
    def test_page(self) -> None:
        others = ("sched_rr", "pci", "blkcheck")
        with howto.followed("block-driver.md", 4, "drivers/edu_disk.dom", others) as (tree, built):
            description = (tree / "images" / "edu.toml").read_text()
            card = ("-device", "edu,dma_mask=0xffffffffffff")
            with system(description, *card, built=built) as console:
                log = console.expect_log(r"^blkcheck: done: .*\n").string
        for check in ("session", "one block", "segments of a sector", "out of range", "flush"):
            self.assertIn(f"PASS {check}", log, log)
        self.assertIn("done: 5 passed, 0 failed", log, log)


if __name__ == "__main__":
    unittest.main()
