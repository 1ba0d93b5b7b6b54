# SPDX-License-Identifier: BSD-2-Clause
"""Several processors: guests with one or more vCPUs on machines with one or more
CPUs, all of them busy with page tables, and vCPUs that go and come back."""

import re
import unittest

from tests.boot.test_guests import ALARMS
from tests.support import DEBIAN_KERNELS, busybox, package, session

# Processes that come and go on every vCPU: tables are built, changed and taken apart.
WORK = (
    "i=0; while [ $i -lt {rounds} ]; do for j in 1 2 3 4; do "
    "(ls -lR /sys/class/tty >/dev/null; cat /proc/self/maps >/dev/null) & done; wait; "
    "i=$((i+1)); done; echo wo''rked"
)


class Guest(unittest.TestCase):
    def start(self, cpus: int, vcpus: int, kernel: str = "6.1_cloud"):
        return session(
            package(DEBIAN_KERNELS[kernel]), "--vcpus", str(vcpus), "--memory", "512M",
            "--cpus", str(cpus), initrd=busybox(), timeout=400,
        )

    def ends_well(self, guest) -> None:
        guest.send("dmesg | tail -n +1; poweroff -f\n")
        self.assertEqual(guest.wait(120), 0, guest.text[-3000:])
        alarms = [line for line in guest.text.splitlines() if ALARMS.search(line)]
        self.assertFalse(alarms, "\n".join(alarms))

    def works(self, guest, vcpus: int, rounds: int) -> None:
        guest.expect("guest:/# ", 240)
        guest.send("echo there are $(nproc) of th''em\n")
        self.assertEqual(guest.expect(r"there are (\d+) of them", 60)[1], str(vcpus))
        guest.send(WORK.format(rounds=rounds) + "\n")
        guest.expect("worked", 240)

    def test_vcpus_go_and_come_back(self) -> None:
        with self.start(2, 3) as guest:
            self.works(guest, 3, 2)
            guest.send("for c in 1 2 1 2; do echo 0 > /sys/devices/system/cpu/cpu$c/online; "
                       "echo 1 > /sys/devices/system/cpu/cpu$c/online; done; "
                       "echo 0 > /sys/devices/system/cpu/cpu2/online; echo le''ft $(nproc)\n")
            self.assertEqual(guest.expect(r"left (\d+)", 120)[1], "2")
            self.works_again(guest)
            self.ends_well(guest)

    def works_again(self, guest) -> None:
        guest.send(WORK.format(rounds=2) + "\n")
        guest.expect("worked", 120)


def _runs(cpus: int, vcpus: int, kernel: str, rounds: int):
    def test(self: Guest) -> None:
        with self.start(cpus, vcpus, kernel) as guest:
            self.works(guest, vcpus, rounds)
            self.ends_well(guest)
            self.assertTrue(re.search(r"Power down|System halted|reboot:", guest.text), guest.text)

    return test


for _cpus, _vcpus, _kernel, _rounds in (
    (1, 2, "6.1_cloud", 4), (2, 1, "6.1_cloud", 4), (2, 2, "6.12_cloud", 6),
    (4, 4, "6.1_cloud", 6), (8, 2, "6.1_cloud", 2), (2, 16, "6.1_cloud", 1),
):
    setattr(Guest, f"test_{_vcpus}_vcpus_on_{_cpus}_cpus", _runs(_cpus, _vcpus, _kernel, _rounds))


if __name__ == "__main__":
    unittest.main()
