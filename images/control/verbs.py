# SPDX-License-Identifier: BSD-2-Clause
"""The verbs that speak with a running system, one function each.

Every verb has --json: one JSON value on standard output with the keys of
docs/reference/control-protocol.md. Exit status: 0 done, 1 the system refused or it
failed, 2 bad arguments, 3 no system or no answer, 4 the right is lacking.
"""

import argparse
import functools
import json
import sys
import time
from pathlib import Path
from typing import Callable, Optional

from launcher.paths import Failure

from . import console, create, devices, inspection, steering, systems, text
from .client import Client, Ended, Refused, Unreachable
from .frame import Message
from .waiting import until

DENIED = 4
ENDS = ("stop", "destroy", "reboot")  # which may be the end of the system as well
SETTLED = ("running", "idle", "stopped", "given-up", "paused", "waiting")
PATIENCE = 60.0  # seconds for what takes long


def _guarded(verb: Callable[[argparse.Namespace, Client], int]) -> Callable[..., int]:
    """With a line, and with the errors of it as the command's own."""

    def call(arguments: argparse.Namespace) -> int:
        with systems.connect(arguments) as client:
            try:
                return verb(arguments, client)
            except Refused as error:
                if arguments.json:
                    print(json.dumps({"ok": False, "error": error.fields}))
                    return DENIED if error.code == "denied" else 1
                raise Failure(error.explained(), DENIED if error.code == "denied" else 1) from error
            except Unreachable as error:
                raise Failure(str(error), systems.NOT_RUNNING) from error

    return call


# --- looking ---


def _domain_rows(domains: list[Message]) -> tuple[list[list[str]], list[Optional[str]]]:
    rows, colours = [], []
    for found in domains:
        again = str(found["restarts"]) if found["restarts"] else ""
        rows.append([
            found["name"], str(found["domid"]), found["state"],
            text.size(found["memory"]), text.span(found["run_ns"]), again,
            " ".join(filter(None, (found.get("program"), found.get("version")))),
            found.get("device", ""),
        ])
        colours.append(text.STATES.get(found["state"]))
    return rows, colours


def _ps(arguments: argparse.Namespace, client: Client) -> int:
    name = {"name": arguments.name} if arguments.name else {}
    domains = client.items("ps", **name)
    system = client.request("system")
    if arguments.json:
        text.show({"system": {k: v for k, v in system.items() if k not in ("id", "ok")},
               "domains": domains})
        return 0
    rows, colours = _domain_rows(domains)
    text.table(["NAME", "ID", "STATE", "MEMORY", "CPU TIME", "AGAIN", "PROGRAM", "DEVICE"], rows,
               sys.stdout, colours, right=(1, 3, 4, 5))
    if not arguments.name:
        print(f"{text.size(system['free'])} of {text.size(system['memory'])} are free"
              + ("" if system["iommu"] else "; no IOMMU: drivers with DMA are trusted"))
    return 0


def _top_frame(before: dict[str, Message], domains: list[Message], nanoseconds: int,
               cpus: int) -> list[Message]:
    found = []
    for domain in domains:
        old = before.get(domain["name"])
        ran = domain["run_ns"] - old["run_ns"] if old else 0
        share = 100 * ran / nanoseconds if ran > 0 and nanoseconds > 0 else 0.0
        found.append({"name": domain["name"], "state": domain["state"], "cpu_percent":
                      round(min(share, 100.0 * cpus), 1), "memory": domain["memory"],
                      "run_ns": domain["run_ns"], "restarts": domain["restarts"]})
    return sorted(found, key=lambda entry: -entry["cpu_percent"])


def _top(arguments: argparse.Namespace, client: Client) -> int:
    before = {domain["name"]: domain for domain in client.items("ps")}
    then, left = client.request("system"), arguments.count
    screen = text.coloured(sys.stdout) and not arguments.json
    while left is None or left > 0:
        time.sleep(arguments.interval)
        domains, now = client.items("ps"), client.request("system")
        frame = _top_frame(before, domains, now["now_ns"] - then["now_ns"], now["cpus"])
        if arguments.json:
            print(json.dumps({"at_ns": now["now_ns"], "domains": frame}), flush=True)
        else:
            if screen:
                print("\x1b[H\x1b[2J", end="")
            rows = [[entry["name"], entry["state"], f"{entry['cpu_percent']:.1f}",
                     text.size(entry["memory"]), text.span(entry["run_ns"])] for entry in frame]
            text.table(["NAME", "STATE", "CPU %", "MEMORY", "CPU TIME"], rows, sys.stdout,
                       [text.STATES.get(entry["state"]) for entry in frame], right=(2, 3, 4))
        before, then = {domain["name"]: domain for domain in domains}, now
        left = None if left is None else left - 1
    return 0


