# SPDX-License-Identifier: BSD-2-Clause
"""A control domain that is played: for tests of the tools on the other end of the line."""

import base64
import contextlib
import socket
import threading
from pathlib import Path
from typing import Callable, Iterator, Optional

from control.frame import Decoder, Message, encode

DOMAIN = {
    "name": "nic0", "kind": "native", "state": "running", "domid": 7, "program": "virtio_net",
    "version": "1.0", "build_id": "ab" * 20, "vcpus": 1, "weight": 256, "cap": 0,
    "memory": 4 << 20, "maximum": 4 << 20, "run_ns": 5_000_000, "started_ns": 1_000,
    "incarnation": 0, "restarts": 0, "restarts_left": 3, "failures": 0, "heartbeat_ms": 1000,
    "previous": False, "device": "00:03.0 1af4:1041", "line": 31,
}
GUEST = {**DOMAIN, "name": "debian", "kind": "guest", "domid": 9, "program": "vmlinuz",
         "version": "", "device": "", "memory": 512 << 20}
SWITCH = {**DOMAIN, "name": "switch", "domid": 8, "program": "switch", "device": ""}
DEVICE = {"name": "eth1", "guest": "nic0", "kind": "vif", "server": "switch",
          "state": "unplugged", "changes": 0, "forced": 0, "line": 40}
PORT = {"name": "debian.eth0", "kind": "vif", "up": True, "in_packets": 1, "in_bytes": 2000,
        "out_packets": 3, "out_bytes": 4000, "dropped": {}}
SYSTEM = {"name": "played", "now_ns": 10**9, "memory": 1 << 30, "free": 1 << 29, "cpus": 2,
          "domains": 1, "iommu": True, "intremap": True, "signed": False}


class Played:
    """A control domain: one thread that answers on a socket as QEMU's end of a line."""

    def __init__(self, folder: Path, with_guest: bool = False):
        self.with_guest = with_guest
        self.path = folder / "line0.line"
        self.asked: list[Message] = []
        self.done: list[Message] = []  # what was asked the first time
        self.deaf = 0  # so many requests are lost
        self.noise = b""  # before each answer
        self.domain = dict(DOMAIN)
        self.device = dict(DEVICE)
        self.ends_with: Optional[Callable[[], None]] = None  # how the system ends with a `stop`
        self.obstinate = False  # a guest lets go of nothing by itself
        self.uploaded = b""
        self.typed = b""  # at the guest's console
        self.passed = 0  # seconds, by how often it was asked
        self._last: Optional[int] = None
        self._answers: list[Message] = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.path))
        self._listener.listen(1)
        self._line: Optional[socket.socket] = None
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        self._line, _ = self._listener.accept()
        decoder = Decoder()
        with contextlib.suppress(OSError):  # the other end may go at any time
            while data := self._line.recv(4096):
                for message in decoder.feed(data):
                    self._request(message)

    @staticmethod
    def console(data: bytes) -> Message:
        return {"event": "console", "name": "debian", "data": base64.b64encode(data).decode()}

    def close(self) -> None:
        self._listener.close()
        if self._line:
            with contextlib.suppress(OSError):
                self._line.shutdown(socket.SHUT_RDWR)
            self._thread.join(5)
            self._line.close()

    def say(self, message: Message) -> None:
        assert self._line
        self._line.sendall(self.noise + encode(message))

    def _request(self, message: Message) -> None:
        self.asked.append(message)
        if self.deaf:
            self.deaf -= 1
            return
        if message["id"] != self._last:
            self._last = message["id"]
            self.done.append(message)
            self._answers = list(self._answer(message))
        for answer in self._answers:
            self.say(answer if "event" in answer else {"id": message["id"], **answer})

    def _answer(self, message: Message) -> Iterator[Message]:
        verb, domain = message["verb"], self.domain
        good: Message = {"ok": True}
        if verb == "console":
            yield good
            if message.get("on"):
                yield self.console(b"login: <b>\x1b[1mnot markup</b>")
            elif "data" in message:
                self.typed += base64.b64decode(message["data"])
                yield self.console(base64.b64decode(message["data"]))
        elif verb == "logs":
            if message.get("name", "root") == "root":
                yield {"item": {"name": "root", "text": "[    0.1] up"}}
            yield {**good, "next": 12, "lost": 0, "more": False}
        elif "name" in message and message["name"] != domain["name"]:
            yield {"ok": False, "error": {
                "code": "unknown", "message": "there is no such domain",
                "domain": message["name"], "try": "./tessera ps"}}
        elif verb == "ps":
            yield {"item": dict(domain)}
            if self.with_guest:
                domain["run_ns"] = int(str(domain["run_ns"])) + 10_000_000
                yield {"item": GUEST}
                yield {"item": SWITCH}
            yield good
        elif verb == "net":
            yield {"item": PORT}
            if self.with_guest:
                yield {"item": {**PORT, "name": "eth0", "in_bytes": self.passed << 20}}
            yield good
        elif verb == "system":
            self.passed += self.with_guest
            yield {**good, **SYSTEM, "now_ns": 10**9 * (1 + self.passed)}
        elif verb == "stop":
            yield good
            if self.ends_with:
                threading.Timer(1, self.ends_with).start()
        elif verb == "destroy":
            yield {"ok": False, "error": {"code": "denied", "message": "the right 'life' lacks"}}
        elif verb in ("restart", "kill"):
            domain["incarnation"] = int(str(domain["incarnation"])) + 1
            yield good
            yield {"event": "state", "name": "nic0", "from": "ending", "to": "running",
                   "at_ns": 5, "incarnation": domain["incarnation"]}
        elif verb == "devices":
            yield {"item": dict(self.device)}
            yield good
            self.device["state"] = {"coming": "plugged", "leaving": "unplugged"}.get(
                str(self.device["state"]), self.device["state"])
        elif verb in ("plug", "unplug"):
            self.device["state"] = "coming" if verb == "plug" else "leaving"
            if self.obstinate:
                self.device["forced"] = int(str(self.device["forced"])) + 1
            yield good
        elif verb == "upload":
            if "size" in message:
                self.uploaded = b""
            else:
                self.uploaded += base64.b64decode(message["data"])
            yield good
        elif verb == "upgrade":
            if self.uploaded.startswith(b"bad"):
                domain["failures"] = int(str(domain["failures"])) + 1
            elif not message.get("check"):
                domain["incarnation"] = int(str(domain["incarnation"])) + 1
                domain["version"] = "1.1"
            yield good
        elif verb == "why":
            yield {**good, "failures": domain["failures"], "code": "failed", "at_ns": 10**9,
                   "what": "did not prove itself", "expected": "a heartbeat within 1,000 ms",
                   "found": "none", "try": "./tessera logs nic0"}
        else:
            yield good
