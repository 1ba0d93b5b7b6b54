# SPDX-License-Identifier: BSD-2-Clause
"""The capability tables of a running system are what its description gives: no more, no less;
and what is looked at are the real ones."""

import unittest

from audit import compare, compiled
from description import compile_text
from launcher.paths import TOP

from tests.boot.test_control import description, managed


class Audit(unittest.TestCase):
    def test_running_system(self) -> None:
        system = compiled.read(compile_text(description(), "test", TOP / "images", None).data)
        with managed() as running:
            running.wait_state("one", "running")
            client = running.client
            cpus = client.request("system")["cpus"]
            tables = {domain.name: client.items("caps", name=domain.name)
                      for domain in system.domains[1:]}
            going = {row["name"] for row in client.items("ps") if row["state"] == "running"}
        found = compare.audit(system, tables, cpus, going)
        self.assertFalse(found, "\n".join(map(str, found)))
        self.assertTrue(any(row["what"].startswith("device") for row in tables["line0"]))
        # Nobody's table is taken for another's, and each right counts.
        tables["monitor"], tables["operator"] = tables["operator"][:-1], tables["line1"]
        self.assertTrue(compare.audit(system, tables, cpus, going))
