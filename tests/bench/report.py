# SPDX-License-Identifier: BSD-2-Clause
"""What the benchmarks of disks and networks have in common: whose instructions those
are that the plugin counted, the tables for docs/measurements.md, and figures that are
kept in a file, so that a benchmark of hours can be run in pieces."""

import json
from collections import Counter
from pathlib import Path
from typing import Iterator, Mapping, Optional, Sequence

from launcher import build
from package import dom
from tests.bench import linux

SYSTEMS = ("native", "xen", "tessera")
Results = dict[str, dict[str, dict[str, float]]]  # system: row: figure


def image(name: str) -> bytes:
    """What is in the memory of a native domain, from BASE on."""
    if name == "root":
        return build.root(build.build_dir()).read_bytes()
    return dom.parse(build.program(build.build_dir(), name).read_bytes()).image


class Natives:
    """Whose a page of a native domain's program is: the domain's whose image has the
    same instructions there."""

    BASE = 0x400000  # where all of them are linked

    def __init__(self, names: Sequence[str]):
        self.images = {name: image(name) for name in names}

    def owners(self, lines: list[list[str]]) -> dict[str, str]:
        """Page: program, by most instructions."""
        votes: dict[str, Counter[str]] = {}
        for address, _, _, *more in lines:
            if more:
                page, code = more
                at, want = int(address, 16) - self.BASE, bytes.fromhex(code)
                votes.setdefault(page, Counter()).update(
                    name for name, image in self.images.items()
                    if image[at : at + len(want)] == want
                )
        return {page: most.most_common(1)[0][0] for page, most in votes.items() if most}


def batches(path: Path, natives: Natives) -> Iterator[Counter[str]]:
    """For each pair of marks: instructions by owner, and loads of a page-table root."""
    for lines in linux.records(path):
        found: Counter[str] = Counter()
        owners = natives.owners(lines)
        roots = 0
        for address, count, kind, *more in lines:
            roots += int(count) if kind == "r" else 0
            owner = linux.owner(int(address, 16))
            if owner == "native" and more:
                owner = owners.get(more[0], owner)
            found[owner] += int(count)
        found["all"] = sum(found.values())
        found["roots"] = roots
        yield found


LESS_IS_BETTER = ("us",)


class Kept:
    """Figures by heading, in a file if there is one: what is there is not measured again."""

    def __init__(self, path: Optional[Path]):
        self.path = path
        self.found: dict[str, Results] = {}
        if path and path.exists():
            self.found = json.loads(path.read_text(encoding="ascii"))

    def has(self, heading: str, system: str, row: str, figures: Sequence[str]) -> bool:
        known = self.found.get(heading, {}).get(system, {}).get(row, {})
        return any(figure in known for figure in figures)

    def add(self, heading: str, system: str, row: str, figures: Mapping[str, float]) -> None:
        """Of what is measured again the better stays: a busy machine makes all of it worse."""
        rows = self.found.setdefault(heading, {}).setdefault(system, {})
        known = rows.setdefault(row, {})
        for figure, value in figures.items():
            better = min if figure in LESS_IS_BETTER else max
            known[figure] = better(known.get(figure, value), value)
        if self.path:
            new = self.path.with_suffix(".new")
            new.write_text(json.dumps(self.found, indent=1), encoding="ascii")
            new.replace(self.path)


def _ratio(one: Optional[float], other: Optional[float]) -> str:
    return f"{one / other:.2f}" if one and other else "-"


def _number(value: Optional[float]) -> str:
    return f"{value:,.0f}" if value else "-"


def table(figures: Sequence[str], heading: str, found: Results, order: Sequence[str]) -> str:
    """As Markdown, for docs/measurements.md; empty if it was not measured."""
    lines = [f"| {heading} | native | Xen | Tessera | / native | / Xen |", "|---" * 6 + "|"]
    for row in order:
        for figure in figures:
            native, other, ours = (
                found.get(system, {}).get(row, {}).get(figure) for system in SYSTEMS
            )
            if native or other or ours:
                name = row if len(figures) == 1 else f"{row}: {figure}"
                cells = [name, _number(native), _number(other), _number(ours),
                         _ratio(ours, native), _ratio(ours, other)]
                lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n" if len(lines) > 2 else ""


def shares(names: Mapping[str, str], found: Results, order: Sequence[str]) -> str:
    """Whose instructions Tessera's are, and how often a page-table root is loaded, which
    costs more than they where that empties TLBs; names: of domains and of columns."""
    lines = ["| of Tessera's instructions | " + " | ".join(names.values())
             + " | other domains | root loads |", "|---" * (len(names) + 3) + "|"]
    for row in order:
        figures = found.get("tessera", {}).get(row, {})
        if "all" in figures:
            known = [figures.get(name, 0.0) for name in names]
            rest = figures["all"] - sum(known)
            cells = [f"{round(n):,}" for n in [*known, rest]]
            cells.append(f"{figures['roots']:.1f}" if "roots" in figures else "-")
            lines.append(f"| {row} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n" if len(lines) > 2 else ""
