"""Tables with holes, of few labelled rows: what the other columns teach, beside scikit-learn on the same rows.

    pip install scikit-learn==1.9.1
    python3 tests/benchmark/holes.py [--build build/release] [--out runs/holes] [--ranks 1] [--episodes 200] [NAME ...]

Data frames of the Debian packages r-cran-vim and r-cran-survival, installed or as .deb files in the folder CUTTLE_DEBS.
Half of a table's rows, without the column that is asked about, make the training tasks: to tell the levels of another
column, or the numbers above a threshold from those below, where that column is empty in all rows. Of the other half,
whose rows no training saw, `cuttle eval --per-episode FILE.jsonl` draws 5 or 20 rows of each class, and says what was
answered to which others; scikit-learn is fitted to the same rows (holes become medians of the training half beside a
column that says so, categories columns of 0 and 1; gradient boosting takes holes as they are, too). Trains
configs/real/NAME.yaml with each of LEARNERS where OUT has no run yet. Prints Markdown: area under the ROC curve in %,
mean and 95 % interval over episodes, and how far the others are from gradient boosting, paired.
"""

import argparse
import collections
import csv
import subprocess
import sys

import numpy as np
from runs import ROOT, add_arguments, cuttle, episodes_of, r_package, train
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_predict

sys.path.insert(0, str(ROOT / "data_tools"))

from cuttle_data.r_data import library  # noqa: E402
from cuttle_data.r_data.table import table_of  # noqa: E402
from cuttle_data.report import Report  # noqa: E402

# Package, column that is asked about, which cells of it are the one class, columns that are left out (numbers of rows,
# what is known only afterwards, copies of others), most rows of each half.
SETS = {
    "colic": ("vim", "outcome", lambda cell: cell == "lived",
              ("hospitalID", "surgical_lesion", "lesion_type1", "lesion_type2", "lesion_type3", "cp_data",
               "temp_extreme_ordered", "temp_extreme_num", "mucous_membranes_group"), 150),
    "nafld1": ("survival", "status", lambda cell: cell == 0, ("id", "case.id", "futime"), 2000),
}
LEARNERS = {
    "r2d2": (),
    "protonet": ("adapt.algorithm=protonet", ),
    "caml": ("adapt.algorithm=caml", "adapt.width=64", "adapt.layers=2"),
    "pretrain": ("episode.source=minibatches", "episode.shot_min=0", "episode.batch=64", "adapt.algorithm=pretrain"),
}
SHOTS = (5, 20)
FEW = 6  # different numbers, as many of which are levels
THRESHOLDS = (0.2, 0.35, 0.5, 0.65, 0.8)
ENOUGH = 30  # rows of a level


def read(name):
    """The table of a set by column, holes None, and whether each row is of the one class; rows of no class are out."""
    package, asked, is_one, left_out, _ = SETS[name]
    with library.opened(r_package(package)) as opened:
        frame = table_of(opened.data_set(name), name, Report())
    columns = {own: cells.to_pylist() for own, cells in frame.columns.items() if own not in left_out}
    known = [i for i, cell in enumerate(columns[asked]) if cell is not None]
    columns = {own: [cells[i] for i in known] for own, cells in columns.items()}
    return columns, np.array([is_one(cell) for cell in columns.pop(asked)])


