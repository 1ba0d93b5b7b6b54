#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The test runner behind `./tessera test [SUITE[/NAME]...]`.

What is a test and how it is found: tests/README.md. Here everything is built
first, then two tests run at a time, and each says one line. The last line is
`N passed, N failed`; nothing that ran is left out of it.
"""

import importlib.util
import json
import os
import re
import subprocess
import sys
import time
import unittest
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Callable, Iterator, Mapping, Sequence

from launcher import build
from launcher.paths import TOP, Failure, out_dir

TESTS = TOP / "tests"
AT_ONCE = 2
HOST_SUITES = ("unit", "model", "fuzz")
SYSTEM_SUITES = ("boot", "hostile", "fault", "scale", "bench", "campaign")  # need the system itself
SUITES = (
    "lint", "images", "abi", "unit", "model", "spin", "fuzz", "boot", "hostile", "fault",
    "scale", "bench",
)
ON_DEMAND = ("campaign",)  # only when asked for
TIMEOUT = 300  # seconds for a program that does not say
# Of a failed test's output: why it failed is at its beginning, what was printed at its end.
SHOWN_FIRST, SHOWN_LAST, SHOWN_COLUMNS = 14, 30, 400


@dataclass
class Outcome:
    """One line of the report. passed is None for a test that was left out."""

    name: str
    passed: bool | None
    seconds: float
    detail: str = ""


@dataclass
class Test:
    """Something to run; it may turn out to be several tests."""

    name: str
    run: Callable[[], list[Outcome]]


# --- Programs ---


def _tap(name: str, output: str, seconds: float) -> list[Outcome]:
    """The single tests of a program that speaks TAP."""
    found = re.findall(r"^(not ok|ok)\b[ \t]*\d*[ \t]*-?[ \t]*(.*)$", output, re.MULTILINE)
    return [
        Outcome(f"{name}: {what}" if what else name, word == "ok", seconds / len(found),
                "" if word == "ok" else output)
        for word, what in found
    ]


def _program(
    suite: str, name: str, command: Sequence[str | Path], timeout: float = TIMEOUT,
    environment: Mapping[str, str] = MappingProxyType({}), folder: Path = TOP,
) -> Test:
    """A test that is a program of its own."""
    name = f"{suite}/{name}"

    def run() -> list[Outcome]:
        start = time.monotonic()
        try:
            result = subprocess.run(
                command, cwd=folder, env={**os.environ, **environment}, text=True,
                errors="replace", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT, timeout=timeout, check=False,
            )
        except subprocess.TimeoutExpired as expired:
            said = (expired.stdout or b"").decode(errors="replace")
            text = f"{said}\nstill running after {timeout} seconds"
            return [Outcome(name, False, time.monotonic() - start, text)]
        seconds = time.monotonic() - start
        outcomes = _tap(name, result.stdout, seconds)
        if not outcomes or (result.returncode and all(outcome.passed for outcome in outcomes)):
            text = f"{result.stdout}\nexit status {result.returncode}"
            outcomes.append(Outcome(name, result.returncode == 0, seconds, text))
        return outcomes

    return Test(name, run)


def _host_programs(suite: str, folder: Path) -> Iterator[Test]:
    listed = subprocess.run(
        ["meson", "introspect", "--tests", folder], check=True, capture_output=True, text=True
    )
    for entry in json.loads(listed.stdout):
        if any(word.split(":")[-1] == suite for word in entry["suite"]):
            folder = Path(entry["workdir"] or TOP)
            yield _program(
                suite, entry["name"], entry["cmd"], entry["timeout"], entry["env"], folder
            )


# --- Python files ---


def reason_first(text: str) -> str:
    """What was raised, and then from where: who sees only a beginning sees why."""
    lines = text.splitlines()
    frames = max((n for n, line in enumerate(lines) if line.startswith("Traceback")), default=0)
    reason = next((n for n in range(frames + 1, len(lines)) if not lines[n].startswith(" ")), 0)
    return "\n".join([*lines[reason:], *lines[:reason]])


def _python_test(suite: str, module: str, case: unittest.TestCase) -> Test:
    method = case.id().split(".", 4)[-1].removeprefix("test_")
    name = f"{suite}/{module}: {method.replace('_', ' ')}"

    def run() -> list[Outcome]:
        start = time.monotonic()
        result = unittest.TestResult()
        case.run(result)
        seconds = time.monotonic() - start
        wrong = result.failures + result.errors
        if result.skipped:
            return [Outcome(name, None, seconds, result.skipped[0][1])]
        detail = "\n".join(reason_first(text) for _, text in wrong)
        return [Outcome(name, not wrong, seconds, detail)]

    return Test(name, run)


def _cases(suite: unittest.TestSuite) -> Iterator[unittest.TestCase]:
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            yield from _cases(item)
        else:
            yield item


def _python_file(suite: str, path: Path) -> Iterator[Test]:
    module = path.stem.removeprefix("test_")
    try:
        spec = importlib.util.spec_from_file_location(f"tests.{suite}.{path.stem}", path)
        assert spec and spec.loader
        loaded = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = loaded
        spec.loader.exec_module(loaded)
    except Exception as error:  # a file that does not even load is a failed test
        failed = Outcome(f"{suite}/{module}", False, 0, f"{type(error).__name__}: {error}")
        yield Test(failed.name, lambda: [failed])
        return
    for case in _cases(unittest.defaultTestLoader.loadTestsFromModule(loaded)):
        yield _python_test(suite, module, case)


# --- Everything ---


def _collect(suites: list[str]) -> list[Test]:
    """Build what the suites need and find their tests."""
    if set(suites) & set(SYSTEM_SUITES):
        build.system()
    host = build.host() if set(suites) & set(HOST_SUITES) else None
    os.environ["TESSERA_NO_BUILD"] = "1"
    os.environ["TESSERA_BUILD"] = str(out_dir())
    tests: list[Test] = []
    for suite in suites:
        if host is not None and suite in HOST_SUITES:
            tests += _host_programs(suite, host)
        for path in sorted((TESTS / suite).glob("test_*.py")):
            tests += _python_file(suite, path)
        for path in sorted((TESTS / suite).glob("check_*.py")):
            tests.append(_program(suite, path.stem.removeprefix("check_"), [sys.executable, path]))
    return tests


def _show(outcome: Outcome) -> None:
    word = {True: "ok  ", False: "FAIL", None: "skip"}[outcome.passed]
    print(f"{word} {outcome.name} ({outcome.seconds:.1f} s)", flush=True)
    if not outcome.passed:
        lines = outcome.detail.strip().splitlines()
        if len(lines) > SHOWN_FIRST + SHOWN_LAST:
            left_out = len(lines) - SHOWN_FIRST - SHOWN_LAST
            lines[SHOWN_FIRST:-SHOWN_LAST] = [f"({left_out} lines are left out)"]
        for line in lines:
            print(f"     {line[:SHOWN_COLUMNS]}", flush=True)


def _finish(outcomes: list[Outcome]) -> int:
    passed = sum(outcome.passed is True for outcome in outcomes)
    failed = sum(outcome.passed is False for outcome in outcomes)
    print(f"{passed} passed, {failed} failed", flush=True)
    return 1 if failed or not passed else 0


def main(words: list[str]) -> int:
    """A word is a suite, or the beginning of a test's name such as boot/errors."""
    wanted = {word.split("/")[0] for word in words}
    unknown = sorted(wanted - set(SUITES + ON_DEMAND))
    if unknown:
        known = ", ".join(SUITES + ON_DEMAND)
        print(f"tessera: found the suite {unknown[0]}, expected {known}", file=sys.stderr)
        return 2
    outcomes: list[Outcome] = []
    try:
        chosen_suites = [name for name in SUITES + ON_DEMAND if name in (wanted or SUITES)]
        tests = _collect(chosen_suites)
    except Failure as failure:
        outcomes.append(Outcome("build", False, 0, str(failure)))
        _show(outcomes[0])
        return _finish(outcomes)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        chosen = [test for test in tests if not words or test.name.startswith(tuple(words))]
        for future in [pool.submit(test.run) for test in chosen]:
            for outcome in future.result():
                outcomes.append(outcome)
                _show(outcome)
    return _finish(outcomes)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
