# SPDX-License-Identifier: BSD-2-Clause
"""The system is managed from outside: a control domain on a virtio-serial line, and a second
one that may only look on a UART. Requests by the tools' own client, and by hand."""

import contextlib
import socket
import tempfile
import time
import unittest
from pathlib import Path
from typing import Iterator

from control.client import Client, Refused
from control.frame import encode
from description.machine import Line
from launcher import lines, minimal
from tests.support import Session, system

LIMIT = 120
READY = "tessera guest ready"

LINES = """
[domain.line0]
image = "virtio_serial"
device = { class = "virtio-serial" }
priority = 16
serves = ["serial"]
[domain.line1]
image = "uart16550"
ports = ["0x3e8-0x3ef"]
irqs = [5]
priority = 16
serves = ["serial"]
[domain.operator]
image = "control"
lifeboat = "4K"
priority = 21
[domain.monitor]
image = "control"
priority = 21
[connection.line0]
protocol = "serial"
server = "line0"
client = "operator"
[connection.line1]
protocol = "serial"
server = "line1"
client = "monitor"
[connection.operator]
protocol = "control"
server = "root"
client = "operator"
rights = ["see", "life", "set", "upgrade", "inspect", "trace", "create"]
[connection.monitor]
protocol = "control"
server = "root"
client = "monitor"
rights = ["see"]
"""


def description(**keys: object) -> str:
    return minimal.describe(
        minimal.PCI, LINES,
        minimal.guest(
            "one", kernel="package:linux-image-cloud-amd64", initrd="built:busybox",
            cmdline="quiet", memory="128M", **keys,
        ),
        name="managed",
    ).replace("exit_with_guests = true", "exit_with_guests = false")


class Managed:
    """A running system and sessions with it."""

    def __init__(self, console: Session, folder: Path):
        self.console, self.folder = console, folder
        self.operator = self.client("operator")

    def client(self, who: str) -> Client:
        """There is one line each: the last session with it is to be closed."""
        return Client(self.folder / who, LIMIT)

    def state(self, name: str) -> str:
        return str(self.operator.items("ps", name=name)[0]["state"])

    def wait_state(self, name: str, wanted: str) -> None:
        deadline = time.monotonic() + LIMIT
        while (state := self.state(name)) != wanted:
            if time.monotonic() > deadline:
                raise AssertionError(f"{name} is {state}, not {wanted}")
            time.sleep(0.1)


@contextlib.contextmanager
def managed(**keys: object) -> Iterator[Managed]:
    with tempfile.TemporaryDirectory(prefix="tessera.") as name:
        folder = Path(name)
        arguments = lines.qemu_arguments([
            Line("line0", f"socket,path={folder}/operator,server=on,wait=off", None, 0),
            Line("line1", f"socket,path={folder}/monitor,server=on,wait=off", 0x3E8, 5),
        ], False)
        with system(description(**keys), *arguments) as console:
            console.expect(READY, LIMIT)
            yield Managed(console, folder)


