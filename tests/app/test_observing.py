"""Looking at a run from outside: heartbeat.json, ranks.jsonl and `cuttle inspect` in every state of its life."""

import json
import shutil
import signal
import subprocess
import time

import driver
import pytest
from driver import cuttle, cuttle_json, train
from interruption import Running

LONG = ("train.steps=100000", "train.validate_every=0", "train.checkpoint_every=5")


def heartbeat(run):
    return json.loads((run / "heartbeat.json").read_text(encoding="utf-8"))


def wait_for_checkpoint(running, run):
    assert running.wait_until(lambda: list((run / "checkpoints").glob("step-*")))


@pytest.fixture
def at_work(config, tmp_path):
    """A run on two ranks that would go on for hours; ended after the test."""
    running = Running(config, tmp_path / "run", 2, tmp_path / "log.txt", LONG)
    wait_for_checkpoint(running, tmp_path / "run")
    yield running
    if running.alive():
        running.signal_ranks(signal.SIGKILL)
        running.exit_code()


def test_a_run_at_work(at_work):
    told = driver.inspect(at_work.folder)
    assert told["state"] == "running" and str(at_work.ranks()[0]) in told["held_by"]
    life = told["last_sign_of_life"]
    assert -1 <= life["seconds_ago"] <= 10 and life["host"] and life["slurm_job"] == ""
    assert told["steps"] == 100000 and told["restarts"] == 0 and told["world_sizes"] == [2]
    slowest = told["slowest_rank"]
    assert slowest["rank"] in (0, 1) and 1 <= slowest["max_over_mean"] <= 2 and slowest["host"] == life["host"]
    ahead = told["to_go_on"]
    assert ahead["steps_left"] == 100000 - told["step"] and 0 < ahead["hours_left"] < 100
    assert len(ahead["obstacles"]) == 1 and "is at work on it" in ahead["obstacles"][0]


def test_a_heartbeat_goes_on_with_the_steps_and_a_hanging_loop_falls_silent(at_work):
    first = heartbeat(at_work.folder)
    assert first["state"] == "running" and first["ranks"] == 2 and first["pid"] in at_work.ranks()
    at_work.wait_until(lambda: heartbeat(at_work.folder)["step"] > first["step"])
    other = next(rank for rank in at_work.ranks() if rank != first["pid"])
    at_work.signal_ranks(signal.SIGSTOP, other)  # rank 0 waits for it
    time.sleep(1)
    silent = heartbeat(at_work.folder)
    time.sleep(6)  # a run at work would have said something
    assert heartbeat(at_work.folder) == silent
    told = driver.inspect(at_work.folder)
    assert told["state"] == "running" and told["last_sign_of_life"]["seconds_ago"] >= 6  # held, yet silent


def test_a_killed_run_died_and_tells_what_it_needs(at_work):
    at_work.signal_ranks(signal.SIGKILL)
    at_work.exit_code()
    told = driver.inspect(at_work.folder)
    assert told["state"] == "died" and "held_by" not in told and told["last_step"] >= 0
    assert told["to_go_on"]["obstacles"] == []
    assert told["to_go_on"]["command"] == f"launch/local.sh -n 2 train {at_work.folder} --resume"
    text = cuttle("inspect", at_work.folder).stdout
    assert "state: died" in text and "command: launch/local.sh -n 2 train" in text


