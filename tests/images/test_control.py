# SPDX-License-Identifier: BSD-2-Clause
"""The tools' side of the control line: frames, the broker, the verbs, against a system that
is played here, on a line that loses and invents bytes."""

import contextlib
import io
import json
import os
import pty
import random
import re
import socket
import subprocess
import tempfile
import threading
import time
import unittest
import zlib
from pathlib import Path

from control import text
from control.broker import Broker
from control.client import Client, Ended, Refused, Unreachable
from control.frame import LARGEST, Decoder, encode
from launcher.paths import TOP

from tests.images.played import DOMAIN, Played

class WithSystem(unittest.TestCase):
    def setUp(self) -> None:
        # Not below the build folder: a socket's path must be short.
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.system = Played(self.folder)
        self.addCleanup(self.system.close)
        self.broker = Broker(self.system.path, self.folder / "line0.control").start()
        self.addCleanup(self.broker.stop)

    def client(self) -> Client:
        client = Client(self.broker.path)
        self.addCleanup(client.close)
        return client

    def tessera(self, *words: str) -> tuple[int, str, str]:
        done = subprocess.run([TOP / "tessera", *words, "--socket", self.broker.path],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=120, check=False)
        return done.returncode, done.stdout, done.stderr


class Frames(unittest.TestCase):
    def test_there_and_back(self) -> None:
        message = {"id": 1, "verb": "ps", "name": "größe\n\0\x1b"}
        self.assertEqual(list(Decoder().feed(encode(message))), [message])

    def test_as_documented(self) -> None:
        payload = b'{"id":1,"verb":"ps"}'
        frame = b"TC1 00000014 %08x " % zlib.crc32(payload) + payload + b"\n"
        self.assertEqual(encode({"id": 1, "verb": "ps"}), frame)

    def test_in_any_pieces(self) -> None:
        data = b"".join(encode({"id": i}) for i in range(20))
        for size in (1, 2, 7, 100):
            decoder = Decoder()
            found = [message["id"] for i in range(0, len(data), size)
                     for message in decoder.feed(data[i : i + size])]
            self.assertEqual(found, list(range(20)))
            self.assertEqual(decoder.dropped, 0)

    def test_finds_the_next_frame(self) -> None:
        """After any damage to one frame, the one that follows is found."""
        dice = random.Random(7)
        for _ in range(2000):
            broken = bytearray(encode({"id": 1, "verb": "ps"}))
            for _ in range(dice.randint(1, 4)):
                broken[dice.randrange(len(broken) - 1)] = dice.choice([*range(10), *range(11, 256)])
            decoder = Decoder()
            found = list(decoder.feed(bytes(broken[: dice.randint(0, len(broken) - 1)]) + b"\n"
                                      + encode({"id": 2})))
            self.assertEqual(found[-1], {"id": 2})

    def test_what_never_ends_is_dropped(self) -> None:
        decoder = Decoder()
        for _ in range(100):
            self.assertEqual(list(decoder.feed(b"x" * 4096)), [])
        self.assertLess(len(decoder._rest), LARGEST + 4200)
        self.assertEqual(list(decoder.feed(b"y\n" + encode({"id": 3}))), [{"id": 3}])

    def test_too_large_to_send(self) -> None:
        with self.assertRaises(ValueError):
            encode({"id": 1, "data": "x" * LARGEST})

    def test_wrong_things_are_no_frames(self) -> None:
        for line in (b"TC1 00000002 %08x []\n" % zlib.crc32(b"[]"), b"TC1 0000000", b"\n",
                     b"TC1 00000002 00000000 {}\n", b"TC1 00000003 %08x {}\n" % zlib.crc32(b"{}"),
                     b"TC2" + encode({})[3:]):
            self.assertEqual(list(Decoder().feed(line + b"\n")), [])


