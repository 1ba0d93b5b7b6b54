# SPDX-License-Identifier: BSD-2-Clause
"""Installs what is missing from the distribution's packages, and says so."""

import configparser
import os
import shutil
import subprocess
import sys
from pathlib import Path

from .paths import TOP, Failure

LIST = TOP / "images" / "packages.txt"


def listed(groups: list[str], path: Path = LIST) -> list[str]:
    parser = configparser.ConfigParser(allow_no_value=True)
    parser.read_string(path.read_text(encoding="utf-8"))
    return sorted({package for group in groups for package in parser[group]})


def missing(packages: list[str]) -> list[str]:
    result = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n", *packages],
        capture_output=True, text=True, check=False,
    )
    lines = result.stdout.splitlines()
    installed = {line.split()[0] for line in lines if line.endswith(" installed")}
    return [package for package in packages if package not in installed]


def require(*groups: str) -> None:
    """Install what these groups of packages.txt lack. Raises Failure."""
    if shutil.which("dpkg-query") is None:
        return  # not Debian: the tools themselves will be missed by name
    wanted = missing(listed(list(groups)))
    if not wanted:
        return
    print(f"tessera: installing {' '.join(wanted)}", file=sys.stderr)
    become = [] if os.geteuid() == 0 else ["sudo"]
    if become and shutil.which("sudo") is None:
        raise Failure("as root, run: apt-get install " + " ".join(wanted))
    environment = ["env", "DEBIAN_FRONTEND=noninteractive"]
    for command in (["update"], ["-y", "--no-install-recommends", "install", *wanted]):
        result = subprocess.run(
            [*become, *environment, "apt-get", "-qq", *command], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        )
        if result.returncode:
            text = f"apt-get {' '.join(command)} failed, and this cannot go on without"
            raise Failure(f"{result.stdout.rstrip()}\n{text}")
