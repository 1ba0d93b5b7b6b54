# SPDX-License-Identifier: BSD-2-Clause
"""The system is managed from outside: a control domain on a virtio-serial line, and a second
one that may only look on a UART. Requests by the tools' own client, and by hand."""

import contextlib
import socket
import tempfile
import unittest
from pathlib import Path
from typing import Iterator, Optional

import postmortem
from control.client import Client, Refused
from control.frame import encode
from launcher import minimal
from launcher.machine import EXIT_PORT
from tests import manage
from tests.support import Session, build_dir, system

LIMIT = 120
READY = "tessera guest ready"

LINES = manage.operator() + manage.on_uart("monitor", "see")


def description(**keys: object) -> str:
    return minimal.describe(
        minimal.PCI, LINES,
        minimal.guest(
            "one", kernel="package:linux-image-cloud-amd64", initrd="built:busybox",
            cmdline="quiet", memory="128M", **keys,
        ),
        name="managed", exits=False,
    )


class Managed(manage.Operator):
    """A running system and sessions with it."""

    def __init__(self, console: Session, folder: Path):
        super().__init__(folder, LIMIT)
        self.console = console

    def another(self, who: str) -> Client:
        """There is one line each: the last session with it is to be closed."""
        return Client(self.folder / who, LIMIT)


