# SPDX-License-Identifier: BSD-2-Clause
"""What the guests of the network's kill campaign do, and what they must have to say.

On each path three things go on from before the first death until after the last: the streams
of talk.c, whose every byte is known to both ends; the distribution's iperf3 with several
TCP streams in both directions; and a file, by nc, that sha256sum looks at. Nothing is
as fast as it could be unless the plan says so: the guests share a processor, and how long
a death is felt is not how long a guest waits for its turn. The file is slow in any case, or
it would be over before the first death.

QEMU's e1000e makes IP fragments of a large TCP packet where the network behind it takes no
large ones. What a guest puts together of them is longer than its MTU, which its kernel finds
worth a line once: that one line is QEMU's, with this card.

The host's iperf3 gives up after some time of its own clock, which is many times as fast as
the guest's, unless it is told an amount and no time.
"""

import hashlib
import json
import re
from typing import Optional

from tests.fault.net import host

STREAMS = 3  # of iperf3, in each direction
RATE = 250_000  # bytes per second of each of them
BLOCK, BLOCKS = 65536, 14  # of the file, in a second

KNOWN = {"e1000e": "Driver has suspect GRO implementation"}
WORK = """\
work() { # PATH ADDRESS TALK IPERF WORD...
    path=$1 at=$2 talk=$3 iperf=$4
    shift 4
    left=$(talk left %(end)s)
    iperf3 -J -i 0 -c $at -p $iperf -P %(several)s --bidir -l 16K %(limit)s \\
        >/run/iperf-$path 2>&1 &
    talk run $at $talk %(streams)s %(end)s %(rate)s $* >/run/talk-$path &
}
tell() { # PATH
    sed "s/^/$1 /" /run/talk-$1
    echo "$1 iperf3: $(tr -d '\\n\\t' </run/iperf-$1)"
}
"""
FEED = """\
n=0
while [ $n -lt %(blocks)s ]; do
    dd if=/run/file bs=%(block)s count=1 skip=$n 2>/dev/null
    sleep 0.06
    n=$((n + 1))
done
"""
# A kernel says that a link is up, up to a second later: that is not to come in the middle.
UP = """\
until grep -q up /sys/class/net/%s/operstate; do sleep 0.1; done
"""
ALICE = """\
ip link set lo up
ip addr add 10.8.0.1/24 dev eth0; ip link set eth0 up
ip addr add 10.7.0.1/24 dev eth1; ip link set eth1 up
""" + UP % "eth0" + UP % "eth1" + """\
until ping -c 1 -W 1 10.8.0.2; do :; done >/dev/null
until ping -c 1 -W 1 10.7.0.2; do :; done >/dev/null
until nc 10.8.0.2 5009 </dev/null 2>/dev/null; do sleep 0.1; done
nc 10.8.0.2 5202 </dev/null >/run/file-wire &
nc 10.7.0.2 5212 </dev/null >/run/file-inside &
work wire 10.8.0.2 5001 5201 report
work inside 10.7.0.2 5002 5211 report
wait
for path in wire inside; do
    tell $path
    echo "$path file: $(sha256sum </run/file-$path)"
done
"""
BOB = """\
ip link set lo up
ip addr add 10.8.0.2/24 dev eth0; ip link set eth0 up
ip addr add 10.7.0.2/24 dev eth1; ip link set eth1 up
talk file %(size)s >/run/file
for port in 5201 5211; do iperf3 -s -1 -p $port >/dev/null 2>&1 & done
for port in 5202 5212; do nc -l -p $port -e feed & done
""" + UP % "eth0" + UP % "eth1" + """\
until ping -c 1 -W 1 10.8.0.1; do :; done >/dev/null
until ping -c 1 -W 1 10.7.0.1; do :; done >/dev/null
until [ "$(netstat -ltn | grep -c ':52[01][12] ')" = 4 ]; do sleep 0.1; done
nc -l -p 5009 </dev/null >/dev/null &
talk serve 5001 &
talk serve 5002 &
wait
"""
ALONE = """\
ip link set lo up
ip addr add 10.0.2.15/24 dev eth0; ip link set eth0 up
talk file %(size)s >/run/file
""" + UP % "eth0" + """\
feed | nc 10.0.2.2 %(file)s &
work wire 10.0.2.2 %(talk)s %(iperf)s
wait
tell wire
"""


def blocks_in(milliseconds: int) -> int:
    """As many blocks of the file as go out in this time, and some more."""
    return (milliseconds + 500) * BLOCKS // 1000


def digest(blocks: int) -> str:
    return hashlib.sha256(host.content(blocks * BLOCK)).hexdigest()


def scripts(end: int, streams: int, rate: int, blocks: int, model: str,
            peer: Optional[host.Peer] = None) -> dict[str, str]:
    """Of the guests, by name; `peer`: of one that talks with the host."""
    each = 8 * RATE if rate or peer else 0
    amount = f"-n $((left * {STREAMS * RATE}))" if peer else "-t $left"
    words = {"end": end, "streams": streams, "rate": rate, "several": STREAMS, "block": BLOCK,
             "blocks": blocks, "size": blocks * BLOCK, "limit": f"-b {each} {amount}"}
    first = f"export TALK_KNOWN='{KNOWN[model]}'\n" if model in KNOWN else ""
    found = {"feed": FEED % words}
    if peer:
        words |= {"talk": peer.port, "iperf": peer.iperf, "file": peer.file}
        return found | {"alice": first + WORK % words + ALONE % words}
    return found | {"alice": first + WORK % words + ALICE, "bob": first + BOB % words}


def look(console: str, path: str) -> list[str]:
    """What is wrong with what iperf3 said at the end of this path."""
    said = re.search(rf"^{path} iperf3: (.*)$", console, re.M)
    if not said:
        return [f"{path}: iperf3 did not come to its end"]
    try:
        found = json.loads(said[1])
        streams = found["end"]["streams"]
        quiet = [s for s in streams if not s["receiver"]["bytes"]]
    except (ValueError, KeyError):
        return [f"{path}: iperf3: {said[1][-300:]}"]
    if "error" in found or len(streams) != 2 * STREAMS or quiet:
        return [f"{path}: iperf3: {len(streams)} streams, {len(quiet)} of them without a byte: "
                f"{found.get('error', '')}"]
    return []


def look_at_file(console: str, path: str, blocks: int) -> list[str]:
    """The same of the file, on the guests' consoles."""
    said = re.search(rf"^{path} file: (\w+)", console, re.M)
    return [] if said and said[1] == digest(blocks) else [f"{path}: the file is another one"]
