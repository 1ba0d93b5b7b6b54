# SPDX-License-Identifier: BSD-2-Clause
"""The rules of the house that a program can check, each as one test.

What they are for is in docs and STYLE; a rule that must be broken somewhere is
broken in one of the tables below, with its reason.
"""

import functools
import re
import subprocess
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from launcher import build
from launcher.paths import TOP, out_dir

MAX_KERNEL_LINES = 8700  # C and assembly, as cloc counts code
MAX_KERNEL_LINES_WITH_HEADERS = 10000  # the promise
MAX_FUNCTION_LINES = 60
MAX_FILE_LINES = 600
MAX_COLUMNS = 100

# Which folder may include from which others, besides itself.
MAY_INCLUDE = {
    "proto": set(),
    "kernel": {"proto"},
    "libs": {"proto"},
    "servers": {"proto", "libs"},
    "drivers": {"proto", "libs"},
    "tests": {"proto", "kernel", "libs", "servers", "drivers"},
}

# Functions and files that are longer than others may be: (path, name) -> reason.
LONG_FUNCTIONS: dict[tuple[str, str], str] = {}
LONG_FILES: dict[str, str] = {}

# Words that the spelling check takes for other ones.
NO_MISTAKES = ("ist", "fro", "te", "nd", "mis", "inout", "extraversion", "pre-empt", "thre",
               "whis")

# Words that look like a commit.
NO_COMMITS = {"ed25519"}

NO_SPDX = {"LICENSE", ".gitignore"}  # the licence itself; nothing to licence
NO_SPDX_SUFFIXES = {".golden", ".json"}


@functools.cache
def files() -> list[str]:
    """Every file of the tree, relative to its top."""
    listing = ["git", "-C", TOP, "ls-files", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(listing, capture_output=True, text=True, check=True)
        names = set(listed.stdout.splitlines())
    except (OSError, subprocess.CalledProcessError):
        # an unpacked archive: everything is of the tree but what was built
        found = (path.relative_to(TOP) for path in TOP.rglob("*") if path.is_file())
        built = re.compile(r"build|out$|\.git$|__pycache__$")
        names = {str(path) for path in found if not any(map(built.match, path.parts[:-1]))}
    return sorted(name for name in names if (TOP / name).is_file())


def with_suffix(*suffixes: str) -> list[str]:
    return [name for name in files() if name.endswith(suffixes)]


@functools.cache
def text(name: str) -> str:
    return (TOP / name).read_text(encoding="utf-8")


def say(command: list[str | Path], text_to_check: str = "") -> str:
    """What a checker has to say; nothing if it is content."""
    result = subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=False,
                            input=text_to_check)
    return (result.stdout + result.stderr).strip() if result.returncode else ""


class Text(unittest.TestCase):
    """Every file, whatever its language."""

    def none(self, found: list[str]) -> None:
        self.assertFalse(found, "\n" + "\n".join(found))

    def test_spdx_line(self) -> None:
        self.none([
            name for name in files()
            if name not in NO_SPDX and Path(name).suffix not in NO_SPDX_SUFFIXES
            and not any("SPDX-License-Identifier: BSD-2-Clause" in line
                        for line in text(name).splitlines()[:2])
        ])

    def test_no_path_of_this_machine(self) -> None:
        words = re.compile(
            r"(?<![\w.-])/(?:work|root|home/\w+)/|deb\.debian\.org|@[\w.-]+\.(?:com|org)"
        )
        allowed = {"tests/lint/test_lint.py"}
        self.none([
            f"{name}:{number}: {line.strip()}"
            for name in files() if name not in allowed
            for number, line in enumerate(text(name).splitlines(), 1) if words.search(line)
        ])

    def test_ends_of_lines(self) -> None:
        wrong = []
        for name in files():
            wrong += [f"{name}:{number}: space at the end" for number, line
                      in enumerate(text(name).split("\n"), 1) if line.rstrip() != line]
            if text(name) and not text(name).endswith("\n"):
                wrong.append(f"{name}: no newline at the end")
        self.none(wrong)

    def test_width(self) -> None:
        self.none([
            f"{name}:{number}: {len(line.expandtabs(8))} columns"
            for name in with_suffix(".c", ".h", ".S", ".py")
            for number, line in enumerate(text(name).splitlines(), 1)
            if len(line.expandtabs(8)) > MAX_COLUMNS
        ])

    def test_spelling(self) -> None:
        names = with_suffix(".c", ".h", ".S", ".py", ".md", ".toml", ".build")
        names = [name for name in names if not name.startswith("images/bad/")]
        command = ["codespell", "--ignore-words-list", ",".join(NO_MISTAKES), *names]
        self.assertEqual(say(command), "")

    def test_commits_that_are_named_exist(self) -> None:
        """What a figure was measured with can be looked at."""
        git = ["git", "-C", TOP]
        whole = subprocess.run([*git, "rev-parse", "--is-shallow-repository"],
                               capture_output=True, text=True, check=False).stdout.strip()
        if whole != "false":
            self.skipTest("the history is not here")
        self.none([
            f"{name}:{number}: no commit {commit}"
            for name in with_suffix(".md")
            for number, line in enumerate(text(name).splitlines(), 1)
            for commit in re.findall(r"`([0-9a-f]{7,40})`", line)
            if commit not in NO_COMMITS
            and say([*git, "cat-file", "-e", f"{commit}^{{commit}}"])
        ])


