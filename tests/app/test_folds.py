"""k-fold validation over classes: the same bits at every world size and after kills, statistics without a leak."""

import itertools
import json
import os
import shutil
import signal
import subprocess
import time

import driver
import hand_shard
import numpy as np
import part_data
import pytest
from driver import USER_ERROR, cuttle
from part_cases import config_of

HAND = """
data: {shards: [SHARDS/*.h5]}
episode: {way: 2, shot: 1, query: 1, meta_batch_size: 1}
model: {encoders: {vector: {type: mlp, width: 4, depth: 1}}}
adapt: {algorithm: protonet}
train: {steps: 1, validate_every: 1, validation_episodes: 2}
"""
QUICK = ("train.steps=6", "train.validate_every=3", "train.checkpoint_every=2", "train.validation_episodes=5")


def outcome(run):
    """folds.json, and what the checkpoints of each fold's run hold."""
    return (run / "folds.json").read_text(encoding="utf-8"), [
        driver.inspect(run / f"fold-{fold}")["parameters_sha256"] for fold in (1, 2, 3)]


@pytest.fixture(scope="module")
def folds(config, tmp_path_factory):
    run = tmp_path_factory.mktemp("folds") / "run"
    said = driver.train(config, run, *QUICK, "--folds", 3).stderr
    assert "3 folds of classes: best validation accuracy" in said and "no checkpoint yet" not in said
    return run


def test_each_fold_is_a_run_and_all_are_told_together(folds):
    told = driver.inspect(folds)
    assert told["folds"] == 3 and told["complete"]
    assert [run["state"] for run in told["runs"]] == ["done"] * 3
    scores = [entry["accuracy"] for entry in told["done"]]
    assert told["accuracy"] == pytest.approx(np.mean(scores))
    assert told["ci95"] == pytest.approx(4.302652729749464 * np.std(scores, ddof=1) / 3**0.5)
    for fold, entry in enumerate(told["done"], 1):
        run = folds / f"fold-{fold}"
        validations = [record["accuracy"] for record in driver.metrics(run, "validation")]
        assert entry["fold"] == fold and entry["accuracy"] == pytest.approx(max(validations))
        assert entry["parameters_sha256"] == driver.inspect(run)["parameters_sha256"]
        driver.cuttle_json("eval", run, "--episodes", 5)
    assert len({entry["parameters_sha256"] for entry in told["done"]}) == 3
    assert "accuracy:" in cuttle("inspect", folds).stdout


@pytest.mark.parametrize("ranks", [2, 3])
def test_the_same_at_every_world_size(ranks, config, folds, tmp_path):
    driver.train(config, tmp_path / "run", *QUICK, "--folds", 3, ranks=ranks)
    assert outcome(tmp_path / "run") == outcome(folds)


def test_killed_and_gone_on_with(config, folds, tmp_path):
    run = tmp_path / "run"
    words = driver.command("train", config, *QUICK, "--folds", 3, "--run-dir", run)
    with subprocess.Popen(words, env=driver.ENVIRONMENT, stderr=subprocess.DEVNULL) as running:
        second = run / "fold-2" / "metrics.jsonl"
        end = time.monotonic() + 120
        while not (second.exists() and second.read_text(encoding="utf-8").count("\n") >= 4):
            assert running.poll() is None and time.monotonic() < end
            time.sleep(0.001)
        os.kill(running.pid, signal.SIGKILL)
    told = driver.inspect(run)
    assert not told["complete"] and "--resume" in told["to_go_on"]["command"]
    assert [state["state"] for state in told["runs"]] == ["done", "died", "not begun"]
    first = driver.metrics(run / "fold-1")
    cuttle("train", run, "--resume", ranks=2)
    assert outcome(run) == outcome(folds)
    assert driver.metrics(run / "fold-1") == first  # not done again
    assert not driver.leftovers(run)


def test_a_stopped_run_of_folds_says_so(config, tmp_path):
    run = tmp_path / "run"
    words = driver.command("train", config, *QUICK, "train.steps=4000", "--folds", 2, "--run-dir", run)
    with subprocess.Popen(words, env=driver.ENVIRONMENT, stderr=subprocess.PIPE, text=True) as running:
        while not (run / "fold-1" / "metrics.jsonl").exists():
            time.sleep(0.01)
        running.send_signal(signal.SIGTERM)
        said = running.communicate(timeout=60)[1]
        assert running.returncode == driver.STOPPED_EARLY
    assert f"0 of 2 folds are done; cuttle train {run} --resume goes on" in said
    assert not (run / "fold-2").exists()


