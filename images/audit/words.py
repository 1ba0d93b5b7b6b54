# SPDX-License-Identifier: BSD-2-Clause
"""Types and rights of capabilities in words (proto/cap/cap.h)."""

TYPES = {1: "memory", 2: "domain", 3: "cpu", 4: "irq", 5: "ports", 6: "mmio", 7: "dma",
         8: "trace", 9: "log"}  # as servers/control says them
RIGHTS = {  # bits 1 and up; bit 0 is "copy" everywhere
    "memory": ["use"],
    "domain": ["control", "grant", "event", "sched", "inspect", "debug"],
    "cpu": ["plan", "account", "guard"],
    "irq": ["use", "route"],
    "ports": ["use"],
    "mmio": ["use"],
    "dma": ["map", "empty"],
    "trace": ["read", "write"],
    "log": ["read", "write"],
}


def type_word(value: int | str) -> str:
    return value if isinstance(value, str) else TYPES.get(value, f"type-{value}")


def rights_words(kind: str, value: int | list[str]) -> frozenset[str]:
    """Rights as a set of words, from bits or from words."""
    if not isinstance(value, int):
        return frozenset(value)
    words = ["copy", *RIGHTS.get(kind, [])]
    return frozenset(
        words[bit] if bit < len(words) else f"bit-{bit}"
        for bit in range(16) if value >> bit & 1
    )
