"""Classifiers without training through the whole program: on raw features, as `cuttle-data floor` has them, and on what
other learners trained."""

import json
import subprocess
import sys

import driver
import pytest

SENSES = ("image", "text", "audio", "series", "vector", "graph")
HEADS = ("mean", "cosine", "mahalanobis", "ridge", "logistic", "svm", "cache")
CONFIG = """
name: floor
data: {shards: [SHARDS/*.h5], modalities: [image, text]}
episode: {way: 3, shot: 1, query: 2, meta_batch_size: 4}
model:
  fusion: late
  late_weights: equal
  encoders: {image: {type: raw}, text: {type: raw}}
adapt: {algorithm: floor, centre: none}
train: {steps: 6, validate_every: 3, validation_episodes: 10}
evaluation: {episodes: 60}
"""
RAW = [f"model.encoders.{sense}.type=raw" for sense in SENSES]


@pytest.fixture(scope="module", name="floor")
def floor_run(shards, tmp_path_factory):
    folder = tmp_path_factory.mktemp("floor")
    config = driver.write_config(folder / "config.yaml", shards, CONFIG)
    said = driver.train(config, folder / "run").stderr
    assert "floor has nothing to train here" in said and "done at step 0" in said and "validation accuracy" in said
    return config, folder / "run"


@pytest.fixture(scope="module", name="use")
def samples_to_use(tmp_path_factory):
    folder = driver.make_shards(tmp_path_factory.mktemp("use") / "use", "--classes", "3", "--splits", "0,0,1",
                                "--samples-per-class", "3", "--missing", "0.2", "--shards", "1")
    return next(folder.glob("*.h5"))


def accuracy(run, *words):
    return driver.cuttle_json("eval", run, *words)["accuracy"]


def test_a_run_without_parameters_is_complete_as_it_begins(floor, tmp_path):
    config, run = floor
    told = driver.inspect(run)
    assert told["complete"] and told["step"] == 0 and told["parameters"] == 0
    assert driver.metrics(run, "train") == [] and len(driver.metrics(run, "validation")) == 1
    assert "done at step 0" in driver.cuttle("train", run, "--resume", ranks=2).stderr
    driver.train(config, tmp_path / "two", "train.minutes=1", ranks=2)
    assert (tmp_path / "two/metrics.jsonl").read_bytes() == (run / "metrics.jsonl").read_bytes()
    driver.cuttle("bench", config, "--steps", "2", "--warmup", "1")


def test_where_nothing_can_be_learned_it_is_said(shards, tmp_path):
    text = CONFIG.replace(", text]", "]").replace(", text: {type: raw}", "").replace("equal", "learned")
    config = driver.write_config(tmp_path / "config.yaml", shards, text.replace("floor, centre: none", "protonet"))
    said = driver.train(config, tmp_path / "run", code=driver.USER_ERROR).stderr
    assert "no learned parameter has a part in the loss" in said


def test_every_head_is_better_than_chance_and_the_same_on_two_ranks(floor):
    _, run = floor
    for head in HEADS:
        words = ("eval", run, f"adapt.head={head}", "adapt.centre=support", "--json")
        alone = driver.cuttle(*words).stdout
        assert driver.cuttle(*words, ranks=2).stdout == alone
        told = json.loads(alone)
        assert told["accuracy"] > 0.45 and told["batch_norm"] == "inductive", head
        assert accuracy(run, f"adapt.head={head}", "evaluation.way=5", "evaluation.shot=3") > 0.3, head


def test_answers_are_each_samples_own(floor):
    _, run = floor
    assert accuracy(run, "--queries", "one") == accuracy(run)


def floor_of_the_tools(shards, *words):
    tool = [sys.executable, "-m", "cuttle_data", "floor", str(shards), "--json", *words]
    said = subprocess.run(tool, env={**driver.ENVIRONMENT, "PYTHONPATH": str(driver.ROOT / "data_tools")}, check=True,
                          capture_output=True, text=True)
    return {name: entry["accuracy"] for name, entry in json.loads(said.stdout)["results"].items()}


def test_raw_features_score_as_those_of_the_data_tools(floor, tmp_path):
    config, _ = floor
    driver.make_shards(tmp_path / "known", "--classes", "12", "--samples-per-class", "6", "--missing", "0",
                       "--nodes", "3")
    driver.make_shards(tmp_path / "new", "--classes", "10", "--splits", "0,0,1", "--samples-per-class", "6",
                       "--missing", "0", "--seed", "4", "--noise", "6",
                       "--nodes", "3")  # without a training split nothing is centred
    driver.train(config, tmp_path / "run", f"data.shards=[{tmp_path}/known/*.h5]", "data.modalities=[]", *RAW)
    protocol = ("evaluation.way=5", "evaluation.shot=2", "evaluation.query=2", "evaluation.seed=1", "--episodes", "100",
                "--shards", *sorted(str(path) for path in (tmp_path / "new").glob("*.h5")), "--split", "test")
    tools = floor_of_the_tools(tmp_path / "new", "--way", "5", "--shot", "2", "--query", "2", "--episodes", "100")
    ours = {sense: accuracy(tmp_path / "run", *protocol, "--modalities", sense) for sense in SENSES}
    ours["fused"] = accuracy(tmp_path / "run", *protocol)
    assert tools.keys() == ours.keys() and len(set(ours.values())) > 3
    for name, value in tools.items():
        assert abs(ours[name] - value) < 0.0015, (name, ours[name], value)  # one query of 1000


