# SPDX-License-Identifier: BSD-2-Clause
"""Devices, volumes and disks of a description: the records that root and the disk
server find."""

import struct
import unittest

from description import binary, compile_text, disks, hardware, schema
from launcher.paths import TOP

DISKS = """
[domain.console]
serves = ["console"]
[guest.debian]
kernel = "package:linux-image-cloud-amd64"
memory = "64M"
console = "console"
store = "store"
[domain.store]
serves = ["store", "xenbus"]
[domain.pci]
serves = ["pci"]
[domain.vbd]
serves = ["block", "disk"]
lifeboat = "256K"
[domain.disk0]
device = { class = "virtio-blk" }
[domain.disk1]
device = { class = "nvme", address = "02:1f.7", interrupts = 4, dma = "4M", own = "2M" }
[connection.xenbus]
protocol = "xenbus"
server = "store"
client = "vbd"
[connection.one]
protocol = "disk"
server = "vbd"
client = "disk0"
[connection.two]
protocol = "disk"
server = "vbd"
client = "disk1"
[volume.root]
disk = "disk0:1"
partition = "root"
[volume.both]
extents = [{ disk = "disk1", first = "1M", size = 7 }, { disk = "disk0", partition = "b" }]
[disk.root]
guest = "debian"
volume = "root"
device = "xvda"
bandwidth = "50M"
[disk.data]
guest = "debian"
volume = "both"
device = "xvdb2"
mode = "ro"
iops = 1000
[limit.all]
disk = "disk1"
bandwidth = "1G"
"""


class Disks(unittest.TestCase):
    def setUp(self) -> None:
        self.compiled = compile_text(DISKS, "test", TOP / "images", None)
        self.header = binary.HEADER.unpack_from(self.compiled.data)

    def records(self, place: int, form: struct.Struct, at: int = 0) -> list[tuple]:
        offset, count = struct.unpack_from("<II", self.compiled.data, at + place)
        return [form.unpack_from(self.compiled.data, at + offset + n * form.size)
                for n in range(count)]

    def test_devices_with_an_address_come_first(self) -> None:
        line = DISKS[: DISKS.index("device = { class = \"nvme")].count("\n") + 1
        devices = self.records(48, binary.DEVICE)
        self.assertEqual(devices[0], (7, hardware.ANY, hardware.ANY, 0x010802, 0xFFFFFF, 0x2FF,
                                      hardware.ANY, 4, 1024, 512, line, 0))
        self.assertEqual(devices[1][:10], (6, 0x1AF4, 0x1042, 0, 0, hardware.ANY, hardware.ANY, 1,
                                           4096, 256))
        self.assertEqual(devices[1][11], 0x1001)

    def test_connections_follow_from_the_disks(self) -> None:
        found = {record[1:6] for record in self.records(40, binary.CONNECTION)}
        numbers = schema.PROTOCOLS
        self.assertIn((numbers["block"], 5, 2, 0, 0), found)
        self.assertIn((numbers["pci"], 4, 0, 8, 0), found)
        self.assertIn((numbers["xenbus"], 3, 5, 1, binary.XENBUS_VBD), found)
        self.assertIn((numbers["disk"], 5, 7, 10, 0), found)
        self.assertEqual(sum(record[0] == numbers["block"] for record in found), 1)

    def test_configuration_of_the_server(self) -> None:
        (domain, offset, size, _), = self.records(56, binary.BLOB)
        config = self.compiled.data[offset : offset + size]
        head = disks.HEADER.unpack_from(config)

        def text(at: int) -> str:
            return config[head[11] + at :].split(b"\0")[0].decode()

        self.assertEqual((domain, head[0], head[2]), (5, disks.MAGIC, size))
        volumes = self.records(16, disks.VOLUME, offset)
        extents = self.records(24, disks.EXTENT, offset)
        guests_disks = self.records(32, disks.DISK, offset)
        limits = self.records(40, disks.LIMIT, offset)
        self.assertEqual([(text(v[0]), v[1], v[2]) for v in volumes],
                         [("root", 0, 1), ("both", 1, 2)])
        self.assertEqual([(text(e[0]), e[1], text(e[2]), e[4], e[5]) for e in extents],
                         [("disk0", 1, "root", 0, 0), ("disk1", 0, "", 2048, 7),
                          ("disk0", 0, "b", 0, 0)])
        self.assertEqual([(text(d[0]), text(d[1]), *d[2:5], *d[6:]) for d in guests_disks],
                         [("root", "debian", 0, 51712, 0, 50 << 20, 0),
                          ("data", "debian", 1, 51712 + 18, disks.READONLY, 0, 1000)])
        self.assertEqual([(text(found[0]), *found[1:]) for found in limits],
                         [("disk1", 0, 1 << 30, 0)])

    def test_lifeboat_and_required_iommu(self) -> None:
        domains = self.records(24, binary.DOMAIN)
        self.assertEqual([domain[24] for domain in domains], [0, 0, 0, 0, 0, 64, 0, 0])
        self.assertEqual(self.header[-2], 0)
        text = DISKS + '[system]\niommu = "require"\nexit_with_guests = true\n'
        header = binary.HEADER.unpack_from(compile_text(text, "test", TOP / "images", None).data)
        self.assertEqual(header[-2], binary.F_REQUIRE_IOMMU | binary.F_EXIT_WITH_GUESTS)

    def test_physical_disks_are_listed(self) -> None:
        listed = [(str(disk.place), disk.looks_for, disk.volumes) for disk in self.compiled.disks]
        self.assertEqual(listed, [
            ("disk0:0", "class=virtio-blk", ["both"]), ("disk0:1", "class=virtio-blk", ["root"]),
            ("disk1:0", "class=nvme address=02:1f.7", ["both"]),
        ])

    def test_device_numbers_are_those_of_linux(self) -> None:
        numbers = {"xvda": 51712, "xvdp15": 51967, "xvdq": 1 << 28 | 16 << 8, "sda1": 2049,
                   "sdb": 2064, "hdb": 832, "hdc1": 5633, "xvdaa": 1 << 28 | 26 << 8}
        for name, number in numbers.items():
            self.assertEqual(hardware.virtual_device(name).number, number, name)
