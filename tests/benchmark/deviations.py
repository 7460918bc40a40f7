"""Whether predicted standard deviations are right: a table on sinusoids, beside the learner of values alone.

    python3 tests/benchmark/deviations.py [--build build/release] [--out runs/parts] [--ranks 2] [--functions 100]

Trains configs/parts/gaussian.yaml, and the same with episode.target=value, where OUT/gaussian and OUT/gaussian_off are
not there yet. Then, on functions of the same prior, `cuttle adapt` with 10 points and `cuttle predict` of 100 others:
answers by how sure they say they are, a fifth of all in each row. The learner of values has one deviation for all, the
root of its mean squared error over the episodes of `eval`.
"""

import argparse
import csv
import json
import math
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from runs import ROOT, add_arguments, cuttle, train

sys.path.insert(0, str(ROOT / "data_tools"))

from cuttle_data.schema import DatasetInfo, Modality  # noqa: E402
from cuttle_data.shard_file import Loaded, write_shard  # noqa: E402

POINTS, ASKED, FIFTHS = 10, 100, 5
HALF, NINE_IN_TEN = 0.6744897501960817, 1.6448536269514722  # deviations that hold so many of normal values


def function_of(number):
    """Support and query points of one of configs/parts/gaussian.yaml's prior."""
    random = np.random.default_rng([1, number])
    amplitude, phase = random.uniform(0.1, 5), random.uniform(0, math.pi)
    x = random.uniform(-5, 5, POINTS + ASKED).astype(np.float32)
    y = amplitude * np.sin(x + phase)
    return (x[:POINTS], y[:POINTS]), (x[POINTS:], y[POINTS:])


def write(path, x, y):
    samples = [Loaded(f"{i:03d}", "function", "all", "test", {"x": x[i:i + 1]}, y[i:i + 1]) for i in range(len(x))]
    info = DatasetInfo("function", "drawn by deviations.py", "CC0-1.0", "deviations.py", targets=("y", ))
    write_shard(path, info, [Modality("x", "vector", (1, ), mean=(), stddev=())], samples)


def answers_of(arguments, run):
    """(error, deviation or None) of every answer, [functions * ASKED]."""
    errors, deviations = [], []
    program = str(arguments.build / "cuttle")
    with tempfile.TemporaryDirectory() as folder:
        support, query, file, out = (str(Path(folder) / name) for name in ("s.h5", "q.h5", "adapted", "answers.csv"))
        for number in range(arguments.functions):
            known, asked = function_of(number)
            write(Path(support), *known)
            write(Path(query), *asked)
            for words in (["adapt", str(run), "--support", support, "--out", file],
                          ["predict", file, query, "--out", out]):
                subprocess.run([program, *words], cwd=ROOT, check=True, stderr=subprocess.DEVNULL)
            with open(out, encoding="utf-8") as told:
                rows = list(csv.DictReader(told))
            errors += [float(row["value_1"]) - y for row, y in zip(rows, asked[1])]
            deviations += [float(row["value_1_deviation"]) for row in rows if "value_1_deviation" in row]
    return np.array(errors), np.array(deviations) if deviations else None


def row(name, error, deviation):
    off = np.abs(error) / deviation
    density = np.mean(-off**2 / 2 - np.log(deviation) - math.log(2 * math.pi) / 2)
    return (f"| {name} | {np.sqrt(np.mean(deviation**2)):.3f} | {np.sqrt(np.mean(error**2)):.3f} "
            f"| {100 * np.mean(off <= HALF):.1f} | {100 * np.mean(off <= NINE_IN_TEN):.1f} | {density:.2f} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser, "parts")
    parser.add_argument("--functions", type=int, default=100)
    arguments = parser.parse_args()
    sure, plain = arguments.out / "gaussian", arguments.out / "gaussian_off"
    train(arguments, sure, "configs/parts/gaussian.yaml")
    train(arguments, plain, "configs/parts/gaussian.yaml", "episode.target=value")
    print("| answers | deviation, predicted | found | % in 50 % intervals | in 90 % | log-likelihood |\n"
          "| --- | --- | --- | --- | --- | --- |")
    error, deviation = answers_of(arguments, sure)
    order = np.argsort(deviation)
    for fifth, part in enumerate(np.array_split(order, FIFTHS), 1):
        print(row(f"fifth {fifth} by predicted deviation", error[part], deviation[part]))
    print(row("all", error, deviation))
    error, _ = answers_of(arguments, plain)
    mean_squared = json.loads(cuttle(arguments, "eval", str(plain), "--json"))["mean_squared_error"]
    print(row("values alone, one deviation for all", error, np.full(len(error), math.sqrt(mean_squared))))


if __name__ == "__main__":
    main()
