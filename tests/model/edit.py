#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Copies a source file with some texts replaced.

    edit.py INPUT OUTPUT [OLD NEW]...

Each OLD must be in the file exactly once, so that an edit that has lost its
place is an error of the build and not a test that tests nothing.
"""

import sys
from pathlib import Path


def main(arguments: list[str]) -> str | None:
    source, target, *edits = arguments
    text = Path(source).read_text()
    for old, new in zip(edits[::2], edits[1::2]):
        if text.count(old) != 1:
            return f"{source}: found {text.count(old)} times, not once: {old}"
        text = text.replace(old, new)
    Path(target).write_text(text)
    return None


sys.exit(main(sys.argv[1:]))
