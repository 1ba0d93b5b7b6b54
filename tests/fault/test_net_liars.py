# SPDX-License-Identifier: BSD-2-Clause
"""Ends of a packet connection that lie: a driver to the switch, and a switch to the driver
of a card behind an IOMMU."""

import re
import unittest

from launcher import minimal
from launcher.nets import NO_CARD, Net, qemu_arguments
from tests.boot import checked
from tests.boot.test_net import CLOUD, TIMEOUT, folder, ramdisk, up, vif
from tests.support import system

DRIVERS = ("virtio-net", "e1000e")

# Something is always on its way to the liar's card as well.
LEFT = up(eth0="10.7.0.1", eth1="10.8.0.1") + """\
(while :; do ping -q -c 100 -W 1 10.8.0.9 >/dev/null 2>&1; done) &
until ping -c 1 -W 1 10.7.0.2 >/dev/null; do :; done
for n in 1 2 3; do
    until said=$(seq 100000 | nc 10.7.0.2 7) && [ -n "$said" ]; do sleep 0.2; done
    [ "$said" = "$(seq 100000 | md5sum)" ] && echo same $n
    sleep 1
done
"""
RIGHT = up(eth0="10.7.0.2") + "while :; do nc -l -p 7 -e md5sum; done\n"



class Liars(unittest.TestCase):
    def test_driver(self) -> None:
        """Guests on another network talk on, and the switch lives."""
        scripts = {"left": LEFT, "right": RIGHT}
        with folder() as where:
            path = ramdisk(where, scripts)
            parts = [
                minimal.guest(name, kernel=f"package:{CLOUD}", initrd=path, memory="128M",
                              cmdline=f"console=hvc0 quiet tessera.run=/bin/{name}")
                for name in scripts
            ]
            networks = [Net(NO_CARD), Net()]
            text = minimal.describe(
                *parts, vif("left", 0, "10.7.0.1"), vif("left", 1, "10.8.0.1", 1),
                vif("right", 0, "10.7.0.2"), raw="left", nets=networks,
            )
            text = text.replace('[domain.nic1]\nimage = "virtio_net"\n',
                                '[domain.nic1]\nimage = "netliar"\nlog = "write"\n')
            with system(text, cards=networks) as console:
                for n in range(1, 4):
                    console.expect(f"^same {n}$", TIMEOUT)
                log = console.expect_log(r"nic1: \d+ lies in \d+ sessions\n").string
        lies = re.findall(r"nic1: (\d+) lies in (\d+) sessions", log)
        self.assertTrue(lies and int(lies[-1][1]) > 10, log[-3000:])
        self.assertNotRegex(log, r"root: (switch|store): crashed", log[-3000:])

    def test_switch(self) -> None:
        """Garbage, and addresses that the card may not reach; then the driver works."""
        for model in DRIVERS:
            with self.subTest(model):
                self.lies_to(model)

    def lies_to(self, model: str) -> None:
        machine = [*checked.IOMMU, *qemu_arguments([Net("user", model)], True)]
        log = checked.run("netbadserver", "net", model.replace("-", "_"), f'class = "{model}"',
                          *machine)
        self.assertNotIn("FAIL", log)
        self.assertNotIn("PANIC", log)
        # Each time that the card went where it must not, the driver was started again.
        self.assertRegex(log, r"root: driver: crashed: its device \S+ tried to")
        self.assertRegex(log, r"dma: driver \(00:\w\w\.\d\) tried to \w+ 0x\w+: blocked")
        refused = re.search(r"the driver refused (\d+)", log)
        self.assertTrue(refused and int(refused[1]) > 0, log[-3000:])


if __name__ == "__main__":
    unittest.main()
