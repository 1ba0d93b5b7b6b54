# SPDX-License-Identifier: BSD-2-Clause
"""Where things are, and the one way to give up.

Two variables move things out of the tree: TESSERA_BUILD for what is built (else
build/), TESSERA_CACHE for what is fetched (else cache/ in the build folder).
"""

import fcntl
import os
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator

TOP = Path(__file__).resolve().parents[2]


class Failure(Exception):
    """The command cannot go on; the text is for the user. status is its exit status."""

    def __init__(self, text: str, status: int = 1):
        super().__init__(text)
        self.status = status


@contextmanager
def alone(output: Path) -> Iterator[None]:
    """While it lasts, nobody else who asks here makes `output`. Its folder is made."""
    output.parent.mkdir(parents=True, exist_ok=True)
    with open(output.parent / f".{output.name}.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def out_dir() -> Path:
    return Path(os.environ.get("TESSERA_BUILD") or TOP / "build").resolve()


def build_dir() -> Path:
    """The freestanding build: core and native programs."""
    return out_dir() / "system"


def host_dir() -> Path:
    """The host build: unit, model and fuzz tests."""
    return out_dir() / "host"


def cache_dir() -> Path:
    return Path(os.environ.get("TESSERA_CACHE") or out_dir() / "cache").resolve()
