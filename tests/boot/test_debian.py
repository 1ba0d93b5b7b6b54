# SPDX-License-Identifier: BSD-2-Clause
"""The life of a complete Debian, from outside: it is asked to reboot and to shut down, its memory
shrinks and grows, a disk and a network card come to it and go again."""

import contextlib
import tempfile
import unittest
from pathlib import Path
from typing import Iterator

import diskimage
from launcher import minimal
from launcher.disks import Disk
from launcher.nets import NO_CARD, Net
from tests import manage
from tests.boot import test_disks
from tests.boot.test_plug import PEER
from tests.support import DEBIAN_KERNELS, Session, system

LIMIT = 300

DATA = """
[disk.data]
guest = "debian"
volume = "disk1"
device = "xvdb"
plugged = false
"""


def describe(kernel: Path, ramdisk: Path) -> str:
    net, disk = Net(NO_CARD), Disk(Path("none"))
    text = minimal.describe(
        manage.operator("see", "life", "set"), DATA,
        minimal.guest("debian", kernel=kernel, initrd=ramdisk, memory="384M",
                      cmdline="root=/dev/xvda ro console=hvc0 quiet"),
        minimal.guest("two", kernel=f"package:{DEBIAN_KERNELS['6.1_cloud']}",
                      initrd="built:busybox", cmdline=f'quiet tessera.run="{PEER}"',
                      memory="96M"),
        minimal.vif("debian", net, 0, 1, addresses=["10.9.0.1"], plugged=False),
        minimal.vif("two", net, 0, 0, addresses=["10.9.0.2"]),
        minimal.virtual("debian", [disk]),
        name="debian", raw="debian", disks=[disk, disk], nets=[net], exits=False,
    )
    return text.replace("[volume.disk0]\n", '[volume.disk0]\npartition = "root"\n')


class Life(manage.Operator):
    def __init__(self, console: Session, where: Path):
        super().__init__(where, LIMIT)
        self.console = console
        self.commands = 0

    def run(self, command: str, wanted: str = "") -> None:
        """To its end, which is told by a number of its own: what it says is not taken for another
        command's."""
        self.commands += 1
        self.console.send(f"{command}; echo done $((1000 + {self.commands}))\n")
        if wanted:
            self.console.expect(wanted, LIMIT)
        self.console.expect(f"^done {1000 + self.commands}$", LIMIT)

    def memory(self, mib: int, test: str) -> None:
        self.client.request("set", name="debian", key="memory", value=mib)
        self.run(f"until [ $(awk '/MemTotal/ {{print $2}}' /proc/meminfo) {test} ]; do "
                 "sleep 0.2; done")


@contextlib.contextmanager
def running(where: Path) -> Iterator[Life]:
    image = test_disks.debian_copy(where)
    kernel, ramdisk = where / "vmlinuz", where / "initrd"
    diskimage.extract(image, "/vmlinuz", kernel)
    diskimage.extract(image, "/initrd.img", ramdisk)
    (where / "data.img").write_bytes(bytes(64 << 20))
    with system(describe(kernel, ramdisk), *manage.arguments(where),
                attached=[Disk(image), Disk(where / "data.img")]) as console:
        test_disks.Debian().log_in(console)
        yield Life(console, where)


class Debian(unittest.TestCase):
    def devices(self, it: Life) -> None:
        for turn in range(2):
            it.client.request("plug", name="debian", device="data")
            it.client.request("plug", name="debian", device="debian-1")
            it.run("until [ -b /dev/xvdb ]; do sleep 0.2; done")
            if not turn:
                it.run("mkfs.ext4 -q /dev/xvdb && mount /dev/xvdb /mnt && "
                       "seq 300000 >/mnt/numbers && umount /mnt")
            it.run("mount /dev/xvdb /mnt && seq 300000 | cmp - /mnt/numbers && umount /mnt && "
                   "echo as it was", "^as it was$")
            it.run("until n=$(ls /sys/class/net | grep -vx lo); [ \"$n\" ]; do sleep 0.2; done; "
                   "ip addr add 10.9.0.1/24 dev $n; ip link set $n up; "
                   "until ping -c 3 -w 10 10.9.0.2; do :; done", r" 0% packet loss")
            for device in ("data", "debian-1"):
                it.client.request("unplug", name="debian", device=device)
                it.wait_device("debian", device, "unplugged")
            it.run("while [ -e /dev/xvdb ] || ls /sys/class/net | grep -vxq lo; do sleep 0.2; "
                   "done")
        forced = [d["forced"] for d in it.client.items("devices", name="debian")]
        self.assertEqual(forced, [0] * len(forced))

    def test_its_life(self) -> None:
        with tempfile.TemporaryDirectory(prefix="tessera.debian.") as name:
            where = Path(name)
            with running(where) as it:
                it.run("before=$(dmesg | wc -l)")
                self.devices(it)
                it.memory(256, "-lt 290000")
                it.memory(384, "-gt 320000")
                it.client.request("set", name="debian", key="weight", value=64)
                it.client.request("set", name="debian", key="cap", value=900)
                found = it.client.items("ps", name="debian")[0]
                self.assertEqual((found["weight"], found["cap"]), (64, 900))
                it.run("dmesg -r | tail -n +$((before + 1)) | "
                       "grep -E '^<[0-4]>' | sed s/^/bad:/; echo end of errors", "^end of errors")
                self.assertNotIn("\nbad:", it.console.text)
                it.client.request("reboot", name="debian")
                test_disks.Debian().log_in(it.console)
                found = it.client.items("ps", name="debian")[0]
                self.assertEqual((found["incarnation"], found["failures"]), (1, 0))
                it.client.request("stop", name="debian")
                it.wait_state("debian", "idle")
                self.assertEqual(it.client.request("why", name="debian")["failures"], 0)
            test_disks.Debian().clean(where / "debian.img", where)


if __name__ == "__main__":
    unittest.main()
