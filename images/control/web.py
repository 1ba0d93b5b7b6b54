# SPDX-License-Identifier: BSD-2-Clause
"""`./tessera web`: a page that shows the running system, for browsers on this machine.

    GET  /            the page; page.js, page.css: all that it needs
    GET  /api/system  what does not change: domains' wiring and devices, out of the description
    GET  /api/state   what does: domains, ports of the switch, disks
    GET  /api/console?name=N    a stream of what a guest's console says (server-sent events)
    POST /api/change  {"verb": "restart", "name": "nic0"}; /api/upgrade?name=N with the file;
                      /api/console?name=N with what was typed

What changes something needs --allow-control and the token, which is in the address that
the command prints: no other page that the browser shows knows it. Requests under another
host's name are refused, so that no name server can make this page a part of another site.
"""

import argparse
import base64
import hmac
import json
import secrets
import sys
import threading
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Optional
from urllib.parse import parse_qs, urlsplit

from description import DescriptionError, read_file
from launcher.paths import Failure

from . import systems, text
from .client import Client, Refused, Unreachable
from .frame import Message
from .verbs import proven

PAGE = Path(__file__).parent / "page"
FILES = {"/": ("index.html", "text/html"), "/page.js": ("page.js", "text/javascript"),
         "/page.css": ("page.css", "text/css")}
