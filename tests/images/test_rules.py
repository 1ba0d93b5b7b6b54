# SPDX-License-Identifier: BSD-2-Clause
"""The rule compiler: one file in images/bad/rules for each mistake, with the message that it
must produce, and what does not fit into such a file. What rules mean is tested in
tests/unit/native/fw."""

import json
import re
import struct
import subprocess
import unittest
from pathlib import Path

from description import DescriptionError, rule_values
from description.rules import CONDITIONS, HEADER, OPTIONS, RULE, compile_rules, mirror_ports
from launcher.paths import TOP

BAD = TOP / "images" / "bad" / "rules"
REFERENCE = TOP / "docs" / "reference" / "rules.md"


def messages(text: str) -> list[str]:
    try:
        compile_rules(text, "t")
    except DescriptionError as error:
        return error.messages
    return []


class Bad(unittest.TestCase):
    maxDiff = None


def _bad(path: Path):
    def test(self: unittest.TestCase) -> None:
        text = path.read_text()
        expected = re.match(r"# expect (.*)", text.splitlines()[1])
        assert expected, f"{path} says nothing about what to expect"
        with self.assertRaises(DescriptionError) as caught:
            compile_rules(text, path.name)
        self.assertEqual(caught.exception.messages, [f"{path.name}:{expected[1]}"])

    return test


for bad in sorted(BAD.glob("*.rules")):
    setattr(Bad, "test_" + bad.stem.replace("-", "_"), _bad(bad))


class Limits(unittest.TestCase):
    def test_rules(self) -> None:
        lines = [f"drop tcp dport {n}\n" for n in range(513)]
        self.assertEqual(messages("".join(lines[:512])), [])
        self.assertEqual(messages("".join(lines)),
                         ['t:513: found "drop", expected at most 512 rules'])

    def test_values_of_a_list(self) -> None:
        ports = [str(n) for n in range(257)]
        self.assertEqual(messages("drop udp dport " + ", ".join(ports[:256])), [])
        self.assertEqual(messages("drop udp dport " + ", ".join(ports)),
                         ['t:1: found "257 values", expected at most 256'])

    def test_a_range_that_becomes_many_prefixes_counts_as_many(self) -> None:
        wide = ", ".join(f"2001:db8:{n}::1-2001:db8:{n}:ffff:ffff:ffff:ffff:fffe" for n in range(2))
        self.assertIn("expected at most 256", messages(f"accept from {wide}")[0])

    def test_values_of_all_rules(self) -> None:
        ports = ", ".join(str(n) for n in range(241))
        text = "".join(f"drop udp sport {n} dport {ports}\n" for n in range(17))
        self.assertEqual(messages(text),
                         ["t:17: found 4131 values in all rules, expected at most 4096"])

    def test_bytes(self) -> None:
        text = "".join(
            f"drop from 10.{n}.0.0/16 to { ', '.join(f'10.{n}.{m}.1' for m in range(14)) }\n"
            for n in range(250)
        )
        self.assertRegex(messages(text)[0],
                         r"t:250: found \d+ bytes when compiled, expected at most")

    def test_ports(self) -> None:
        text = "".join(f"mirror port{n}\n" for n in range(65))
        self.assertEqual(messages(text), ["t:65: found 65 ports, expected at most 64"])


