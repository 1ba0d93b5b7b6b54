#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Checks the binary interfaces in proto/.

Two comparisons, each by compiling a generated C program and looking at what it
prints, so that it is the compiler's view and not this script's:

1. proto/xen against the distribution's own Xen headers (package libxen-dev):
   every structure's size, every field's offset and size, every constant. Nothing
   of those headers is in the tree; they are read at test time.
2. all of proto/ against layout.golden. A difference there is a change of an
   interface, which must be meant: `--update` writes the file anew, and its diff
   is part of the commit.

Prints each difference; the exit status is 1 if there was one.
"""

import argparse
import os
import pathlib
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parent.parent
PROTO = TOP / "proto"
GOLDEN = HERE / "layout.golden"

# Where our name differs from Xen's. A structure mapped to None is ours alone.
STRUCTS = {
    "grant_entry_v1": "grant_entry_v1",
    "trap_info": "trap_info",
    "gnttab_copy_ptr": "gnttab_copy.source",
    "mmuext_op": "mmuext_op",
    "xen_e820_entry": None,  # packed BIOS format, not in the headers
    "xen_memory_domid": None,  # a plain domid_t there
    "xen_machphys_mapping": "xen_machphys_mapping",
    "xen_compile_info": "xen_compile_info",
    "xencons_interface": "xencons_interface",
    "blkif_sring": None,  # the first slot belongs to it there
    "netif_sring": None,
}
FIELDS = {
    "start_info.console_mfn": "console.domU.mfn",
    "start_info.console_evtchn": "console.domU.evtchn",
    "vcpu_guest_context.fpu_ctxt": "fpu_ctxt",
    "xen_compile_info.compile_date": "compile_date",
    "trap_info.pad": None,
}
# Constants that Xen's headers do not have under this name: layout of the page
# tables, of code bytes, of facts that live in its implementation.
OWN = re.compile(
    r"XEN_PTE_|PROTO_|HYPERVISOR_L4_SLOT_|GUEST_LOW_END|TI_|XEN_EMULATE_|XEN_CPUID_FEAT1_|"
    r"GRANT_ENTRIES_PER_FRAME|GTF_type_mask|XEN_E820_|XEN_MAX_|XEN_NMI_|"
    r"BLKIF_SLOT_SIZE|NETIF_(TX_|RX_)?SLOT|XENCONS_|XEN_LEGACY_|(INVALID|SHARED)_M2P_|"
    r"XEN_CPUID_(TSC_|HOST_|RDTSCP_)|XEN_EINTR$|"
    r"GNTMAP_guest_avail0|XENSTORE_PATH_MAX|MEMOP_|VIRQ_MCA|SCHED_POLL_MAX_PORTS|"
    r"XEN_\w+_LEN$|DOMID_FIRST_RESERVED"
)


class Struct:
    def __init__(self, name, fields):
        self.name, self.fields = name, fields


def strip_comments(text):
    text = re.sub(r"/\*.*?\*/", " ", text, flags=re.S)
    return re.sub(r"//[^\n]*", " ", text)


def parse_fields(body):
    """Field paths of a structure's body, in order; nested structs and unions give dotted paths."""
    fields, pos = [], 0
    while pos < len(body):
        nested = re.compile(r"\s*(?:struct|union)\s*\{").match(body, pos)
        if nested:
            depth, end = 1, nested.end()
            while depth:
                depth += {"{": 1, "}": -1}.get(body[end], 0)
                end += 1
            tail = re.compile(r"\s*(\w+)\s*;").match(body, end)
            fields.append(tail.group(1))
            fields += [f"{tail.group(1)}.{f}" for f in parse_fields(body[nested.end():end - 1])]
            pos = tail.end()
            continue
        plain = re.compile(r"\s*((?:struct\s+)?\w+)\s+([^;{]+);").match(body, pos)
        if not plain:
            if body[pos:].strip():
                raise SystemExit(f"cannot parse: {body[pos:].strip()[:60]!r}")
            break
        fields += [re.match(r"\s*(\w+)", d).group(1) for d in plain.group(2).split(",")]
        pos = plain.end()
    return fields


def parse_header(path):
    text = strip_comments(path.read_text())
    structs = []
    for match in re.finditer(r"^struct\s+(\w+)\s*\{(.*?)^\}[^;]*;", text, flags=re.S | re.M):
        structs.append(Struct(match.group(1), parse_fields(match.group(2))))
    constants = []
    text = text.replace("\\\n", " ")
    for match in re.finditer(r"^#define\s+(\w+)[ \t]+([^\n]+)$", text, flags=re.M):
        if not re.search(r'[",{]', match.group(2)):
            constants.append(match.group(1))
    return structs, constants


def run_c(source, flags, what):
    with tempfile.TemporaryDirectory() as directory:
        c_file, program = f"{directory}/layout.c", f"{directory}/layout"
        pathlib.Path(c_file).write_text(source)
        compiler = os.environ.get("CC", "gcc").split()
        done = subprocess.run(compiler + flags + ["-o", program, c_file],
                              capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"check_layout: the {what} program does not compile:\n{done.stderr}")
        return subprocess.run([program], capture_output=True, text=True, check=True).stdout


def program(includes, lines):
    head = [f"#include {i}" for i in ["<stddef.h>", "<stdint.h>", "<stdio.h>"] + includes]
    return "\n".join(head + ["int main(void) {"] + lines + ["return 0; }", ""])


