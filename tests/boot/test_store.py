# SPDX-License-Identifier: BSD-2-Clause
"""The store as a guest's user programs see it, through /dev/xen/xenbus of a stock
kernel: standard nodes, and a store that is killed again and again while the guest
writes, reads and watches. Nothing may be lost, doubled or wrong, and the guest's
kernel has nothing to say about it."""

import unittest

from launcher import minimal
from tests.support import Session, system

KILLS = 20
SWITCH = "\x01"  # Ctrl-A, the console server's key

DESCRIPTION = minimal.describe(
    minimal.guest(
        "one", kernel="package:linux-image-cloud-amd64", initrd="built:busybox",
        cmdline="quiet", memory="128M", vcpus=2,
    ),
    name="store", control=True, raw=None,
    # The delay doubles within a window, so that is short.
    store='restart = { limit = 9, window = "20ms", backoff = "1ms" }',
)

# The wire protocol in shell: a header of four numbers, then the payload. An answer
# is read whole by one read(). `ask TYPE LENGTH TEXT` prints type and payload of the answer.
PROGRAM = r"""
exec 3<>/dev/xen/xenbus
get() { dd bs=5000 count=1 <&3 2>/dev/null | tr '\000' ' '; }
ask() {
    printf "\\$(printf %03o $1)\000\000\000\001\000\000\000\000\000\000\000"\
"\\$(printf %03o $2)\000\000\000$3" >&3
    get | tail -c +17
}
wr() { ask 11 $((${#1} + 1 + ${#2})) "$1\000$2"; }
rd() { ask 2 $((${#1} + 1)) "$1\000"; }
"""

# The same with few processes: a value of four digits is written and read back.
LOOP = r"""
h='\000\000\000\001\000\000\000\000\000\000\000';
(bad=0 i=1000; until [ -e /enough ]; do i=$((i + 1));
printf "\013$h\013\000\000\000data/n\000$i" >&3;
[ "$(get | tail -c 3)" = "OK " ] || bad=$((bad + 1));
printf "\002$h\007\000\000\000data/n\000" >&3;
[ "$(get | tail -c 4)" = $i ] || bad=$((bad + 1)); echo "round $i"; done;
echo "$((i - 1000)) rounds, $bad bad") &
"""


def one_line(program: str) -> str:
    """A program for an interactive shell, without its echo taking part."""
    return program.replace("\\\n", "").strip() + "\n"


def command(console: Session, words: str) -> None:
    """Tell root something by the console server."""
    console.send(f"{SWITCH}c")
    console.send(f"{words}\r")


class Store(unittest.TestCase):
    def start(self, console: Session) -> None:
        console.expect("guest:/#", 120)
        console.send("stty -echo\n")
        for line in one_line(PROGRAM).splitlines():
            console.send(line + "\n")
        console.send("echo 're'ady now\n")
        console.expect("ready now", 60)

    def test_standard_nodes(self) -> None:
        with system(DESCRIPTION) as console:
            self.start(console)
            for path, value in (
                ("name", "one"), ("memory/target", str(128 * 1024)),
                ("memory/static-max", str(128 * 1024)), ("cpu/1/availability", "online"),
                ("cpu/2/availability", "ENOENT "), ("control/feature-poweroff", "1"),
                ("vm", "/vm/[0-9a-f-]+"), ("store/port", "1"),
                ("/local/domain/0/name", "EACCES "),
            ):
                console.send(f'echo "found <$(rd {path})> there"\n')
                console.expect(f"found <{value}> there", 30)
            console.send("poweroff\n")
            self.assertEqual(console.wait(60), 33, console.text[-2000:])

    def test_killed_under_load(self) -> None:
        with system(DESCRIPTION) as console:
            self.start(console)
            console.send(LOOP.strip().replace("\n", " ") + "\n")
            seen = 0
            for _ in range(KILLS):
                command(console, "kill store")
                seen = console.expect_log("root: store: started again", behind=seen).end()
                console.expect("round [0-9]+", 60)
            # A BusyBox shell that reads a line may take the end of a job for the end of its input.
            console.send("touch /enough; wait\n")
            done = console.expect("([0-9]+) rounds, ([0-9]+) bad", 60)
            self.assertEqual(int(done[2]), 0, done[0])
            self.assertGreaterEqual(int(done[1]), KILLS, done[0])
            self.assertNotIn("begins anew", console.logged())
            console.send("dmesg | grep -i xenbus; echo 'look'ed through\n")
            console.expect("looked through", 30)
            self.assertNotRegex(console.text, r"(?i)xenbus.*(error|fail|unexpected|mismatch)")
            console.send("poweroff\n")
            self.assertEqual(console.wait(60), 33, console.text[-2000:])
