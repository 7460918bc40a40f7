"""What the distance to known tasks tells apart, and what several initialisations and weighted draws give on two kinds.

    python3 tests/benchmark/known_tasks.py [--build build/release] [--out runs/known_tasks] [--ranks 1] [--jobs 2]
        [--steps 400] [--tasks 20] [--episodes 600] [--seeds 1,2,3]
        [--only distances|initialisations|draws]

Pictures of Omniglot's characters and of emoji, both white on black, 28x28, so that nothing but their content differs.
A run on each (ProtoNet, 5-way 1-shot) is mapped; then tasks of classes that training never saw, of its own kind and of
the other, are adapted to. Then MAML from one, two and four initialisations on tasks of both kinds, evaluated on each.
Then a ProtoNet of all classes of both in one data set goes on for as many steps again: all classes alike, by weights
towards one support set of test classes of one kind, and by the classes of that kind alone; evaluated on this kind.
Unpacks archives of ../shared/data, or CUTTLE_DATA, and converts them once. What is done is not repeated.
"""

import argparse
import csv
import json
import random
import shutil
import statistics
import subprocess
from concurrent.futures import ThreadPoolExecutor

from augment import ARCHIVES, convert
from PIL import Image, ImageOps
from runs import add_arguments, cuttle, train

SETS = {"characters": "omniglot_small", "drawings": "emoji_dev"}
BOTH = "both"  # as one data set
SIZE = (28, 28)
LEAST = 6  # pictures of a class
ENCODER = {"image": {"type": "conv4", "width": 32, "depth": 4}}


def classes_in(source, name):
    """{class: its pictures}, and a word for each class that keeps classes of one alphabet in one split."""
    found = {}
    for path in sorted(source.rglob("*.png")):
        key = f"{path.parts[-3]}_{path.parts[-2]}" if name == "characters" else path.stem
        found.setdefault(key, []).append(path)
    kept = {key: paths for key, paths in found.items() if len(paths) >= LEAST}
    return {key: (paths, key.rpartition("_")[0] or key) for key, paths in kept.items()}


def tree_of(name, out):
    """Folders train, val and test of white on black pictures, made if they are not there."""
    tree = out / "trees" / name
    done = tree.with_suffix(".done")
    if done.exists():
        return tree
    shutil.rmtree(tree, ignore_errors=True)
    if name == BOTH:
        for part in SETS:
            shutil.copytree(tree_of(part, out), tree, dirs_exist_ok=True)
        done.touch()
        return tree
    raw = out / "raw"
    raw.mkdir(parents=True, exist_ok=True)
    subprocess.run(["tar", "--zstd", "-xf", ARCHIVES / f"{SETS[name]}.tar.zst", "-C", raw], check=True)
    classes = classes_in(raw / SETS[name], name)
    words = sorted({word for _, word in classes.values()})
    random.Random(0).shuffle(words)
    place = {word: number / len(words) for number, word in enumerate(words)}
    for key, (paths, word) in classes.items():
        split = "train" if place[word] < 0.6 else "val" if place[word] < 0.8 else "test"
        folder = tree / split / key
        folder.mkdir(parents=True)
        for number, path in enumerate(paths):
            picture = Image.open(path).convert("RGBA")
            sheet = Image.new("RGBA", picture.size, "white")
            sheet.alpha_composite(picture)
            ImageOps.invert(sheet.convert("L").resize(SIZE, Image.Resampling.LANCZOS)).save(folder / f"{number}.png")
    done.touch()
    return tree


def shards_of(name, out):
    folder = out / "data" / name
    if not (folder / "dataset.json").exists():
        convert("folder", tree_of(name, out), "--size", "28", "--gray", "--out", folder, "--overwrite")
    return str(folder / "*.h5")


