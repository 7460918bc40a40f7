"""A sample whose numbers overflow: every policy for tasks that are not finite (P7)."""

import driver
import hand_shard
import numpy as np
import pytest

CLASSES, SAMPLES = 12, 4
CONFIG = """
data: {shards: [SHARDS/poisoned.h5]}
episode: {way: 2, query: 1, meta_batch_size: 5}
model: {encoders: {vector: {width: 8, depth: 1}}}
adapt: {algorithm: protonet}
train: {steps: 6, validate_every: 0}
"""


@pytest.fixture(scope="module", name="poisoned")
def config_with_poison(tmp_path_factory):
    """6 training and 3 validation classes; the first samples of class 2 and of class 6, which is for validation, are so
    large that their squares are infinite."""
    folder = tmp_path_factory.mktemp("poisoned")
    vectors = np.random.default_rng(1).standard_normal((CLASSES * SAMPLES, 4))
    vectors[[2 * SAMPLES, 6 * SAMPLES]] = 1e30
    classes = np.repeat(np.arange(CLASSES), SAMPLES)
    hand_shard.write(folder / "poisoned.h5", vectors, classes, np.repeat([0, 1, 2], [24, 12, 12]))
    return driver.write_config(folder / "config.yaml", folder, CONFIG)


def outcome(config, folder, policy, ranks):
    result = driver.train(config, folder, f"reduce.on_nonfinite={policy}", ranks=ranks)
    return result.stderr, driver.metrics(folder, "train"), driver.inspect(folder)


def test_the_run_fails_on_all_ranks_and_says_where(poisoned, tmp_path):
    words = ["reduce.on_nonfinite=fail", "train.checkpoint_every=1"]
    result = driver.train(poisoned, tmp_path / "run", *words, ranks=3, code=driver.FAILURE, timeout=60)
    (said, ) = (line for line in result.stderr.splitlines() if "slot" in line)
    assert "not finite" in said and "rank" in said and "skip_task" in said
    assert not driver.leftovers(tmp_path / "run")


@pytest.mark.parametrize("ranks", [None, 3])
def test_bad_tasks_are_left_out(ranks, poisoned, tmp_path):
    said, records, told = outcome(poisoned, tmp_path / "run", "skip_task", ranks)
    assert all(record["tasks"] + record["skipped"] == 5 and record["applied"] for record in records)
    skipped = sum(record["skipped"] for record in records)
    assert 0 < skipped < 30 and told["skipped_tasks"] == skipped and told["tasks"] == 30 - skipped
    assert "slot" in said and "not finite" in said
    assert told["step"] == 6


def test_bad_steps_are_left_out(poisoned, tmp_path):
    alone = outcome(poisoned, tmp_path / "1", "skip_step", None)
    three = outcome(poisoned, tmp_path / "3", "skip_step", 3)
    assert alone[1] == three[1] and alone[2]["parameters_sha256"] == three[2]["parameters_sha256"]
    applied = [record["applied"] for record in alone[1]]
    assert [record["skipped"] == 0 for record in alone[1]] == applied and 0 < sum(applied) < 6


def test_skipped_tasks_are_the_same_on_every_world_size(poisoned, tmp_path):
    alone = outcome(poisoned, tmp_path / "1", "skip_task", None)
    four = outcome(poisoned, tmp_path / "4", "skip_task", 4)
    assert alone[1] == four[1] and alone[2]["parameters_sha256"] == four[2]["parameters_sha256"]


VALIDATE = ("reduce.on_nonfinite=skip_task", "train.validate_every=3", "train.validation_episodes=20")


def test_a_bad_validation_episode_does_not_end_a_run_that_skips_tasks(poisoned, tmp_path):
    said = driver.train(poisoned, tmp_path / "1", *VALIDATE).stderr
    driver.train(poisoned, tmp_path / "3", *VALIDATE, ranks=3)
    (first, second) = driver.metrics(tmp_path / "1", "validation")
    assert 0 < first["skipped"] == second["skipped"] < 20 and 0 <= first["accuracy"] <= 1
    assert "validation episodes were not finite" in said
    assert driver.metrics(tmp_path / "3") == driver.metrics(tmp_path / "1")
    told = driver.cuttle("eval", tmp_path / "1", "--split", "validation", code=driver.FAILURE).stderr
    # A number that is reported must not leave out what failed.
    assert "validation episode" in told and "mean meaningless" in told


def test_validation_episodes_that_are_all_bad(poisoned, tmp_path):
    """None is the best so far, and patience counts them."""
    words = ("adapt.algorithm=maml", "adapt.inner_lr=1.0e+38", "adapt.inner_steps=3", "train.patience=1", *VALIDATE)
    said = driver.train(poisoned, tmp_path / "run", *words, "train.validate_every=1").stderr
    told = driver.inspect(tmp_path / "run")
    assert told["stopped_early"] and told["step"] == 1 and "best_step" not in told
    assert "20 of 20 validation episodes" in said
    assert driver.metrics(tmp_path / "run", "validation")[0]["accuracy"] is None
