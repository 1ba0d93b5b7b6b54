# SPDX-License-Identifier: BSD-2-Clause
"""The compiled description, read back: what root gets is what is looked at, not the text."""

from dataclasses import dataclass, field

from description import binary
from description.schema import PROTOCOLS

ROOT_PROTOCOLS = {5: "config", 6: "lifeboat", 7: "pci-device", 15: "trace"}


@dataclass
class Domain:
    name: str
    index: int
    domid: int
    kind: int  # binary.KIND_*
    policy: bool
    placed_by: int  # index of the policy that the description names; 0: none
    line: int


@dataclass
class Resource:
    domain: int
    kind: int  # binary.RES_*
    first: int
    count: int
    flags: int
    line: int


@dataclass
class Connection:
    name: str
    protocol: str
    server: int
    client: int
    flags: int
    line: int


@dataclass
class System:
    name: str
    domains: list[Domain] = field(default_factory=list)
    resources: list[Resource] = field(default_factory=list)
    connections: list[Connection] = field(default_factory=list)
    drivers: dict[int, int] = field(default_factory=dict)  # domain with a device: line

    def domain(self, name: str) -> Domain:
        """Raises KeyError."""
        return {domain.name: domain for domain in self.domains}[name]

    def domids(self) -> dict[int, str]:
        return {domain.domid: domain.name for domain in self.domains}


def read(data: bytes) -> System:
    """Of a description that was just compiled: it is not checked again."""
    fields = binary.HEADER.unpack_from(data)
    name, places = fields[4], fields[5:]
    strings = places[12]

    def text(offset: int) -> str:
        start = strings + offset
        return data[start : data.index(b"\0", start)].decode()

    def records(form: "binary.struct.Struct", place: int) -> list[tuple]:
        offset, count = places[2 * place : 2 * place + 2]
        return [form.unpack_from(data, offset + form.size * n) for n in range(count)]

    words = {number: word for word, number in PROTOCOLS.items()} | ROOT_PROTOCOLS
    system = System(text(name))
    for index, d in enumerate(records(binary.DOMAIN, 0)):
        system.domains.append(Domain(
            text(d[0]), index, d[4], d[5], bool(d[6] & binary.DOMAIN_F_POLICY),
            d[POLICY], d[LINE]))
    for r in records(binary.RESOURCE, 1):
        system.resources.append(Resource(*r))
    for c in records(binary.CONNECTION, 2):
        system.connections.append(
            Connection(text(c[0]), words.get(c[1], str(c[1])), c[2], c[3], c[5], c[6]))
    for device in records(binary.DEVICE, 3):
        system.drivers[device[0]] = device[10]
    return system


LINE, POLICY = 23, 34  # places of `line` and `sched.policy` in binary.DOMAIN
