# SPDX-License-Identifier: BSD-2-Clause
"""A picture of who may touch what: a box for each domain and for what it reaches, an arrow
for each capability. Drawn by graphviz, from the same tables as the audit."""

import subprocess

from .compare import Table, _range, items

COLOURS = {"irq": "#e8c26b", "ports": "#e8c26b", "mmio": "#e8c26b", "dma": "#d98c8c",
           "cpu": "#9bb8d3", "log": "#b7b7b7", "trace": "#b7b7b7", "memory": "#c5b3d9"}


def _quote(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def dot(tables: dict[str, Table], domids: dict[int, str]) -> str:
    """The graph in the language of graphviz. root is left out: it holds everything."""
    lines = ["digraph tessera {", "rankdir=LR; node [fontname=sans fontsize=10];",
             "edge [fontname=sans fontsize=8];"]
    objects: dict[str, str] = {}
    edges: dict[tuple[str, str], set[str]] = {}
    for name, table in sorted(tables.items()):
        if name == "root":
            continue
        lines.append(f'{_quote(name)} [shape=box style="rounded,filled" fillcolor="#d7ebd7"];')
        for item in items(table):
            if item.kind == "domain":
                target = domids.get(item.first, f"d{item.first}")
                if target == "root":
                    continue
            else:
                target = item.what or f"{item.kind} {_range(item.kind, item.first, item.count)}"
                objects[target] = COLOURS.get(item.kind, "#ffffff")
            edges.setdefault((name, target), set()).update(item.rights)
    lines += [f"{_quote(target)} [shape=box style=filled fillcolor={_quote(colour)}];"
              for target, colour in sorted(objects.items())]
    lines += [f"{_quote(a)} -> {_quote(b)} [label={_quote(' '.join(sorted(rights)))}];"
              for (a, b), rights in sorted(edges.items())]
    return "\n".join([*lines, "}", ""])


def svg(text: str) -> bytes:
    """What graphviz draws. Raises OSError or subprocess.CalledProcessError."""
    return subprocess.run(["dot", "-Tsvg"], input=text.encode(), capture_output=True,
                          check=True).stdout
