"""How the tables of this folder train and evaluate."""

import collections
import json
import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Of a 95 % interval, by how many values there are: of Student's t distribution.
STUDENT = {2: 12.71, 3: 4.30, 4: 3.18, 5: 2.78, 6: 2.57, 7: 2.45, 8: 2.36, 9: 2.31, 10: 2.26}


def add_arguments(parser, out):
    parser.add_argument("--build", type=Path, default=ROOT / "build/release")
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / out)
    parser.add_argument("--ranks", type=int, default=2)


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


def r_package(name):
    """The .deb file of an R package in the folder CUTTLE_DEBS, else its name, by which an installed one is found."""
    debs = sorted(Path(os.environ.get("CUTTLE_DEBS", "/nowhere")).glob(f"r-cran-{name}_*.deb"))
    return str(debs[0]) if debs else name
