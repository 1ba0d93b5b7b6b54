# SPDX-License-Identifier: BSD-2-Clause
"""The description compiler: what it must refuse, with which words, and the bytes
it makes of what it accepts."""

import re
import struct
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from typing import Optional

from description import (
    DescriptionError, binary, brought, compile_file, compile_text, disks, hardware, lines,
    read_file, schema,
)
from description.report import Report
from package import dom
from launcher.paths import TOP

BAD = TOP / "images" / "bad"
IMAGE = b"TSRANAT1" + struct.pack(
    "<7Q", 0x400000, 0x400040, 0x401000, 0x402000, 0x403000, 0x418000, 0
)
GUEST = """
[domain.console]
serves = ["console"]
[guest.debian]
kernel = "package:linux-image-cloud-amd64"
memory = "64M"
console = "console"
"""


NEEDS = {  # of the programs that there are
    "console": [dom.Need(dom.CONNECTION, 1, dom.SERVER, 1, 1, dom.OPTIONAL),
                dom.Need(dom.CONNECTION, 2, dom.CLIENT, 1, 1, dom.OPTIONAL)],
    "uart16550": [dom.Need(dom.CONNECTION, 2, dom.SERVER, 1, 1, dom.OPTIONAL)],
    "uart2": [dom.Need(dom.CONNECTION, 2, dom.SERVER, 2, 3, dom.OPTIONAL)],
    "sched_rr": [],
    "picky": [dom.Need(dom.LIFEBOAT, 0, 0, 1, 2), dom.Need(dom.CAPABILITY, 5, 0, 0, 0)],
}


def package(name: str, image: bytes = IMAGE) -> bytes:
    return dom.Package(name, "1", image, NEEDS.get(name, [])).seal().packed()


def find_program(folder: Path, name: str) -> Optional[Path]:
    """A build folder with some programs, and one file that is none."""
    files = {name: package(name) for name in NEEDS}
    files["noprogram"] = package("noprogram", b"\x7fELF" + bytes(100))
    if name not in files:
        return None
    path = folder / f"{name}.dom"
    path.write_bytes(files[name])
    return path


class Bad(unittest.TestCase):
    """Each file in images/bad has one mistake, and says in its second line what must be said."""


def _bad(path: Path):
    def test(self: unittest.TestCase) -> None:
        expected = re.match(r"# expect (.*)", path.read_text().splitlines()[1])
        assert expected, f"{path} says nothing about what to expect"
        with tempfile.TemporaryDirectory() as name:
            with self.assertRaises(DescriptionError) as caught:
                compile_file(path, lambda program: find_program(Path(name), program), path.name)
        self.assertEqual(caught.exception.messages, [f"{path.name}:{expected[1]}"])

    return test


for bad in sorted(BAD.glob("*.toml")):
    setattr(Bad, "test_" + bad.stem.replace("-", "_"), _bad(bad))


