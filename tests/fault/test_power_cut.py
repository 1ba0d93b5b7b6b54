# SPDX-License-Identifier: BSD-2-Clause
"""The power fails in the middle of an upgrade, at each of its stages: the machine comes up with
the programs of its image, and the guest's disk has what the guest was told is there."""

import contextlib
import tempfile
import unittest
from pathlib import Path
from typing import Iterator

from control.client import Client
from launcher import minimal
from launcher.disks import Disk
from tests import manage
from tests.support import DEBIAN_KERNELS, Session, build_dir, system

LIMIT = 180


def describe() -> str:
    disk = Disk(Path("none"))
    return minimal.describe(
        manage.operator("see", "upgrade"),
        minimal.guest("one", kernel=f"package:{DEBIAN_KERNELS['6.1_cloud']}",
                      initrd="built:busybox", cmdline="quiet", memory="96M"),
        minimal.virtual("one", [disk]), name="cut", raw="one", disks=[disk],
    )


@contextlib.contextmanager
def machine(folder: Path) -> Iterator[tuple[Session, Client]]:
    """Its end is the power's: QEMU is killed."""
    (folder / "operator").unlink(missing_ok=True)
    with system(describe(), *manage.arguments(folder),
                attached=[Disk(folder / "disk.img")]) as console:
        console.expect("guest:/#", LIMIT)
        yield console, Client(folder / "operator", LIMIT)


def driver(client: Client) -> tuple[object, object, object]:
    found = client.items("ps", name="disk0")[0]
    return found["program"], found["version"], found["build_id"]


def write(console: Session, number: int) -> None:
    console.send(f"echo block {number} | dd of=/dev/xvda bs=512 seek={number} count=1 "
                 f"conv=fsync,notrunc 2>/dev/null && echo written $(({number} + 1000))\n")
    console.expect(f"^written {number + 1000}$", LIMIT)


class PowerCut(unittest.TestCase):
    def upgrade(self, client: Client, stage: str) -> None:
        package = (build_dir() / "tests/upgrade/virtio_blk_old.dom").read_bytes()
        if stage == "upload":
            client.request("upload", size=len(package))
            client.request("upload", offset=0, data="AAAA")
            return
        client.upload(package)
        if stage == "uploaded":
            return
        client.request("events", on=True)
        client.request("upgrade", name="disk0")
        wanted = {"begun": (), "trial": ("trial",), "done": ("trial", "running")}[stage]
        for state in wanted:
            while True:
                event = client.event(LIMIT)
                self.assertIsNotNone(event, f"disk0 was not {state}")
                if event and event.get("name") == "disk0" and event.get("to") == state:
                    break

    def test_each_stage(self) -> None:
        with tempfile.TemporaryDirectory(prefix="tessera.cut.") as name:
            folder, image = Path(name), None
            (folder / "disk.img").write_bytes(bytes(4 << 20))
            for number, stage in enumerate(("upload", "uploaded", "begun", "trial", "done"), 1):
                with machine(folder) as (console, client):
                    image = image or driver(client)
                    self.assertEqual(driver(client), image, f"after the cut before {stage}")
                    for old in range(1, number):
                        console.send(f"dd if=/dev/xvda bs=512 skip={old} count=1 2>/dev/null | "
                                     "head -n 1\n")
                        console.expect(f"^block {old}$", LIMIT)
                    self.upgrade(client, stage)
                    write(console, number)
            blocks = (folder / "disk.img").read_bytes()
            for number in range(1, 6):
                self.assertTrue(blocks[512 * number :].startswith(b"block %d\n" % number))


if __name__ == "__main__":
    unittest.main()
