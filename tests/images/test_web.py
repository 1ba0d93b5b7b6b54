# SPDX-License-Identifier: BSD-2-Clause
"""The page of ./tessera web: what the server refuses, and what a real Chromium shows of a
system that is played. The browser is spoken to by the WebDriver protocol."""

import contextlib
import http.client
import json
import re
import subprocess
import tempfile
import time
import unittest
from pathlib import Path
from typing import Any, Callable, Iterator, Optional

from control.broker import Broker
from launcher.paths import TOP

from tests.images.played import Played

DESCRIPTION = TOP / "images" / "default.toml"
PATIENCE = 60.0


class Web(unittest.TestCase):
    allow: list[str] = ["--allow-control"]

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.system = Played(self.folder, with_guest=True)
        self.addCleanup(self.system.close)
        broker = Broker(self.system.path, self.folder / "line0.control").start()
        self.addCleanup(broker.stop)
        self.process = subprocess.Popen(
            [TOP / "tessera", "web", "--port", "0", "--socket", broker.path, "--description",
             DESCRIPTION, *self.allow], stdout=subprocess.PIPE, text=True)
        self.addCleanup(self._end)
        assert self.process.stdout
        self.url = self.process.stdout.readline().strip()
        found = re.fullmatch(r"http://127\.0\.0\.1:(\d+)/(?:#(.+))?", self.url)
        assert found, self.url
        self.port, self.token = int(found[1]), found[2]

    def _end(self) -> None:
        self.process.terminate()
        self.process.communicate(timeout=10)

    def ask(self, method: str, path: str, body: Optional[bytes] = None,
            **headers: str) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        with contextlib.closing(connection):
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            data = answer.read()
        kind = answer.headers["Content-Type"] or ""
        return answer.status, json.loads(data) if kind.startswith("application/json") else data


class Server(Web):
    RESTART = b'{"verb": "restart", "name": "nic0"}'

    def test_what_it_serves(self) -> None:
        for path, part in (("/", b"<title>Tessera"), ("/page.js", b"use strict"),
                           ("/page.css", b":root")):
            status, data = self.ask("GET", path)
            self.assertEqual(status, 200)
            self.assertIn(part, data)
            # Nothing from outside; a name space is no address.
            self.assertNotRegex(data, rb"https?://(?!www\.w3\.org/2000/svg)")
        self.assertEqual(self.ask("GET", "/../cli.py")[0], 404)

    def test_state(self) -> None:
        status, state = self.ask("GET", "/api/state")
        self.assertEqual((status, [d["name"] for d in state["domains"]]),
                         (200, ["nic0", "debian", "switch"]))
        _, wiring = self.ask("GET", "/api/system")
        self.assertIn({"protocol": "net", "server": "switch", "client": "nic0"},
                      wiring["connections"])
        self.assertEqual(wiring["vifs"], {"eth0": "debian", "eth1": "debian"})

    def test_only_for_this_machine(self) -> None:
        """A name that somebody's name server points here is refused."""
        for path in ("/", "/api/state"):
            self.assertEqual(self.ask("GET", path, Host=f"evil.example:{self.port}")[0], 403)

    def test_changes_need_the_token(self) -> None:
        for headers in ({}, {"X-Token": "wrong"}, {"X-Token": ""}):
            status, said = self.ask("POST", "/api/change", self.RESTART, **headers)
            self.assertEqual(status, 403)
            self.assertIn("token", said["error"]["message"])
        self.assertNotIn("restart", [m["verb"] for m in self.system.done])
        status, _ = self.ask("POST", "/api/change", self.RESTART, **{"X-Token": self.token})
        self.assertEqual(status, 200)
        self.assertIn("restart", [m["verb"] for m in self.system.done])

    def test_bad_requests(self) -> None:
        good = {"X-Token": self.token}
        for body in (b"", b"[]", b"{", b'{"verb": "upload", "name": "nic0"}', b'{"verb": 1}'):
            self.assertEqual(self.ask("POST", "/api/change", body, **good)[0], 400, body)
        status, _ = self.ask("POST", "/api/change", None, **good, **{"Content-Length": "99999999"})
        self.assertEqual(status, 413)
        self.assertEqual(self.ask("POST", "/api/none", b"", **good)[0], 404)

    def test_a_refusal_is_told(self) -> None:
        status, said = self.ask("POST", "/api/change", b'{"verb": "kill", "name": "nobody"}',
                                **{"X-Token": self.token})
        self.assertEqual((status, said["error"]["code"]), (409, "unknown"))


class Closed(Web):
    allow = []

    def test_no_changes(self) -> None:
        self.assertIsNone(self.token)
        status, said = self.ask("POST", "/api/change", Server.RESTART, **{"X-Token": ""})
        self.assertEqual(status, 403)
        self.assertIn("--allow-control", said["error"]["message"])


