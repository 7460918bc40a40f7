"""The table of norms: every norm with MAML, ANIL and ProtoNet on Omniglot and emoji, 5-way 1-shot, one budget of steps.

    python3 tests/benchmark/norms.py [--build build/release] [--out runs/norms] [--ranks 2] [--steps N] [--seeds 1,2]
        [--data omniglot,emoji] [--learners maml,anil,protonet] [NORM ...]

Accuracy on validation classes, all queries of an episode in one batch; for transductive norms also one by one, which is
how a model is used on one's own files. Needs .data/emoji (launch/quickstart.sh makes it) and .data/omniglot
(configs/README.md). A run whose eval.json is there is not repeated.
"""

import argparse
import json

from runs import add_arguments, cuttle, train

NORMS = ["batch", "batch_per_step", "support", "task", "running", "group", "layer", "instance", "none"]
CONFIGS = {("omniglot", "maml"): "omniglot_maml", ("omniglot", "anil"): "omniglot_maml",
           ("omniglot", "protonet"): "omniglot_protonet", ("emoji", "maml"): "parts/maml",
           ("emoji", "anil"): "parts/maml", ("emoji", "protonet"): "parts/protonet"}
SENSES = {"omniglot": ["image"], "emoji": ["image", "text"]}
ANIL = ["adapt.algorithm=anil", "adapt.inner_steps=5", "adapt.eval_inner_steps=0", "adapt.inner_lr=0.5"]


def overrides(data, learner, norm, seed, steps):
    keys = [f"seed={seed}", f"train.steps={steps}", "train.validate_every=0"]
    keys += [f"model.encoders.{sense}.norm={norm}" for sense in SENSES[data]]
    return keys + (ANIL if learner == "anil" else [])


def run_one(data, learner, norm, seed, arguments):
    """{"accuracy", "ci95", and "alone" where the queries' number matters}; trains unless it has been."""
    folder = arguments.out / f"{data}-{learner}-{norm}-{seed}"
    told = folder / "eval.json"
    if told.exists():
        return json.loads(told.read_text(encoding="utf-8"))
    train(arguments, folder, f"configs/{CONFIGS[data, learner]}.yaml",
          *overrides(data, learner, norm, seed, arguments.steps))
    test = ["eval", str(folder), "--split", "validation", "--episodes", str(arguments.episodes), "--json"]
    entry = json.loads(cuttle(arguments, *test))
    if entry["batch_norm"] == "transductive":
        entry["alone"] = json.loads(cuttle(arguments, *test, "--queries", "one"))["accuracy"]
    told.write_text(json.dumps(entry), encoding="utf-8")
    return entry


def cell(entries):
    """Mean over seeds; "93.1 (61.0 one by one)"."""
    def mean(key):
        return 100 * sum(entry[key] for entry in entries) / len(entries)
    text = f"{mean('accuracy'):.1f}"
    return f"{text} ({mean('alone'):.1f} one by one)" if "alone" in entries[0] else text


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser, "norms")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--episodes", type=int, default=600)
    parser.add_argument("--seeds", type=lambda text: [int(seed) for seed in text.split(",")], default=[1])
    parser.add_argument("--data", type=lambda text: text.split(","), default=["omniglot", "emoji"])
    parser.add_argument("--learners", type=lambda text: text.split(","), default=["maml", "anil", "protonet"])
    parser.add_argument("norms", nargs="*", default=NORMS)
    arguments = parser.parse_args()
    columns = [(data, learner) for data in arguments.data for learner in arguments.learners]
    print("| norm | " + " | ".join(f"{data} {learner}" for data, learner in columns) + " |")
    print("| --- |" + " --- |" * len(columns))
    for norm in arguments.norms:
        cells = [cell([run_one(data, learner, norm, seed, arguments) for seed in arguments.seeds])
                 for data, learner in columns]
        print(f"| {norm} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
