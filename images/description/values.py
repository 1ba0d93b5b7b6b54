# SPDX-License-Identifier: BSD-2-Clause
"""Single values of a description. Each parser takes what TOML gave and returns
the value in the unit of proto/system.h, or raises Wrong with what it expected."""

import re
from typing import Any, Callable

from .report import words

PAGE = 4096
NAME_BYTES = 15  # struct native_start and native_connection hold 16 with the NUL
CMDLINE_BYTES = 1023  # start_info.cmd_line
ARGUMENTS_BYTES = 255  # native_start.arguments

Parser = Callable[[Any], Any]
Range = tuple[int, int]  # first and last, both inclusive


class Wrong(Exception):
    """The value is not what the key takes; the text says what would be."""


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise Wrong("true or false")
    return value


def integer(low: int, high: int) -> Parser:
    def parse(value: Any) -> int:
        if not _is_int(value) or not low <= value <= high:
            raise Wrong(f"a whole number from {low} to {high}")
        return int(value)

    return parse


def text(limit: int) -> Parser:
    def parse(value: Any) -> str:
        if not isinstance(value, str):
            raise Wrong("a string")
        if len(value.encode()) > limit:
            raise Wrong(f"at most {limit} bytes, not {len(value.encode())}")
        if re.search(r"[\0-\x1f\x7f]", value):
            raise Wrong("a string without control characters")
        return value

    return parse


def name(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[a-z][a-z0-9_-]*", value):
        raise Wrong("a name: a small letter, then small letters, digits, _ or -")
    if len(value) > NAME_BYTES:
        raise Wrong(f"a name of at most {NAME_BYTES} characters, not {len(value)}")
    return value


def file(value: Any) -> str:
    value = text(CMDLINE_BYTES)(value)
    if not value:
        raise Wrong("the path of a file")
    return str(value)


def choice(*known: str) -> Parser:
    def parse(value: Any) -> str:
        if value not in known:
            raise Wrong(words(f'"{word}"' for word in known))
        return str(value)

    return parse


_SIZES = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def pages(low: int, high: int) -> Parser:
    """An amount of memory such as "64M", from low to high bytes, as pages."""

    def parse(value: Any) -> int:
        match = re.fullmatch(r"(\d+)\s*([KMG])(?:iB)?", value) if isinstance(value, str) else None
        if not match:
            raise Wrong('an amount of memory with its unit, such as "512K", "64M" or "2G"')
        size = int(match[1]) * _SIZES[match[2]]
        if size % PAGE:
            raise Wrong("a multiple of 4K")
        if not low <= size <= high:
            raise Wrong(f"from {size_text(low)} to {size_text(high)}")
        return size // PAGE

    return parse


def size_text(size: int) -> str:
    for unit, factor in reversed(_SIZES.items()):
        if size >= factor and size % factor == 0:
            return f"{size // factor}{unit}"
    return f"{size} bytes"


_TIMES = {"us": 1, "ms": 1000, "s": 1000000}


def microseconds(low: int, high: int) -> Parser:
    """A length of time such as "5ms", from low to high microseconds."""

    def parse(value: Any) -> int:
        match = re.fullmatch(r"(\d+)\s*(us|ms|s)", value) if isinstance(value, str) else None
        if not match:
            raise Wrong('a length of time with its unit, such as "500us", "5ms" or "60s"')
        length = int(match[1]) * _TIMES[match[2]]
        if not low <= length <= high:
            raise Wrong(f"from {time_text(low)} to {time_text(high)}")
        return length

    return parse


def milliseconds(low: int, high: int) -> Parser:
    parse_us = microseconds(low * 1000, high * 1000)
    return lambda value: parse_us(value) // 1000


def time_text(length: int) -> str:
    for unit, factor in reversed(_TIMES.items()):
        if length >= factor and length % factor == 0:
            return f"{length // factor}{unit}"
    return "0us"


def _number(word: str) -> int:
    return int(word, 16) if word.lower().startswith("0x") else int(word)


def number_range(limit: int, example: str) -> Parser:
    """A number, or a range "FIRST-LAST" as a string, not above `limit`."""

    def parse(value: Any) -> Range:
        if _is_int(value):
            first = last = int(value)
        else:
            match = (
                re.fullmatch(r"(0[xX][0-9a-fA-F]+|\d+)\s*-\s*(0[xX][0-9a-fA-F]+|\d+)", value)
                if isinstance(value, str)
                else None
            )
            if not match:
                raise Wrong(f"a number or a range such as {example}")
            first, last = _number(match[1]), _number(match[2])
        if not 0 <= first <= last <= limit:
            raise Wrong(f"numbers from 0 to {limit:#x}, the lower one first")
        return first, last

    return parse


def device_memory(value: Any) -> Range:
    first, last = number_range((1 << 46) - 1, '"0xfebf0000-0xfebf3fff"')(value)
    if first % PAGE or (last + 1) % PAGE:
        raise Wrong('whole pages, such as "0xfebf0000-0xfebf3fff"')
    return first, last


def items(parse_item: Parser, what: str) -> Parser:
    def parse(value: Any) -> list:
        if not isinstance(value, list):
            raise Wrong(f"a list of {what} in brackets")
        return [parse_item(item) for item in value]

    return parse
