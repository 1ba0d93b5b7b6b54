# SPDX-License-Identifier: BSD-2-Clause
"""Domains get other programs while they work: newer ones, older ones, and such as must
not stay. A guest with disk and network notices nothing."""

import hashlib
import http.server
import re
import threading
import unittest
from functools import partial
from typing import Any

from description import schema
from launcher import minimal
from package import dom
from tests.support import build_dir, system
from tests.upgrade.rig import CONTROL_RIGHTS, KERNEL, Rig, running

TESTERS = ["tester1", "tester2", "tester4", "tester_dies", "tester_late", "tester_greedy",
           "tester_hangs", "tester_large"]
TESTER = """
[domain.tester]
image = "tester1"
lifeboat = "64K"
"""

# Writes, reads back what was written, and says so if it is something else; the same by TCP.
LOAD = """\
disk() {{
    n=0
    while [ ! -e /tmp/stop ]; do
        dd if=/dev/urandom of=/tmp/a bs=64k count=16 2>/dev/null
        dd if=/tmp/a of=/dev/xvda bs=64k conv=fsync 2>/dev/null || echo DISK: write failed
        echo 7 >/proc/sys/vm/drop_caches
        dd if=/dev/xvda of=/tmp/b bs=64k count=16 2>/dev/null || echo DISK: read failed
        cmp /tmp/a /tmp/b || echo DISK: not what was written
        n=$((n + 1))
    done
    echo "disk rounds: $n"
}}
net() {{
    n=0
    while [ ! -e /tmp/stop ]; do
        got=$(wget -q -O - http://10.0.2.2:{port}/ | md5sum)
        [ "$got" = "{sum}  -" ] || echo "NET: $got"
        n=$((n + 1))
    done
    echo "net rounds: $n"
}}
dmesg -c >/dev/null
disk & net &
"""


def wait_for_rounds(rig: Rig) -> None:
    """Ends the load, and the guest's own view of what happened."""
    rig.console.send("\r\rtouch /tmp/stop; wait; dmesg | sed 's/^/KERNEL: /'; echo load is over\r")
    rig.console.expect("load is over$", 300)


class Programs(unittest.TestCase):
    def description(self) -> str:
        text = minimal.describe(
            minimal.guest("one", kernel=f"package:{KERNEL}", initrd="built:busybox",
                          cmdline="quiet", memory="128M"),
            TESTER, name="programs", control=True, programs=TESTERS)
        return text.replace('server = "root"\nclient = "console"\n',
                            'server = "root"\n' + CONTROL_RIGHTS)

    def test_good_and_bad_ones(self) -> None:
        with system(self.description()) as console:
            console.expect("guest:/#", 240)
            rig = Rig(console)
            rig.wait_for_log("tester: start 1, layout 1, adopted 0, knows 1 to 1")
            for program, why in (
                ("tester4", "it knows layouts 3 to 4 of the lifeboat, which is of layout 1"),
                ("tester_greedy", "it needs a capability of type 4"),
                ("tester_large", "its image needs more memory than the domain has"),
                ("nothing", "its program is not among the boot modules"),
            ):
                rig.command(f"upgrade tester {program}")
                console.expect(re.escape(why), 60)
            self.assertNotIn("tester: start 2", rig.log())

            rig.upgrade("tester", "tester2")
            rig.wait_for_log("tester: start 2, layout 1, adopted 1, knows 1 to 2")
            starts = 2
            for program, why in (("tester_dies", "it reported a panic"),
                                 ("tester_hangs", "it started, and its event loop does not answer"),
                                 ("tester_late", "it reported a panic")):
                behind = len(rig.log())
                rig.command(f"upgrade tester {program}")
                rig.wait_for_log(rf"upgrade to {program} 2\.\d failed, and was taken back: {why}",
                                 behind)
                starts += 2  # the failed one's and the old one's
                rig.wait_for_log(f"tester: start {starts}, layout 1, adopted 1, knows 1 to 2",
                                 behind)
                rig.command("why tester")
                console.expect(f"upgrade to {program} 2.* failed, and was taken back", 60)
            # An upgrade that was taken back has left nothing to go back to.
            rig.command("rollback tester")
            console.expect("it had no other program before", 60)
            rig.upgrade("tester", "tester1")
            behind = len(rig.log())
            rig.command("rollback tester")
            rig.wait_for_log(r"tester: rollback to tester2 2\.0: away for", behind)
            console.send("\r\rpoweroff\r")
            self.assertEqual(console.wait(120), 33, console.text[-2000:])