class Brokers(WithSystem):
    def test_an_answer_with_items(self) -> None:
        self.assertEqual(self.client().items("ps"), [DOMAIN])

    def test_an_error(self) -> None:
        with self.assertRaises(Refused) as caught:
            self.client().request("why", name="nobody")
        self.assertEqual(caught.exception.code, "unknown")
        self.assertIn("./tessera ps", caught.exception.explained())

    def test_asks_again_and_it_is_done_once(self) -> None:
        self.system.deaf = 2
        self.client().request("restart", name="nic0")
        restarts = [m for m in self.system.asked if m["verb"] == "restart"]
        self.assertEqual(len(restarts), 3)
        self.assertEqual(len({m["id"] for m in restarts}), 1)
        self.assertEqual(len(self.system.done), 1)

    def test_a_tap_ends_with_its_control_domain(self) -> None:
        client = self.client()
        client.request("net-tap", on=True)
        self.system.say({"event": "tap", "data": "QUJD"})
        self.assertEqual(client.event(20), {"event": "tap", "data": "QUJD"})
        self.system.say({"event": "hello", "session": 2})
        self.assertEqual(client.event(20), {"event": "tap", "data": ""})

    def test_a_tap_belongs_to_one(self) -> None:
        """Until it is turned off, was refused, or its client has gone."""
        first, second = self.client(), self.client()
        for _ in range(2):
            first.request("net-tap", on=True, name="nic0")
            with self.assertRaises(Refused) as caught:
                second.request("net-tap", on=True)
            self.assertEqual(caught.exception.code, "busy")
            second.request("net-tap", on=False)
            self.system.say({"event": "tap", "data": "QUJD"})
            self.assertEqual(first.event(20), {"event": "tap", "data": "QUJD"})
            first.request("net-tap", on=False)
        self.assertEqual([(m["on"], m.get("name")) for m in self.system.asked
                          if m["verb"] == "net-tap"], [(True, "nic0"), (False, None)] * 2)
        with self.assertRaises(Refused):
            first.request("net-tap", on=True, name="nobody")
        second.request("net-tap", on=True)
        second.close()
        deadline = time.monotonic() + 20
        while True:
            try:
                first.request("net-tap", on=True)
                break
            except Refused:
                self.assertLess(time.monotonic(), deadline)

    def test_what_was_lost_is_told_to_who_listened(self) -> None:
        clients = {of: self.client() for of in ("console", "tap", "events")}
        clients["console"].request("console", name="debian", on=True)
        self.assertIsNotNone(clients["console"].event(20))  # what it says at once
        clients["tap"].request("net-tap", on=True)
        clients["events"].request("events", on=True)
        for of in clients:
            self.system.say({"event": "lost", "of": of, "count": 3})
        self.system.say({"event": "lost", "count": 4})  # of a control domain before that said it
        for of, client in clients.items():
            self.assertEqual(client.event(20), {"event": "lost", "of": of, "count": 3})
        self.assertEqual(clients["events"].event(20), {"event": "lost", "count": 4})
        for of in ("console", "tap"):
            self.assertIsNone(clients[of].event(0.1))

    def test_through_noise(self) -> None:
        self.system.noise = b"[    0.1] boot\r\nTC1 00000014 \n"
        self.assertEqual(self.client().items("ps"), [DOMAIN])

    def test_many_at_once(self) -> None:
        found: list[int] = []

        def work() -> None:
            with Client(self.broker.path) as client:
                found.extend(len(client.items("ps")) for _ in range(20))

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(found, [1] * 160)
        ids = [m["id"] for m in self.system.done]
        self.assertEqual(ids, sorted(set(ids)))

    def test_two_operators_upload(self) -> None:
        first, second = self.client(), self.client()
        first.request("upload", size=3)
        for verb in ("upload", "upgrade"):
            with self.assertRaises(Refused) as caught:
                second.request(verb, name="nic0")
            self.assertEqual(caught.exception.code, "busy")
        first.upload(b"new")
        first.request("upgrade", name="nic0")
        second.upload(b"x" * 100_000)
        self.assertEqual(self.system.uploaded, b"x" * 100_000)

    def test_who_goes_lets_others_upload(self) -> None:
        first = Client(self.broker.path)
        first.request("upload", size=3)
        first.close()
        second = self.client()
        for _ in range(100):
            with contextlib.suppress(Refused):
                second.request("upload", size=4)
                return
        self.fail("still busy")

    def test_events_to_those_who_want_them(self) -> None:
        first, second, third = self.client(), self.client(), self.client()
        first.request("events", on=True)
        second.request("events", on=True)
        third.request("system")
        first.request("restart", name="nic0")
        for client in (first, second):
            event = client.event(10)
            assert event
            self.assertEqual(event["to"], "running")
        third.request("system")
        self.assertFalse(third.events)
        # One of two goes: the other still gets them. Both go: they are turned off.
        first.request("events", on=False)
        self.assertNotIn(False, [m.get("on") for m in self.system.done])
        second.request("events", on=False)
        self.assertIn(False, [m.get("on") for m in self.system.done])

    def test_a_new_control_domain_is_told_who_listens(self) -> None:
        client = self.client()
        client.request("events", on=True)
        self.system.done.clear()
        self.system.say({"event": "hello", "session": 2})
        event = client.event(10)
        assert event
        self.assertEqual(event["event"], "hello")
        client.request("system")
        self.assertEqual([m["verb"] for m in self.system.done][:2], ["events", "system"])

    def test_garbage_of_a_client(self) -> None:
        with socket.socket(socket.AF_UNIX) as other:
            other.connect(str(self.broker.path))
            other.sendall(b"\xff" * 5000 + b"\n" + encode({"id": "x", "verb": 5}))
            answer = next(Decoder().feed(other.recv(4096)))
            self.assertEqual(answer["error"]["code"], "invalid")
        self.assertEqual(self.client().items("ps"), [DOMAIN])

    def test_one_that_asks_too_much(self) -> None:
        self.system.deaf = 1
        with socket.socket(socket.AF_UNIX) as other:
            other.connect(str(self.broker.path))
            other.settimeout(10)
            other.sendall(b"".join(encode({"id": i, "verb": "system"}) for i in range(1, 200)))
            decoder, codes = Decoder(), []
            while len(codes) < 199:
                codes += [m.get("error", {}).get("code", "ok")
                          for m in decoder.feed(other.recv(65536))]
        self.assertIn("busy", codes)
        self.assertIn("ok", codes)

    def test_by_hand_as_documented(self) -> None:
        page = (TOP / "docs" / "reference" / "control-protocol.md").read_text()
        block = re.search(r"^```sh\n(.*?)^```$", page, re.M | re.S)
        assert block
        command = block[1].replace("build/line0.control", str(self.broker.path))
        done = subprocess.run(
            ["sh", "-c", command.replace("socat -t2", "socat -t15")],  # a machine may be slow
            capture_output=True, text=True, check=True, timeout=120)
        self.assertEqual(json.loads(done.stdout.partition("\n}\n")[0] + "}")["item"], DOMAIN)

    def test_nobody_there(self) -> None:
        self.broker.stop()
        with self.assertRaises(Unreachable):
            Client(self.broker.path)


