"""Curves of missing senses: accuracy by how many test samples lack the text, or the image, for every stand-in.

    python3 tests/benchmark/missing.py [--build build/release] [--out runs/missing] [--ranks 2] [--steps 300]

Each model trains on the emoji of launch/quickstart.sh (.data/emoji, image and text) of which 35 % of the training
samples lack the text and 35 % the image ("missing-both" at 70 %, Lee et al. 2023), and is evaluated on samples that are
complete in the data, so that every point is of the same episodes: without one of the senses, without either (35 %
each), and where it is whole tasks that lack one. Writes missing.csv and missing.png beside the table.
A run, or a point, that is there is not made again.
"""

import argparse
import csv
import json

from runs import add_arguments, cuttle, train

CONFIG = "configs/parts/protonet.yaml"
SHARES = (0.0, 0.3, 0.6, 0.9)
BOTH = "[text=0.35, image=0.35]"
WORDS = (f"data.missing={BOTH}", "data.missing_splits=[train, validation]")
# What test samples lack, and what is drawn.
POINTS = {**{f"{sense} {100 * share:.0f} %": (f"[{sense}={share}]" if share else "[]", "sample")
             for sense in ("text", "image") for share in SHARES},
          "both 70 %": (BOTH, "sample"), "both 70 %, by task": (BOTH, "task")}
STAND_INS = {
    "zeros (concat)": ("model.fusion=concat", "model.missing=zeros"),
    "learned embedding (concat)": ("model.fusion=concat", "model.missing=embedding"),
    "left out (gated)": ("model.fusion=gated", ),
    "left out (late)": ("model.fusion=late", ),
    "predicted (gated)": ("model.fusion=gated", "model.completion=predicted",
                          "objectives.tells.type=completion", "objectives.tells.weight=0.3"),
    "generated (gated)": ("model.fusion=gated", "model.completion=generated"),
    "generated against discriminators (gated)": ("model.fusion=gated", "model.completion=generated",
                                                 "objectives.fools.type=generative", "objectives.fools.weight=0.3"),
    "retrieved (gated)": ("model.fusion=gated", "model.completion=retrieved"),
}
EPISODES = 600


def point(arguments, folder, name):
    """What eval says where so much is missing."""
    missing, by = POINTS[name]
    told = folder / f"eval-{name.replace(' ', '-')}.json"
    if not told.exists():
        said = cuttle(arguments, "eval", str(folder), "--episodes", str(EPISODES), "--json", "episode.complete=true",
                      f"data.missing={missing}", f"data.missing_by={by}", "data.missing_splits=[test]")
        told.write_text(said, encoding="utf-8")
    entry = json.loads(told.read_text(encoding="utf-8"))
    return 100 * entry["accuracy"], 100 * entry["ci95"]


def draw(rows, path):
    import matplotlib
    matplotlib.use("Agg")
    from matplotlib import pyplot
    figure, axes = pyplot.subplots(1, 2, figsize=(11, 4.5), sharey=True, constrained_layout=True)
    for axis, sense in zip(axes, ("text", "image")):
        for name in STAND_INS:
            line = [row for row in rows if row["stand_in"] == name and row["missing"].startswith(sense)]
            axis.errorbar([100 * share for share in SHARES], [row["accuracy"] for row in line],
                          [row["ci95"] for row in line], label=name, capsize=2)
        axis.set_xlabel(f"test samples without {sense}, %")
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("5-way 1-shot accuracy, %")
    axes[1].legend(fontsize="small")
    figure.savefig(path, dpi=120)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser, "missing")
    parser.add_argument("--steps", type=int, default=300)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    rows = []
    print("| stand-in | " + " | ".join(POINTS) + " |")
    print("| --- " * (1 + len(POINTS)) + "|")
    for name, words in STAND_INS.items():
        folder = arguments.out / "-".join(name.replace("(", "").replace(")", "").split())
        train(arguments, folder, CONFIG, *WORDS, *words, f"train.steps={arguments.steps}")
        cells = []
        for missing in POINTS:
            accuracy, ci95 = point(arguments, folder, missing)
            rows.append({"stand_in": name, "missing": missing, "accuracy": accuracy, "ci95": ci95})
            cells.append(f"{accuracy:.1f} ± {ci95:.1f}")
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)
    with open(arguments.out / "missing.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    draw(rows, arguments.out / "missing.png")


if __name__ == "__main__":
    main()
