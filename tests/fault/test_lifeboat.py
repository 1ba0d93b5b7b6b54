# SPDX-License-Identifier: BSD-2-Clause
"""A lifeboat through the lives of its domain (boatcheck): kept, half written, damaged,
and full of garbage."""

import time
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
            deadline = time.monotonic() + LIMIT
            log = ""
            while "done after" not in log and time.monotonic() < deadline:
                time.sleep(0.2)
                assert session.log is not None
                log = session.log.read_text(errors="replace") if session.log.exists() else ""
        self.assertIn("boatcheck: done after 5 lives", log)
        self.assertNotIn("FAIL", log)