class Good(unittest.TestCase):
    maxDiff = None

    def compile(self, text: str) -> binary.Compiled:
        return compile_text(text, "test", TOP / "images", None)

    def domains(self, compiled: binary.Compiled) -> list[tuple]:
        offset, count = struct.unpack_from("<II", compiled.data, 24)
        size = binary.DOMAIN.size
        return [binary.DOMAIN.unpack_from(compiled.data, offset + n * size) for n in range(count)]

    def test_the_default_description_compiles(self) -> None:
        path = TOP / "images" / "default.toml"
        described = re.findall(r"^\[(?:domain|guest)\.", path.read_text(), re.MULTILINE)
        self.assertEqual(len(self.domains(compile_file(path, None))), 1 + len(described))

    def test_domids_follow_the_file_and_leave_out_taken_ones(self) -> None:
        text = GUEST.replace("serves", "domid = 2\nserves") + "[domain.x]\n[domain.y]\n"
        compiled = self.compile(text)
        self.assertEqual([domain[4] for domain in self.domains(compiled)], [0, 2, 1, 3, 4])

    def test_equal_kernels_are_one_module(self) -> None:
        other = GUEST[GUEST.index("[guest") :].replace("guest.debian", "guest.other")
        compiled = self.compile(GUEST + other)
        self.assertEqual([module.name for module in compiled.modules], ["console", "debian.kernel"])

    def test_same_text_gives_same_bytes(self) -> None:
        self.assertEqual(self.compile(GUEST).data, self.compile(GUEST).data)

    def test_any_size_of_memory_unit(self) -> None:
        for text, pages in (("65536K", 16384), ("64MiB", 16384), ("2G", 524288)):
            compiled = self.compile(GUEST.replace("64M", text))
            self.assertEqual(self.domains(compiled)[2][8], pages)

    def test_root_serves_its_control_connection(self) -> None:
        text = '[connection.control]\nprotocol = "control"\nserver = "root"\nclient = "console"\n'
        compiled = self.compile(GUEST + text)
        offset, count = struct.unpack_from("<II", compiled.data, 40)
        last = binary.CONNECTION.unpack_from(compiled.data, offset + (count - 1) * 32)
        self.assertEqual(last[1:6], (4, 0, 1, 17, 3))

    def test_layout_is_that_of_the_header(self) -> None:
        names = {
            "system_header": binary.HEADER, "system_domain": binary.DOMAIN,
            "system_resource": binary.RESOURCE, "system_connection": binary.CONNECTION,
            "system_device": binary.DEVICE, "system_blob": binary.BLOB,
            "system_plug": binary.PLUG,
            "define_header": brought.HEADER, "vbd_config": disks.HEADER,
            "vbd_volume": disks.VOLUME, "vbd_extent": disks.EXTENT,
            "vbd_disk": disks.DISK, "vbd_limit": disks.LIMIT,
        }
        checks = [
            f"_Static_assert(sizeof(struct {name}) == {form.size});" for name, form in names.items()
        ]
        places = {"domid": 16, "vcpus": 20, "memory_pages": 24, "slice_us": 40, "map_handles": 56,
                  "on_poweroff": 60, "restart_limit": 64, "priority": 76, "line": 80,
                  "heartbeat_ms": 88, "sched": 96}
        for field, offset in places.items():
            place = f"__builtin_offsetof(struct system_domain, {field})"
            checks.append(f"_Static_assert({place} == {offset});")
        constants = {
            "SYSTEM_MAGIC": binary.MAGIC, "SYSTEM_VERSION": binary.VERSION,
            "SYSTEM_RES_IOPORTS": binary.RES_IOPORTS, "SYSTEM_RES_IRQ": binary.RES_IRQ,
            "SYSTEM_RES_MMIO": binary.RES_MMIO, "SYSTEM_RES_LOG": binary.RES_LOG,
            "SYSTEM_RES_CPU": binary.RES_CPU, "SYSTEM_RES_TRACE": binary.RES_TRACE,
            "SYSTEM_MAX_DOMAINS": schema.MAX_DOMAINS, "SYSTEM_MAX_PLACES": schema.MAX_PLACES,
            "SYSTEM_MAX_RESOURCES": schema.MAX_RESOURCES,
            "SYSTEM_MAX_CONNECTIONS": schema.MAX_CONNECTIONS,
            "SYSTEM_CONN_BUS": schema.PROTOCOLS["pci"], "SYSTEM_ANY": hardware.ANY,
            "SYSTEM_MAX_DEVICES": schema.MAX_DEVICES, "SYSTEM_XENBUS_VBD": binary.XENBUS_VBD,
            "SYSTEM_PLUG_OUT": binary.PLUG_OUT, "DEFINE_MAGIC": brought.MAGIC,
            "DEFINE_VERSION": brought.VERSION, "DEFINE_DEVICES": brought.MOST_DEVICES,
            "DEFINE_NAME": brought.NAME_BYTES, "DEFINE_MOST": brought.MOST,
            "SYSTEM_DOMAIN_F_PLACE": binary.DOMAIN_F_PLACE,
            "SYSTEM_F_REQUIRE_IOMMU": binary.F_REQUIRE_IOMMU,
            "VBD_CONFIG_MAGIC": disks.MAGIC, "VBD_CONFIG_VERSION": disks.VERSION,
            "VBD_READONLY": disks.READONLY, "VBD_SHARED": disks.SHARED,
            "VBD_MAX_VOLUMES": disks.MAX_VOLUMES, "VBD_MAX_EXTENTS": disks.MAX_EXTENTS,
            "VBD_MAX_DISKS": disks.MAX_DISKS, "VBD_MAX_LIMITS": disks.MAX_LIMITS,
            "BLK_MAX_DISKS": hardware.DISKS_OF_DRIVER, "BLK_PAGES": binary.RING_PAGES["disk"],
            "PCI_BUS_PAGES": binary.RING_PAGES["pci"],
            **{f"SYSTEM_CONN_{word.upper()}": number
               for word, number in schema.PROTOCOLS.items() if word != "pci"},
            **{f"SYSTEM_ON_{word.upper()}": number for number, word in enumerate(schema.ENDS)},
        }
        checks += [f"_Static_assert({name} == {value});" for name, value in constants.items()]
        for field, offset in (("address", 20), ("dma_slots", 32), ("line", 40), ("device_or", 44)):
            place = f"__builtin_offsetof(struct system_device, {field})"
            checks.append(f"_Static_assert({place} == {offset});")
        headers = ("system", "define", "vbd", "blk", "pci")
        source = "".join(f'#include "proto/{name}.h"\n' for name in headers) + "\n".join(checks)
        result = subprocess.run(
            ["gcc", "-std=gnu2x", "-fsyntax-only", "-I", TOP, "-x", "c", "-"],
            input=source, capture_output=True, text=True, check=False,
        )
        self.assertEqual(result.returncode, 0, result.stderr)


