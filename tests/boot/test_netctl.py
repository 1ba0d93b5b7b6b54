# SPDX-License-Identifier: BSD-2-Clause
"""What a client of the switch may do while guests talk: counters, rules swapped under
traffic, the tap on and off. netctlcheck (tests/drivers) asks and judges; its log says when
the guests are to go on, and they tell it by connections to ports that it counts."""

import tempfile
import unittest
from pathlib import Path

from launcher import minimal
from launcher.nets import NO_CARD, Net
from tests.boot.test_net import CLOUD, TIMEOUT, ramdisk, up, vif
from tests.support import Session, system

CLIENT = """
[domain.{name}]
image = "netctlcheck"
log = "write"
priority = 60
[connection.{name}]
protocol = "netctl"
server = "switch"
client = "{name}"
rights = {rights}
"""
CLIENTS = {"netctlcheck": '["watch", "rules", "tap"]', "watcher": '["watch"]'}

# `tick` goes through one connection from the first line to the last.
LEFT = up(eth0="10.7.0.1") + """\
ask() { echo hello | nc "$@" 2>&1; }
ticks() { wc -l </run/ticks; }
more() { goal=$(($(ticks) + 10)); until [ $(ticks) -ge $goal ]; do sleep 0.1; done; }
part=900
mark() { nc -w 5 10.7.0.2 $part </dev/null 2>/dev/null; part=$((part + 1)); read line; }
until ping -c 1 -W 1 10.7.0.2; do :; done
until [ "$(ask -w 5 10.7.0.2 8)" = hello ]; do sleep 0.2; done
while :; do echo tick; sleep 0.1; done | nc 10.7.0.2 7 >/run/ticks &
more
mark
ping -c 5 -s 1000 10.7.0.2
mark
more
echo "old: goes on"
echo "new: $(ask -w 3 10.7.0.2 8)."
ping -c 3 -W 1 10.7.0.2
mark
more
echo "swapped: goes on"
mark
sleep 1
before=$(ticks)
sleep 2
echo "closed: $(($(ticks) - before)) more."
mark
more
echo "open: goes on"
echo "again: $(ask -w 20 10.7.0.2 8)."
mark
ping -c 2 10.7.0.2
mark
ping -c 2 10.7.0.2
mark
"""
RIGHT = up(eth0="10.7.0.2") + """\
while :; do nc -l -p 8 -e cat; done &
while :; do nc -l -p 7 -e cat; done
"""


class NetControl(unittest.TestCase):
    def setUp(self) -> None:
        self.seen = 0

    def wait(self, console: Session, line: str) -> None:
        """For a line of netctlcheck's, behind those that were seen."""
        self.seen = console.expect_log(f"netctlcheck: {line}", TIMEOUT, self.seen).end()

    def go_on(self, console: Session, line: str) -> None:
        self.wait(console, f"next: {line}")
        console.send("\n")

    def check(self, console: Session) -> None:
        self.go_on(console, "count")
        self.go_on(console, "strict")
        console.expect("^old: goes on$", TIMEOUT)
        self.assertNotIn("hello", console.expect("^new: (.*)$", TIMEOUT)[1])
        console.expect("3 packets transmitted, 0 packets received", TIMEOUT)
        self.go_on(console, "swapped")
        console.expect("^swapped: goes on$", TIMEOUT)
        self.go_on(console, "closed")
        console.expect("^closed: 0 more", TIMEOUT)
        self.go_on(console, "open")
        console.expect("^open: goes on$", TIMEOUT)
        self.assertEqual(console.expect(r"^again: (.*)\.$", TIMEOUT)[1], "hello")
        self.go_on(console, "tap")
        self.go_on(console, "silence")
        self.wait(console, "end: ")

    def test_rules_and_tap_at_run_time(self) -> None:
        scripts = {"left": LEFT, "right": RIGHT}
        with tempfile.TemporaryDirectory(prefix="tessera.netctl.") as name:
            path = ramdisk(Path(name), scripts)
            guests = [
                minimal.guest(guest, kernel=f"package:{CLOUD}", initrd=path, memory="128M",
                              cmdline=f"console=hvc0 quiet tessera.run=/bin/{guest}")
                for guest in scripts
            ]
            text = minimal.describe(
                *guests, vif("left", 0, "10.7.0.1"), vif("right", 0, "10.7.0.2"),
                *(CLIENT.format(name=name, rights=rights) for name, rights in CLIENTS.items()),
                raw="left", nets=[Net(NO_CARD)],
            )
            with system(text) as console:
                self.check(console)
                log = console.logged()
        self.assertNotIn("FAIL", log)
        for client in CLIENTS:
            self.assertIn(f"{client}: end: 0 failures", log)


if __name__ == "__main__":
    unittest.main()
