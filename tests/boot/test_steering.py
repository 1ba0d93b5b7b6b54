# SPDX-License-Identifier: BSD-2-Clause
"""The network, disks, consoles, the log and traces of a running system through its control
line: by the commands that a user types, under a stock guest with a disk and a network."""

import base64
import contextlib
import json
import subprocess
import tempfile
import threading
import time
import unittest
from pathlib import Path
from typing import Any, Iterator

from control.broker import Broker
from control.client import Client, Refused
from launcher import build, minimal
from launcher.disks import Disk
from launcher.nets import NO_CARD, Net
from launcher.paths import TOP
from tests import manage
from tests.support import DEBIAN_KERNELS, Session, system

LIMIT = 120
KERNEL = DEBIAN_KERNELS["6.1_cloud"]

# `watcher` may look, and has neither a log nor rights to change.
STEERS = """
[connection.{name}-net]
protocol = "netctl"
server = "switch"
client = "{name}"
rights = {net}
[connection.{name}-blk]
protocol = "blkctl"
server = "vbd"
client = "{name}"
rights = {blk}
[connection.{name}-cons]
protocol = "consctl"
server = "console"
client = "{name}"
rights = {cons}
"""


def description() -> str:
    disk, net = Disk(Path("x"), "virtio-blk"), Net(NO_CARD)
    text = minimal.describe(
        manage.operator(log="read write"),
        STEERS.format(name="operator", net='["watch", "rules", "tap", "limits"]',
                      blk='["watch", "limits"]', cons='["watch", "type"]'),
        manage.on_uart("watcher", "see", "life", "trace", lifeboat="4K", log="write"),
        STEERS.format(name="watcher", net='["watch"]', blk='["watch"]', cons='["watch"]'),
        minimal.guest("one", kernel=f"package:{KERNEL}", initrd=build.net_initrd(KERNEL),
                      cmdline="quiet", memory="128M"),
        minimal.virtual("one", [disk]), minimal.vif("one", net),
        name="steered", disks=[disk], nets=[net],
    )
    for before, after in (
        ('serves = ["console"]', 'serves = ["console", "consctl"]'),
        ('serves = ["block", "disk"]', 'serves = ["block", "disk", "blkctl"]'),
    ):
        text = text.replace(before, after)
    return text


