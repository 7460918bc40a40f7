"""P3: killed or asked to stop at any moment, a resumed run gives the bits of the uninterrupted one."""

import signal

import driver
import interruption
import pytest
from interruption import Running

BUSY = interruption.busy(steps=60)


@pytest.fixture(scope="module")
def gold(config, tmp_path_factory):
    return interruption.gold(config, tmp_path_factory.mktemp("gold") / "run", BUSY)


def test_six_kills(config, gold, tmp_path):
    run = tmp_path / "run"
    hits = interruption.kill_and_resume(config, run, BUSY, kills=6, seed=1)
    assert sum(hits.values()) >= 4 and hits["checkpoint"] >= 1, hits
    assert interruption.outcome(run) == gold
    assert not driver.leftovers(run)
    assert len(driver.inspect(run)["world_sizes"]) >= 3


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_request_leaves_a_checkpoint_and_exit_code_3(number, config, gold, tmp_path):
    run = tmp_path / "run"
    running = Running(config, run, 2, tmp_path / "log.txt", BUSY)
    running.wait_until(lambda: running.records() >= 5)
    assert running.signal_ranks(number)
    assert running.exit_code() == driver.STOPPED_EARLY, running.log.read_text(encoding="utf-8")
    told = driver.inspect(run)
    last = driver.metrics(run, "train")[-1]["step"]
    assert told["step"] == last < 60 and not told["complete"]
    again = Running(config, run, 3, tmp_path / "log.txt", BUSY)
    assert again.exit_code() == driver.DONE
    assert interruption.outcome(run) == gold


def test_one_rank_that_is_asked_stops_all(config, tmp_path):
    running = Running(config, tmp_path / "run", 3, tmp_path / "log.txt", BUSY)
    running.wait_until(lambda: running.records() >= 5)
    assert running.signal_ranks(signal.SIGTERM, running.ranks()[-1])
    assert running.exit_code() == driver.STOPPED_EARLY


def test_a_checkpoint_request_writes_one_and_goes_on(config, gold, tmp_path):
    run = tmp_path / "run"
    overrides = ("train.steps=60", "train.checkpoint_every=1000", "train.validate_every=0")
    running = Running(config, run, 2, tmp_path / "log.txt", overrides)
    running.wait_until(lambda: running.records() >= 5)
    assert running.signal_ranks(signal.SIGUSR1)
    assert running.exit_code() == driver.DONE
    steps = sorted(int(path.name.split("-")[1]) for path in (run / "checkpoints").iterdir())
    assert len(steps) == 2 and 5 <= steps[0] < steps[1] == 60  # the one asked for, the one at the end
    assert driver.inspect(run)["parameters_sha256"] == gold[0]
