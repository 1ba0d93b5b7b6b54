# SPDX-License-Identifier: BSD-2-Clause
"""Manual pages and completion: every command has them, groff and the shells take them."""

import re
import subprocess
import tempfile
import unittest
from pathlib import Path

from launcher import cli, manual


class Pages(unittest.TestCase):
    def test_every_command_has_a_page_that_groff_takes(self) -> None:
        pages = manual.pages(cli._parser())
        for word in ("ps", "run", "upgrade", "man"):
            self.assertIn(f"tessera-{word}.1", pages)
        for name, text in pages.items():
            with self.subTest(name):
                done = subprocess.run(
                    ["groff", "-man", "-ww", "-Tutf8", "-Kutf8"], input=text,
                    capture_output=True, text=True, check=True)
                self.assertEqual(done.stderr, "")
                self.assertIn("EXIT STATUS", re.sub(".\b", "", done.stdout))

    def test_every_argument_is_explained(self) -> None:
        for name, text in manual.pages(cli._parser()).items():
            self.assertNotRegex(text, r"\n\.\n", name)

    def test_what_is_in_a_page(self) -> None:
        text = manual.pages(cli._parser())["tessera-set.1"]
        for word in ("NAME", "memory|weight|cap|heartbeat", "\\-\\-dry\\-run"):
            self.assertIn(word, text)


class Completion(unittest.TestCase):
    """What a shell offers for a line that ends in the middle of a word."""

    def offered(self, shell: str, *words: str) -> list[str]:
        array = " ".join(words)
        script = "autoload -U compinit && compinit -u -D\n" if shell == "zsh" else ""
        script += manual.completion(cli._parser(), shell)
        script += 'tessera() { echo "one-of-$2"; }\n'  # what the running system would say
        ask = f"{script}\nCOMP_WORDS=({array}); COMP_CWORD={len(words) - 1}; _tessera\n"
        ask += 'for word in "${COMPREPLY[@]}"; do echo "$word"; done\n'
        command = ["bash", "--norc"] if shell == "bash" else ["zsh", "-f", "-o", "ksharrays"]
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "ask").write_text(ask)
            done = subprocess.run([*command, "ask"], cwd=folder, capture_output=True, text=True,
                                  check=True)
        self.assertEqual(done.stderr, "")
        return sorted(done.stdout.split())

    def test_bash(self) -> None:
        self.assertEqual(self.offered("bash", "tessera", "re"), ["reboot", "restart"])
        self.assertEqual(self.offered("bash", "tessera", "restart", "--dry"), ["--dry-run"])
        self.assertEqual(self.offered("bash", "tessera", "set", "nic0", "we"), ["weight"])
        self.assertEqual(self.offered("bash", "tessera", "upgrade", "nic0", "a"), ["ask"])
        self.assertEqual(self.offered("bash", "tessera", "net", "r"), ["rules"])
        self.assertEqual(self.offered("bash", "tessera", "net", "rules", "eth0", "--dir"),
                         ["--direction"])
        self.assertEqual(self.offered("bash", "tessera", "blk", "set", "root", "io"), ["iops"])
        self.assertIn("rate_in", self.offered("zsh", "tessera", "net", "set", "eth0", "rate_i"))

    def test_names_of_the_running_system(self) -> None:
        for shell in ("bash", "zsh"):
            for words, what in ((("plug",), "domains"), (("unplug", "guest"), "devices"),
                                (("net", "rules"), "ports"), (("blk", "set"), "disks")):
                self.assertIn(f"one-of-{what}", self.offered(shell, "tessera", *words, "one"))

    def test_zsh_takes_it(self) -> None:
        script = "autoload -U compinit && compinit -u -D\n"
        script += manual.completion(cli._parser(), "zsh")
        script += 'print -r -- "${_comps[tessera]}"\n'
        done = subprocess.run(["zsh", "-f"], input=script, capture_output=True, text=True,
                              check=True)
        self.assertEqual(done.stderr, "")
        self.assertIn("_tessera", done.stdout)
