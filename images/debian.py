# SPDX-License-Identifier: BSD-2-Clause
"""The disk of the default guest: a complete Debian, made of the distribution's packages.

mmdebstrap unpacks and configures the packages into a tar archive, mke2fs makes an
ext4 file system of it, and a partition table with the partition `root` goes around
that. No step needs root: without it mmdebstrap works in a user namespace, and
owners are kept by fakeroot. The guest's kernel and its GRUB configuration are in
its own /boot, so that it upgrades its kernel itself.

The file is cached under a name that depends on the recipe; the versions of packages
are what the archive has on the day it is made.
"""

import hashlib
import os
import subprocess
import tempfile
from pathlib import Path

from diskimage import ALIGNMENT, Partition, identity, write_table

VERSION = 1  # of what the functions below do
SUITE = "bookworm"
PACKAGES = [
    "systemd-sysv", "udev", "dbus", "login", "kmod", "e2fsprogs", "procps", "initramfs-tools",
    "zstd", "linux-image-amd64", "systemd-resolved", "iproute2", "iputils-ping",
]
PARTITION = "root"
DISK_BYTES = 2 << 30  # sparse: a third of it is used
EPOCH = "1700000000"  # dates in the file system are not later than this
WITHOUT = ["/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*"]

# An initramfs with the drivers of a paravirtual guest, and nothing for other machines.
BEFORE = """\
set -e
mkdir -p "$1/etc/initramfs-tools/conf.d"
printf 'MODULES=list\\nCOMPRESS=zstd\\n' >"$1/etc/initramfs-tools/conf.d/guest"
printf 'xen-blkfront\\next4\\n' >"$1/etc/initramfs-tools/modules"
echo '/dev/xvda / ext4 errors=remount-ro 0 1' >"$1/etc/fstab"
"""

# Who sits at the console is root and has no password. Each network device asks for its
# addresses by DHCP, and no start waits for an answer: there may be no network. Nothing
# else asks the network by itself. An empty machine-id is filled in at the first boot. On
# a busy machine that emulates, 90 seconds are not enough for udev to find the console.
AFTER = """\
set -e
echo debian >"$1/etc/hostname"
echo '127.0.0.1 localhost debian' >"$1/etc/hosts"
chroot "$1" passwd -d root
for timer in apt-daily apt-daily-upgrade; do
    ln -sf /dev/null "$1/etc/systemd/system/$timer.timer"
done
: >"$1/etc/machine-id"
mkdir -p "$1/etc/systemd/system.conf.d"
printf '[Manager]\nDefaultDeviceTimeoutSec=15min\nDefaultTimeoutStartSec=15min\n' \
    >"$1/etc/systemd/system.conf.d/slow.conf"
cat >"$1/etc/systemd/network/dhcp.network" <<'END'
[Match]
Type=ether

[Network]
DHCP=yes

[Link]
RequiredForOnline=no
END
# eth0 keeps that name; and who looks for networks does not load the stack of wireless ones.
ln -s /dev/null "$1/etc/systemd/network/99-default.link"
echo 'blacklist cfg80211' >"$1/etc/modprobe.d/guest.conf"
chroot "$1" systemctl -q enable systemd-networkd systemd-resolved
chroot "$1" systemctl -q disable systemd-networkd-wait-online
ln -sf ../run/systemd/resolve/stub-resolv.conf "$1/etc/resolv.conf"
mkdir -p "$1/boot/grub"
cat >"$1/boot/grub/grub.cfg" <<'END'
set timeout=0
menuentry "Debian" {
    linux /vmlinuz root=/dev/xvda ro console=hvc0 quiet
    initrd /initrd.img
}
END
"""


class MakeError(Exception):
    """The image could not be made; the text says why."""


def _run(command: list[str | Path], environment: dict[str, str]) -> None:
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, errors="replace", check=False, env={**os.environ, **environment},
        )
    except FileNotFoundError as error:
        raise MakeError(f"the program {command[0]} is missing") from error
    if done.returncode:
        raise MakeError(f"{command[0]} failed:\n{done.stdout.rstrip()[-2000:]}")


def _install(folder: Path, archive: Path) -> None:
    """The packages, configured, as a tar archive."""
    before, after = folder / "before", folder / "after"
    before.write_text(BEFORE, encoding="ascii")
    after.write_text(AFTER, encoding="ascii")
    options = [f"--dpkgopt=path-exclude={path}" for path in WITHOUT]
    _run(
        ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(PACKAGES)}",
         "--aptopt=Acquire::Languages \"none\"", *options, f'--essential-hook=sh {before} "$1"',
         f'--customize-hook=sh {after} "$1"', "--format=tar", SUITE, archive],
        {"SOURCE_DATE_EPOCH": EPOCH, "TMPDIR": str(folder), "LC_ALL": "C"},
    )


def _file_system(archive: Path, tree: Path, output: Path, size: int) -> None:
    """An ext4 file system of the archive's files, behind the first MiB of `output`."""
    options = f"offset={ALIGNMENT},hash_seed={identity('hash')},lazy_itable_init=0"
    script = (
        'tar -xf "$1" -C "$2" --exclude=./dev/* --numeric-owner && '
        'mke2fs -q -F -t ext4 -L root -U "$4" -E "$5" -d "$2" "$3" "$6"'
    )
    tree.mkdir()
    output.touch()
    _run(
        [*(["fakeroot"] if os.geteuid() else []), "sh", "-c", script, "sh", archive, tree, output,
         str(identity("file system")), options, f"{size >> 10}k"],
        {"E2FSPROGS_FAKE_TIME": EPOCH, "LC_ALL": "C", "TZ": "UTC"},
    )


def make(output: Path, size: int) -> None:
    """Make the disk. Raises MakeError; `output` appears whole or not at all."""
    inside = Partition(PARTITION, ALIGNMENT, size - 2 * ALIGNMENT)
    with tempfile.TemporaryDirectory(prefix="tessera.debian.") as name:
        folder = Path(name)
        folder.chmod(0o755)
        archive = folder / "root.tar"
        _install(folder, archive)
        temporary = output.with_suffix(".new")
        temporary.unlink(missing_ok=True)
        _file_system(archive, folder / "tree", temporary, inside.size)
        write_table(temporary, [inside], size)
        temporary.replace(output)


def cached(cache: Path) -> Path:
    """Where the disk is in the cache, or would be."""
    recipe = (VERSION, SUITE, PACKAGES, PARTITION, DISK_BYTES, EPOCH, WITHOUT, BEFORE, AFTER)
    key = hashlib.sha256(repr(recipe).encode()).hexdigest()
    return cache / f"debian-{key[:12]}.img"


def image(cache: Path) -> Path:
    """The disk, made if it is not in the cache."""
    output = cached(cache)
    if not output.is_file():
        make(output, DISK_BYTES)
    return output
