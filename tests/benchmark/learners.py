"""The smoke table of learners: each trained for minutes on four real data sets, and with its mechanism off on one.

    python3 tests/benchmark/learners.py [--build build/release] [--out runs/learners] [--sets omniglot,clinc150,...]
        [--minutes 1.0] [--off telling|all|none] [--episodes 600] [NAME ...]

Omniglot 5-way 1-shot (three times --minutes), clinc150 (texts) 5-way, japanese_vowels (series) 3-way and av_digits
(recordings, unseen speakers) 5-way, 1-shot, on classes that training never saw. Minutes are the processor's: as many
outer steps as a core does in them, so that other work on the machine changes nothing. Two runs of one thread side by
side: an hour and a half in all, of which the learners are 72 minutes. With its mechanism off each learner runs only on
the small set where that tells most (10 minutes; --off all: on every set, 50 minutes). Writes learners.md and
learners.csv to OUT after every run. Unpacks archives of ../shared/data, or CUTTLE_DATA, and converts them once. A run
that is done is not repeated, one that was interrupted goes on.
"""

import argparse
import csv
import json
import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from augment import ARCHIVES, convert, recordings
from runs import ROOT

CONV = {"width": 64, "depth": 4}
# By data set: the sense, its encoder, the way, the share of --minutes.
SETS = {"omniglot": ("image", {"type": "conv4", **CONV}, 5, 3),
        "clinc150": ("text", {"type": "char_conv", **CONV}, 5, 1),
        "japanese_vowels": ("series", {"type": "series_conv", "width": 64, "depth": 2}, 3, 1),
        "av_digits": ("audio", {"type": "mel_conv", **CONV}, 5, 1)}
RATE = {"inner_steps": 5, "inner_lr": 0.4}
# What a learner needs beside its defaults.
SETTINGS = {"maml": RATE, "maml_clusters": RATE, "fomaml": RATE, "anil": RATE,
            "meta_sgd": {"inner_steps": 2, "inner_lr": 0.1}, "reptile": {"inner_steps": 5, "inner_lr": 0.1},
            "matching": {"full_context": True}, "neural_process": {"attention": True}}
EPISODES = {"pretrain": {"source": "minibatches", "batch": 64}}
# The outer gradients of leo are a hundred times the usual, now and then.
STEPS = {"reptile": {"outer_lr": 0.5, "optimizer": "sgd"}, "leo": {"clip": "norm", "clip_at": 2}}
# What takes its mechanism away, each with the small data set that tells it most.
OFF = {"caml": [("clinc150", "adapt.copy=false")], "cavia": [("av_digits", "adapt.inner_steps=0")],
       "imaml": [("clinc150", "adapt.solver_steps=0")], "leo": [("av_digits", "adapt.inner_steps=0")],
       "lstm": [("japanese_vowels", "adapt.algorithm=fomaml")], "maml": [("japanese_vowels", "adapt.inner_steps=0")],
       "maml_clusters": [("av_digits", "adapt.clusters=1")],
       "maml_pp": [("clinc150", "adapt.learned_rates=false"), ("clinc150", "adapt.multi_step=0")],
       "mann": [("japanese_vowels", "adapt.slots=0")], "matching": [("av_digits", "adapt.full_context=false")],
       "meta_curvature": [("japanese_vowels", "adapt.algorithm=maml")],
       "meta_networks": [("av_digits", "adapt.fast_weights=false")],
       "meta_sgd": [("av_digits", "adapt.algorithm=maml")],
       "metaoptnet": [("japanese_vowels", "adapt.c=1e-4", "adapt.scale=1000")],  # all at their caps: nothing to solve
       "neural_process": [("av_digits", "adapt.attention=false")], "snail": [("av_digits", "adapt.attention=0")]}
LEFT_OUT = ("floor", "maml_rl", "rl2")  # floors.py; in environments: configs/parts


def utterances(source, tree):
    """Intents in three parts, as they come in the file."""
    texts = {}
    for text, intent in json.loads((source / "data_full.json").read_text(encoding="utf-8"))["train"]:
        texts.setdefault(intent, []).append(text)
    for place, intent in enumerate(texts):
        folder = tree / ("train" if place % 5 < 3 else "val" if place % 5 == 3 else "test") / intent
        folder.mkdir(parents=True)
        for number, text in enumerate(texts[intent]):
            (folder / f"{number}.txt").write_text(text, encoding="utf-8")
    return []


