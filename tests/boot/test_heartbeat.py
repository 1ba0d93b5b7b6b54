# SPDX-License-Identifier: BSD-2-Clause
"""A native domain that runs and does nothing is found by its heartbeat and started again;
one that is not watched is left alone."""

import re
import unittest

from launcher import minimal
from tests.support import system

LIMIT = 120

DESCRIPTION = minimal.describe(
    minimal.guest(
        "one", kernel="package:linux-image-cloud-amd64", initrd="built:busybox", cmdline="quiet",
        memory="128M",
    ),
    """
[domain.watched]
image = "hang"
heartbeat = "500ms"
priority = 300
[domain.alone]
image = "hang"
heartbeat = "0s"
priority = 300
""",
    name="heartbeat", control=True,
)


class Heartbeat(unittest.TestCase):
    def test_who_hangs_is_started_again(self) -> None:
        with system(DESCRIPTION) as console:
            console.expect("guest:/#", LIMIT)
            once = console.expect_log("root: watched: started again", LIMIT)
            log = console.expect_log("root: watched: started again", LIMIT, once.end()).string
            self.assertRegex(log, "root: watched: crashed: hung: no heartbeat for 500 ms")
            self.assertEqual(len(re.findall("alone: hangs from now on", log)), 1)
            ended = set(re.findall("root: ([a-z0-9_]+): crashed: hung", log))
            self.assertEqual(ended, {"watched"}, "somebody else was ended")
            console.send("\x01cwhy watched\r")
            console.expect("hung: no heartbeat for 500 ms", LIMIT)


if __name__ == "__main__":
    unittest.main()
