# SPDX-License-Identifier: BSD-2-Clause
"""The core's traces, on the host: from a raw stream (proto/trace.h) to what others show.

    names.py     points, hypercalls, invocations, states: from the headers in proto/
    records.py   the stream, piece by piece, back in the order of time
    chrome.py    Chrome JSON, which Perfetto (ui.perfetto.dev) opens
    ctf.py       Common Trace Format 1.8, which babeltrace2 and Trace Compass open
"""
