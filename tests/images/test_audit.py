# SPDX-License-Identifier: BSD-2-Clause
"""Who may touch what, by the description; comparing it with tables; OpenMetrics; traces that are
cut off or hold junk; backtraces from a stack. What needs no running system."""

import base64
import re
import struct
import subprocess
import tempfile
import unittest
from pathlib import Path

import metrics
import postmortem
from audit import compare, compiled, expected, graph, reach
from description import compile_file, lines, schema
from description.report import Report
from launcher.paths import TOP
from trace import chrome, ctf, names, records

DEFAULT = TOP / "images" / "default.toml"
CPUS = 2


def system() -> compiled.System:
    return compiled.read(compile_file(DEFAULT, None).data)


def described() -> schema.System:
    report = Report("default")
    return schema.read(*lines.parse(DEFAULT.read_text(encoding="utf-8"), report), report)


def tables(of: compiled.System) -> dict[str, compare.Table]:
    """What a machine would show that gave everybody what is described."""
    found: dict[str, compare.Table] = {}
    for domain in of.domains[1:]:
        found[domain.name] = [
            {"slot": slot, "type": cap.kind, "rights": sorted(cap.rights),
             "first": 0x1000 * (domain.index + 1) if cap.first is None else cap.first,
             "count": cap.count or 16, "what": ""}
            for slot, cap in enumerate(expected.of(of, domain, CPUS), 1)
            if not (cap.kind == "dma" and cap.first is None)
        ]
    return found


class Audit(unittest.TestCase):
    def differences(self, shown: dict[str, compare.Table]) -> list[str]:
        of = system()
        return [str(found) for found in
                compare.audit(of, shown, CPUS, {domain.name for domain in of.domains})]

    def test_as_described(self) -> None:
        self.assertEqual(self.differences(tables(system())), [])

    def test_a_right_too_many(self) -> None:
        shown = tables(system())
        shown["console"][0]["rights"] = ["grant", "event", "control"]
        (found,) = self.differences(shown)
        self.assertEqual(found, "console: found domain root (control event grant) in slot 1, "
                         "expected domain root (event grant), by every native domain can name root")

    def test_one_too_many_and_one_that_is_missing(self) -> None:
        shown = tables(system())
        shown["store"].append({"slot": 90, "type": "ports", "rights": ["use"], "first": 0x60,
                               "count": 4, "what": ""})
        gone = shown["uart16550"].pop()
        found = self.differences(shown)
        self.assertEqual(found[1], "store: found ports 0x60-0x63 (use) in slot 90, "
                         "expected nothing of the kind")
        self.assertTrue(found[0].startswith(f"uart16550: found nothing, expected {gone['type']}"))

    def test_a_device_of_two(self) -> None:
        shown = tables(system())
        shown["disk0"].append({"slot": 9, "type": "irq", "rights": ["use"], "first": 4,
                               "count": 1, "what": ""})
        self.assertTrue(any("alone" in found for found in self.differences(shown)))

    def test_graph(self) -> None:
        of = system()
        text = graph.dot(tables(of), of.domids())
        self.assertIn('"vbd" -> "debian"', text)
        self.assertTrue(graph.svg(text).startswith(b"<?xml"))

    def test_reach(self) -> None:
        of, text = system(), described()
        (domain, device) = reach.who(of, text, "disk0")
        self.assertIn("vbd", {way.who for way in domain.ways})
        ways = {way.who: way.through for way in device.ways}
        self.assertEqual(ways["debian"], "vbd")
        self.assertNotIn("switch", ways)
        volume = reach.who(of, text, text.volumes[0].name)[-1]
        self.assertIn("debian", {way.who for way in volume.ways})
        with self.assertRaises(reach.Unknown):
            reach.who(of, text, "nobody")


