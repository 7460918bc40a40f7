"""The small results table of parts: each config of configs/parts trained and evaluated with the same budget of steps.

    python3 tests/benchmark/parts.py [--build build/release] [--out runs/parts] [--ranks 2] [NAME ...]

Configs on emoji need .data/emoji (launch/quickstart.sh makes it). A run whose eval.json is there is not repeated, one
that was interrupted goes on (its training time is then the last part's).
"""

import argparse
import json
import os
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
EPISODES = 600


def run_one(name, arguments):
    """Trains and evaluates; seconds of training beside what eval says."""
    folder = arguments.out / name
    told = folder / "eval.json"
    if told.exists():
        return json.loads(told.read_text(encoding="utf-8"))
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    launch = ["mpirun", "--allow-run-as-root", "--oversubscribe", "--bind-to", "none", "-n", str(arguments.ranks)]
    cuttle = str(arguments.build / "cuttle")
    started = time.monotonic()
    resume = ["--resume"] if folder.exists() else []
    subprocess.run([*launch, cuttle, "train", f"configs/parts/{name}.yaml", "--run-dir", str(folder), *resume],
                   cwd=ROOT, env=environment, check=True, stderr=subprocess.DEVNULL)
    seconds = time.monotonic() - started
    result = subprocess.run([*launch, cuttle, "eval", str(folder), "--episodes", str(EPISODES), "--json"], cwd=ROOT,
                            env=environment, check=True, capture_output=True, text=True)
    entry = {**json.loads(result.stdout), "training_s": seconds}
    told.write_text(json.dumps(entry), encoding="utf-8")
    return entry


def row(name, entry):
    if "accuracy" in entry:
        score = f"{100 * entry['accuracy']:.1f} +- {100 * entry['ci95']:.1f} %"
    else:
        key = "return" if "return" in entry else "mean_squared_error"
        score = f"{entry[key]:.3f} +- {entry['ci95']:.3f} ({key.replace('_', ' ')})"
    return f"| {name} | {score} | {entry['batch_norm']} | {entry['training_s']:.0f} |"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, default=ROOT / "build/release")
    parser.add_argument("--out", type=Path, default=ROOT / "runs/parts")
    parser.add_argument("--ranks", type=int, default=2)
    every = sorted(path.stem for path in (ROOT / "configs/parts").glob("*.yaml"))
    parser.add_argument("names", nargs="*", default=every)
    arguments = parser.parse_args()
    print("| config | test | norms | training, s |\n| --- | --- | --- | --- |")
    for name in arguments.names:
        print(row(name, run_one(name, arguments)), flush=True)


if __name__ == "__main__":
    main()
