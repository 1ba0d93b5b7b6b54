# SPDX-License-Identifier: BSD-2-Clause
"""Who can reach a domain, a device or a volume: by the description alone. Direct ways
come with the capability that opens them; a server reaches on behalf of its clients,
which is said as `through` it."""

from dataclasses import dataclass, field

from description import binary
from description.schema import System as Described

from . import expected
from .compiled import System


@dataclass(frozen=True)
class Way:
    who: str
    how: str
    through: str = ""

    def __str__(self) -> str:
        by = f", through {self.through}" if self.through else ""
        return f"{self.who}: {self.how}{by}"


@dataclass
class Answer:
    what: str
    ways: list[Way] = field(default_factory=list)


class Unknown(Exception):
    """There is no such domain, device or volume; the text says what there is."""


def _root(what: str) -> Way:
    return Way("root", f"it builds and restarts {what}")


def to_domain(system: System, name: str) -> Answer:
    target = system.domain(name)
    answer = Answer(f"the domain {name}", [_root("it")])
    for domain in system.domains[1:]:
        for cap in expected.of(system, domain, 0):
            if cap.kind == "domain" and cap.first == target.domid and domain is not target:
                answer.ways.append(Way(domain.name, f"{' '.join(sorted(cap.rights))}; {cap.why}"))
    for c in system.connections:
        if target.index not in (c.server, c.client):
            continue
        peer = system.domains[c.client if c.server == target.index else c.server]
        kinds = {peer.kind, target.kind}
        if peer.index and binary.KIND_GUEST not in kinds:
            answer.ways.append(
                Way(peer.name, f"a page and an event; connection {c.name}, line {c.line}"))
    return answer


def to_device(system: System, name: str) -> Answer:
    """The device of the driver `name`."""
    driver = system.domain(name)
    answer = Answer(f"the device of {name}", [_root("its driver")])
    answer.ways.append(Way(name, f"its registers, interrupts and DMA window; line "
                                 f"{system.drivers[driver.index]}"))
    for c in system.connections:
        if c.protocol == "pci":
            answer.ways.append(Way(system.domains[c.server].name,
                                   f"configuration space; serves pci, line {c.line}"))
        if c.client != driver.index or c.protocol not in ("disk", "net"):
            continue
        server = system.domains[c.server]
        answer.ways.append(Way(server.name, f"its part of the DMA window; connection {c.name}, "
                                            f"line {c.line}"))
        kind = {"disk": "block", "net": "vif"}[c.protocol]
        answer.ways += [Way(system.domains[g.client].name, f"{kind}, line {g.line}", server.name)
                        for g in system.connections
                        if g.protocol == kind and g.server == server.index]
    return answer


def to_volume(system: System, described: Described, name: str) -> Answer:
    """described: what schema.read() made of the same file."""
    volume = next(entry for entry in described.volumes if entry.name == name)
    answer = Answer(f"the volume {name}", [_root("its server")])
    for disk in described.disks:
        if disk["volume"] == name:
            mode = {"rw": "reads and writes", "ro": "reads"}[disk["mode"]]
            answer.ways.append(Way(disk["guest"], f"{mode} it; disk.{disk.name}, line {disk.line}",
                                   disk["server"] or "its disk server"))
    answer.ways.append(Way("the server of its disks", f"all of it; line {volume.line}"))
    return answer


def who(system: System, described: Described, name: str) -> list[Answer]:
    """All that the name means. Raises Unknown."""
    found = []
    if any(domain.name == name for domain in system.domains[1:]):
        found.append(to_domain(system, name))
        if system.domain(name).index in system.drivers:
            found.append(to_device(system, name))
    if any(entry.name == name for entry in described.volumes):
        found.append(to_volume(system, described, name))
    if found:
        return found
    domains = ", ".join(domain.name for domain in system.domains[1:])
    volumes = ", ".join(entry.name for entry in described.volumes) or "none"
    raise Unknown(f'found "{name}", expected a domain ({domains}), or a volume ({volumes})')
