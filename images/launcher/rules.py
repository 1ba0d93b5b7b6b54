# SPDX-License-Identifier: BSD-2-Clause
"""./tessera rules check FILE...: whether files are rule files, without a description."""

import argparse
import sys
from pathlib import Path

from description import DescriptionError
from description.rules import compile_rules


def check(arguments: argparse.Namespace) -> int:
    """Says nothing of a file without mistakes; 1 if there is one."""
    status = 0
    for name in arguments.files:
        try:
            compile_rules(Path(name).read_text(encoding="utf-8"), name)
            continue
        except DescriptionError as error:
            print(error, file=sys.stderr)
        except OSError as error:
            print(f"{name}: cannot be read: {error.strerror}", file=sys.stderr)
        except UnicodeDecodeError:
            print(f"{name}: found a byte that is not UTF-8, expected a rule file", file=sys.stderr)
        status = 1
    return status


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    rules = commands.add_parser("rules", help="check rule files")
    actions = rules.add_subparsers(required=True, metavar="ACTION")
    checker = actions.add_parser("check", help="tell every mistake; silent if there is none")
    checker.add_argument("files", nargs="+", metavar="FILE")
    checker.set_defaults(call=check)
