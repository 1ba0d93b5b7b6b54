# SPDX-License-Identifier: BSD-2-Clause
"""The verbs that reach the switch, the disk server, the log and the traces: `net`, `blk`,
`logs` and `trace`, with what they can do behind them (`net rules`, `blk set` ...)."""

import argparse
import base64
import json
import sys
import time
from pathlib import Path
from typing import Any, Callable, Optional

from description import DescriptionError, hardware, netvalues
from description.rules import compile_rules, count
from description.values import Wrong
from launcher.paths import Failure
from trace import names

from . import text
from .client import Client
from .frame import Message

AGAIN_SECONDS = 0.5  # until a log that is followed is asked for again
NEWEST = 1 << 52  # more records than any CPU has written
DIRECTIONS = ("out", "in")


def _answer(arguments: argparse.Namespace, answer: Message) -> int:
    if arguments.json:
        text.show({key: value for key, value in answer.items() if key != "id"})
    return 0


# --- net ---


def _listed(verb: str, heads: list[str], row: Callable[[Message], list[str]],
            right: tuple[int, ...]) -> Callable[[argparse.Namespace, Client], int]:
    """All items of this verb, as a table."""
    def call(arguments: argparse.Namespace, client: Client) -> int:
        items = client.items(verb)
        if arguments.json:
            text.show(items)
        else:
            text.table(heads, [row(item) for item in items], sys.stdout, right=right)
        return 0

    return call


def _port(port: Message) -> list[str]:
    return [port["name"], port["kind"], "up" if port["up"] else "down", str(port["in_packets"]),
            text.size(port["in_bytes"]), str(port["out_packets"]), text.size(port["out_bytes"]),
            ", ".join(f"{why}: {number}" for why, number in sorted(port["dropped"].items()))]


def _disk(disk: Message) -> list[str]:
    return [disk["name"], disk["guest"], "up" if disk["up"] else "down", str(disk["reads"]),
            text.size(disk["read_bytes"]), str(disk["writes"]), text.size(disk["write_bytes"]),
            str(disk["errors"]), text.size(disk["limit_bytes"]) if disk["limit_bytes"] else "",
            str(disk["limit_iops"] or "")]


_net = _listed("net", ["NAME", "KIND", "", "TO IT", "", "FROM IT", "", "DROPPED"], _port,
               (3, 4, 5, 6))
_blk = _listed("blk", ["NAME", "GUEST", "", "READS", "", "WRITES", "", "ERRORS", "LIMIT/S", "IOPS"],
               _disk, (3, 4, 5, 6, 7, 8, 9))


def _rules(arguments: argparse.Namespace, client: Client) -> int:
    """Without a file, the counters; with one, it takes the place of the rules that hold."""
    if arguments.file is not None:
        return _swap(arguments, client)
    ways = [arguments.direction] if arguments.direction else DIRECTIONS
    found = {way: client.items("net-rules", name=arguments.name, direction=way) for way in ways}
    if arguments.json:
        text.show(found)
        return 0
    rows = [[way, str(rule["line"]), str(rule["packets"]), text.size(rule["bytes"])]
            for way in ways for rule in found[way]]
    text.table(["WAY", "LINE", "PACKETS", "BYTES"], rows, sys.stdout, right=(1, 2, 3))
    return 0


def _swap(arguments: argparse.Namespace, client: Client) -> int:
    if not arguments.direction:
        raise Failure("--direction: found none, expected out (what the guest sends) or in", 2)
    try:
        data = compile_rules(arguments.file.read_text(encoding="utf-8"), str(arguments.file))
    except DescriptionError as error:
        raise Failure(str(error)) from error
    except (OSError, UnicodeDecodeError) as error:
        raise Failure(f"{arguments.file}: cannot be read: {error}", 2) from error
    if arguments.dry_run:
        now = client.items("net-rules", name=arguments.name, direction=arguments.direction)
        return text.planned(arguments, f"{arguments.name}: {len(now)} rules "
                            f"{arguments.direction}, would be {count(data)}")
    answer = client.request("net-set", name=arguments.name, direction=arguments.direction,
                            rules=base64.b64encode(data).decode())
    return _answer(arguments, answer)


def _number(value: str, high: int) -> int:
    if not value.isdecimal() or int(value) > high:
        raise Wrong(f"a number from 0 to {high}")
    return int(value)


def _amount(parse: Callable[[str], int]) -> Callable[[str], int]:
    return lambda value: 0 if value in ("0", "none") else parse(value)


