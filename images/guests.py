# SPDX-License-Identifier: BSD-2-Clause
"""Files out of the distribution's packages: guest kernels, GRUB's PV image,
BusyBox. They are fetched when first asked for, into a cache that is never
committed (TESSERA_CACHE, or build/cache), and nothing of them is installed."""

import fnmatch
import lzma
import os
import re
import subprocess
import tarfile
import tempfile
from pathlib import Path

# Which file of a package is meant; kernel packages have exactly one of theirs.
WANTED = {
    "grub-xen-host": "./usr/lib/grub-xen/grub-x86_64-xen.bin",
    "busybox-static": "./*bin/busybox",
}
XZ_MAGIC = b"\xfd7zXZ\0"
KERNEL = "./boot/vmlinuz-*"
MODULE = "*/lib/modules/*/{}.ko*"


class FetchError(Exception):
    """A file could not be fetched; the text says why."""


def _apt(command: list[str], folder: Path) -> str:
    environment = {**os.environ, "LC_ALL": "C"}
    result = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if result.returncode:
        lines = [line for line in result.stderr.splitlines() if line.startswith("E:")]
        raise FetchError(lines[-1][3:] if lines else f"{command[0]} failed")
    return result.stdout


def _resolve(package: str, folder: Path) -> str:
    """The package with the kernel that a metapackage such as linux-image-amd64 names."""
    if re.match(r"linux-image-\d+\.\d+\.", package) or not package.startswith("linux-image"):
        return package
    depends = _apt(["apt-cache", "depends", "--important", package], folder)
    match = re.search(r"Depends: (linux-image-\S+)", depends)
    return match[1] if match else package


def _extract(archive: Path, pattern: str, output: Path) -> None:
    """The one file that matches `pattern`, in place or not at all."""
    unpack = ["dpkg-deb", "--fsys-tarfile", archive]
    with subprocess.Popen(unpack, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        with tarfile.open(fileobj=process.stdout, mode="r|") as tar:
            for member in tar:
                if member.isfile() and fnmatch.fnmatch(member.name, pattern):
                    file = tar.extractfile(member)
                    assert file is not None
                    temporary = archive.with_name("wanted")
                    temporary.write_bytes(file.read())
                    temporary.chmod(member.mode)
                    temporary.replace(output)
            while process.stdout.read(1 << 16):
                pass
    if not output.exists():
        raise FetchError(f"there is no {pattern[2:]} in {archive.name}")


def module(package: str, name: str, cache: Path) -> bytes:
    """A kernel module that a kernel package has."""
    data = _fetch(package, MODULE.format(name), cache / f"{package}.{name}.ko", cache).read_bytes()
    return lzma.decompress(data) if data.startswith(XZ_MAGIC) else data


def package_file(package: str, cache: Path) -> Path:
    """The kernel (or WANTED file) of a Debian package."""
    return _fetch(package, WANTED.get(package, KERNEL), cache / package, cache)


def _fetch(package: str, pattern: str, output: Path, cache: Path) -> Path:
    """The file of a package that matches `pattern`, fetched if it is not in the cache."""
    if output.is_file():
        return output
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache, prefix="fetch.") as name:
        folder = Path(name)
        try:
            real = _resolve(package, folder)
            _apt(["apt-get", "-q", "download", real], folder)
            _extract(next(folder.glob("*.deb")), pattern, output)
        except FetchError as error:
            raise FetchError(f"package {package}: {error}") from error
    return output
