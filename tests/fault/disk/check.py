# SPDX-License-Identifier: BSD-2-Clause
"""What the kill campaign left on its disks, and how long each death was felt.

The guest (writer.c) wrote a report behind the data of the raw disk: the last
acknowledged write of every block, the acknowledged version of every file, and when
each answer came. Here that is compared with what lies on the disks.
"""

import re
import struct
import subprocess
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Iterable, Sequence

BLOCK, SECTOR = 4096, 512
MAGIC = 0x4B524F57
REPORT_MAGIC = 0x54524F504552414D
MAX_ANSWERS = 409600
HEADER = struct.Struct("<QIIIIIIQQ")
SECTOR_HEAD = struct.Struct("<IIII")
MASK = 0xFFFFFFFF


class Wrong(Exception):
    """There is no report that could be believed."""


@dataclass
class Report:
    """What the guest says it did."""

    regions: int
    blocks: int  # of a region
    wrong: int  # reads that brought something else than was acknowledged, and errors
    begin: int
    end: int
    sequence: Sequence[int]  # of each block
    files: list[tuple[int, int]]  # version, size
    answers: list[tuple[int, int]]  # when, by which worker


def report_size() -> int:
    """Bytes that a report needs with the regions of writer.c: for the size of the disk."""
    return BLOCK + 4 * 4 * 1024 + BLOCK + MAX_ANSWERS * 16


def read_report(image: Path, offset: int) -> Report:
    """The report at `offset` of the raw disk."""
    with image.open("rb") as file:
        file.seek(offset)
        data = file.read()
    magic, regions, blocks, files, count, wrong, checksum, begin, end = HEADER.unpack_from(data)
    if magic != REPORT_MAGIC:
        raise Wrong(f"no report: it begins with {magic:#x}")
    total = regions * blocks
    size = BLOCK + 4 * total + BLOCK + 16 * MAX_ANSWERS
    if size > len(data) or count > MAX_ANSWERS or files * 8 > BLOCK:
        raise Wrong("the report is larger than the disk")
    if zlib.crc32(data[BLOCK:size]) != checksum:
        raise Wrong("the report's checksum is another one")
    sequence = struct.unpack_from(f"<{total}I", data, BLOCK)
    where = BLOCK + 4 * total
    versions = struct.unpack_from(f"<{files}I", data, where)
    sizes = struct.unpack_from(f"<{files}I", data, where + 4 * files)
    answers = struct.iter_unpack("<QII", data[where + BLOCK : where + BLOCK + 16 * count])
    return Report(
        regions, blocks, wrong, begin, end, sequence, list(zip(versions, sizes)),
        [(at, worker) for at, worker, _ in answers],
    )


def sector_problem(data: bytes, block: int, number: int, sequence: int) -> str:
    """Why this sector is not what the block's write `sequence` wrote; empty if it is."""
    if sequence == 0:
        return "" if not any(data) else "was never written and is not zero"
    magic, found_block, found_sequence, found_number = SECTOR_HEAD.unpack_from(data)
    if magic != MAGIC:
        return "holds something else"
    if (found_block, found_number) != (block, number):
        return f"holds sector {found_number} of block {found_block}"
    if zlib.crc32(data[:-4]) != struct.unpack("<I", data[-4:])[0]:
        return "has a wrong checksum"
    if found_sequence < sequence:
        return f"holds write {found_sequence}; {sequence} was acknowledged: lost, or done over"
    if found_sequence > sequence:
        return f"holds write {found_sequence}, which was not acknowledged last ({sequence})"
    return ""


def raw_problems(image: Path, report: Report) -> list[str]:
    """Blocks that are lost, torn or doubled."""
    found = []
    with image.open("rb") as file:
        for block, sequence in enumerate(report.sequence):
            data = file.read(BLOCK)
            for number in range(BLOCK // SECTOR):
                sector = data[number * SECTOR : (number + 1) * SECTOR]
                problem = sector_problem(sector, block, number, sequence)
                if problem:
                    found.append(f"block {block}, sector {number} {problem}")
    return found


def file_content(number: int, version: int, size: int) -> bytes:
    base = (number * 2654435761 + version) & MASK
    words = [MAGIC, number, version, size]
    words += [base ^ (i * 40503 & MASK) for i in range(4, (size + 3) // 4)]
    return struct.pack(f"<{len(words)}I", *words)[:size]


def file_system_problems(image: Path, report: Report, folder: Path) -> list[str]:
    """What e2fsck finds, and files that are not as acknowledged. folder: for copies of them."""
    check = subprocess.run(["e2fsck", "-fn", image], capture_output=True, text=True, check=False)
    found = [f"e2fsck: {check.stdout}{check.stderr}"] if check.returncode else []
    wanted = [(n, *entry) for n, entry in enumerate(report.files) if entry[0]]
    commands = folder / "commands"
    commands.write_text("".join(f"dump /file{n} {folder}/file{n}\n" for n, *_ in wanted))
    subprocess.run(["debugfs", "-f", commands, image], capture_output=True, check=False)
    for number, version, size in wanted:
        copy = folder / f"file{number}"
        if not copy.is_file():
            found.append(f"file {number} is not there; version {version} was acknowledged")
        elif copy.read_bytes() != file_content(number, version, size):
            found.append(f"file {number} is not its version {version} of {size} bytes")
    return found


# --- How long a death was felt ---


@dataclass
class Kill:
    victim: str
    at: int
    first: int = 0  # ticks until the first answer after it
    silence: int = 0  # the longest time without an answer, from it to the next kill


def kills_in(log: str) -> list[Kill]:
    return [Kill(victim, int(at)) for victim, at in re.findall(r"kill \d+ (\S+) at (\d+)", log)]


def measure(kills: Iterable[Kill], answers: Iterable[int], end: int) -> list[Kill]:
    """Those kills that the guest felt at work, with their times filled in."""
    times = sorted(answers)
    found = []
    all_kills = sorted(kills, key=lambda kill: kill.at)
    for kill, following in zip(all_kills, [*(k.at for k in all_kills[1:]), end]):
        inside = [at for at in times if kill.at < at <= following]
        if not times or kill.at < times[0] or not inside:
            continue
        points = [kill.at, *inside]
        kill.first = inside[0] - kill.at
        kill.silence = max(b - a for a, b in zip(points, points[1:]))
        found.append(kill)
    return found


def median(values: Sequence[int]) -> int:
    return sorted(values)[len(values) // 2] if values else 0


def table(kills: Sequence[Kill]) -> str:
    """Figures by victim, in microseconds of virtual time (thousands of instructions)."""
    lines = [f"{'victim':10}{'kills':>6}{'first answer':>22}{'longest silence':>22}",
             f"{'':16}{'median':>11}{'maximum':>11}{'median':>11}{'maximum':>11}"]
    for victim in [*sorted({kill.victim for kill in kills}), ""]:
        mine = [kill for kill in kills if victim in ("", kill.victim)]
        row = f"{victim or 'together':10}{len(mine):>6}"
        for values in ([k.first for k in mine], [k.silence for k in mine]):
            row += f"{median(values) / 1000:>11.1f}{max(values, default=0) / 1000:>11.1f}"
        lines.append(row)
    return "\n".join(lines)
