# SPDX-License-Identifier: BSD-2-Clause
"""Messages about a description: every one names file, line, what was found and
what was expected. All mistakes of a file are collected before it is refused."""

import difflib
from typing import Iterable


LAST = 1 << 30  # behind all lines


class DescriptionError(Exception):
    """The description is refused; `messages` says why, in the order of the file."""

    def __init__(self, messages: list[str]):
        super().__init__("\n".join(messages))
        self.messages = messages


class Report:
    def __init__(self, name: str):
        self.name = name
        self.errors: list[tuple[int, str]] = []
        self.warnings: list[str] = []  # what is no mistake, and hardly meant

    def _text(self, line: int, where: str, text: str) -> str:
        return f"{self.name}:{line}: {where + ': ' if where else ''}{text}"

    def error(self, line: int, where: str, text: str) -> None:
        self.errors.append((line, self._text(line, where, text)))

    def add(self, other: DescriptionError) -> None:
        """The mistakes of another file, behind those of this one."""
        self.errors += [(LAST, message) for message in other.messages]

    def warn(self, line: int, where: str, text: str) -> None:
        self.warnings.append(self._text(line, where, "warning: " + text))

    def stop_if_errors(self) -> None:
        if self.errors:
            messages = [text for _, text in sorted(self.errors, key=lambda error: error[0])]
            raise DescriptionError(list(dict.fromkeys(messages)))


def suggestion(word: str, known: Iterable[str]) -> str:
    """' (did you mean "x"?)' for the closest known word, or nothing."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f' (did you mean "{close[0]}"?)' if close else ""


def words(known: Iterable[str]) -> str:
    """The choices in a sentence: 'a, b or c'."""
    listed = list(known)
    if len(listed) < 2:
        return "".join(listed) or "none"
    return ", ".join(listed[:-1]) + " or " + listed[-1]


def shown(value: object) -> str:
    """A value as it would stand in a TOML file, shortened."""
    if isinstance(value, bool):
        text = str(value).lower()
    elif isinstance(value, str):
        text = '"' + value.replace("\n", "\\n") + '"'
    elif isinstance(value, list):
        text = "[" + ", ".join(shown(item) for item in value) + "]"
    elif isinstance(value, dict):
        text = "a table"
    else:
        text = str(value)
    return text if len(text) <= 60 else text[:57] + "..."
