# SPDX-License-Identifier: BSD-2-Clause
"""Domains that are brought to a running system by files of their own, and that leave nothing
behind: neither one that ran, nor one that was refused, at whichever step."""

import contextlib
import subprocess
import tempfile
import time
import unittest
from pathlib import Path
from typing import Iterator

from control.client import Client, Refused
from description import brought, compile_text, read_file, schema
from launcher import minimal
from launcher.disks import Disk
from tests import manage
from tests.manage import until
from tests.support import COMMAND, DEBIAN_KERNELS, build_dir, net_initrd, package, system

LIMIT = 240
READY = "tessera guest ready"
KERNEL = DEBIAN_KERNELS["6.1_cloud"]

PLACES = """
[domain.helper]
place = true
memory = "1M"
[guest.visitor]
place = true
memory = "128M"
console = "console"
store = "store"
on_poweroff = "destroy"
[guest.giant]
place = true
memory = "1G"
console = "console"
store = "store"
[disk.scratch]
guest = "visitor"
volume = "disk0"
device = "xvda"
plugged = false
"""


def describe() -> str:
    return minimal.describe(
        manage.operator("see", "life", "set", "inspect", "create"), PLACES,
        minimal.guest("one", kernel=f"package:{KERNEL}", initrd="built:busybox",
                              cmdline="quiet", memory="96M"),
        name="places", raw="one", disks=[Disk(Path("none"))], exits=False,
    )