class Scanner(unittest.TestCase):
    def test_lines_of_keys_in_unusual_texts(self) -> None:
        text = (
            '# [not.this]\na = """\nb = 1\n"""\n[ x . "y z" ] # c\nc = [\n  1, # ]\n  "]",\n]\n'
            "d.e = { f = 1 }\n[x]\ng = '''\n[h]'''\n\ni = 'a\\'\n"
        )
        found = lines.parse(text, Report("test"))[1]
        places = {("a",): 2, ("x", "y z"): 5, ("x", "y z", "c"): 6, ("x", "y z", "d", "e"): 10,
                  ("x", "y z", "d", "e", "f"): 10, ("x",): 11, ("x", "g"): 12, ("x", "i"): 15}
        for path, line in places.items():
            self.assertEqual(found.at(*path), line, path)
        self.assertNotIn(("b",), found.lines)
        self.assertNotIn(("h",), found.lines)


class Command(unittest.TestCase):
    def run_compiler(self, text: bytes, folder: Path) -> "subprocess.CompletedProcess[str]":
        (folder / "in.toml").write_bytes(text)
        compiler = TOP / "images" / "describe.py"
        return subprocess.run(
            [sys.executable, compiler, folder / "in.toml", folder / "out.bin"],
            capture_output=True, text=True, check=False,
        )

    def test_a_mistake_leaves_the_old_output_alone(self) -> None:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "out.bin").write_bytes(b"old")
            result = self.run_compiler(b"[domain.x]\nmemory = 3\n", folder)
            self.assertEqual(result.returncode, 1)
            self.assertIn("in.toml:2: domain.x: memory: found 3, expected", result.stderr)
            self.assertEqual((folder / "out.bin").read_bytes(), b"old")
            self.assertEqual(len(list(folder.iterdir())), 2)

    def test_all_mistakes_are_told_at_once(self) -> None:
        with tempfile.TemporaryDirectory() as name:
            text = b"[domain.x]\nmemory = 3\nirqs = 4\n[gest.y]\n"
            self.assertEqual(len(self.run_compiler(text, Path(name)).stderr.splitlines()), 3)

    def test_bytes_that_are_no_text(self) -> None:
        with tempfile.TemporaryDirectory() as name:
            result = self.run_compiler(b"[domain.x]\n\xff\n", Path(name))
            self.assertIn("in.toml:2: found a byte that is not UTF-8", result.stderr)


