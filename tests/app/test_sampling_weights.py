"""Training classes drawn by weights, and the weights that `cuttle map --toward` writes for a task."""

import csv
import json
import math
import shutil

import driver
import part_cases
import part_data
import pytest
from driver import USER_ERROR, cuttle, cuttle_json
from test_predict import Shard, part_of


def training_classes(shards):
    """{name: (a shard, samples with picture and text that it has of this class)}."""
    found = {}
    for path in sorted(shards.glob("*.h5")):
        with Shard(path) as shard:
            for i, (place, where) in enumerate(zip(shard.sample_class, shard.sample_split)):
                if where == 0:
                    first, samples = found.setdefault(shard.class_names[place], (path, []))
                    if first == path and all(shard.rows[sense][i] >= 0 for sense in ("image", "text")):
                        samples.append(i)
    return found


@pytest.fixture(scope="module", name="classes")
def classes_of_training(shards):
    return training_classes(shards)


def written(path, weights):
    path.write_text("class,weight\n" + "".join(f"{name},{weight}\n" for name, weight in weights.items()),
                    encoding="utf-8")
    return f"episode.sampling_weights={path}"


def read(path):
    with open(path, encoding="utf-8", newline="") as file:
        return [(row["class"], float(row["weight"]), float(row["distance"])) for row in csv.DictReader(file)]


def test_a_run_goes_on_with_the_same_weights_alone(config, classes, tmp_path):
    weights = {name: 1 + number for number, name in enumerate(classes)}
    key, half = written(tmp_path / "weights.csv", weights), "train.steps=10"
    driver.train(config, tmp_path / "whole", key)
    driver.train(config, tmp_path / "run", key, half)
    other = written(tmp_path / "edited.csv", {**weights, next(iter(weights)): 5})
    for change in (other, "episode.sampling_weights="):
        said = driver.train(config, tmp_path / "run", change, "--resume", ranks=2, code=USER_ERROR).stderr
        assert "sampling_weights is not the file that the run was trained by" in said
    moved = shutil.move(tmp_path / "weights.csv", tmp_path / "moved.csv")
    assert "weights.csv" in driver.train(config, tmp_path / "run", key, "--resume", code=USER_ERROR).stderr
    driver.train(config, tmp_path / "run", f"episode.sampling_weights={moved}", "--resume", ranks=2)
    sums = [driver.inspect(tmp_path / run)["parameters_sha256"] for run in ("whole", "run")]
    assert sums[0] == sums[1]
    driver.train(config, tmp_path / "alike")
    assert driver.inspect(tmp_path / "alike")["parameters_sha256"] != sums[0]
    said = driver.train(config, tmp_path / "alike", f"episode.sampling_weights={moved}", "train.steps=30", "--resume",
                        code=USER_ERROR).stderr
    assert "sampling_weights is not the file" in said


def test_they_are_for_training_alone(config, classes, tmp_path):
    """Without the file a run is evaluated and used, on the episodes of any other."""
    few = {name: int(number < 3) for number, name in enumerate(classes)}
    key = written(tmp_path / "weights.csv", few)
    driver.train(config, tmp_path / "run", key)
    (tmp_path / "weights.csv").unlink()
    driver.train(config, tmp_path / "other", "train.steps=1", "train.validate_every=0")
    for split in ("test", "validation", "train"):
        told = [cuttle_json("eval", tmp_path / "run", "--split", split, *words)
                for words in ((), ("episode.sampling_weights=",))]
        assert told[0] == told[1]
    cuttle("compare", tmp_path / "run", tmp_path / "other")
    cuttle("map", tmp_path / "run", "--tasks", "9", "--held-out", "5")


