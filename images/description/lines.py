# SPDX-License-Identifier: BSD-2-Clause
"""TOML with line numbers: tomllib parses, a small scanner finds the lines.

The scanner walks over a text that tomllib has already accepted, so it need not
judge: it follows headers and keys, and skips values as wholes. Keys inside an
inline table have the line of the key that holds it.
"""

import re
import tomllib

from .report import Report

Path = tuple[str, ...]

_KEY = re.compile(r'[ \t]*("(?:[^"\\]|\\.)*"|\'[^\']*\'|[A-Za-z0-9_-]+)[ \t]*')
_STRING = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}|\'\'\'.*?\'{3,5}|"(?:[^"\\]|\\.)*"|\'[^\']*\'', re.DOTALL
)
_REASON = re.compile(r"(.*) \(at line (\d+), column \d+\)$", re.DOTALL)


class Lines:
    """Where each table and key of the text stands."""

    def __init__(self) -> None:
        self.lines: dict[Path, int] = {(): 1}

    def at(self, *path: str) -> int:
        """The line of `path`, or of the closest table around it."""
        while path not in self.lines:
            path = path[:-1]
        return self.lines[path]


def parse(text: str, report: Report) -> tuple[dict, Lines]:
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        end = f"(at line {text.count(chr(10)) + 1}, column 1)"
        message = str(error).replace("(at end of document)", end)
        match = _REASON.match(message)
        reason, line = (match[1], int(match[2])) if match else (message, 1)
        report.error(line, "", f"found {_plain(reason)}, expected valid TOML")
        return {}, Lines()
    return table, _scan(text)


def _plain(reason: str) -> str:
    """tomllib's reason in the words of a description's writer."""
    match = re.match(r"Cannot declare \((.*)\) twice", reason)
    if match:
        return "[" + ".".join(re.findall(r"'([^']*)'", match[1])) + "] a second time"
    if reason == "Cannot overwrite a value":
        return "a key that is already set"
    return f"a mistake ({reason[:1].lower() + reason[1:]})"


def _keys(text: str, pos: int) -> tuple[Path, int]:
    path = []
    while True:
        match = _KEY.match(text, pos)
        assert match, "tomllib accepted this key"
        word = match[1]
        path.append(tomllib.loads(f"k = {word}")["k"] if word[0] in "\"'" else word)
        pos = match.end()
        if text[pos : pos + 1] != ".":
            return tuple(path), pos
        pos += 1


def _line_end(text: str, pos: int) -> int:
    end = text.find("\n", pos)
    return len(text) if end < 0 else end


def _skip_value(text: str, pos: int) -> int:
    """The end of the value at `pos`: a line's end outside strings and brackets."""
    depth = 0
    while pos < len(text):
        if text[pos] in "\"'":
            match = _STRING.match(text, pos)
            assert match, "tomllib accepted this string"
            pos = match.end()
            continue
        if text[pos] == "#":
            pos = _line_end(text, pos)
            continue
        depth += (text[pos] in "[{") - (text[pos] in "]}")
        if text[pos] == "\n" and depth == 0:
            break
        pos += 1
    return pos


def _scan(text: str) -> Lines:
    lines = Lines()
    table: Path = ()
    pos = 0
    while pos < len(text):
        line = text.count("\n", 0, pos) + 1
        if text[pos] in " \t\r\n":
            pos += 1
        elif text[pos] == "#":
            pos = _line_end(text, pos)
        elif text[pos] == "[":
            table, pos = _keys(text, pos + 1 + text.startswith("[[", pos))
            lines.lines.setdefault(table, line)
            pos = _line_end(text, pos)
        else:
            path, pos = _keys(text, pos)
            for length in range(1, len(path) + 1):
                lines.lines.setdefault(table + path[:length], line)
            pos = _skip_value(text, pos + 1)
    return lines
