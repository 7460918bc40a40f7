"""What would otherwise go wrong in silence: classes and senses that training never sees, tables that do not fit, a
single episode's interval, paths that mean something else."""

import json
import sys

import driver
import hand_shard
import numpy as np
import pytest
from driver import cuttle, cuttle_json

sys.path.insert(0, str(driver.ROOT / "data_tools"))

from cuttle_data.schema import DatasetInfo, Modality  # noqa: E402
from cuttle_data.shard_file import Loaded, write_shard  # noqa: E402

CONFIG = """
data: {shards: [SHARDS]}
episode: {way: 3, shot: 1, query: 2, meta_batch_size: 2}
model: {encoders: {vector: {type: mlp, width: 8, depth: 1}}}
adapt: {algorithm: protonet}
train: {steps: 2, validate_every: 2, validation_episodes: 3}
evaluation: {episodes: 5}
"""
ONE_STEP = ("train.steps=1", "train.validate_every=0")


def write_vectors(path, sizes):
    """A shard of classes with these numbers of samples: {split number: [size, ...]}."""
    classes, splits = [], []
    for split, of_split in sizes.items():
        for size in of_split:
            splits += [split] * size
            classes += [max(classes, default=-1) + 1] * size
    vectors = np.random.default_rng(1).normal(np.array(classes)[:, None], 0.1, (len(classes), 4))
    hand_shard.write(path, vectors, classes, splits)
    return path


def warnings_of(result):
    return [line.split("warning: ", 1)[1] for line in result.stderr.splitlines() if "warning: " in line]


def test_classes_with_too_few_samples_are_named(tmp_path):
    shard = write_vectors(tmp_path / "a.h5", {0: [4, 4, 2, 4, 1], 1: [4] * 4, 2: [3, 3, 3, 2, 2, 1, 1]})
    config = driver.write_config(tmp_path / "c.yaml", shard, CONFIG)
    result = driver.train(config, tmp_path / "run", ranks=2)
    train = ("split train: 3 of 5 classes can be used; left out are 'class 2', 'class 4', without 1 + 2 samples "
             "(shot + query)")
    assert [line for line in warnings_of(result) if "left out" in line] == [train]
    assert driver.inspect(tmp_path / "run")["facts"]["left_out"] == train
    told = cuttle("eval", tmp_path / "run", "--json")
    test = ("split test: 3 of 7 classes can be used; left out are 'class 12', 'class 13', 'class 14' and 1 more, "
            "without 1 + 2 samples (shot + query)")
    assert json.loads(told.stdout)["left_out"] == test and warnings_of(told) == [test]
    assert "left_out" not in cuttle_json("eval", tmp_path / "run", "--split", "validation")
    assert cuttle_json("inspect", shard)["samples_per_class"]["test"] == {
        "least": 1, "of": "class 14", "median": 2, "most": 3}


def test_a_sense_that_no_training_sample_has_is_named(tmp_path):
    samples = [
        Loaded(f"{number}/{index}", f"class {number}", "all", split, {
            "vector": np.full(3, number, "<f4"), **({"other": np.ones(2, "<f4")} if split == "test" else {})
        }) for number, split in enumerate(["train"] * 3 + ["validation"] * 3 + ["test"] * 3) for index in range(3)]
    write_shard(tmp_path / "a.h5", DatasetInfo("toy", "a test", "CC0-1.0", "a test"),
                [Modality("vector", "vector", (3, ), mean=(), stddev=()),
                 Modality("other", "vector", (2, ), mean=(), stddev=())], samples)
    config = driver.write_config(tmp_path / "c.yaml", tmp_path / "a.h5", CONFIG)
    result = driver.train(config, tmp_path / "run", ranks=2)
    assert warnings_of(result) == [
        "the sense other: no sample of train, validation has it (nothing is learned of it, and test goes by it); add "
        "such samples, or choose the senses with data.modalities"]
    assert not warnings_of(driver.train(config, tmp_path / "alone", "data.modalities=[vector]"))


