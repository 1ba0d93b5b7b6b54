# SPDX-License-Identifier: BSD-2-Clause
"""Networks and VIFs of a description: the connections that root makes of them, and what
the switch finds (proto/switch.h)."""

import struct
import subprocess
import tempfile
import unittest
from pathlib import Path
from typing import Any

from description import (
    DescriptionError, binary, compile_text, netvalues, networks, rules, schema, switchconfig,
)
from launcher import nets
from launcher.paths import TOP, Failure

NETWORKS = """
[domain.console]
serves = ["console"]
[domain.store]
serves = ["store", "xenbus"]
[domain.pci]
serves = ["pci"]
[domain.switch]
serves = ["vif", "net", "netctl"]
lifeboat = "8M"
[domain.nic0]
device = { class = "virtio-net" }
[domain.nic1]
device = { class = "e1000e" }
[domain.watcher]
[connection.xenbus]
protocol = "xenbus"
server = "store"
client = "switch"
[connection.nic0]
protocol = "net"
server = "switch"
client = "nic0"
[connection.nic1]
protocol = "net"
server = "switch"
client = "nic1"
[connection.watch]
protocol = "netctl"
server = "switch"
client = "watcher"
rights = ["watch", "tap"]
[network.lan]
uplink = ["nic0", { driver = "nic1", vlan = 7, trunk = [10, "20-22"] }]
states = 1000
[network.back]
mtu = 9000
[vif.one]
guest = "web"
network = "lan"
mac = "52:54:00:12:34:56"
vlan = 10
queues = 3
addresses = ["10.0.0.5", "2001:db8::/64", "dhcp"]
rules = { out = "a.rules" }
rate_out = "100Mbit"
rate_in = "3M"
packets_out = 2000
packets_in = 1000
small_out = 500
[vif.two]
guest = "web"
network = "back"
index = 1
mac_check = false
addresses = ["any"]
trunk = [3, 1]
rules = "a.rules"
[vif.three]
guest = "db"
network = "back"
rules = { in = "b.rules" }
[guest.web]
kernel = "package:linux-image-cloud-amd64"
memory = "64M"
vcpus = 2
console = "console"
store = "store"
[guest.db]
kernel = "package:linux-image-cloud-amd64"
memory = "64M"
vcpus = 9
console = "console"
store = "store"
[guest.lonely]
kernel = "package:linux-image-cloud-amd64"
memory = "64M"
console = "console"
store = "store"
"""


def compile_here(text: str, files: tuple[tuple[str, str], ...] = ()) -> binary.Compiled:
    with tempfile.TemporaryDirectory() as name:
        for path, content in (("a.rules", "# a"), ("b.rules", "# b"), *files):
            (Path(name) / path).write_text(content)
        return compile_text(text, "test", Path(name), None)


class Config:
    """A switch's configuration, read as the switch does."""

    def __init__(self, compiled: binary.Compiled, number: int = 0):
        offset, count = struct.unpack_from("<II", compiled.data, 56)
        assert number < count
        self.domain, at, size, _ = binary.BLOB.unpack_from(
            compiled.data, offset + number * binary.BLOB.size)
        self.data = compiled.data[at : at + size]
        self.header = switchconfig.HEADER.unpack_from(self.data)
        self.networks = self.array(3, switchconfig.NETWORK)
        self.ports = {self.text(port[0]): port for port in self.array(5, switchconfig.PORT)}
        self.rulesets = self.array(7, switchconfig.RULESET)

    def array(self, field: int, form: struct.Struct) -> list[tuple[Any, ...]]:
        offset, count = self.header[field : field + 2]
        assert offset % 8 == 0
        return [form.unpack_from(self.data, offset + n * form.size) for n in range(count)]

    def text(self, at: int) -> str:
        return self.data[at:].split(b"\0")[0].decode() if at else ""

    def vlans(self, name: str) -> list[int]:
        offset, count = self.ports[name][10:12]
        return list(struct.unpack_from(f"<{count}H", self.data, offset))

    def prefixes(self, name: str) -> list[tuple[bytes, int, int]]:
        offset, count = self.ports[name][12:14]
        size = switchconfig.PREFIX.size
        return [switchconfig.PREFIX.unpack_from(self.data, offset + n * size) for n in range(count)]


