# SPDX-License-Identifier: BSD-2-Clause
"""Clocks, as docs/core/time.md promises them: in a small kernel on one and on several CPUs,
and in stock guests, one of which sets its clock."""

import re
import unittest

from launcher import minimal
from tests.pv.xen import ICOUNT
from tests.support import DEBIAN_KERNELS, Booted, boot, build_dir, busybox, package, session, system

RTC = 1704067200  # 2024-01-01, as ICOUNT and --icount set the machine's clock
# A machine whose TSC may change its rate. (The emulator's SMAP has a fault that the core knows
# to avoid where it recognises it.)
CHANGING = ("--qemu-arg", "-cpu", "--qemu-arg", "max,-invtsc,-hypervisor,-smap")
NEAR = 600  # seconds that a boot takes at most, by the machine's own clock

# Two processes in turn; uptime has hundredths of a second.
BACKWARDS = (
    "i=0 back=0 last=0; while [ $i -lt 50 ]; do "
    "now=$(taskset $((i % 2 + 1)) cut -d' ' -f1 /proc/uptime | tr -d .); "
    "[ $now -ge $last ] || back=$((back + 1)); last=$now i=$((i + 1)); done; "
    "echo loo''ked $i times, $back backwards\n"
)


def clock(*options: str, cmdline: str = "") -> Booted:
    return boot(build_dir() / "tests" / "pv" / "clock.elf", *options, memory="32M",
                cmdline=cmdline, timeout=120)


class Kernel(unittest.TestCase):
    def sound(self, end: Booted) -> None:
        self.assertEqual(end.status, 0, end)
        self.assertIn("clock: 4 passed, 0 failed", end.console, end)

    def test_counted(self) -> None:
        """Where instructions are counted, the limits hold to the nanosecond."""
        end = clock("--icount", cmdline="counted")
        self.sound(end)
        wall = re.search(r"clock: wall (\d+)", end.console)
        self.assertTrue(wall, end)
        self.assertIn(int(wall[1]) - RTC, range(NEAR), end)

    def test_several_cpus(self) -> None:
        end = clock("--cpus", "4", "--vcpus", "4")
        self.sound(end)
        # Only on TSCs that agree is the flag set, which spares guests a lock of their own.
        stable = "kHz stable" in end.log
        self.assertIn(f"clock: 4 vCPUs, flags {int(stable)}", end.console, end)

    def test_more_vcpus_than_cpus(self) -> None:
        self.sound(clock("--cpus", "2", "--vcpus", "8"))


    def test_without_an_invariant_tsc(self) -> None:
        """A machine that does not promise it, and no emulator that the core knows: guests are
        not told that they may compare the clocks of two vCPUs."""
        end = clock("--cpus", "2", "--vcpus", "2", *CHANGING)
        self.sound(end)
        self.assertIn("clock: 2 vCPUs, flags 0", end.console, end)
        self.assertNotIn("kHz stable", end.log)


class Stock(unittest.TestCase):
    def test_two_vcpus_without_an_invariant_tsc(self) -> None:
        """Linux then takes care itself that its time does not go back, and works."""
        with session(package(DEBIAN_KERNELS["6.1_cloud"]), "--vcpus", "2", "--cpus", "2", *CHANGING,
                     initrd=busybox(), timeout=400) as guest:
            guest.expect("guest:/# ", 240)
            guest.send(BACKWARDS)
            self.assertEqual(guest.expect(r"^looked (\d+) times, (\d+) backwards", 240)[2], "0")

    def test_setting_the_clock_reaches_nobody_else(self) -> None:
        """One guest sets its own clock, as NTP would; the other one looks when that is done."""
        common = {"kernel": package(DEBIAN_KERNELS["6.1_cloud"]), "initrd": busybox(),
                  "memory": "256M"}
        setter = 'quiet tessera.run="date -s @2000000000; date +set:%s"'
        looker = 'quiet tessera.run="sleep 30; date +seen:%s"'
        text = minimal.describe(
            minimal.guest("setter", cmdline=setter, **common),
            minimal.guest("looker", cmdline=looker, **common), name="time", raw="looker",
        )
        with system(text, *ICOUNT) as console:
            seen = int(console.expect(r"^seen:(\d+)$", 280)[1])
            log = console.logged()
        told = re.search(r"set:(\d+)", log)
        self.assertTrue(told, log[-3000:])
        self.assertIn(int(told[1]) - 2000000000, range(5))
        self.assertIn(seen - RTC, range(NEAR))
