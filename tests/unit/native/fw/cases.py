# SPDX-License-Identifier: BSD-2-Clause
"""The table of cases: writes it to the file that is its first argument.

Each case is a firewall of its own: a VIF (port 0) with the MAC address ME and the addresses
10.0.0.0/24 and 2001:db8::/64, rules for both directions, and frames with what must become
of them.
"""

import sys
from pathlib import Path

HERE = Path(__file__).resolve()
sys.path[:0] = [str(HERE.parent), str(HERE.parents[4] / "images")]

import cases_connections  # noqa: E402
import cases_packets  # noqa: E402
import cases_rules  # noqa: E402
import cases_source  # noqa: E402
from table import Table  # noqa: E402

if __name__ == "__main__":
    table = Table()
    for part in (cases_packets, cases_source, cases_rules, cases_connections):
        part.add(table)
    Path(sys.argv[1]).write_bytes(table.end())
