# SPDX-License-Identifier: BSD-2-Clause
"""Stock kernels as guests: every Debian kernel and GRUB's own PV image, small and
large memory, and every way in which a guest can end."""

import re
import time
import unittest

from tests.support import DEBIAN_KERNELS, GRUB, Booted, boot, busybox, package, session

READY = "tessera guest ready"

# The image of a Debian kernel alone spans 62 to 74 MiB of guest memory.
SMALL = {"6.1_cloud": "96M", "6.1_full": "112M", "6.12_cloud": "104M", "6.12_full": "104M"}

# What a kernel says that is not well. Lines that the same kernel prints on Xen
# as well are taken out before.
ALARMS = re.compile(
    r"WARNING:|BUG:|Call Trace|general protection|unable to handle|Oops|"
    r"rcu: .*stall|soft lockup|Xen: .*[Ff]ailed|hypercall.*failed|tainted"
)
CHECK = 'tessera.run="cat /sys/hypervisor/type; cat /proc/meminfo | head -1; dmesg -r"'


class Guest(unittest.TestCase):
    def booted(self, kernel: str, memory: str) -> Booted:
        guest = package(DEBIAN_KERNELS[kernel])
        result = boot(guest, initrd=busybox(), memory=memory, cmdline=CHECK, timeout=180)
        self.assertEqual(result.status, 0, result)
        self.assertIn(READY, result.console, result)
        return result

    def sane(self, result: Booted) -> None:
        self.assertRegex(result.console, r"(?m)^xen$", result)
        alarms = [line for line in result.console.splitlines() if ALARMS.search(line)]
        self.assertFalse(alarms, "\n".join(alarms))
        self.assertIn("tessera run: exit 0", result.console, result)
        self.assertEqual(result.errors, "")


def _boots(kernel: str, memory: str, least_mib: int):
    def test(self: Guest) -> None:
        result = self.booted(kernel, memory)
        self.sane(result)
        total = re.search(r"MemTotal: +(\d+) kB", result.console)
        self.assertTrue(total, result)
        self.assertGreater(int(total[1]) >> 10, least_mib)

    return test


for name, small in SMALL.items():
    for size, least in ((small, 16), ("256M", 150), ("4G", 3600)):
        setattr(Guest, f"test_{name}_with_{size}", _boots(name, size, least))


def _shell(kernel: str):
    def test(self: unittest.TestCase) -> None:
        """What a user does: type, stop a job, interrupt it, restart, switch off."""
        with session(package(DEBIAN_KERNELS[kernel]), initrd=busybox(), timeout=240) as guest:
            guest.expect(READY, 120)
            guest.expect("guest:/#")
            guest.send("sh -c 'echo started; sleep 1000'\n")
            guest.expect("^started$")
            guest.send("\x1a")
            guest.expect("Stopped")
            guest.send("jobs\n")
            guest.expect("Stopped .*sleep 1000")
            guest.send("fg\n")
            guest.expect("sleep 1000")
            time.sleep(1)
            guest.send("\x03")
            guest.send("echo 1 plus $((1 + 1))\n")
            guest.expect("1 plus 2")
            guest.send("reboot\n")
            guest.expect(READY, 120)
            guest.expect("guest:/#")
            guest.send("poweroff\n")
            self.assertEqual(guest.wait(60), 0, guest.text[-2000:])

    return test


class Shell(unittest.TestCase):
    """The console of a guest, in both directions."""

    def test_much_input_at_once(self) -> None:
        with session(package(DEBIAN_KERNELS["6.1_cloud"]), initrd=busybox()) as guest:
            guest.expect("guest:/#", 120)
            words = " ".join(f"word{number}" for number in range(100))
            guest.send(f"echo {words} | wc -w\n")
            guest.expect("^100$")

    def test_much_output(self) -> None:
        count = 20000
        result = boot(
            package(DEBIAN_KERNELS["6.1_cloud"]), initrd=busybox(), timeout=180,
            cmdline=f'quiet tessera.run="seq {count}"',
        )
        self.assertEqual(result.status, 0, result)
        numbers = [int(word) for word in re.findall(r"(?m)^(\d+)$", result.console)]
        self.assertTrue(numbers == list(range(1, count + 1)), "lines lost, changed or doubled")


for name in ("6.1_cloud", "6.12_cloud"):
    setattr(Shell, f"test_{name}_restarts_and_powers_off", _shell(name))


class End(unittest.TestCase):
    """Exit statuses, and what is said on standard error."""

    def test_panic(self) -> None:
        result = boot(
            package(DEBIAN_KERNELS["6.1_cloud"]), initrd=busybox(), timeout=120,
            cmdline='tessera.run="echo c >/proc/sysrq-trigger"',
        )
        self.assertEqual(result.status, 1, result)
        self.assertIn("Kernel panic", result.console)
        self.assertRegex(result.errors, "tessera: guest guest: crashed: ", result)

    def test_no_init(self) -> None:
        result = boot(package(DEBIAN_KERNELS["6.1_cloud"]), cmdline="quiet", timeout=120)
        self.assertEqual(result.status, 1, result)
        self.assertIn("Unable to mount root fs", result.console)

    def test_timeout(self) -> None:
        result = boot(
            package(DEBIAN_KERNELS["6.1_cloud"]), initrd=busybox(), timeout=60,
            cmdline='quiet tessera.run="echo before; sleep 1000"',
        )
        self.assertEqual(result.status, 124, result)
        self.assertIn("before", result.console)
        self.assertIn("still running after 60 seconds", result.errors)

    def test_output_is_the_console_and_nothing_else(self) -> None:
        result = boot(
            package(DEBIAN_KERNELS["6.1_cloud"]), initrd=busybox(), timeout=120,
            cmdline='quiet loglevel=0 tessera.run="echo one; echo two"',
        )
        self.assertEqual(result.console, f"{READY}\none\ntwo\ntessera run: exit 0\n", result)

    def test_virtual_time_repeats_exactly(self) -> None:
        def once() -> str:
            result = boot(
                package(DEBIAN_KERNELS["6.1_cloud"]), "--icount", initrd=busybox(), timeout=240,
                cmdline='tessera.run="true"',
            )
            self.assertEqual(result.status, 0, result)
            return result.console

        self.assertTrue(once() == once(), "two runs under --icount differ")


class Grub(unittest.TestCase):
    """GRUB as a paravirtual guest: polling, no interrupts, one small memory."""

    def talk(self, memory: str) -> None:
        with session(package(GRUB), "--memory", memory) as guest:
            guest.expect("grub>", 60)
            guest.send("echo hello\r")
            guest.expect("^hello", 30)
            guest.send("halt\r")
            self.assertEqual(guest.wait(30), 0, guest.text[-2000:])

    def test_64M(self) -> None:
        self.talk("64M")

    def test_1G(self) -> None:
        self.talk("1G")
