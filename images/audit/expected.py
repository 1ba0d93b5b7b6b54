# SPDX-License-Identifier: BSD-2-Clause
"""The capabilities that each domain finds when it starts, by the description: what
servers/root/handover.c and devices.c do, said a second time and independently.

Where a device's registers lie and which interrupts it has, only the machine knows: such
a range is left open (count None), and compare.py sees to it that nobody shares it.
"""

from dataclasses import dataclass
from typing import Optional

from description import binary

from .compiled import Domain, System

PAGE = 4096
TRIAL_DOMID = 0x7FEF  # of root's own: where it tries the program of an upgrade


@dataclass(frozen=True)
class Cap:
    kind: str  # words.TYPES
    rights: frozenset[str]
    first: Optional[int] = None  # None: left open
    count: Optional[int] = None
    why: str = ""  # what the description says about it, with its line


def _cap(kind: str, rights: str, first: Optional[int], count: Optional[int], why: str) -> Cap:
    return Cap(kind, frozenset(rights.split()), first, count, why)


def _domain(peer: Domain, rights: str, why: str) -> Cap:
    return _cap("domain", rights, peer.domid, 1, why)


def _resources(system: System, domain: Domain, cpus: int) -> list[Cap]:
    found = []
    for r in system.resources:
        if r.domain != domain.index:
            continue
        line = f"line {r.line}"
        if r.kind == binary.RES_IOPORTS:
            found.append(_cap("ports", "use", r.first, r.count, f"ports, {line}"))
        elif r.kind == binary.RES_IRQ:
            found.append(_cap("irq", "use", r.first, 1, f"irqs, {line}"))
        elif r.kind == binary.RES_MMIO:
            found.append(_cap("mmio", "use", r.first // PAGE, r.count // PAGE, f"mmio, {line}"))
        elif r.kind == binary.RES_LOG:
            words = [word for bit, word in ((2, "read"), (4, "write")) if r.flags & bit]
            found.append(_cap("log", " ".join(words), 0, 1, f"log, {line}"))
        elif r.kind == binary.RES_TRACE:
            found.append(_cap("trace", "read write", 0, 1, f"trace, {line}"))
        elif r.kind == binary.RES_CPU:
            last = min(r.first + r.count, cpus)
            found += [_cap("cpu", "plan account", n, 1, f"policy, {line}")
                      for n in range(r.first, last)]
    return found


def _connections(system: System, domain: Domain) -> list[Cap]:
    found = []
    for c in system.connections:
        why = f"connection {c.name} ({c.protocol}), line {c.line}"
        server, client = system.domains[c.server], system.domains[c.client]
        if c.server == domain.index and client.kind == binary.KIND_GUEST:
            found.append(_domain(client, "grant event inspect", why))
        if c.server == domain.index and c.protocol in ("disk", "net"):
            found.append(_cap("dma", "map", None, None, f"{why}: its server's part"))
        if c.client == domain.index and domain.kind == binary.KIND_GUEST:
            if c.protocol in ("block", "vif"):
                found.append(_domain(server, "event", why))
        if c.server == domain.index and c.protocol == "pci":
            found.append(_cap("mmio", "use", None, None, f"serves pci, line {c.line}"))
    return found


def _policy_of(system: System, domain: Domain, cpus: int) -> int:
    """Who places it on a machine with so many CPUs: as root finds out."""
    plans = {cpu: r.domain for r in reversed(system.resources) if r.kind == binary.RES_CPU
             for cpu in range(r.first, min(r.first + r.count, cpus))}
    return domain.placed_by if domain.placed_by in plans.values() else plans.get(0, 0)


def of(system: System, domain: Domain, cpus: int) -> list[Cap]:
    """What a running domain holds. Of a driver: without what its device brings (device())."""
    if domain.kind == binary.KIND_GUEST:
        return _connections(system, domain)
    found = [_domain(system.domains[0], "grant event", "every native domain can name root")]
    found += _resources(system, domain, cpus) + _connections(system, domain)
    if domain.policy:
        found += [_domain(peer, "sched inspect", "it is the policy")
                  for peer in system.domains[1:]
                  if _policy_of(system, peer, cpus) == domain.index]
        found.append(_cap("domain", "sched inspect", TRIAL_DOMID, 1,
                          "new programs are tried there"))
    return found


def device(system: System, domain: Domain) -> list[Cap]:
    """What a driver's device brings: any number of each, by the machine."""
    if domain.index not in system.drivers:
        return []
    why = f"device, line {system.drivers[domain.index]}"
    return [_cap(kind, rights, None, None, why)
            for kind, rights in (("mmio", "use"), ("ports", "use"), ("irq", "use"),
                                 ("dma", "map"))]