class Networks(unittest.TestCase):
    def setUp(self) -> None:
        self.compiled = compile_here(NETWORKS)
        self.config = Config(self.compiled)

    def test_connections(self) -> None:
        offset, count = struct.unpack_from("<II", self.compiled.data, 40)
        found = [binary.CONNECTION.unpack_from(self.compiled.data, offset + n * 32)[1:6]
                 for n in range(count)]
        numbers = schema.PROTOCOLS
        vifs = [record for record in found if record[0] == numbers["vif"]]
        self.assertEqual(vifs, [(numbers["vif"], 4, 8, 0, 0), (numbers["vif"], 4, 9, 0, 0)])
        for expected in (
            (numbers["net"], 4, 5, 10, 0), (numbers["net"], 4, 6, 10, 0),
            (numbers["netctl"], 4, 7, 34, 5), (numbers["xenbus"], 2, 4, 1, binary.XENBUS_VIF),
        ):
            self.assertIn(expected, found)

    def test_two_switches(self) -> None:
        """Each has its own networks and ports, and the guests that have VIFs there."""
        text = NETWORKS.replace("[network.lan]", '[network.lan]\nserver = "switch"')
        text = text.replace("[network.back]", '[network.back]\nserver = "switch2"')
        compiled = compile_here(text + """
[domain.switch2]
serves = ["vif"]
lifeboat = "8M"
[connection.xenbus2]
protocol = "xenbus"
server = "store"
client = "switch2"
""")
        one, two = Config(compiled), Config(compiled, 1)
        self.assertEqual([set(config.ports) for config in (one, two)],
                         [{"one", "nic0", "nic1"}, {"two", "three"}])
        self.assertEqual((one.header[11], two.header[11]), (1000, 4096))
        self.assertEqual([two.text(found[0]) for found in two.rulesets], ["a.rules", "b.rules"])
        offset, count = struct.unpack_from("<II", compiled.data, 40)
        found = [binary.CONNECTION.unpack_from(compiled.data, offset + n * 32)
                 for n in range(count)]
        self.assertEqual([record[2:4] for record in found
                          if record[1] == schema.PROTOCOLS["vif"]],
                         [(one.domain, 8), (two.domain, 8), (two.domain, 9)])

    def test_header_and_networks(self) -> None:
        header = self.config.header
        self.assertEqual((self.config.domain, *header[:3]),
                         (4, switchconfig.MAGIC, 2, len(self.config.data)))
        self.assertEqual(header[11:], (5096, 0))
        line = NETWORKS[: NETWORKS.index("[network.lan]")].count("\n") + 1
        self.assertEqual([(self.config.text(name), mtu, at) for name, mtu, at, _ in
                          self.config.networks], [("lan", 1500, line), ("back", 9000, line + 3)])
        self.assertEqual(self.config.data[header[9] : header[9] + 1], b"\0")

    def test_vifs(self) -> None:
        one, two, three = (self.config.ports[name] for name in ("one", "two", "three"))
        self.assertEqual((one[1], self.config.text(one[2]), *one[3:7]),
                         (1, "web", 0, 0, 3, switchconfig.DHCP))
        self.assertEqual(one[8:10], (bytes.fromhex("525400123456"), 10))
        self.assertEqual(one[16:], (12500000, 2000, 3 << 20, 1000, 500))
        self.assertEqual(self.config.prefixes("one"), [
            (bytes([10, 0, 0, 5] + 12 * [0]), 4, 32),
            (bytes.fromhex("20010db8").ljust(16, b"\0"), 6, 64),
        ])
        flags = switchconfig.ANY_MAC | switchconfig.ANY_ADDRESS | switchconfig.TRUNK
        self.assertEqual((*two[3:7], two[9]), (1, 1, 2, flags, 0))
        self.assertEqual(self.config.vlans("two"), [3, 1])
        self.assertEqual((self.config.text(three[2]), *three[3:7]),
                         ("db", 1, 0, 4, switchconfig.DHCP))
        self.assertEqual(three[16:], (0, 0, 0, 0, 10000))

    def test_no_limit_for_small_frames(self) -> None:
        free = Config(compile_here(NETWORKS.replace("small_out = 500", "small_out = 0")))
        self.assertEqual(free.ports["one"][20], 0)

    def test_uplinks(self) -> None:
        plain, tagged = self.config.ports["nic0"], self.config.ports["nic1"]
        self.assertEqual((plain[1], self.config.text(plain[2]), plain[3], plain[6], plain[9]),
                         (2, "nic0", 0, switchconfig.TRUNK, 0))
        self.assertEqual(self.config.vlans("nic0"), [])
        self.assertEqual((tagged[6], tagged[9]), (switchconfig.TRUNK, 7))
        self.assertEqual(self.config.vlans("nic1"), [10, 20, 21, 22])
        access = NETWORKS.replace('"nic0", {', '{ driver = "nic0", vlan = 9 }, {')
        port = Config(compile_here(access)).ports["nic0"]
        self.assertEqual((port[6], port[9]), (0, 9))

    def test_rule_sets(self) -> None:
        none = switchconfig.NO_RULES
        self.assertEqual([self.config.ports[name][14:16] for name in ("one", "two", "three")],
                         [(0, none), (0, 0), (none, 1)])
        names = [self.config.text(found[0]) for found in self.config.rulesets]
        self.assertEqual(names, ["a.rules", "b.rules"])
        for _, _, offset, size in self.config.rulesets:
            self.assertEqual(offset % 8, 0)
            self.assertEqual(self.config.data[offset : offset + size],
                             rules.compile_rules("# x", "x"))

    def test_what_passes_nothing_is_a_warning(self) -> None:
        texts = [warning.split(": ", 1)[1] for warning in self.compiled.warnings]
        self.assertEqual(texts, [
            "vif.one: warning: it has no rules for in: nothing reaches it",
            "vif.three: warning: it has no rules for out: nothing leaves it",
        ])
        silent = NETWORKS.replace('rules = { in = "b.rules" }\n', "")
        self.assertIn("vif.three: warning: it has no rules: nothing passes",
                      compile_here(silent).warnings[-1])
        unused = NETWORKS.replace('"nic0", {', "{")
        self.assertIn("nic0 is the uplink of no network", compile_here(unused).warnings[0])

    def test_own_addresses_stay_and_differ(self) -> None:
        again = Config(compile_here(NETWORKS)).ports
        macs = {name: self.config.ports[name][8] for name in ("two", "three")}
        self.assertEqual(macs, {name: again[name][8] for name in macs})
        self.assertEqual(len(set(macs.values())), 2)
        for address in macs.values():
            self.assertEqual(address[0] & 3, 2)
        other = Config(compile_here('[system]\nname = "other"\n' + NETWORKS)).ports
        self.assertNotEqual(other["two"][8], macs["two"])

    def test_rule_files_of_the_project(self) -> None:
        files = sorted((TOP / "images" / "rules").glob("*.rules"))
        self.assertGreaterEqual(len(files), 3)
        for path in files:
            self.assertGreater(len(rules.compile_rules(path.read_text(), path.name)),
                               rules.HEADER.size, path)

    def test_a_mistake_in_a_rule_file(self) -> None:
        with self.assertRaises(DescriptionError) as caught:
            compile_here(NETWORKS, (("b.rules", "\nnot a rule at all\n"),))
        self.assertTrue(caught.exception.messages)
        for message in caught.exception.messages:
            self.assertRegex(message, r"^b\.rules:2: .*found ")

    def test_lifeboat_is_as_large_as_the_switch_wants_it(self) -> None:
        """The sizes here are those of its headers, and sums are those of memory.c and fw.c."""
        sizes = {"boat": networks.BOAT_RECORDS, "fw_boat": networks.FW_BOAT,
                 "fw_record": networks.FW_RECORD, "fw_set": networks.FW_SET,
                 "fw_live": networks.FW_LIVE, "fw_state": networks.FW_STATE}
        source = '#include "servers/switch/boat.h"\n#include "servers/switch/fw_state.h"\n'
        source += "".join(f"_Static_assert(sizeof(struct {name}) == {size});\n"
                          for name, size in sizes.items())
        result = subprocess.run(
            ["gcc", "-std=gnu2x", "-fsyntax-only", "-I", TOP, "-x", "c", "-"], input=source,
            capture_output=True, text=True, check=False,
        )
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(networks.BOAT_RECORDS % 64, 0)
        # Two VIFs, a card, 4096 connections.
        bytes_ = 64 + 194560 + 64 + 3 * 2384 + 5 * 16384 + 4096 * (4 + 112)
        self.assertEqual(networks.least_lifeboat(2, 3, 4096, []), -(-bytes_ // 4096) + 384)
        large = rules.compile_rules("".join(f"drop tcp dport {n}\n" for n in range(1, 513)), "x")
        one = -(-(64 + len(large) + 512 * 32) // 64) * 64
        bytes_ += 5 * (one - 16384)
        self.assertEqual(networks.least_lifeboat(2, 3, 4096, [large]), -(-bytes_ // 4096) + 384)

    def test_layout_is_that_of_the_headers(self) -> None:
        sizes = {"switch_config": switchconfig.HEADER, "switch_network": switchconfig.NETWORK,
                 "switch_port": switchconfig.PORT, "switch_prefix": switchconfig.PREFIX,
                 "switch_ruleset": switchconfig.RULESET}
        checks = [f"_Static_assert(sizeof(struct {name}) == {form.size});"
                  for name, form in sizes.items()]
        places = {"mac": 32, "vlan": 38, "vlans": 40, "rules_out": 56, "out": 64, "in": 80,
                  "small_per_second": 96}
        checks += [f"_Static_assert(__builtin_offsetof(struct switch_port, {field}) == {offset});"
                   for field, offset in places.items()]
        constants = {
            "SWITCH_CONFIG_MAGIC": switchconfig.MAGIC,
            "SWITCH_CONFIG_VERSION": switchconfig.VERSION,
            "SWITCH_MAX_NETWORKS": networks.MAX_NETWORKS, "SWITCH_MAX_PORTS": networks.MAX_PORTS,
            "SWITCH_MAX_RULESETS": networks.MAX_RULESETS,
            "SWITCH_MAX_UPLINKS": networks.MAX_UPLINKS,
            "SWITCH_MAX_QUEUES": networks.MAX_QUEUES, "SWITCH_MAX_VLANS": netvalues.MAX_VLANS,
            "SWITCH_MAX_PREFIXES": netvalues.MAX_PREFIXES,
            "SWITCH_PORT_VIF": switchconfig.PORT_VIF,
            "SWITCH_PORT_UPLINK": switchconfig.PORT_UPLINK,
            "SWITCH_ANY_MAC": switchconfig.ANY_MAC,
            "SWITCH_ANY_ADDRESS": switchconfig.ANY_ADDRESS, "SWITCH_DHCP": switchconfig.DHCP,
            "SWITCH_TRUNK": switchconfig.TRUNK, "SWITCH_NO_RULES": switchconfig.NO_RULES,
            "RULES_NAME": rules.PORT.size, "NET_PAGES": binary.RING_PAGES["net"],
            **{f"{word.upper()}_PAGES": binary.RING_PAGES[word]
               for word in ("netctl", "blkctl", "consctl")},
            "SYSTEM_XENBUS_VIF": binary.XENBUS_VIF,
            **{f"{protocol.upper()}_F_{word.upper()}": bit
               for protocol in ("netctl", "blkctl", "consctl")
               for word, bit in schema.RIGHTS[protocol].items()},
        }
        checks += [f"_Static_assert({name} == {value});" for name, value in constants.items()]
        checks.append(f"_Static_assert({networks.MAX_RULES_BYTES} < SYSTEM_MAX_BLOB_SIZE);")
        source = "".join(f'#include "proto/{name}.h"\n'
                         for name in ("switch", "net", "netctl", "blkctl", "consctl", "rules",
                                      "system"))
        result = subprocess.run(
            ["gcc", "-std=gnu2x", "-fsyntax-only", "-I", TOP, "-x", "c", "-"],
            input=source + "\n".join(checks), capture_output=True, text=True, check=False,
        )
        self.assertEqual(result.returncode, 0, result.stderr)


MACHINE = """
[machine.nets]
nic1 = { netdev = "user,hostfwd=tcp:127.0.0.1:2222-:22", mac = "52:54:00:00:00:09" }
nic0 = "tap,ifname=tap0"
"""


class Cards(unittest.TestCase):
    """What QEMU gets."""

    def test_cards_of_a_description(self) -> None:
        compiled = compile_here(NETWORKS + MACHINE)
        cards = nets.attached(compiled, ["nic0=user"])
        self.assertEqual([(card.netdev, card.model) for card in cards], [
            ("user", "virtio-net"), ("user,hostfwd=tcp:127.0.0.1:2222-:22", "e1000e"),
        ])
        self.assertEqual(nets.qemu_arguments(cards, True), [
            "-netdev", "user,id=net0", "-device",
            "virtio-net-pci,iommu_platform=on,disable-legacy=on,netdev=net0,romfile=",
            "-netdev", "user,id=net1,hostfwd=tcp:127.0.0.1:2222-:22",
            "-device", "e1000e,netdev=net1,romfile=,mac=52:54:00:00:00:09",
        ])
        with self.assertRaisesRegex(Failure, "found nic2, expected .*: nic0 or nic1"):
            nets.attached(compiled, ["nic2=user"])

    def test_vifs_of_the_command_line(self) -> None:
        self.assertEqual(nets.parse(""), nets.Net())
        net = nets.parse("mac=52:54:00:00:00:05,driver=e1000e,mtu=9000,queues=2,"
                         "socket,connect=127.0.0.1:4000")
        self.assertEqual(net, nets.Net("socket,connect=127.0.0.1:4000", "e1000e", "", 9000, 2,
                                       guest_mac="52:54:00:00:00:05"))
        internal = nets.parse("none")
        self.assertFalse(internal.has_card)
        arguments = nets.qemu_arguments([internal, net], False)
        self.assertEqual(arguments, [
            "-netdev", "socket,id=net0,connect=127.0.0.1:4000",
            "-device", "e1000e,netdev=net0,romfile=",
        ])
