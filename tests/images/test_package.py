# SPDX-License-Identifier: BSD-2-Clause
"""Packages on the host: the bytes against proto/package.h, what is refused, signatures
by openssl, and the commands inspect and sign."""

import contextlib
import io
import json
import re
import struct
import subprocess
import tempfile
import unittest
from pathlib import Path

from launcher.cli import _parser
from launcher.paths import TOP, Failure
from package import dom, sign

IMAGE = b"TSRANAT1" + struct.pack(
    "<7Q", 0x400000, 0x400040, 0x401000, 0x402000, 0x403000, 0x418000, 0
)
NEEDS = [
    dom.Need(dom.CONNECTION, 11, dom.CLIENT, 1, 2), dom.Need(dom.CAPABILITY, 4, 0, 0, 0),
    dom.Need(dom.LIFEBOAT, 0, 0, 1, 3, dom.OPTIONAL), dom.Need(dom.RUNTIME, 0, 0, 1, 1),
]


def package() -> dom.Package:
    return dom.Package("nvme", "1.2", IMAGE, list(NEEDS)).seal()


def tessera(*words: str) -> tuple[int, str]:
    arguments = _parser().parse_args(list(words))
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        status = int(arguments.call(arguments))
    return status, said.getvalue()


class File(unittest.TestCase):
    def test_layout_is_that_of_the_header(self) -> None:
        program = """#include <stdio.h>
            #include "proto/package.h"
            int main(void) { printf("%zu %zu %zu %zu %zu", sizeof(struct package),
                sizeof(struct package_need), offsetof(struct package, digest), PACKAGE_SIGNED,
                offsetof(struct package, signature)); }"""
        with tempfile.TemporaryDirectory() as name:
            made = Path(name) / "layout"
            subprocess.run(["gcc", "-x", "c", "-I", TOP, "-o", made, "-"], check=True,
                           input=program.encode())
            said = subprocess.run([made], check=True, capture_output=True, text=True).stdout
        self.assertEqual(list(map(int, said.split())), [
            dom.HEADER.size, dom.NEED.size, dom.DIGEST_AT, dom.KEY_AT, dom.KEY_AT + 32])

    def test_there_and_back(self) -> None:
        again = dom.parse(package().packed())
        self.assertEqual(again, package())
        self.assertEqual(again.find(dom.CONNECTION, 11, dom.CLIENT), NEEDS[0])
        self.assertIsNone(again.find(dom.CONNECTION, 11, dom.SERVER))

    def test_any_altered_byte_is_found(self) -> None:
        data = package().packed()
        for at in [*range(0, dom.KEY_AT, 13), *range(dom.HEADER.size, len(data), 7), 4095]:
            altered = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
            with self.assertRaises(dom.PackageError):
                dom.parse(altered)
        for wrong in (b"", data[:100], data[:-1], data + b"x"):
            with self.assertRaises(dom.PackageError):
                dom.parse(wrong)

    def test_needs_once_and_in_order(self) -> None:
        doubled = package()
        doubled.needs.append(NEEDS[0])
        with self.assertRaisesRegex(dom.PackageError, "twice"):
            dom.parse(doubled.seal().packed())


class Commands(unittest.TestCase):
    def test_sign_and_inspect(self) -> None:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            file, key, public = folder / "nvme.dom", folder / "k", folder / "k.pub"
            file.write_bytes(package().packed())
            for command in (["genpkey", "-algorithm", "ed25519", "-out", key],
                            ["pkey", "-in", key, "-pubout", "-out", public]):
                subprocess.run(["openssl", *command], check=True)
            self.assertIn("signature  none", tessera("inspect", str(file))[1])
            status, said = tessera("sign", str(file), "--key", str(key), "--json")
            self.assertEqual((status, json.loads(said)["key"]), (0, sign.public_key(public).hex()))
            status, said = tessera("inspect", str(file), "--json")
            shown = json.loads(said)
            self.assertEqual((status, shown["signature"], shown["key"]),
                             (0, "good", sign.public_key(public).hex()))
            self.assertEqual(shown["needs"][0], {
                "optional": False, "connection": "disk", "role": "client", "versions": [1, 2]})
            self.assertRegex(tessera("inspect", str(file))[1], r"disk client +1 to 2")
            forged = dom.read(file)
            forged.signature = bytes(64)
            file.write_bytes(forged.packed())
            status, said = tessera("inspect", str(file))
            self.assertEqual((status, bool(re.search("signature  wrong", said))), (1, True))

    def test_wrong_keys_are_refused(self) -> None:
        with tempfile.TemporaryDirectory() as name:
            file, key = Path(name) / "nvme.dom", Path(name) / "k"
            file.write_bytes(package().packed())
            with self.assertRaises(Failure):
                tessera("sign", str(file), "--key", str(key))
            key.write_text("no key\n")
            with self.assertRaises(Failure):
                tessera("sign", str(file), "--key", str(key))
            subprocess.run(["openssl", "genpkey", "-algorithm", "x25519", "-out", key], check=True)
            with self.assertRaises(Failure):
                tessera("sign", str(file), "--key", str(key))
            with self.assertRaises(sign.KeyFailure):
                sign.public_key(key)
            self.assertEqual(file.read_bytes(), package().packed())
