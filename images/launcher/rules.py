# SPDX-License-Identifier: BSD-2-Clause
"""./tessera rules check FILE...: whether files are rule files, without a description."""

import argparse
import json
import sys
from pathlib import Path

from description import DescriptionError
from description.rules import compile_rules


def _mistakes(name: str) -> list[str]:
    try:
        compile_rules(Path(name).read_text(encoding="utf-8"), name)
    except DescriptionError as error:
        return error.messages
    except OSError as error:
        return [f"{name}: cannot be read: {error.strerror}"]
    except UnicodeDecodeError:
        return [f"{name}: found a byte that is not UTF-8, expected a rule file"]
    return []


def check(arguments: argparse.Namespace) -> int:
    """Says nothing of a file without mistakes; 1 if there is one."""
    found = {name: _mistakes(name) for name in arguments.files}
    if arguments.json:
        print(json.dumps([{"file": name, "mistakes": found[name]} for name in found]))
    else:
        for mistakes in filter(None, found.values()):
            print("\n".join(mistakes), file=sys.stderr)
    return int(any(found.values()))


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    rules = commands.add_parser("rules", help="check rule files")
    actions = rules.add_subparsers(required=True, metavar="ACTION")
    checker = actions.add_parser("check", help="tell every mistake; silent if there is none")
    checker.add_argument("files", nargs="+", metavar="FILE", help="rule files")
    checker.add_argument("--json", action="store_true", help="for programs")
    checker.set_defaults(call=check)