def _why(arguments: argparse.Namespace, client: Client) -> int:
    story = client.request("why", name=arguments.name)
    if arguments.json:
        text.show({k: v for k, v in story.items() if k not in ("id", "ok")})
        return 0
    if not story.get("failures"):
        print(f"{arguments.name}: nothing has failed")
        return 0
    print(f"{arguments.name}: {text.printable(story['what'])}")
    for key in ("expected", "found", "try"):
        if story.get(key):
            print(f"  {key}: {text.printable(story[key])}")
    if story.get("line"):
        print(f"  line {story['line']} of the description")
    print(f"  {text.span(story['at_ns'])} after the start; failures so far: {story['failures']}")
    return 0


def _events(arguments: argparse.Namespace, client: Client) -> int:
    client.request("events", on=True)
    left = arguments.count
    while left is None or left > 0:
        event = client.event()
        if event is None:
            continue
        left = None if left is None else left - 1
        if arguments.json:
            print(json.dumps(event), flush=True)
        elif event["event"] == "state":
            print(f"{event['at_ns'] / 1e9:12.3f}  {event['name']}: {event['from']} -> "
                  f"{event['to']}", flush=True)
        else:
            print(f"{'':12}  {json.dumps(event)}", flush=True)
    return 0


def _caps(arguments: argparse.Namespace, client: Client) -> int:
    items = client.items("caps", name=arguments.name)
    if arguments.json:
        text.show(items)
        return 0
    keys = ("slot", "type", "rights", "first", "count", "what")
    rows = [[" ".join(item[key]) if key == "rights" else str(item.get(key, "")) for key in keys]
            for item in items]
    text.table([key.upper() for key in keys], rows, sys.stdout, right=(0, 3, 4))
    return 0


# --- changing ---


def _state(client: Client, name: str) -> Message:
    found = client.items("ps", name=name)
    if not found:
        raise Refused({"code": "unknown", "domain": name, "message": "there is no such domain"})
    return found[0]


def _settled(client: Client, name: str, before: Message, seconds: float) -> Message:
    """Waits until a change of its life has come to its end; where it stands then."""
    def story(now: Message) -> tuple[object, ...]:
        return now["incarnation"], now["state"], now["failures"]

    return until(client, name, lambda: _state(client, name),
                 lambda now: story(now) != story(before) and now["state"] in SETTLED, seconds)


def _begun(arguments: argparse.Namespace) -> int:
    """It is not waited for."""
    if arguments.json:
        text.show({"ok": True})
    return 0


def _change(verb: str) -> Callable[..., int]:
    def call(arguments: argparse.Namespace, client: Client) -> int:
        name = arguments.name
        before = _state(client, name)
        if arguments.dry_run:
            return text.planned(
                arguments, f"{name}: is {before['state']}; would be asked to {verb}")
        client.request("events", on=True)
        try:
            client.request(verb, name=name)
            if arguments.no_wait:
                return _begun(arguments)
            after = _settled(client, name, before, arguments.wait)
        except Ended:
            if verb not in ENDS:
                raise
            after = {**before, "state": "ended, and the system with it"}
        if arguments.json:
            text.show(after)
        else:
            print(f"{name}: {after['state']}")
        failed = after["failures"] != before["failures"] and verb != "kill"
        if failed and not arguments.json:
            _why(arguments, client)
        return 1 if failed else 0

    return call


def _create(arguments: argparse.Namespace, client: Client) -> int:
    """Of the description, by its name; or from a file."""
    if not create.is_file(arguments.name):
        return _change("start")(arguments, client)
    client.request("events", on=True)
    name = create.bring(arguments, client)
    if not name:
        return 0
    if arguments.no_wait:
        return _begun(arguments)
    now = until(client, name, lambda: _state(client, name),
                lambda now: now["state"] in SETTLED, arguments.wait)
    if arguments.json:
        text.show(now)
    else:
        print(f"{name}: {now['state']}")
    return 0


