# SPDX-License-Identifier: BSD-2-Clause
"""Networks and the guests' VIFs: what only the whole description shows about them.
switchconfig.py makes the bytes of it that the switch finds."""

from pathlib import Path

from . import rules
from .netvalues import mac_text, own_mac
from .report import DescriptionError, Report, suggestion, words
from .schema import Entry, System

# proto/switch.h
MAX_NETWORKS, MAX_PORTS, MAX_UPLINKS, MAX_RULESETS, MAX_QUEUES = 16, 64, 4, 64, 4
MAX_RULES_BYTES = 448 << 10  # SYSTEM_MAX_BLOB_SIZE, less what else the switch finds

# What lies in the lifeboat: servers/switch/boat.h, fw_state.h, memory.c
PAGE = 4096
BOAT_DATA, BOAT_RECORDS = 64, 194560
FW_BOAT, FW_RECORD, FW_SET, FW_LIVE, FW_STATE = 64, 2384, 64, 32, 112
SET_BYTES = 16384  # of a rule set, at least
LEAST_POOL = 384  # pages


def check(system: System, folder: Path, report: Report) -> None:
    """Also fills in each network's server, each VIF's address and queues, and the rule sets."""
    for network in system.networks:
        _find_server(network, system, report)
    _check_uplinks(system, report)
    for vif in system.vifs:
        _check_vif(vif, system, report)
    _check_numbers(system, report)
    _check_addresses(system, report)
    _check_names(system, report)
    for vif in system.vifs:
        _compile_rules(vif, system, folder, report)
    _check_mirrors(system, report)
    _check_counts(system, report)


def _find_server(network: Entry, system: System, report: Report) -> None:
    servers = [native.name for native in system.serving("vif")]
    if network["server"] is None:
        if len(servers) == 1:
            network.given["server"] = servers[0]
        else:
            network.wrong(report, "", 'no "server"', "the switch that it lies in: "
                          + (words(servers) if servers else 'no domain serves "vif"'))
    elif network["server"] not in servers:
        network.wrong(report, "server", f'"{network["server"]}", which does not serve "vif"',
                      f"a domain that does: {words(servers)}"
                      + suggestion(network["server"], servers))
        network.given["server"] = None


def _check_uplinks(system: System, report: Report) -> None:
    drivers = {entry["client"]: entry for entry in system.connections
               if entry["protocol"] == "net"}
    used: dict[str, Entry] = {}
    for network in system.networks:
        for uplink in network["uplink"]:
            name, server = uplink.driver, network["server"]
            if name not in drivers:
                known = system.native(name) is not None
                network.wrong(
                    report, "uplink",
                    f'"{name}", {"which drives no card" if known else "no domain of this file"}',
                    'the client of a connection with the protocol "net"'
                    + suggestion(name, drivers),
                )
                continue
            if server is not None and drivers[name]["server"] != server:
                network.wrong(report, "uplink",
                              f'"{name}", which is connected to {drivers[name]["server"]}',
                              f"one that is connected to {server}, where the network lies")
            other = used.setdefault(name, network)
            if other is not network:
                network.wrong(report, "uplink", f'"{name}"', "another card: "
                              f"{other.where} in line {other.line} has it; several networks on "
                              "one wire are VLANs of one network")
    for name, entry in drivers.items():
        if name not in used:
            report.warn(entry.line, entry.where, f"{name} is the uplink of no network: its card "
                        "carries nothing")


def network_of(vif: Entry, system: System) -> Entry | None:
    return next((entry for entry in system.networks if entry.name == vif["network"]), None)


def _check_vif(vif: Entry, system: System, report: Report) -> None:
    guest, network = system.guest(vif["guest"]), network_of(vif, system)
    if guest is None:
        vif.wrong(report, "guest", f'"{vif["guest"]}"', "a [guest.NAME] of this file"
                  + suggestion(vif["guest"], [entry.name for entry in system.guests]))
    if network is None:
        vif.wrong(report, "network", f'"{vif["network"]}"', "a [network.NAME] of this file"
                  + suggestion(vif["network"], [entry.name for entry in system.networks]))
    if vif["trunk"] is not None and vif["vlan"] in vif["trunk"]:
        vif.wrong(report, "trunk", f'{vif["vlan"]}, which is also vlan',
                  "a VLAN with tags (trunk) or without (vlan)")
    if vif["mac"] is None:
        vif.given["mac"] = own_mac(system.settings["name"], vif["guest"], vif["index"])
    if guest is None:
        return
    if vif["queues"] is None:
        vif.given["queues"] = min(MAX_QUEUES, guest["vcpus"])
    server = network["server"] if network is not None else None
    if guest["store"] is None:
        vif.wrong(report, "guest", f'"{guest.name}", which has no store',
                  "a guest with one: network devices are found there")
    elif server is not None and not system.joins("xenbus", guest["store"], server):
        vif.wrong(report, "", f"{server} without a connection to the store of {guest.name}",
                  f'one with the protocol "xenbus" from {server} to {guest["store"]}')


def _check_numbers(system: System, report: Report) -> None:
    seen: dict[tuple[str, int], Entry] = {}
    for vif in system.vifs:
        other = seen.setdefault((vif["guest"], vif["index"]), vif)
        if other is not vif:
            vif.wrong(report, "index", str(vif["index"]),
                      f"another: {other.where} in line {other.line} is eth{vif['index']} of "
                      f"{vif['guest']}")


