# SPDX-License-Identifier: BSD-2-Clause
"""A policy that attacks, hangs and dies, one that is replaced and killed under load, and those
that they plan for. All of it is virtual time, so that a slice is a slice on every host."""

import re
import unittest

from launcher import minimal
from tests.bench.wake import beside
from tests.boot.test_guests import ALARMS
from tests.boot.test_sched import READY, linux
from tests.pv.xen import ICOUNT
from tests.support import system
from tests.upgrade.rig import CONTROL_RIGHTS, Rig

MS = 1000  # us
# 20 ms without any attack: two slices of the guest, one at a round's end and one at the next
# one's beginning. One slice of the policy more, and what servers and root need in between.
LONGEST = 32 * MS
# 10 ms while nothing is replaced: a slice of each of the two that compute. The next plan may have
# them before it once more; and in between root makes a domain and that its first plan.
LONGEST_CHANGE = 24 * MS
PAUSE = re.compile(r"steady: longest pause: (\d+) us")
STEADY = '[domain.steady]\nheartbeat = "0ms"\npriority = 150\n'


class Attack(unittest.TestCase):
    def test_nobody_is_disturbed(self) -> None:
        text = minimal.describe(
            linux("one", cmdline="console=hvc0 quiet"), STEADY, raw="one", policy="badsched",
            scheduling='heartbeat = "500ms"\npriority = 50\n',
        )
        with system(text, *ICOUNT) as guest:
            behind = guest.expect_log("badsched: behaves now", 550).end()
            for _ in range(2):
                behind = guest.expect_log("steady: longest pause: ", 300, behind).end()
            guest.expect(READY, 300)
            guest.send("echo al''ive; dmesg; poweroff -f\n")
            guest.expect("^alive", 100)
            self.assertEqual(guest.wait(200), 33, guest.text[-3000:])
            log = guest.logged()
        self.assertNotIn("PANIC", log)
        alarms = [line for line in guest.text.splitlines() if ALARMS.search(line)]
        self.assertFalse(alarms, "\n".join(alarms))
        pauses = [int(found) for found in PAUSE.findall(log)]
        self.assertGreater(len(pauses), 3, log[-3000:])
        self.assertLessEqual(max(pauses), LONGEST, log[-5000:])
        # Each attack took place, and what is nonsense was refused.
        phases = dict((name, (int(taken), int(refused))) for name, taken, refused in re.findall(
            r"badsched: ([a-z ]+): (\d+) taken, (\d+) refused", log))
        self.assertEqual(len(phases), 4, log[-5000:])
        self.assertEqual(phases["senseless plans"][0], 0, log[-5000:])
        self.assertGreater(phases["senseless plans"][1], 100)
        self.assertGreater(phases["a plan again and again"][0], 100)
        self.assertGreater(phases["notified of everything"][0], 100)
        self.assertGreater(min(phases["without a pause"]), 100)
        self.assertRegex(log, "badsched: .*no heartbeat")
        self.assertIn("dies in the middle", log)


class Replaced(unittest.TestCase):
    """`./tessera sched set` asks for the same as the console's `upgrade`."""

    def test_nobody_is_disturbed(self) -> None:
        slices = "slice = \"5ms\"\n"
        hogs = [hog + slices for hog in beside(2)]
        text = minimal.describe(STEADY + slices, *hogs, policy="sched_bvt", control=True,
                                programs=["sched_rr", "sched_edf"]).replace(
            'server = "root"\nclient = "console"\n', 'server = "root"\n' + CONTROL_RIGHTS)
        with system(text, *ICOUNT) as guest:
            rig = Rig(guest)
            behind = guest.expect_log("steady: longest pause: ", 300).end()
            for program in ("sched_rr", "sched_edf", "sched_bvt"):
                rig.upgrade("sched_bvt", program)
                behind = len(rig.log())
                rig.command("kill sched_bvt")
                behind = rig.wait_for_log("sched_bvt: .*started again", behind, 300).end()
                for _ in range(2):
                    behind = guest.expect_log("steady: longest pause: ", 300, behind).end()
            log = guest.logged()
        pauses = [int(found) for found in PAUSE.findall(log)]
        print("longest pauses in us:", pauses)
        self.assertLessEqual(max(pauses), LONGEST_CHANGE, log[-5000:])
        self.assertNotIn("refuses a plan", log)


if __name__ == "__main__":
    unittest.main()
