# SPDX-License-Identifier: BSD-2-Clause
"""Several processors: guests with one or more vCPUs on machines with one or more
CPUs, all of them busy with page tables, and vCPUs that go and come back; who is said to
run on one CPU runs there, and sees what is stolen from it. The whole matrix is
tests/campaign/test_smp.py."""

import re
import unittest

from launcher import minimal
from tests.boot.test_guests import ALARMS
from tests.support import DEBIAN_KERNELS, build_dir, busybox, package, session, system

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


class Sharing(unittest.TestCase):
    """Two guests that only compute (tests/bench/spin.c), by what they say of themselves."""

    def spin(self, name: str, cpu: int, cmdline: str) -> str:
        kernel = build_dir() / "tests" / "bench" / "spin.elf"
        return minimal.guest(name, kernel=kernel, cmdline=cmdline, memory="1M") + (
            f"cpus = [{cpu}]\n")

    def test_pinned_to_one_cpu(self) -> None:
        """Together they cannot run longer than that CPU exists."""
        text = minimal.describe(*(self.spin(name, 1, "from=3000 until=4000") for name in "ab"))
        with system(text, cpus=2) as console:
            self.assertEqual(console.wait(240), 33, console.text)
            console.reader.join(5)
        said = re.findall(r"spin \d+ \d+ (\d+) (\d+) (\d+)$", console.text, re.M)
        self.assertEqual(len(said), 2, console.text)
        begins, ends, ran = (list(map(int, column)) for column in zip(*said))
        self.assertLessEqual(sum(ran), max(ends) - min(begins))
        self.assertGreater(min(ran), 0)

    def test_stolen_time_is_seen(self) -> None:
        """A stock guest beside one that never sleeps, on the same CPU: top's "st"."""
        one = minimal.guest("one", kernel=package(DEBIAN_KERNELS["6.1_cloud"]), initrd=busybox(),
                            memory="256M", cmdline="quiet") + "cpus = [1]\n"
        text = minimal.describe(one, self.spin("hog", 1, ""), raw="one")
        with system(text, cpus=2) as guest:
            guest.expect("guest:/# ", 400)
            guest.send("until [ $(awk '/^cpu /{print $9}' /proc/stat) -gt 20 ]; do :; done; "
                       "echo sto''len\n")
            guest.expect("stolen", 240)


def runs(cpus: int, vcpus: int, kernel: str, rounds: int):
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
    setattr(Guest, f"test_{_vcpus}_vcpus_on_{_cpus}_cpus", runs(_cpus, _vcpus, _kernel, _rounds))


if __name__ == "__main__":
    unittest.main()
