# SPDX-License-Identifier: BSD-2-Clause
"""The binary interfaces in proto/ are what they were, and what Xen's are."""

import subprocess
import sys
import unittest
from pathlib import Path

CHECK = Path(__file__).resolve().parent / "check_layout.py"


class Layout(unittest.TestCase):
    def test_layout(self) -> None:
        done = subprocess.run(
            [sys.executable, CHECK], capture_output=True, text=True, check=False, timeout=120
        )
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
