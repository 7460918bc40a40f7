"""The rows of clinc150 with its utterances of no intent (configs/real/README.md): accuracy on unseen intents, and
how well 1,200 utterances of no intent at all are told from these.

    python3 tests/benchmark/out_of_scope.py [--build build/release] [--out runs/scope] [--ranks 2] [--episodes 600]

Nearest means of letters and of MiniLM's vectors, nothing learned, and what configs/real/clinc_scope.yaml learns.
Unpacks clinc150 of ../shared/data, or CUTTLE_DATA, into .data/clinc_scope once; MiniLM by cuttle-data weights. A run
that is done is not made again.
"""

import argparse
import json
import shutil
import subprocess

from augment import ARCHIVES, convert
from learners import utterances
from runs import ROOT, add_arguments, cuttle, train

DATA = ROOT / ".data/clinc_scope"
WEIGHTS = ROOT / ".data/weights/minilm.safetensors"
CONFIG = "configs/real/clinc_scope.yaml"
NEAREST = ["adapt.algorithm=floor", "adapt.head=cosine"]
# By row: what takes the place of the config's.
ROWS = {"nearest mean, letters": [*NEAREST, "model.adapter=0", "model.encoders.text={type: raw}"],
        "nearest mean, MiniLM": [*NEAREST, "model.adapter=0"],
        "learned": []}


def of_no_intent(source, tree):
    """All of its three parts: nothing is learned from them."""
    parts = json.loads((source / "data_full.json").read_text(encoding="utf-8"))
    texts = [text for part in ("oos_train", "oos_val", "oos_test") for text, _ in parts[part]]
    (tree / "outside").mkdir(parents=True)
    for number, text in enumerate(texts):
        (tree / "outside" / f"{number}.txt").write_text(text, encoding="utf-8")


def make_data():
    if not WEIGHTS.exists():
        WEIGHTS.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run([ROOT / "data_tools/cuttle-data", "weights", "minilm", "--out", WEIGHTS], check=True)
    if (DATA / "outside/dataset.json").exists():
        return
    work = DATA / "raw"
    shutil.rmtree(DATA, ignore_errors=True)
    work.mkdir(parents=True)
    subprocess.run(["tar", "--zstd", "-xf", ARCHIVES / "clinc150.tar.zst", "-C", work], check=True)
    # Named as in learners.py: equal shards share features.
    for place, texts, folder in (("intents", utterances, DATA), ("outside", of_no_intent, DATA / "outside")):
        texts(work / "clinc150", work / place / "clinc150")
        convert("folder", work / place / "clinc150", "--out", folder, "--overwrite")
    shutil.rmtree(work)


def cells(run, shot, arguments):
    told = json.loads(cuttle(arguments, "eval", str(run), f"evaluation.shot={shot}", "--episodes",
                             str(arguments.episodes), "--json", "--outside", str(DATA / "outside")))
    outside = told["outside"]
    pairs = [(told["accuracy"], told["ci95"]),
             *((outside[name], outside[name + "_ci95"])
               for name in ("auroc", "false_positive_rate", "accuracy_at_95_recall"))]
    return [f"{100 * mean:.1f} +- {100 * margin:.1f}" for mean, margin in pairs]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser, "scope")
    parser.add_argument("--episodes", type=int, default=600)
    arguments = parser.parse_args()
    make_data()
    print("| | shot | accuracy | AUROC | false positives at 95 % recall | accuracy there |")
    print("| --- " * 6 + "|")
    for name, words in ROWS.items():
        run = arguments.out / name.replace(", ", "_").replace(" ", "_")
        train(arguments, run, CONFIG, *words)
        for shot in (1, 5):
            print(f"| {name} | {shot} | " + " | ".join(cells(run, shot, arguments)) + " |", flush=True)


if __name__ == "__main__":
    main()
