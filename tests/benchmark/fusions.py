"""What is the way that senses meet worth, and what are objectives beside it? Four data sets, and what must be beaten.

    python3 tests/benchmark/fusions.py [--sets emoji,openclipart,wesnoth,digits] [--features scratch,frozen]
        [--seeds 1] [--steps 120,100] [--weights .data/weights] [--out runs/fusions] [--ranks 1] [ROW ...]

Each set with encoders that learn from scratch, and on features that stay (pictures by an EfficientNet, texts by MiniLM
or their letters, sounds and tables as they are), with one budget of steps for each of the two: every fusion, every
objective beside one of them, and references: each sense by itself, trained as long, and classifiers that learn nothing,
nearest means by cosine of each sense and their sum, with and without the mean of training taken away. ProtoNet, 1-shot;
all models of a set answer the same 600 test episodes. Prints and writes fusions.md and fusions.csv to OUT: accuracy in
%, and in brackets how far it is ahead of the best single sense, trained or not, and of the better sum of cosines,
paired by episode. Which is best is said by the same test episodes, so that no lead is flattered. Seeds are averaged by
episode. ROW: some of the rows alone.

Sets: .data/emoji (launch/quickstart.sh), .data/openclipart, .data/wesnoth (configs/README.md, "Data from distribution
packages"), and digits that spoken_digits.py makes. What is done is not made again, and stands in the tables.
"""

import argparse
import csv
import json
import math
import re
from pathlib import Path

import numpy as np
from runs import ROOT, add_arguments, cuttle, train
from spoken_digits import shards_of_digits

CONV4 = {"type": "conv4", "width": 32, "depth": 4, "norm": "layer"}
LETTERS = {"type": "char_conv", "width": 64, "depth": 2, "norm": "layer"}
MELS = {"type": "mel_conv", "width": 64, "depth": 3, "norm": "layer"}
COLUMNS = {"type": "columns", "width": 64, "depth": 2}
RAW, TABLE = {"type": "raw"}, {"type": "raw", "fitted": ["impute", "standardise"]}
NET = {"type": "efficientnet_lite", "weights": "efficientnet_lite0.safetensors"}
MINILM = {"type": "bert", "weights": "minilm.safetensors"}
# By set: {sense: its encoder from scratch, raw, and frozen}, its tasks, and those of the test.
SETS = {
    "emoji": ({"image": (CONV4, RAW, NET), "text": (LETTERS, RAW, RAW), "audio": (MELS, RAW, RAW)},
              {"way": 20, "query": 2, "groups": "apart"}, {"way": 5}),
    "openclipart": ({"image": (CONV4, RAW, NET), "text": (LETTERS, RAW, MINILM)},
                    {"way": 20, "query": 2}, {"way": 5, "query": 5}),
    "wesnoth": ({"image": (CONV4, RAW, NET), "text": (LETTERS, RAW, MINILM), "vector": (COLUMNS, TABLE, TABLE)},
                {"way": 5, "query": 1}, {}),
    "digits": ({"image": (CONV4, RAW, NET), "audio": (MELS, RAW, RAW)},
               {"way": 10, "query": 2, "groups": "apart"}, {"way": 3, "query": 5}),
}
COMPLETE = ("emoji", "openclipart")  # where samples lack senses; all that wesnoth tests have the three in use
BUDGET = {  # how what learns does so
    "scratch": ({"algorithm": "protonet"}, {"schedule": "cosine", "outer_lr": 2e-3, "weight_decay": 1.0}),
    "frozen": ({"algorithm": "protonet", "distance": "cosine"}, {"schedule": "cosine", "outer_lr": 1e-3}),
}
FUSIONS = ["concat", "gated", "late", "late late_weights=equal", "late late_weights=sample", "late late_by=product",
           "late late_by=vote", "late adapter=128", "late late_weights=sample adapter=128",
           "late late_by=product adapter=128", "late late_by=vote adapter=128", "self_attention", "cross_attention",
           "co_attention", "bottleneck", "product_of_experts", "low_rank", "tensor", "bilinear", "film",
           "film film_by=text", "sense_graph", "deep_sets"]
