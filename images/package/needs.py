# SPDX-License-Identifier: BSD-2-Clause
"""What programs need, against what a description gives them: each domain must have
the connections and capabilities that its program cannot do without, each connection
must be one that both ends speak, and in a version that both know.

servers/root/fit.c says the same of a program that is to take another one's place."""

from description import sched
from description.report import Report
from description.schema import PROTOCOLS, Entry, System

from . import dom

DEVICE = 7  # SYSTEM_CONN_PCI: comes with the key `device`
CONTROL = PROTOCOLS["control"]  # with root, whose program is no package
WORDS = {number: f'"{word}"' for word, number in PROTOCOLS.items()} | {DEVICE: "device"}


def text(need: dom.Need) -> str:
    """A need in words."""
    if need.kind == dom.CONNECTION:
        word = WORDS.get(need.what, f"protocol {need.what}")
        if need.what == DEVICE:
            return "a PCI device (device = ...)"
        return f"a {word} connection with it as the {dom.ROLES[need.role]}"
    if need.kind == dom.CAPABILITY:
        return {3: "that it is a policy", 4: "an interrupt (irqs)", 5: "I/O ports (ports)",
                6: "device memory (mmio)", 9: "the log"}.get(
                    need.what, f"a capability for {dom.CAPABILITIES[need.what]}")
    return "a lifeboat" if need.kind == dom.LIFEBOAT else "another runtime"


def _given(native: Entry, system: System) -> set[tuple[int, int, int]]:
    """(kind, what, role) of all that the description gives this domain."""
    given = {(dom.RUNTIME, 0, 0)}
    for protocol, server, client, _ in system.joined():
        if native.name == server:
            given.add((dom.CONNECTION, PROTOCOLS[protocol], dom.SERVER))
        if native.name == client:
            given.add((dom.CONNECTION, PROTOCOLS[protocol], dom.CLIENT))
    capabilities = {4: native["irqs"] or native["device"], 5: native["ports"],
                    6: native["mmio"] or native["device"] or "pci" in native["serves"],
                    7: native["device"], 8: native["trace"], 9: native["log"] != "none",
                    3: native.name in sched.plans(system), 2: True}
    given |= {(dom.CAPABILITY, what, 0) for what, there in capabilities.items() if there}
    if native["device"]:
        given.add((dom.CONNECTION, DEVICE, dom.CLIENT))
    if native["lifeboat"]:
        given.add((dom.LIFEBOAT, 0, 0))
    return given


def _check_ends(
    protocol: str, ends: list[tuple[str, int]], entry: Entry,
    packages: dict[str, dom.Package], report: Report,
) -> None:
    spoken = []
    for name, role in ends:
        package = packages.get(name)
        if package is None:
            continue  # root or a guest, or there is no such program
        need = package.find(dom.CONNECTION, PROTOCOLS[protocol], role)
        if need is None:
            entry.wrong(report, "", f'a "{protocol}" connection with "{name}" as the '
                        f"{dom.ROLES[role]}", f'one that its program "{package.name}" speaks')
        else:
            spoken.append((name, package, need))
    if len(spoken) == 2:
        (_, one, a), (_, other, b) = spoken
        if max(a.oldest, b.oldest) > min(a.newest, b.newest):
            entry.wrong(
                report, "", f'"{one.name}", which speaks "{protocol}" {a.oldest} to {a.newest}, '
                f'and "{other.name}", which speaks {b.oldest} to {b.newest}',
                "programs that have a version in common")


def check(system: System, packages: dict[str, dom.Package], report: Report) -> None:
    """packages: of the programs that are there, by domain."""
    for native in system.natives:
        package = packages.get(native.name)
        if package is None:
            continue
        given = _given(native, system)
        for need in package.needs:
            if not need.optional and (need.kind, need.what, need.role) not in given:
                native.wrong(report, "", f"nothing of what the program \"{package.name}\" needs",
                             text(need))
    for protocol, server, client, entry in system.joined():
        if PROTOCOLS[protocol] != CONTROL:
            _check_ends(protocol, [(server, dom.SERVER), (client, dom.CLIENT)], entry, packages,
                        report)
