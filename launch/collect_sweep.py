#!/usr/bin/env python3
"""One table of the runs in a folder: how far each is, in which config keys they differ, and how well each did.

  launch/collect_sweep.py runs/sweep                    # after or during launch/slurm_array_sweep.sbatch
  launch/collect_sweep.py runs/sweep --csv sweep.csv    # for other programs
"""

import argparse
import csv
import json
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SCORES = ("best_accuracy", "best_mean_squared_error")
UNINTERESTING = ("data.shards", )  # where data lie changes nothing


def config_keys(path):
    """{"adapt.inner_lr": "0.1", ...} of a config as cuttle writes it: blocks of two blanks, one key a line."""
    keys, above = {}, []
    for line in path.read_text(encoding="utf-8").splitlines():
        name, _, value = line.strip().partition(":")
        above = above[:(len(line) - len(line.lstrip())) // 2] + [name]
        if value.strip():
            keys[".".join(above)] = value.strip()
    return keys


def describe(program, run):
    """What `cuttle inspect` says of a run; a run that it cannot read gets a line too."""
    result = subprocess.run([program, "inspect", run, "--json"], capture_output=True, text=True, check=False)
    told = json.loads(result.stdout) if result.returncode == 0 else {"state": "unreadable"}
    return {"run": run.name, "state": told.get("state", "?"), "step": told.get("step", told.get("last_step", "")),
            "score": next((told[name] for name in SCORES if name in told), ""),
            "restarts": told.get("restarts", ""), "skipped": told.get("skipped_tasks", "")}


def rows_of(program, folder):
    """Header and rows; a column for each config key in which the runs differ."""
    runs = sorted((path.parent for path in folder.glob("*/config.yaml")),
                  key=lambda run: (len(run.name), run.name))  # 2 before 10
    configs = [config_keys(run / "config.yaml") for run in runs]
    names = sorted({name for config in configs for name in config} - set(UNINTERESTING))
    differ = [name for name in names if len({config.get(name) for config in configs}) > 1]
    rows = []
    for run, config in zip(runs, configs):
        told = describe(program, run)
        told["score"] = f"{told['score']:.4f}" if told["score"] != "" else ""
        first = [told.pop(name) for name in ("run", "state", "step")]
        rows.append([*first, *(config.get(name, "") for name in differ), *told.values()])
    return ["run", "state", "step", *differ, "score", "restarts", "skipped"], rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="holds one run folder for each line of the sweep")
    parser.add_argument("--csv", type=Path, help="write the table to this file too")
    parser.add_argument("--program", default=ROOT / "build/release/cuttle", help="default: %(default)s")
    arguments = parser.parse_args()
    if not Path(arguments.program).is_file():
        parser.error(f"{arguments.program} does not exist (it reads the runs); build it, or name one with --program")
    header, rows = rows_of(arguments.program, arguments.folder)
    if not rows:
        parser.error(f"{arguments.folder} holds no runs (folders with a config.yaml); give the folder of a sweep")
    widths = [max(len(str(row[i])) for row in (header, *rows)) for i in range(len(header))]
    for row in (header, *rows):
        print("  ".join(str(cell).ljust(width) for cell, width in zip(row, widths)).rstrip())
    if arguments.csv:
        with open(arguments.csv, "w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([header, *rows])


if __name__ == "__main__":
    main()