def config_of(arguments, name, sources, adapt, **more):
    """A config's file: the one source of `data`, or several; `more`: keys of its own."""
    shards = [shards_of(source, arguments.out) for source in sources]
    data = {"in_memory": True, **({"shards": shards} if len(shards) == 1 else {})}
    config = {"name": name, "data": data, "model": {"fusion": "concat", "encoders": ENCODER}, "adapt": adapt,
              "episode": {"way": 5, "shot": 1, "query": 5, "meta_batch_size": 4},
              "step": {"outer_lr": 1e-3, "schedule": "cosine"},
              "train": {"steps": arguments.steps, "validate_every": arguments.steps, "validation_episodes": 50,
                        "checkpoint_every": arguments.steps}, **more}
    if len(shards) > 1:
        config["sources"] = {source: {"type": "episodes", "shards": [of]} for source, of in zip(sources, shards)}
    path = arguments.out / f"{name}.yaml"
    path.write_text(json.dumps(config), encoding="utf-8")
    return str(path)


def supports(run, name, arguments):
    """Folders of 5-way 1-shot support sets of test classes."""
    draw = random.Random(1)
    classes = sorted((tree_of(name, arguments.out) / "test").iterdir())
    for number in range(arguments.tasks):
        folder = run / "supports" / name / str(number)
        shutil.rmtree(folder, ignore_errors=True)
        for of in draw.sample(classes, 5):
            (folder / of.name).mkdir(parents=True)
            shutil.copy(draw.choice(sorted(of.iterdir())), folder / of.name)
        yield folder


def places(run, name, arguments):
    """What adapt says of tasks of this kind."""
    out = run / "adapted"
    alone = argparse.Namespace(**{**vars(arguments), "ranks": 1})
    for support in supports(run, name, arguments):
        said = cuttle(alone, "adapt", str(run), "--support", str(support), "--out", str(out), "--calibrate", "0",
                      "--json")
        yield json.loads(said)["known_tasks"]


def accuracy(run, arguments, *words):
    said = json.loads(cuttle(arguments, "eval", str(run), "--episodes", str(arguments.episodes), "--json", *words))
    return f"{100 * said['accuracy']:.1f} +- {100 * said['ci95']:.1f}"


def distances(source, arguments):
    other = next(name for name in SETS if name != source)
    run = arguments.out / f"protonet-{source}"
    train(arguments, run, config_of(arguments, f"protonet-{source}", [source], {"algorithm": "protonet"}))
    tested = {source: accuracy(run, arguments),
              other: accuracy(run, arguments, "--shards", shards_of(other, arguments.out))}
    for by in ("statistics", "fisher"):
        usual = json.loads(cuttle(arguments, "map", str(run), "--by", by, "--json"))["held_out_distance"]["median"]
        for name in (source, other):
            told = list(places(run, name, arguments))
            middle = statistics.median(place["distance"] for place in told)
            warned = sum(place["farther_than"] >= 0.95 for place in told)
            yield (f"| {source} | {by} | {name} | {usual:.2f} | {middle:.2f} | {warned} of {len(told)} | "
                   f"{tested[name]} |")


def initialisations(clusters, arguments):
    name = f"clusters-{clusters}"
    adapt = {"algorithm": "maml_clusters", "clusters": clusters, "inner_steps": 2, "inner_lr": 0.4}
    run = arguments.out / name
    train(arguments, run, config_of(arguments, name, list(SETS), adapt))
    cells = [accuracy(run, arguments, *(f"sources.{other}.weight=0" for other in SETS if other != kind))
             for kind in SETS]
    yield f"| {clusters} | {' | '.join(cells)} |"


def draws(run, kind, number, arguments):
    """{how classes are drawn: the file of their weights}; the task is support set `number` of this kind."""
    support = list(supports(run, kind, argparse.Namespace(**{**vars(arguments), "tasks": number})))[-1]
    files = {"all alike": ""}
    for temperature in (0.02, 0.1, 0.5):
        file = files[f"towards it, {temperature}"] = run / f"towards-{kind}-{number}-{temperature}.csv"
        cuttle(argparse.Namespace(**{**vars(arguments), "ranks": 1}), "map", str(run), "--toward", str(support),
               "--temperature", str(temperature), "--out", str(file))
    own = files[f"{kind} alone"] = run / f"{kind}.csv"
    with open(own, "w", encoding="utf-8", newline="") as lines:
        table = csv.writer(lines)
        table.writerows([("class", "weight"), *((name, int(name in classes_of(kind, arguments)))
                                                for name in classes_of(BOTH, arguments))])
    return files


