# SPDX-License-Identifier: BSD-2-Clause
"""Rule files for the switch: from text to the bytes of proto/rules.h.

The language is in docs/reference/rules.md. compile_rules() goes on after a mistake, so
that one run shows them all.
"""

import struct

from .report import Report

HEADER = struct.Struct("<QIIIIIIIIIIII")
MAGIC, VERSION = 0x31454C5552535254, 1


def compile_rules(text: str, name: str) -> bytes:
    """The rule set that `text` says; messages call the file `name`. Raises DescriptionError."""
    report = Report(name)
    for number, line in enumerate(text.splitlines(), 1):
        if line.split("#")[0].strip():
            report.error(number, "", f'found "{line.split()[0]}", expected a comment')
    report.stop_if_errors()
    return HEADER.pack(MAGIC, VERSION, HEADER.size, HEADER.size, 0, HEADER.size, 0,
                       HEADER.size, 0, HEADER.size, 0, HEADER.size, 0)
