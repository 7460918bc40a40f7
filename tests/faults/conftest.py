"""A tiny run that nothing happens to, and how things happen to others like it."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[1] / "app")]

import driver  # noqa: E402
from interruption import outcome  # noqa: E402

BUILT = driver.PROGRAM.parent / "tests"
STEPS = ("train.steps=8", "train.checkpoint_every=2", "train.validate_every=4", "train.validation_episodes=3",
         "train.keep_checkpoints=1", "comm.deadline_s=10")
BOUND_S = 40  # for a run that a fault ends: start, a few steps, comm.deadline_s, mpirun's own pauses


@pytest.fixture(scope="session")
def shards(tmp_path_factory):
    return driver.make_shards(tmp_path_factory.mktemp("data") / "shards", "--name", "tiny")


@pytest.fixture(scope="session")
def config(shards):
    return driver.write_config(shards.parent / "tiny.yaml", shards)


@pytest.fixture(scope="session")
def gold(config, tmp_path_factory):
    """(hash, records) of the run that nothing happens to."""
    return outcome(train(config, tmp_path_factory.mktemp("gold") / "run"))


def train(config, folder, *words, ranks=None, program=driver.PROGRAM, code=driver.DONE, environment=None):
    """Trains (or goes on) within the bound; the folder. `environment`: of the ranks."""
    result = attempt(config, folder, *words, ranks=ranks, program=program, environment=environment)
    assert code is None or result.returncode == code, f"{result.returncode}\n{result.stdout}{result.stderr}"
    return folder


def attempt(config, folder, *words, ranks=None, program=driver.PROGRAM, environment=None):
    call = [str(word) for word in (program, "train", config, *STEPS, *words, "--run-dir", folder, "--resume")]
    if ranks:
        flags = [flag for name in environment or {} for flag in ("-x", name)]
        call = [*driver.mpirun(ranks, flags), *call]
    start = time.monotonic()
    result = subprocess.run(driver.bounded(call, BOUND_S), env={**driver.ENVIRONMENT, **(environment or {})},
                            capture_output=True, text=True, check=False)
    result.seconds = time.monotonic() - start
    assert result.returncode != 124, f"no end after {BOUND_S} s\n{result.stdout}{result.stderr}"
    assert not driver.ranks_of(folder), "a rank outlived its launcher"
    return result


def recovers(config, folder, gold, ranks=None):
    """A resume without faults gives what nothing happening gives, and leaves nothing behind."""
    assert outcome(train(config, folder, ranks=ranks)) == gold
    assert not driver.leftovers(folder)


def interposed(**faults):
    """The environment that puts interpose.c between the program and the system."""
    return {"LD_PRELOAD": str(BUILT / "cuttle_interpose.so"),
            **{f"CUTTLE_FAULT_{name.upper()}": str(value) for name, value in faults.items()}}


def faulty(point):
    """(program, environment) with a fault point; see faulty_cuttle.cpp."""
    return BUILT / "faulty_cuttle", {"CUTTLE_FAULT": point, "PATH": os.environ["PATH"]}