def show(label, struct, field):
    lvalue = f"((struct {struct} *)0)->{field}"
    return (f'printf("{label} %zu %zu\\n", (size_t)(uintptr_t)&{lvalue}, sizeof({lvalue}));')


def our_lines(structs, constants):
    lines = []
    for s in structs:
        lines.append(f'printf("struct {s.name} %zu\\n", sizeof(struct {s.name}));')
        lines += [show(f"{s.name}.{f}", s.name, f) for f in s.fields]
    for name in constants:
        lines.append(f'printf("{name} %#llx\\n", (unsigned long long)({name}));')
    return lines


def xen_lines(structs, constants):
    lines = []
    for s in structs:
        theirs = STRUCTS.get(s.name, s.name)
        if theirs is None:
            continue
        theirs, _, inner = theirs.partition(".")
        size = f"((struct {theirs} *)0)->{inner}" if inner else f"struct {theirs}"
        lines.append(f'printf("struct {s.name} %zu\\n", sizeof({size}));')
        for f in s.fields:
            target = FIELDS.get(f"{s.name}.{f}", f)
            if target is None or re.search(r"(^|\.)_*(pad|unused|rsvd)\d*$", f):
                continue
            if inner:
                base = f"((struct {theirs} *)0)->{inner}"
                lines.append(f'printf("{s.name}.{f} %zu %zu\\n", (size_t)((char *)&{base}.{target} '
                             f"- (char *)&{base}), sizeof({base}.{target}));")
            else:
                lines.append(show(f"{s.name}.{f}", theirs, target))
    for name in constants:
        put = f'printf("{name} %#llx\\n", (unsigned long long)({name}));'
        # The store's message types are enumerators there, all others are macros.
        lines += [put] if name.startswith("XS_") else [f"#ifdef {name}", put, "#endif"]
    # Error numbers are a list of XEN_ERRNO(name, value), made to be expanded by its user.
    lines += ['#define XEN_ERRNO(name, value) printf("XEN_" #name " %#llx\\n", value##ULL);',
              "#include <xen/errno.h>"]
    return lines


def as_dict(text):
    return dict(line.rsplit(" ", 2)[0:1] + [line] if "." in line.split()[0] else
                [line.rsplit(" ", 1)[0], line] for line in text.splitlines())


def compare_xen(headers):
    structs, constants = [], []
    for path in headers:
        s, c = parse_header(path)
        structs += s
        constants += c
    ours = as_dict(run_c(program([f'"xen/{p.name}"' for p in headers],
                                 our_lines(structs, constants)),
                         ["-std=c17", f"-I{PROTO}"], "proto/xen"))
    names = ["xen", "event_channel", "grant_table", "sched", "vcpu", "memory", "version",
             "features", "callback", "physdev", "io/console", "io/xs_wire", "io/blkif",
             "io/netif", "elfnote", "nmi", "arch-x86/cpuid", "arch-x86/hvm/start_info"]
    text = ("#define __XEN_TOOLS__ 1\n#define __XEN_INTERFACE_VERSION__ 0x00041100\n" +
            program([f"<xen/{n}.h>" for n in names], xen_lines(structs, constants)))
    theirs = as_dict(run_c(text, ["-std=gnu11", "-w"], "libxen-dev"))
    differences, compared = 0, 0
    for key, line in ours.items():
        if key in theirs:
            compared += 1
            if theirs[key] != line:
                print(f"differs: proto has '{line}', Xen has '{theirs[key]}'")
                differences += 1
        elif re.match(r"\w+$", key) and not OWN.match(key):
            print(f"unknown: Xen's headers have no constant {key}")
            differences += 1
    print(f"check_layout: {compared} layouts and constants compared with Xen's headers, "
          f"{differences} differences")
    return differences


def golden_text():
    out = []
    for path in sorted(PROTO.rglob("*.h")):
        structs, constants = parse_header(path)
        name = path.relative_to(PROTO)
        out.append(f"# {name}")
        constants = [c for c in constants if not c.startswith("PROTO_")]
        out.append(run_c(program([f'"{name}"'], our_lines(structs, constants)),
                         ["-std=c17", "-w", f"-I{PROTO}"], str(name)).rstrip("\n"))
    return "\n".join(line for line in out if line) + "\n"


def compare_golden(update):
    text = golden_text()
    if update:
        GOLDEN.write_text(text)
        return 0
    old, new = GOLDEN.read_text().splitlines(), text.splitlines()
    lost = [line for line in old if line not in set(new)]
    gained = [line for line in new if line not in set(old)]
    for line in lost:
        print(f"golden: - {line}")
    for line in gained:
        print(f"golden: + {line}")
    if not lost and not gained and old != new:
        print("golden: the order of lines changed")
        gained = [""]
    print(f"check_layout: {len(new)} lines compared with {GOLDEN.name}, "
          f"{len(lost) + len(gained)} differences")
    return len(lost) + len(gained)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--update", action="store_true", help="write layout.golden anew")
    arguments = parser.parse_args()
    if not pathlib.Path("/usr/include/xen/xen.h").exists():
        sys.exit("check_layout: Xen's headers are missing (package libxen-dev)")
    differences = compare_xen(sorted((PROTO / "xen").glob("*.h")))
    differences += compare_golden(arguments.update)
    sys.exit(1 if differences else 0)


if __name__ == "__main__":
    main()
