# SPDX-License-Identifier: BSD-2-Clause
"""Common Trace Format 1.8: a folder with `metadata` and one stream for each CPU. An event
has the name of its point; names of domains and of what the numbers mean are enumerations
of the metadata, so that readers show words."""

import struct
import uuid
from pathlib import Path
from typing import Callable

from . import names
from .records import Record, Trace

MAGIC = 0xC1FC1FC1
# magic, uuid, stream id, cpu, first time, last time, content and packet size in bits, lost
PACKET = struct.Struct("<I16sII5Q")
EVENT = struct.Struct("<IQHHQQ")
TRACE_UUID = uuid.UUID("6f6c1a52-6c1d-4f0e-9f62-7465737365ff")

METADATA = """/* CTF 1.8 */
typealias integer {{ size = 16; align = 8; signed = false; }} := uint16_t;
typealias integer {{ size = 32; align = 8; signed = false; }} := uint32_t;
typealias integer {{ size = 64; align = 8; signed = false; }} := uint64_t;
typealias integer {{ size = 64; align = 8; signed = false; base = 16; }} := hex64_t;
typealias integer {{ size = 64; align = 8; signed = true; }} := int64_t;
typealias enum : uint16_t {{ {domains} }} := domain_t;
typealias enum : uint64_t {{ {hypercalls} }} := hypercall_t;

trace {{
	major = 1; minor = 8; byte_order = le;
	uuid = "{uuid}";
	packet.header := struct {{ uint32_t magic; {byte} uuid[16]; uint32_t stream_id; }};
}};

env {{ domain = "kernel"; tracer_name = "tessera"; }};

clock {{
	name = boot; freq = 1000000000; offset = 0;
	description = "the system's clock, nanoseconds since boot";
}};
typealias integer {{ size = 64; align = 8; map = clock.boot.value; }} := time_t;

stream {{
	id = 0;
	packet.context := struct {{
		uint32_t cpu_id; time_t timestamp_begin; time_t timestamp_end;
		uint64_t content_size; uint64_t packet_size; uint64_t events_discarded;
	}};
	event.header := struct {{ uint32_t id; time_t timestamp; }};
	event.context := struct {{ domain_t dom; uint16_t vcpu; }};
}};

{events}"""
EVENT_TEXT = """event {{
	name = "{name}"; id = {id}; stream_id = 0;
	fields := struct {{ {fields} }};
}};
"""
FIELDS = {
    "hypercall": "hypercall_t call; hex64_t argument;",
    "hypercall-end": "hypercall_t call; int64_t result;",
    "invoke": "hex64_t operation_slot; int64_t result;",
    "page-fault": "hex64_t address; hex64_t error;",
    "irq": "uint64_t vector; uint64_t unused;",
    "idle": "uint64_t ns; uint64_t unused;",
    "switch": "hex64_t to; uint64_t unused;",
}
BYTE = "integer { size = 8; align = 8; signed = false; }"


def _enumeration(named: dict[int, str]) -> str:
    return ", ".join(f'"{name}" = {number}' for number, name in sorted(named.items()))


def metadata(domain: Callable[[int], str], domids: set[int]) -> str:
    events = "".join(
        EVENT_TEXT.format(name=name, id=number,
                          fields=FIELDS.get(name, "hex64_t a; hex64_t b;"))
        for number, name in sorted(names.points().items())
    )
    return METADATA.format(
        domains=_enumeration({domid: domain(domid) for domid in domids | {0}}),
        hypercalls=_enumeration(names.hypercalls()), uuid=TRACE_UUID, events=events, byte=BYTE,
    )


def _packet(cpu: int, records: list[Record], lost: int) -> bytes:
    body = b"".join(
        EVENT.pack(r.point, r.time, r.domain, r.vcpu, r.a, r.b) for r in records
    )
    size = 8 * (PACKET.size + len(body))
    return PACKET.pack(MAGIC, TRACE_UUID.bytes, 0, cpu, records[0].time, records[-1].time,
                       size, size, lost) + body


def write(trace: Trace, domain: Callable[[int], str], folder: Path) -> None:
    """Make the folder, which must not exist or be empty."""
    folder.mkdir(parents=True, exist_ok=True)
    known = [record for record in trace.records if record.point in names.points()]
    domids = {record.domain for record in known}
    (folder / "metadata").write_text(metadata(domain, domids), encoding="ascii")
    for cpu in trace.cpus:
        records = [record for record in known if record.cpu == cpu]
        if records:
            data = _packet(cpu, records, trace.lost.get(cpu, 0))
            (folder / f"cpu{cpu}").write_bytes(data)
