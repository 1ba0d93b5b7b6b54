# SPDX-License-Identifier: BSD-2-Clause
"""Serial lines of the machine besides COM1 and COM2: what each is joined to.

A line that is "control" ends in a socket of QEMU's, and a broker (control.broker) joins
that to a socket DRIVER.control in the build folder, where any number of tools may speak at once.
"""

from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Iterator, Sequence

from control.broker import Broker
from description.machine import CONTROL, Line

from .paths import out_dir

COM_PORTS = (0x3F8, 0x2F8, 0x3E8, 0x2E8)


def _quoted(path: Path) -> str:
    return str(path).replace(",", ",,")


def _socket(line: Line) -> Path:
    return out_dir() / f"{line.driver}.line"


def qemu_arguments(lines: Sequence[Line], iommu: bool) -> list[str]:
    """QEMU's devices in this order on the bus."""
    found: list[str] = []
    for number, line in enumerate(lines):
        kind, comma, options = line.chardev.partition(",")
        if kind == CONTROL:
            kind, comma = "socket", ","
            options = f"path={_quoted(_socket(line))},server=on,wait=off"
        found += ["-chardev", f"{kind},id=line{number}{comma}{options}"]
        if line.port is None:
            platform = ",iommu_platform=on,disable-legacy=on" if iommu else ""
            found += ["-device", f"virtio-serial-pci,id=lines{number},max_ports=1{platform}",
                      "-device", f"virtconsole,bus=lines{number}.0,chardev=line{number}"]
        else:
            index = COM_PORTS.index(line.port) if line.port in COM_PORTS else 3
            found += ["-device", f"isa-serial,index={index},iobase={line.port:#x},"
                      f"irq={line.irq},chardev=line{number}"]
    return found


@contextmanager
def brokers(lines: Sequence[Line]) -> Iterator[dict[str, str]]:
    """While it lasts, the control lines can be reached: the sockets by the drivers' names."""
    with ExitStack() as stack:
        found = {}
        for line in lines:
            if line.chardev != CONTROL:
                continue
            _socket(line).unlink(missing_ok=True)
            broker = Broker(_socket(line), out_dir() / f"{line.driver}.control").start()
            stack.callback(broker.stop)
            found[line.driver] = str(broker.path)
        yield found
