# SPDX-License-Identifier: BSD-2-Clause
"""The .dom file, byte by byte: proto/package.h is the contract, and tests/images
compares the sizes and offsets here with what a C compiler says. Reading checks all
that libs/package checks, with the same words."""

import hashlib
import struct
from dataclasses import dataclass, field
from pathlib import Path

HEADER = struct.Struct("<QIII4x32s16s20s4x1024s64s32s64s2816x")
NEED = struct.Struct("<6HI")
MAGIC = 0x314D4F4441525354
FORMAT = 1
MAX_NEEDS, MAX_IMAGE = 64, 64 << 20
DIGEST_AT, KEY_AT = 1120, 1184  # KEY_AT: what is signed ends here
CONNECTION, CAPABILITY, LIFEBOAT, RUNTIME = 1, 2, 3, 4
OPTIONAL = 1
SERVER, CLIENT = 1, 2
ROLES = {SERVER: "server", CLIENT: "client"}
CAPABILITIES = {
    1: "memory", 2: "domain", 3: "cpu", 4: "irq", 5: "ioports", 6: "mmio", 7: "dmaspace",
    8: "trace", 9: "console",
}


class PackageError(Exception):
    """The file is no package that can be used; the text says why."""


@dataclass(frozen=True, order=True)
class Need:
    kind: int
    what: int
    role: int
    oldest: int
    newest: int
    flags: int = 0

    @property
    def optional(self) -> bool:
        return bool(self.flags & OPTIONAL)

    def packed(self) -> bytes:
        return NEED.pack(self.kind, self.flags, self.what, self.role, self.oldest, self.newest, 0)


@dataclass
class Package:
    name: str
    release: str
    image: bytes
    needs: list[Need] = field(default_factory=list)
    build_id: bytes = bytes(20)
    digest: bytes = bytes(64)
    key: bytes = bytes(32)
    signature: bytes = bytes(64)

    @property
    def is_signed(self) -> bool:
        return any(self.key)

    def find(self, kind: int, what: int = 0, role: int = 0) -> "Need | None":
        return next((need for need in self.needs
                     if (need.kind, need.what, need.role) == (kind, what, role)), None)

    def header(self) -> bytes:
        return HEADER.pack(
            MAGIC, FORMAT, len(self.image), len(self.needs), self.name.encode(),
            self.release.encode(), self.build_id, b"".join(need.packed() for need in self.needs),
            self.digest, self.key, self.signature,
        )

    def seal(self) -> "Package":
        """Build id and digest of what it is now; a signature ends."""
        self.build_id = hashlib.sha512(self.image).digest()[:20]
        self.key, self.signature = bytes(32), bytes(64)
        self.digest = hashlib.sha512(self.header()[:DIGEST_AT] + self.image).digest()
        return self

    def packed(self) -> bytes:
        return self.header() + self.image


def need(data: bytes) -> Need:
    kind, flags, what, role, oldest, newest, pad = NEED.unpack(data)
    if flags & ~OPTIONAL or pad or oldest > newest or not (
        (kind == CONNECTION and what and oldest and role in ROLES)
        or (kind == CAPABILITY and what in CAPABILITIES and not role and not newest)
        or (kind in (LIFEBOAT, RUNTIME) and not what and not role and oldest)
    ):
        raise PackageError("one of its needs is malformed")
    return Need(kind, what, role, oldest, newest, flags)


def _text(raw: bytes) -> str:
    text = raw.rstrip(b"\0")
    if not text or len(text) == len(raw) or not all(0x20 < byte < 0x7F for byte in text):
        raise PackageError("its name or version is malformed")
    return text.decode("ascii")


def parse(data: bytes) -> Package:
    """Raises PackageError."""
    if len(data) < HEADER.size or data[:8] != MAGIC.to_bytes(8, "little"):
        raise PackageError("it is not a package")
    (_, form, size, count, name, release, build_id, needs, digest, key,
     signature) = HEADER.unpack(data[: HEADER.size])
    if form != FORMAT:
        raise PackageError("its format is not the one that is read here")
    if size > MAX_IMAGE or len(data) - HEADER.size != size:
        raise PackageError("it is truncated, or there is something behind it")
    if count > MAX_NEEDS:
        raise PackageError("it says that it has too many needs")
    end = count * NEED.size
    package = Package(
        _text(name), _text(release), data[HEADER.size :],
        [need(needs[at : at + NEED.size]) for at in range(0, end, NEED.size)],
        build_id, digest, key, signature,
    )
    if any(needs[end:]):
        raise PackageError("there is something behind its needs")
    if len({(n.kind, n.what, n.role) for n in package.needs}) != count:
        raise PackageError("it says one of its needs twice")
    if package.header() != data[: HEADER.size]:
        raise PackageError("there is something where nothing may be")
    if hashlib.sha512(data[:DIGEST_AT] + package.image).digest() != digest:
        raise PackageError("it was altered: its digest is wrong")
    return package


def read(path: Path) -> Package:
    """Raises PackageError."""
    try:
        return parse(path.read_bytes())
    except OSError as error:
        raise PackageError(f"cannot be read: {error.strerror}") from error
