# SPDX-License-Identifier: BSD-2-Clause
"""Counters of the running system as OpenMetrics text (version 1.0), for whoever scrapes.

Takes what the control line answers to `system`, `ps`, `net` and `blk`; a number that is
not there makes no line, so that nobody takes "unknown" for zero.
"""

from typing import Any, Iterable

Row = dict[str, Any]
CONTENT_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"

# name, type, unit, help, key, what it is divided by
DOMAIN = (
    ("cpu_seconds", "counter", "seconds", "CPU time of all vCPUs", "run_ns", 10**9),
    ("memory_bytes", "gauge", "bytes", "memory that it owns", "memory", 1),
    ("memory_maximum_bytes", "gauge", "bytes", "memory that it may own", "maximum", 1),
    ("incarnation", "gauge", "", "how often it was built again", "incarnation", 1),
    ("restarts", "gauge", "", "restarts within the window of its budget", "restarts", 1),
    ("failures", "counter", "", "failures since boot", "failures", 1),
)
NET = tuple(
    (f"network_{way}_{what}", "counter", what if what == "bytes" else "",
     f"{what} that went {way} by this port of the switch", f"{way}_{what}", 1)
    for way in ("in", "out") for what in ("packets", "bytes")
)
BLOCK = (
    ("disk_reads", "counter", "", "requests to read that were answered", "reads", 1),
    ("disk_writes", "counter", "", "requests to write that were answered", "writes", 1),
    ("disk_read_bytes", "counter", "bytes", "bytes read", "read_bytes", 1),
    ("disk_write_bytes", "counter", "bytes", "bytes written", "write_bytes", 1),
    ("disk_errors", "counter", "", "requests that failed", "errors", 1),
)
SYSTEM = (
    ("uptime_seconds", "gauge", "seconds", "time since boot", "now_ns", 10**9),
    ("memory_total_bytes", "gauge", "bytes", "RAM of the machine", "memory", 1),
    ("memory_free_bytes", "gauge", "bytes", "RAM that nobody has", "free", 1),
    ("cpus", "gauge", "", "CPUs", "cpus", 1),
)


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _labels(**labels: str) -> str:
    said = ",".join(f'{key}="{_escape(value)}"' for key, value in labels.items())
    return f"{{{said}}}" if said else ""


def _number(value: int, divisor: int) -> str:
    if divisor == 1:
        return str(value)
    whole, rest = divmod(value, divisor)
    return f"{whole}.{rest:0{len(str(divisor)) - 1}d}".rstrip("0").rstrip(".")


def _family(name: str, kind: str, unit: str, text: str, samples: Iterable[str]) -> list[str]:
    """The lines of one family; none without a sample. Counters end in _total."""
    found = list(samples)
    if not found:
        return []
    head = [f"# TYPE {name} {kind}", f"# HELP {name} {_escape(text)}"]
    if unit:
        head.insert(1, f"# UNIT {name} {unit}")
    return head + [f"{name}{'_total' if kind == 'counter' else ''}{line}" for line in found]


def _rows(prefix: str, metrics: Iterable[tuple], rows: list[Row], *keys: str) -> list[str]:
    lines = []
    for name, kind, unit, text, key, divisor in metrics:
        lines += _family(
            f"{prefix}{name}", kind, unit, text,
            (f"{_labels(**{label: str(row[at]) for label, at in _pairs(keys)})} "
             f"{_number(row[key], divisor)}" for row in rows if isinstance(row.get(key), int)),
        )
    return lines


def _pairs(keys: tuple[str, ...]) -> list[tuple[str, str]]:
    """Labels and the keys that they are taken from: "domain=name"."""
    return [tuple(key.split("=")) if "=" in key else (key, key) for key in keys]  # type: ignore


def _states(rows: list[Row]) -> list[str]:
    states = sorted({row["state"] for row in rows if "state" in row})
    samples = (
        f'{_labels(domain=row["name"], tessera_domain_state=state)} {int(row["state"] == state)}'
        for row in rows if "state" in row for state in states
    )
    return _family("tessera_domain_state", "stateset", "", "where the domain stands", samples)


def _dropped(rows: list[Row]) -> list[str]:
    samples = (
        f'{_labels(port=row["name"], reason=reason)} {count}'
        for row in rows for reason, count in sorted(row.get("dropped", {}).items())
    )
    return _family("tessera_network_dropped", "counter", "", "frames that were dropped", samples)


def openmetrics(system: Row, domains: list[Row], net: list[Row], blk: list[Row]) -> str:
    """The whole text; `system` may be empty, the lists too."""
    lines = _rows("tessera_", SYSTEM, [system])
    lines += _rows("tessera_domain_", DOMAIN, domains, "domain=name", "kind")
    lines += _states(domains)
    lines += _rows("tessera_", NET, net, "port=name") + _dropped(net)
    lines += _rows("tessera_", BLOCK, blk, "disk=name", "guest")
    return "\n".join([*lines, "# EOF", ""])