LABEL = r'[a-zA-Z_]\w*="(?:[^"\\\n]|\\[\\"n])*"'
SAMPLE = re.compile(rf"([a-zA-Z_:][\w:]*)(?:\{{{LABEL}(?:,{LABEL})*\}})? (-?\d+(?:\.\d+)?)")


class Metrics(unittest.TestCase):
    def parse(self, text: str) -> dict[str, str]:
        """Strictly: metadata before samples, families whole, suffixes by type, # EOF last."""
        families: dict[str, str] = {}
        seen: set[str] = set()
        name = ""
        *body, end, rest = text.split("\n")
        self.assertEqual((end, rest), ("# EOF", ""))
        for line in body:
            if meta := re.fullmatch(r"# (TYPE|UNIT|HELP) (\w+) (.*)", line):
                word, of, value = meta.groups()
                if word == "TYPE":
                    self.assertNotIn(of, families)
                    families[of], name = value, of
                self.assertEqual(of, name)
                if word == "UNIT":
                    self.assertTrue(of.endswith(f"_{value}"), line)
                continue
            sample = SAMPLE.fullmatch(line)
            self.assertTrue(sample, line)
            assert sample
            suffix = "_total" if families[name] == "counter" else ""
            self.assertEqual(sample[1], name + suffix)
            self.assertNotIn(line.rsplit(" ", 1)[0], seen)
            seen.add(line.rsplit(" ", 1)[0])
        return families

    def test_text(self) -> None:
        rows = [{"name": 'a"\\\n', "kind": "guest", "state": state, "run_ns": 1_500_000_000,
                 "memory": 4096, "maximum": 8192, "incarnation": 0, "restarts": 1, "failures": 2}
                for state in ("running",)]
        rows.append({**rows[0], "name": "b", "state": "idle"})
        net = [{"name": "eth0", "in_packets": 1, "in_bytes": 2, "dropped": {"rules": 3}}]
        text = metrics.openmetrics({"now_ns": 5, "cpus": 2}, rows, net, [])
        families = self.parse(text)
        self.assertEqual(families["tessera_domain_state"], "stateset")
        self.assertIn('tessera_domain_cpu_seconds_total{domain="b",kind="guest"} 1.5\n', text)
        self.assertIn('domain="a\\"\\\\\\n"', text)
        self.assertNotIn("tessera_disk_reads", text)
        self.assertEqual(self.parse(metrics.openmetrics({}, [], [], [])), {})


def stream(*points: tuple[int, int, int], lost: int = 0) -> bytes:
    """A piece of CPU 0 with records (point, a, b), a microsecond apart."""
    data = records.PIECE.pack(records.MAGIC, 0, len(points), lost, lost)
    for n, (point, a, b) in enumerate(points):
        data += records.RECORD.pack(1000 * (n + 1), point, 0, 3, 0, a, b)
    return data