NET_LIMITS = {  # as in a description: the key of the protocol, and how a value is read
    "rate_out": ("bytes_out", _amount(netvalues.rate)),
    "rate_in": ("bytes_in", _amount(netvalues.rate)),
    "packets_out": ("packets_out", lambda value: _number(value, 10**9)),
    "packets_in": ("packets_in", lambda value: _number(value, 10**9)),
}
BLK_LIMITS = {
    "bandwidth": ("bandwidth", _amount(hardware.amount(64 << 10, 1 << 40, 1, '"50M"'))),
    "iops": ("iops", lambda value: _number(value, 10**9)),
}


def _limit(verb: str, limits: dict[str, Any]) -> Callable[[argparse.Namespace, Client], int]:
    def call(arguments: argparse.Namespace, client: Client) -> int:
        key, parse = limits[arguments.key]
        try:
            value = parse(arguments.value)
        except Wrong as wrong:
            raise Failure(f"{arguments.key}: found {arguments.value}, expected {wrong}", 2) \
                from wrong
        if arguments.dry_run:
            return text.planned(
                arguments, f"{arguments.name}: {key} would be {value or 'without a limit'}")
        return _answer(arguments, client.request(verb, name=arguments.name, **{key: value}))

    return call


def _tap(arguments: argparse.Namespace, client: Client) -> int:
    """Writes what passes until Ctrl-C, or for so many seconds."""
    name = {"name": arguments.name} if arguments.name else {}
    deadline = time.monotonic() + arguments.seconds if arguments.seconds else None
    written = missing = 0
    try:
        output = open(arguments.output, "wb", buffering=0)
    except OSError as error:
        raise Failure(f"{arguments.output}: {error.strerror}", 2) from error
    with output:
        client.request("net-tap", on=True, keep=arguments.keep, **name)
        try:
            while deadline is None or time.monotonic() < deadline:
                event = client.event(0.5)
                if event and event.get("event") == "lost" and event.get("of") == "tap":
                    missing += event["count"]
                    print(f"{arguments.output}: {text.lost(event, 'packets')}", file=sys.stderr)
                if event is None or event.get("event") != "tap":
                    continue
                data = base64.b64decode(event["data"])
                written += output.write(data) if data else 0
                if not data:
                    raise Failure("the switch or the control domain was started again: the tap "
                                  "has ended")
        except KeyboardInterrupt:
            print(file=sys.stderr)
    client.request("net-tap", on=False, **name)
    print(f"{arguments.output}: {text.size(written)}", file=sys.stderr)
    if arguments.json:
        text.show({"file": arguments.output, "bytes": written, "lost": missing})
    return 0


# --- logs ---


def _log_lines(client: Client, keys: Message) -> list[Message]:
    """All that is there from keys["from"] on, which moves."""
    lines: list[Message] = []
    while True:
        *items, answer = client.stream("logs", **keys)
        if answer.get("lost") and keys["from"]:
            missing = text.lost({"count": answer["lost"]}, "bytes")
            lines.append({"name": "", "text": f"... {missing}"})
        lines += items
        keys["from"] = answer["next"]
        if not answer.get("more"):
            return lines


def _known(client: Client) -> list[str]:
    return [entry["name"] for entry in client.items("ps")]


def _logs(arguments: argparse.Namespace, client: Client) -> int:
    keys: Message = {"from": 0}
    if arguments.name:
        keys["name"] = arguments.name
    lines = _log_lines(client, keys)
    if not lines and arguments.name not in (None, "core", *_known(client)):
        raise Failure(f'nobody of the name "{arguments.name}" has logged anything')
    if arguments.tail is not None:
        lines = lines[max(len(lines) - arguments.tail, 0):]
    while True:
        for line in lines:
            if arguments.json:
                print(json.dumps(line))
            else:
                said = f"{line['name']}: " if line["name"] else ""
                print(said + text.printable(line["text"]))
        sys.stdout.flush()
        if not arguments.follow:
            return 0
        time.sleep(AGAIN_SECONDS)
        lines = _log_lines(client, keys)


# --- trace ---


def _trace_start(arguments: argparse.Namespace, client: Client) -> int:
    try:
        bits = names.bits(arguments.points)
    except KeyError as wrong:
        raise Failure(f"found the trace point {wrong}, expected all, or some of "
                      f"{', '.join(names.points().values())}", 2) from wrong
    words = [name for number, name in names.points().items() if bits >> number & 1]
    if arguments.dry_run:
        return text.planned(arguments, "would record " + ", ".join(words))
    return _answer(arguments, client.request("trace", points=words))


def _trace_stop(arguments: argparse.Namespace, client: Client) -> int:
    if arguments.dry_run:
        return text.planned(arguments, "would record nothing")
    return _answer(arguments, client.request("trace", points=[]))


