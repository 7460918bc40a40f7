"""The small results table of parts: each config of configs/parts trained and evaluated with the same budget of steps.

    python3 tests/benchmark/parts.py [--build build/release] [--out runs/parts] [--ranks 2] [NAME ...]

Configs on emoji need .data/emoji (launch/quickstart.sh makes it). A run whose eval.json is there is not repeated, one
that was interrupted goes on (its training time is then the last part's).
"""

import argparse
import json
import time

from runs import ROOT, add_arguments, cuttle, train

EPISODES = 600


def run_one(name, arguments):
    """Trains and evaluates; seconds of training beside what eval says."""
    folder = arguments.out / name
    told = folder / "eval.json"
    if told.exists():
        return json.loads(told.read_text(encoding="utf-8"))
    started = time.monotonic()
    train(arguments, folder, f"configs/parts/{name}.yaml")
    seconds = time.monotonic() - started
    said = cuttle(arguments, "eval", str(folder), "--episodes", str(EPISODES), "--json")
    entry = {**json.loads(said), "training_s": seconds}
    told.write_text(json.dumps(entry), encoding="utf-8")
    return entry


def row(name, entry):
    if "accuracy" in entry:
        score = f"{100 * entry['accuracy']:.1f} +- {100 * entry['ci95']:.1f} %"
    else:
        key = next(key for key in ("return", "log_likelihood", "mean_squared_error") if key in entry)
        score = f"{entry[key]:.3f} +- {entry['ci95']:.3f} ({key.replace('_', ' ')})"
    return f"| {name} | {score} | {entry['batch_norm']} | {entry['training_s']:.0f} |"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser, "parts")
    every = sorted(path.stem for path in (ROOT / "configs/parts").glob("*.yaml"))
    parser.add_argument("names", nargs="*", default=every)
    arguments = parser.parse_args()
    print("| config | test | norms | training, s |\n| --- | --- | --- | --- |")
    for name in arguments.names:
        print(row(name, run_one(name, arguments)), flush=True)


if __name__ == "__main__":
    main()