def test_a_model_that_tells_nothing_apart_is_named(tmp_path):
    """Instance norm of a single position leaves nothing of it."""
    splits = ["train"] * 3 + ["validation"] * 3 + ["test"] * 3
    samples = [Loaded(f"{number}/{index}", f"class {number}", "all", split, {"series": np.full((1, 2), number, "<f4")})
               for number, split in enumerate(splits) for index in range(3)]
    write_shard(tmp_path / "a.h5", DatasetInfo("toy", "a test", "CC0-1.0", "a test"),
                [Modality("series", "series", (2, ), mean=(), stddev=())], samples)
    config = driver.write_config(tmp_path / "c.yaml", tmp_path / "a.h5", CONFIG.replace(
        "vector: {type: mlp,", "series: {type: series_conv,"))
    chance = "every episode scored exactly chance: the model gives all samples the same answer"
    for norm, said in (("instance", [chance]), ("layer", [])):
        keys = (f"model.encoders.series.norm={norm}", "train.validation_episodes=10")
        told = [*warnings_of(driver.train(config, tmp_path / norm, *keys)),
                *warnings_of(cuttle("eval", tmp_path / norm, "--episodes", "10"))]
        assert [line.partition(" (")[0] for line in told] == said * 2


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """A run whose test split has more classes than any table has room for."""
    folder = tmp_path_factory.mktemp("many")
    shard = write_vectors(folder / "a.h5", {0: [3] * 3, 1: [3] * 10100, 2: [3] * 10100})
    driver.train(driver.write_config(folder / "c.yaml", shard, CONFIG), folder / "run")
    return folder


def test_ten_thousand_classes_are_scored_without_their_table(many):
    told = cuttle_json("eval", many / "run", "--episodes", "4", ranks=2)
    assert 0 < told["macro_recall"] <= 1 and told["accuracy"] == pytest.approx(told["macro_recall"], abs=1e-6)
    said = cuttle("eval", many / "run", "--confusion", many / "table.csv", "--episodes", "1000000",
                  code=driver.USER_ERROR, timeout=60).stderr  # before the episodes
    assert "--confusion: the split has 10100 classes" in said and not (many / "table.csv").exists()


def test_regression_over_ten_thousand_functions(tmp_path):
    generator = np.random.default_rng(1)
    splits = ["train"] * 3 + ["validation"] * 10100 + ["test"] * 10100
    samples = [
        Loaded(f"{number}/{index}", f"function {number}", "all", split,
               {"vector": generator.normal(size=2).astype("<f4")}, np.ones(1, "<f4"))
        for number, split in enumerate(splits) for index in range(3)]
    write_shard(tmp_path / "a.h5", DatasetInfo("toy", "a test", "CC0-1.0", "a test", targets=("y", )),
                [Modality("vector", "vector", (2, ), mean=(), stddev=())], samples)
    config = driver.write_config(tmp_path / "c.yaml", tmp_path / "a.h5", CONFIG)
    driver.train(config, tmp_path / "run", "episode.target=value", "episode.way=1", "adapt.algorithm=maml")
    assert cuttle_json("eval", tmp_path / "run")["mean_squared_error"] > 0


def test_one_episode_has_no_interval(many):
    words = ("eval", many / "run", "--episodes", "1")
    assert cuttle_json(*words)["ci95"] is None
    text = cuttle(*words).stdout
    assert "nan" not in text and "+-" not in text and "no interval" in text
    both = ("compare", many / "run", many / "run", "--episodes", "1")
    assert cuttle_json(*both)["runs"][1]["lead"] == {"mean": 0, "ci95": None}
    assert "nan" not in cuttle(*both).stdout
    assert "+-" in cuttle(*words[:2], "--episodes", "2").stdout


def test_paths_mean_what_they_say(tmp_path, monkeypatch):
    folder = tmp_path / "d [1]"
    folder.mkdir()
    write_vectors(folder / "a.h5", {0: [3] * 3, 1: [3] * 3, 2: [3] * 3})
    for name, value in (("HOME", tmp_path), ("CUTTLE_TEST_DATA", "d [1]")):
        monkeypatch.setitem(driver.ENVIRONMENT, name, str(value))
    config = driver.write_config(tmp_path / "c.yaml", "~/$CUTTLE_TEST_DATA/*.h5", CONFIG)
    cuttle("train", "~/c.yaml", "--run-dir=~/run", *ONE_STEP)
    assert (tmp_path / "run/config.yaml").is_file()
    assert "~/$CUTTLE_TEST_DATA" in (tmp_path / "run/config.yaml").read_text(encoding="utf-8")  # as it was written
    cuttle("eval", "${HOME}/run", "--per-episode=~/table.csv", "--episodes", "2")
    assert (tmp_path / "table.csv").is_file()
    driver.train(config, tmp_path / "more", f"train.init_from=~/run", *ONE_STEP)
    for words in (("train", config, f"data.shards=[{tmp_path}/$CUTTLE_GONE/*.h5]", *ONE_STEP),
                  ("train", config, "--run-dir=$CUTTLE_GONE/run"), ("eval", "${CUTTLE_GONE}/run")):
        said = cuttle(*words, code=driver.USER_ERROR).stderr
        assert "the variable CUTTLE_GONE is not set" in said, said
    assert not list(tmp_path.glob("*CUTTLE_GONE*"))