def _check_addresses(system: System, report: Report) -> None:
    seen: dict[tuple[str, bytes], Entry] = {}
    for vif in system.vifs:
        other = seen.setdefault((vif["network"], vif["mac"]), vif)
        same = (vif["guest"], vif["index"]) == (other["guest"], other["index"])
        if other is not vif and not same:  # which is told already
            vif.wrong(report, "mac", f'"{mac_text(vif["mac"])}"',
                      f"another: {other.where} in line {other.line} has it on {vif['network']}")


def ports(system: System, server: str) -> dict[str, Entry]:
    """The ports of a switch by name: uplinks by their drivers, VIFs."""
    found = {
        uplink.driver: network
        for network in system.networks if network["server"] == server
        for uplink in network["uplink"]
    }
    for vif in system.vifs:
        network = network_of(vif, system)
        if network is not None and network["server"] == server:
            found.setdefault(vif.name, vif)
    return found


def _check_names(system: System, report: Report) -> None:
    for vif in system.vifs:
        network = network_of(vif, system)
        other = ports(system, network["server"]).get(vif.name) if network is not None else None
        if other is not None and other is not vif:
            vif.wrong(report, "", f'the name "{vif.name}"',
                      f"another: {other.where} in line {other.line} has a card of that name")


def _compile_rules(vif: Entry, system: System, folder: Path, report: Report) -> None:
    """Each file once, whoever uses it."""
    files = vif["rules"]
    if files is None:
        report.warn(vif.line, vif.where, "it has no rules: nothing passes")
        return
    for word, path in (("out", files.out), ("in", files.into)):
        if path is None:
            report.warn(vif.line_of("rules"), vif.where, f"it has no rules for {word}: nothing "
                        + ("leaves it" if word == "out" else "reaches it"))
        if path is None or path in system.rules:
            continue
        system.rules[path] = b""
        try:
            text = (folder / path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "it is no UTF-8 text"
            vif.wrong(report, "rules", f'"{path}", which cannot be read ({why})',
                      "the path of a rule file, relative to the description")
            continue
        try:
            system.rules[path] = rules.compile_rules(text, path)
        except DescriptionError as wrong:
            report.add(wrong)


def _check_mirrors(system: System, report: Report) -> None:
    """Rules name ports; those must be of the same switch."""
    for vif in system.vifs:
        network = network_of(vif, system)
        if network is None or network["server"] is None or vif["rules"] is None:
            continue
        known = ports(system, network["server"])
        for path in {vif["rules"].out, vif["rules"].into} - {None}:
            for name in rules.mirror_ports(system.rules[path]):
                if name not in known:
                    vif.wrong(report, "rules", f'the port "{name}" in {path}',
                              f"a VIF or uplink of {network['server']}{suggestion(name, known)}")


def least_lifeboat(vifs: int, ports: int, states: int, sets: list[bytes]) -> int:
    """Pages that a switch's lifeboat has at least: its records, what the firewall remembers, and
    a pool of packets."""
    set_bytes = max([SET_BYTES] + [
        _up(FW_SET + _up(len(data), 8) + FW_LIVE * rules.count(data), 64) for data in sets
    ])
    chains = 64
    while chains < states:
        chains *= 2
    firewall = (FW_BOAT + ports * FW_RECORD + (1 + 2 * vifs) * set_bytes + chains * 4
                + states * FW_STATE)
    return _up(BOAT_DATA + BOAT_RECORDS + firewall, PAGE) // PAGE + LEAST_POOL


def _up(number: int, unit: int) -> int:
    return (number + unit - 1) // unit * unit


def _check_lifeboat(server: Entry, networks: list[Entry], known: dict[str, Entry],
                    files: set[str], system: System, report: Report) -> None:
    if not server["lifeboat"]:
        server.wrong(report, "", "no lifeboat", 'one such as "8M": its packets lie there')
        return
    vifs = sum(port in system.vifs for port in known.values())
    states = sum(network["states"] for network in networks)
    least = least_lifeboat(vifs, max(len(known), 1), states, [system.rules[f] for f in files])
    if server["lifeboat"] < least:
        server.wrong(
            report, "lifeboat", f'"{server["lifeboat"] * PAGE >> 10}K"',
            f'at least "{least * PAGE >> 10}K" for {vifs} VIFs, {states} connections and their '
            "rules, and packets",
        )


def _check_counts(system: System, report: Report) -> None:
    for server in system.serving("vif"):
        networks = [entry for entry in system.networks if entry["server"] == server.name]
        known = ports(system, server.name)
        files = {path for vif in known.values() if vif in system.vifs and vif["rules"]
                 for path in (vif["rules"].out, vif["rules"].into) if path is not None}
        _check_lifeboat(server, networks, known, files, system, report)
        counts = [
            ("networks", len(networks), MAX_NETWORKS),
            ("uplinks", sum(len(entry["uplink"]) for entry in networks), MAX_UPLINKS),
            ("VIFs and uplinks", len(known), MAX_PORTS),
            ("rule files", len(files), MAX_RULESETS),
            ("bytes of rules", sum(len(system.rules[path]) for path in files), MAX_RULES_BYTES),
        ]
        for what, count, limit in counts:
            if count > limit:
                server.wrong(report, "", f"{count} {what}", f"at most {limit}")
