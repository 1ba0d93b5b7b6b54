# SPDX-License-Identifier: BSD-2-Clause
"""A lifeboat through the lives of its domain (boatcheck): kept, half written, damaged,
and full of garbage."""

import unittest

from tests.support import system

DESCRIPTION = """
[system]
name = "lifeboat"
policy = "sched_rr"
log = "com2"
[domain.sched_rr]
[domain.boatcheck]
log = "write"
lifeboat = "64K"
restart = { limit = 10, window = "60s", backoff = "1ms" }
"""
LIMIT = 60  # seconds of real time


class Lifeboat(unittest.TestCase):
    def test_lives(self) -> None:
        with system(DESCRIPTION) as session:
            log = session.expect_log("boatcheck: done after 5 lives", LIMIT).string
        self.assertNotIn("FAIL", log)
