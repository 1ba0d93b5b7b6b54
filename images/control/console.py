# SPDX-License-Identifier: BSD-2-Clause
"""`./tessera console NAME`: a guest's console in this terminal. Ctrl-] leaves.

Where standard input is no terminal, what it has is typed, and the end of it leaves when
nothing has come for a second; so `echo | ./tessera console debian` shows a prompt.
"""

import argparse
import base64
import contextlib
import json
import os
import select
import sys
import termios
import time
import tty
from typing import Iterator

from . import text
from .client import Client

LEAVE = b"\x1d"
QUIET_SECONDS = 1.0
PATIENCE = 10.0  # seconds that a guest may take nothing
LARGEST = 1024  # bytes typed at once


@contextlib.contextmanager
def _raw(terminal: int) -> Iterator[None]:
    """Keys as they are typed, until the end."""
    if not os.isatty(terminal):
        yield
        return
    before = termios.tcgetattr(terminal)
    try:
        tty.setraw(terminal)
        yield
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)


def _show(client: Client, events: bool) -> bool:
    """Writes what has come, as it is or as events; whether there was anything."""
    found = False
    while (event := client.event(0)) is not None:
        if events and (event.get("event") == "console" or event.get("of") == "console"):
            print(json.dumps(event), flush=True)
            found = True
        elif event.get("event") == "console":
            os.write(sys.stdout.fileno(), base64.b64decode(event["data"]))
            found = True
        elif event.get("event") == "lost" and event.get("of") == "console":
            print(f"\r\n[{text.lost(event, 'bytes')}]\r", file=sys.stderr, flush=True)
    return found


def type_in(client: Client, name: str, typed: bytes) -> None:
    """All of it, as fast as the guest takes it; what it does not take for long is lost."""
    deadline = time.monotonic() + PATIENCE
    while typed and time.monotonic() < deadline:
        data = base64.b64encode(typed[:LARGEST]).decode()
        answer = client.request("console", name=name, data=data)
        taken = int(answer.get("taken", len(typed)))
        typed = typed[taken:]
        if taken:
            deadline = time.monotonic() + PATIENCE
        else:
            time.sleep(0.05)


def attach(arguments: argparse.Namespace, client: Client) -> int:
    keys = sys.stdin.fileno()
    client.request("console", name=arguments.name, on=True)
    if os.isatty(keys):
        print(f"the console of {arguments.name}; Ctrl-] leaves", file=sys.stderr)
    watched: list[object] = [client, keys]
    with _raw(keys):
        while True:
            ready, _, _ = select.select(watched, [], [], QUIET_SECONDS)
            shown = _show(client, arguments.json)
            if keys not in ready:
                if not shown and keys not in watched:
                    return 0
                continue
            typed = os.read(keys, LARGEST)
            if not typed:
                watched.remove(keys)
            elif os.isatty(keys) and LEAVE in typed:
                return 0
            else:
                type_in(client, arguments.name, typed)
