# SPDX-License-Identifier: BSD-2-Clause
"""Who may touch what: by the description, and in the running system.

    compiled.py   the compiled description (proto/system.h), read back
    expected.py   the capabilities that each domain gets by it
    compare.py    those and the real tables: every difference, both sides shown
    reach.py      who can reach a domain, a device, a volume, by the description alone
    graph.py      a picture of the real tables
"""
