# SPDX-License-Identifier: BSD-2-Clause
"""gdb on a running system, in batch mode: the core's symbols, the list of domains, and a
breakpoint that stops in one address space and in no other."""

import subprocess
import tempfile
import unittest
from pathlib import Path

from launcher import debug, minimal

from tests.support import DEBIAN_KERNELS, build_dir, busybox, package, system

LIMIT = 300


class Gdb(unittest.TestCase):
    def test_breakpoint_in_a_domain(self) -> None:
        guest = minimal.guest(kernel=package(DEBIAN_KERNELS["6.1_cloud"]), initrd=busybox(),
                              cmdline="console=hvc0", memory="128M")
        with tempfile.TemporaryDirectory(prefix="tessera.") as folder:
            stub = Path(folder) / "gdb"
            with system(minimal.describe(guest), *debug.qemu_arguments(stub)) as console:
                console.expect("guest:/# ", LIMIT)
                # Both link libs/event; the driver sends when the console has said something.
                words = debug.command(stub, build_dir(), "console", "console")
                words += ["-ex", "domains", "-ex", "dbreak ring_publish", "-ex", "continue",
                          "-ex", "info symbol $rip", "-ex", "delete", "-ex", "detach"]
                with subprocess.Popen([*words, "-batch"], stdout=subprocess.PIPE, text=True,
                                      stderr=subprocess.STDOUT) as gdb:
                    console.send("while true; do echo x; done\n")
                    said = gdb.communicate(timeout=LIMIT)[0]
        for name in ("root", "console", "uart16550", "guest"):
            self.assertRegex(said, rf"(?m)^{name} +d\d+ 0x[0-9a-f]+")
        self.assertIn("ring_publish in section .text", said)
