# SPDX-License-Identifier: BSD-2-Clause
"""The control line of a running system, used badly: noise, frames that lie about their
length, two operators at once, one who asks and does not read, one who goes in the middle of an
upload. The system goes on, the other control domain answers, and nothing is half done."""

import random
import socket
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

from control.broker import Broker
from control.client import Client, Refused
from control.frame import encode
from package import dom, sign
from tests.boot.test_control import LIMIT, Managed, description, managed
from tests.support import build_dir


def package(name: str) -> bytes:
    return (build_dir() / "servers" / f"{name}.dom").read_bytes()


def wait_again(client: Client, name: str) -> None:
    """Until the domain was started again, once, and runs."""
    deadline = time.monotonic() + LIMIT
    while True:
        found = client.items("ps", name=name)[0]
        if (found["incarnation"], found["state"]) == (1, "running"):
            return
        if time.monotonic() > deadline:
            raise AssertionError(f"{name}: {found}")
        time.sleep(0.1)


class ControlLine(unittest.TestCase):
    def untouched(self, it: Managed) -> None:
        """The guest runs, the other control domain answers, and no domain was started again."""
        it.console.send("echo alive$((1 + 1))\n")
        it.console.expect("alive2", LIMIT)
        with it.another("monitor") as monitor:
            found = {item["name"]: item["incarnation"] for item in monitor.items("ps")}
        self.assertEqual({name for name, again in found.items() if again}, set())

    def test_noise_and_lying_frames(self) -> None:
        noise = random.Random(7)
        with managed() as it:
            it.client.close()
            with socket.socket(socket.AF_UNIX) as raw:
                raw.connect(str(it.folder / "operator"))
                for _ in range(40):
                    raw.sendall(bytes(noise.randrange(256) for _ in range(2000)) + b"\n")
                    raw.sendall(b"TC1 %08x %08x " % (noise.randrange(1 << 32),
                                                     noise.randrange(1 << 32)))
                    good = encode({"id": 1, "verb": "kill", "name": "store"})
                    raw.sendall(good[: noise.randrange(len(good) - 1)] + b"\n")
                    raw.sendall(good.replace(b"kill", b"kilo") + b"\n")
                raw.sendall(b"TC1 ffffffff 00000000 " + b"x" * 100_000 + b"\n")
                raw.sendall(b"TC1 0000ffff 00000000 {")
            it.client = it.another("operator")
            self.assertEqual(it.client.request("hello")["session"], 1)
            self.untouched(it)

    def test_two_operators(self) -> None:
        """Each is done once; an upload belongs to who began it."""
        with managed() as it:
            it.client.close()
            broker = Broker(it.folder / "operator", it.folder / "broker").start()
            self.addCleanup(broker.stop)
            with Client(broker.path, LIMIT) as one, Client(broker.path, LIMIT) as two:
                data = package("store")
                one.request("upload", size=len(data))
                with self.assertRaises(Refused) as caught:
                    two.upload(data)
                self.assertEqual(caught.exception.code, "busy")
                with self.assertRaises(Refused) as caught:
                    two.request("upgrade", name="store")
                self.assertEqual(caught.exception.code, "busy")
                two.request("restart", name="line1")
                one.request("set", name="one", key="weight", value=300)
                two.request("set", name="one", key="weight", value=400)
                found = {item["name"]: item for item in one.items("ps")}
                self.assertEqual(found["one"]["weight"], 400)
                self.assertEqual(found["store"]["incarnation"], 0)
                wait_again(one, "line1")
                one.upload(data)
                self.assertTrue(one.request("upgrade", name="store", check=True)["ok"])
                two.upload(data)

    def test_who_asks_and_does_not_read(self) -> None:
        with managed() as it:
            it.client.close()
            with socket.socket(socket.AF_UNIX) as raw:
                raw.connect(str(it.folder / "operator"))
                raw.settimeout(2)
                try:
                    for number in range(1, 20_000):
                        raw.sendall(encode({"id": number, "verb": "caps", "name": "store"}))
                except TimeoutError:
                    pass  # the line holds it up
                self.untouched(it)
            it.client = it.another("operator")
            self.assertEqual(it.client.request("hello")["session"], 1)

    def test_an_end_in_the_middle_of_an_upload(self) -> None:
        with managed() as it:
            data = package("store")
            it.client.request("upload", size=len(data))
            it.client.request("upload", offset=0, data="QUJD")
            it.client.close()
            it.client = it.another("operator")
            with self.assertRaises(Refused) as caught:
                it.client.request("upgrade", name="store", check=True)
            self.assertEqual(caught.exception.code, "bad-package", str(caught.exception))
            it.client.request("upload", size=len(data))
            it.client.request("restart", name="operator")
            with self.assertRaises(Refused) as caught:
                it.client.request("upload", offset=len(data), data="QUJD")
            it.client.upload(data)
            it.client.request("upgrade", name="store", check=True)
            self.assertEqual(it.client.items("ps", name="store")[0]["incarnation"], 0)


class Signed(unittest.TestCase):
    """With a public key in the image, root takes what is signed by it and nothing else."""

    def keys(self, folder: Path, name: str) -> Path:
        key = folder / name
        subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", key], check=True)
        subprocess.run(["openssl", "pkey", "-in", key, "-pubout", "-out", f"{key}.pub"],
                       check=True)
        return key

    def refused(self, it: Managed, data: bytes) -> str:
        it.client.upload(data)
        with self.assertRaises(Refused) as caught:
            it.client.request("upgrade", name="store")
        self.assertEqual(caught.exception.code, "bad-package", str(caught.exception))
        self.assertEqual(it.client.items("ps", name="store")[0]["incarnation"], 0)
        return str(caught.exception)

    def test_only_what_is_signed(self) -> None:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            mine, other = self.keys(folder, "mine"), self.keys(folder, "other")
            path = folder / "store.dom"

            def signed(key: Path) -> bytes:
                path.write_bytes(package("store"))
                found = dom.read(path)
                sign.sign(found, key)
                return found.packed()

            text = description().replace("[system]", f'[system]\nsigned = "{mine}.pub"', 1)
            with managed(text) as it:
                self.assertTrue(it.client.request("system")["signed"])
                good = signed(mine)
                altered = bytearray(good)
                altered[-100] ^= 1
                said = [self.refused(it, package("store")), self.refused(it, signed(other)),
                        self.refused(it, bytes(altered)), self.refused(it, good[:-1])]
                self.assertEqual(len(set(said)), 4, f"one reason for several: {said}")
                self.assertRegex(said[0], "not signed|no signature")
                it.client.upload(good)
                it.client.request("upgrade", name="store")
                wait_again(it.client, "store")


if __name__ == "__main__":
    unittest.main()