def _set(arguments: argparse.Namespace, client: Client) -> int:
    if arguments.dry_run:
        now = _state(client, arguments.name).get(arguments.key, "?")
        return text.planned(
            arguments, f"{arguments.name}: {arguments.key} is {now}, would be {arguments.value}")
    answer = client.request("set", name=arguments.name, key=arguments.key, value=arguments.value)
    if arguments.json:
        text.show({"ok": answer["ok"]})
    return 0


def proven(client: Client, name: str, before: Message, seconds: float) -> Message:
    """Waits until a new program has proved itself, or the old one is back. Raises Refused."""
    def is_decided(now: Message) -> bool:
        if now["failures"] != before["failures"]:
            story = client.request("why", name=name)
            raise Refused({**story, "code": story.get("code", "failed"), "domain": name,
                           "message": story.get("what", "it failed")})
        return bool(now["incarnation"] != before["incarnation"] and now["state"] == "running")

    return until(client, name, lambda: _state(client, name), is_decided, seconds)


def _told(arguments: argparse.Namespace, now: Message) -> int:
    if arguments.json:
        text.show(now)
    else:
        print(f"{now['name']}: runs {now['program']} {now['version']} ({now['build_id'][:12]})")
    return 0


def _upgrade(arguments: argparse.Namespace, client: Client) -> int:
    try:
        data = Path(arguments.file).read_bytes()
    except OSError as error:
        raise Failure(f"{arguments.file}: {error.strerror}", 2) from error
    before = _state(client, arguments.name)
    client.upload(data, text.Progress(f"{arguments.file} -> {arguments.name}", len(data)))
    client.request("events", on=True)
    client.request("upgrade", name=arguments.name, check=arguments.dry_run)
    if arguments.dry_run:
        return text.planned(arguments, f"{arguments.name}: it would be taken")
    return _told(arguments, proven(client, arguments.name, before, arguments.wait))


def _rollback(arguments: argparse.Namespace, client: Client) -> int:
    before = _state(client, arguments.name)
    if arguments.dry_run:
        if not before["previous"]:
            raise Refused({"code": "state", "domain": arguments.name,
                           "message": "it has nothing to go back to"})
        return text.planned(arguments, f"{arguments.name}: would go back")
    client.request("events", on=True)
    client.request("rollback", name=arguments.name)
    return _told(arguments, proven(client, arguments.name, before, arguments.wait))


def _sched(arguments: argparse.Namespace, client: Client) -> int:
    policies = [entry for entry in client.items("ps")
                if str(entry.get("program", "")).startswith("sched_")]
    if arguments.policy is None:
        if arguments.json:
            text.show(policies)
        for entry in policies if not arguments.json else []:
            print(f"{entry['name']}: {entry['program']} {entry['version']}")
        return 0
    names = [entry["name"] for entry in policies]
    name = arguments.domain or (names[0] if len(names) == 1 else None)
    if name not in names:
        raise Failure(f"--domain: expected one of {', '.join(names) or 'none'}", 2)
    before = _state(client, name)
    if arguments.dry_run:
        return text.planned(
            arguments, f"{name}: runs {before['program']}, would run {arguments.policy}")
    client.request("events", on=True)
    client.request("sched", name=name, program=arguments.policy)
    return _told(arguments, proven(client, name, before, arguments.wait))


# --- the words ---


class Verbs:
    """Adds verbs to the command line."""

    def __init__(self, commands: "argparse._SubParsersAction[argparse.ArgumentParser]"):
        self._commands = commands

    def add(self, word: str, help_: str, call: Callable[[argparse.Namespace, Client], int],
            named: Optional[str] = "NAME", changes: bool = False) -> argparse.ArgumentParser:
        """named: NAME, [NAME], another word or None; changes: it has --dry-run and may be waited
        for."""
        parser = self._commands.add_parser(word, help=help_)
        if named:
            parser.add_argument("name", metavar=named.strip("[]"),
                                nargs="?" if named[0] == "[" else None, help="a domain")
        parser.add_argument("--json", action="store_true", help="for programs")
        if changes:
            parser.add_argument("--dry-run", action="store_true", help="say what would be done")
            parser.add_argument("--wait", type=float, default=PATIENCE, metavar="S",
                                help="seconds until it must have come to its end")
        systems.add_arguments(parser)
        parser.set_defaults(call=_guarded(call))
        return parser