STEPS_OF_MEANS = 50  # whose tasks tell what is taken away
BESIDE = {"scratch": "late late_by=vote", "frozen": "late adapter=128"}  # the fusion that objectives join
ALONE = {"scratch": "late", "frozen": "late adapter=128"}  # how one sense by itself is trained
ALIGNED = ["contrastive temperature=0.2 weight=0.3", "correlation by=columns weight=0.3", "adversarial weight=0.1",
           "co_learning weight=0.3", "temporal one=audio other=text weight=0.3"]  # they move encoders alone
COMPLETED = {"completion": "predicted", "generative": "generated"}  # what makes the senses that samples lack
OBJECTIVES = ["part_loss", "autoencoder weight=0.3", "completion weight=0.3", "generative weight=0.3", *ALIGNED]


def words_of(row, features):
    """The overrides that a row of the table stands for."""
    kind, *keys = row.split()
    if row in FUSIONS:
        return [f"model.fusion={kind}", *(f"model.{key}" for key in keys)]
    if kind == "alone":
        return words_of(ALONE[features], features)
    words = ["adapt.part_loss=1.0"] if kind == "part_loss" else [f"objectives.beside.type={kind}"]
    words += [f"model.completion={COMPLETED[kind]}"] if kind in COMPLETED else []
    return [*words_of(BESIDE[features], features), *words, *(f"objectives.beside.{key}" for key in keys)]


def means_of(senses):
    """What learns nothing: {row: the words of its evaluation}."""
    kinds = {"sum of cosines": [], **{f"cosine {sense}": ["--modalities", sense] for sense in senses}}
    return {kind + what: [f"adapt.centre={centre}", *words] for kind, words in kinds.items()
            for what, centre in (("", "none"), (", centred", "training"))}


def rows_of(senses):
    return [*means_of(senses), *(f"alone {sense}" for sense in senses), *FUSIONS, *OBJECTIVES]


class Column:
    """The models of one set with one kind of features, and what they answer."""
    def __init__(self, name, features, arguments):
        self.name, self.features, self.arguments = name, features, arguments
        self.folder = arguments.out / f"{name}-{features}"
        self.steps = dict(zip(BUDGET, arguments.steps))[features]
        self.senses = list(SETS[name][0])
        self.means = means_of(self.senses)

    def rows(self):
        """All that have a meaning here."""
        told = rows_of(self.senses)
        left_out = [] if "text" in self.senses else ["film film_by=text"]
        left_out += ALIGNED if self.features == "frozen" else [] if self.name == "emoji" else ALIGNED[-1:]
        return [row for row in told if row not in left_out]

    def config(self, path, place, senses, adapt, step):
        """A file with encoders of a kind: 0 from scratch, 1 raw, 2 frozen."""
        encoders, tasks, tests = SETS[self.name]
        chosen = {sense: dict(encoders[sense][place]) for sense in senses}
        for encoder in chosen.values():
            if "weights" in encoder:
                encoder["weights"] = str(self.arguments.weights / encoder["weights"])
        shards = shards_of_digits(self.arguments.out) if self.name == "digits" else f".data/{self.name}/*.h5"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({
            "name": path.stem, "data": {"shards": [shards], "modalities": senses, "in_memory": True},
            "episode": {"shot": 1, "meta_batch_size": 8, **tasks},
            "evaluation": {**tests, "episodes": 600, "seed": 1},
            "model": {"fusion": "late", "modality_dropout": 0.2 if len(senses) > 1 else 0, "encoders": chosen},
            "adapt": adapt, "step": step,
            "train": {"steps": self.steps, "validate_every": max(1, self.steps // 2), "validation_episodes": 200,
                      "checkpoint_every": self.steps}}), encoding="utf-8")
        return str(path)

    def answers(self, row, seed):
        """The file of a row's accuracies by episode, beside the run's folder."""
        words = re.split(r"[ =,]+", row)  # '=' would make a path an override
        return self.folder / ("-".join(words if row in self.means else [*words, str(seed), str(self.steps)]) + ".csv")

    def evaluate(self, run, row, seed):
        complete = ["episode.complete=true"] if self.name in COMPLETE else []
        cuttle(self.arguments, "eval", str(run), "--per-episode", str(self.answers(row, seed)), *complete,
               *self.means.get(row, []))

    def find_means(self):
        missing = [row for row in self.means if not self.answers(row, 0).exists()]
        if missing:
            config = self.config(self.folder / "means.yaml", 1 if self.features == "scratch" else 2, self.senses,
                                 {"algorithm": "floor", "head": "cosine", "centre": "training"}, {})
            train(self.arguments, self.folder / "means", config, "model.late_weights=equal",
                  "model.modality_dropout=0", "train.validate_every=0", f"train.steps={STEPS_OF_MEANS}")
        for row in missing:
            self.evaluate(self.folder / "means", row, 0)

    def learn(self, row, seed):
        path = self.answers(row, seed)
        if path.exists():
            return
        run, senses = path.with_suffix(""), row.split()[1:] if row.startswith("alone") else self.senses
        config = self.config(path.with_suffix(".yaml"), 0 if self.features == "scratch" else 2, senses,
                             *BUDGET[self.features])
        train(self.arguments, run, config, *words_of(row, self.features), f"seed={seed}")
        self.evaluate(run, row, seed)

    def scores(self, row):
        """Accuracy in % of each episode, mean of the seeds; None if they are not all there."""
        paths = [self.answers(row, seed) for seed in self.arguments.seeds]
        if all(path.exists() for path in paths):
            return 100 * np.mean([np.loadtxt(path, delimiter=",", skiprows=1)[:, 1] for path in paths], axis=0)
        return None

    def best(self, *kinds):
        """Of the rows whose names begin so: the scores of the best."""
        found = (self.scores(row) for row in self.rows() if row.split()[0] in kinds)
        return max((scores for scores in found if scores is not None), key=np.mean, default=None)

    def told(self, row):
        """[(mean, half of the 95 % interval)] of a row, and of its leads over the best sense and the sum."""
        scores = self.scores(row) if row in self.rows() else None
        if scores is None:
            return []
        alone = row in self.means or row.startswith("alone")
        others = [] if alone else [self.best("alone", "cosine"), self.best("sum")]
        return [(np.mean(values), 1.96 * np.std(values, ddof=1) / math.sqrt(len(values)))
                for values in [scores, *(scores - other for other in others if other is not None)]]


