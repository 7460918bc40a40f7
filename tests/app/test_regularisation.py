"""What keeps a model from learning its training samples by heart: dropout in training alone, L1 down to zero."""

import driver
import numpy as np
import pytest
from driver import USER_ERROR, cuttle, cuttle_json
from safetensors.numpy import load_file


@pytest.fixture(scope="module", name="config")
def tiny(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny")
    driver.make_shards(folder / "shards")
    return driver.write_config(folder / "config.yaml", folder / "shards")


def parameters(run):
    (file, ) = (run / "checkpoints").glob("*6/parameters.safetensors")
    return load_file(file)


def trained(config, run, *words):
    driver.train(config, run, "train.steps=6", "train.validate_every=0", "train.checkpoint_every=6", *words)
    return parameters(run)


@pytest.mark.parametrize("learner", ["maml", "protonet", "pretrain"])
def test_dropout_changes_training_and_no_evaluation(config, learner, tmp_path):
    words = [f"adapt.algorithm={learner}", *(["episode.source=minibatches"] if learner == "pretrain" else [])]
    plain = trained(config, tmp_path / "plain", *words)
    dropped = trained(config, tmp_path / "dropped", *words, "model.dropout=0.5")
    assert plain.keys() == dropped.keys()
    assert any((plain[name] != dropped[name]).any() for name in plain)
    told = [cuttle_json("eval", tmp_path / "dropped", "--last", "--episodes", 8, *words)
            for words in ([], ["model.dropout=0"])]
    assert told[0]["loss"] == told[1]["loss"]


def test_dropout_is_refused_where_nothing_would_drop(config, tmp_path):
    said = cuttle("validate", config, "episode.source=bandits", "episode.target=return", "adapt.algorithm=rl2",
                  "model.modality_dropout=0", "model.dropout=0.5", code=USER_ERROR).stderr
    assert "model.dropout: has no effect with bandits" in said
    assert "model.dropout" in driver.train(config, tmp_path / "run", "model.dropout=1", code=USER_ERROR).stderr


def test_l1_makes_parameters_zero(config, tmp_path):
    plain, sparse = trained(config, tmp_path / "plain"), trained(config, tmp_path / "sparse", "step.l1=2")
    weights = [name for name in plain if name.startswith("encoder.") and plain[name].ndim > 1]
    zeros = [np.mean(of[name] == 0) for of in (plain, sparse) for name in weights]
    half = len(weights)
    assert max(zeros[:half]) < 0.01 and min(zeros[half:]) > 0.02
    assert all(np.isfinite(sparse[name]).all() for name in sparse)