def test_a_stopped_run_and_its_restart(shards, tmp_path):
    run, data = tmp_path / "run", tmp_path / "shards"
    shutil.copytree(shards, data)
    config = driver.write_config(tmp_path / "config.yaml", data)
    words = (*LONG, "train.steps=100")
    running = Running(config, run, 2, tmp_path / "log.txt", words)
    wait_for_checkpoint(running, run)
    running.signal_ranks(signal.SIGTERM)
    assert running.exit_code() == driver.STOPPED_EARLY
    told = driver.inspect(run)
    assert told["state"] == "stopped" == heartbeat(run)["state"] and told["last_step"] == told["step"]
    assert told["to_go_on"]["obstacles"] == []
    data.rename(tmp_path / "elsewhere")
    (obstacle, ) = driver.inspect(run)["to_go_on"]["obstacles"]
    assert str(data) in obstacle and "data.shards" in obstacle
    (tmp_path / "elsewhere").rename(data)
    train(config, run, *words, "--resume")
    again = driver.inspect(run)
    assert again["state"] == "done" and again["restarts"] == 1 and again["complete"] and "to_go_on" not in again
    records = [json.loads(line) for line in (run / "ranks.jsonl").read_text(encoding="utf-8").splitlines()]
    ranks = [len(record["busy_s"]) for record in records]
    assert ranks == sorted(ranks, reverse=True) and set(ranks) == {1, 2}
    assert sum(record["steps"] for record in records) == 100


def test_a_failed_run_says_why(config, tmp_path):
    run = tmp_path / "run"
    train(config, run, "adapt.inner_lr=1.0e+30", ranks=2, code=driver.FAILURE, timeout=60)
    told = driver.inspect(run)
    assert told["state"] == "failed" and "not finite" in told["failure"] and told["last_checkpoint"] is None


@pytest.mark.parametrize("umask, forbidden", [(0o077, 0o077), (0, 0o002)])
def test_files_obey_the_users_umask_and_are_never_world_writable(umask, forbidden, config, tmp_path):
    words = driver.command("train", config, "--run-dir", tmp_path / "run", "train.steps=1", "train.validate_every=0")
    pack = [driver.ROOT / "data_tools/cuttle-data", "make_synthetic", "--out", tmp_path / "shards"]
    for command in (words, pack):
        subprocess.run(command, env=driver.ENVIRONMENT, check=True, capture_output=True, umask=umask)
    written = [path for folder in ("run", "shards") for path in (tmp_path / folder, *(tmp_path / folder).rglob("*"))]
    open_to_others = [path for path in written if path.stat().st_mode & forbidden]
    assert (tmp_path / "run/checkpoints/step-00000001/manifest.json").exists() and not open_to_others
    assert sum(path.suffix == ".h5" for path in written) >= 1


def test_what_the_bits_depend_on(trained):
    told = cuttle_json("inspect", trained, "--deterministic")
    names = {"binary_sha256", "libtorch", "libc", "instruction_set", "kernels", "threads", "processor",
             "mpi"}
    assert names <= set(told) and told["same_bits"]
    assert all(told[name]["then"] == told[name]["now"] for name in names)


def test_another_environment_is_announced(config, tmp_path):
    """As if the checkpoint came from another processor."""
    run = tmp_path / "run"
    train(config, run, "train.steps=2", "train.validate_every=0")
    folder = next((run / "checkpoints").iterdir())
    facts = json.loads((folder / "facts.json").read_text(encoding="utf-8"))
    facts["processor"] = "Abacus 3000"
    driver.rewrite_in_checkpoint(folder, "facts.json", json.dumps(facts))
    told = cuttle_json("inspect", run, "--deterministic")
    assert not told["same_bits"] and told["processor"]["then"] == "Abacus 3000"
    result = train(config, run, "train.steps=3", "train.validate_every=0", "--resume")
    assert "Abacus 3000" in result.stderr and "bits may differ" in result.stderr


def test_another_hosts_lock_waits_for_a_take_over(config, tmp_path):
    run = tmp_path / "run"
    train(config, run, "train.steps=2", "train.validate_every=0")
    (run / "run.lock").write_text('{"host":"elsewhere","pid":1,"started":"now"}\n', encoding="utf-8")
    words = ("train.steps=3", "train.validate_every=0", "--resume")
    refused = train(config, run, *words, code=driver.USER_ERROR).stderr
    assert "elsewhere" in refused and "--take-over" in refused
    assert "taking over" in train(config, run, *words, "--take-over").stderr
    assert "--resume" in train(config, run, "--take-over", code=driver.USER_ERROR).stderr