def _count(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-n", "--count", type=int, metavar="N", help="end after so many")


def _add_looking(verbs: Verbs) -> None:
    verbs.add("ps", "the domains of the running system", _ps, "[NAME]")
    top = verbs.add("top", "who uses the CPUs", _top, None)
    top.add_argument("--interval", type=float, default=1.0, metavar="S",
                     help="seconds between two looks")
    _count(top)
    verbs.add("devices", "the disks and VIFs of guests", devices.show, "[NAME]")
    verbs.add("why", "the story of a domain's last failure", _why)
    _count(verbs.add("events", "what happens, as it happens", _events, None))
    verbs.add("caps", "what a domain may touch, out of the core's own tables", _caps)
    verbs.add("console", "a guest's console in this terminal", console.attach)


LIFE = {
    "stop": ("stop", "ask a guest to shut down; end a native domain"),
    "reboot": ("reboot", "ask a guest to reboot"),
    "destroy": ("destroy", "end a domain at once and take everything back"),
    "pause": ("pause", "stop a domain's clock; nothing is lost"),
    "unpause": ("unpause", "let it go on"),
    "restart": ("restart", "reset a domain in place"),
    "kill": ("kill", "end a domain as if it had crashed"),
    "clear": ("clear", "start a domain again that was given up"),
}


def _add_changing(verbs: Verbs) -> None:
    maker = verbs.add("create", "start a domain of the description, or bring one by a file",
                      _create, "NAME|FILE.toml", changes=True)
    maker.add_argument("--no-wait", action="store_true", help="do not wait until it runs")
    maker.add_argument("--description", type=Path, metavar="FILE", help="of the running system")
    verbs.add("undefine", "empty a place for which a domain was brought", create.undefine,
              changes=True)
    for word, (verb, help_) in LIFE.items():
        parser = verbs.add(word, help_, _change(verb), changes=True)
        parser.add_argument("--no-wait", action="store_true", help="do not wait for its end")
    setter = verbs.add("set", "change what a domain may use", _set, changes=True)
    setter.add_argument("key", choices=("memory", "weight", "cap", "heartbeat", "vcpus"),
                        help="memory in MiB, cap in thousandths of a CPU, heartbeat in ms")
    setter.add_argument("value", type=int, metavar="N", help="in that unit")
    for word, help_ in (("plug", "give a running guest a disk or VIF of the description's"),
                        ("unplug", "take one from it")):
        plug = verbs.add(word, help_, functools.partial(devices.change, verb=word), changes=True)
        plug.add_argument("device", metavar="DEVICE", help="as `devices` lists them")
    upgrade = verbs.add("upgrade", "replace a domain's program", _upgrade, changes=True)
    upgrade.add_argument("file", metavar="FILE.dom", help="the package of the new one")
    verbs.add("rollback", "go back to the program before", _rollback, changes=True)
    sched = verbs.add("sched", "which scheduling policy runs, or another one", _sched, None,
                      changes=True)
    sched.add_argument("set", nargs="?", choices=("set",), help="replace it")
    sched.add_argument("policy", nargs="?", metavar="POLICY", help="such as sched_bvt")
    sched.add_argument("--domain", metavar="NAME", help="if there are several policies")


def _add_inspection(verbs: Verbs) -> None:
    audit = verbs.add("audit", "compare what all domains may touch with the description",
                      inspection.audit, None)
    audit.add_argument("--description", type=Path, metavar="FILE", help="of the running system")
    graph = verbs.add("graph", "draw who may touch what, as SVG", inspection.draw, None)
    graph.add_argument("-o", "--output", default="tessera.svg", metavar="FILE",
                       help="where it is drawn")
    stats = verbs.add("stats", "all counters at once", inspection.stats, None)
    stats.add_argument("--openmetrics", action="store_true", help="as OpenMetrics text")
    verbs.add("postmortem", "how a domain died, with a backtrace", inspection.postmortem)


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    verbs = Verbs(commands)
    _add_looking(verbs)
    _add_changing(verbs)
    _add_inspection(verbs)
    steering.add_commands(commands, Verbs)
