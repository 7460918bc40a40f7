"""Encoders that another run trained: used as they are, never trained, and the same bits whatever happens to the run."""

import json

import driver
import pytest
from safetensors.numpy import load_file

TRANSFORMER = "{type: transformer, width: 8, depth: 1}"
SENSES = ("model.encoders={image: {type: conv4, width: 8, depth: 2}, text: {type: transformer, width: 8, depth: 1, "
          "frozen_from: FROM}}")


@pytest.fixture(scope="module")
def text_run(config, tmp_path_factory):
    """A transformer that saw texts alone."""
    folder = tmp_path_factory.mktemp("text") / "run"
    alone = driver.one_sense_config(folder.with_suffix(".yaml"), config, "text", TRANSFORMER)
    driver.train(alone, folder)
    return folder


@pytest.fixture(scope="module")
def frozen(config, text_run, tmp_path_factory):
    """A run with that encoder beside one for images, on one rank."""
    folder = tmp_path_factory.mktemp("frozen") / "run"
    driver.train(config, folder, SENSES.replace("FROM", str(text_run)), "step.weight_decay=0.1")
    return folder


def parameters_of(run, best=False):
    told = driver.cuttle_json("eval", run, "--episodes", "1") if best else {}
    return load_file(f"{told.get('checkpoint') or driver.inspect(run)['last_checkpoint']}/parameters.safetensors")


def test_the_encoder_is_the_other_runs_best_and_stays(text_run, frozen):
    theirs, ours = parameters_of(text_run, best=True), parameters_of(frozen)
    kept = [name for name in ours if name.startswith("encoder.text.")]
    assert kept and all((ours[name] == theirs[name]).all() for name in kept)
    assert driver.inspect(frozen)["facts"]["frozen_encoders"] == "text once a sample"


def test_the_rest_learns(config, frozen, text_run, tmp_path):
    driver.train(config, tmp_path / "run", SENSES.replace("FROM", str(text_run)), "train.steps=1")
    first, last = parameters_of(tmp_path / "run"), parameters_of(frozen)
    for name in last:
        if name.endswith("conv.bias"):
            continue  # the norm cancels it, but where the support lacks the sense
        assert (first[name] == last[name]).all() == name.startswith("encoder.text."), name


@pytest.mark.parametrize("ranks", [2, 3])
def test_every_world_size_computes_the_same(ranks, config, text_run, frozen, tmp_path):
    driver.train(config, tmp_path / "run", SENSES.replace("FROM", str(text_run)), "step.weight_decay=0.1", ranks=ranks)
    assert driver.inspect(tmp_path / "run")["parameters_sha256"] == driver.inspect(frozen)["parameters_sha256"]
    assert (tmp_path / "run/metrics.jsonl").read_bytes() == (frozen / "metrics.jsonl").read_bytes()


def test_a_resumed_run_needs_the_other_no_more(config, text_run, frozen, tmp_path):
    words = [SENSES.replace("FROM", str(tmp_path / "text")), "step.weight_decay=0.1"]
    (tmp_path / "text").symlink_to(text_run)
    driver.train(config, tmp_path / "run", *words, "train.steps=10")
    (tmp_path / "text").unlink()
    driver.train(config, tmp_path / "run", *words, "--resume", ranks=2)
    assert driver.inspect(tmp_path / "run")["parameters_sha256"] == driver.inspect(frozen)["parameters_sha256"]


def test_adapted_models_stand_alone(frozen, shards, tmp_path):
    shard = next(shards.glob("*.h5"))
    driver.cuttle("adapt", frozen, "--support", shard, "--out", tmp_path / "adapted", "episode.way=15",
                  code=driver.USER_ERROR)  # the head has three rows
    small = driver.make_shards(tmp_path / "small", "--classes", "3", "--splits", "1,0,0", "--shards", "1")
    (shard, ) = small.glob("*.h5")
    driver.cuttle("adapt", frozen, "--support", shard, "--out", tmp_path / "adapted", "--calibrate", "0")
    lines = driver.cuttle("predict", tmp_path / "adapted", shard, "--json").stdout.splitlines()
    assert len([json.loads(line)["class"] for line in lines]) == 24


@pytest.mark.parametrize("change, said", [
    ("model.encoders.text.frozen_from=nowhere", "nowhere: there is no such folder"),
    ("model.encoders.text.width=16", "another shape than the model's"),
    ("model.encoders.text.type=char_conv", "there is no parameter 'encoder.text.table.weight'"),
])
def test_an_encoder_that_does_not_fit(change, said, config, text_run, tmp_path):
    result = driver.train(config, tmp_path / "run", SENSES.replace("FROM", str(text_run)), change, ranks=2,
                          code=driver.USER_ERROR)
    assert said in result.stderr


def test_a_run_without_the_sense(config, tmp_path):
    image = tmp_path / "image"
    driver.train(driver.one_sense_config(tmp_path / "image.yaml", config, "image"), image, "train.steps=1")
    result = driver.train(config, tmp_path / "run", SENSES.replace("FROM", str(image)), ranks=2, code=driver.USER_ERROR)
    assert "has no encoder of that modality; give a run that was trained on it" in result.stderr


def test_nothing_left_to_learn(config, text_run, tmp_path):
    frozen = driver.one_sense_config(tmp_path / "run.yaml", config, "text",
                                     TRANSFORMER.replace("}", f", frozen_from: {text_run}}}"))
    result = driver.train(frozen, tmp_path / "run", "adapt.algorithm=protonet", "model.missing=zeros",
                          code=driver.USER_ERROR)
    assert "nothing is left to learn" in result.stderr
