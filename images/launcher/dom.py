# SPDX-License-Identifier: BSD-2-Clause
"""./tessera inspect and sign: what is in a package, and who answers for it."""

import argparse
import json
import shutil
from pathlib import Path

from describe import write_whole
from package import dom, show, sign

from . import packages
from .paths import Failure


def _read(path: Path) -> dom.Package:
    try:
        return dom.read(path)
    except dom.PackageError as error:
        raise Failure(f"{path}: {error}") from error


def _signature(package: dom.Package) -> str:
    if not package.is_signed:
        return "none"
    if shutil.which("openssl") is None:
        return "unchecked"
    return "good" if sign.verify(package) else "wrong"


def inspect(arguments: argparse.Namespace) -> int:
    """1 if the file is no package, was altered, or its signature is wrong."""
    status, shown = 0, []
    for path in arguments.files:
        package = _read(path)
        signature = _signature(package)
        status |= signature == "wrong"
        shown.append(show.fields(package, signature) if arguments.json
                     else show.text(package, signature))
    if arguments.json:
        print(json.dumps(shown if len(shown) > 1 else shown[0], indent=2))
    else:
        print("\n\n".join(map(str, shown)))
    return status


def sign_file(arguments: argparse.Namespace) -> int:
    packages.require("sign")
    package = _read(arguments.file)
    try:
        sign.sign(package, arguments.key)
    except sign.KeyFailure as error:
        raise Failure(f"{arguments.key}: {error}") from error
    output = arguments.output or arguments.file
    try:
        write_whole(output, package.packed())
    except OSError as error:
        raise Failure(f"{output}: cannot be written: {error.strerror}") from error
    if arguments.json:
        print(json.dumps({"file": str(output), "name": package.name, "release": package.release,
                          "key": package.key.hex()}))
    else:
        print(f"{output}: {package.name} {package.release}, signed by {package.key.hex()}")
    return 0


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    shower = commands.add_parser("inspect", help="show what is in a package (.dom)")
    shower.add_argument("files", nargs="+", type=Path, metavar="FILE", help="packages")
    shower.add_argument("--json", action="store_true", help="for programs")
    shower.set_defaults(call=inspect)
    signer = commands.add_parser("sign", help="sign a package (.dom)")
    signer.add_argument("file", type=Path, metavar="FILE", help="a package")
    signer.add_argument("--key", required=True, type=Path, metavar="KEY",
                        help="private key, by: openssl genpkey -algorithm ed25519 -out KEY")
    signer.add_argument("-o", "--output", type=Path, metavar="FILE", help="else FILE itself")
    signer.add_argument("--json", action="store_true", help="for programs")
    signer.set_defaults(call=sign_file)