class Steered:
    """A running system; its operator's line behind a broker, as `./tessera run` has it."""

    def __init__(self, console: Session, folder: Path, broker: Broker):
        self.console, self.folder, self.broker = console, folder, broker

    def command(self, *words: str, status: int = 0) -> str:
        done = subprocess.run([TOP / "tessera", *words, "--socket", self.broker.path],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=LIMIT, check=False)
        if done.returncode != status:
            raise AssertionError(f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done.stdout + done.stderr if status else done.stdout

    def json(self, *words: str) -> Any:
        return json.loads(self.command(*words, "--json"))


@contextlib.contextmanager
def steered() -> Iterator[Steered]:
    with tempfile.TemporaryDirectory(prefix="tessera.") as name:
        folder = Path(name)
        image = folder / "disk.img"
        with open(image, "wb") as file:
            file.truncate(8 << 20)
        arguments = manage.arguments(folder, "watcher")
        with system(description(), *arguments, attached=[Disk(image, "virtio-blk")]) as console:
            broker = Broker(folder / "operator", folder / "operator.control").start()
            try:
                console.expect("tessera guest ready", LIMIT)
                yield Steered(console, folder, broker)
            finally:
                broker.stop()


class Steering(unittest.TestCase):
    def run_in_guest(self, it: Steered, command: str, end: str) -> None:
        it.console.send(f"{command}; echo {end[:1]}''{end[1:]}\n")
        it.console.expect(f"^{end}", LIMIT)

    def test_disks(self) -> None:
        with steered() as it:
            name = it.json("blk", "show")[0]["name"]
            before = it.json("blk", "show")[0]
            self.assertEqual((before["guest"], before["up"], before["limit_iops"]),
                             ("one", True, 0))
            self.run_in_guest(it, "dd if=/dev/zero of=/dev/xvda bs=64k count=8 conv=fsync", "wrote")
            after = it.json("blk", "show")[0]
            self.assertEqual(after["write_bytes"] - before["write_bytes"], 8 * 65536)
            self.assertEqual(after["errors"], 0)
            self.assertIn("would be", it.command("blk", "set", name, "iops", "7", "--dry-run"))
            it.command("blk", "set", name, "iops", "7000")
            it.command("blk", "set", name, "bandwidth", "50M")
            counted = it.json("blk", "show")[0]
            it.command("restart", "vbd")
            limited = it.json("blk", "show")[0]
            for key in ("reads", "writes", "others", "read_bytes", "write_bytes"):
                self.assertGreaterEqual(limited[key], counted[key], f"{key} go back")
            self.assertEqual((limited["limit_iops"], limited["limit_bytes"]), (7000, 50 << 20),
                             "a restart forgets limits")
            it.command("blk", "set", name, "bandwidth", "0")
            self.assertEqual(it.json("blk", "show")[0]["limit_bytes"], 0)
            self.run_in_guest(it, "dd if=/dev/zero of=/dev/xvda bs=64k count=1 conv=fsync", "again")
            it.command("blk", "set", name, "iops", "many", status=2)
            self.assertIn("no disk", it.command("blk", "set", "floppy", "iops", "1", status=1))

    def test_network(self) -> None:
        with steered() as it, tempfile.TemporaryDirectory() as folder:
            rules = Path(folder) / "new.rules"
            rules.write_text("accept proto icmp\ndrop\n")
            self.run_in_guest(it, "ip addr add 10.9.0.1/24 dev eth0; ip link set eth0 up; "
                              "ping -c 3 -W 1 10.9.0.2", "pinged")
            port = it.json("net", "show")[0]
            name = port["name"]
            self.assertEqual((port["kind"], port["up"]), ("vif", True))
            self.assertGreater(port["out_packets"] + sum(port["dropped"].values()), 0)
            counted = it.json("net", "rules", name)
            self.assertEqual(set(counted), {"out", "in"})
            before = len(counted["out"])
            said = it.command("net", "rules", name, str(rules), "--direction", "out", "--dry-run")
            self.assertIn("would be 2", said)
            self.assertEqual(len(it.json("net", "rules", name)["out"]), before)
            it.command("net", "rules", name, str(rules), "--direction", "out")
            self.assertEqual([rule["line"] for rule in it.json("net", "rules", name)["out"]],
                             [1, 2])
            rules.write_text("accept proto icmpp\n")
            self.assertIn("icmpp", it.command("net", "rules", name, str(rules), "--direction",
                                              "out", status=1))
            it.command("net", "set", name, "rate_out", "8Mbit")
            it.command("restart", "switch")
            self.assertEqual(it.json("net", "show")[0]["limits"]["bytes_out"], 10**6)
            self.assertEqual(len(it.json("net", "rules", name)["out"]), 2)
            tapped = Path(folder) / "tapped.pcapng"
            tap = subprocess.Popen(
                [TOP / "tessera", "net", "tap", name, "-o", tapped, "--seconds", "600",
                 "--socket", it.broker.path], stderr=subprocess.DEVNULL)
            try:
                deadline = time.monotonic() + LIMIT
                while not tapped.exists() or b"\x08\x06" not in tapped.read_bytes():
                    self.assertLess(time.monotonic(), deadline, "nothing is tapped")
                    self.run_in_guest(it, "arping -c 1 -w 1 -I eth0 10.9.0.3; "
                                      "ping -c 1 -W 1 10.9.0.3", "asked")
            finally:
                tap.terminate()
                tap.wait(LIMIT)
            self.assertEqual(tapped.read_bytes()[:4], b"\x0a\x0d\x0d\x0a")

    def test_console(self) -> None:
        with steered() as it, Client(it.broker.path, LIMIT) as client:
            self.assertEqual(client.items("consoles"), [{"name": "one", "up": True}])
            client.request("console", name="one", on=True)
            said = b""

            def until(word: bytes) -> None:
                nonlocal said
                deadline = time.monotonic() + LIMIT
                while word not in said:
                    self.assertLess(time.monotonic(), deadline, said)
                    event = client.event(1)
                    if event and event["event"] == "console":
                        said += base64.b64decode(event["data"])

            def type_(text: bytes) -> int:
                return int(client.request("console", name="one",
                                          data=base64.b64encode(text).decode())["taken"])

            line = b"echo one$((1 + 1))three\n"
            self.assertEqual(type_(line), len(line))
            until(b"one2three")
            it.console.expect("one2three", LIMIT)
            client.request("kill", name="console")
            # It is attached again by itself.
            while type_(b"echo four$((2 + 3))six\n") == 0:
                time.sleep(0.1)
            until(b"four5six")
            client.request("console", name="one", on=False)
            with self.assertRaises(Refused) as caught:
                client.request("console", name="two", on=True)
            self.assertEqual(caught.exception.code, "unknown")

    def test_logs(self) -> None:
        with steered() as it:
            said = it.command("logs")
            self.assertRegex(said, "(?m)^root: ")
            it.command("kill", "store")
            self.assertIn("store", it.command("logs", "root", "-n", "20"))
            self.assertLessEqual(len(it.command("logs", "-n", "3").splitlines()), 3)
            self.assertEqual({json.loads(line)["name"] for line in
                              it.command("logs", "root", "--json").splitlines()}, {"root"})
            # All that there is, and then what comes.
            follow = subprocess.Popen(
                [TOP / "tessera", "logs", "root", "-f", "--socket", it.broker.path],
                stdout=subprocess.PIPE, text=True)
            limit = threading.Timer(LIMIT, follow.kill)
            limit.start()
            crashes = 0
            try:
                assert follow.stdout
                for line in follow.stdout:
                    crashes += "store: crashed" in line
                    if crashes == 1 and "store: crashed" in line:
                        it.command("kill", "store")
                    if crashes == 2:
                        break
            finally:
                limit.cancel()
                follow.terminate()
                follow.wait(LIMIT)
                if follow.stdout:
                    follow.stdout.close()
            self.assertEqual(crashes, 2)

    def test_traces(self) -> None:
        with steered() as it, tempfile.TemporaryDirectory() as folder:
            raw, chrome = Path(folder) / "raw", Path(folder) / "trace.json"
            it.command("trace", "start")  # each point that proto/trace.h has is known by its word
            it.command("trace", "start", "switch", "hypercall")
            self.run_in_guest(it, "dd if=/dev/zero of=/dev/null bs=1M count=64", "busy")
            it.command("trace", "stop")
            it.command("trace", "fetch", "-o", str(raw), "--last", "3000")
            said = subprocess.run(
                [TOP / "tessera", "convert-trace", raw, "--perfetto", chrome, "--json"],
                check=True, timeout=LIMIT, stdout=subprocess.PIPE).stdout
            self.assertGreater(json.loads(said)["records"], 100)
            self.assertGreater(len(json.loads(chrome.read_text())["traceEvents"]), 100)
            it.command("trace", "start", "everything", status=2)

    def test_who_lacks_the_right_is_told(self) -> None:
        with steered() as it, Client(it.folder / "watcher", LIMIT) as watcher:
            self.assertTrue(watcher.items("net") and watcher.items("blk"))
            for verb, right, keys in (
                ("net-limit", "limits", {"name": "one-0", "bytes_in": 0}),
                ("blk-set", "limits", {"name": "one-xvda", "iops": 1}),
                ("console", "type", {"name": "one", "data": "QQ=="}),
                ("net-tap", "tap", {"on": True}),
                ("logs", "read", {}),
            ):
                with self.subTest(verb), self.assertRaises(Refused) as caught:
                    watcher.request(verb, **keys)
                self.assertEqual(caught.exception.code, "denied", str(caught.exception))
                self.assertRegex(str(caught.exception), f'watcher lacks .*"{right}"')
            self.assertEqual(it.json("blk", "show")[0]["limit_iops"], 0)


if __name__ == "__main__":
    unittest.main()
