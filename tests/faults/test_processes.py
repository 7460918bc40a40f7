"""Processes that are killed, stopped, asked to stop, or started twice."""

import json
import os
import random
import signal
import subprocess
import time

import driver
import pytest
from conftest import BOUND_S, STEPS, attempt, outcome
from interruption import Running, children

MANY = ("train.steps=60", *STEPS[1:])  # a few seconds of steps, a checkpoint after every second one
SECONDS_TO_LEAVE = 20  # comm.deadline_s of STEPS, and as much for mpirun and a busy machine


@pytest.fixture(scope="module")
def long_gold(config, tmp_path_factory):
    folder = tmp_path_factory.mktemp("gold") / "run"
    driver.train(config, folder, *MANY)
    return outcome(folder)


@pytest.fixture
def running(config, tmp_path):
    """Starts a run on some ranks and waits until it has done some steps."""
    started = []

    def start(ranks, steps=5, words=()):
        run = Running(config, tmp_path / "run", ranks, tmp_path / "log", (*MANY, *words))
        started.append(run)
        assert run.wait_until(lambda: run.records() >= steps), run.log.read_text(encoding="utf-8")
        return run

    yield start
    for run in started:
        for rank in run.ranks():
            os.kill(rank, signal.SIGKILL)
        run.exit_code()


def ends(run):
    """Its exit code, and how long it took to end."""
    start = time.monotonic()
    code = run.exit_code()
    assert not driver.ranks_of(run.folder)
    return code, time.monotonic() - start


def recovers_long(config, run, gold, ranks):
    driver.train(config, run, *MANY, "--resume", ranks=ranks)
    assert outcome(run) == gold
    assert not driver.leftovers(run)


@pytest.mark.parametrize("ranks", [2, 4])
def test_one_rank_is_killed(ranks, running, config, long_gold, tmp_path):
    run = running(ranks, steps=random.Random(ranks).randint(3, 20))
    run.signal_ranks(signal.SIGKILL, random.Random(ranks).choice(run.ranks()))
    code, seconds = ends(run)
    assert code not in (driver.DONE, driver.STOPPED_EARLY) and seconds < SECONDS_TO_LEAVE
    recovers_long(config, run.folder, long_gold, ranks=3)


@pytest.mark.parametrize("stopped", [0, 1])
def test_a_rank_that_hangs_is_named_by_the_others(stopped, running, config, long_gold):
    run = running(2)
    pids = {rank_of(pid): pid for pid in run.ranks()}
    start = time.monotonic()
    run.signal_ranks(signal.SIGSTOP, pids[stopped])
    log = run.log
    run.wait_until(lambda: "error" in log.read_text(encoding="utf-8"))
    seconds = time.monotonic() - start
    said = log.read_text(encoding="utf-8")
    assert 9 < seconds < 25, seconds  # comm.deadline_s is 10, then half of it to ask who is there
    assert f"[rank {1 - stopped} on " in said and f"rank {stopped}" in said and "step" in said, said
    assert ends(run)[0] != driver.DONE  # mpirun ends the one that hangs
    recovers_long(config, run.folder, long_gold, ranks=2)


def rank_of(pid):
    words = open(f"/proc/{pid}/environ", "rb").read().split(b"\0")
    return next(int(word.split(b"=")[1]) for word in words if word.startswith(b"OMPI_COMM_WORLD_RANK="))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_asked_twice_it_leaves_at_once(number, running, config, long_gold):
    run = running(2)
    for _ in range(2):
        run.signal_ranks(number)
        time.sleep(0.002)
    code, seconds = ends(run)
    assert code not in (driver.DONE, None) and seconds < SECONDS_TO_LEAVE
    recovers_long(config, run.folder, long_gold, ranks=1)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_mpirun_itself_is_asked(number, running, config, long_gold):
    """Without launch/local.sh mpirun may end the ranks before they have written: their last steps are done again."""
    run = running(2)
    (mpirun, ) = children(run.launcher.pid)
    os.kill(mpirun, number)
    code, seconds = ends(run)
    assert code != driver.DONE and seconds < SECONDS_TO_LEAVE
    recovers_long(config, run.folder, long_gold, ranks=2)


