"""Kills and stops runs at random, over and over, and goes on with each on another number of ranks.

  tests/faults/soak.py ROUNDS [SEED]     a chain of ten rounds ends with the hash and the records of a run that nothing
                                         happened to; then the next one begins

A round is one start of the program under mpirun on 1 to 4 ranks that ends by SIGKILL of one rank or of all, by SIGTERM,
SIGINT or both to the ranks or to mpirun, at a random moment: at the start, in a step, while a checkpoint is written, in
a validation. Prints one line a chain; exit code 0 if all chains ended well.
"""

import collections
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "app")]

import driver  # noqa: E402
import interruption  # noqa: E402

CHAIN = 10
STEPS = 120  # of a chain: so many that ten rounds seldom come to the end
WAYS = ("kill one", "kill all", "TERM ranks", "INT one rank", "TERM twice", "TERM mpirun", "INT mpirun")
MOMENTS = ("start", "step", "checkpoint", "validation")


def wait_for(running, moment, chance):
    """Until the moment has come, or the run has ended."""
    if moment == "start":
        running.wait_until(lambda: running.ranks())
        time.sleep(chance.uniform(0, 1.5))
        return
    ahead = running.records() + chance.randint(2, 12)
    running.wait_until(lambda: running.records() >= ahead)
    if moment == "checkpoint":
        running.wait_until(running.writing_checkpoint)
    elif moment == "validation":
        running.wait_until(lambda: '"validation"' in running.last_record() or running.records() > ahead + 6)
    else:
        time.sleep(chance.uniform(0, 0.05))


def interrupt(running, way, chance):
    ranks, mpirun = running.ranks(), interruption.children(running.launcher.pid)
    if not ranks:
        return
    if way == "kill one":
        running.signal_ranks(signal.SIGKILL, chance.choice(ranks))
    elif way == "kill all":
        running.signal_ranks(signal.SIGKILL)
    elif way == "TERM ranks":
        running.signal_ranks(signal.SIGTERM)
    elif way == "INT one rank":
        running.signal_ranks(signal.SIGINT, chance.choice(ranks))
    elif way == "TERM twice":
        running.signal_ranks(signal.SIGTERM)
        time.sleep(chance.uniform(0, 0.01))
        running.signal_ranks(signal.SIGTERM)
    else:
        for pid in mpirun:
            os.kill(pid, signal.SIGTERM if way.startswith("TERM") else signal.SIGINT)


def chain(config, folder, gold, chance, rounds):
    """One run, interrupted `rounds` times at most, then brought to its end. Counts of (way, moment)."""
    counts, run, log = collections.Counter(), folder / "run", folder / "log"
    overrides = interruption.busy(STEPS)
    for _ in range(rounds):
        way, moment, ranks = chance.choice(WAYS), chance.choice(MOMENTS), chance.randint(1, 4)
        running = interruption.Running(config, run, ranks, log, overrides)
        wait_for(running, moment, chance)
        interrupt(running, way, chance)
        code = running.exit_code()
        counts[way, moment] += 1
        assert code != driver.USER_ERROR, f"{way} at {moment}: {log.read_text(encoding='utf-8')[-3000:]}"
        if code == driver.DONE:
            break
    driver.train(config, run, *overrides, "--resume", ranks=chance.randint(1, 4))
    assert interruption.outcome(run) == gold, f"other bits after {dict(counts)}"
    assert not driver.leftovers(run), f"{driver.leftovers(run)} left behind after {dict(counts)}"
    return counts


def soak(rounds, seed, report=lambda text: None):
    """As many rounds at least; counts of (way, moment)."""
    chance, counts = random.Random(seed), collections.Counter()
    with tempfile.TemporaryDirectory(prefix="cuttle-soak-") as name:
        folder = Path(name)
        config = driver.write_config(folder / "tiny.yaml", driver.make_shards(folder / "shards"))
        gold = interruption.gold(config, folder / "gold", interruption.busy(STEPS))
        while sum(counts.values()) < rounds:
            place = folder / f"chain-{sum(counts.values())}"
            place.mkdir()
            counts += chain(config, place, gold, chance, min(CHAIN, rounds - sum(counts.values())))
            report(f"{sum(counts.values())} rounds, every chain ended with {gold[0][:12]}")
    return counts


def main():
    start = time.monotonic()
    counts = soak(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1,
                  lambda text: print(text, flush=True))
    for what, count in sorted(counts.items()):
        print(f"{count:4d}  {what[0]} ({what[1]})")
    print(f"{sum(counts.values())} rounds in {time.monotonic() - start:.0f} s")


if __name__ == "__main__":
    main()