class Control(unittest.TestCase):
    def refused(self, code: str, client: Client, verb: str, **keys: object) -> str:
        with self.assertRaises(Refused) as caught:
            client.request(verb, **keys)
        self.assertEqual(caught.exception.code, code, str(caught.exception))
        return str(caught.exception)

    def test_two_that_see_and_one_that_acts(self) -> None:
        with managed() as it:
            hello = it.operator.request("hello")
            self.assertEqual((hello["protocol"], hello["system"], hello["domain"]),
                             (1, "managed", "operator"))
            names = [item["name"] for item in it.operator.items("ps")]
            self.assertEqual(names[0], "root")
            self.assertLessEqual({"operator", "monitor", "line0", "line1", "store", "one"},
                                 set(names))
            monitor = it.client("monitor")
            self.assertEqual(monitor.request("hello")["rights"], ["see"])
            self.assertEqual([item["name"] for item in monitor.items("ps")], names)
            self.assertIn('"life"', self.refused("denied", monitor, "restart", name="store"))
            self.assertIn('"set"', self.refused("denied", monitor, "set", name="one",
                                                key="weight", value=1))
            self.refused("unknown", it.operator, "restart", name="nobody")
            self.refused("unknown", it.operator, "dance")
            self.refused("invalid", it.operator, "restart", name="store", force=True)
            self.refused("invalid", it.operator, "restart")
            self.refused("unsupported", it.operator, "destroy", name="root")
            self.assertEqual(it.operator.request("system")["name"], "managed")

    def test_life_of_a_guest(self) -> None:
        with managed(on_reboot="restart") as it:
            operator = it.operator
            operator.request("events", on=True)
            operator.request("pause", name="one")
            self.assertEqual(it.state("one"), "paused")
            self.refused("state", operator, "pause", name="one")
            operator.request("unpause", name="one")
            it.console.send("echo still $((40 + 2))\n")
            it.console.expect("still 42", LIMIT)
            operator.request("set", name="one", key="weight", value=512)
            self.assertEqual(operator.items("ps", name="one")[0]["weight"], 512)
            self.refused("limit", operator, "set", name="one", key="weight", value=70000)
            self.refused("limit", operator, "set", name="one", key="memory", value=4096)
            operator.request("reboot", name="one")
            it.console.expect(READY, LIMIT)
            # BusyBox's poweroff tells an init that is not there.
            it.console.send("mkdir -p /sbin; rm -f /sbin/poweroff; "
                            "echo '#!/bin/sh' > /sbin/poweroff; "
                            "echo 'busybox poweroff -f' >> /sbin/poweroff; "
                            "chmod +x /sbin/poweroff; echo it can be asked now\n")
            it.console.expect("^it can be asked now", LIMIT)
            operator.request("stop", name="one")
            it.wait_state("one", "idle")
            self.refused("state", operator, "stop", name="one")
            operator.request("start", name="one")
            it.console.expect(READY, LIMIT)
            operator.request("destroy", name="one")
            it.wait_state("one", "idle")
            told = [(event["name"], event["to"]) for event in operator.events
                    if event["event"] == "state"]
            for step in ("paused", "running", "ending", "idle", "starting"):
                self.assertIn(("one", step), told)

    def test_failures_are_told(self) -> None:
        with managed() as it:
            self.assertEqual(it.operator.request("why", name="store")["failures"], 0)
            it.operator.request("kill", name="store")
            it.wait_state("store", "running")
            story = it.operator.request("why", name="store")
            self.assertEqual((story["failures"], story["what"]), (1, "crashed: killed by command"))
            self.assertTrue(story["try"] and story["line"])
            death = it.operator.request("postmortem", name="store")
            self.assertEqual(death["text"], "killed by command")
            store = it.operator.items("ps", name="store")[0]
            self.assertEqual(death["build_id"], store["build_id"])
            self.assertNotEqual(int(death["registers"]["rip"], 16), 0)
            self.refused("unknown", it.operator, "postmortem", name="one")

    def test_a_line_that_is_garbage(self) -> None:
        with managed() as it:
            it.operator.close()
            with socket.socket(socket.AF_UNIX) as raw:
                raw.connect(str(it.folder / "operator"))
                raw.sendall(b"noise\n\0\xff" + bytes(range(256)) * 300 + b"\n")
                raw.sendall(b"TC1 00010001 00000000 " + b"x" * 70000 + b"\n")
                raw.sendall(encode({"id": 1, "verb": "restart", "name": "store"})[:40])
            it.operator = it.client("operator")
            self.assertEqual(it.operator.request("hello")["session"], 1)
            store = it.operator.items("ps", name="store")[0]
            self.assertEqual(store["incarnation"], 0, "half a request was carried out")

    def test_control_domains_die(self) -> None:
        """What was asked of one that dies is done once."""
        with managed() as it:
            it.operator.request("restart", name="line0")
            it.operator.request("restart", name="operator")
            it.operator.request("kill", name="operator")
            self.assertEqual(it.operator.request("hello")["session"], 3)
            for name, again in (("line0", 1), ("operator", 2), ("store", 0)):
                item = it.operator.items("ps", name=name)[0]
                self.assertEqual(item["incarnation"], again, name)
            with it.client("monitor") as monitor:
                it.operator.request("kill", name="line1")
                self.assertTrue(monitor.items("ps"))


if __name__ == "__main__":
    unittest.main()
