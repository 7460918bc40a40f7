"""From shards to a training run in two commands: what `cuttle suggest` prints trains, whatever the data, or it says why
nothing can be trained."""

import numpy as np
import pytest

import driver
import hand_shard
import part_data
from driver import cuttle

SHORT = ("train.minutes=0", "train.steps=2", "train.validation_episodes=5", "sinks.console.every_s=1000")


def suggested(shards, tmp_path):
    """({key: its text}, the whole text); it must validate, train two steps and be evaluated as it says."""
    text = cuttle("suggest", *([shards] if isinstance(shards, str) else shards)).stdout
    path = tmp_path / "my.yaml"
    path.write_text(text, encoding="utf-8")
    cuttle("validate", path)
    validated = () if "validate_every: 0" in text else ("train.validate_every=2", )
    driver.train(path, tmp_path / "run", *SHORT, *validated)
    assert driver.inspect(tmp_path / "run")["complete"]
    split = text.partition("eval RUN --split ")[2].replace(",", " ").split()
    cuttle("eval", tmp_path / "run", "--episodes", "2", "--split", split[0] if split else "test")
    return keys_of(text), text


def keys_of(text):
    """{"train.minutes": "10"} of the lines of a config."""
    path, found = [], {}
    for line in text.splitlines():
        words = line.split("  # ")[0] if not line.startswith("#") else ""
        key, _, value = words.strip().partition(":")
        path = path[:(len(words) - len(words.lstrip())) // 2] + [key]
        if value:
            found[".".join(path)] = value.strip()
    return found


def episode_of(config):
    return "{}-way {}-shot {}".format(*(config[f"episode.{key}"] for key in ("way", "shot", "query")))


def test_all_senses_with_holes(shards, tmp_path):
    config, text = suggested(str(shards), tmp_path)  # a folder
    assert config["data.shards"] == f"['{shards}/*.h5']" and config["data.in_memory"] == "true"
    encoders = {"image": "conv4", "text": "char_conv", "audio": "mel_conv", "series": "series_conv", "vector": "mlp"}
    for name, encoder in encoders.items():
        assert config[f"model.encoders.{name}"].startswith(f"{{type: {encoder},")
    assert config["model.fusion"] == "late" and config["model.modality_dropout"] == "0.2"
    assert config["adapt.algorithm"] == "protonet" and config["adapt.part_loss"] == "1.0"
    assert "part_loss: 1.0  # every sense also learns to answer alone; 0.0 with another fusion than late" in text
    path = tmp_path / "my.yaml"
    for words in (["model.fusion=gated", "adapt.part_loss=0"], ["adapt.algorithm=anil"], ["adapt.algorithm=r2d2"]):
        cuttle("validate", path, *words)
    # Ten training classes of eight samples, five for validation, five for testing.
    assert episode_of(config) == "5-way 1-shot 5"
    assert config["evaluation.way"] == "5" and config["train.validate_every"] == "100"
    choices = [line for line in text.splitlines() if ": " in line and not line.startswith(("#", "name"))]
    assert all("  # " in line for line in choices), choices  # each with its reason
    assert "# audio: audio at " in text and "missing in " in text


def test_pictures_alone(tmp_path):
    senses = [part_data.Modality("photo", "image", (24, 32, 3), mean=(0.5, ) * 3, stddev=(0.2, ) * 3)]
    splits = ["train"] * 44 + ["validation"] * 4 + ["test"] * 6
    shard = part_data.write(tmp_path / "photos.h5", splits, senses, count=12)
    config, _ = suggested([shard], tmp_path)
    assert config["model.encoders.photo"] == "{type: conv4, width: 32, depth: 4, norm: layer}"
    assert "model.fusion" not in config and "model.modality_dropout" not in config
    assert episode_of(config) == "20-way 5-shot 5" and config["evaluation.way"] == "4"  # as many as validation has
    assert config["episode.groups"] == "apart"  # each class has two


def test_texts_without_a_validation_split(tmp_path):
    senses = [part_data.Modality("words", "text")]
    shard = part_data.write(tmp_path / "texts.h5", ["train"] * 6, senses, count=3)
    config, text = suggested([shard], tmp_path)
    assert config["train.validate_every"] == "0" and "no class is for validation" in text
    assert config["model.encoders.words"] == "{type: char_conv, width: 64, depth: 2, norm: none}"
    assert config["adapt.algorithm"] == "r2d2" and episode_of(config) == "5-way 1-shot 2"
    assert "# no class is for testing: eval RUN --split all (it was trained on these)" in text


def test_values_of_patients(tmp_path):
    data = part_data.make(tmp_path)["values"]["shards"]
    config, _ = suggested([data], tmp_path)
    assert config["episode.target"] == "value" and config["episode.units"] == "training"
    assert episode_of(config) == "1-way 3-shot 3"
    assert config["adapt.algorithm"] == "r2d2" and config["model.fusion"] == "concat"
    assert "evaluation.way" not in config


@pytest.mark.parametrize("name, target, more", [
    ("labels", "labels", {}), ("ratings", "ordinal", {"episode.levels": "5"}),
    ("relevances", "ordinal", {"episode.levels": "3", "episode.lowest": "0"})])
def test_what_targets_are_is_seen_by_their_numbers(name, target, more, tmp_path):
    config, text = suggested(part_data.make(tmp_path)[name]["shards"], tmp_path)
    assert config["episode.target"] == target and {key: config.get(key) for key in more} == more
    assert ("0 or 1" if target == "labels" else "scale of") in text


def test_half_stars_are_levels_too(tmp_path):
    stars = part_data.write(tmp_path / "stars.h5", part_data.SPLITS, [part_data.vector("x", 3)], ("stars", ), count=6,
                            of=(0.5, 1, 1.5, 2, 3, 4.5, 5))
    config, _ = suggested(str(stars), tmp_path)
    assert (config["episode.levels"], config["episode.lowest"], config["episode.spacing"]) == ("10", "0.5", "0.5")


def test_two_classes_are_said_to_be_few(tmp_path):
    hand_shard.write(tmp_path / "two.h5", np.eye(8, 3), [0, 0, 0, 0, 1, 1, 1, 1], [0] * 8)
    config, text = suggested([tmp_path / "two.h5"], tmp_path)
    assert config["episode.way"] == "2" and "every task has the same classes" in text
    assert "  encoders:\n" in text  # of numbers: there is no norm to speak of


def test_one_class_for_testing_is_no_task_and_small_ones_are_asked_for_what_they_have(tmp_path):
    classes = [c for c in range(12) for _ in range(8)]
    splits = [0 if c < 8 else 1 if c < 11 else 2 for c in classes]
    hand_shard.write(tmp_path / "one.h5", np.random.default_rng(1).normal(size=(96, 3)), classes, splits)
    text = suggested([tmp_path / "one.h5"], tmp_path)[1]
    assert "# 1 class is for testing, and a task needs 2: eval RUN --split validation, or --shards of other" in text
    classes = [c for c in range(12) for _ in range(8 if c < 10 else 4)]
    splits = [0 if c < 8 else 1 if c < 10 else 2 for c in classes]
    hand_shard.write(tmp_path / "few.h5", np.random.default_rng(1).normal(size=(88, 3)), classes, splits)
    (tmp_path / "few").mkdir()
    config, text = suggested([tmp_path / "few.h5"], tmp_path / "few")
    assert episode_of(config) == "5-way 1-shot 3" and "eval RUN" not in text


def test_classes_of_unequal_sizes_leave_small_ones_out_and_say_so(tmp_path):
    classes = [c for c in range(10) for _ in range(2 if c == 0 else 7)]
    path = tmp_path / "uneven.h5"
    hand_shard.write(path, np.random.default_rng(1).normal(size=(len(classes), 3)), classes, [0] * len(classes))
    config, text = suggested([path], tmp_path)
    assert episode_of(config) == "5-way 1-shot 5"
    assert "1 of 10 training classes have fewer than 6 samples" in text


def test_a_long_recording_among_short_ones_is_cut(tmp_path):
    senses = [part_data.Modality("heard", "series", (2, ), mean=(0.0, 0.0), stddev=(1.0, 1.0))]
    shard = part_data.write(tmp_path / "long.h5", ["train"] * 6, senses, count=12, long=400)
    config, text = suggested([shard], tmp_path)
    assert "max_length: 11}" in config["model.encoders.heard"] and "longest seen 400" in text


@pytest.mark.parametrize("classes, splits, says", [
    ([0, 0, 1, 1], [1, 1, 2, 2], "no class is in the split train (validation has 1, test 1"),
    ([0, 0, 1, 1], [0, 0, 2, 2], "one class alone is in the split train"),
    ([0, 1, 2, 2], [0, 0, 0, 0], "1 of 3 training classes have two samples or more"),
])
def test_why_nothing_can_be_trained(classes, splits, says, tmp_path):
    hand_shard.write(tmp_path / "x.h5", np.eye(4, 3), classes, splits)
    told = cuttle("suggest", tmp_path / "x.h5", code=driver.USER_ERROR)
    assert says in told.stderr and told.stdout == ""
    assert "again with" in told.stderr or "gather more samples" in told.stderr


def test_samples_without_classes_and_files_that_are_not_there(shards, tmp_path):
    hand_shard.write(tmp_path / "x.h5", np.eye(4, 3), [0, 0, 1, 1], [0] * 4)
    assert "no shard matches" in cuttle("suggest", tmp_path / "none.h5", code=driver.USER_ERROR).stderr
    (tmp_path / "empty").mkdir()
    assert cuttle("suggest", tmp_path / "empty", code=driver.USER_ERROR).stdout == ""
    odd = tmp_path / "it's [1]"
    odd.mkdir()
    (tmp_path / "x.h5").rename(odd / "x.h5")
    suggested([odd / "x.h5"], tmp_path)
