"""Runs that are interrupted at chosen moments, for the tests of kill and resume."""

import os
import random
import signal
import subprocess
import time
from pathlib import Path

import driver

DEADLINE_S = 120


def busy(steps):
    """Overrides of a run with a checkpoint or a validation at almost every step, so that most moments hit one."""
    return (f"train.steps={steps}", "train.checkpoint_every=2", "train.validate_every=3", "train.validation_episodes=9")


def children(pid):
    """Ids of the processes that the given one started, in no particular order."""
    listing = ""
    for ids in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            listing += " " + ids.read_text(encoding="ascii")
        except OSError:  # the thread has ended
            pass
    return [int(word) for word in listing.split()]


class Running:
    """`cuttle train --resume` under mpirun."""

    def __init__(self, config, folder, ranks, log, overrides):
        words = driver.command("train", config, *overrides, "--run-dir", folder, "--resume", ranks=ranks)
        self.folder = Path(folder)
        self.log = log
        self.end = time.monotonic() + DEADLINE_S
        with open(log, "ab") as out:
            self.launcher = subprocess.Popen(driver.bounded(words, DEADLINE_S), env=driver.ENVIRONMENT, stdout=out,
                                             stderr=out)

    def ranks(self):
        return [rank for mpirun in children(self.launcher.pid) for rank in children(mpirun)]

    def alive(self):
        assert time.monotonic() < self.end, f"no end after {DEADLINE_S} s; see {self.log}"
        return self.launcher.poll() is None

    def wait_until(self, reached):
        """Until `reached()` or the end of the run; true in the first case."""
        while self.alive():
            if reached():
                return True
            time.sleep(0.0005)
        return False

    def records(self):
        try:
            return (self.folder / "metrics.jsonl").read_bytes().count(b"\n")
        except OSError:
            return 0

    def last_record(self):
        try:
            return (self.folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()[-1]
        except (OSError, IndexError):
            return ""

    def writing_checkpoint(self):
        return any((self.folder / "checkpoints").glob(".tmp-*"))

    def signal_ranks(self, number, chosen=None):
        """Sends the signal to one rank or to all; false if there is none left."""
        sent = False
        for pid in self.ranks() if chosen is None else [chosen]:
            try:
                os.kill(pid, number)
                sent = True
            except ProcessLookupError:
                pass
        return sent

    def exit_code(self):
        self.wait_until(lambda: False)
        return self.launcher.returncode


def kill_one(running, chance, moment):
    """Waits for the moment, then kills one rank at random. True if the run died of it."""
    start = running.records()
    if moment == "start":
        running.wait_until(lambda: len(running.ranks()) > 0)
        time.sleep(chance.uniform(0, 2.5))
    else:
        ahead = start + chance.randint(3, 12)
        running.wait_until(lambda: running.records() >= ahead)
    if moment == "checkpoint":
        running.wait_until(running.writing_checkpoint)
    if moment == "validation":  # between the third step's record and that of the validation
        running.wait_until(lambda: '"train"' in (last := running.last_record())
                           and int(last.split('"step":')[1].split(",")[0]) % 3 == 0)
    if moment == "any":
        time.sleep(chance.uniform(0, 0.05))
    ranks = running.ranks()
    killed = bool(ranks) and running.signal_ranks(signal.SIGKILL, chance.choice(ranks))
    return running.exit_code() != driver.DONE and killed


def kill_and_resume(config, folder, overrides, kills, seed):
    """Kills the run `kills` times and resumes it on changing world sizes until it is done. Returns how often each
    kind of moment was hit."""
    chance = random.Random(seed)
    hits = {"start": 0, "checkpoint": 0, "validation": 0, "any": 0}
    log = Path(folder).parent / "log.txt"
    sizes = [2, 3, 1, 4]
    for attempt in range(kills):
        moment = ("any", "checkpoint", "validation", "checkpoint", "any", "start")[attempt % 6]
        running = Running(config, folder, sizes[attempt % len(sizes)], log, overrides)
        if not kill_one(running, chance, moment):
            break  # it was done before the moment came
        hits[moment] += 1
    last = Running(config, folder, chance.choice(sizes), log, overrides)
    assert last.exit_code() == driver.DONE, log.read_text(encoding="utf-8")[-3000:]
    return hits


def gold(config, folder, overrides):
    """Hash and records of the run that nobody interrupts."""
    driver.train(config, folder, *overrides)
    return outcome(folder)


def outcome(folder):
    return driver.inspect(folder)["parameters_sha256"], (Path(folder) / "metrics.jsonl").read_bytes()