class Trace(unittest.TestCase):
    def test_names(self) -> None:
        self.assertEqual(names.points()[2], "hypercall")
        self.assertEqual(names.hypercall(29), "sched_op")
        self.assertEqual(names.operation(0x21), "DOMAIN_INFO")
        self.assertEqual(names.bits(["switch", "irq"]), 1 << 0 | 1 << 7)

    def test_cut_and_junk(self) -> None:
        whole = stream((7, 0xF0, 0), (2, 29, 1), (3, 29, 0), lost=5)
        for size in range(0, len(whole), 7):
            trace = records.read(whole[:size])
            self.assertEqual(len(trace.records), max(0, size // 32 - 1))
        trace = records.read(bytes(64) + whole)
        self.assertEqual((trace.junk, len(trace.records), trace.lost), (2, 3, {0: 5}))
        late = records.PIECE.pack(records.MAGIC, 0, 9, 0, 0) + whole  # says more than there is
        self.assertEqual(len(records.read(late).records), 3)

    def test_hypercall_without_an_end(self) -> None:
        domain = names.Domains({3: "vbd"})
        text = chrome.convert(records.read(stream((3, 29, 0), (2, 32, 1))), domain)
        self.assertIn("vbd", text)
        self.assertNotIn('"sched_op"', text)

    def test_ctf_metadata(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            ctf.write(records.read(stream((7, 1, 0))), names.Domains({3: "vbd"}), Path(folder))
            self.assertIn('"vbd" = 3', (Path(folder) / "metadata").read_text())
            head = struct.unpack_from("<I", (Path(folder) / "cpu0").read_bytes())
            self.assertEqual(head[0], ctf.MAGIC)


class PostMortem(unittest.TestCase):
    def test_return_addresses(self) -> None:
        code = b"\x90" * 16 + b"\xe8\0\0\0\0" + b"\x90" * 8 + b"\xff\xd0" + b"\x90" * 9
        elf = postmortem.Elf(Path("none"), code, 0x400000)
        stack = b"".join(word.to_bytes(8, "little") for word in
                         (7, 0x400015, 0x400010, 0x40001F, 0x400028, 1 << 63))
        self.assertEqual(list(postmortem.addresses(elf, 0x400001, stack)),
                         [0x400001, 0x400015, 0x40001F])

    def died(self, folder: Path) -> tuple[Path, dict[str, int], bytes]:
        """A program of this machine's that stands in leaf(): its file, registers and stack. Its
        stack has return addresses of calls that are over."""
        (folder / "x.c").write_text("""
            __attribute__((noinline)) void leaf(int *p) { __asm__ volatile("" : : "r"(p)); }
            __attribute__((noinline)) int stale(int n) { return n ? stale(n - 1) + n : 1; }
            __attribute__((noinline)) int older(int n) { return stale(n) + 1; }
            static inline void inlined(int *room) { leaf(room); leaf(room + 1); }
            __attribute__((noinline)) void middle(void) { int room[100]; inlined(room); }
            int main(void) { /* with more of a stack behind it than is looked at */
                int deep[1024], n = older(5);
                __asm__ volatile("" : : "r"(deep));
                middle(); middle();
                return n;
            }
        """)
        subprocess.run(["gcc", "-O2", "-g", "-static", "-fno-asynchronous-unwind-tables",
                        "-fno-optimize-sibling-calls", "-fomit-frame-pointer", "-o", "x", "x.c"],
                       cwd=folder, check=True)
        said = subprocess.run(
            ["gdb", "-nx", "-q", "-batch", "x", "-ex", "break leaf", "-ex", "run",
             "-ex", "info registers", "-ex", "dump binary memory stack $rsp $rsp+2048"],
            cwd=folder, check=True, capture_output=True, text=True).stdout
        registers = {name: int(value, 16) for name, value in
                     re.findall(r"^(r\w+) +(0x[0-9a-f]+)", said, re.M)}
        return folder / "x", registers, (folder / "stack").read_bytes()

    def test_who_called_whom(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            program, registers, stack = self.died(Path(folder))
            found = [text.split()[0] for _, text in
                     postmortem.unwind.frames(program, registers, stack)]
            self.assertEqual(found[:4], ["leaf", "inlined", "middle", "main"])
            elf = postmortem.read_elf(program)
            assert elf
            said = list(postmortem.backtrace(elf, registers, stack))
            self.assertEqual(said[0], "backtrace (x):")
            self.assertRegex(said[4], r" main at .*x\.c:\d+$")
            # A stack that leads nowhere is scanned.
            said = list(postmortem.backtrace(elf, registers, bytes(8) + stack[8:]))
            self.assertIn("whatever", said[0])
            self.assertTrue(any(" main at " in line for line in said), said)

    def test_no_such_build(self) -> None:
        death = {"registers": {"rip": "0x400000"}, "stack": base64.b64encode(b"x").decode(),
                 "build_id": "00" * 20}
        with tempfile.TemporaryDirectory() as folder:
            with self.assertRaises(postmortem.NotFound):
                postmortem.report(death, Path(folder))
