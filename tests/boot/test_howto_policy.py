# SPDX-License-Identifier: BSD-2-Clause
"""docs/howto/policy.md, followed literally in a copy of the tree."""

import unittest

from tests.boot import howto
from tests.support import system

OTHERS = ("uart16550", "console", "pci", "virtio_serial", "control", "store", "virtio_net",
          "switch")


class HowTo(unittest.TestCase):
    def test_page(self) -> None:
        with howto.followed("policy.md", 1, "servers/sched_strict.dom", OTHERS) as (tree, built):
            description = (tree / "images" / "strict.toml").read_text()
            with system(description, built=built) as console:
                console.expect("guest:/#", 400)
                text = console.text  # the log is on it, too
        self.assertRegex(text, r"sched_strict: CPU 0: \d+ vCPUs in order of weight")
        self.assertNotIn("refuses a plan", text)


if __name__ == "__main__":
    unittest.main()
