# SPDX-License-Identifier: BSD-2-Clause
"""Throughput over the number of domains, in a window of some rounds; and the picture."""

import tempfile
import unittest
import xml.dom.minidom
from pathlib import Path

from tests.bench import figure6

SLICE_MS = 5


class Figure6(unittest.TestCase):
    def test_many_do_as_much_as_one(self) -> None:
        alone, many = (figure6.measure(domains, SLICE_MS, 160) for domains in (1, 128))
        self.assertGreaterEqual(figure6.share(many, alone), 1 - figure6.LOSS, (alone, many))
        # Everybody had the same part of it; a slice may just have begun at the end.
        self.assertLessEqual(max(many.loops), 2.1 * min(many.loops), many)

    def test_picture(self) -> None:
        points = [figure6.Point(n, ms, 10, (1000 - n,)) for ms in (5, 50) for n in (1, 2, 128)]
        self.assertIn("| 128 | 87.29% | 87.29% |", figure6.table(points))
        with tempfile.TemporaryDirectory() as name:
            picture = figure6.draw(points, Path(name) / "it.svg")
            found = xml.dom.minidom.parse(str(picture)).documentElement
            self.assertEqual(found.tagName, "svg")


if __name__ == "__main__":
    unittest.main()