@pytest.mark.parametrize("number, times", [(signal.SIGTERM, 1), (signal.SIGINT, 1), (signal.SIGINT, 2)])
def test_the_launcher_is_asked(number, times, config, long_gold, tmp_path):
    """launch/local.sh: once leaves a checkpoint of the last step and code 3, twice leaves at once."""
    run = tmp_path / "run"
    if driver.PROGRAM != driver.ROOT / "build/release/cuttle":
        pytest.skip("launch/local.sh runs the release build only")
    words = [driver.ROOT / "launch/local.sh", "-n", "2", "train", config, *MANY, "train.checkpoint_every=1000",
             "--run-dir", run]
    log = open(tmp_path / "log", "wb")
    with subprocess.Popen(words, env=driver.ENVIRONMENT, stderr=log, stdout=log, start_new_session=True) as process:
        end = time.monotonic() + BOUND_S
        while not (run / "metrics.jsonl").exists() or (run / "metrics.jsonl").read_bytes().count(b"\n") < 5:
            assert process.poll() is None and time.monotonic() < end, (tmp_path / "log").read_text()
            time.sleep(0.01)
        for _ in range(times):
            process.send_signal(number)
            time.sleep(0.01)
        code = process.wait(BOUND_S)
    assert not driver.ranks_of(run)
    if times == 1:
        told = driver.inspect(run)
        assert code == driver.STOPPED_EARLY and told["state"] == "stopped"
        assert told["step"] == driver.metrics(run, "train")[-1]["step"] < 60
    else:
        assert code != driver.DONE
    recovers_long(config, run, long_gold, ranks=2)


def test_a_second_job_in_the_same_folder_is_refused_and_the_first_goes_on(running, config, long_gold):
    run = running(2, steps=3)
    second = attempt_elsewhere(config, run.folder)
    assert second.returncode == driver.USER_ERROR and "is in use by process" in second.stderr
    assert "last sign of life" in second.stderr and run.alive()
    assert run.exit_code() == driver.DONE and outcome(run.folder) == long_gold


def attempt_elsewhere(config, folder):
    words = driver.command("train", config, *MANY, "--run-dir", folder, "--resume")
    return subprocess.run(driver.bounded(words, BOUND_S), env=driver.ENVIRONMENT, capture_output=True, text=True,
                          check=False)


@pytest.mark.parametrize("version", [0, 2])
def test_a_checkpoint_of_another_format_version(version, config, gold, tmp_path):
    """Refused by name; the one before it serves."""
    run = tmp_path / "run"
    words = ("train.keep_checkpoints=2", )
    assert attempt(config, run, *words, "train.steps=4").returncode == driver.DONE
    newest = max((run / "checkpoints").iterdir()) / "manifest.json"
    manifest = json.loads(newest.read_text(encoding="utf-8"))
    newest.write_text(json.dumps({**manifest, "version": version}), encoding="utf-8")
    result = attempt(config, run, *words)
    assert f"checkpoint version {version}" in result.stderr and "use the cuttle that" in result.stderr
    assert result.returncode == driver.DONE and outcome(run) == gold


def test_no_other_checkpoint_than_one_of_another_format_version(config, tmp_path):
    """Refused as a whole: a run that began anew would throw away what is there."""
    run = tmp_path / "run"
    assert attempt(config, run, "train.steps=2").returncode == driver.DONE
    (only, ) = (run / "checkpoints").glob("step-*/manifest.json")
    manifest = json.loads(only.read_text(encoding="utf-8"))
    only.write_text(json.dumps({**manifest, "version": 0}), encoding="utf-8")
    result = attempt(config, run)
    assert result.returncode == driver.USER_ERROR and "checkpoint version 0" in result.stderr, result.stderr
    assert "use the cuttle that" in result.stderr and only.exists()


def test_one_rank_that_is_asked_for_a_checkpoint_gets_one_and_the_run_goes_on(running, long_gold):
    run = running(3, words=("train.checkpoint_every=1000", "train.keep_checkpoints=9", "train.validate_every=0"))
    run.signal_ranks(signal.SIGUSR1, run.ranks()[1])
    assert run.exit_code() == driver.DONE and outcome(run.folder)[0] == long_gold[0]
    asked, last = sorted(int(path.name.split("-")[1]) for path in (run.folder / "checkpoints").iterdir())
    assert 5 <= asked < last == 60
