"""Prints quickstart's last table: accuracy of a run's evaluations beside the untrained floor.

usage: quickstart_table.py RUN FLOOR, where RUN holds test-<name>.json of `cuttle eval --json`
and FLOOR is the output of `cuttle-data floor --json`.
"""

import json
import sys
from pathlib import Path

NAMES = ("fused", "image", "text", "audio")


def percent(accuracy, interval):
    return f"{100 * accuracy:.1f} +- {100 * interval:.1f}"


def table(run, floor_file):
    trained = {name: json.loads((run / f"test-{name}.json").read_text(encoding="utf-8")) for name in NAMES}
    floor = json.loads(floor_file.read_text(encoding="utf-8"))["results"]
    protocol = trained["fused"]
    rows = [["accuracy %, 95 % interval", *NAMES],
            ["meta-trained", *(percent(trained[name]["accuracy"], trained[name]["ci95"]) for name in NAMES)],
            ["untrained nearest mean", *(percent(floor[name]["accuracy"], floor[name]["interval_95"])
                                         for name in NAMES)]]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["{}-way {}-shot, {} queries, {} episodes of unseen classes".format(
        *(protocol[key] for key in ("way", "shot", "query", "episodes")))]
    lines += ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
    return "\n".join(lines)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    print(table(Path(sys.argv[1]), Path(sys.argv[2])))
