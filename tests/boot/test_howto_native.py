# SPDX-License-Identifier: BSD-2-Clause
"""docs/howto/native-domain.md, followed literally in a copy of the tree."""

import unittest

from tests.boot import howto
from tests.support import system


class HowTo(unittest.TestCase):
    def test_page(self) -> None:
        with howto.followed("native-domain.md", 2) as (tree, built):
            description = (tree / "images" / "uptime.toml").read_text()
            with system(description, built=built) as console:
                console.expect(r"uptime: up for \d+ s", 120)
                console.expect("guest:/#", 120)
                first = int(console.expect(r"uptime: up for (\d+) s", 30)[1])
                second = int(console.expect(r"uptime: up for (\d+) s", 30)[1])
                self.assertIn(second - first, (2, 3))
                console.send("\x01ckill uptime\r")
                console.expect("uptime: started again", 30)
                console.expect(r"uptime: up for \d+ s", 30)


if __name__ == "__main__":
    unittest.main()
