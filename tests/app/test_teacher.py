"""Self-distillation: a run that learns from another's answers, and needs its folder no more once it has begun."""

import driver
import interruption
import pytest
from safetensors.numpy import load_file

CONFIG = """
name: generations
data: {shards: [SHARDS/*.h5], modalities: [image, text]}
episode: {source: minibatches, batch: 8, way: 3, shot: 1, query: 2, meta_batch_size: 5}
model:
  encoders:
    image: {type: conv4, width: 8, depth: 2, norm: running}
    text: {type: char_conv, width: 8, depth: 2}
adapt: {algorithm: pretrain, transform: unit, finetune_steps: 5}
step: {outer_lr: 0.01}
train: {steps: 12, validate_every: 6, validation_episodes: 7, checkpoint_every: 3}
evaluation: {episodes: 20}
"""
COPY = "learner.teacher."


@pytest.fixture(scope="module", name="first")
def first_generation(shards, tmp_path_factory):
    """Its config, and its run."""
    folder = tmp_path_factory.mktemp("first")
    config = driver.write_config(folder / "config.yaml", shards, CONFIG)
    driver.train(config, folder / "run")
    return config, folder / "run"


@pytest.fixture(scope="module", name="second")
def second_generation(first, tmp_path_factory):
    folder = tmp_path_factory.mktemp("second") / "run"
    driver.train(first[0], folder, f"adapt.teacher={first[1]}", "seed=2")
    return folder


def parameters_of(run, best=False):
    folder = driver.cuttle_json("eval", run, "--episodes", "1")["checkpoint"] if best else None
    return load_file(f"{folder or driver.inspect(run)['last_checkpoint']}/parameters.safetensors")


def test_the_teacher_is_the_other_runs_best_and_stays(first, second):
    theirs, ours = parameters_of(first[1], best=True), parameters_of(second)
    copies = {name[len(COPY):]: value for name, value in ours.items() if name.startswith(COPY)}
    assert copies.keys() == theirs.keys() and any(name.endswith("running_mean") for name in copies)
    assert all((copies[name] == theirs[name]).all() for name in theirs)


def test_it_is_learned_from(first, second, tmp_path):
    driver.train(first[0], tmp_path / "alone", "seed=2")
    alone, taught = parameters_of(tmp_path / "alone"), parameters_of(second)
    assert (alone["learner.weight"] != taught["learner.weight"]).any()


@pytest.mark.parametrize("ranks", [2, 3])
def test_every_world_size_computes_the_same(ranks, first, second, tmp_path):
    driver.train(first[0], tmp_path / "run", f"adapt.teacher={first[1]}", "seed=2", ranks=ranks)
    assert interruption.outcome(tmp_path / "run") == interruption.outcome(second)


def test_only_its_begin_needs_the_other_run(first, second, shards, tmp_path):
    words = [f"adapt.teacher={tmp_path / 'teacher'}", "seed=2"]
    (tmp_path / "teacher").symlink_to(first[1])
    run = tmp_path / "run"
    driver.train(first[0], run, *words, "train.steps=6")
    (tmp_path / "teacher").unlink()
    driver.cuttle("train", run, "--resume", "train.steps=12", ranks=2)
    assert driver.inspect(run)["parameters_sha256"] == driver.inspect(second)["parameters_sha256"]
    told, usual = (driver.cuttle_json("eval", folder) for folder in (run, second))
    assert told["accuracy"] == usual["accuracy"]
    small = driver.make_shards(tmp_path / "small", "--classes", "3", "--splits", "0,0,1", "--shards", "1")
    (shard, ) = small.glob("*.h5")
    driver.cuttle("adapt", run, "--support", shard, "--out", tmp_path / "adapted", "--calibrate", "0")
    assert driver.cuttle("predict", tmp_path / "adapted", shard, "--json").stdout


def test_kills_change_nothing(first, tmp_path):
    words = [f"adapt.teacher={first[1]}", "seed=2", *interruption.busy(steps=40)]
    gold = interruption.gold(first[0], tmp_path / "gold", words)
    interruption.kill_and_resume(first[0], tmp_path / "run", words, kills=3, seed=1)
    assert interruption.outcome(tmp_path / "run") == gold


def test_a_third_generation(first, second, tmp_path):
    driver.train(first[0], tmp_path / "run", f"adapt.teacher={second}", "train.steps=2")
    ours, theirs = parameters_of(tmp_path / "run"), parameters_of(second, best=True)
    assert (ours[f"{COPY}learner.weight"] == theirs["learner.weight"]).all()
    assert not any(name.startswith(COPY * 2) for name in ours)


@pytest.mark.parametrize("change, said", [
    ("adapt.teacher=nowhere", "nowhere: there is no such folder"),
    ("model.encoders.image.width=4", "model.encoders.image.width was 8 there and is 4 here"),
    ("model.encoders.image.norm=group", "model.encoders.image.norm was running there and is group here"),
    ("model.fusion=late", "model.fusion was concat there and is late here"),
    ("adapt.classifier=cosine", "adapt.classifier was linear there and is cosine here"),
    ("data.shards=[OTHER/*.h5]", "was trained on other data than this run"),
])
def test_a_teacher_that_does_not_fit(change, said, first, tmp_path):
    if "OTHER" in change:
        change = change.replace("OTHER", str(driver.make_shards(tmp_path / "other", "--name", "tiny", "--seed", "5")))
    words = [f"adapt.teacher={first[1]}", change]
    result = driver.train(first[0], tmp_path / "run", *words, ranks=2, code=driver.USER_ERROR)
    assert said in result.stderr
    told = driver.cuttle("validate", first[0], *words, code=driver.USER_ERROR)
    assert said in told.stderr + told.stdout


def test_a_teacher_with_other_senses(first, shards, tmp_path):
    alone = CONFIG.replace("[image, text]", "[image]").replace("    text: {type: char_conv, width: 8, depth: 2}\n", "")
    config = driver.write_config(tmp_path / "config.yaml", shards, alone)
    result = driver.train(config, tmp_path / "run", f"adapt.teacher={first[1]}", code=driver.USER_ERROR)
    assert "adapt.teacher" in result.stderr and "was trained on other" in result.stderr


def test_a_run_of_another_learner_is_no_teacher(first, config, trained, tmp_path):
    result = driver.train(first[0], tmp_path / "run", f"adapt.teacher={trained}", code=driver.USER_ERROR)
    assert "adapt.teacher" in result.stderr and "name another run" in result.stderr


def test_another_dropout_or_adaptation_is_no_other_model(first, tmp_path):
    driver.train(first[0], tmp_path / "run", f"adapt.teacher={first[1]}", "model.modality_dropout=0.3",
                 "adapt.adapt_by=centroid", "adapt.transform=centred_unit", "train.steps=1")
