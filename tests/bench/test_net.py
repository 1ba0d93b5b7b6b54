# SPDX-License-Identifier: BSD-2-Clause
"""The network benchmark runs: one row between two guests, counted, and told apart by
domain. Its tables are for `./tessera bench net`, which takes hours. How it reads what
iperf3 and ping say is tested beside it, without a machine."""

import json
import tempfile
import unittest
from pathlib import Path

from tests.bench import net

ROW = "ping:out:56"
MOST = 90_000  # instructions of one round trip, of the whole machine
MOST_OURS = 35_000  # of them in the core and the switch


class Net(unittest.TestCase):
    def test_one_row(self):
        with tempfile.TemporaryDirectory(prefix="tessera.") as folder:
            place = net.Place.make(Path(folder))
            run = net.Run("virtio-net", "guest", True, [ROW], 0)
            found = net.measure(place, "tessera", run)[0][ROW]
        self.assertLess(found["all"], MOST, found)
        ours = sum(found[domain] for domain in ("core", "switch"))
        self.assertLess(ours, MOST_OURS, found)
        for domain in ("core", "switch"):
            self.assertGreater(found[domain], 300, found)


def iperf3(received: int, seconds: float = 2.0) -> str:
    """What it says at the end, as bench.sh prints it, of so many bytes."""
    def sums(size: int) -> dict[str, float]:
        return {"seconds": seconds, "bytes": size, "bits_per_second": size * 8 / seconds}
    end = {"sum": sums(2 * received), "sum_sent": sums(2 * received),
           "sum_received": sums(received)}
    return json.dumps({"end": end}, separators=(",", ":"))


def ping(received: int, average: float) -> str:
    return (f"{received + 1} packets transmitted, {received} packets received, 0% packet loss"
            f"round-trip min/avg/max = 0.100/{average}/9.000 ms")


def console(*lines: str) -> str:
    return "".join(f"{line}\n" for line in ("noise net tcp:out:1500", *lines, "bench: end"))


class Speeds(unittest.TestCase):
    def measured(self, *lines: str) -> dict[str, net.Figures]:
        return net.speeds(net.sayings(console(*lines)))

    def test_what_arrived_counts(self) -> None:
        found = self.measured(f"net tcp:in:1500 0 {iperf3(25_000_000)}",
                              f"net udp:out:500 0 {iperf3(1000 * 472)}",
                              f"net small:in:18 0 {iperf3(4000 * 18)}",
                              f"net ping:out:56 0 {ping(100, 0.25)}")
        self.assertAlmostEqual(found["tcp:in:1500"]["Mbit/s"], 100)
        self.assertAlmostEqual(found["udp:out:500"]["Mbit/s"], 500 * 472 * 8 / 1e6)
        self.assertAlmostEqual(found["small:in:18"]["packets/s"], 2000)
        self.assertAlmostEqual(found["ping:out:56"]["us"], 250)
        self.assertEqual(set(found), {"tcp:in:1500", "udp:out:500", "small:in:18", "ping:out:56"})

    def test_middle_of_three(self) -> None:
        sizes = (30_000_000, 10_000_000, 20_000_000)
        takes = [f"net tcp:out:1500 0 {iperf3(size)}" for size in sizes]
        other = f"net ping:out:56 0 {ping(10, 1.5)}"
        found = self.measured(takes[0], other, takes[1], takes[2])
        self.assertAlmostEqual(found["tcp:out:1500"]["Mbit/s"], 80)
        self.assertAlmostEqual(found["ping:out:56"]["us"], 1500)

    def test_ping_without_answers(self) -> None:
        none = "3 packets transmitted, 0 packets received, 100% packet loss"
        self.assertEqual(self.measured(f"net ping:out:56 0 {none}"), {})


class Counts(unittest.TestCase):
    def test_difference_of_two_runs(self) -> None:
        size = net.payload("tcp:out:500")
        lines = [f"net tcp:out:500 {n} {iperf3(n * size)}" for n in (5, 10, 30)]
        said = net.sayings(console(*lines))
        counted = [{"core": 1, "all": 1}, {"core": 500, "all": 9000},
                   {"core": 1500, "switch": 400, "all": 29000}]
        self.assertEqual(net.counts(said, counted),
                         {"tcp:out:500": {"core": 50, "switch": 20, "all": 1000}})

    def test_ends_where_iperf3_failed(self) -> None:
        rows = [("udp:out:500", 472), ("small:in:18", 18)]
        lines = [f"net {row} 5 {iperf3(n * size)}" for row, size in rows for n in (5, 10, 30)]
        lines[-1] = "net small:in:18 5 failed: the server is busy"
        counted = [{"all": n} for n in (0, 100, 300, 0, 10, 30)]
        self.assertEqual(net.counts(net.sayings(console(*lines)), counted),
                         {"udp:out:500": {"all": 10}})

    def test_ends_where_the_machine_did(self) -> None:
        lines = [f"net small:out:18 5 {iperf3(18 * n)}" for n in (5, 10)]
        self.assertEqual(net.counts(net.sayings(console(*lines)), [{"all": 1}] * 2), {})


class Rows(unittest.TestCase):
    def test_every_row_has_a_title_of_its_own(self) -> None:
        for peer in net.PEERS:
            plan = net.runs("e1000e", ["tessera"], peer, ())
            titles = [net.title(run, row) for _, run in plan for row in run.rows]
            self.assertEqual(len(titles), len(set(titles)))
            self.assertEqual(len(titles), 2 * len(net.STREAMS) + len(net.PACKETS))

    def test_payload_is_what_fits(self) -> None:
        self.assertEqual([net.payload(row) for row in ("tcp:in:1500", "udp:in:500", "small:in:18")],
                         [1448, 472, 18])