def halves(name, rows):
    order, most = np.random.default_rng(1).permutation(rows), SETS[name][-1]
    return order[:rows // 2][:most], order[rows // 2:][:most]


def tasks_of(columns, rows):
    """{task: (its column, {row: level})} of the training half."""
    tasks = {}
    for own, cells in columns.items():
        there = [row for row in rows if cells[row] is not None]
        values = [cells[row] for row in there]
        if any(isinstance(value, (str, bool)) for value in values) or len(set(values)) <= FEW:
            tasks[own] = (own, {row: str(value) for row, value in zip(there, values)})
            continue
        for bound in sorted(set(np.quantile(values, THRESHOLDS).tolist())):
            levels = {row: "above" if value > bound else "below" for row, value in zip(there, values)}
            tasks[f"{own} at {bound:g}"] = (own, levels)
    counted = ((task, own, levels, collections.Counter(levels.values())) for task, (own, levels) in tasks.items())
    return {task: (own, {row: level for row, level in levels.items() if counts[level] >= ENOUGH})
            for task, own, levels, counts in counted if sum(count >= ENOUGH for count in counts.values()) > 1}


def make_shards(name, columns, truth, folder):
    """The shards of a set; which row of the table each of their samples is."""
    known, asked = halves(name, len(truth))
    tasks = tasks_of(columns, known)
    of_tasks = sorted({own for own, _ in tasks.values()})
    validation = set(np.random.default_rng(2).permutation(of_tasks)[:max(1, len(of_tasks) // 5)])
    lines, places = [], []
    for task, (own, levels) in tasks.items():
        for row, level in levels.items():
            cells = ["" if cells[row] is None or of == own else cells[row] for of, cells in columns.items()]
            lines.append(["validation" if own in validation else "train", task, f"{task}: {level}", *cells])
            places.append(row)
    for row in asked:
        cells = ["" if cells[row] is None else cells[row] for cells in columns.values()]
        lines.append(["test", "asked", f"asked: {truth[row]}", *cells])
        places.append(row)
    if not (folder / "dataset.json").exists():
        table = folder.with_suffix(".csv")
        table.parent.mkdir(parents=True, exist_ok=True)
        with open(table, "w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([["split", "task", "class", *columns], *lines])
        words = ("--class", "class", "--group", "task", "--split", "split", "--codes", "--name", name, "--out", folder)
        subprocess.run([ROOT / "data_tools/cuttle-data", "frame", table, *words], check=True, stdout=subprocess.DEVNULL)
    return {f"line {line}": row for line, row in enumerate(places, 2)}  # the first names the columns


class Others:
    """Tables as scikit-learn takes them, and what is fitted to few rows of them."""
    def __init__(self, columns, known):
        words = {own: any(isinstance(cell, (str, bool)) for cell in cells) for own, cells in columns.items()}
        filled, plain = [], []
        for own, cells in columns.items():
            if words[own]:
                levels = sorted({cells[row] for row in known if cells[row] is not None})
                numbers = {level: number for number, level in enumerate(levels)}
                plain.append([np.nan if cell is None else numbers.get(cell, np.nan) for cell in cells])
                filled += [[float(cell == level) for cell in cells] for level in levels]
                continue
            values = np.array([np.nan if cell is None else cell for cell in cells], np.float64)
            plain.append(values)
            centre, spread = np.nanmean(values[known]), np.nanstd(values[known])
            whole = np.where(np.isnan(values), np.nanmedian(values[known]), values)
            filled += [(whole - centre) / spread if spread > 0 else 0 * whole, np.isnan(values).astype(float)]
        self.filled, self.plain = np.array(filled).T, np.array(plain, np.float64).T

    def answers(self, rows, truth, asked):
        leaf = max(2, len(rows) // 20)  # the default of 20 rows a leaf leaves no tree to so few
        models = {"imputation, logistic regression": (LogisticRegression(max_iter=1000), self.filled),
                  "imputation, gradient boosting": (HistGradientBoostingClassifier(min_samples_leaf=leaf), self.filled),
                  "gradient boosting with holes": (HistGradientBoostingClassifier(min_samples_leaf=leaf), self.plain)}
        one, other = (self.filled[[row for row in rows if truth[row] == which]].mean(0) for which in (True, False))
        far = [((self.filled[asked] - mean)**2).sum(1) for mean in (other, one)]
        answers = {"imputation, nearest class mean": far[0] - far[1]}
        for method, (model, table) in models.items():
            table = table[:, ~np.isnan(table[rows]).all(0)]  # of what none of them has nothing can be fitted
            answers[method] = model.fit(table[rows], truth[rows]).predict_proba(table[asked])[:, 1]
        return answers

    def of_all(self, rows, truth):
        """With all rows of the half but a tenth that is asked about, in turns."""
        models = {"logistic regression": (LogisticRegression(max_iter=1000), self.filled),
                  "gradient boosting": (HistGradientBoostingClassifier(), self.plain)}
        return {method: 100 * roc_auc_score(truth[rows], cross_val_predict(model, table[rows], truth[rows], cv=10,
                                                                           method="predict_proba")[:, 1])
                for method, (model, table) in models.items()}


def scores_of(name, shot, others, places, truth, arguments):
    """{method: areas by episode}."""
    scores = collections.defaultdict(list)
    for learner, words in LEARNERS.items():
        told = arguments.out / f"{name}-{learner}-{shot}.jsonl"
        if not told.exists():
            run = arguments.out / f"{name}-{learner}"
            shards = f"data.shards=[{arguments.out}/data/{name}/*.h5]"
            train(arguments, run, f"configs/real/{name}.yaml", shards, *words)
            cuttle(arguments, "eval", str(run), f"evaluation.shot={shot}", "--episodes", str(arguments.episodes),
                   "--per-episode", str(told))
        for parts in episodes_of(told):
            given, asked = ([places[record["sample"]] for record in parts[part]] for part in ("support", "query"))
            answers = {learner: [record["probabilities"]["asked: True"] for record in parts["query"]]}
            if learner == next(iter(LEARNERS)):  # the others have the same episodes
                answers.update(others.answers(given, truth, asked))
            for method, probability in answers.items():
                scores[method].append(100 * roc_auc_score(truth[asked], probability))
    return {method: np.array(areas) for method, areas in scores.items()}


def cell(values):
    return f"{np.mean(values):.1f} +- {1.96 * np.std(values, ddof=1) / np.sqrt(len(values)):.1f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser, "holes")
    parser.set_defaults(ranks=1)
    parser.add_argument("--episodes", type=int, default=200)
    parser.add_argument("names", nargs="*", default=list(SETS))
    arguments = parser.parse_args()
    for name in arguments.names:
        columns, truth = read(name)
        folder = arguments.out / "data" / name
        places = make_shards(name, columns, truth, folder)
        known, asked = halves(name, len(truth))
        others = Others(columns, known)
        by_shot = [scores_of(name, shot, others, places, truth, arguments) for shot in SHOTS]
        whole = others.of_all(asked, truth)
        print(f"\n{name}; fitted to all rows of the half, ten-fold: "
              + ", ".join(f"{method} {area:.1f}" for method, area in whole.items()))
        print("\n| | " + " | ".join(f"{shot} of each class | less boosting's" for shot in SHOTS) + " |")
        print("| --- " * (1 + 2 * len(SHOTS)) + "|")
        for method in sorted(by_shot[0], key=lambda method: by_shot[0][method].mean()):
            cells = (text for scores in by_shot for text in (
                cell(scores[method]), cell(scores[method] - scores["gradient boosting with holes"])))
            print(f"| {method} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