class Sizes(unittest.TestCase):
    def lines(self, folder: str, languages: str) -> int:
        counted = subprocess.run(
            ["cloc", "--quiet", "--csv", f"--include-lang={languages}", folder],
            cwd=TOP, capture_output=True, text=True, check=True,
        ).stdout
        total = re.search(r"SUM,\d+,\d+,(\d+)", counted)
        self.assertTrue(total, counted)
        return int(total[1])

    def test_kernel_stays_small(self) -> None:
        self.assertLess(self.lines("kernel", "C,Assembly"), MAX_KERNEL_LINES)
        self.assertLess(
            self.lines("kernel", "C,C/C++ Header,Assembly"), MAX_KERNEL_LINES_WITH_HEADERS
        )

    def test_functions_are_short(self) -> None:
        wrong = []
        for name in with_suffix(".c", ".h"):
            lines = text(name).splitlines()
            head = start = None
            for number, line in enumerate(lines, 1):
                if re.match(r"[A-Za-z_].*\(", line) and not line.endswith(";"):
                    head, start = line, number
                elif line.startswith("}"):
                    if line == "}" and start and number - start - 1 > MAX_FUNCTION_LINES:
                        function = (re.findall(r"(\w+)\(", head or "") or ["?"])[0]
                        if (name, function) not in LONG_FUNCTIONS:
                            wrong.append(f"{name}:{start}: {function}: {number - start - 1} lines")
                    start = None
        self.assertFalse(wrong, "\n" + "\n".join(wrong))

    def test_files_are_short(self) -> None:
        wrong = [
            f"{name}: {len(text(name).splitlines())} lines"
            for name in with_suffix(".c", ".h", ".S", ".py")
            if len(text(name).splitlines()) > MAX_FILE_LINES and name not in LONG_FILES
        ]
        self.assertFalse(wrong, "\n" + "\n".join(wrong))


def _owner(name: str, including: str) -> str | None:
    """The top folder that an included path lies in; None if it is generated or of the compiler."""
    top = including.split("/")[0]
    for place in (Path(including).parent / name, Path(name), Path(top) / name):
        if (TOP / place).is_file():
            return (TOP / place).resolve().relative_to(TOP).parts[0]
    return None


class Code(unittest.TestCase):
    def test_format(self) -> None:
        sources = with_suffix(".c", ".h")
        said = say(["clang-format", "--dry-run", "-Werror", *sources])
        wrong = sorted(set(re.findall(r"^(\S+?):\d+:\d+: error", said, re.MULTILINE)))
        self.assertFalse(wrong, "run clang-format -i on: " + " ".join(wrong))

    def test_include_rules_between_folders(self) -> None:
        wrong = []
        for name in with_suffix(".c", ".h", ".S"):
            top = name.split("/")[0]
            if top not in MAY_INCLUDE:
                continue
            for included in re.findall(r'^\s*#\s*include\s+"([^"]+)"', text(name), re.MULTILINE):
                owner = _owner(included, name)
                if owner is not None and owner != top and owner not in MAY_INCLUDE[top]:
                    wrong.append(f"{name}: includes {included} of {owner}/")
        self.assertFalse(wrong, "\n" + "\n".join(wrong))

    def test_headers_compile_alone(self) -> None:
        def check(name: str) -> str:
            flags = ["-std=c17", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only",
                     "-ffreestanding", "-mgeneral-regs-only"]
            folders = ["-I", TOP / name.split("/")[0], "-I", TOP]
            source = f'#include "{TOP / name}"\ntypedef int something;\n'
            result = subprocess.run(
                ["gcc", *flags, *folders, "-x", "c", "-"],
                input=source, capture_output=True, text=True, check=False,
            )
            return f"{name}:\n{result.stderr}" if result.returncode else ""

        headers = [name for name in with_suffix(".h") if not name.startswith("tests/")]
        with ThreadPoolExecutor(2) as pool:
            wrong = [said for said in pool.map(check, headers) if said]
        self.assertFalse(wrong, "\n" + "\n".join(wrong))

    def test_no_conditional_compilation_in_c_files(self) -> None:
        wrong = [
            f"{name}:{number}: {line}"
            for name in with_suffix(".c") if not name.startswith("tests/")
            for number, line in enumerate(text(name).splitlines(), 1)
            if re.match(r"\s*#\s*(if|ifdef|ifndef|elif)\b", line) and "NDEBUG" not in line
        ]
        self.assertFalse(wrong, "\n" + "\n".join(wrong))

    def test_shell_scripts(self) -> None:
        scripts = [name for name in files() if text(name).startswith(("#!/bin/sh", "#!/bin/bash"))]
        self.assertIn("tessera", scripts)
        self.assertEqual(say(["shellcheck", *scripts]), "")


class Builds(unittest.TestCase):
    """The system by the other compiler, and without assertions."""

    def build(self, name: str, cross: Path, *arguments: str) -> None:
        folder = out_dir() / name
        build.make(folder, ["--cross-file", cross, *arguments], {})
        self.assertTrue(build.core(folder).is_file())

    def test_clang(self) -> None:
        self.build("clang", TOP / "images" / "cross-x86_64-clang.ini")

    def test_release(self) -> None:
        self.build("release", build.CROSS, "--buildtype=release")


class Checker(unittest.TestCase):
    """The checks themselves can fail."""

    def test_include_owner(self) -> None:
        self.assertEqual(_owner("proto/system.h", "kernel/any.c"), "proto")
        self.assertIsNone(_owner("asm_offsets.h", "kernel/entry/any.S"))

    def test_clang_format_complains(self) -> None:
        command: list[str | Path] = ["clang-format", "--dry-run", "-Werror",
                                     "--assume-filename=tests/lint/any.c"]
        self.assertIn("error", say(command, "int  x ;\n"))
        self.assertEqual("", say(command, "int x;\n"))
