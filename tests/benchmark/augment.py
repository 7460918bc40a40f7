"""What augmentation of training tasks gives on small sets, paired: without, and of support, query or both.

    python3 tests/benchmark/augment.py [--build build/release] [--out runs/augment] [--ranks 1] [--seeds 1,2,3]
        [--steps N] [--data audio,text,image,strokes] [KEY=VALUE ...]

30 training classes: recordings (a digit by a speaker, 10 each), texts (an intent, 10 each), pictures and pen strokes of
characters (20 each); validation and test have other speakers, intents and characters. ProtoNet, 5-way 1-shot.
The best checkpoint on validation classes answers the same test episodes with and without; the strengths are the
defaults unless KEY=VALUE says otherwise. Unpacks archives of ../shared/data, or CUTTLE_DATA, and converts them once.
Trainings that are done are not repeated.
"""

import argparse
import json
import os
import random
import shutil
import subprocess
from pathlib import Path

from runs import ROOT, add_arguments, cuttle, train

ARCHIVES = Path(os.environ.get("CUTTLE_DATA", ROOT.parent / "shared/data"))
TASKS = ["none", "support", "query", "both"]
CONV = {"width": 32, "depth": 4}
WIDE = {"width": 64, "depth": 2}
SETS = {"audio": ("audio", {"type": "mel_conv", **WIDE}), "text": ("text", {"type": "char_conv", **WIDE}),
        "image": ("omniglot", {"type": "conv4", **CONV}), "strokes": ("omniglot", {"type": "series_conv", **WIDE})}


def convert(*words):
    subprocess.run([ROOT / "data_tools/cuttle-data", *map(str, words)], cwd=ROOT, check=True,
                   stdout=subprocess.DEVNULL)


def recordings(source, tree):
    """A class is a digit by a speaker: three speakers are for training, one for validation, two for the test."""
    splits = dict(zip(["george", "jackson", "lucas", "nicolas", "theo", "yweweler"],
                      ["train", "train", "train", "val", "test", "test"]))
    for file in sorted((source / "fsdd/recordings").glob("*.wav")):
        digit, speaker, number = file.stem.split("_")
        split = splits[speaker]
        if int(number) < (10 if split == "train" else 20):
            folder = tree / split / f"{digit}_{speaker}"
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, folder)
    return ["--sample-rate", "8000"]


def utterances(source, tree):
    """30 intents are for training and 30 for validation, drawn once."""
    texts = {}
    for text, intent in json.loads((source / "data_full.json").read_text(encoding="utf-8"))["train"]:
        texts.setdefault(intent, []).append(text)
    intents = random.Random(0).sample(sorted(texts), len(texts))
    for place, intent in enumerate(intents):
        split = "train" if place < 30 else "val" if place < 60 else "test"
        (tree / split / intent).mkdir(parents=True)
        for number, text in enumerate(texts[intent][:10 if split == "train" else 20]):
            (tree / split / intent / f"{number}.txt").write_text(text, encoding="utf-8")
    return []


def shards_of(name, out):
    """The pattern of a data set's shards, made if they are not there."""
    folder = out / "data" / name
    if not (folder / "dataset.json").exists():
        archive = {"audio": "av_digits", "text": "clinc150", "omniglot": "omniglot_small"}[name]
        source = out / "data/raw" / archive
        source.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(source, ignore_errors=True)
        subprocess.run(["tar", "--zstd", "-xf", ARCHIVES / f"{archive}.tar.zst", "-C", source.parent], check=True)
        if name == "omniglot":
            convert("omniglot", source, "--splits", "0.124,0.25,0.626", "--out", folder, "--overwrite")
        else:
            tree = out / "data/raw" / name
            shutil.rmtree(tree, ignore_errors=True)
            more = {"audio": recordings, "text": utterances}[name](source, tree)
            convert("folder", tree, *more, "--out", folder, "--overwrite")
    return str(folder / "*.h5")


def config_of(sense, out, steps):
    name, encoder = SETS[sense]
    return {"name": sense, "data": {"shards": [shards_of(name, out)], "modalities": [sense], "in_memory": True},
            "episode": {"way": 5, "shot": 1, "query": 5, "meta_batch_size": 4},
            "model": {"fusion": "concat", "encoders": {sense: encoder}}, "adapt": {"algorithm": "protonet"},
            "step": {"outer_lr": 1e-3},
            "train": {"steps": steps, "validate_every": max(1, steps // 5), "validation_episodes": 200,
                      "checkpoint_every": steps}}


def learned(folder):
    """The accuracy in training tasks over the last tenth of the steps."""
    records = [json.loads(line) for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    accuracy = [record["accuracy"] for record in records if record["kind"] == "train"]
    last = accuracy[-max(1, len(accuracy) // 10):]
    return sum(last) / len(last)


def compared(sense, seed, arguments):
    """{tasks: test accuracy, its gain over none, accuracy in training}."""
    config = arguments.out / f"{sense}.yaml"
    config.write_text(json.dumps(config_of(sense, arguments.out, arguments.steps)), encoding="utf-8")
    folders = {tasks: arguments.out / f"{sense}-{tasks}-{seed}" for tasks in TASKS}
    for tasks, folder in folders.items():
        strengths = arguments.strengths if tasks != "none" else []
        train(arguments, folder, str(config), f"seed={seed}", f"augment.tasks={tasks}", *strengths)
    told = json.loads(cuttle(arguments, "compare", *map(str, folders.values()), "--set", "evaluation.seed=1",
                             "--episodes", str(arguments.episodes), "--json"))
    return {tasks: {**entry, "learned": learned(folders[tasks])} for tasks, entry in zip(TASKS, told["runs"])}


def rows(sense, every):
    """`every`: what compared() tells, by seed. A gain is what the run without augmentation is behind."""
    for tasks in TASKS:
        entries = [seed[tasks] for seed in every]
        words, gains = [], []
        for entry in entries:
            words.append(f"{100 * entry['accuracy']['mean']:.1f}")
            if "lead" in entry:
                gains.append(-100 * entry["lead"]["mean"])
                words[-1] += f" ({gains[-1]:+.1f} +- {100 * entry['lead']['ci95']:.1f})"
        in_training = 100 * sum(entry["learned"] for entry in entries) / len(entries)
        gain = f"{sum(gains) / len(gains):+.1f}" if gains else ""
        print(f"| {sense} | {tasks} | {in_training:.1f} | " + " | ".join(words) + f" | {gain} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser, "augment")
    parser.set_defaults(ranks=1)
    parser.add_argument("--seeds", type=lambda text: [int(seed) for seed in text.split(",")], default=[1, 2, 3])
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--episodes", type=int, default=600)
    parser.add_argument("--data", type=lambda text: text.split(","), default=list(SETS))
    parser.add_argument("strengths", nargs="*", metavar="KEY=VALUE")
    arguments = parser.parse_args()
    arguments.out = arguments.out.resolve()
    print("| sense | augment.tasks | in training | " +
          " | ".join(f"seed {seed} (gain)" for seed in arguments.seeds) + " | gain, mean of seeds |")
    print("| --- | --- | --- |" + " --- |" * (len(arguments.seeds) + 1))
    for sense in arguments.data:
        rows(sense, [compared(sense, seed, arguments) for seed in arguments.seeds])


if __name__ == "__main__":
    main()
