# SPDX-License-Identifier: BSD-2-Clause
"""Disk images on the host: a GUID partition table, what format a file has, and
files out of the ext4 file systems in it.

Nothing here needs root or a loop device. A file is opened as QEMU's own format
only if the user says so, or if it starts with that format's magic when it is
attached for the first time; a guest that writes such a magic into its raw disk
must not make the host follow the file names in it, so `run` and `boot` pass the
format on to QEMU always, and only look for the magic in files that no guest of
this run has written yet. What a guest wrote later is caught by `format=raw`.
"""

import re
import struct
import subprocess
import uuid
import zlib
from dataclasses import dataclass
from pathlib import Path

SECTOR = 512
ALIGNMENT = 1 << 20
QCOW2_MAGIC = b"QFI\xfb"
GPT_SIGNATURE = b"EFI PART"
GPT_ENTRIES, GPT_ENTRY_SIZE = 128, 128
TABLE_SECTORS = GPT_ENTRIES * GPT_ENTRY_SIZE // SECTOR
EXT_MAGIC_OFFSET, EXT_MAGIC = 1080, b"\x53\xef"
LINKS = 8  # symbolic links followed on the way to a file

HEADER = struct.Struct("<8sIIIIQQQQ16sQIII")
ENTRY = struct.Struct("<16s16sQQQ72s")
LINUX_DATA = uuid.UUID("0fc63daf-8483-4772-8e79-3d69d8477de4")
NAMESPACE = uuid.UUID("7e55e9a0-0000-4000-8000-000000000000")  # for numbers that do not change


class DiskError(Exception):
    """This image will not do; the text says why."""


@dataclass
class Partition:
    name: str
    first: int  # in bytes
    size: int


def file_format(path: Path) -> str:
    """raw, unless the file starts as a qcow2 image does."""
    try:
        with path.open("rb") as file:
            return "qcow2" if file.read(4) == QCOW2_MAGIC else "raw"
    except OSError as error:
        raise DiskError(f"{path}: {error.strerror}") from error


def identity(name: str) -> uuid.UUID:
    """A UUID that is the same in each image that is made."""
    return uuid.uuid5(NAMESPACE, name)


def _protective(sectors: int) -> bytes:
    """The MBR that tells old tools to leave the disk alone."""
    entry = struct.pack("<B3sB3sII", 0, b"\0\2\0", 0xEE, b"\xff" * 3, 1,
                        min(sectors - 1, 0xFFFFFFFF))
    return bytes(446) + entry + bytes(48) + b"\x55\xaa"


def _header(
    here: int, other: int, table: int, sectors: int, disk: uuid.UUID, entries: bytes
) -> bytes:
    first, last = 2 + TABLE_SECTORS, sectors - 2 - TABLE_SECTORS

    def pack(crc: int) -> bytes:
        return HEADER.pack(GPT_SIGNATURE, 0x10000, HEADER.size, crc, 0, here, other, first, last,
                           disk.bytes_le, table, GPT_ENTRIES, GPT_ENTRY_SIZE, zlib.crc32(entries))

    return pack(zlib.crc32(pack(0))).ljust(SECTOR, b"\0")


def write_table(path: Path, partitions: list[Partition], size: int) -> None:
    """Make `path` a disk of `size` bytes with these partitions; what they hold stays."""
    sectors = size // SECTOR
    entries = b"".join(
        ENTRY.pack(LINUX_DATA.bytes_le, identity(part.name).bytes_le, part.first // SECTOR,
                   (part.first + part.size) // SECTOR - 1, 0,
                   part.name.encode("utf-16-le").ljust(72, b"\0"))
        for part in partitions
    ).ljust(GPT_ENTRIES * GPT_ENTRY_SIZE, b"\0")
    disk, backup = identity("disk"), sectors - 1 - TABLE_SECTORS
    path.touch()
    with path.open("r+b") as file:
        file.truncate(size)
        file.write(_protective(sectors))
        file.write(_header(1, sectors - 1, 2, sectors, disk, entries) + entries)
        file.seek(backup * SECTOR)
        file.write(entries + _header(sectors - 1, 1, backup, sectors, disk, entries))


def read_table(path: Path) -> list[Partition]:
    """The partitions of a raw image; none if it has no table."""
    with path.open("rb") as file:
        file.seek(SECTOR)
        header = file.read(HEADER.size)
        if len(header) < HEADER.size or not header.startswith(GPT_SIGNATURE):
            return []
        fields = HEADER.unpack(header)
        table, count, size = fields[10], fields[11], fields[12]
        if size != GPT_ENTRY_SIZE or count > GPT_ENTRIES:
            raise DiskError(f"{path}: its partition table has {count} entries of {size} bytes")
        file.seek(table * SECTOR)
        data = file.read(count * size)
    found = []
    for kind, _, first, last, _, name in ENTRY.iter_unpack(data):
        if any(kind) and first <= last:
            text = name.decode("utf-16-le", "replace").split("\0")[0]
            found.append(Partition(text, first * SECTOR, (last - first + 1) * SECTOR))
    return found


# --- File systems ---


def _debugfs(image: Path, offset: int, request: str) -> str:
    command = ["debugfs", "-R", request, f"{image}?offset={offset}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace",
                              check=False)
    except FileNotFoundError as error:
        raise DiskError("the program debugfs is missing") from error
    said = "\n".join(done.stderr.splitlines()[1:])  # the first line is its version
    if done.returncode or said:
        raise DiskError(f"{image}: {said or 'debugfs failed'}")
    return done.stdout


def _resolve(image: Path, offset: int, path: str) -> str:
    """Follow symbolic links at the end of `path`."""
    for _ in range(LINKS):
        said = _debugfs(image, offset, f'stat "{path}"')
        if "Type: symlink" not in said:
            return path
        link = re.search(r'Fast link dest: "(.*)"', said)
        if not link:
            raise DiskError(f"{image}: {path} is a long symbolic link")
        path = link[1] if link[1].startswith("/") else f"{path.rpartition('/')[0]}/{link[1]}"
    raise DiskError(f"{image}: {path}: too many symbolic links")


def _file_systems(image: Path) -> list[int]:
    """Where ext file systems start."""
    starts = [part.first for part in read_table(image)] or [0]
    found = []
    with image.open("rb") as file:
        for start in starts:
            file.seek(start + EXT_MAGIC_OFFSET)
            if file.read(2) == EXT_MAGIC:
                found.append(start)
    return found


def extract(image: Path, path: str, output: Path) -> None:
    """Copy the file `path` of the first file system that has it to `output`."""
    if file_format(image) != "raw":
        raise DiskError(f"{image}: files can only be taken out of raw images")
    starts = _file_systems(image)
    if not starts:
        raise DiskError(f"{image}: there is no ext4 file system in it")
    error = None
    for start in starts:
        try:
            _debugfs(image, start, f'dump "{_resolve(image, start, path)}" "{output}"')
            return
        except DiskError as wrong:
            error = wrong
    assert error is not None
    raise error
