"""Is one fused model better than one for each sense? configs/quickstart.yaml beside its obvious controls, over seeds.

    python3 tests/benchmark/fused.py [--build build/release] [--out runs/fused] [--ranks 2] [--seeds 1,2,3]

For each seed: the fused model, each sense trained alone (configs/emoji_*.yaml), the mean of their logits, and their
encoders as they are under the fused model's late fusion ("joined"). Accuracy in % on complete samples of the same test
episodes, and how far the fused model is ahead, paired; then all again with adapt.refine=1, which is transductive.
Needs .data/emoji (launch/quickstart.sh makes it). Trainings that are done are not repeated.
"""

import argparse
import json

from runs import add_arguments, cuttle, train

SENSES = ["image", "text", "audio"]


def runs_of(seed, arguments):
    """The folders of the fused model, of each sense alone, and of the separate encoders joined."""
    def made(name, config, *overrides):
        folder = arguments.out / f"{name}-{seed}"
        train(arguments, folder, f"configs/{config}.yaml", f"seed={seed}", *overrides)
        return str(folder)
    alone = {sense: made(sense, f"emoji_{sense}") for sense in SENSES}
    frozen = [f"model.encoders.{sense}.frozen_from={folder}" for sense, folder in alone.items()]
    return made("fused", "quickstart"), list(alone.values()), made("joined", "quickstart", *frozen)


def compared(seed, arguments, *overrides):
    """By row of the table: accuracy, and the fused model's lead with its interval; in percent."""
    fused, alone, joined = runs_of(seed, arguments)

    def beside(*others):
        words = [word for key in ("evaluation.seed=1", *overrides) for word in ("--set", key)]
        told = cuttle(arguments, "compare", fused, *others, "--complete", "--episodes", str(arguments.episodes),
                      "--json", *words)
        return json.loads(told)
    apart, together = beside(*alone), beside(joined)
    entries = dict(zip(["fused", *SENSES], apart["runs"]))
    entries["mean of their logits"] = apart["averaged_logits"]
    entries["joined"] = together["runs"][1]
    return entries


def cell(entry, key):
    return f"{100 * entry[key]['mean']:+.1f} +- {100 * entry[key]['ci95']:.1f}" if key in entry else ""


def table(title, every):
    print(f"\n{title}:\n")
    print("| | " + " | ".join(f"seed {seed} | fused is ahead by" for seed in every) + " | ahead by, mean of seeds |")
    print("| --- |" + " --- |" * (2 * len(every) + 1))
    for name in next(iter(every.values())):
        rows = [entries[name] for entries in every.values()]
        words = [word for row in rows for word in (cell(row, "accuracy").lstrip("+"), cell(row, "lead"))]
        ahead = [100 * row["lead"]["mean"] for row in rows if "lead" in row]
        print(f"| {name} | " + " | ".join(words) + f" | {f'{sum(ahead) / len(ahead):+.1f}' if ahead else ''} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser, "fused")
    parser.add_argument("--seeds", type=lambda text: [int(seed) for seed in text.split(",")], default=[1, 2, 3])
    parser.add_argument("--episodes", type=int, default=600)
    arguments = parser.parse_args()
    table("Inductive", {seed: compared(seed, arguments) for seed in arguments.seeds})
    table("Transductive", {seed: compared(seed, arguments, "adapt.refine=1") for seed in arguments.seeds})


if __name__ == "__main__":
    main()
