"""`validate` says what would keep `train` from starting, all at once, and writes nothing."""

import json
import shutil

import driver
import part_cases
import pytest
from driver import USER_ERROR, cuttle


def problems(config, *words):
    """The lines of its answer, after the first."""
    said = cuttle("validate", config, *words, code=USER_ERROR).stderr
    assert said.count(" error: ") == 1 and "its keys are fine, but training would not start:" in said
    return said.splitlines()[1:]


@pytest.fixture(scope="module")
def damaged(shards, tmp_path_factory):
    """A good shard and two that were cut."""
    folder = shutil.copytree(shards, tmp_path_factory.mktemp("damaged") / "shards")
    for path in sorted(folder.glob("*.h5")):
        shutil.copy(path, folder / f"cut-{path.name}")
        (folder / f"cut-{path.name}").write_bytes(path.read_bytes()[:1000])
    return folder


def test_all_that_is_wrong_is_said_at_once(config, damaged, tmp_path):
    said = problems(config, f"data.shards=[{damaged}/*.h5]", f"data.test_shards=[{tmp_path}/x.h5,{tmp_path}/y.h5]",
                    "sinks.more.type=jsonl", f"train.init_from={tmp_path}/gone")
    assert len(said) == 5
    assert sum("cut-" in line for line in said) == 2
    assert any(line.startswith("data.test_shards: no shard matches") and "y.h5" in line for line in said)
    assert any("sinks.more" in line for line in said) and any("gone: there is no such folder" in line for line in said)


@pytest.mark.parametrize("words, said", [
    (["model.encoders.image.type=char_conv", "model.encoders.text.type=conv4", "model.encoders.audio.width=8",
      "evaluation.way=4", "model.lite=2", "sinks.more.type=jsonl"],
     ["model.encoders.image.type", "model.encoders.text.type", "model.encoders.audio", "evaluation.way", "model.lite",
      "sinks.records"]),
    (["objectives.a.type=generative", "objectives.a.where=inner", "objectives.b.type=temporal", "objectives.b.one=x",
      "episode.way=11", "adapt.algorithm=rl2"],
     ["objective.a", "objective.b", "split train has", "adapt.algorithm"]),
    (["data.shards=[nowhere/*.h5]", "episode.source=sinusoids", "episode.way_min=2", "episode.groups=apart"],
     ["data.shards", "episode.target", "episode.way_min", "episode.groups"]),
])
def test_what_is_wrong_with_one_part_hides_no_other(words, said, config):
    lines = problems(config, *words)
    assert all(any(line.startswith(key) for line in lines) for key in said), lines


def test_what_changes_nothing_is_warned_of(config):
    smote = ("objectives.rare.type=smote", )
    assert "objectives.rare: smote is about classes that have fewer" in cuttle("validate", config, *smote).stderr
    uneven = ("episode.uneven=true", "episode.shot=2", "episode.shot_min=1")
    assert "smote" not in cuttle("validate", config, *smote, *uneven).stderr
    hidden = ("data.missing_splits=[train]", "data.missing_seed=3")
    said = cuttle("validate", config, *hidden).stderr
    assert "data.missing_splits: has no effect" in said and "data.missing_seed: has no effect" in said
    assert "has no effect" not in cuttle("validate", config, *hidden, "data.missing=[text=0.5]").stderr


# Each is refused by both in the same words.
@pytest.mark.parametrize("words, said", [
    (["data.shards=[nowhere/*.h5]"], "no shard matches 'nowhere/*.h5'"),
    (["data.modalities=[image,smell]"], "no modality 'smell'"),
    (["model.encoders.audio.width=8"], "model.encoders.audio"),
    (["model.encoders.image.type=conv5"], "conv5"),
    (["model.encoders.image.depth=9"], "model.encoders.image.depth"),
    (["episode.way=6"], "split validation has 5 classes"),
    (["episode.way=11"], "split train has 10 classes"),
    (["episode.shot=7"], "the largest has"),
    (["episode.target=value", "episode.way=1"], "the shards hold no targets"),
    (["evaluation.way=4"], "evaluation.way: is 4"),
    (["model.encoders.text.frozen_from=nowhere"], "nowhere: there is no such folder"),
    (["device=cuda"], "no GPU can be used here"),
    (["model.fusion=tensor", "model.tensor_width=4000"], "model.tensor_width: the outer product of"),
    (["model.fusion=film", "model.film_by=smell"], "model.film_by: the model has no sense smell"),
])
def test_it_refuses_what_train_refuses(words, said, config, tmp_path):
    assert said in cuttle("validate", config, *words, code=USER_ERROR).stderr
    assert said in driver.train(config, tmp_path / "run", *words, code=USER_ERROR).stderr


def test_votes_and_products_are_of_classes(tmp_path):
    config = driver.write_config(tmp_path / "config.yaml", "", json.dumps(part_cases.config_of("sinusoids", {})))
    for by in ("vote", "product"):
        (said, ) = problems(config, "model.fusion=late", f"model.late_by={by}")
        assert "model.fusion: what senses say is put together as probabilities of classes" in said
    cuttle("validate", config, "model.fusion=late", "model.late_by=mean")


def test_what_trains_is_fine_and_nothing_is_written(config, trained, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for words in ([], [f"train.init_from={trained}"], ["episode.way=6", "train.validate_every=0"]):
        assert cuttle("validate", config, *words).stdout == f"{config} is fine\n"
    assert not list(tmp_path.iterdir())
