# SPDX-License-Identifier: BSD-2-Clause
"""A guest ends while the servers of its disk are in trouble: its memory comes back
from everywhere, and whoever is not at fault goes on."""

import hashlib
import re
import tempfile
import unittest
from pathlib import Path

from launcher import minimal
from launcher.disks import Disk
from tests.support import DEBIAN_KERNELS, Session, disk_initrd, package, system

SWITCH = "\x01"  # Ctrl-A, the console server's key
READY = "tessera guest ready"
CONTENT = bytes(range(256)) * (8 << 12)
PART = 64 << 16
READ = "dd if=/dev/xvda bs=64k count=64 iflag=direct 2>/dev/null | md5sum\n"


class Ends(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="tessera.ends.")
        self.addCleanup(folder.cleanup)
        self.disk = Disk(Path(folder.name) / "disk")
        self.disk.file.write_bytes(CONTENT)

    def description(self, **keys: object) -> str:
        guest = minimal.guest(
            "one", kernel=package(DEBIAN_KERNELS["6.1_cloud"]), initrd=disk_initrd(),
            cmdline="quiet", memory="128M", **keys,
        )
        return minimal.describe(
            guest, minimal.virtual("one", [self.disk]), control=True, disks=[self.disk]
        )

    def command(self, console: Session, words: str) -> None:
        console.send(f"{SWITCH}c")
        console.expect(r"\[root\] ")
        console.send(f"{words}\r")

    def read(self, console: Session) -> None:
        console.send(READ)
        digest = console.expect(r"^([0-9a-f]{32})  -$", 60)[1]
        self.assertEqual(digest, hashlib.md5(CONTENT[:PART]).hexdigest())

    def test_reboot_while_the_disk_server_is_given_up(self) -> None:
        text = self.description().replace(
            "[domain.vbd]", '[domain.vbd]\nrestart = { limit = 1, window = "600s" }'
        )
        with system(text, attached=[self.disk], kind="q35", iommu=True) as console:
            console.expect(READY, 120)
            self.read(console)
            for answer in ("ok", "ok"):
                self.command(console, "kill vbd")
                console.expect(f"^vbd: {answer}$")
            console.send("reboot -f\n")
            console.expect(READY, 120)
            self.command(console, "clear vbd")
            console.expect("^vbd: ok$")
            self.command(console, "ps")
            console.expect(r"^console +\d+ running +\d+ +\d+ +0$")
            console.expect(r"^store +\d+ running +\d+ +\d+ +0$")
            console.send("until [ -e /dev/xvda ]; do sleep 1; done\n")
            self.read(console)
            log = console.logged()
            console.send("poweroff -f\n")
            self.assertEqual(console.wait(60), 33, console.text[-3000:])
        self.assertEqual(re.findall(r"root: (\w+): crashed: it does not let go", log), ["disk0"])

    def test_crash_and_reboot_while_servers_die(self) -> None:
        text = self.description(on_crash="restart")
        with system(text, attached=[self.disk], kind="q35", iommu=True) as console:
            for victim, end in (("vbd", "echo c >/proc/sysrq-trigger"), ("disk0", "reboot -f")):
                console.expect(READY, 120)
                self.read(console)
                console.send(f"(while true; do {READ.strip()}; done) >/dev/null &\n")
                self.command(console, f"kill {victim}")
                console.expect(f"^{victim}: ok$")
                console.send(f"{end}\n")
            console.expect(READY, 120)
            self.read(console)
            log = console.logged()
            console.send("poweroff -f\n")
            self.assertEqual(console.wait(60), 33, console.text[-3000:])
        self.assertNotIn("does not let go", log)
