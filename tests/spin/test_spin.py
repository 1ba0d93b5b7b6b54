# SPDX-License-Identifier: BSD-2-Clause
"""The models of the protocols of disks and of packets, explored to the end by spin.

wakeup.pml is how the two ends of a disk connection sleep and wake each other, session.pml
how they come to a session while either dies; net_wakeup.pml and net_session.pml are the
same for packets. Each is checked as it is, and with each of the mistakes that it can be
given (-DBUG_...), all of which must be found.
"""

import re
import subprocess
import tempfile
import unittest
from pathlib import Path

HERE = Path(__file__).parent
COMPILE = ["gcc", "-O2", "-w", "-DSAFETY", "-DCOLLAPSE", "-DMEMLIM=1500", "-o", "pan", "pan.c"]
EXPLORE = ["./pan", "-m100000", "-b"]  # -b: a path that is cut off is an error
TIMEOUT = 240

WAKEUP_BUGS = ("SERVER_FENCE", "DRIVER_FENCE", "SERVER_LOOK", "DRIVER_LOOK", "SERVER_THRESHOLD")
SESSION_BUGS = (
    "COUNT_ANEW", "BELIEVE_OLD", "KEEP_SESSION", "KEEP_INDEX", "NO_QUIESCE", "ASK_ONCE",
    "ANY_INCARNATION",
)

NET_WAKEUP_BUGS = (
    "SERVER_FENCE", "DRIVER_FENCE", "SERVER_LOOK", "DRIVER_LOOK", "SERVER_THRESHOLD", "LOW",
    "LAZY",
)
NET_SESSION_BUGS = (
    "COUNT_ANEW", "NO_OVER", "KEEP_SESSION", "KEEP_INDEX", "NO_QUIESCE", "RESET_IN_SILENCE",
    "ANY_INCARNATION",
)
NET_VERSION_BUGS = ("VERSION_LATE", "VERSION_ONCE")
# Both ends know one version of the protocol or two.
MIXED = ("MIXED", "RESETS=0", "FILLS=1")
# The server ends a session of its own accord.
RENEWS = ("RENEWS=1", "SERVER_DEATHS=0", "RESETS=0")


def explore(model: str, *defined: str) -> tuple[int, int, str]:
    """Errors found, states visited, all that spin said."""
    defines = [f"-D{word}" for word in defined]
    said = ""
    with tempfile.TemporaryDirectory(prefix="tessera.spin.") as folder:
        for command in (["spin", *defines, "-a", str(HERE / f"{model}.pml")], COMPILE, EXPLORE):
            result = subprocess.run(
                command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                timeout=TIMEOUT, check=False,
            )
            said += result.stdout
    errors = re.search(r"errors: (\d+)", said)
    states = re.search(r"(\d+) states, stored", said)
    if not errors or not states:
        raise AssertionError(said)
    return int(errors[1]), int(states[1]), said


def deaths(server: int, driver: int) -> tuple[str, str]:
    return f"SERVER_DEATHS={server}", f"DRIVER_DEATHS={driver}"


class Models(unittest.TestCase):
    def holds(self, least: int, model: str, *defined: str) -> None:
        errors, states, said = explore(model, *defined)
        self.assertEqual(errors, 0, said)
        self.assertGreater(states, least, said)

    def test_no_wakeup_is_lost(self) -> None:
        self.holds(500_000, "wakeup")

    def test_sessions_while_the_server_dies_twice(self) -> None:
        self.holds(2_000_000, "session", *deaths(2, 1))

    def test_sessions_while_the_driver_dies_twice(self) -> None:
        self.holds(2_000_000, "session", *deaths(1, 2))

    def test_no_wakeup_is_lost_by_packets(self) -> None:
        self.holds(500_000, "net_wakeup")

    def test_packet_sessions_while_both_ends_die(self) -> None:
        self.holds(400_000, "net_session", "RESETS=0")

    def test_packet_sessions_while_the_driver_dies_and_resets_its_card(self) -> None:
        self.holds(400_000, "net_session", "SERVER_DEATHS=0")

    def test_packet_sessions_while_the_server_dies_and_a_card_is_reset(self) -> None:
        self.holds(400_000, "net_session", "DRIVER_DEATHS=0")

    def test_packet_sessions_of_several_versions(self) -> None:
        self.holds(400_000, "net_session", *MIXED)

    def test_packet_sessions_that_the_server_ends(self) -> None:
        self.holds(100_000, "net_session", *RENEWS)


class Bugs(unittest.TestCase):
    """Found, or the model says nothing."""


def _add(model: str, bug: str, *more: str) -> None:
    def test(self: unittest.TestCase) -> None:
        errors, _, said = explore(model, f"BUG_{bug}", *more)
        self.assertGreater(errors, 0, said)

    setattr(Bugs, f"test_{model}_{bug.lower()}_is_found", test)


for _bug in WAKEUP_BUGS:
    _add("wakeup", _bug)
for _bug in SESSION_BUGS:
    _add("session", _bug, *deaths(1, 1))
for _bug in NET_WAKEUP_BUGS:
    _add("net_wakeup", _bug)
for _bug in NET_SESSION_BUGS:
    _add("net_session", _bug)
for _bug in NET_VERSION_BUGS:
    _add("net_session", _bug, *MIXED)
_add("net_session", "FREE_EARLY", *RENEWS)
