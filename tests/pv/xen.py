# SPDX-License-Identifier: BSD-2-Clause
"""Boots one of the small PV kernels as dom0 of the distribution's Xen, in QEMU.

That is how the test kernels themselves are checked: what they expect of Tessera
they must first find on Xen. Xen is started by QEMU's own multiboot loader, with
the kernel as its first module; dom0 reboots at its end, and QEMU, told not to,
exits. SMAP and LA57 are taken away because Xen 4.17 cannot live with QEMU's.
"""

import gzip
import pathlib
import shutil
import subprocess
import tempfile

XEN = pathlib.Path("/boot/xen-4.17-amd64.gz")
ICOUNT = ["-icount", "shift=0,sleep=off,align=off", "-rtc", "base=2024-01-01,clock=vm",
          "-seed", "1"]


class XenError(Exception):
    """Xen or QEMU is missing, or the run did not end by itself."""


def available():
    return XEN.exists() and shutil.which("qemu-system-x86_64") is not None


def boot(kernel, cmdline="", icount=False, timeout=120, xen_options=""):
    """The text that the kernel printed on its console."""
    if not available():
        raise XenError("the package xen-hypervisor-4.17-amd64 or QEMU is not installed")
    with tempfile.TemporaryDirectory() as directory:
        xen = pathlib.Path(directory) / "xen"
        xen.write_bytes(gzip.decompress(XEN.read_bytes()))
        # QEMU takes a comma in -initrd as the next module.
        module = f"{kernel} {cmdline}".replace(",", ",,")
        command = [
            "qemu-system-x86_64", "-accel", "tcg", "-cpu", "max,-smap,-la57", "-m", "512",
            "-display", "none", "-nodefaults", "-no-reboot", "-serial", "stdio",
            "-kernel", str(xen), "-initrd", module, "-append",
            "console=com1 com1=115200,8n1 loglvl=none guest_loglvl=none dom0_mem=64M "
            + xen_options]
        if icount:
            command += ICOUNT
        try:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True,
                                  timeout=timeout, check=False)
        except subprocess.TimeoutExpired as late:
            text = (late.stdout or b"").decode(errors="replace")
            raise XenError(f"no end within {timeout} s; it said:\n{text}") from late
        if done.returncode:
            raise XenError(done.stderr.decode(errors="replace"))
        return done.stdout.decode(errors="replace").replace("\r", "")