def test_what_is_wrong_with_them_is_told_before_training(config, classes, tmp_path):
    for change, words in (({"class 999": 1}, "'class 999' is no class of split train did you mean"),
                          ({next(iter(classes)): "nan"}, "'nan' give a number, 0 (never) or more"),
                          ({name: 0 for name in list(classes)[2:]}, "2 classes they need 3 (8 of weight 0)")):
        key = written(tmp_path / "weights.csv", {**{name: 1 for name in classes}, **change})
        for said in (driver.train(config, tmp_path / "run", key, code=USER_ERROR).stderr,
                     cuttle("validate", config, key, code=USER_ERROR).stderr):
            assert not [word for word in words.split() if word not in said], said


def test_weights_towards_a_task_are_of_all_classes_and_the_nearest_first(trained, classes, tmp_path):
    (name, (shard, samples)), (second, (other, more)) = list(classes.items())[:2]
    for number, (path, chosen) in enumerate(((shard, samples[:2]), (other, more[:2]))):
        part_of(path, chosen, tmp_path / f"{number}.h5")
    words = ("map", trained, "--toward", tmp_path / "0.h5", "--toward", tmp_path / "1.h5", "--out",
             tmp_path / "weights.csv")
    told = cuttle_json(*words, "--temperature", "0.01")
    content = (tmp_path / "weights.csv").read_bytes()
    rows = read(tmp_path / "weights.csv")
    assert {row[0] for row in rows} == set(classes) and told["classes"] == len(rows) == 10
    assert [row[1] for row in rows] == sorted((row[1] for row in rows), reverse=True)
    assert math.isclose(sum(row[1] for row in rows), 10, rel_tol=1e-4) and rows[-1][1] >= 0.1
    assert {row[0] for row in rows[:2]} == {name, second}
    assert [row["class"] for row in told["nearest"]] == [row[0] for row in rows[:5]]
    shares = [row[1] / 10 for row in rows]
    entropy = -sum(share * math.log(share) for share in shares)
    assert math.isclose(told["effective_classes"], math.exp(entropy), rel_tol=1e-3)
    said = cuttle(*words, "--temperature", "0.01")
    assert content == (tmp_path / "weights.csv").read_bytes() and "effective_classes" in said.stdout
    assert f"episode.sampling_weights={tmp_path / 'weights.csv'}" in said.stderr
    assert not (trained / "known_tasks.safetensors").exists()
    wide = cuttle_json(*words, "--temperature", "100", "--floor", "0.5")
    assert wide["effective_classes"] > 9.99 > told["effective_classes"]
    assert "the work of one process" in cuttle(*words, ranks=2, code=USER_ERROR).stderr


def test_functions_are_weighed_towards_samples_with_values(tmp_path):
    sets = part_data.make(tmp_path)
    path = driver.write_config(tmp_path / "c.yaml", "", json.dumps(part_cases.config_of("values_r2d2", sets)))
    driver.train(path, tmp_path / "run", "train.steps=2")
    words = ("map", tmp_path / "run", "--toward", sets["values"]["use"], "--out", tmp_path / "weights.csv")
    assert cuttle_json(*words)["classes"] == len(read(tmp_path / "weights.csv")) == 5
    driver.train(path, tmp_path / "on", f"episode.sampling_weights={tmp_path}/weights.csv", "train.steps=2")
    other = ("map", tmp_path / "run", "--toward", sets["users"]["use"], "--out", tmp_path / "other.csv")
    assert "0 target values where the model predicts 2" in cuttle(*other, code=USER_ERROR).stderr


def test_a_run_goes_on_towards_a_task(config, trained, classes, tmp_path):
    shard, samples = next(iter(classes.values()))
    part_of(shard, samples[:1], tmp_path / "one.h5")
    cuttle("map", trained, "--toward", tmp_path / "one.h5", "--out", tmp_path / "weights.csv")
    words = (f"episode.sampling_weights={tmp_path}/weights.csv", f"train.init_from={trained}", "train.steps=4")
    driver.train(config, tmp_path / "run", *words)
    driver.train(config, tmp_path / "three", *words, ranks=3)
    told = [driver.inspect(tmp_path / run)["parameters_sha256"] for run in ("run", "three")]
    assert told[0] == told[1] != driver.inspect(trained)["parameters_sha256"]
