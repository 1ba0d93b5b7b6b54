# SPDX-License-Identifier: BSD-2-Clause
"""The guest's user space: an initramfs with BusyBox and one script.

The archive is a pure function of the BusyBox binary: owners, dates and order
are fixed. On the kernel's command line, ip=dhcp asks for addresses at all network
devices first, and tessera.run="COMMAND" runs a command instead of the shell, says
how it ended and powers off.
"""

import stat
import subprocess
from pathlib import Path

# BusyBox's init is the first process; it runs the script below and then keeps a
# shell with job control on the console.
INITTAB = """\
::sysinit:/etc/rc
::respawn:/bin/cttyhack /bin/sh -l
"""

PROFILE = """\
export PATH=/bin:/sbin HOME=/root TERM=linux PS1='guest:\\w# '
"""

RC = """\
#!/bin/sh
# Once at the start: mounts, says that it is up, and runs what tessera.run asks for.
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev 2>/dev/null
mkdir -p /dev/pts
mount -t devpts pts /dev/pts
hostname guest
for module in /modules/*.ko; do
    [ -e "$module" ] && insmod "$module"
done
grep -qw 'ip=dhcp' /proc/cmdline && for path in /sys/class/net/eth*; do
    # Goes on behind the scenes if there is no answer within five seconds.
    [ -e "$path" ] && udhcpc -i "${path##*/}" -s /etc/dhcp -b -t 5 -T 1 2>/dev/null
done
echo 'tessera guest ready'

run() {
    sh -c "$1"
    echo "tessera run: exit $?"
    poweroff -f
}
command=$(sed -n 's/.*tessera\\.run="\\([^"]*\\)".*/\\1/p; t
s/.*tessera\\.run=\\([^ ]*\\).*/\\1/p' /proc/cmdline)
[ -z "$command" ] || run "$command"
"""

# What udhcpc calls with what it was given.
DHCP = """\
#!/bin/sh
case "$1" in
deconfig)
    ip link set "$interface" up
    ip addr flush dev "$interface"
    ;;
bound | renew)
    ip addr add "$ip/$mask" dev "$interface"
    for gateway in $router; do
        ip route replace default via "$gateway" dev "$interface"
    done
    for server in $dns; do
        echo "nameserver $server"
    done >/etc/resolv.conf
    echo "$interface: $ip/$mask"
    ;;
esac
"""

FOLDERS = ("bin", "dev", "etc", "proc", "root", "run", "sbin", "sys", "tmp")


class Archive:
    """A cpio archive in the 'newc' format."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.inode = 0

    def add(
        self, name: str, mode: int, data: bytes = b"", device: tuple[int, int] = (0, 0)
    ) -> None:
        self.inode += 1
        path = name.encode() + b"\0"
        fields = (self.inode, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(path), 0)
        self.data += b"070701" + b"".join(b"%08x" % field for field in fields) + path
        self._pad()
        self.data += data
        self._pad()

    def _pad(self) -> None:
        self.data += bytes(-len(self.data) % 4)

    def finish(self) -> bytes:
        self.add("TRAILER!!!", 0)
        self.data += bytes(-len(self.data) % 512)
        return bytes(self.data)


def applets(busybox: Path) -> list[str]:
    """The commands that this BusyBox knows; the host runs it to ask."""
    output = subprocess.run([busybox, "--list"], check=True, capture_output=True, text=True).stdout
    return sorted(set(output.split()) - {"busybox"})


def build(busybox: Path) -> bytes:
    """The initramfs around the given static BusyBox."""
    archive = Archive()
    for folder in FOLDERS:
        archive.add(folder, stat.S_IFDIR | (0o1777 if folder == "tmp" else 0o755))
    archive.add("dev/console", stat.S_IFCHR | 0o600, device=(5, 1))
    archive.add("dev/null", stat.S_IFCHR | 0o666, device=(1, 3))
    archive.add("bin/busybox", stat.S_IFREG | 0o755, busybox.read_bytes())
    for applet in applets(busybox):
        archive.add(f"bin/{applet}", stat.S_IFLNK | 0o777, b"busybox")
    archive.add("init", stat.S_IFLNK | 0o777, b"bin/busybox")
    archive.add("etc/inittab", stat.S_IFREG | 0o644, INITTAB.encode())
    archive.add("etc/profile", stat.S_IFREG | 0o644, PROFILE.encode())
    archive.add("etc/dhcp", stat.S_IFREG | 0o755, DHCP.encode())
    archive.add("etc/rc", stat.S_IFREG | 0o755, RC.encode())
    return archive.finish()


def modules(files: dict[str, bytes]) -> bytes:
    """An archive to put behind that of build(): kernel modules, loaded in this order of names."""
    archive = Archive()
    archive.add("modules", stat.S_IFDIR | 0o755)
    for name, data in files.items():
        archive.add(f"modules/{name}.ko", stat.S_IFREG | 0o644, data)
    return archive.finish()
