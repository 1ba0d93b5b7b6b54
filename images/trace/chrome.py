# SPDX-License-Identifier: BSD-2-Clause
"""Chrome JSON (the "Trace Event Format"): a process for the CPUs, whose threads show who
runs where, and one for each domain, whose threads are its vCPUs with their hypercalls."""

import json
from typing import Any, Callable, Iterator

from . import names
from .records import Record, Trace, signed

CPUS = 1  # pid of the process that shows CPUs; domains are 1000 + domid
Event = dict[str, Any]


def _us(time: int) -> float:
    return time / 1000


def _pid(domid: int) -> int:
    return 1000 + domid


def _details(record: Record, domain: Callable[[int], str]) -> tuple[str, Event]:
    """What an instant is called, and what is said about it."""
    a, b, high, low = record.a, record.b, record.a >> 32, record.a & 0xFFFFFFFF
    point = names.points().get(record.point, f"point {record.point}")
    if point == "event":
        return f"event to {domain(high)}", {"port": low}
    if point == "page-fault":
        return "page fault", {"address": f"{a:#x}", "error": f"{b:#x}"}
    if point == "irq":
        return names.vector(a), {"vector": a}
    if point == "grant-map":
        return f"map grant of {domain(high)}", {"reference": low, "status": signed(b)}
    if point == "grant-copy":
        return "grant copy", {"from": domain(high), "bytes": low, "to": domain(b & 0xFFFF)}
    if point == "invoke":
        return names.operation(high), {"slot": low, "result": signed(b)}
    if point == "plan-commit":
        return "plan", {"cpu": a, "entries": b}
    if point == "plan-notify":
        return "plan is told", {"cpu": a, "reasons": b}
    if point == "state":
        return f"{domain(a)}: {names.states().get(b, b)}", {}
    return point, {"a": a, "b": b}


def _names(trace: Trace, domain: Callable[[int], str]) -> Iterator[Event]:
    yield {"ph": "M", "pid": CPUS, "name": "process_name", "args": {"name": "CPUs"}}
    for cpu in trace.cpus:
        yield {"ph": "M", "pid": CPUS, "tid": cpu, "name": "thread_name",
               "args": {"name": f"CPU {cpu}"}}
    for domid, vcpu in sorted({(record.domain, record.vcpu) for record in trace.records}):
        yield {"ph": "M", "pid": _pid(domid), "name": "process_name",
               "args": {"name": domain(domid)}}
        yield {"ph": "M", "pid": _pid(domid), "tid": vcpu, "name": "thread_name",
               "args": {"name": f"{domain(domid)}/{vcpu}"}}


def _running(trace: Trace, domain: Callable[[int], str]) -> Iterator[Event]:
    """Who ran on each CPU from one switch to the next, and when nobody did."""
    since: dict[int, int] = {}
    who: dict[int, str] = {}
    numbers = {name: number for number, name in names.points().items()}
    for record in trace.records:
        cpu = record.cpu
        since.setdefault(cpu, record.time)
        who.setdefault(cpu, f"{domain(record.domain)}/{record.vcpu}")
        if record.point == numbers["idle"]:
            start = max(record.time - record.a, since[cpu])
            yield _slice(cpu, who[cpu], since[cpu], start)
            yield _slice(cpu, "idle", start, record.time)
            since[cpu] = record.time
        elif record.point == numbers["switch"]:
            yield _slice(cpu, who[cpu], since[cpu], record.time)
            since[cpu] = record.time
            who[cpu] = f"{domain(record.a >> 32)}/{record.a & 0xFFFFFFFF}"
    for cpu, start in since.items():
        end = max(record.time for record in trace.records if record.cpu == cpu)
        yield _slice(cpu, who[cpu], start, end)


def _slice(cpu: int, name: str, start: int, end: int) -> Event:
    return {"ph": "X", "pid": CPUS, "tid": cpu, "name": name, "cat": "run", "ts": _us(start),
            "dur": _us(end - start)}


def _calls(trace: Trace, domain: Callable[[int], str]) -> Iterator[Event]:
    """Hypercalls as slices of their vCPU; all else as instants."""
    numbers = {name: number for number, name in names.points().items()}
    begun: dict[tuple[int, int], Record] = {}
    for record in trace.records:
        vcpu = (record.domain, record.vcpu)
        place = {"pid": _pid(record.domain), "tid": record.vcpu}
        if record.point == numbers["hypercall"]:
            begun[vcpu] = record
        elif record.point == numbers["hypercall-end"]:
            start = begun.pop(vcpu, None)
            if start is None or start.a != record.a:
                continue  # its beginning was lost
            yield {"ph": "X", **place, "name": names.hypercall(record.a), "cat": "hypercall",
                   "ts": _us(start.time), "dur": _us(record.time - start.time),
                   "args": {"argument": f"{start.b:#x}", "result": signed(record.b)}}
        elif record.point not in (numbers["switch"], numbers["idle"]):
            name, args = _details(record, domain)
            yield {"ph": "i", "s": "t", **place, "name": name, "ts": _us(record.time),
                   "cat": names.points().get(record.point, "?"),
                   "args": {**args, "cpu": record.cpu}}


def convert(trace: Trace, domain: Callable[[int], str]) -> str:
    """The whole trace as one JSON object."""
    events = [*_names(trace, domain), *_running(trace, domain), *_calls(trace, domain)]
    lost = {f"CPU {cpu}": count for cpu, count in sorted(trace.lost.items())}
    return json.dumps({"displayTimeUnit": "ns", "traceEvents": events,
                       "otherData": {"records": len(trace.records), "lost": lost}})
