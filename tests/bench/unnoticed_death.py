# SPDX-License-Identifier: BSD-2-Clause
"""Ten minutes of deaths that a guest does not notice, as a table and as pictures.

Runs tests/fault/unnoticed and draws, into the build folder: unnoticed-timeline.svg, for
each death how long nothing arrived over TCP, and unnoticed-victims.svg, the same by
victim. With --from FILE it draws what the campaign kept with --json.

    ./tessera bench unnoticed-death
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
sys.path[:0] = [path for path in (str(TOP), str(TOP / "images")) if path not in sys.path]

from launcher.paths import out_dir  # noqa: E402
from tests.fault.unnoticed import campaign  # noqa: E402

# The distribution's Python has matplotlib; the one that runs this may be another.
PYTHON = "/usr/bin/python3"
DRAW = r'''
import json, sys
import matplotlib
matplotlib.use("svg")
matplotlib.rcParams["svg.hashsalt"] = "tessera"
import matplotlib.pyplot as plot

deaths = json.load(sys.stdin)
timeline, victims = sys.argv[1:]
names = sorted({death["victim"] for death in deaths})
figure, axes = plot.subplots(figsize=(10, 4))
for name in names:
    mine = [death for death in deaths if death["victim"] == name]
    axes.plot([death["at_ns"] / 1e9 for death in mine],
              [death["silent_ns"] / 1e6 for death in mine], ".", label=name)
axes.set_xlabel("seconds of virtual time")
axes.set_ylabel("ms without a TCP segment")
axes.set_ylim(bottom=0)
axes.set_title("Each point is the death of a domain")
axes.legend(ncol=2, fontsize="small", loc="upper right")
figure.tight_layout()
figure.savefig(timeline, metadata={"Date": None})

figure, axes = plot.subplots(figsize=(10, 4))
axes.boxplot([[death["silent_ns"] / 1e6 for death in deaths if death["victim"] == name]
              for name in names], labels=names, whis=(0, 100))
axes.set_ylabel("ms without a TCP segment")
axes.set_ylim(bottom=0)
axes.tick_params(axis="x", rotation=30)
axes.set_title("By victim: median, quartiles, extremes")
figure.tight_layout()
figure.savefig(victims, metadata={"Date": None})
'''


def draw(deaths: list[dict[str, object]], folder: Path) -> list[Path]:
    """The two pictures."""
    pictures = [folder / "unnoticed-timeline.svg", folder / "unnoticed-victims.svg"]
    subprocess.run([PYTHON, "-c", DRAW, *pictures], input=json.dumps(deaths), text=True, check=True)
    return pictures


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--built", type=Path, help="the freestanding build")
    parser.add_argument("--seconds", type=int, default=600, help="of virtual time")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--from", dest="kept", type=Path, metavar="FILE")
    words = parser.parse_args()
    if words.kept:
        found = [campaign.Death(**entry) for entry in json.loads(words.kept.read_text())]
        problems: list[str] = []
    else:
        result = campaign.run(campaign.Plan(words.seconds, seed=words.seed))
        found, problems = result.deaths, result.problems
        print(f"seed {words.seed}: {len(found)} deaths under work, {result.answers} answers of "
              f"disks, {result.received} bytes over TCP")
    print("How long nothing arrived over TCP, in ms of virtual time:")
    print(campaign.table(found))
    print("\n".join(problems) or "nothing was noticed")
    if found:
        for picture in draw([vars(death) for death in found], out_dir()):
            print(picture)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
