# SPDX-License-Identifier: BSD-2-Clause
"""User space for the disk benchmark: the distribution's fio, and Xen's tools for
its dom0, as initramfs archives around the BusyBox one. (Those of the network
benchmark, ../lan/image.py, are made here as well.)

The packages are unpacked and not configured. Of them an archive gets the programs
that are asked for, the libraries that these need, and kernel modules in the order
in which they must be loaded, so that the same kernel and the same user space run
natively, as Xen's domU and as Tessera's guest.
"""

import gzip
import hashlib
import re
import stat
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import Iterable, Iterator, Mapping

import initrd
from launcher import build
from launcher.paths import TOP, Failure, alone, cache_dir

SUITE = "bookworm"
PACKAGES = [
    "ethtool", "fio", "iperf3", "linux-image-amd64", "xen-hypervisor-4.17-amd64",
    "xen-utils-4.17", "xenstore-utils",
]
LIBRARIES = ("lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu/ceph",
             "usr/lib/xen-4.17/lib/x86_64-linux-gnu")
LOADER = "lib64/ld-linux-x86-64.so.2"
SCRIPTS = TOP / "tests" / "bench" / "blk"
TOOLSTACK = SCRIPTS / "toolstack.sh"

# Modules by what they drive; what they depend on is found out.
DRIVERS = {
    "virtio-blk": ("virtio_pci", "virtio_blk"),
    "ahci": ("ahci", "sd_mod"),
    "nvme": ("nvme",),
    "guest": ("xen-blkfront",),
    "dom0": ("xen-evtchn", "xen-gntdev", "xen-privcmd", "xenfs", "xen-blkback"),
}
XEN = "usr/lib/xen-4.17/bin/"
XEN_PROGRAMS = (
    *(XEN + name for name in ("xl", "xenstored", "xen-init-dom0", "xenconsoled", "xenconsole")),
    "usr/bin/xenstore-write", "usr/bin/xenstore-read",
    "lib/x86_64-linux-gnu/libgcc_s.so.1",  # loaded when a thread is cancelled
)


def archive() -> Path:
    """All the packages' files, as one tar archive in the cache."""
    key = hashlib.sha256(" ".join(PACKAGES).encode()).hexdigest()
    output = cache_dir() / f"bench-{key[:12]}.tar"
    with alone(output):
        if output.is_file():
            return output
        temporary = output.with_suffix(".new")
        done = subprocess.run(
            ["mmdebstrap", "--quiet", "--variant=extract", "--format=tar",
             f"--include={','.join(PACKAGES)}", SUITE, temporary],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        )
        if done.returncode:
            raise Failure(f"mmdebstrap failed:\n{done.stderr.rstrip()[-2000:]}")
        temporary.replace(output)
    return output


class Files:
    """What is installed somewhere: here, if nothing else is said."""

    root = Path("/")
    modules: dict[str, Path] = {}

    def library(self, name: str) -> str:
        for folder in LIBRARIES:
            if (self.root / folder / name).exists():
                return f"{folder}/{name}"
        raise Failure(f"no package has the library {name}")

    def needed(self, programs: Iterable[str]) -> list[str]:
        """The programs, and the libraries that they need, however indirectly."""
        found = [LOADER]
        queue = list(programs)
        while queue:
            name = queue.pop()
            if name in found:
                continue
            found.append(name)
            said = subprocess.run(["objdump", "-p", self.root / name], check=True,
                                  capture_output=True, text=True).stdout
            for library in re.findall(r"NEEDED +(\S+)", said):
                if not library.startswith("ld-linux"):
                    queue.append(self.library(library))
        return found

    def load_order(self, names: Iterable[str]) -> list[str]:
        """Modules after those that they depend on."""
        order: list[str] = []

        def visit(name: str) -> None:
            path = self.modules.get(name) or self.modules.get(name.replace("_", "-"))
            if path is None or path.stem in order:
                return  # built into the kernel, or there already
            depends = re.search(rb"\0depends=([^\0]*)\0", path.read_bytes())
            for other in depends[1].decode().split(",") if depends else []:
                if other:
                    visit(other)
            order.append(path.stem)

        for name in names:
            visit(name)
        return order