@contextlib.contextmanager
def managed(text: Optional[str] = None, **keys: object) -> Iterator[Managed]:
    """text: of another description than that with these keys of the guest."""
    with tempfile.TemporaryDirectory(prefix="tessera.") as name:
        folder = Path(name)
        arguments = manage.arguments(folder, "monitor")
        with system(text or description(**keys), *arguments) as console:
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
            hello = it.client.request("hello")
            self.assertEqual((hello["protocol"], hello["system"], hello["domain"]),
                             (1, "managed", "operator"))
            names = [item["name"] for item in it.client.items("ps")]
            self.assertEqual(names[0], "root")
            self.assertLessEqual({"operator", "monitor", "line0", "line1", "store", "one"},
                                 set(names))
            monitor = it.another("monitor")
            self.assertEqual(monitor.request("hello")["rights"], ["see"])
            self.assertEqual([item["name"] for item in monitor.items("ps")], names)
            self.assertIn('"life"', self.refused("denied", monitor, "restart", name="store"))
            self.assertIn('"set"', self.refused("denied", monitor, "set", name="one",
                                                key="weight", value=1))
            self.refused("unknown", it.client, "restart", name="nobody")
            self.refused("unknown", it.client, "dance")
            self.refused("invalid", it.client, "restart", name="store", force=True)
            self.refused("invalid", it.client, "restart")
            self.refused("unsupported", it.client, "destroy", name="root")
            self.assertEqual(it.client.request("system")["name"], "managed")

    def test_life_of_a_guest(self) -> None:
        with managed(on_reboot="restart") as it:
            operator = it.client
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

    def test_an_end_without_an_emulator(self) -> None:
        """The last guest's memory is given back though the system should have ended with it, and
        the guest may be started again."""
        text = description().replace("exit_with_guests = false", "exit_with_guests = true")
        with managed(text.replace(f"exit_port = {EXIT_PORT}", "exit_port = 0x80")) as it:
            free = it.client.request("system")["free"]
            it.client.request("destroy", name="one")
            it.wait_state("one", "idle")
            self.assertGreaterEqual(it.client.request("system")["free"], free + (100 << 20))
            it.client.request("start", name="one")
            it.console.expect(READY, LIMIT)
            it.wait_state("one", "running")

    def test_vcpus_go_and_come_back(self) -> None:
        """As a toolstack of Xen asks for it: a stock kernel watches its nodes. What is there
        again it leaves to its user space (udev) to bring up."""
        up = "for c in /sys/devices/system/cpu/cpu[12]/online; do echo 1 2>/dev/null >$c; done"
        with managed(vcpus=3) as it:
            for wanted in (1, 3, 2):
                it.client.request("set", name="one", key="vcpus", value=wanted)
                it.console.send(f"until [ $(nproc) = {wanted} ]; do {up}; sleep 0.1; done; "
                                f"echo has {wanted} of th''em\n")
                it.console.expect(f"has {wanted} of them", LIMIT)
            for wrong in (0, 4):
                self.assertIn("expected 1 to 3", self.refused(
                    "limit", it.client, "set", name="one", key="vcpus", value=wrong))

    def test_clocks_after_a_pause(self) -> None:
        """Both clocks of the guest have gone on by what the machine's has, and a
        timer that came due meanwhile comes at once."""
        with managed() as it:
            def now() -> float:
                return int(it.client.request("system")["now_ns"]) / 1e9

            def clocks(word: str) -> tuple[float, float]:
                it.console.send(f"echo {word[0]}''{word[1:]} $(cut -d' ' -f1 /proc/uptime) "
                                "$(date +%s)\n")
                found = it.console.expect(rf"^{word} ([\d.]+) (\d+)$", LIMIT)
                return float(found[1]), float(found[2])

            outer = now()
            up, wall = clocks("before")
            it.console.send("sleep 1 && echo wo''ken &\n")
            it.client.request("pause", name="one")
            inner = now()
            while now() < inner + 5:
                pass
            paused = now() - inner
            it.client.request("unpause", name="one")
            up_after, wall_after = clocks("after")
            whole = now() - outer
            for passed, grain in ((up_after - up, 0.02), (wall_after - wall, 1)):
                self.assertGreaterEqual(passed, paused - grain)
                self.assertLessEqual(passed, whole + grain)
            it.console.seen = 0
            it.console.expect("woken", LIMIT)

    def test_failures_are_told(self) -> None:
        with managed() as it:
            self.assertEqual(it.client.request("why", name="store")["failures"], 0)
            it.client.request("kill", name="store")
            it.wait_state("store", "running")
            story = it.client.request("why", name="store")
            self.assertEqual((story["failures"], story["what"]), (1, "crashed: killed by command"))
            self.assertTrue(story["try"] and story["line"])
            death = it.client.request("postmortem", name="store")
            self.assertEqual(death["text"], "killed by command")
            store = it.client.items("ps", name="store")[0]
            self.assertEqual(death["build_id"], store["build_id"])
            self.assertNotEqual(int(death["registers"]["rip"], 16), 0)
            self.assertIn("domain", {cap["type"] for cap in death["caps"]})
            said = postmortem.report(death, build_dir())
            self.assertIn("backtrace (store.elf):", said)
            self.assertRegex(said, r" event_loop at (?:.*\n)+.* rt_start at ")
            self.assertRegex(said, r"it held:\n +1 domain +grant event +root\n")
            self.refused("unknown", it.client, "postmortem", name="one")

    def test_a_line_that_is_garbage(self) -> None:
        with managed() as it:
            it.client.close()
            with socket.socket(socket.AF_UNIX) as raw:
                raw.connect(str(it.folder / "operator"))
                raw.sendall(b"noise\n\0\xff" + bytes(range(256)) * 300 + b"\n")
                raw.sendall(b"TC1 00010001 00000000 " + b"x" * 70000 + b"\n")
                raw.sendall(encode({"id": 1, "verb": "restart", "name": "store"})[:40])
            it.client = it.another("operator")
            self.assertEqual(it.client.request("hello")["session"], 1)
            store = it.client.items("ps", name="store")[0]
            self.assertEqual(store["incarnation"], 0, "half a request was carried out")

    def test_control_domains_die(self) -> None:
        """What was asked of one that dies is done once."""
        with managed() as it:
            it.client.request("restart", name="line0")
            it.client.request("restart", name="operator")
            it.client.request("kill", name="operator")
            self.assertEqual(it.client.request("hello")["session"], 3)
            for name, again in (("line0", 1), ("operator", 2), ("store", 0)):
                item = it.client.items("ps", name=name)[0]
                self.assertEqual(item["incarnation"], again, name)
            with it.another("monitor") as monitor:
                it.client.request("kill", name="line1")
                self.assertTrue(monitor.items("ps"))


if __name__ == "__main__":
    unittest.main()