class Good(unittest.TestCase):
    def rules(self, text: str) -> list[tuple]:
        data = compile_rules(text, "t")
        header = HEADER.unpack_from(data)
        self.assertEqual(header[2], len(data))
        return [RULE.unpack_from(data, header[3] + n * RULE.size) for n in range(header[4])]

    def test_nothing(self) -> None:
        self.assertEqual(self.rules(""), [])
        self.assertEqual(self.rules("\n# a comment\n\r\n"), [])

    def test_lines(self) -> None:
        text = "accept tcp\n\ndefine a = {\n 1,\n 2,\n}\ndrop udp dport $a\nlog # why"
        self.assertEqual([rule[2] for rule in self.rules(text)], [1, 7, 8])

    def test_equal_lists_are_there_once(self) -> None:
        once = len(compile_rules("drop from 10.0.0.1, 10.0.0.2\n", "t"))
        twice = len(compile_rules("drop from 10.0.0.1, 10.0.0.2 to 10.0.0.2\n", "t"))
        self.assertEqual(once, twice)

    def test_mirror_ports(self) -> None:
        text = "mirror b tcp\nmirror a\ndrop mirror b\n"
        self.assertEqual(mirror_ports(compile_rules(text, "t")), ["b", "a"])

    def test_rates(self) -> None:
        def rate(text: str) -> tuple:
            rule = self.rules(f"accept limit {text}\n")[0]
            return rule[-1], rule[10], rule[4]

        self.assertEqual(rate("10/second"), (36000, 5, 0))
        self.assertEqual(rate("600/second burst 7"), (2160000, 7, 0))
        self.assertEqual(rate("600/second"), (2160000, 60, 0))
        self.assertEqual(rate("5/hour"), (5, 5, 0))
        self.assertEqual(rate("1 kbytes/minute burst 4 kbytes"), (61440, 4096, 4))
        self.assertEqual(rate("2000 bytes/second"), (7200000, 65550, 4))

    def test_all_mistakes_are_told_at_once(self) -> None:
        self.assertEqual([m.split(":")[1] for m in messages("x\naccept y\n\ndrop limit\ndrop\n")],
                         ["1", "2", "4"])

    def test_implied_conditions(self) -> None:
        self.assertEqual(self.rules("accept flags syn/syn\n"),
                         self.rules("accept tcp flags syn/syn\n"))
        self.assertEqual(self.rules("accept icmp\n"), self.rules("accept ip icmp\n"))
        self.assertEqual(self.rules("accept from any\n"), self.rules("accept\n"))


class Command(unittest.TestCase):
    """./tessera rules check"""

    def run_command(self, *files: object) -> subprocess.CompletedProcess:
        return subprocess.run(
            [TOP / "tessera", "rules", "check", *map(str, files)], capture_output=True, text=True,
            check=False, timeout=60, cwd=TOP,
        )

    def test_the_files_of_the_tree(self) -> None:
        result = self.run_command(*sorted((TOP / "images" / "rules").glob("*.rules")))
        self.assertEqual((result.returncode, result.stdout, result.stderr), (0, "", ""))

    def test_mistakes_of_all_files(self) -> None:
        files = [Path("images/bad/rules") / f"{name}.rules" for name in ("any-not", "log-twice")]
        result = self.run_command(*files, "images/rules/none.rules")
        self.assertEqual(result.returncode, 1)
        lines = result.stderr.splitlines()
        self.assertEqual([line.split(":")[0] for line in lines],
                         [*map(str, files), "images/rules/none.rules"])
        self.assertIn("No such file", lines[2])
        result = self.run_command(*files, "images/rules/open.rules", "--json")
        found = json.loads(result.stdout)
        self.assertEqual((result.returncode, result.stderr), (1, ""))
        self.assertEqual([(one["file"], len(one["mistakes"])) for one in found],
                         [(str(files[0]), 1), (str(files[1]), 1), ("images/rules/open.rules", 0)])
        self.assertEqual(found[0]["mistakes"], [lines[0]])


class Reference(unittest.TestCase):
    text = REFERENCE.read_text()

    def test_every_example_compiles(self) -> None:
        examples = re.findall(r"^```\n(.*?)^```", self.text, re.MULTILINE | re.DOTALL)
        grammar, rest = [e for e in examples if "newline" in e], examples
        self.assertEqual(len(grammar), 1)
        for example in rest:
            if example not in grammar:
                self.assertEqual(messages(example), [], example)

    def test_every_word_is_in_the_reference(self) -> None:
        words = {*OPTIONS, *CONDITIONS, *rule_values.STATES, *rule_values.ICMP_TYPES,
                 *rule_values.ICMP6_TYPES, *rule_values.PROTOCOLS, *rule_values.ETHERTYPES}
        for word in words:
            self.assertRegex(self.text, rf"`{re.escape(word)}[` ]")

    def test_limits(self) -> None:
        header = (TOP / "proto" / "rules.h").read_text()
        for name, shown in (("RULES_MAX", "512"), ("RULES_MAX_LIST", "256"), ("RULES_MAX_WORK",
            "4096")):
            self.assertRegex(header, rf"#define {name} +{shown}U")
            self.assertIn(shown, self.text)
        self.assertEqual(struct.calcsize(RULE.format), 72)