class Reference(unittest.TestCase):
    def test_every_key_is_in_the_reference(self) -> None:
        text = (TOP / "docs" / "reference" / "description.md").read_text()
        for kind, keys in schema.TABLES.items():
            section = text[text.index(f"## [{kind}") :]
            section = section[: section.find("\n## ", 3)]
            for key in keys:
                self.assertIn(f"| `{key}` |", section, f"{kind}: {key}")

    def mistakes(self, text: str, is_brought: bool) -> list[str]:
        """In a part of a description, which lacks the rest; or in a file that is brought."""
        report = Report("it")
        table, where = lines.parse(text, report)
        if not is_brought:
            schema.read(table, where, report)
        for kind, entries in table.items() if is_brought else ():
            for name, entry in entries.items():
                schema.entry_of(entry, (kind, name), brought.KINDS[kind], where, report)
        return [text for _, text in report.errors if not text.endswith("it is required")]

    def test_every_example_of_the_documents_is_taken(self) -> None:
        found = 0
        for page in sorted((TOP / "docs").rglob("*.md")):
            for block in re.findall(r"^```toml\n(.*?)^```$", page.read_text(), re.M | re.S):
                found += 1
                wrong = self.mistakes(block, False)
                if wrong and set(lines.parse(block, Report(""))[0]) <= set(brought.KINDS):
                    wrong = self.mistakes(block, True)
                self.assertEqual(wrong, [], f"{page}:\n{block}")
        self.assertGreater(found, 10)

    def test_its_first_example_is_a_whole_system(self) -> None:
        text = (TOP / "docs" / "reference" / "description.md").read_text()
        block = re.search(r"^```toml\n(.*?)^```$", text, re.M | re.S)
        assert block
        compile_text(block[1], "example", TOP / "images", None)


class Places(unittest.TestCase):
    """What may be brought to a place, and what is refused with its line."""

    TEXT = """[domain.console]
serves = ["console"]
[guest.visitor]
place = true
memory = "64M"
console = "console"
[domain.helper]
place = true
"""

    def brought(self, text: str) -> "brought.Brought":
        with tempfile.TemporaryDirectory() as folder:
            running, file = Path(folder) / "running.toml", Path(folder) / "brought.toml"
            running.write_text(self.TEXT)
            file.write_text(text)
            return brought.read(file, read_file(running))

    def test_what_fits(self) -> None:
        found = self.brought('[guest.visitor]\nkernel = "k"\nmemory = "32M"\ncmdline = "x"\n')
        self.assertEqual((found.name, found.memory, found.devices), ("visitor", 8192, []))
        data = brought.encode(found, b"k" * 5000, b"i", ("", "one.initrd"), "label")
        self.assertEqual(len(data), 3 * 4096)
        self.assertEqual(struct.unpack_from("<QIIQQ", data), (brought.MAGIC, 1, 2, 12288, 8192))
        self.assertEqual(data[4096:9096], b"k" * 5000)
        self.assertFalse(self.brought('[domain.helper]\nimage = "x.dom"\n').is_guest)

    def test_what_does_not(self) -> None:
        for text, line, words in (
            ('[guest.visitor]\nmemory = "32M"\n', 1, 'found no "kernel"'),
            ('[guest.visitor]\nkernel = "k"\nmemory = "65M"\n', 3, "at most 64M"),
            ('[guest.visitors]\nkernel = "k"\n', 1, 'did you mean "visitor"'),
            ('[domain.console]\nimage = "k"\n', 1, "which has a program of its own"),
            ('[guest.visitor]\nkernel = "k"\ndevices = ["a"]\n', 3, "disks and VIFs"),
            ('[volume.x]\ndisk = "a"\n', 1, "expected one [guest.NAME]"),
            ("", 1, "found 0 domains"),
        ):
            with self.assertRaises(DescriptionError, msg=text) as caught:
                self.brought(text)
            self.assertRegex(str(caught.exception), f"brought.toml:{line}: ")
            self.assertIn(words, str(caught.exception))