def test_what_all_folds_warn_of_is_said_once(config, tmp_path):
    idle = "data.missing_by: has no effect without data.missing"
    for words in (["validate", config], ["train", config, "--run-dir", tmp_path / "run", *QUICK]):
        assert cuttle(*words, "data.missing_by=class", "--folds", 3).stderr.count(idle) == 1
    assert idle in cuttle("validate", config, "data.missing_by=class").stderr


@pytest.mark.parametrize("fitted", [(), ("model.encoders.vector.fitted=[standardise]",)])
def test_statistics_are_of_the_classes_that_train(fitted, tmp_path):
    """Each class lies elsewhere, so a mean tells which of the eight classes it is of."""
    classes = np.repeat(np.arange(9), 4)
    vectors = 2.0**classes + np.tile([0.0, 0.25, 0.5, 0.75], 9)
    hand_shard.write(tmp_path / "hand-00000-of-00001.h5", vectors[:, None], classes, np.minimum(classes // 4, 2),
                     mean=[vectors[:16].mean()], stddev=[vectors[:16].std()])
    config = driver.write_config(tmp_path / "hand.yaml", tmp_path, HAND)
    driver.train(config, tmp_path / "run", *fitted, "--folds", 3)
    held = []
    for fold in (1, 2, 3):
        facts = next((tmp_path / "run" / f"fold-{fold}" / "checkpoints").glob("step-*/facts.json"))
        spec = json.loads(json.loads(facts.read_text(encoding="utf-8"))["modalities"])[0]
        mean = spec["fitted"][0]["numbers"]["shift"] if fitted else spec["mean"]
        trains = [some for size in (5, 6) for some in itertools.combinations(range(8), size)
                  if np.allclose(mean, vectors[np.isin(classes, some)].mean(), rtol=1e-6)]
        assert len(trains) == 1
        held += set(range(8)) - set(trains[0])
    assert sorted(held) == list(range(8))


def test_each_of_several_sources_is_dealt(tmp_path):
    """One of them draws inside persons."""
    config = config_of("mixture", part_data.make(tmp_path))
    path = driver.write_config(tmp_path / "mixture.yaml", "", json.dumps(config))
    driver.train(path, tmp_path / "run", "train.steps=2", "train.validate_every=2", "train.validation_episodes=4",
                 "--folds", 2)
    told = driver.inspect(tmp_path / "run")
    assert told["complete"] and len({entry["parameters_sha256"] for entry in told["done"]}) == 2


@pytest.mark.parametrize("words, said", [
    (["--folds", 1], "--folds"),
    (["--folds", 16], "data.fold: 16 folds of 15 training and validation classes"),
    (["--folds", 8], "split validation has 1 classes"),
    (["--folds", 3, "data.fold=1/3"], "data.fold: is 1/3, and --folds trains all of them"),
    (["--folds", 3, "train.validate_every=0"], "data.fold: is a fold that validates, and train.validate_every is 0"),
    (["--folds", 3, "data.validation_shards=[x.h5]"], "data.fold: does not go with validation_shards"),
    (["data.fold=4/3"], "data.fold: '4/3' is no fold"),
    (["data.fold=1/3", "data.validation_shards=[x.h5]"], "does not go with validation_shards"),
])
def test_what_cannot_be_is_refused_before_it_begins(words, said, config, tmp_path):
    run = tmp_path / "run"
    for command in (["validate", config], ["train", config, "--run-dir", run]):
        assert said in cuttle(*command, *words, code=USER_ERROR).stderr
    assert not (run / "folds.json").exists()


def test_careless_words(config, folds, trained, tmp_path):
    def refused(*words):
        return cuttle(*words, code=USER_ERROR).stderr

    assert "holds a run for each of several folds; name one, such as" in refused("eval", folds)
    assert "add --resume" in refused("train", config, *QUICK, "--folds", "3", "--run-dir", folds)
    assert "is a run of 3 folds, and --folds says 4" in refused("train", folds, "--resume", "--folds", "4")
    run = shutil.copytree(trained, tmp_path / "run")
    assert "holds a run without folds" in refused("train", config, "--folds", "3", "--run-dir", run, "--resume")
    damaged = shutil.copytree(folds, tmp_path / "damaged")
    (damaged / "folds.json").write_text("{", encoding="utf-8")
    assert "folds.json: cannot be read" in refused("train", damaged, "--resume")
    assert "cannot be read" in refused("inspect", damaged)
