# SPDX-License-Identifier: BSD-2-Clause
"""Each action of a rule file, end to end: stock guests on networks without a card, where one of
them has rules. What rules mean in detail is tested in tests/unit/native/fw."""

import stat
import tempfile
import unittest
from pathlib import Path

import initrd
from launcher import minimal
from launcher.nets import NO_CARD, Net
from tests.support import DEBIAN_KERNELS, Session, net_initrd, system

KERNEL = DEBIAN_KERNELS["6.1_cloud"]
TIMEOUT = 300  # seconds, on a busy machine

# What left sends. Ping has its limit before anything knows that it was answered.
OUT = """\
drop   state invalid
accept arp
accept icmp limit 1/hour burst 3
drop   icmp
drop   tcp dport 83
reject tcp dport 84
accept tcp dport 86 mirror watch-0
accept tcp from 10.7.0.1
"""
# What it is sent.
INTO = """\
accept arp
accept state established, related
"""

UP = """\
ip link set lo up
for at in {addresses}; do
    ip addr add "${{at#*=}}/24" dev "${{at%%=*}}"
    ip link set "${{at%%=*}}" up
done
ask() {{ echo hello | nc "$@" 2>&1; }}
serve() {{ while :; do nc -l -p "$@"; done; }}
"""
LEFT = UP.format(addresses="eth0=10.7.0.1 eth1=10.8.0.1") + """\
serve 82 -e cat &
until [ "$(ask 10.7.0.2 82)" = hello ]; do sleep 0.2; done
until seen=$(ask 10.7.0.3 90) && [ "$seen" -gt 0 ]; do sleep 0.2; done
until [ "$(ask 10.7.0.2 86)" = hello ]; do sleep 0.2; done
echo "accept: $(ask 10.7.0.2 82)"
echo "drop: $(ask -w 5 10.7.0.2 83)"
echo "reject: $(ask 10.7.0.2 84)"
echo "from outside: $(ask 10.7.0.2 85)"
ip addr add 10.7.0.99/24 dev eth0
echo "spoofed: $(ping -c 2 -W 3 -I 10.7.0.99 10.7.0.2 | grep received)"
echo "limit: $(ping -c 5 -W 3 10.7.0.2 | grep received)"
echo "no rules: $(ping -c 2 -W 3 10.8.0.2 | grep received)"
before=$(ask 10.7.0.3 90)
for port in 82 82 82 82 82 82 82 82 82 82; do ask 10.7.0.2 $port >/run/null; done
plain=$(ask 10.7.0.3 90)
for port in 86 86 86 86 86 86 86 86 86 86; do ask 10.7.0.2 $port >/run/null; done
after=$(ask 10.7.0.3 90)
echo "not mirrored: $((plain - before))."
echo "mirrored: $((after - plain))."
echo "the end"
"""
RIGHT = UP.format(addresses="eth0=10.7.0.2 eth1=10.8.0.2") + """\
for port in 82 83 84 86; do serve $port -e cat & done
serve 85 -e /bin/back
"""
BACK = """\
answer=$(echo hello | nc -w 5 10.7.0.1 82 2>&1)
[ "$answer" = hello ] && echo reached || echo unreached
"""
WATCH = UP.format(addresses="eth0=10.7.0.3") + """\
serve 90 -e cat /sys/class/net/eth0/statistics/rx_packets
"""
SCRIPTS = {"left": LEFT, "right": RIGHT, "watch": WATCH, "back": BACK}


class _Files:
    """rules = { out = FILE, in = FILE }"""

    def __init__(self, **files: Path):
        self.text = ", ".join(f'{key} = "{path}"' for key, path in files.items())

    def __str__(self) -> str:
        return "{ " + self.text + " }"


def ramdisk(folder: Path) -> Path:
    added = initrd.Archive()
    for name, text in SCRIPTS.items():
        added.add(f"bin/{name}", stat.S_IFREG | 0o755, f"#!/bin/sh\n{text}".encode())
    output = folder / "initrd"
    output.write_bytes(net_initrd(KERNEL).read_bytes() + added.finish())
    return output


def vif(guest: str, index: int, address: str, **keys: object) -> str:
    return minimal.vif(guest, Net(NO_CARD), index, index, addresses=[address], **keys)


def description(folder: Path) -> str:
    (folder / "out.rules").write_text(OUT)
    (folder / "in.rules").write_text(INTO)
    path = ramdisk(folder)
    guests = [
        minimal.guest(name, kernel=f"package:{KERNEL}", initrd=path, memory="128M",
                      cmdline=f"console=hvc0 quiet tessera.run=/bin/{name}")
        for name in ("left", "right", "watch")
    ]
    rules = _Files(out=folder / "out.rules", **{"in": folder / "in.rules"})
    vifs = [
        vif("left", 0, "10.7.0.1", rules=rules), vif("left", 1, "10.8.0.1", rules=None),
        vif("right", 0, "10.7.0.2"), vif("right", 1, "10.8.0.2"), vif("watch", 0, "10.7.0.3"),
    ]
    return minimal.describe(*guests, *vifs, raw="left", nets=[Net(NO_CARD)] * 2)


class Actions(unittest.TestCase):
    def check(self, console: Session) -> None:
        def said(what: str) -> str:
            return console.expect(rf"^{what}: (.*)\n", TIMEOUT)[1]

        self.assertEqual(said("accept"), "hello")
        drop = said("drop")
        self.assertNotIn("hello", drop)
        self.assertNotIn("refused", drop)
        self.assertIn("refused", said("reject"))
        self.assertEqual(said("from outside"), "unreached")
        self.assertIn(" 0 packets received", said("spoofed"))
        self.assertIn(" 3 packets received", said("limit"))
        self.assertIn(" 0 packets received", said("no rules"))
        # A question to the watcher is some frames; ten conversations are at least 40.
        self.assertLess(int(said("not mirrored").rstrip(".")), 30)
        self.assertGreaterEqual(int(said("mirrored").rstrip(".")), 40)
        console.expect("^the end$", TIMEOUT)

    def test_each_action(self) -> None:
        with tempfile.TemporaryDirectory(prefix="tessera.rules.") as name:
            with system(description(Path(name))) as console:
                self.check(console)


if __name__ == "__main__":
    unittest.main()
