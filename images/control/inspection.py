# SPDX-License-Identifier: BSD-2-Clause
"""The verbs that look at a running system and at its description together: what it may touch
and should, pictures and figures of it, and how one of its domains died."""

import argparse
import sys
from pathlib import Path

from audit import compare, compiled, graph
from description import DescriptionError, compile_file
from launcher.paths import Failure, build_dir
from metrics import openmetrics
from postmortem import NotFound, report

from . import systems, text
from .client import Client, Refused
from .frame import Message


def _system(arguments: argparse.Namespace) -> compiled.System:
    """As its description says it is."""
    running = None if arguments.description else systems.running()
    path = arguments.description or (Path(running.description) if running else None)
    if path is None:
        raise Failure("--description: which description the system behind --socket has", 2)
    try:
        return compiled.read(compile_file(path, None).data)
    except DescriptionError as error:
        raise Failure(str(error)) from error


def _tables(client: Client, domains: list[Message]) -> dict[str, compare.Table]:
    return {domain["name"]: client.items("caps", name=domain["name"])
            for domain in domains if domain["kind"] != "root"}


def audit(arguments: argparse.Namespace, client: Client) -> int:
    """1 if the real tables are not those of the description."""
    system, domains = _system(arguments), client.items("ps")
    cpus = client.request("system")["cpus"]
    running = {domain["name"] for domain in domains if domain["state"] not in ("idle", "waiting")}
    found = compare.audit(system, _tables(client, domains), cpus, running)
    if arguments.json:
        text.show([vars(difference) for difference in found])
    for difference in found if not arguments.json else []:
        print(difference)
    if not found and not arguments.json:
        print(f"{len(domains)} domains: each has what the description gives it, and no more")
    return 1 if found else 0


def draw(arguments: argparse.Namespace, client: Client) -> int:
    domains = client.items("ps")
    tables = _tables(client, domains)
    if arguments.json:
        text.show(tables)
        return 0
    picture = graph.dot(tables, {domain["domid"]: domain["name"] for domain in domains})
    try:
        Path(arguments.output).write_bytes(graph.svg(picture))
    except OSError as error:
        raise Failure(f"{error.filename}: {error.strerror}") from error
    print(arguments.output)
    return 0


def _optional(client: Client, verb: str) -> list[Message]:
    """None of them, if this control domain does not see such things."""
    try:
        return client.items(verb)
    except Refused:
        return []


def stats(arguments: argparse.Namespace, client: Client) -> int:
    system = {key: value for key, value in client.request("system").items()
              if key not in ("id", "ok")}
    domains, net, blk = client.items("ps"), _optional(client, "net"), _optional(client, "blk")
    if arguments.openmetrics:
        sys.stdout.write(openmetrics(system, domains, net, blk))
    else:
        text.show({"system": system, "domains": domains, "net": net, "blk": blk})
    return 0


def postmortem(arguments: argparse.Namespace, client: Client) -> int:
    death = client.request("postmortem", name=arguments.name)
    if arguments.json:
        text.show({key: value for key, value in death.items() if key not in ("id", "ok")})
        return 0
    running = systems.running()
    try:
        print(report(death, Path(running.build) if running else build_dir()), end="")
    except NotFound as error:
        raise Failure(str(error)) from error
    return 0
