"""Shards that are spoiled while a run reads them: it names them or does not notice; its bits are never wrong."""

import os
import shutil
import signal

import driver
import h5py
import pytest
from conftest import STEPS, attempt, interposed, outcome, recovers
from interruption import Running

MANY = ("train.steps=120", *STEPS[1:], "train.validate_every=0", "train.checkpoint_every=20")


@pytest.fixture(scope="module")
def long_gold(config, tmp_path_factory):
    folder = tmp_path_factory.mktemp("gold") / "run"
    driver.train(config, folder, *MANY, ranks=2)
    return outcome(folder)


def truncate(shard):
    os.truncate(shard, 4096)  # its index was read long ago


def flip(shard):
    with h5py.File(shard, "r") as file:
        data = file["modalities/image/data"]
        begin, size = data.id.get_offset(), data.id.get_storage_size()
    with open(shard, "r+b") as file:
        file.seek(begin)
        content = bytearray(file.read(size))
        content[::7] = bytes(value ^ 64 for value in content[::7])
        file.seek(begin)
        file.write(content)


def replace(shard):
    """By a good shard of other data, as a new conversion into the same folder would."""
    other = driver.make_shards(shard.parent / "other", "--seed", "9", "--name", "tiny")
    os.replace(other / shard.name, shard)


@pytest.mark.parametrize("spoil", [truncate, flip, os.unlink, replace])
def test_a_shard_is_spoiled_in_mid_run(spoil, shards, long_gold, tmp_path):
    data, run = tmp_path / "shards", tmp_path / "run"
    shutil.copytree(shards, data)
    config = driver.write_config(tmp_path / "config.yaml", data)
    shard = sorted(data.glob("*.h5"))[1]
    good = shard.read_bytes()
    running = Running(config, run, 2, tmp_path / "log", MANY)
    assert running.wait_until(lambda: running.records() >= 25)
    running.signal_ranks(signal.SIGSTOP)  # nobody reads while it is spoiled
    spoil(shard)
    running.signal_ranks(signal.SIGCONT)
    code = running.exit_code()
    said = (tmp_path / "log").read_text(encoding="utf-8")
    if spoil in (truncate, flip):
        (error, ) = [line for line in said.splitlines() if " error: " in line]
        where = "ends before byte" if spoil is truncate else "sample"
        # What was damaged will not mend by itself; a file that shrinks is the world's doing.
        expected = driver.FAILURE if spoil is truncate else driver.USER_ERROR
        assert code == expected and shard.name in error and where in error and "rank" in error, said
        assert 20 <= driver.inspect(run)["step"] < 120
    else:  # the file that was opened is still there, whatever its name now stands for
        assert code == driver.DONE and outcome(run) == long_gold, said
    if spoil in (replace, os.unlink):
        driver.train(config, run, *MANY, "train.steps=121", "--resume", code=driver.USER_ERROR)
    shard.write_bytes(good)
    driver.train(config, run, *MANY, "--resume", ranks=2)
    assert outcome(run) == long_gold and not driver.leftovers(run)


def test_a_read_that_fails_on_one_rank(config, shards, gold, tmp_path):
    """Call 400 is some steps after the index was read."""
    environment = interposed(calls=shards, at="400:EIO", rank=1)
    result = attempt(config, tmp_path / "run", ranks=3, environment=environment)
    (said, ) = [line for line in result.stderr.splitlines() if " error: " in line]
    assert result.returncode == driver.FAILURE and "Input/output error" in said, result.stderr
    assert "rank 1" in said and ".h5" in said and result.seconds < 20
    assert driver.metrics(tmp_path / "run") and not driver.leftovers(tmp_path / "run")
    recovers(config, tmp_path / "run", gold, ranks=2)
