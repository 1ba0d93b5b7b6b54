# SPDX-License-Identifier: BSD-2-Clause
"""Waiting for what takes long: looked at whenever something happens, until a deadline."""

import time
from typing import Callable

from launcher.paths import Failure

from .client import Client
from .frame import Message

TOO_LATE = 124  # exit status
AGAIN_SECONDS = 0.2  # until it is looked at again when nothing happens


def until(client: Client, what: str, look: Callable[[], Message],
          done: Callable[[Message], bool], seconds: float) -> Message:
    """How it stands when it is done."""
    deadline = time.monotonic() + seconds
    while not done(now := look()):
        if time.monotonic() >= deadline:
            raise Failure(f"{what}: still {now['state']} after {seconds:g} seconds", TOO_LATE)
        client.event(AGAIN_SECONDS)
    return now
