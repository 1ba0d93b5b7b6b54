# SPDX-License-Identifier: BSD-2-Clause
"""Any part can die: the console server and the UART driver are restarted while a
guest writes, and it must notice nothing. Not a line is lost or doubled."""

import re
import time
import unittest

from launcher import minimal
from tests.support import Session, system

READY = "tessera guest ready"
SWITCH = "\x01"  # Ctrl-A, the console server's key
LINES = 3000
LIMIT = 2

DESCRIPTION = minimal.describe(
    minimal.guest(
        "one", kernel="package:linux-image-cloud-amd64", initrd="built:busybox", cmdline="quiet",
        memory="128M",
    ),
    name="restart", control=True,
    store=f'restart = {{ limit = {LIMIT}, window = "600s", backoff = "10ms" }}',
)


def command(console: Session, words: str) -> None:
    """Tell root something by the console server."""
    console.send(f"{SWITCH}c")
    console.send(f"{words}\r")


class Restart(unittest.TestCase):
    def under_output(self, name: str) -> None:
        with system(DESCRIPTION) as console:
            console.expect(READY, 120)
            console.expect("guest:/#")
            console.send(f"for i in $(seq {LINES}); do echo line $i; done; echo all of them\n")
            console.expect("^line 100$")
            command(console, f"restart {name}")
            console.expect(f"^line {LINES}$", 120)
            console.expect("^all of them$")
            numbers = [int(word) for word in re.findall(r"line (\d+)$", console.text, re.MULTILINE)]
            missing = set(range(1, LINES + 1)) - set(numbers)
            self.assertFalse(missing, f"{len(missing)} lines are missing")
            self.assertEqual(len(numbers), LINES, "lines were written twice")
            log = console.log.read_text(errors="replace")
            self.assertIn(f"root: {name}: started again", log)
            console.send("echo typed behind it; poweroff\n")
            console.expect("^typed behind it$")
            self.assertEqual(console.wait(60), 33, console.text[-2000:])

    def test_console_under_output(self) -> None:
        self.under_output("console")

    def test_uart_under_output(self) -> None:
        self.under_output("uart16550")

    def wait_for_log(self, console: Session, words: str) -> None:
        deadline = time.monotonic() + 30
        while words not in (said := console.log.read_text(errors="replace")):
            self.assertLess(time.monotonic(), deadline, f"waited in vain for {words!r} in\n{said}")
            time.sleep(0.1)

    def test_kill_until_given_up_and_clear(self) -> None:
        """A domain that crashes too often is given up, visibly, and a command clears that."""
        with system(DESCRIPTION) as console:
            console.expect("guest:/#", 120)
            for count in range(1, LIMIT + 1):
                command(console, "kill store")
                self.assertEqual(self.restarts(console, count), count)
            command(console, "kill store")
            self.wait_for_log(console, f"root: store: given up after {LIMIT} restarts")
            command(console, "ps")
            console.expect("store +[0-9]+ given up", 30)
            command(console, "clear store")
            self.assertEqual(self.restarts(console, LIMIT + 1), LIMIT + 1)
            console.send("\recho still here\r")
            console.expect("^still here$")

    def restarts(self, console: Session, wanted: int) -> int:
        """How often the log says that the store was started again; waits for `wanted`."""
        deadline = time.monotonic() + 30
        while True:
            count = console.log.read_text(errors="replace").count("root: store: started again")
            if count >= wanted or time.monotonic() > deadline:
                return count
            time.sleep(0.1)

    def test_list_of_domains(self) -> None:
        with system(DESCRIPTION) as console:
            console.expect("guest:/#", 120)
            command(console, "ps")
            for name in ("root", minimal.POLICY, "uart16550", "console", "store", "one"):
                console.expect(rf"^{name} +[0-9]+ running", 30)
