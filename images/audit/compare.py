# SPDX-License-Identifier: BSD-2-Clause
"""The real capability tables against the description. A table is the list of items that the
control line's `caps` answers with: slot, type, rights, first, count, what."""

from dataclasses import dataclass
from typing import Any

from . import expected, words
from .compiled import Domain, System
from .expected import Cap

Table = list[dict[str, Any]]
SHARED = {"domain", "log", "trace"}  # types that more than one domain may have


@dataclass(frozen=True)
class Difference:
    domain: str
    found: str
    expected: str

    def __str__(self) -> str:
        return f"{self.domain}: found {self.found}, expected {self.expected}"


@dataclass(frozen=True)
class Item:
    slot: int
    kind: str
    rights: frozenset[str]
    first: int
    count: int
    what: str


def items(table: Table) -> list[Item]:
    found = []
    for entry in table:
        kind = words.type_word(entry["type"])
        found.append(Item(entry["slot"], kind, words.rights_words(kind, entry["rights"]),
                          entry["first"], entry["count"], entry.get("what", "")))
    return found


def _range(kind: str, first: int | None, count: int | None) -> str:
    if first is None or count is None:
        return "some range"
    if kind == "ports":
        return f"{first:#x}-{first + count - 1:#x}"
    if kind == "mmio":
        return f"{first << 12:#x}-{(first + count << 12) - 1:#x}"
    return str(first) if count == 1 else f"{first}-{first + count - 1}"


def text(cap: Cap | Item, system: System) -> str:
    """As people read it: domain vbd (event grant)."""
    rights = " ".join(sorted(cap.rights)) or "no right"
    place = _range(cap.kind, cap.first, cap.count)
    if cap.kind == "domain" and cap.first is not None:
        place = system.domids().get(cap.first, f"d{cap.first}")
    if cap.kind == "dma" and isinstance(cap, Item) and cap.what:
        place = cap.what
    where = f" in slot {cap.slot}" if isinstance(cap, Item) else f", by {cap.why}"
    return f"{cap.kind} {place} ({rights}){where}"


def _fits(item: Item, cap: Cap) -> bool:
    open_range = cap.first is None
    return (item.kind == cap.kind and item.rights == cap.rights
            and (open_range or (item.first, item.count) == (cap.first, cap.count)))


def _pair(item: Item, left: list[Cap]) -> Cap | None:
    """The expected one that it is; an exact range before an open one."""
    fitting = sorted((cap for cap in left if _fits(item, cap)), key=lambda cap: cap.first is None)
    return fitting[0] if fitting else None


def _domain(system: System, domain: Domain, table: Table, cpus: int) -> list[Difference]:
    left = expected.of(system, domain, cpus)
    devices = expected.device(system, domain)
    found = []
    for item in items(table):
        cap = _pair(item, left)
        if cap is not None:
            left.remove(cap)
        elif not any(_fits(item, cap) for cap in devices):
            near = next((cap for cap in left if cap.kind == item.kind
                         and cap.first in (None, item.first)), None)
            wanted = text(near, system) if near else "nothing of the kind"
            if near:
                left.remove(near)
            found.append(Difference(domain.name, text(item, system), wanted))
    return found + [Difference(domain.name, "nothing", text(cap, system)) for cap in left]


def _absent_device(system: System, table: Table, difference: Difference, domain: Domain) -> bool:
    """A server lacks the DMA window of a driver whose device is not there: that is right."""
    return difference.found == "nothing" and difference.expected.startswith("dma") and any(
        c.server == domain.index and c.protocol in ("disk", "net") for c in system.connections)


def _overlaps(tables: dict[str, Table], system: System) -> list[Difference]:
    """Devices that two domains reach. The bus domain reaches all of device memory."""
    buses = {system.domains[c.server].name for c in system.connections if c.protocol == "pci"}
    owned = [(name, item) for name, table in tables.items() if name != "root"
             for item in items(table) if item.kind in ("irq", "ports", "mmio", "cpu")
             and not (name in buses and item.kind == "mmio")]
    found = []
    for n, (name, a) in enumerate(owned):
        for other, b in owned[:n]:
            if (name != other and a.kind == b.kind and a.first < b.first + b.count
                    and b.first < a.first + a.count):
                found.append(Difference(name, text(a, system),
                                        f"it at {other} alone, which has {text(b, system)}"))
    return found


def _windows(tables: dict[str, Table], system: System) -> list[Difference]:
    """A DMA window belongs to a driver and its server, and slots of it to one of the two."""
    served = {system.domains[c.client].name: system.domains[c.server].name
              for c in system.connections if c.protocol in ("disk", "net")}
    drivers = {system.domains[index].name for index in system.drivers}
    owner = {item.what: name for name, table in tables.items() if name in drivers
             for item in items(table) if item.kind == "dma" and item.what}
    found = []
    for name, table in tables.items():
        for item in items(table):
            driver = owner.get(item.what) if item.kind == "dma" else None
            if name != "root" and driver not in (None, name) and served.get(driver) != name:
                found.append(Difference(name, text(item, system),
                                        f"it at {driver} and {served.get(driver, 'nobody')} only"))
    return found


def audit(system: System, tables: dict[str, Table], cpus: int,
          running: set[str]) -> list[Difference]:
    """All differences. tables: of every domain but root, by name; of one that does not run
    it must be empty."""
    found = []
    for domain in system.domains[1:]:
        table = tables.get(domain.name, [])
        if domain.name not in running:
            found += [Difference(domain.name, text(item, system), "nothing: it does not run")
                      for item in items(table)]
            continue
        found += [d for d in _domain(system, domain, table, cpus)
                  if not _absent_device(system, table, d, domain)]
    known = {domain.name for domain in system.domains}
    found += [Difference(name, "the domain", "none of that name: the description has it not")
              for name in tables if name not in known]
    return found + _overlaps(tables, system) + _windows(tables, system)
