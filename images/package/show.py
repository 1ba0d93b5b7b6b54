# SPDX-License-Identifier: BSD-2-Clause
"""A package in words, and as JSON with field names that stay."""

import struct
from typing import Any

from . import dom, needs

IMAGE = struct.Struct("<8s7Q")  # struct native_image of proto/native.h


def fields(package: dom.Package, signature: str) -> dict[str, Any]:
    """signature: "none", "good", "wrong" or "unchecked"."""
    _, base, entry, text, rodata, data, end, _ = IMAGE.unpack_from(package.image)
    return {
        "name": package.name,
        "version": package.release,
        "build_id": package.build_id.hex(),
        "digest": package.digest.hex(),
        "signature": signature,
        "key": package.key.hex() if package.is_signed else None,
        "image": {
            "bytes": len(package.image), "entry": entry, "text": text - base,
            "rodata": rodata - text, "data": data - rodata, "zero": end - data,
        },
        "needs": [_need(need) for need in package.needs],
    }


def _need(need: dom.Need) -> dict[str, Any]:
    shown: dict[str, Any] = {"optional": need.optional}
    if need.kind == dom.CONNECTION:
        shown["connection"] = needs.WORDS.get(need.what, str(need.what)).strip('"')
        shown["role"] = dom.ROLES[need.role]
    elif need.kind == dom.CAPABILITY:
        shown["capability"] = dom.CAPABILITIES[need.what]
        return shown
    else:
        shown["lifeboat" if need.kind == dom.LIFEBOAT else "runtime"] = True
    shown["versions"] = [need.oldest, need.newest]
    return shown


def _line(need: dom.Need) -> str:
    versions = str(need.newest)
    if need.oldest != need.newest:
        versions = f"{need.oldest} to {need.newest}"
    word = {dom.LIFEBOAT: "lifeboat", dom.RUNTIME: "runtime"}.get(need.kind, "")
    if need.kind == dom.CONNECTION:
        word = f"{needs.WORDS.get(need.what, str(need.what)).strip(chr(34))} {dom.ROLES[need.role]}"
    elif need.kind == dom.CAPABILITY:
        word, versions = f"capability {dom.CAPABILITIES[need.what]}", ""
    return f"  {word:<24} {versions:<8} {'if there is one' if need.optional else ''}".rstrip()


def text(package: dom.Package, signature: str) -> str:
    shown = fields(package, signature)
    image = shown["image"]
    who = f" by {package.key.hex()}" if package.is_signed else ""
    return "\n".join([
        f"{package.name} {package.release}",
        f"build id   {shown['build_id']}",
        f"digest     {shown['digest'][:32]}... (SHA-512)",
        f"signature  {signature}{who}",
        f"program    {image['text']} bytes of text, {image['rodata']} read-only, "
        f"{image['data']} of data, {image['zero']} of zeroes",
        "needs                      versions",
        *map(_line, package.needs),
    ])
