# SPDX-License-Identifier: BSD-2-Clause
"""Who runs when: stock guests under each scheduling policy."""

import unittest

from launcher import minimal
from tests.boot.test_guests import ALARMS
from tests.boot.test_smp import WORK
from tests.support import DEBIAN_KERNELS, system

READY = "guest:/# "
KERNEL = "package:" + DEBIAN_KERNELS["6.1_cloud"]

# Each policy, its keys, and what the guest says to it.
POLICIES: dict[str, tuple[str, dict[str, object]]] = {
    "sched_rr": ("", {"slice": "5ms"}),
    "sched_bvt": ("", {"weight": 512}),
    "sched_edf": ("", {}),
    "sched_table": ('arguments = "windows=4000,2000"', {}),
}


def linux(name: str, **keys: object) -> str:
    return minimal.guest(name, kernel=KERNEL, initrd="built:busybox", memory="256M", **keys)


class Policies(unittest.TestCase):
    def works(self, policy: str, more: str = "") -> None:
        keys, wishes = POLICIES[policy]
        text = minimal.describe(
            linux("one", vcpus=2, **wishes) + more, raw="one", policy=policy, scheduling=keys,
        )
        with system(text, cpus=2) as guest:
            guest.expect(READY, 400)
            guest.send("echo there are $(nproc) of th''em\n")
            self.assertEqual(guest.expect(r"there are (\d+) of them", 60)[1], "2")
            guest.send(WORK.format(rounds=3) + "\n")
            guest.expect("worked", 240)
            guest.send("dmesg | tail -n +1; poweroff -f\n")
            self.assertEqual(guest.wait(120), 33, guest.text[-3000:])
            alarms = [line for line in guest.text.splitlines() if ALARMS.search(line)]
            self.assertFalse(alarms, "\n".join(alarms))

    def test_guest_under_rr(self) -> None:
        self.works("sched_rr")

    def test_guest_under_bvt(self) -> None:
        self.works("sched_bvt")

    def test_guest_under_edf(self) -> None:
        self.works("sched_edf", "reserve = { budget = \"5ms\", period = \"20ms\" }\n")

    def test_guest_under_table(self) -> None:
        self.works("sched_table", "windows = [0]\n")

    def test_a_policy_for_each_cpu(self) -> None:
        """Two policies side by side: what has a promise of one runs beside what the other plans."""
        text = minimal.describe(
            linux("one", vcpus=1),
            "[domain.rt]\nimage = \"sched_edf\"\nplans = [1]\npriority = 12\n",
            linux("two", policy="rt", cmdline='tessera.run="poweroff -f"')
            + "reserve = { budget = \"15ms\", period = \"20ms\" }\n",
            raw="one",
        )
        with system(text, cpus=2) as guest:
            guest.expect(READY, 400)
            guest.expect_log("guest two: poweroff", 400)
            guest.send(WORK.format(rounds=1) + "\n")
            guest.expect("worked", 240)
            guest.send("poweroff -f\n")
            self.assertEqual(guest.wait(120), 33, guest.text[-3000:])


if __name__ == "__main__":
    unittest.main()