class Places(manage.Operator):
    """A running system, and a folder for what is brought to it."""

    def counted(self) -> dict[str, object]:
        """What nobody may lose, and nobody may gain. The disk server takes its time."""
        deadline = time.monotonic() + LIMIT
        while any(d["state"] in ("coming", "leaving") for d in self.client.items("devices")):
            if time.monotonic() > deadline:
                raise AssertionError("a device does not settle")
            time.sleep(0.1)
        system_ = self.client.request("system")
        return {
            "free": system_["free"],
            "root's capabilities": len(self.client.items("caps", name="root")),
            "devices": [(d["name"], d["state"]) for d in self.client.items("devices")],
            "domains": [(d["name"], d["program"], d["state"], d["memory"], d["vcpus"], d["weight"])
                        for d in self.client.items("ps")],
        }

    def command(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """There is one line, so the session with it is closed meanwhile."""
        self.client.close()
        result = subprocess.run(
            [COMMAND, words[0], "--socket", self.folder / "operator", "--timeout", str(LIMIT),
             *words[1:]], capture_output=True, text=True, check=False)
        self.client = Client(self.folder / "operator", LIMIT)
        return result

    def create(self, text: str) -> "subprocess.CompletedProcess[str]":
        (self.folder / "brought.toml").write_text(text)
        return self.command("create", str(self.folder / "brought.toml"), "--wait", str(LIMIT),
                            "--description", str(self.folder / "places.toml"))


@contextlib.contextmanager
def places() -> Iterator[Places]:
    with tempfile.TemporaryDirectory(prefix="tessera.") as name:
        folder = Path(name)
        (folder / "disk.img").write_bytes(bytes(8 << 20))
        (folder / "places.toml").write_text(describe())
        # A place's memory is the machine's only when something runs there.
        machine = ["-m", "640"]
        with system(describe(), *manage.arguments(folder), *machine,
                    attached=[Disk(folder / "disk.img")]) as console:
            console.expect(READY, LIMIT)
            yield Places(folder, LIMIT)


VISITOR = """[guest.visitor]
kernel = "{kernel}"
initrd = "{initrd}"
memory = "{memory}"
cmdline = 'quiet tessera.run="{run}"'
devices = {devices}
"""
RUN = "echo it was here | dd of=/dev/xvda conv=fsync bs=512"


def visitor(**words: str) -> str:
    return VISITOR.format(**{"kernel": f"package:{KERNEL}", "initrd": "built:busybox",
                             "memory": "96M", "run": RUN, "devices": '["scratch"]', **words})


class Create(unittest.TestCase):
    def visits(self, it: Places, text: str) -> None:
        result = it.create(text)
        self.assertEqual(result.returncode, 0, result.stderr + result.stdout)
        it.wait_state("visitor", "idle")
        self.assertEqual((it.folder / "disk.img").read_bytes()[:11], b"it was here")
        with (it.folder / "disk.img").open("r+b") as image:
            image.write(bytes(512))

    def test_a_guest_of_the_image_s_kernel_and_of_its_own(self) -> None:
        with places() as it:
            before = it.counted()
            self.visits(it, visitor())
            # It is there until it is undefined, and may be started again by its name.
            self.assertEqual(it.client.items("ps", name="visitor")[0]["program"], KERNEL)
            it.client.request("start", name="visitor")
            it.wait_state("visitor", "idle")
            result = it.create(visitor())
            self.assertEqual(result.returncode, 1)
            self.assertIn("the place is taken", result.stderr)
            self.assertEqual(it.command("undefine", "visitor").returncode, 0)
            self.assertEqual(it.counted(), before)
            # The same from files: all of it comes by the control line.
            (it.folder / "vmlinuz").write_bytes(package(KERNEL).read_bytes())
            (it.folder / "initrd").write_bytes(net_initrd(KERNEL).read_bytes())
            self.visits(it, visitor(kernel="vmlinuz", initrd="initrd"))
            it.client.request("undefine", name="visitor")
            after = it.counted()
            self.assertEqual(after, {**before, "free": after["free"]})
            # Page tables of root's for larger files stay with it; once.
            self.assertLess(int(str(before["free"])) - int(str(after["free"])), 1 << 20)
            self.visits(it, visitor(kernel="vmlinuz", initrd="initrd"))
            it.client.request("undefine", name="visitor")
            self.assertEqual(it.counted(), after)

    def test_a_native_domain(self) -> None:
        with places() as it:
            before = it.counted()
            policy, hang = (build_dir() / name for name in
                            ("servers/sched_rr.dom", "tests/fault/hang.dom"))
            (it.folder / "tool.dom").write_bytes(policy.read_bytes())
            wanted = '[domain.helper]\nimage = "tool.dom"\n'
            result = it.create(wanted)
            self.assertEqual(result.returncode, 1, result.stdout)
            self.assertRegex(result.stderr, r"brought\.toml:1.*needs a capability")
            self.assertEqual(it.counted(), before)
            for at in (100, 5000):
                data = bytearray(hang.read_bytes())
                data[at] ^= 1
                (it.folder / "tool.dom").write_bytes(data)
                self.assertEqual(it.create(wanted).returncode, 1)
                # The tool looks at it; so does root, whoever sends it.
                self.refused_by_root(it, bytes(data))
                self.assertEqual(it.counted(), before)
            (it.folder / "tool.dom").write_bytes(hang.read_bytes())
            for turn in range(2):
                self.lives_and_dies(it, wanted)
                self.assertEqual(it.counted(), before, f"the {turn}. one leaves something")

    def refused_by_root(self, it: Places, package_: bytes) -> None:
        found = brought.read(it.folder / "brought.toml", read_file(it.folder / "places.toml"))
        it.client.upload(brought.encode(found, package_, b"", ("", ""), "x"))
        with self.assertRaises(Refused) as caught:
            it.client.request("define", name="helper")
        self.assertEqual(caught.exception.code, "bad-package", str(caught.exception))

    def lives_and_dies(self, it: Places, wanted: str) -> None:
        """What it was set to, and how often it failed, is nothing to whoever comes next."""
        result = it.create(wanted)
        self.assertEqual(result.returncode, 0, result.stderr)
        now = it.client.items("ps", name="helper")[0]
        self.assertEqual((now["program"], now["restarts"], now["failures"], now["weight"],
                          now["cap"], now["heartbeat_ms"]), ("hang", 0, 0, 256, 0, 10000))
        with self.assertRaises(Refused):
            it.client.request("postmortem", name="helper")
        for key, value in (("weight", 7), ("cap", 500), ("heartbeat", 0)):
            it.client.request("set", name="helper", key=key, value=value)
        it.client.request("kill", name="helper")
        until("helper", lambda: it.client.items("ps", name="helper")[0]["restarts"], 1, LIMIT)
        it.wait_state("helper", "running")
        self.assertEqual(it.client.request("why", name="helper")["failures"], 1)
        it.client.request("postmortem", name="helper")
        with self.assertRaises(Refused) as caught:
            it.client.request("undefine", name="helper")
        self.assertEqual(caught.exception.code, "state")
        it.client.request("destroy", name="helper")
        it.wait_state("helper", "idle")
        it.client.request("undefine", name="helper")

    def test_each_step_that_fails_leaves_nothing(self) -> None:
        with places() as it:
            (it.folder / "garbage").write_bytes(b"\x7fELF" + bytes(70000))
            self.assertEqual(it.create(visitor(memory="16M")).returncode, 1)
            before = it.counted()
            for text, words in (
                (visitor(memory="16M"), "needs more than 62 MiB"),
                (visitor(memory="256M"), r"brought.toml:4: .*at most 128M"),
                (visitor(devices='["scratch", "nothing"]'), r"brought.toml:6: .*\"nothing\""),
                (visitor(kernel="garbage"), "garbage: it is not a 64-bit little-endian ELF"),
                (visitor(kernel="nowhere"), "nowhere: No such file"),
                (visitor().replace("visitor", "stranger"), r"brought.toml:1: .*a place"),
                (visitor().replace("visitor", "one"), "which has a program of its own"),
                (visitor().replace("initrd", "ramdisk"), "unknown key"),
                (visitor() + "[guest.giant]\n", "found 2 domains"),
                # More memory than there is: its build fails half-way.
                (visitor(memory="1G", devices="[]").replace("visitor", "giant"),
                 "cannot be built"),
            ):
                result = it.create(text)
                self.assertNotEqual(result.returncode, 0, text)
                self.assertRegex(result.stderr, words)
                self.assertEqual(it.counted(), before, text)

    def test_files_that_lie(self) -> None:
        """What the tool would never send."""
        with places() as it:
            client = it.client
            with self.assertRaises(Refused):
                client.request("define", name="visitor")
            place = compile_text(describe(), "places", Path("."), None).guests["visitor"]
            entry = schema.Entry("visitor", "guest.visitor", 1, {"cmdline": "quiet"})
            found = brought.Brought(entry, place, True, 24576, ["scratch"])
            good = brought.encode(found, b"", b"", ("one.kernel", "one.initrd"), "x")
            before = it.counted()
            for at, value in ((0, 0), (8, 2), (12, 1), (16, 1), (25, 0), (32, 0x41), (104, 1),
                              (112, 0x41), (192, 33), (200, 0x41)):
                data = bytearray(good)
                data[at] = value
                client.upload(bytes(data))
                with self.assertRaises(Refused, msg=str(at)):
                    client.request("define", name="visitor")
                self.assertEqual(it.counted(), before, str(at))
            client.upload(good + bytes(4096))
            with self.assertRaises(Refused):
                client.request("define", name="visitor")
            client.upload(good)
            with self.assertRaises(Refused):
                client.request("define", name="one")
            client.upload(good)
            client.request("define", name="visitor")
            client.request("destroy", name="visitor")
            it.wait_state("visitor", "idle")
            client.request("undefine", name="visitor")
            self.assertEqual(it.counted(), before)


if __name__ == "__main__":
    unittest.main()