def _piece(cpu: int, answer: Message) -> bytes:
    """As proto/trace.h has it in a stream: what comes before records, and these."""
    from trace.records import MAGIC, PIECE, RECORD

    data = base64.b64decode(answer["records"])
    return PIECE.pack(MAGIC, cpu, len(data) // RECORD.size, answer["first"], answer["lost"]) + data


def _fetch_cpu(client: Client, cpu: int, last: Optional[int], told: text.Progress) -> bytes:
    """What a CPU has recorded up to now."""
    end = client.request("trace", cpu=cpu, **{"from": NEWEST})["next"]
    place = max(end - last, 0) if last is not None else 0
    found, first, begin = b"", True, place
    while place < end:
        answer = client.request("trace", cpu=cpu, **{"from": place})
        if first:  # what the buffer holds no more was not asked for
            answer["lost"], begin, first = 0, answer["first"], False
        found += _piece(cpu, answer)
        if answer["next"] <= place:
            break
        place = answer["next"]
        told((place - begin) * 100 // max(end - begin, 1))
    return found


def _trace_fetch(arguments: argparse.Namespace, client: Client) -> int:
    cpus = int(client.request("system")["cpus"])
    data = b"".join(
        _fetch_cpu(client, cpu, arguments.last, text.Progress(f"CPU {cpu}", 100))
        for cpu in range(cpus))
    try:
        Path(arguments.output).write_bytes(data)
    except OSError as error:
        raise Failure(f"{arguments.output}: {error.strerror}", 2) from error
    if arguments.json:
        text.show({"file": arguments.output, "bytes": len(data), "cpus": cpus})
    else:
        print(f"{arguments.output}: {text.size(len(data))}; ./tessera convert-trace reads it")
    return 0


# --- the words ---


def _group(commands: Any, verbs_of: Any, word: str, help_: str) -> Any:
    """A word with actions behind it."""
    parser = commands.add_parser(word, help=help_)
    return verbs_of(parser.add_subparsers(required=True, metavar="ACTION"))


def _add_net(verbs: Any) -> None:
    verbs.add("show", "counters of all VIFs and cards", _net, None)
    rules = verbs.add("rules", "counters of a VIF's rules; with a file, other rules", _rules,
                      "NAME", changes=True)
    rules.add_argument("file", nargs="?", type=Path, metavar="FILE", help="the other rules")
    rules.add_argument("--direction", choices=DIRECTIONS, help="out: what the guest sends")
    setter = verbs.add("set", "limits of a VIF, until the next start of the system",
                       _limit("net-limit", NET_LIMITS), "NAME", changes=True)
    setter.add_argument("key", choices=tuple(NET_LIMITS), help="out: what the guest sends")
    setter.add_argument("value", help='such as 100Mbit, or a number; 0: no limit')
    tap = verbs.add("tap", "write what passes, as pcapng", _tap, "[NAME]")
    tap.add_argument("-o", "--output", required=True, metavar="FILE", help="where to")
    tap.add_argument("--seconds", type=float, metavar="S", help="end after so long")
    tap.add_argument("--keep", type=int, default=0, metavar="N", help="bytes of each; 0: all")


def _add_blk(verbs: Any) -> None:
    verbs.add("show", "counters and limits of all virtual disks", _blk, None)
    setter = verbs.add("set", "limits of a disk, until the next start of the system",
                       _limit("blk-set", BLK_LIMITS), "NAME", changes=True)
    setter.add_argument("key", choices=tuple(BLK_LIMITS), help="bytes, or requests, a second")
    setter.add_argument("value", help="such as 50M, or a number; 0: no limit")


def _add_trace(verbs: Any) -> None:
    start = verbs.add("start", "have the core record", _trace_start, None, changes=True)
    start.add_argument("points", nargs="*", default=["all"], metavar="POINT",
                       help="what to record; if absent, all")
    verbs.add("stop", "record no more", _trace_stop, None, changes=True)
    fetch = verbs.add("fetch", "bring what is recorded into a file", _trace_fetch, None)
    fetch.add_argument("-o", "--output", required=True, metavar="FILE", help="where to")
    fetch.add_argument("--last", type=int, metavar="N", help="records of each CPU, at most")


def add_commands(commands: Any, verbs_of: Any) -> None:
    """verbs_of: makes of a group of commands what adds verbs to it."""
    _add_net(_group(commands, verbs_of, "net", "watch and steer the network"))
    _add_blk(_group(commands, verbs_of, "blk", "watch and steer virtual disks"))
    _add_trace(_group(commands, verbs_of, "trace", "the core's traces"))
    logs = verbs_of(commands).add("logs", "what the core, root and the domains have logged", _logs,
                                  "[NAME]")
    logs.add_argument("-n", "--tail", type=int, metavar="N", help="only the last so many lines")
    logs.add_argument("-f", "--follow", action="store_true", help="go on as lines come")