class Browser:
    """A session of Chromium's. Raises KeyError for what is not on the page."""

    def __init__(self, port: int):
        self._port = port
        options = {"args": ["--headless=new", "--no-sandbox", "--disable-gpu",
                            "--disable-dev-shm-usage"]}
        self._session = "/session"
        wanted = {"capabilities": {"alwaysMatch": {"goog:chromeOptions": options}}}
        self._session += "/" + self._call("POST", "", wanted)["sessionId"]

    def _call(self, method: str, path: str, body: Optional[dict[str, Any]] = None) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE)
        with contextlib.closing(connection):
            connection.request(method, self._session + path,
                               None if body is None else json.dumps(body))
            answer = connection.getresponse()
            value = json.loads(answer.read())["value"]
        if answer.status != 200:
            raise KeyError(f"{path}: {value}")
        return value

    def go(self, url: str) -> None:
        self._call("POST", "/url", {"url": url})

    def run(self, script: str) -> Any:
        return self._call("POST", "/execute/sync", {"script": script, "args": []})

    def _element(self, css: str) -> str:
        found = self._call("POST", "/element", {"using": "css selector", "value": css})
        return f"/element/{next(iter(found.values()))}"

    def click(self, css: str) -> None:
        self._call("POST", self._element(css) + "/click", {})

    def write(self, css: str, text: str) -> None:
        self._call("POST", self._element(css) + "/value", {"text": text})

    def close(self) -> None:
        self._call("DELETE", "")


@contextlib.contextmanager
def browser() -> Iterator[Browser]:
    driver = subprocess.Popen(["chromedriver", "--port=0"], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True)
    try:
        assert driver.stdout
        for line in driver.stdout:
            if found := re.search(r"started successfully on port (\d+)", line):
                break
        else:
            raise RuntimeError("chromedriver did not start")
        session = Browser(int(found[1]))
        yield session
        session.close()
    finally:
        driver.terminate()
        driver.communicate(timeout=10)


class InChromium(Web):
    def until(self, wanted: Callable[[], Any], what: str) -> Any:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            with contextlib.suppress(KeyError):
                if found := wanted():
                    return found
            time.sleep(0.1)
        return self.fail(f"not within {PATIENCE:g} s: {what}")

    def test_a_visit(self) -> None:
        with browser() as page:
            page.go(self.url)
            text = "return document.querySelector({!r})?.textContent || ''".format
            self.until(lambda: "played" in page.run(text("#name")), "the system's name")
            self.assertIn("2 CPUs, 512 MiB of 1 GiB free", page.run(text("#facts")))
            self.assertEqual(page.run("return [...document.querySelectorAll('.domain.running')]"
                                      ".map((g) => g.dataset.name)"), ["nic0", "debian", "switch"])
            self.until(lambda: "% CPU" in page.run(text("[data-plot=nic0]")), "a plot")
            curves = "return document.querySelectorAll('.plot path.cpu').length"
            self.assertEqual(page.run(curves), 3)
            self.until(lambda: "net 1 MiB/s" in page.run(text("[data-plot=debian]")),
                       "a plot of the network")
            self.until(lambda: page.run(text("[data-flow='debian vif']")) == "1 MiB/s",
                       "a ring with its traffic")

            page.click("[data-name=nic0]")
            self.until(lambda: "virtio_net 1.0" in page.run(text("#values")), "the details")
            page.click("#buttons button")
            self.until(lambda: page.run(text("#said")) == "restart nic0: done", "the restart")
            self.assertIn("restart", [m["verb"] for m in self.system.done])

            file = self.folder / "new.dom"
            file.write_bytes(b"new program")
            page.write("#buttons input[type=file]", str(file))
            self.until(lambda: page.run(text("#said")) == "upgrade nic0: done", "the upgrade")
            self.assertEqual(self.system.uploaded, b"new program")
            self.until(lambda: "virtio_net 1.1" in page.run(text("#values")), "the new version")

    def test_a_console(self) -> None:
        with browser() as page:
            page.go(self.url)
            self.until(lambda: page.run("return !!document.querySelector('[data-name=debian]')"),
                       "the guest")
            page.click("[data-name=debian]")
            said = "return document.querySelector('#console').textContent"
            self.until(lambda: page.run(said) == "login: <b>not markup</b>", "its console")
            page.write("#console", "ls")
            self.until(lambda: sorted(self.system.typed) == sorted(b"ls"), "what was typed")
            self.until(lambda: len(page.run(said)) == len("login: <b>not markup</b>ls"), "the echo")

    def test_the_system_ends(self) -> None:
        with browser() as page:
            page.go(self.url)
            self.until(lambda: page.run("return document.querySelectorAll('.domain').length") == 3,
                       "the picture")
            self.system.deaf = 1 << 30
            self.until(lambda: page.run("return document.querySelector('#trouble').textContent"),
                       "a word about it")
