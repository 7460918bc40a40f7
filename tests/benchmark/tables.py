"""Real tables by a model that never saw one, beside scikit-learn on the same rows.

    pip install scikit-learn==1.9.1
    python3 tests/benchmark/tables.py [--build build/release] [--out runs/parts] [--ranks 2] [--draws 5] [NAME ...]

Trains configs/parts/tables.yaml, tables_r2d2.yaml, tables_values.yaml, on tables of random causal models, where their
folders of OUT are not there yet. Then, for each set that scikit-learn brings: draws of 10, 30 and 100 rows (every class
at least once), `cuttle adapt` to them and `cuttle predict` of up to 200 other rows. The others are fitted to the same
rows: logistic regression (values: ridge regression) and the nearest class mean (values: the mean) on standardised
columns, gradient boosting. Prints a table, accuracy in % or 100 R^2, mean and 95 % interval of the draws; all scores go
to OUT/tables.csv.
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
from runs import ROOT, STUDENT, add_arguments, train
from sklearn import datasets
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import NearestCentroid
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

sys.path.insert(0, str(ROOT / "data_tools"))

from cuttle_data.schema import DatasetInfo, Modality  # noqa: E402
from cuttle_data.shard_file import Loaded, write_shard  # noqa: E402

SETS = {"iris": datasets.load_iris, "wine": datasets.load_wine, "breast_cancer": datasets.load_breast_cancer,
        "digits": datasets.load_digits, "diabetes": datasets.load_diabetes}
VALUES = ("diabetes", )
ROWS, ASKED = (10, 30, 100), 200
COLUMNS = 64  # of configs/parts/tables.yaml
METHODS = ("caml", "r2d2", "linear", "mean", "boosting")
RUNS = {"caml": "tables", "r2d2": "tables_r2d2"}
RUNS_OF_VALUES = {"caml": "tables_values"}


def draw(name, table, rows, number):
    """Which rows are given and which are asked for."""
    random = np.random.default_rng([number, rows])
    order = random.permutation(len(table.target))
    if name not in VALUES:  # one row of each class comes first
        first = [next(row for row in order if table.target[row] == label) for label in np.unique(table.target)]
        order = np.array(first + [row for row in order if row not in first])
    return order[:rows], order[rows:rows + ASKED]


def write(path, name, table, rows):
    """A shard of these rows, the columns that the table lacks being 0."""
    x = np.zeros((len(rows), COLUMNS), np.float32)
    x[:, :table.data.shape[1]] = table.data[rows]
    values = name in VALUES
    samples = [Loaded(f"row {row}", name if values else f"class {table.target[row]}", "all", "test", {"x": x[i]},
                      np.array([table.target[row]], np.float32) if values else None) for i, row in enumerate(rows)]
    info = DatasetInfo(name, "scikit-learn", "see scikit-learn", "tables.py", targets=("y", ) if values else ())
    write_shard(path, info, [Modality("x", "vector", (COLUMNS, ), mean=(), stddev=())], samples)


def runs_of(name):
    return RUNS_OF_VALUES if name in VALUES else RUNS


def by_cuttle(arguments, run, name, table, given, asked):
    with tempfile.TemporaryDirectory() as folder:
        support, query, file, out = (Path(folder) / part for part in ("s.h5", "q.h5", "adapted", "answers.jsonl"))
        write(support, name, table, given)
        write(query, name, table, asked)
        for words in (["adapt", run, "--support", support, "--out", file, "--calibrate", "0"],
                      ["predict", file, query, "--out", out]):
            subprocess.run([arguments.build / "cuttle", *words], cwd=ROOT, check=True, stderr=subprocess.DEVNULL)
        told = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    if name in VALUES:
        return np.array([record["values"][0] for record in told])
    return np.array([int(record["class"].split()[1]) for record in told])


def others(name, rows):
    leaf = max(2, rows // 20)  # the default of 20 rows a leaf leaves no tree to so few
    if name in VALUES:
        return {"linear": make_pipeline(StandardScaler(), Ridge()), "mean": DummyRegressor(),
                "boosting": HistGradientBoostingRegressor(min_samples_leaf=leaf)}
    return {"linear": make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)),
            "mean": make_pipeline(StandardScaler(), NearestCentroid()),
            "boosting": HistGradientBoostingClassifier(min_samples_leaf=leaf)}


def score(name, answers, truth):
    if name in VALUES:
        return 100 * (1 - np.mean((answers - truth)**2) / np.var(truth))
    return 100 * np.mean(answers == truth)


def scores_of(arguments, name, table, rows, number):
    given, asked = draw(name, table, rows, number)
    scores = {}
    for method, run in runs_of(name).items():
        answers = by_cuttle(arguments, arguments.out / run, name, table, given, asked)
        scores[method] = score(name, answers, table.target[asked])
    for method, model in others(name, rows).items():
        model.fit(table.data[given], table.target[given])
        scores[method] = score(name, model.predict(table.data[asked]), table.target[asked])
    return scores


def cell(scores):
    half = STUDENT.get(len(scores), 1.96) * np.std(scores, ddof=1) / math.sqrt(len(scores))
    return f"{np.mean(scores):.1f} +- {half:.1f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser, "parts")
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("names", nargs="*", default=list(SETS))
    arguments = parser.parse_args()
    for name in sorted({run for name in arguments.names for run in runs_of(name).values()}):
        train(arguments, arguments.out / name, f"configs/parts/{name}.yaml")
    print("| table | rows | caml | r2d2 | logistic or ridge | nearest mean, mean | gradient boosting |\n"
          "| --- | --- | --- | --- | --- | --- | --- |")
    with open(arguments.out / "tables.csv", "w", encoding="utf-8", newline="") as file:
        told = csv.writer(file)
        told.writerow(["table", "rows", "draw", "method", "score"])
        for name in arguments.names:
            table = SETS[name]()
            for rows in ROWS:
                draws = [scores_of(arguments, name, table, rows, number) for number in range(arguments.draws)]
                told.writerows([name, rows, number, method, f"{scores[method]:.3f}"]
                               for number, scores in enumerate(draws) for method in scores)
                cells = (cell([scores[method] for scores in draws]) if method in draws[0] else ""
                         for method in METHODS)
                print(f"| {name} | {rows} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