def cell(told):
    mean, *leads = (f"{mean:{sign}.1f} +- {half:.1f}" for (mean, half), sign in zip(told, ("", "+", "+")))
    return f"{mean} ({', '.join(leads)})" if leads else mean


def write(columns, out):
    """The tables of all that is there."""
    lines, records = [], [["features", "row", "set", "accuracy", "ci95", "over_sense", "ci95", "over_sum", "ci95"]]
    for features in BUDGET:
        some = [column for column in columns if column.features == features]
        rows = rows_of(dict.fromkeys(sense for column in some for sense in column.senses))
        lines += [f"\n{features}:\n", "| | " + " | ".join(column.name for column in some) + " |",
                  "| --- " * (1 + len(some)) + "|"]
        for row in rows:
            told = [column.told(row) for column in some]
            records += [[features, row, column.name, *(f"{number:.2f}" for pair in numbers for number in pair)]
                        for column, numbers in zip(some, told) if numbers]
            if any(told):
                lines.append(f"| {row} | " + " | ".join(cell(numbers) if numbers else "" for numbers in told) + " |")
    (out / "fusions.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    with open(out / "fusions.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(records)


def listed(kind):
    return lambda text: [kind(word) for word in text.split(",")]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser, "fusions")
    parser.set_defaults(ranks=1)
    parser.add_argument("--sets", type=listed(str), default=list(SETS))
    parser.add_argument("--features", type=listed(str), default=list(BUDGET))
    parser.add_argument("--seeds", type=listed(int), default=[1])
    parser.add_argument("--steps", type=listed(int), default=[120, 100], help="from scratch, on frozen features")
    parser.add_argument("--weights", type=Path, default=ROOT / ".data/weights")
    parser.add_argument("names", nargs="*", metavar="ROW")
    arguments = parser.parse_args()
    columns = {(name, features): Column(name, features, arguments) for name in SETS for features in BUDGET}
    for column in (columns[name, features] for name in arguments.sets for features in arguments.features):
        column.find_means()
        for row in column.rows():
            if row not in column.means and (not arguments.names or row in arguments.names or row.startswith("alone")):
                for seed in arguments.seeds:
                    column.learn(row, seed)
            write(columns.values(), arguments.out)
    print((arguments.out / "fusions.md").read_text(encoding="utf-8"), end="")


if __name__ == "__main__":
    main()
