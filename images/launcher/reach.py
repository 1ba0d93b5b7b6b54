# SPDX-License-Identifier: BSD-2-Clause
"""`./tessera who-can-reach`: by the description alone, without a running system."""

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from audit import compiled, reach
from description import DescriptionError, compile_file, lines, schema
from description.report import Report

from .paths import TOP, Failure


def add_command(commands: Any) -> None:
    parser = commands.add_parser(
        "who-can-reach", help="who can reach a domain, a driver's device or a volume")
    parser.add_argument("name", metavar="NAME", help="a domain, a driver, or a volume")
    parser.add_argument("description", nargs="?", type=Path, metavar="DESCRIPTION",
                        default=TOP / "images" / "default.toml",
                        help="of the system; if absent, images/default.toml")
    parser.add_argument("--json", action="store_true", help="one JSON value")
    parser.set_defaults(call=who_can_reach)


def who_can_reach(arguments: argparse.Namespace) -> int:
    path = arguments.description
    try:
        system = compiled.read(compile_file(path, None).data)
        report = Report(str(path))
        table, where = lines.parse(path.read_text(encoding="utf-8"), report)
        answers = reach.who(system, schema.read(table, where, report), arguments.name)
    except DescriptionError as error:
        raise Failure(str(error)) from error
    except reach.Unknown as error:
        raise Failure(f"who-can-reach: {error}", 2) from error
    if arguments.json:
        print(json.dumps([asdict(answer) for answer in answers]))
        return 0
    for answer in answers:
        print(f"{answer.what}:")
        for way in answer.ways:
            print(f"  {way}")
    return 0
