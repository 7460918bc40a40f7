"""Validation and test on data sets of their own, and evaluation on others: which samples, and what is said of them."""

import driver
import pytest
from driver import USER_ERROR, cuttle, cuttle_json


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    """3 training, 4 validation and 5 test classes of other looks; by name, training has some of them."""
    return driver.make_shards(tmp_path_factory.mktemp("other") / "shards", "--name", "other", "--classes", "12",
                              "--splits", "0.25,0.35,0.4", "--seed", "9")


@pytest.fixture(scope="module")
def mixed(config, other, tmp_path_factory):
    """Trained on one data set, validated and tested on the other; and what that said."""
    folder = tmp_path_factory.mktemp("mixed") / "run"
    said = driver.train(config, folder, *words_for(other)).stderr
    return folder, said


def words_for(other):
    return [f"data.validation_shards=[{other}/*.h5]", f"data.test_shards=[{other}/*.h5]"]


def test_where_each_split_comes_from_is_said(mixed, other):
    run, said = mixed
    assert f"validation: 4 classes of {other}/*.h5" in said and f"test: 5 classes of {other}/*.h5" in said
    assert "split test: " in said and "by name of training classes" in said
    assert f"test: 5 classes of {other}" in driver.inspect(run)["facts"]["own_shards"]
    told = cuttle_json("eval", run, "--episodes", "5")
    assert told["shards"] == [f"{other}/*.h5"]
    text = cuttle("eval", run, "--episodes", "5")
    assert f"\nshards {other}/*.h5\n" in text.stdout and "by name of training classes" in text.stderr


def test_the_same_bits_at_every_world_size_and_after_a_stop(mixed, config, other, tmp_path):
    run, _ = mixed
    driver.train(config, tmp_path / "run", *words_for(other), "train.steps=10")
    driver.train(config, tmp_path / "run", *words_for(other), "--resume", ranks=2)
    assert driver.inspect(tmp_path / "run")["parameters_sha256"] == driver.inspect(run)["parameters_sha256"]
    assert (tmp_path / "run/metrics.jsonl").read_bytes() == (run / "metrics.jsonl").read_bytes()


def test_only_what_has_a_part_in_the_bits_may_not_change(config, other, shards, tmp_path):
    driver.train(config, tmp_path / "run", words_for(other)[0], "train.steps=1")
    driver.train(config, tmp_path / "run", *words_for(other), "train.steps=2", "--resume")
    said = driver.train(config, tmp_path / "run", f"data.validation_shards=[{shards}/*.h5]", "--resume",
                        code=USER_ERROR).stderr
    assert "trained and validated on (fingerprint" in said


def test_eval_on_other_shards_is_eval_of_a_run_with_these(trained, mixed, other, shards):
    given = cuttle_json("eval", trained, "--shards", f"{other}/*.h5", "--episodes", "20", ranks=2)
    keyed = cuttle_json("eval", trained, f"data.shards=[{other}/*.h5]", "--episodes", "20")
    assert given == keyed and given["shards"] == [f"{other}/*.h5"]
    one_by_one = sorted(str(path) for path in other.glob("*.h5"))
    again = cuttle_json("eval", mixed[0], "--shards", *one_by_one, "--episodes", "20")
    assert again["shards"] == one_by_one
    assert again["accuracy"] == cuttle_json("eval", mixed[0], "--episodes", "20")["accuracy"]
    assert cuttle_json("compare", trained, trained, "--shards", *one_by_one, "--episodes", "3")["shards"] == one_by_one


def test_all_classes_as_one_split(trained, mixed, other, shards):
    said = cuttle("eval", trained, "--split", "all", "--episodes", "5", "evaluation.way=3")
    assert "split all: 10 of its 20 classes are by name of training classes" in said.stderr
    told = cuttle_json("eval", trained, "--shards", f"{other}/*.h5", "--split", "all", "--episodes", "60")
    assert told["split"] == "all" and "on 5 episodes of all splits (" in said.stdout
    said = cuttle("eval", mixed[0], "--split", "all", code=USER_ERROR).stderr
    assert "have shards of their own" in said and "--shards" in said


def test_what_was_trained_on_is_not_always_known(trained, other, shards):
    words = ("eval", trained, f"data.shards=[{shards}/gone/*.h5]", "--shards", f"{other}/*.h5", "--episodes", "2")
    assert "is not known (no shard matches" in cuttle(*words).stderr
    said = cuttle("eval", trained, "--shards", f"{other}/gone/*.h5", code=USER_ERROR).stderr
    assert f"no shard matches '{other}/gone/*.h5'" in said
