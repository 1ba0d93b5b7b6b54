# SPDX-License-Identifier: BSD-2-Clause
"""The pictures of unnoticed_death.py, of deaths that are made up."""

import tempfile
import unittest
import xml.dom.minidom
from pathlib import Path

from tests.bench import unnoticed_death


class Pictures(unittest.TestCase):
    def test_they_are_drawn(self) -> None:
        deaths: list[dict[str, object]] = [
            {"victim": victim, "at_ns": (9 + second) * 10**9, "silent_ns": 10**6 * (1 + second % 5)}
            for second in range(60) for victim in ("vbd", "switch")
        ]
        with tempfile.TemporaryDirectory() as name:
            for picture in unnoticed_death.draw(deaths, Path(name)):
                text = xml.dom.minidom.parse(str(picture)).documentElement
                self.assertEqual(text.tagName, "svg")
                self.assertGreater(len(text.getElementsByTagName("path")), 10)


if __name__ == "__main__":
    unittest.main()
