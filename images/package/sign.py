# SPDX-License-Identifier: BSD-2-Clause
"""Ed25519 keys and signatures of packages. The arithmetic is openssl's, of the
distribution; keys are the PEM files that it writes:

    openssl genpkey -algorithm ed25519 -out tessera.key
    openssl pkey -in tessera.key -pubout -out tessera.pub
"""

import base64
import re
import subprocess
import tempfile
from pathlib import Path

from . import dom

PREFIX = bytes.fromhex("302a300506032b6570032100")  # of an Ed25519 public key in DER (RFC 8410)


class KeyFailure(Exception):
    """The key cannot be used; the text says why."""


def public_key(path: Path) -> bytes:
    """The 32 bytes of a public key file. Raises KeyFailure."""
    try:
        text = path.read_text(encoding="ascii")
    except OSError as error:
        raise KeyFailure(f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:
        text = ""
    found = re.search(r"-{5}BEGIN PUBLIC KEY-{5}([A-Za-z0-9+/=\s]+)-{5}END PUBLIC KEY-{5}", text)
    try:
        data = base64.b64decode(found[1]) if found else b""
    except ValueError:
        data = b""
    if len(data) != len(PREFIX) + 32 or not data.startswith(PREFIX):
        raise KeyFailure("it is no Ed25519 public key as `openssl pkey -pubout` writes it")
    return data[len(PREFIX) :]


def _openssl(*arguments: "str | Path") -> bytes:
    try:
        result = subprocess.run(["openssl", *arguments], capture_output=True, check=False)
    except FileNotFoundError as error:
        raise KeyFailure("the program openssl is missing") from error
    if result.returncode:
        raise KeyFailure(result.stderr.decode(errors="replace").strip().splitlines()[-1])
    return result.stdout


def sign(package: dom.Package, key: Path) -> None:
    """Sign it with the private key in that file. Raises KeyFailure."""
    if not key.is_file():
        raise KeyFailure("it is no file")
    der = _openssl("pkey", "-in", key, "-pubout", "-outform", "DER")
    if not der.startswith(PREFIX):
        raise KeyFailure("it is no Ed25519 key")
    with tempfile.NamedTemporaryFile(prefix="tessera.") as message:
        message.write(package.header()[: dom.KEY_AT])
        message.flush()
        package.signature = _openssl(
            "pkeyutl", "-sign", "-inkey", key, "-rawin", "-in", message.name)
    package.key = der[len(PREFIX) :]


def verify(package: dom.Package) -> bool:
    """Whether the signature is by the key that the package names. Raises KeyFailure."""
    with tempfile.TemporaryDirectory(prefix="tessera.") as name:
        folder = Path(name)
        (folder / "key").write_bytes(PREFIX + package.key)
        (folder / "message").write_bytes(package.header()[: dom.KEY_AT])
        (folder / "signature").write_bytes(package.signature)
        result = subprocess.run(
            ["openssl", "pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey",
             folder / "key", "-rawin", "-in", folder / "message", "-sigfile",
             folder / "signature"], capture_output=True, check=False)
    return result.returncode == 0