class Tree(Files):
    """The packages' files, unpacked."""

    def __init__(self, folder: Path):
        self.root = folder
        with tarfile.open(archive()) as tar:
            wanted = re.compile(
                r"\./(usr/bin/|usr/lib/x86_64|usr/lib/xen-4|lib/|lib64|boot/|usr/sbin|sbin/)"
            )
            members = [m for m in tar if wanted.match(m.name) and not m.isdev()]
            tar.extractall(folder, members)
        self.release = next((folder / "lib/modules").iterdir()).name
        self.modules = {
            path.stem: path for path in (folder / "lib/modules" / self.release).rglob("*.ko")
        }

    @property
    def kernel(self) -> Path:
        return self.root / "boot" / f"vmlinuz-{self.release}"

    @property
    def hypervisor(self) -> bytes:
        return gzip.decompress((self.root / "boot" / "xen-4.17-amd64.gz").read_bytes())


def _folders(names: Iterable[str]) -> Iterator[str]:
    seen: set[str] = set()
    for name in names:
        parents = [str(path) for path in Path(name).parents if str(path) != "."]
        for parent in reversed(parents):
            if parent not in seen:
                seen.add(parent)
                yield parent


def added(tree: Files, programs: Iterable[str], drivers: Mapping[str, Iterable[str]],
          files: dict[str, bytes]) -> bytes:
    """An archive: programs, modules by what they drive, and files (in bin: executable)."""
    files = dict(files)
    for name in tree.needed(programs):
        files[name] = (tree.root / name).read_bytes()
    for driver, wanted in drivers.items():
        order = tree.load_order(wanted)
        files[f"drivers/{driver}"] = "".join(f"/drivers/{name}.ko\n" for name in order).encode()
        for name in order:
            files[f"drivers/{name}.ko"] = tree.modules[name].read_bytes()
    archive = initrd.Archive()
    for folder in _folders(files):
        archive.add(folder, stat.S_IFDIR | 0o755)
    for name, data in files.items():
        mode = 0o644 if name.startswith(("drivers/", "etc/", "boot/")) else 0o755
        archive.add(name, stat.S_IFREG | mode, data)
    return archive.finish()


def make(tree: Files, programs: Iterable[str], drivers: Mapping[str, Iterable[str]],
         files: dict[str, bytes]) -> bytes:
    """An initramfs: BusyBox, and the same."""
    return build.busybox_initrd().read_bytes() + added(tree, programs, drivers, files)


def mark(folder: Path) -> Path:
    """The program that makes marks for the counting plugin."""
    output = folder / "mark"
    subprocess.run(["gcc", "-O2", "-static", "-o", output, SCRIPTS / "mark.c"], check=True)
    return output


def _without(name: str) -> dict[str, Iterable[str]]:
    return {driver: wanted for driver, wanted in DRIVERS.items() if driver != name}


def guest(tree: Tree) -> bytes:
    """For the guest, and for the bare machine."""
    with tempfile.TemporaryDirectory() as name:
        scripts = {"bin/bench": (SCRIPTS / "bench.sh").read_bytes(),
                   "bin/mark": mark(Path(name)).read_bytes()}
    return make(tree, ["usr/bin/fio"], _without("dom0"), scripts)


def dom0_files(tree: Tree, scripts: Path, inner: bytes) -> dict[str, bytes]:
    """What an archive for Xen's dom0 has besides programs: the benchmark's own scripts for
    it, what they share, and the guests' kernel and initramfs (`inner`)."""
    return {
        "bin/dom0": (scripts / "dom0.sh").read_bytes(),
        "bin/attach": (scripts / "attach.sh").read_bytes(),
        "bin/toolstack": TOOLSTACK.read_bytes(),
        "etc/xen/xl.conf": b'autoballoon="off"\n',
        "boot/vmlinuz": tree.kernel.read_bytes(),
        "boot/initrd": inner,
    }


def dom0(tree: Tree, inner: bytes) -> bytes:
    """For Xen's dom0; `inner` is the initramfs of its guest."""
    return make(tree, XEN_PROGRAMS, _without("guest"), dom0_files(tree, SCRIPTS, inner))