class Page(http.server.BaseHTTPRequestHandler):
    """The same bytes for everybody."""

    def __init__(self, content: bytes, *arguments: Any):
        self.content = content
        super().__init__(*arguments)

    def do_GET(self) -> None:  # pylint: disable=invalid-name
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.content)))
        self.end_headers()
        self.wfile.write(self.content)

    def log_message(self, *_: object, **__: object) -> None:
        pass


class Older(unittest.TestCase):
    """The kept older programs speak the version before today's, and none later."""

    def versions(self, path: str, protocol: str) -> tuple[int, int]:
        package = dom.read(build_dir() / path)
        found = [(need.oldest, need.newest) for need in package.needs
                 if (need.kind, need.what) == (dom.CONNECTION, schema.PROTOCOLS[protocol])]
        self.assertEqual(len(found), 1, f"{path}: {protocol}")
        return found[0]

    def test_one_version_apart(self) -> None:
        for old, new, protocol in (
            ("virtio_blk_old", "drivers/virtio_blk", "disk"), ("vbd_old", "servers/vbd", "disk"),
            ("virtio_net_old", "drivers/virtio_net", "net"),
            ("switch_old", "servers/switch", "net"),
        ):
            with self.subTest(old):
                last = self.versions(f"tests/upgrade/{old}.dom", protocol)
                now = self.versions(f"{new}.dom", protocol)
                self.assertEqual(last[1] + 1, now[1])
                self.assertLessEqual(now[0], last[1])


class UnderLoad(unittest.TestCase):
    """Every domain between a guest and its disk and network, to the last version and back."""

    PROGRAMS = (
        ("disk0", "virtio_blk_old"), ("vbd", "vbd"), ("disk0", "virtio_blk"),
        ("vbd", "vbd_old"), ("disk0", "virtio_blk"), ("vbd", "vbd"),
        ("nic0", "virtio_net_old"), ("switch", "switch"), ("nic0", "virtio_net"),
        ("switch", "switch_old"), ("nic0", "virtio_net"), ("switch", "switch"),
        ("store", "store"),
        ("console", "console"), ("uart16550", "uart16550"), ("sched_bvt", "sched_bvt"),
    )

    def test_guest_notices_nothing(self) -> None:
        content = b"".join(hashlib.sha256(b"%d" % n).digest() for n in range(1 << 15))
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Page, content))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        load = LOAD.format(port=server.server_port, sum=hashlib.md5(content).hexdigest())
        try:
            with running(["virtio_blk_old", "vbd_old", "virtio_net_old", "switch_old"]) as rig:
                console = rig.console
                console.send("ip link set eth0 up; udhcpc -i eth0 -s /etc/dhcp -q; stty -echo\r")
                console.expect(r"10\.0\.2\.15/24\n.*guest:/# ", 120)
                for line in load.splitlines():
                    console.send(line + "\r")
                console.send("echo load runs\r")
                console.expect("load runs$", 120)
                for domain, program in self.PROGRAMS:
                    rig.upgrade(domain, program)
                behind = len(rig.log())
                rig.command("rollback vbd")
                rig.wait_for_log("vbd: rollback to vbd_old 0.0: away for", behind)
                wait_for_rounds(rig)
                said = console.text
                self.assertNotRegex(said, "(?m)^(DISK|NET|KERNEL): .*", said[-3000:])
                for what in ("disk", "net"):
                    rounds = re.search(rf"{what} rounds: (\d+)", said)
                    self.assertTrue(rounds and int(rounds[1]) >= 1, said[-2000:])
                self.assertNotIn("crashed", rig.log().split("upgrade to", 1)[1])
        finally:
            server.shutdown()
            server.server_close()

