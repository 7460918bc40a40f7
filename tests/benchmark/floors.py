"""The table of floors: classifiers without training on raw features of four real data sets.

    python3 tests/benchmark/floors.py [--build build/release] [--out runs/learners] [--ranks 2] [--episodes 600]

Omniglot (pictures, and with their strokes), clinc150 (texts) and av_digits (recordings, unseen speakers) 5-way,
japanese_vowels (series) 3-way, 1-shot and 5-shot, 5 queries a class, test classes; the data of
tests/benchmark/learners.py, which says where it is from.
"""

import argparse
import json

from learners import shards_of
from runs import add_arguments, cuttle, train

# By column: the data set, its senses, the way.
SETS = {"omniglot": ("omniglot", ["image"], 5), "omniglot, with strokes": ("omniglot", ["image", "strokes"], 5),
        "clinc150": ("clinc150", ["text"], 5), "japanese_vowels": ("japanese_vowels", ["series"], 3),
        "av_digits": ("av_digits", ["audio"], 5)}
# Head and centre; distances do not go by one, and linear heads have their own.
ROWS = [*((head, "none") for head in ("mean", "mahalanobis", "ridge", "logistic", "svm")),
        *((head, centre) for head in ("cosine", "cache") for centre in ("none", "support", "training"))]


def run_of(name, arguments):
    """A run that has the mean of training tasks, by 100 steps of 4."""
    data, senses, way = SETS[name]
    folder = arguments.out / "floors" / name.replace(", ", "_").replace(" ", "_")
    config = folder.with_suffix(".yaml")
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text(json.dumps({
        "name": f"floor-{data}",
        "data": {"shards": [shards_of(data, arguments.out)], "modalities": senses, "in_memory": True},
        "episode": {"way": way, "shot": 1, "query": 5, "meta_batch_size": 4},
        "model": {"fusion": "late", "late_weights": "equal", "encoders": {sense: {"type": "raw"} for sense in senses}},
        "adapt": {"algorithm": "floor", "centre": "training"},
        "train": {"steps": 100, "validate_every": 0, "checkpoint_every": 100}}), encoding="utf-8")
    train(arguments, folder, str(config))
    return folder



def cell(folder, head, centre, shot, arguments):
    words = (f"adapt.head={head}", f"adapt.centre={centre}", f"evaluation.shot={shot}")
    told = json.loads(cuttle(arguments, "eval", str(folder), "--episodes", str(arguments.episodes), "--json", *words))
    return f"{100 * told['accuracy']:.1f} +- {100 * told['ci95']:.1f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser, "learners")
    parser.add_argument("--episodes", type=int, default=600)
    arguments = parser.parse_args()
    columns = [(name, shot) for name in SETS for shot in (1, 5)]
    runs = {name: run_of(name, arguments) for name in SETS}
    print("| head | centre | " + " | ".join(f"{name}, {shot}-shot" for name, shot in columns) + " |")
    print("| --- " * (2 + len(columns)) + "|")
    for head, centre in ROWS:
        cells = [cell(runs[name], head, centre, shot, arguments) for name, shot in columns]
        print(f"| {head} | {centre} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
