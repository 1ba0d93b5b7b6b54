# SPDX-License-Identifier: BSD-2-Clause
"""What a domain wants of the scheduling policy: values of the keys that
struct system_sched (proto/system.h) has. Which policy uses which is in
docs/reference/description.md."""

import re
from typing import Any

from . import values
from .values import Parser, Wrong

FORMAT = "8I2Q"  # struct system_sched
WEIGHT = 256  # SYSTEM_WEIGHT
MAX_NUMBER = 63  # of windows and CPUs


def percent(value: Any) -> int:
    """ "50%" of one CPU, in thousandths."""
    match = re.fullmatch(r"(\d+)(?:\.(\d))?\s*%", value) if isinstance(value, str) else None
    if not match or not 1 <= (amount := int(match[1]) * 10 + int(match[2] or 0)) <= 128000:
        raise Wrong('a part of a CPU, from "0.1%" to "12800%", 100% for each CPU')
    return amount


def _table(**fields: tuple[Parser, bool]) -> Parser:
    """A table of these fields: how each is read, and whether it must be there."""
    shape = "{ " + ", ".join(f"{name} = ..." for name in fields) + " }"

    def parse(value: Any) -> dict[str, int]:
        if not isinstance(value, dict) or set(value) - set(fields):
            raise Wrong(shape)
        result = {}
        for name, (parser, required) in fields.items():
            if name not in value and required:
                raise Wrong(f"{name} in {shape}")
            try:
                result[name] = parser(value[name]) if name in value else 0
            except Wrong as wrong:
                raise Wrong(f"{name} to be {wrong}") from wrong
        return result

    return parse


_TIME = values.microseconds(100, 100000000)
warp = _table(by=(_TIME, True), limit=(_TIME, False), pause=(_TIME, False))


def reserve(value: Any) -> dict[str, int]:
    found = _table(budget=(_TIME, True), period=(_TIME, True))(value)
    if found["budget"] > found["period"]:
        raise Wrong("a budget that is no longer than its period")
    return found


def mask(what: str) -> Parser:
    """Numbers as the bits of a word; none is what an absent key means."""
    numbers = values.items(values.integer(0, MAX_NUMBER), what)

    def parse(value: Any) -> int:
        found = numbers(value)
        if not found or len(set(found)) < len(found):
            raise Wrong(f"a list of {what}, each once, such as [0, 2]")
        return sum(1 << number for number in found)

    return parse


def plans(system: Any) -> dict[str, int]:
    """The CPUs that each policy plans, as bits. That of [system] has those that nobody else has."""
    found = {native.name: native["plans"] for native in system.natives if native["plans"]}
    policy = system.settings["policy"]
    if policy is not None:
        rest = (1 << system.settings["cpus"]) - 1
        for taken in found.values():
            rest &= ~taken
        found[policy] = rest
    return found


def runs(bits: int) -> list[tuple[int, int]]:
    """Bits that are set, as (first, count)."""
    found, first = [], 0
    while bits >> first:
        count = 0
        while bits >> (first + count) & 1:
            count += 1
        if count:
            found.append((first, count))
        first += count + 1
    return found


def policy_of(entry: Any, system: Any) -> Any:
    """The name of the policy that places it; None: root does."""
    return entry["policy"] or system.settings["policy"]


def record(entry: Any, policy: int) -> list[int]:
    """The fields of struct system_sched; policy is an index."""
    warped = entry["warp"] or {"by": 0, "limit": 0, "pause": 0}
    reserved = entry["reserve"] or {"budget": 0, "period": 0}
    return [
        entry["weight"], entry["cap"], warped["by"], warped["limit"], warped["pause"],
        reserved["period"], reserved["budget"], policy, entry["windows"], entry["cpus"],
    ]