class Ends(unittest.TestCase):
    """A system ends with the line, which a client may find out by reading or by writing."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        listener = socket.socket(socket.AF_UNIX)
        self.addCleanup(listener.close)
        listener.bind(f"{folder.name}/line0.control")
        listener.listen()
        self.client = Client(Path(folder.name) / "line0.control")
        self.addCleanup(self.client.close)
        self.line, _ = listener.accept()
        self.addCleanup(self.line.close)

    def test_before_it_is_asked(self) -> None:
        self.line.close()
        with self.assertRaises(Ended):
            self.client.request("ps")

    def test_before_it_has_read_all(self) -> None:
        def end() -> None:
            self.line.recv(1)
            self.line.close()

        ending = threading.Thread(target=end)
        ending.start()
        with self.assertRaises(Ended):
            self.client.request("ps")
        ending.join()

    def test_its_last_words_are_read(self) -> None:
        self.line.sendall(encode({"event": "hello", "session": 2}))
        self.line.close()
        with self.assertRaises(Ended):
            self.client.request("ps")
        self.assertEqual(self.client.events[0]["session"], 2)


class Verbs(WithSystem):
    def test_ps(self) -> None:
        status, out, _ = self.tessera("ps")
        self.assertEqual(status, 0)
        self.assertIn("nic0   7  running   4 MiB      5 ms         virtio_net 1.0  00:03.0", out)
        self.assertIn("512 MiB of 1 GiB are free", out)
        self.assertNotIn("\x1b", out)

    def test_json(self) -> None:
        _, out, _ = self.tessera("ps", "--json")
        self.assertEqual(json.loads(out)["domains"], [DOMAIN])

    def test_json_of_all_that_only_looks(self) -> None:
        for words in ("ps", "devices", "why nic0", "caps nic0", "graph", "stats", "net show",
                      "net rules nic0", "blk show", "logs", "sched", "top -n 1 --interval 0.01"):
            status, out, errors = self.tessera(*words.split(), "--json")
            self.assertEqual((status, errors), (0, ""), words)
            for line in out.splitlines():
                json.loads(line)

    def test_top(self) -> None:
        status, out, _ = self.tessera("top", "-n", "1", "--interval", "0.01", "--json")
        self.assertEqual((status, json.loads(out)["domains"][0]["name"]), (0, "nic0"))

    def test_restart_waits_for_its_end(self) -> None:
        status, out, _ = self.tessera("restart", "nic0")
        self.assertEqual((status, out), (0, "nic0: running\n"))

    def test_dry_run_changes_nothing(self) -> None:
        status, out, _ = self.tessera("restart", "nic0", "--dry-run")
        self.assertEqual((status, out), (0, "nic0: is running; would be asked to restart\n"))
        self.assertNotIn("restart", [m["verb"] for m in self.system.done])

    def test_json_of_what_would_be_done(self) -> None:
        for words in (("restart", "nic0"), ("set", "nic0", "weight", "7"),
                      ("plug", "nic0", str(self.system.device["name"])),
                      ("net", "set", "eth0", "rate_in", "8Mbit"), ("trace", "start"),
                      ("trace", "stop"), ("undefine", "nic0")):
            said = json.loads(self.tessera(*words, "--dry-run", "--json")[1])
            self.assertTrue(said["ok"] and said["would"], words)
        self.assertEqual(json.loads(self.tessera("restart", "nic0", "--no-wait", "--json")[1]),
                         {"ok": True})

    def test_the_last_guest_s_end_is_the_system_s(self) -> None:
        self.system.ends_with = self.broker.stop
        status, out, errors = self.tessera("stop", "nic0")
        self.assertEqual((status, out, errors), (0, "nic0: ended, and the system with it\n", ""))

    def test_a_reader_that_has_enough(self) -> None:
        command = f"'{TOP}/tessera' ps --json --socket '{self.broker.path}' | true"
        done = subprocess.run(["bash", "-c", command + '; exit "${PIPESTATUS[0]}"'],
                              capture_output=True, text=True, timeout=120, check=False)
        self.assertIn((done.returncode, done.stderr), [(141, ""), (0, "")])

    def test_logs_of_nobody(self) -> None:
        self.assertEqual(self.tessera("logs", "nic0"), (0, "", ""))
        status, out, errors = self.tessera("logs", "nobody")
        self.assertEqual((status, out), (1, ""))
        self.assertIn('"nobody"', errors)

    def test_an_error_names_the_domain_once(self) -> None:
        for said, expected in (("it is running", "nic0: it is running"),
                               ("nic0: it is running", "nic0: it is running"),
                               ('there is no "nic0"', 'there is no "nic0"'),
                               ("nic01 is running", "nic0: nic01 is running")):
            self.assertEqual(Refused({"message": said, "domain": "nic0"}).explained(), expected)

    def test_a_right_that_lacks(self) -> None:
        status, _, errors = self.tessera("destroy", "nic0")
        self.assertEqual((status, errors), (4, "tessera: the right 'life' lacks\n"))
        status, out, _ = self.tessera("destroy", "nic0", "--json")
        self.assertEqual((status, json.loads(out)["error"]["code"]), (4, "denied"))

    def test_unknown(self) -> None:
        status, _, errors = self.tessera("why", "nobody")
        self.assertEqual(status, 1)
        self.assertIn("nobody: there is no such domain\n  try: ./tessera ps", errors)

    def test_upgrade(self) -> None:
        file = self.folder / "new.dom"
        file.write_bytes(os.urandom(70_000))
        status, out, _ = self.tessera("upgrade", "nic0", str(file))
        self.assertEqual((status, out), (0, f"nic0: runs virtio_net 1.1 ({'ab' * 6})\n"))
        self.assertEqual(self.system.uploaded, file.read_bytes())

    def test_upgrade_that_fails_tells_why(self) -> None:
        file = self.folder / "new.dom"
        file.write_bytes(b"bad")
        status, _, errors = self.tessera("upgrade", "nic0", str(file))
        self.assertEqual(status, 1)
        self.assertIn("did not prove itself\n  expected: a heartbeat within 1,000 ms", errors)

    def test_upgrade_dry_run(self) -> None:
        file = self.folder / "new.dom"
        file.write_bytes(b"new")
        status, out, _ = self.tessera("upgrade", "nic0", str(file), "--dry-run")
        self.assertEqual((status, out), (0, "nic0: it would be taken\n"))
        asked = [m["check"] for m in self.system.done if m["verb"] == "upgrade"]
        self.assertEqual(asked, [True])

    def test_plug_waits_until_it_is_there(self) -> None:
        for verb in ("plug", "unplug"):
            status, out, _ = self.tessera(verb, "nic0", "eth1")
            self.assertEqual((status, out), (0, f"eth1 of nic0: {verb}ged\n"))
        status, out, _ = self.tessera("devices", "--json")
        self.assertEqual(json.loads(out)[0]["state"], "unplugged")

    def test_plug_of_nothing_and_dry_run(self) -> None:
        status, _, errors = self.tessera("plug", "nic0", "eth7")
        self.assertEqual(status, 1)
        self.assertIn('no disk or VIF "eth7" in the description\n  try: eth1', errors)
        status, out, _ = self.tessera("plug", "nic0", "eth1", "--dry-run")
        self.assertEqual((status, out), (0, "eth1 of nic0: is unplugged; would be plugged\n"))
        self.assertNotIn("plug", [m["verb"] for m in self.system.done])

    def test_unplug_by_force_is_a_failure(self) -> None:
        self.system.obstinate = True
        status, _, errors = self.tessera("unplug", "nic0", "eth1")
        self.assertEqual(status, 1)
        self.assertIn("nic0: did not prove itself", errors)

    def test_console(self) -> None:
        """What is typed gets there, what it says is shown as it is, and the end leaves."""
        done = subprocess.run(
            [TOP / "tessera", "console", "debian", "--socket", self.broker.path],
            input=b"ls\n", capture_output=True, check=True, timeout=60)
        self.assertEqual(self.system.typed, b"ls\n")
        self.assertEqual(done.stdout, b"login: <b>\x1b[1mnot markup</b>ls\n")

    def test_console_in_a_terminal(self) -> None:
        ours, theirs = pty.openpty()
        self.addCleanup(os.close, ours)
        command = [TOP / "tessera", "console", "debian", "--socket", self.broker.path]
        with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs) as process:
            os.close(theirs)
            said = b""
            while b"markup" not in said:
                said += os.read(ours, 1024)
            os.write(ours, b"\x03x")
            while b"\x03x" not in said:
                said += os.read(ours, 1024)
            os.write(ours, b"\x1d")
            self.assertEqual(process.wait(60), 0)
        self.assertEqual(self.system.typed, b"\x03x")

    def test_no_system(self) -> None:
        self.broker.stop()
        status, _, errors = self.tessera("ps")
        self.assertEqual(status, 3)
        self.assertIn("nobody answers", errors)


class Texts(unittest.TestCase):
    def test_sizes_and_spans(self) -> None:
        for size, expected in ((0, "0 B"), (4096, "4 KiB"), (1 << 20, "1 MiB"),
                               (1536 << 20, "1.5 GiB"), (300_000_000, "286 MiB")):
            self.assertEqual(text.size(size), expected)
        for span, expected in ((5_000_000, "5 ms"), (90 * 10**9, "90.0 s"),
                               (150 * 10**9, "2 m 30 s"), (7500 * 10**9, "2 h 05 m")):
            self.assertEqual(text.span(span), expected)

    def test_no_commands_for_terminals(self) -> None:
        self.assertEqual(text.printable("a\x1b[2Jb\x07"), "a\\x1b[2Jb\\x07")

    def test_no_color(self) -> None:
        class Terminal(io.StringIO):
            def isatty(self) -> bool:
                return True

        plain, dumb, none = {"TERM": "xterm"}, {"TERM": "dumb"}, {"TERM": "xterm", "NO_COLOR": "1"}
        self.assertTrue(text.coloured(Terminal(), plain))
        for environment in (dumb, none):
            self.assertFalse(text.coloured(Terminal(), environment))
        self.assertFalse(text.coloured(io.StringIO(), plain))
