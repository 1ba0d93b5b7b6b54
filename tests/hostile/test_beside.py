# SPDX-License-Identifier: BSD-2-Clause
"""Two guests on one CPU: one attacks, the other one must not notice.

The victim watches its memory, registers, timers and its share of the CPU while
the hostile kernel beside it does its worst, without end or until it crashes.
Virtual time counts instructions, so that a busy host does not look like harm.
"""

import unittest

from tests.pv.xen import ICOUNT
from tests.support import build_dir, system

DESCRIPTION = """
[system]
name = "beside"
policy = "sched_rr"
log = "com2"
exit_port = 0xf4
exit_with_guests = true
[domain.sched_rr]
[domain.uart16550]
serves = ["serial"]
ports = ["0x3f8-0x3ff"]
irqs = [4]
priority = 10
[domain.console]
serves = ["console"]
arguments = "raw=victim"
priority = 20
[domain.store]
serves = ["store"]
priority = 30
[connection.serial]
protocol = "serial"
server = "uart16550"
client = "console"
[guest.victim]
kernel = "{folder}/victim.elf"
memory = "32M"
console = "console"
store = "store"
[guest.attacker]
kernel = "{folder}/hostile.elf"
cmdline = "{attack}"
memory = "32M"
console = "console"
store = "store"
on_crash = "stop"
"""


class Beside(unittest.TestCase):
    def unharmed_by(self, attack: str) -> None:
        text = DESCRIPTION.format(folder=build_dir() / "tests" / "hostile", attack=attack)
        with system(text, *ICOUNT) as console:
            end = console.expect(r"^(victim: .* passed.*|panic.*)\n", 120)
            assert console.log is not None
            log = console.log.read_text(errors="replace")
            self.assertEqual(end[1], "victim: 2 passed, 0 failed", console.text + log)
            self.assertNotIn("PANIC", log)

    def test_every_case_once(self) -> None:
        self.unharmed_by("")

    def test_event_flood(self) -> None:
        self.unharmed_by("forever case=event_flood")

    def test_long_calls(self) -> None:
        self.unharmed_by("forever case=multicall_long")

    def test_random_calls(self) -> None:
        self.unharmed_by("forever case=random_calls")

    def test_timers(self) -> None:
        self.unharmed_by("forever case=timer_extremes")

    def test_stack_overflow(self) -> None:
        self.unharmed_by("case=stack_overflow")

    def test_endless_faults(self) -> None:
        self.unharmed_by("case=endless_faults")
