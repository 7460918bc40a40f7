"""How the tables of this folder train and evaluate."""

import argparse
import collections
import json
import os
import subprocess
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
# Of a 95 % interval, by how many values there are: of Student's t distribution.
STUDENT = {2: 12.71, 3: 4.30, 4: 3.18, 5: 2.78, 6: 2.57, 7: 2.45, 8: 2.36, 9: 2.31, 10: 2.26}


def add_arguments(parser, out):
    parser.add_argument("--build", type=Path, default=ROOT / "build/release")
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / out)
    parser.add_argument("--ranks", type=int, default=2)


def print_tables(description, out, sets, table):
    """What a script does that prints `table(name, arguments)` of each of its sets, or of those that are named."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser, out)
    parser.set_defaults(ranks=1)
    parser.add_argument("names", nargs="*", default=list(sets))
    arguments = parser.parse_args()
    for name in arguments.names:
        table(name, arguments)


def cuttle(arguments, *words):
    """What the program says on standard output; each rank has one thread."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    launch = ["mpirun", "--allow-run-as-root", "--oversubscribe", "--bind-to", "none", "-n", str(arguments.ranks)]
    return subprocess.run([*launch, str(arguments.build / "cuttle"), *words], cwd=ROOT, env=environment, check=True,
                          text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout


def train(arguments, folder, *words):
    """A run that was interrupted goes on."""
    cuttle(arguments, "train", *words, "--run-dir", str(folder), *(["--resume"] if folder.exists() else []))


def episodes_of(told):
    """What `eval --per-episode TOLD` wrote as JSON lines: of each episode the records of its support and its query."""
    episodes = collections.defaultdict(lambda: {"support": [], "query": []})
    for line in told.read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        episodes[record["episode"]][record["part"]].append(record)
    return list(episodes.values())


def real_config(name, senses=()):
    """configs/real/NAME.yaml, with these senses alone if there are some."""
    config = yaml.safe_load((ROOT / f"configs/real/{name}.yaml").read_text(encoding="utf-8"))
    if senses:
        config["data"]["modalities"] = list(senses)
        encoders = config["model"]["encoders"]
        config["model"]["encoders"] = {sense: encoders[sense] for sense in senses}
    return config


def r_shards(folder, package, words, seed=0):
    """The folder, with the shards of a data frame of an R package, made by these words if they are not there."""
    if not (folder / "dataset.json").exists():
        subprocess.run([ROOT / "data_tools/cuttle-data", "r_dataset", r_package(package), *words.split(), "--seed",
                        str(seed), "--out", folder, "--overwrite"], check=True, stdout=subprocess.DEVNULL)
    return folder


def r_package(name):
    """The .deb file of an R package in the folder CUTTLE_DEBS, else its name, by which an installed one is found."""
    debs = sorted(Path(os.environ.get("CUTTLE_DEBS", "/nowhere")).glob(f"r-cran-{name}_*.deb"))
    return str(debs[0]) if debs else name
