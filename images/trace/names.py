# SPDX-License-Identifier: BSD-2-Clause
"""What the numbers in a record are called: read from the headers that define them."""

import functools
import re
from pathlib import Path

from audit import compiled
from description import compile_file

TOP = Path(__file__).resolve().parent.parent.parent
NOBODY = 0x7FF4  # DOMID_INVALID


def _defines(header: str, prefix: str) -> dict[str, int]:
    text = (TOP / "proto" / header).read_text(encoding="utf-8")
    found = re.findall(rf"^#define\s+{prefix}(\w+)\s+(0x[0-9a-fA-F]+|\d+)U?\b", text, re.M)
    return {name: int(value, 0) for name, value in found}


@functools.cache
def points() -> dict[int, str]:
    """Trace points by number: "switch", "hypercall-end" ..."""
    named = _defines("trace.h", "TRACE_")
    count = named["POINTS"]
    skip = {"POINTS", "ALL", "MAGIC", "FRAMES_MAX"}
    return {value: name.lower().replace("_", "-") for name, value in named.items()
            if name not in skip and value < count}


def bits(words: list[str]) -> int:
    """The points with these names as bits; "all" are all. Raises KeyError."""
    numbers = {name: number for number, name in points().items()}
    if "all" in words:
        return sum(1 << number for number in numbers.values())
    return sum({1 << numbers[word] for word in words})


@functools.cache
def hypercalls() -> dict[int, str]:
    found = {value: name for name, value in _defines("xen/xen.h", "__HYPERVISOR_").items()}
    return found | {63: "capability_op"}


@functools.cache
def operations() -> dict[int, str]:
    """Invocations, by number, as proto/cap/operations.h calls them."""
    text = (TOP / "proto" / "cap" / "operations.h").read_text(encoding="utf-8")
    numbers = _defines("cap/cap.h", "")
    return {numbers[name]: name for name in re.findall(r"^OPERATION\((\w+),", text, re.M)}


@functools.cache
def states() -> dict[int, str]:
    found = _defines("cap/cap.h", "DOMAIN_STATE_")
    return {value: name.lower() for name, value in found.items()}


def hypercall(number: int) -> str:
    return hypercalls().get(number, f"hypercall {number}")


def operation(number: int) -> str:
    return operations().get(number, f"operation {number:#x}")


def vector(number: int) -> str:
    """An interrupt's, as kernel/cpu/cpu.h has them."""
    known = {0xF0: "timer", 0xF1: "kick", 0xF2: "dma fault", 0xFF: "spurious"}
    return known.get(number, f"irq {number - 0x30}")


class Domains:
    """Names of domains by domid; without one, "d5"."""

    def __init__(self, named: dict[int, str]) -> None:
        self.named = {0: "root", NOBODY: "nobody", **named}

    def __call__(self, domid: int) -> str:
        return self.named.get(domid, f"d{domid}")


def of_description(path: Path) -> Domains:
    """The domains of a system description. Raises description.DescriptionError."""
    return Domains(compiled.read(compile_file(path, None).data).domids())
