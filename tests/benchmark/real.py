"""Real data by name: what no training reaches, the best sense alone, all senses fused, paired.

    python3 tests/benchmark/real.py [--build build/release] [--out runs/real] [--ranks 2] [--seeds N] [SET ...]

The sets and their rows are real_sets.py; each has a config, configs/real/SET.yaml, which the first row trains as it is
and the others change as they say. Data are converted once, into .data, from Debian packages (files of `apt-get
download` in CUTTLE_DEBS, or installed). Classes are split --seeds times: each split is
converted, trained and evaluated by itself, on 600 episodes that all rows share. Scores are those of `eval`; intervals,
of 95 %, are of the episodes where there is one split, of the splits (Student's t) where there are several. A run that
was interrupted goes on, what is done is not done again.
"""

import argparse
import csv
import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import yaml
from real_sets import SETS
from runs import ROOT, STUDENT, add_arguments, cuttle, real_config, train

TOOL = ROOT / "data_tools/cuttle-data"
DATA = ROOT / ".data"


def converted(name, seed):
    """The folder of a set's shards, their classes split by this seed."""
    made = SETS[name]
    folders = {DATA / (f"{folder}-{seed}" if seed else folder): words for folder, words in made.folders.items()}
    for folder, (converter, *words) in folders.items():
        if not (folder / "dataset.json").exists():
            files = sorted(Path(os.environ.get("CUTTLE_DEBS", ".")).glob(f"{made.package}_*.deb"))
            if made.write:
                files = [folder.with_suffix(".pkl")]
                made.write(files[0])
            given = [*made.given_by, *files[:1]] if files else []  # else what is installed
            subprocess.run([TOOL, converter, *given, *words, "--seed", str(seed), "--out", folder], check=True,
                           stdout=sys.stderr)
    return next(iter(folders))


def config_of(name, row, shards):
    """configs/real/NAME.yaml on these shards, with the row's senses alone."""
    config = real_config(name, row.senses)
    config["data"]["shards"] = [f"{shards}/*.h5"]
    return config


def evaluated(name, row, seed, arguments):
    """What eval says of the row's run, and the score of every episode."""
    folder = arguments.out / name / f"{row.name.replace(' ', '_')}-{seed}"
    told, episodes = folder / "eval.json", folder / "episodes.csv"
    if not told.exists():
        config = folder.with_suffix(".yaml")
        config.parent.mkdir(parents=True, exist_ok=True)
        config.write_text(yaml.safe_dump(config_of(name, row, converted(name, seed)), sort_keys=False))
        train(arguments, folder, str(config), *row.words)
        told.write_text(cuttle(arguments, "eval", str(folder), "--json", "--per-episode", str(episodes)))
    said = json.loads(told.read_text(encoding="utf-8"))
    with open(episodes, encoding="utf-8", newline="") as file:
        (_, score), *rows = csv.reader(file)
    scores = np.array([float(value) for _, value in rows])
    if "r_squared" in said:  # an episode's share of it: their mean is that of all
        score, scores = "R squared", 1 - scores / scores.mean() * (1 - said["r_squared"])
    return score.replace("_", " "), scores


def cell(of_seeds, sign=""):
    """Mean and interval, in %, of arrays of episodes' scores, one for each seed."""
    values = of_seeds[0] if len(of_seeds) == 1 else np.array([np.nanmean(scores) for scores in of_seeds])
    values = values[~np.isnan(values)]  # an episode in which nothing can be right has no score
    half = STUDENT.get(len(values), 1.96) * values.std(ddof=1) / math.sqrt(len(values))
    return f"{100 * values.mean():{sign}.1f} +- {100 * half:.1f}"


def table(name, arguments):
    rows, seeds = SETS[name].rows, range(arguments.seeds)
    told = [[evaluated(name, row, seed, arguments) for seed in seeds] for row in rows]
    print(f"\n| {name} | {told[0][0][0]}, % | {rows[0].name} is ahead by |\n| --- | --- | --- |")
    for row, entries in zip(rows, told):
        scores = [scores for _, scores in entries]
        lead = [ours - theirs for (_, ours), theirs in zip(told[0], scores)]
        print(f"| {row.name} | {cell(scores)} | {cell(lead, '+') if row is not rows[0] else ''} |", flush=True)


def parser():
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(made, "real")
    made.add_argument("--seeds", type=int, default=1, help="splits of classes that are drawn")
    made.add_argument("names", nargs="*", default=list(SETS), metavar="SET")
    return made


def main():
    arguments = parser().parse_args()
    for name in arguments.names:
        table(name, arguments)


if __name__ == "__main__":
    main()
