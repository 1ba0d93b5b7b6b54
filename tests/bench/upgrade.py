#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""How long each domain is away when it gets another program: from the moment when the
old one is stopped until the new one runs, and until its event loop has answered.

Virtual time: one instruction of the machine is one nanosecond, so the figures are
instructions of all domains together, root's scrubbing and building included, and do
not depend on the host. The guest is idle. --times: how often each is upgraded; the median of
each column is shown, and the most of both together."""

import argparse
import statistics
import sys

from tests.upgrade.rig import running

DOMAINS = {
    "disk0": "virtio_blk", "vbd": "vbd", "nic0": "virtio_net", "switch": "switch",
    "store": "store", "console": "console", "uart16550": "uart16550", "sched_bvt": "sched_bvt",
    "pci": "pci",
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--built", help="of no use here: the folder is found")
    parser.add_argument("--times", type=int, default=3)
    arguments = parser.parse_args()
    print(f"{'domain':<12} {'program':<12} {'away, us':>10} {'answers after, us':>18} "
          f"{'instructions':>13} {'at most':>13}")
    with running(icount=True) as rig:
        for domain, program in DOMAINS.items():
            times = [[int(word) for word in rig.upgrade(domain, program).groups()[1:]]
                     for _ in range(arguments.times)]
            away, answers = (statistics.median(column) for column in zip(*times))
            both = [sum(pair) for pair in times]
            print(f"{domain:<12} {program:<12} {away:>10.0f} {answers:>18.0f} "
                  f"{statistics.median(both) * 1000:>13.0f} {max(both) * 1000:>13}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
