# SPDX-License-Identifier: BSD-2-Clause
"""That the judge of the stress test (tests/stress) finds a machine on which nothing was done:
guests that end well and have worked too little, or not at all."""

import unittest

from tests.stress import system

DONE = {"vm": 900, "fork": 400, "talks": 70, "plugs": 6, "breaths": 61, "bytes": 4194304}
WATCHED = "watch: 5000 rounds of 4 vCPUs, longest wait 900 us\n"


def words(number: int, **changed: int) -> str:
    done = ", ".join(f"{count} {kind}" for kind, count in {**DONE, **changed}.items())
    return f"g{number}| stress {number}: ended, {done}\r\n"


def problems(text: str, seconds: int = 3600, log: str = "") -> list[str]:
    result = system.Result()
    system.judge(result, text, log, 2, seconds)
    return result.problems


class Judge(unittest.TestCase):
    def test_work_of_every_kind_is_well(self) -> None:
        self.assertEqual(problems(words(0) + words(1) + WATCHED), [])

    def test_a_vcpu_that_stands_still_is_found(self) -> None:
        said = "g1| [ 1304.56] watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [xen-balloon:47]"
        self.assertEqual(problems(words(0) + said + "\n" + words(1) + WATCHED), [said])

    def test_each_kind_left_out_is_found(self) -> None:
        for kind in system.KINDS:
            found = problems(words(0) + words(1, **{kind: 0}) + WATCHED)
            self.assertEqual(found, [f"guest 1: 0 {kind}, not 6 in 3600 s"])

    def test_too_little_for_the_time_is_found(self) -> None:
        text = words(0) + words(1, plugs=5) + WATCHED
        self.assertEqual(problems(text), ["guest 1: 5 plugs, not 6 in 3600 s"])
        self.assertEqual(problems(text, 30), [])

    def test_a_guest_that_counts_nothing_is_found(self) -> None:
        found = problems(words(0) + "stress 1: ended\n" + WATCHED)
        self.assertEqual(len(found), len(system.KINDS))

    def test_a_guest_without_an_end_is_found(self) -> None:
        self.assertIn("1 of 2 guests came to their end", problems(words(0) + WATCHED))

    def test_a_watcher_that_saw_nothing_is_found(self) -> None:
        text = words(0) + words(1)
        self.assertEqual(problems(text + WATCHED.replace("5000", "1")),
                         ["only 1 wake-ups were looked at"])
        self.assertEqual(len(problems(text)), 1)

    def test_memory_that_is_gone_is_found(self) -> None:
        result = system.Result(free=(8192, 4096))
        system.judge(result, words(0) + words(1) + WATCHED, "", 2, 30)
        self.assertEqual(result.problems, ["8192 bytes were free before, 4096 after"])

    def test_a_panic_is_found(self) -> None:
        self.assertEqual(problems(words(0) + words(1) + WATCHED, log="PANIC: x"), ["PANIC: x"])


if __name__ == "__main__":
    unittest.main()