def classes_of(name, arguments):
    return {folder.name: 1.0 for folder in sorted((tree_of(name, arguments.out) / "train").iterdir())}


def share_of(kind, file, arguments):
    """How likely a draw is of this kind."""
    weights = classes_of(BOTH, arguments)
    if file:
        with open(file, encoding="utf-8", newline="") as lines:
            weights = {row["class"]: float(row["weight"]) for row in csv.DictReader(lines)}
    return sum(weights[name] for name in classes_of(kind, arguments)) / sum(weights.values())


def towards(kind, arguments):
    """A row for each way to draw: accuracies and paired gains by seed, each seed with a task of its own."""
    cells = {}
    for seed in arguments.seeds:
        known = arguments.out / f"all-{seed}"
        runs = {"(before)": known}
        for way, file in draws(known, kind, seed, arguments).items():
            name = f"{kind}-{way}-{seed}".replace(" ", "_").replace(",", "")
            runs[way] = arguments.out / name
            episode = {"way": 5, "shot": 1, "query": 5, "meta_batch_size": 4, "sampling_weights": str(file)}
            going_on = {"steps": arguments.steps, "validate_every": 0, "checkpoint_every": arguments.steps,
                        "init_from": str(known)}
            config = config_of(arguments, name, [BOTH], {"algorithm": "protonet"}, seed=seed, episode=episode,
                               train=going_on)
            train(arguments, runs[way], config)
            cells.setdefault(way, [f"{100 * share_of(kind, file, arguments):.0f}"])
        order = ["all alike", *(way for way in runs if way != "all alike")]
        told = json.loads(cuttle(arguments, "compare", *(str(runs[way]) for way in order), "--shards",
                                 shards_of(kind, arguments.out), "--episodes", str(arguments.episodes), "--json"))
        for way, said in zip(order, told["runs"]):
            cell = f"{100 * said['accuracy']['mean']:.1f}"
            if "lead" in said:  # of all alike over it
                cell += f" ({-100 * said['lead']['mean']:+.1f} +- {100 * said['lead']['ci95']:.1f})"
            cells.setdefault(way, [""]).append(cell)
    return [f"| {kind} | {way} | {' | '.join(cells[way])} |" for way in cells]


def print_rows(work, over, arguments):
    """Of as many jobs side by side as asked for."""
    with ThreadPoolExecutor(arguments.jobs) as pool:
        for rows in pool.map(lambda of: list(work(of, arguments)), over):
            print("\n".join(rows), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser, "known_tasks")
    parser.set_defaults(ranks=1)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--tasks", type=int, default=20)
    parser.add_argument("--episodes", type=int, default=600)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--seeds", type=lambda text: [int(seed) for seed in text.split(",")], default=[1, 2, 3])
    parser.add_argument("--only", choices=("distances", "initialisations", "draws"), help="one of the three tables")
    arguments = parser.parse_args()
    for name in (*SETS, BOTH):
        shards_of(name, arguments.out)
    tables = [arguments.only] if arguments.only else ["distances", "initialisations", "draws"]
    if "distances" in tables:
        print("| trained on | by | tasks of | validation tasks lie at | these at | warned of | accuracy, % |\n"
              "| --- | --- | --- | --- | --- | --- | --- |")
        print_rows(distances, SETS, arguments)
    if "initialisations" in tables:
        print(f"\n| initialisations | {', % | '.join(SETS)}, % |\n| --- | --- | --- |")
        print_rows(initialisations, (1, 2, 4), arguments)
    if "draws" in tables:
        for seed in arguments.seeds:
            train(arguments, arguments.out / f"all-{seed}",
                  config_of(arguments, f"all-{seed}", [BOTH], {"algorithm": "protonet"}, seed=seed))
        print("\n| task of | classes drawn | of its kind, % | "
              f"{' | '.join(f'seed {seed}, % (gain)' for seed in arguments.seeds)} |\n| --- | --- | --- |"
              f"{' --- |' * len(arguments.seeds)}")
        print_rows(towards, SETS, arguments)


if __name__ == "__main__":
    main()
