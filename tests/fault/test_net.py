# SPDX-License-Identifier: BSD-2-Clause
"""Guests talk while the switch and the cards' drivers die: a short campaign. The long
one is the suite `campaign`. And what is wrong with iperf3 and a file must be found."""

import json
import unittest

from tests.fault.disk.check import median
from tests.fault.net import campaign, host, traffic

# Each of the four victims dies three times, as in a long campaign: with one drawn more often
# than the others the median would be at the edge between two kinds of deaths.
SEED = 44
KILLS = 12
MEDIAN_TARGET = 5_000_000  # instructions in which nothing arrives


class Kills(unittest.TestCase):
    def survives(self, plan: campaign.Plan) -> campaign.Result:
        result = campaign.run(plan)
        self.text = f"seed {SEED}\n{campaign.table(result.kills)}\n{result.log[-3000:]}"
        self.assertEqual(result.problems, [], self.text)
        for path, received in result.received.items():
            self.assertGreater(received, 0, path)
        return result

    def test_no_stream_breaks_between_guests(self) -> None:
        result = self.survives(campaign.Plan(kills=KILLS, seed=SEED))
        self.assertGreaterEqual(len(result.kills), KILLS * 3 // 4, self.text)
        self.assertLess(median(result.silences()), MEDIAN_TARGET, self.text)

    def test_no_stream_breaks_to_the_host(self) -> None:
        self.survives(campaign.Plan(kills=KILLS, seed=SEED, host=True, iommu=True))


def iperf3(*received: int, **more: object) -> str:
    """What it says of so many streams."""
    streams = [{"sender": {"bytes": n}, "receiver": {"bytes": n}} for n in received]
    return f"wire iperf3: {json.dumps({'end': {'streams': streams}, **more})}\n"


class Words(unittest.TestCase):
    """What the guest says of its end."""

    STREAMS = iperf3(*[7] * (2 * traffic.STREAMS))

    def test_well(self) -> None:
        self.assertEqual(traffic.look(f"noise\n{self.STREAMS}", "wire"), [])

    def test_not_well(self) -> None:
        short = iperf3(*[7] * (2 * traffic.STREAMS - 1))
        silent = iperf3(0, *[7] * (2 * traffic.STREAMS - 1))
        broken = iperf3(*[7] * (2 * traffic.STREAMS), error="unable to receive data")
        for words in (short, silent, broken, "", "wire iperf3: iperf3: error - refused\n",
                      "wire iperf3: {}\n", self.STREAMS.replace("wire", "inside")):
            self.assertEqual(len(traffic.look(words, "wire")), 1, words)

    def test_file(self) -> None:
        said = f"noise\nwire file: {traffic.digest(9)}  -\n"
        self.assertEqual(traffic.look_at_file(said, "wire", 9), [])
        self.assertEqual(len(traffic.look_at_file(said, "wire", 10)), 1)
        self.assertEqual(len(traffic.look_at_file(said, "inside", 9)), 1)

    def test_the_file_is_the_first_stream(self) -> None:
        self.assertEqual(host.content(host.LENGTH + 9)[-9:], host.pattern()[:9])
