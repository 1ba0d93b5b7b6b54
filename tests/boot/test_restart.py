# SPDX-License-Identifier: BSD-2-Clause
"""Any part can die: the console server and the UART driver are restarted while a
guest writes, and it must notice nothing. Not a line is lost or doubled."""

import re
import unittest

from launcher import minimal
from tests.support import Session, system

READY = "tessera guest ready"
SWITCH = "\x01"  # Ctrl-A, the console server's key
LINES = 3000
AGAIN = "root: store: started again"
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
            log = console.logged()
            self.assertIn(f"root: {name}: started again", log)
            console.send("echo typed behind it; poweroff\n")
            console.expect("^typed behind it$")
            self.assertEqual(console.wait(60), 33, console.text[-2000:])

    def test_console_under_output(self) -> None:
        self.under_output("console")

    def test_uart_under_output(self) -> None:
        self.under_output("uart16550")

    def test_kill_until_given_up_and_clear(self) -> None:
        """A domain that crashes too often is given up, visibly, and a command clears that."""
        with system(DESCRIPTION) as console:
            console.expect("guest:/#", 120)
            seen = 0
            for _ in range(LIMIT):
                command(console, "kill store")
                seen = console.expect_log(AGAIN, behind=seen).end()
            command(console, "kill store")
            end = console.expect_log(f"root: store: given up after {LIMIT} restarts")
            self.assertEqual(end.string.count(AGAIN), LIMIT)
            command(console, "ps")
            console.expect("store +[0-9]+ given up", 30)
            command(console, "clear store")
            console.expect_log(AGAIN, behind=seen)
            console.send("\recho still here\r")
            console.expect("^still here$")

    def test_list_of_domains(self) -> None:
        with system(DESCRIPTION) as console:
            console.expect("guest:/#", 120)
            command(console, "ps")
            for name in ("root", minimal.POLICY, "uart16550", "console", "store", "one"):
                console.expect(rf"^{name} +[0-9]+ running", 30)
