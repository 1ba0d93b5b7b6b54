# SPDX-License-Identifier: BSD-2-Clause
"""A guest whose network frontends lie in every field (netfront.c): they have answers, until
each is taken away; guests on the same network talk on."""

import unittest

from launcher import minimal
from launcher.nets import NO_CARD, Net
from tests.boot.test_net import CLOUD, TIMEOUT, folder, ramdisk, up, vif
from tests.fault.net.campaign import icount
from tests.support import build_dir, system

ROUNDS = 1000
VIFS = 6
LEFT = up(eth0="10.7.0.1") + """\
until ping -c 1 -W 1 10.7.0.2 >/dev/null; do :; done
for n in 1 2 3; do
    until said=$(seq 100000 | nc 10.7.0.2 7) && [ -n "$said" ]; do sleep 0.2; done
    [ "$said" = "$(seq 100000 | md5sum)" ] && echo same $n
done
sleep 100000
"""
RIGHT = up(eth0="10.7.0.2") + "while :; do nc -l -p 7 -e md5sum; done\n"


def attacker(words: str) -> str:
    return minimal.guest("attacker", kernel=build_dir() / "tests" / "hostile" / "netfront.elf",
                         memory="16M", cmdline=words, on_crash="stop")


class NetFrontend(unittest.TestCase):
    def test_lies(self) -> None:
        scripts = {"left": LEFT, "right": RIGHT}
        with folder() as where:
            path = ramdisk(where, scripts)
            parts = [
                minimal.guest(name, kernel=f"package:{CLOUD}", initrd=path, memory="128M",
                              cmdline=f"console=hvc0 quiet tessera.run=/bin/{name}")
                for name in scripts
            ]
            parts.append(attacker(f"rounds={ROUNDS}"))
            vifs = [vif("attacker", n, f"10.7.0.{10 + n}") for n in range(VIFS)]
            text = minimal.describe(
                *parts, vif("left", 0, "10.7.0.1"), vif("right", 0, "10.7.0.2"), *vifs,
                raw="left", nets=[Net(NO_CARD)],
            )
            with system(text) as console:
                for n in range(1, 4):
                    console.expect(f"^same {n}$", TIMEOUT)
                log = console.expect_log(r"attacker: (netfront: .*passed|panic)").string
        self.assertIn(f"attacker: netfront: {VIFS} passed, 0 failed", log, log[-4000:])
        self.assertNotRegex(log, r"root: (switch|store): crashed", log[-3000:])
        for why, count in (("its ring's indices are impossible", 2),
                           ("a chain of its requests does not end", 2)):
            self.assertEqual(log.count(f"is taken away: {why}"), count, log[-3000:])

    def test_kicks(self) -> None:
        """In virtual time, where no host is too slow to ring more often than it may."""
        vifs = [vif("attacker", n, f"10.7.0.{10 + n}") for n in range(VIFS)]
        text = minimal.describe(attacker("case=kicks"), *vifs, nets=[Net(NO_CARD)])
        with system(text, *icount(sleep=False)) as console:
            console.expect("^netfront: 1 passed, 0 failed$", TIMEOUT)
            console.expect_log("attacker-5 rings for nothing")


if __name__ == "__main__":
    unittest.main()
