# SPDX-License-Identifier: BSD-2-Clause
"""Disks and VIFs that come to a running stock kernel and go again, and domains between that die
meanwhile. The guest has xen-blkfront and xen-netfront as its distribution built them."""

import contextlib
import tempfile
import unittest
from pathlib import Path
from typing import Iterator

from control.client import Refused
from launcher import minimal
from launcher.disks import Disk
from launcher.nets import NO_CARD, Net
from tests import manage
from tests.support import DEBIAN_KERNELS, Session, system

LIMIT = 180
READY = "tessera guest ready"
MIB = 1 << 20

DEVICES = """
[disk.data]
guest = "one"
volume = "disk1"
device = "xvdb"
plugged = false
[disk.other]
guest = "two"
volume = "disk1"
device = "xvdb"
plugged = false
"""

PEER = "ip addr add 10.9.0.2/24 dev eth0; ip link set eth0 up; sleep 100000"


def describe() -> str:
    keys = {"kernel": f"package:{DEBIAN_KERNELS['6.1_cloud']}", "initrd": "built:busybox",
            "memory": "128M"}
    net = Net(NO_CARD)
    disk = Disk(Path("none"))
    return minimal.describe(
        manage.operator("see", "life", "set", "inspect"),
        minimal.guest("one", cmdline="quiet", **keys),
        minimal.guest("two", cmdline=f'quiet tessera.run="{PEER}"', **keys),
        minimal.virtual("one", [disk]), DEVICES,
        minimal.vif("one", net, 0, 1, addresses=["10.9.0.1"], plugged=False),
        minimal.vif("two", net, 0, 0, addresses=["10.9.0.2"]),
        name="plug", raw="one", disks=[disk, disk], nets=[net], exits=False,
    )


class Plugged(manage.Operator):
    """A running system with its operator."""

    def __init__(self, console: Session, folder: Path, image: Path):
        super().__init__(folder, LIMIT)
        self.console, self.image = console, image

    def run(self, command: str, wanted: str) -> None:
        """In the first guest, whose console it is."""
        self.console.send(command + "\n")
        self.console.expect(wanted, LIMIT)

    def appears(self, path: str) -> None:
        self.run(f"until [ -e {path} ]; do sleep 0.1; done; echo there is $((40 + 2))",
                 "^there is 42$")

    def disappears(self, path: str) -> None:
        self.run(f"while [ -e {path} ]; do sleep 0.1; done; echo gone is $((40 + 2))",
                 "^gone is 42$")


@contextlib.contextmanager
def plugged() -> Iterator[Plugged]:
    with tempfile.TemporaryDirectory(prefix="tessera.") as name:
        folder = Path(name)
        images = [folder / "root.img", folder / "data.img"]
        for image in images:
            image.write_bytes(bytes(16 * MIB))
        with system(describe(), *manage.arguments(folder),
                    attached=[Disk(image) for image in images]) as console:
            console.expect(READY, LIMIT)
            console.expect("guest:/#", LIMIT)
            yield Plugged(console, folder, images[1])


FILL = ("seq 1 200000 | head -c 1000000 >/tmp/want; "
        "dd if=/tmp/want of=/dev/xvdb bs=4k conv=fsync 2>/dev/null; "
        "echo written $((40 + 2))")
CHECK = "head -c 1000000 /dev/xvdb | cmp - /tmp/want && echo same $((40 + 2))"


class Plug(unittest.TestCase):
    def refused(self, it: Plugged, code: str, verb: str, name: str, guest: str = "one") -> str:
        with self.assertRaises(Refused) as caught:
            it.client.request(verb, name=guest, device=name)
        self.assertEqual(caught.exception.code, code, str(caught.exception))
        return str(caught.exception)

    def test_a_disk(self) -> None:
        with plugged() as it:
            it.run("[ -e /dev/xvdb ] || echo none $((40 + 2))", "^none 42$")
            self.assertEqual(it.device("one", "data"), "unplugged")
            it.change("plug", "one", "data")
            it.appears("/dev/xvdb")
            it.run(FILL, "^written 42$")
            it.change("unplug", "one", "data")
            it.disappears("/dev/xvdb")
            want = "".join(f"{n}\n" for n in range(1, 200001))[:1000000].encode()
            self.assertTrue(it.image.read_bytes()[:1000000] == want, "the disk differs")
            it.change("plug", "one", "data")
            it.appears("/dev/xvdb")
            it.run(CHECK, "^same 42$")
            # One writer: the other guest gets it when this one has let go of it.
            it.client.request("plug", name="two", device="other")
            it.wait_device("two", "other", "refused")
            story = it.client.request("why", name="two")
            self.assertIn("other", story["what"])
            it.change("unplug", "one", "data")
            it.change("plug", "two", "other")
            self.refused(it, "state", "plug", "other", "two")
            self.refused(it, "unknown", "plug", "other")
            self.refused(it, "unknown", "unplug", "data", "store")
            self.assertEqual(it.client.items("devices", name="store"), [])
            with self.assertRaises(Refused) as caught:
                it.client.items("devices", name="nobody")
            self.assertEqual(caught.exception.code, "unknown")
            it.run("dmesg | grep -ciE 'bug|oops|warn|xenbus.*(error|fail)'", "^0$")

    def test_a_vif(self) -> None:
        with plugged() as it:
            for _ in range(2):
                it.change("plug", "one", "one-1")
                it.appears("/sys/class/net/eth0")
                it.run("ip addr add 10.9.0.1/24 dev eth0; ip link set eth0 up; "
                       "until ping -c 3 -w 5 10.9.0.2 | grep ' 0% packet loss'; do :; done",
                       "3 packets received, 0% packet loss")
                it.change("unplug", "one", "one-1")
                it.disappears("/sys/class/net/eth0")

    def test_domains_between_die(self) -> None:
        """What is plugged stays so, and what is under way goes on, in their successors."""
        with plugged() as it:
            it.change("plug", "one", "data")
            it.appears("/dev/xvdb")
            it.run(FILL, "^written 42$")
            for name in ("vbd", "store", "vbd"):
                it.client.request("kill", name=name)
            it.run(CHECK, "^same 42$")
            it.client.request("unplug", name="one", device="data")
            for name in ("vbd", "store"):
                it.client.request("kill", name=name)
            it.wait_device("one", "data", "unplugged")
            it.disappears("/dev/xvdb")
            it.client.request("plug", name="one", device="data")
            it.client.request("plug", name="one", device="one-1")
            for name in ("store", "switch", "vbd"):
                it.client.request("kill", name=name)
            it.wait_device("one", "data", "plugged")
            it.wait_device("one", "one-1", "plugged")
            it.appears("/dev/xvdb")
            it.appears("/sys/class/net/eth0")
            it.run("echo 3 >/proc/sys/vm/drop_caches; " + CHECK, "^same 42$")

    def test_a_guest_that_does_not_let_go(self) -> None:
        with plugged() as it:
            it.change("plug", "one", "data")
            it.appears("/dev/xvdb")
            it.client.request("pause", name="one")
            it.client.request("unplug", name="one", device="data")
            it.wait_device("one", "data", "unplugged")
            device = {d["name"]: d for d in it.client.items("devices", name="one")}["data"]
            self.assertEqual(device["forced"], 1)
            story = it.client.request("why", name="one")
            self.assertIn("by force", story["what"])
            it.client.request("unpause", name="one")
            it.disappears("/dev/xvdb")
            it.change("plug", "one", "data")
            it.appears("/dev/xvdb")


if __name__ == "__main__":
    unittest.main()
