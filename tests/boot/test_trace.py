# SPDX-License-Identifier: BSD-2-Clause
"""The core's traces of a running system: through the trace domain to a file, and from there
to Chrome JSON and to CTF, which babeltrace2 reads."""

import functools
import json
import subprocess
import tempfile
import unittest
from pathlib import Path

from audit import compiled
from description import compile_text
from launcher import minimal
from launcher import trace as lines
from launcher.paths import TOP
from trace import chrome, ctf, names, records

from tests.support import DEBIAN_KERNELS, busybox, package, system

CPUS = 2


@functools.cache
def traced() -> tuple[records.Trace, names.Domains]:
    """A guest boots and ends while everything is traced."""
    guest = minimal.guest(kernel=package(DEBIAN_KERNELS["6.1_cloud"]), initrd=busybox(),
                          cmdline="console=hvc0", memory="128M")
    text = minimal.describe(guest) + lines.text(["all"])
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder) / "raw"
        with system(text, *lines.qemu_arguments(raw), cpus=CPUS) as console:
            console.expect("guest:/# ", 300)
            console.send("poweroff -f\n")
            console.wait(120)
        data = raw.read_bytes()
    domids = compiled.read(compile_text(text, "test", TOP / "images", None).data).domids()
    return records.read(data), names.Domains(domids)


class Trace(unittest.TestCase):
    def test_stream(self) -> None:
        trace, domain = traced()
        self.assertEqual(trace.junk, 0)
        self.assertGreater(len(trace.records), 1000)
        seen = {names.points()[record.point] for record in trace.records}
        wanted = {"switch", "hypercall", "hypercall-end", "event", "irq", "invoke", "page-fault",
                  "upcall"}
        self.assertLessEqual(wanted, seen)
        self.assertIn("root", {domain(record.domain) for record in trace.records})

    def test_tracers(self) -> None:
        """What brings the records is not in them, and can carry a good part of what is left."""
        trace, domain = traced()
        self.assertFalse({domain(record.domain) for record in trace.records}
                         & {"trace", "trace-line"})
        self.assertLess(sum(trace.lost.values()), len(trace.records) * 9)

    def test_order(self) -> None:
        """Numbers of a CPU's records only grow, and its clock never goes back."""
        trace, _ = traced()
        for cpu in trace.cpus:
            own = [record for record in trace.records if record.cpu == cpu]
            numbers = [record.number for record in own]
            self.assertEqual(numbers, sorted(set(numbers)))

    def test_perfetto(self) -> None:
        trace, domain = traced()
        found = json.loads(chrome.convert(trace, domain))
        events = found["traceEvents"]
        named = {event["args"]["name"] for event in events if event["ph"] == "M"}
        self.assertLessEqual({"CPUs", "root", "console"}, named)
        calls = {event["name"] for event in events if event.get("cat") == "hypercall"}
        self.assertIn("sched_op", calls)
        self.assertTrue(all(event["dur"] >= 0 for event in events if event["ph"] == "X"))

    def test_ctf(self) -> None:
        trace, domain = traced()
        with tempfile.TemporaryDirectory() as folder:
            ctf.write(trace, domain, Path(folder) / "ctf")
            read = subprocess.run(["babeltrace2", Path(folder) / "ctf"], capture_output=True,
                                  text=True, check=False)
        self.assertEqual(read.returncode, 0, read.stderr)
        known = [record for record in trace.records if record.point in names.points()]
        self.assertEqual(len(read.stdout.splitlines()), len(known))
        self.assertIn("hypercall-end:", read.stdout)
        self.assertIn('"sched_op"', read.stdout)