CHANGES = ("restart", "kill", "clear", "pause", "unpause", "start", "stop", "rollback")
POLICY = ("default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
          "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
FRESH_SECONDS = 0.5  # a state that is younger serves all browsers
LARGEST_BODY = 4 << 20
UPGRADE_PATIENCE = 60.0


def wiring(description: Optional[Path]) -> Message:
    """Who is joined to whom, as the description says; empty if it cannot be read."""
    if description is None:
        return {"connections": [], "devices": [], "vifs": {}}
    try:
        system = read_file(description)
    except (DescriptionError, OSError):
        return {"connections": [], "devices": [], "vifs": {}}
    return {
        "connections": [{"protocol": protocol, "server": server, "client": client}
                        for protocol, server, client, _ in system.joined()],
        "devices": [{"domain": entry.name, "device": entry["device"].looks_for}
                    for entry in system.natives if entry["device"] is not None],
        "vifs": {vif.name: vif["guest"] for vif in system.vifs},
    }


class System:
    """The running system, for all browsers: one line, one request at a time."""

    def __init__(self, arguments: argparse.Namespace):
        self._arguments = arguments
        self._client = systems.connect(arguments)
        self._lock = threading.Lock()
        self._state: Message = {}
        self._at = 0.0
        running = systems.running() if not arguments.socket else None
        self.wiring = wiring(Path(running.description) if running else arguments.description)

    def client(self) -> Client:
        return systems.connect(self._arguments)

    def _optional(self, verb: str) -> Optional[list[Message]]:
        """None: this control domain does not see such things."""
        try:
            return self._client.items(verb)
        except Refused:
            return None

    def state(self) -> Message:
        with self._lock:
            if time.monotonic() - self._at >= FRESH_SECONDS:
                system = self._client.request("system")
                self._state = {
                    "system": {k: v for k, v in system.items() if k not in ("id", "ok")},
                    "domains": self._client.items("ps"),
                    "net": self._optional("net"), "blk": self._optional("blk"),
                }
                self._at = time.monotonic()
            return self._state

    def change(self, verb: str, name: str) -> None:
        with self._lock:
            self._client.request(verb, name=name)
            self._at = 0.0

    def upgrade(self, name: str, data: bytes) -> Message:
        with self.client() as client:
            before = client.items("ps", name=name)[0]
            client.upload(data)
            client.request("events", on=True)
            client.request("upgrade", name=name)
            return proven(client, name, before, UPGRADE_PATIENCE)


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], system: System, token: Optional[str]):
        super().__init__(address, Handler)
        self.system, self.token = system, token
        self.ended = threading.Event()

    @property
    def names(self) -> set[str]:
        """What browsers may call this server."""
        port = self.server_address[1]
        return {f"{name}:{port}" for name in
                ("localhost", "127.0.0.1", "[::1]", str(self.server_address[0]))}


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"
    server_version = "tessera"
    sys_version = ""

    def log_message(self, *_: Any) -> None:
        """Nobody reads it."""

    def _head(self, status: int, kind: str, length: Optional[int]) -> None:
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Security-Policy", POLICY)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Cache-Control", "no-store")
        if length is None:
            self.send_header("Connection", "close")
        else:
            self.send_header("Content-Length", str(length))
        self.end_headers()

    def _give(self, value: Any, status: int = HTTPStatus.OK) -> None:
        data = json.dumps(value).encode()
        self._head(status, "application/json", len(data))
        self.wfile.write(data)

    def _refuse(self, status: int, text: str) -> None:
        self.close_connection = True
        self._give({"error": {"code": "denied", "message": text}}, status)

    def _serve(self, method: Any) -> None:
        """With the errors of the line as answers."""
        if self.headers.get("Host", "") not in self.server.names:
            self._refuse(HTTPStatus.FORBIDDEN, "this page is for browsers on its own machine")
            return
        try:
            method(urlsplit(self.path))
        except Refused as error:
            self._give({"error": error.fields}, HTTPStatus.CONFLICT)
        except (Unreachable, Failure) as error:
            self._give({"error": {"code": "unreachable", "message": str(error)}},
                       HTTPStatus.BAD_GATEWAY)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def do_GET(self) -> None:
        self._serve(self._get)

    def do_POST(self) -> None:
        self._serve(self._post)

    def _get(self, url: Any) -> None:
        if url.path in FILES:
            name, kind = FILES[url.path]
            data = (PAGE / name).read_bytes()
            self._head(HTTPStatus.OK, kind, len(data))
            self.wfile.write(data)
        elif url.path == "/api/system":
            self._give({**self.server.system.wiring, "control": self.server.token is not None})
        elif url.path == "/api/state":
            self._give(self.server.system.state())
        elif url.path == "/api/console":
            self._console(parse_qs(url.query).get("name", [""])[0])
        else:
            self._refuse(HTTPStatus.NOT_FOUND, f"there is no {url.path}")

    def _console(self, name: str) -> None:
        with self.server.system.client() as client:
            client.request("console", name=name, on=True)
            self._head(HTTPStatus.OK, "text/event-stream", None)
            self.close_connection = True
            self.wfile.write(b": it begins\n\n")
            while not self.server.ended.is_set():
                event = client.event(1.0)
                if event is None:
                    self.wfile.write(b": nothing\n\n")  # finds out that the browser has gone
                elif event.get("event") == "console" and event.get("name") == name:
                    self.wfile.write(b"data: " + str(event["data"]).encode() + b"\n\n")
                elif event.get("event") == "lost" and event.get("of") == "console":
                    said = f"\r\n[{text.lost(event, 'bytes')}]\r\n".encode()
                    self.wfile.write(b"data: " + base64.b64encode(said) + b"\n\n")
                self.wfile.flush()

    def _allowed(self) -> bool:
        token = self.server.token
        if token is None:
            self._refuse(HTTPStatus.FORBIDDEN, "start './tessera web' with --allow-control")
            return False
        if not hmac.compare_digest(self.headers.get("X-Token", "").encode(), token.encode()):
            self._refuse(HTTPStatus.FORBIDDEN, "the token is missing or wrong: use the whole "
                         "address that './tessera web' has printed")
            return False
        return True

    def _post(self, url: Any) -> None:
        length = self.headers.get("Content-Length", "")
        if not self._allowed():
            return
        if not length.isdecimal() or int(length) > LARGEST_BODY:
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"at most {LARGEST_BODY} bytes")
            return
        data = self.rfile.read(int(length))
        name = parse_qs(url.query).get("name", [""])[0]
        if url.path == "/api/change":
            self._change(data)
        elif url.path == "/api/upgrade":
            self._give(self.server.system.upgrade(name, data))
        elif url.path == "/api/console":
            with self.server.system.client() as client:
                client.request("console", name=name, data=base64.b64encode(data).decode())
            self._give({})
        else:
            self._refuse(HTTPStatus.NOT_FOUND, f"there is no {url.path}")

    def _change(self, data: bytes) -> None:
        try:
            asked = json.loads(data)
            verb, name = str(asked["verb"]), str(asked["name"])
        except (ValueError, KeyError, TypeError):
            self._refuse(HTTPStatus.BAD_REQUEST, "expected a verb and a name")
            return
        if verb not in CHANGES:
            self._refuse(HTTPStatus.BAD_REQUEST, f"found {verb}, expected {', '.join(CHANGES)}")
            return
        self.server.system.change(verb, name)
        self._give({})


def serve(arguments: argparse.Namespace) -> int:
    token = secrets.token_urlsafe(24) if arguments.allow_control else None
    system = System(arguments)
    try:
        server = Server((arguments.address, arguments.port), system, token)
    except OSError as error:
        raise Failure(f"{arguments.address}:{arguments.port}: {error.strerror}") from error
    address = f"http://{arguments.address}:{server.server_address[1]}/"
    print(address + (f"#{token}" if token else ""), flush=True)
    try:
        server.serve_forever(poll_interval=0.2)
    except KeyboardInterrupt:
        print(file=sys.stderr)
    finally:
        server.ended.set()
        server.server_close()
    return 0


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("web", help="a page that shows the running system")
    parser.add_argument("--address", default="127.0.0.1", metavar="A", help="where it listens")
    parser.add_argument("--port", type=int, default=8420, metavar="N", help="0: any")
    parser.add_argument("--allow-control", action="store_true",
                        help="buttons and consoles may change something, with the token")
    parser.add_argument("--description", type=Path, metavar="FILE",
                        help="of the system behind --socket")
    systems.add_arguments(parser)
    parser.set_defaults(call=serve)