def vowels(source, tree):
    """Nine speakers: three each to train on, to validate and to test."""
    for part in ("TRAIN", "TEST"):
        lines = (source / f"JapaneseVowels_{part}.ts").read_text(encoding="utf-8").partition("@data\n")[2].split()
        for number, line in enumerate(lines):
            *columns, speaker = line.split(":")
            folder = tree / ("train", "val", "test")[(int(speaker) - 1) // 3] / speaker
            folder.mkdir(parents=True, exist_ok=True)
            np.save(folder / f"{part}_{number}.npy", np.array([column.split(",") for column in columns], "f4").T)
    return []


def shards_of(name, out):
    """The pattern of a data set's shards, made if they are not there."""
    folder = out / "data" / name
    if not (folder / "dataset.json").exists():
        archive = {"omniglot": "omniglot_full"}.get(name, name)
        source, tree = out / "data/raw" / archive, out / "data/trees" / name
        source.parent.mkdir(parents=True, exist_ok=True)
        for old in (source, tree):
            shutil.rmtree(old, ignore_errors=True)
        subprocess.run(["tar", "--zstd", "-xf", ARCHIVES / f"{archive}.tar.zst", "-C", source.parent], check=True)
        if name == "omniglot":
            convert("omniglot", source, "--out", folder, "--overwrite")
        else:
            more = {"clinc150": utterances, "japanese_vowels": vowels, "av_digits": recordings}[name](source, tree)
            convert("folder", tree, *more, "--out", folder, "--overwrite")
    return str(folder / "*.h5")


def offs(learner, name, arguments):
    """What a learner runs with on a data set: as it is, and without its mechanism."""
    chosen = [tuple(words) for telling, *words in OFF.get(learner, [])
              if arguments.off == "all" or arguments.off == "telling" and telling == name]
    return [(), *chosen]


def config_of(learner, name, arguments):
    sense, encoder, way, _ = SETS[name]
    return {"name": f"{learner}-{name}",
            "data": {"shards": [shards_of(name, arguments.out)], "modalities": [sense], "in_memory": True},
            "episode": {"way": way, "shot": 1, "query": 5, "meta_batch_size": 4, **EPISODES.get(learner, {})},
            "model": {"fusion": "concat", "encoders": {sense: encoder}},
            "adapt": {"algorithm": learner, **SETTINGS.get(learner, {})},
            "step": {"outer_lr": 1e-3, "schedule": "cosine", **STEPS.get(learner, {})},
            "train": {"validate_every": 1000000, "validation_episodes": 20, "checkpoint_every": 1000}}


def call(arguments, *words):
    """What the program says on standard output."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    done = subprocess.run([arguments.build / "cuttle", *map(str, words)], cwd=ROOT, env=environment, text=True,
                          check=False, capture_output=True)
    if done.returncode != 0:
        raise RuntimeError(f"cuttle {' '.join(map(str, words))}: {done.stderr}")
    return done.stdout


def run_one(learner, name, off, arguments):
    """What the table has of a run: trained and evaluated, if that was not done before."""
    folder = arguments.out / name / "-".join([learner, *off])
    told = folder / "smoke.json"
    if not told.exists():
        config = folder.parent / f"{folder.name}.yaml"
        config.parent.mkdir(parents=True, exist_ok=True)
        config.write_text(json.dumps(config_of(learner, name, arguments)), encoding="utf-8")
        bench = json.loads(call(arguments, "bench", config, *off, "--warmup", 5, "--steps", 25, "--json"))
        steps = max(1, int(60e3 * SETS[name][3] * arguments.minutes / bench["cpu_ms_per_step"]))
        words = [config, *off, f"train.steps={steps}", "--run-dir", folder]
        call(arguments, "train", *([folder, "--resume"] if (folder / "checkpoints").exists() else words))
        entry = json.loads(call(arguments, "eval", folder, "--episodes", arguments.episodes, "--json"))
        entry["bench"] = bench
        told.write_text(json.dumps(entry), encoding="utf-8")
    return json.loads(told.read_text(encoding="utf-8"))


HEADER = ["learner", *(f"{name}, %" for name in SETS), "tasks/s", "parameters", "peak MB", "off", "tasks seen"]


def rows(done, arguments):
    """Of what is done: accuracy on each set; speed, size and memory on the first set, if it ran there."""
    for learner, off in done["order"]:
        entries = {name: done.get((learner, name, off)) for name in arguments.sets}
        if not any(entries.values()):
            continue
        cells = [f"{100 * entry['accuracy']:.1f} +- {100 * entry['ci95']:.1f}" if entry else "" for entry in
                 (entries.get(name) for name in SETS)]
        size, seen = [""] * 3, ""
        if first := entries[arguments.sets[0]]:
            bench, seen = first["bench"], first["step"] * 4
            size = [f"{4e3 / bench['cpu_ms_per_step']:.1f}", bench["parameters"], f"{bench['peak_rss_mb']:.0f}"]
        yield [learner, *cells, *size, " ".join(off), seen]


def write(done, arguments):
    table = list(rows(done, arguments))
    with open(arguments.out / "learners.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([HEADER, *table])
    lines = ["| " + " | ".join(map(str, row)) + " |" for row in [HEADER, ["---"] * len(HEADER), *table]]
    (arguments.out / "learners.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=lambda path: Path(path).resolve(), default=ROOT / "build/release")
    parser.add_argument("--out", type=lambda path: Path(path).resolve(), default=ROOT / "runs/learners")
    parser.add_argument("--sets", type=lambda text: text.split(","), default=list(SETS))
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--off", choices=("telling", "all", "none"), default="telling")
    parser.add_argument("--episodes", type=int, default=600)
    parser.add_argument("names", nargs="*", metavar="NAME")
    arguments = parser.parse_args()
    listed = json.loads(call(arguments, "list", "learner", "--json"))["learner"]
    names = arguments.names or [name for name in listed if name not in LEFT_OUT]
    jobs = [(learner, name, off) for name in arguments.sets for learner in names
            for off in offs(learner, name, arguments)]
    order = sorted({(learner, off) for learner, _, off in jobs})
    for name in arguments.sets:
        shards_of(name, arguments.out)
    done = {"order": order}
    with ThreadPoolExecutor(2) as both:
        for job, entry in zip(jobs, both.map(lambda job: run_one(*job, arguments), jobs)):
            done[job] = entry
            write(done, arguments)
    print((arguments.out / "learners.md").read_text(encoding="utf-8"), end="")


if __name__ == "__main__":
    main()
