# SPDX-License-Identifier: BSD-2-Clause
"""The project's own PV kernels: does the guest interface work, does it hold?

Each kernel prints PASS, FAIL or SKIP for its cases and a sum. The same kernels
must agree with a real Xen where it is installed, or else their expectations are
wrong; there only what does not depend on dom0's privileges is run.
"""

import functools
import re
import unittest

from tests.pv import xen
from tests.support import boot, build_dir

FATAL = {  # the case, and what root must say about the domain's end
    "bad_kernel_stack": "no room for a frame",
    "table_as_stack": "no room for a frame",
    "stack_overflow": "no room for a frame",
    "no_handler": "no handler",
    "no_user_root": "user",
    "iret_without_stack": "iret",
    "endless_faults": "",
}


def kernel(name):
    folder, _, file = name.partition("/")
    return build_dir() / "tests" / folder / f"{file}.elf"


@functools.cache
def on_tessera(name):
    return boot(kernel(name), memory="64M", timeout=120)


class Verdict(unittest.TestCase):
    """Reads what a kernel says."""

    def judge(self, text, least):
        """`text` reports no failure and at least so many passes."""
        failures = re.findall(r"^FAIL .*$", text, re.MULTILINE)
        if failures:
            self.fail("\n".join(failures))
        total = re.search(r"^\w+: (\d+) passed, 0 failed$", text, re.MULTILINE)
        self.assertIsNotNone(total, f"it did not finish:\n{text[-2000:]}")
        self.assertGreaterEqual(int(total.group(1)), least)


class Tessera(Verdict):
    """As an ordinary domain of Tessera."""

    def check(self, name, least):
        end = on_tessera(name)
        self.judge(end.console + end.errors, least)
        self.assertEqual(end.status, 0, str(end))

    def test_selftest(self):
        self.check("pv/selftest", 75)

    def test_errors(self):
        self.check("hostile/errors", 150)

    def test_hostile(self):
        self.check("hostile/hostile", 65)

    def test_selftest_with_more_of_it(self):
        end = boot(kernel("pv/selftest"), "--vcpus", "2", "--cpus", "2", memory="512M", timeout=120)
        self.judge(end.console + end.errors, 75)


class Fatal(unittest.TestCase):
    """What ends the domain ends it alone, and its controller is told why."""

    def end(self, case):
        return boot(kernel("hostile/hostile"), memory="64M", timeout=60, cmdline=f"case={case}")


def _fatal(case, words):
    def test(self):
        end = self.end(case)
        self.assertEqual(end.status, 1, str(end))
        self.assertIn(f"RUN {case}", end.console)
        self.assertNotIn("FAIL", end.console)
        self.assertRegex(end.errors + end.log, f"guest: crashed.*{words}")
    return test


for _case, _words in FATAL.items():
    setattr(Fatal, f"test_{_case}", _fatal(_case, _words))


@unittest.skipUnless(xen.available(), "the distribution's Xen is not installed")
class Xen(Verdict):
    """As dom0 of Xen: the expectations themselves."""

    def test_selftest(self):
        self.judge(xen.boot(kernel("pv/selftest"), xen_options="dom0_max_vcpus=2"), 70)

    def test_errors(self):
        self.judge(xen.boot(kernel("hostile/errors")), 140)

    def test_hostile(self):
        self.judge(xen.boot(kernel("hostile/hostile")), 55)