def test_the_centre_of_training_is_averaged_by_steps(floor, tmp_path):
    config, run = floor
    driver.train(config, tmp_path / "run", "adapt.centre=training")
    records = driver.metrics(tmp_path / "run", "train")
    assert len(records) == 6 and all(record["gradient_norm"] == 0 for record in records)
    assert driver.inspect(tmp_path / "run")["step"] == 6
    told = accuracy(tmp_path / "run")
    assert told != accuracy(run) and accuracy(tmp_path / "run", "adapt.centre=none") == accuracy(run)
    refused = driver.cuttle("eval", run, "adapt.centre=training", code=driver.USER_ERROR).stderr
    assert "takes parameters that" in refused and "learner.centre.0" in refused and "train.init_from=" in refused


def test_trained_encoders_are_judged_by_every_head(trained, config, tmp_path):
    """`trained`: by MAML, fused by concat, with a head."""
    said = driver.cuttle("eval", trained, "adapt.algorithm=floor", "--json")
    assert "left out: head.weight, head.bias" in said.stderr
    told = {json.loads(said.stdout)["loss"]}  # of cosine
    ways = [(f"adapt.head={head}", ) for head in HEADS] + [("model.fusion=late", "model.late_weights=equal")]
    for words in ways:
        entry = driver.cuttle_json("eval", trained, "adapt.algorithm=floor", *words)
        assert entry["accuracy"] > 0.6
        told.add(entry["loss"])
    assert len(told) == len(ways)
    # Larger than in training: nothing of floor's is made for a size.
    accuracy(trained, "adapt.algorithm=floor", "evaluation.way=4", "evaluation.shot=3")
    refused = driver.cuttle("eval", trained, "adapt.algorithm=r2d2", code=driver.USER_ERROR).stderr
    assert "adapt.algorithm: r2d2 takes parameters that" in refused and "learner.ridge" in refused
    # The same as a run of its own, whose encoder is not moved.
    words = ("adapt.algorithm=floor", f"train.init_from={trained}", "model.modality_dropout=0", "step.weight_decay=0.5")
    driver.train(config, tmp_path / "run", *words)
    assert driver.inspect(tmp_path / "run")["complete"]
    assert accuracy(tmp_path / "run") == accuracy(trained, "adapt.algorithm=floor")
    said = driver.train(config, tmp_path / "centred", *words, "adapt.centre=training", "train.steps=3", "--strict-init",
                        code=driver.USER_ERROR).stderr
    assert "learner (2)" in said
    driver.train(config, tmp_path / "centred", *words, "adapt.centre=training", "train.steps=3")
    assert accuracy(tmp_path / "centred", "adapt.centre=none") == accuracy(trained, "adapt.algorithm=floor",
                                                                          "adapt.centre=none")


@pytest.mark.parametrize("words", [
    ("model.head=cosine", "objectives.align.type=contrastive", "objectives.align.weight=0.3"),
    ("adapt.algorithm=pretrain", "episode.source=minibatches", "episode.batch=8"),
])
def test_whatever_they_were_trained_with(config, tmp_path, words):
    """A head, objectives, minibatches, a classifier of the training classes: none of them is in the way."""
    driver.train(config, tmp_path / "run", *words, "train.steps=2", "train.validate_every=0")
    assert accuracy(tmp_path / "run", "adapt.algorithm=floor", "evaluation.way=5") > 0.4


def test_a_new_encoder_is_told_of_beside_those_that_were_trained(trained, config, tmp_path):
    said = driver.train(config, tmp_path / "run", "adapt.algorithm=floor", f"train.init_from={trained}",
                        "model.encoders.text.type=transformer", "model.encoders.text.width=32").stderr
    assert "new here: encoder.text" in said


def test_adapted_files_answer(floor, trained, use, tmp_path):
    _, run = floor
    for number, words in enumerate([(run, "adapt.head=svm"), (trained, "adapt.algorithm=floor", "adapt.head=cache")]):
        out = tmp_path / str(number)
        driver.cuttle("adapt", *words, "--support", use, "--out", out, "--calibrate", "5")
        answers = [json.loads(line) for line in driver.cuttle("predict", out, use, "--json").stdout.splitlines()]
        known = [answer for answer in answers if answer["class"] is not None]
        assert len(known) >= 4 and all(0 < answer["probability"] <= 1 for answer in known)


@pytest.mark.parametrize("words, said", [
    (("model.encoders.text.side=8", ), "model.encoders.text.side: is about images"),
    (("adapt.shrinkage=0", ), "adapt.shrinkage: is 0"),
])
def test_what_does_not_fit_is_refused(floor, tmp_path, words, said):
    config, _ = floor
    assert said in driver.train(config, tmp_path / "run", *words, code=driver.USER_ERROR).stderr
