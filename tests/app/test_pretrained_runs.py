"""Runs on encoders with weights of others: what is kept of the file, and what is said where it is another or gone."""

import json
import shutil

import driver
import part_weights
import pytest
from safetensors.numpy import load_file, save_file

@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return part_weights.make(tmp_path_factory.mktemp("weights") / "files", 8000)


@pytest.fixture(scope="module", name="texts")
def texts_config(config, files, tmp_path_factory):
    """Texts through the small BERT."""
    return driver.one_sense_config(tmp_path_factory.mktemp("texts") / "texts.yaml", config, "text",
                                   f"{{type: bert, weights: {files / 'bert.safetensors'}}}")


@pytest.fixture(scope="module", name="held")
def held_run(texts, tmp_path_factory):
    folder = tmp_path_factory.mktemp("held") / "run"
    driver.train(texts, folder)
    return folder


def test_a_held_encoder_is_no_part_of_checkpoints(held):
    facts = driver.inspect(held)["facts"]
    assert facts["frozen_encoders"] == "text once a sample" and len(facts["encoder_weights"]) == len("text ") + 64
    kept = load_file(f"{driver.inspect(held)['last_checkpoint']}/parameters.safetensors")
    assert not [name for name in kept if name.startswith("encoder.")]


def test_what_learns_starts_from_the_file(texts, files, tmp_path):
    driver.train(texts, tmp_path / "run", "model.encoders.text.trained=1", "train.steps=1",
                 "step.outer_lr=1e-9")
    kept = load_file(f"{driver.inspect(tmp_path / 'run')['last_checkpoint']}/parameters.safetensors")
    given = load_file(files / "bert.safetensors")
    own = [name for name in kept if name.startswith("encoder.text.")]
    assert own and all(name.startswith("encoder.text.encoder.layer.1.") for name in own)
    assert all(abs(kept[name] - given[name.removeprefix("encoder.text.")]).max() < 1e-6 for name in own)


def test_answers_need_the_same_file(held, files, shards, tmp_path):
    small = driver.make_shards(tmp_path / "small", "--classes", "3", "--splits", "1,0,0", "--shards", "1")
    (shard, ) = small.glob("*.h5")
    driver.cuttle("adapt", held, "--support", shard, "--out", tmp_path / "adapted", "--calibrate", "0")
    lines = driver.cuttle("predict", tmp_path / "adapted", shard, "--json").stdout
    driver.cuttle("adapt", held, "--support", shard, "--out", tmp_path / "whole", "--calibrate", "0", "--stand-alone")
    assert json.loads(driver.cuttle("inspect", tmp_path / "whole", "--json").stdout)["stands_alone"]
    assert not json.loads(driver.cuttle("inspect", tmp_path / "adapted", "--json").stdout)["stands_alone"]
    assert len(lines.splitlines()) == 24
    file = files / "bert.safetensors"
    shutil.move(file, tmp_path / "elsewhere")
    try:
        for command in (("predict", tmp_path / "adapted", shard), ("eval", held), ("train", held, "--resume")):
            assert f"{file} is no file" in driver.cuttle(*command, code=driver.USER_ERROR).stderr
        assert driver.cuttle("predict", tmp_path / "whole", shard, "--json").stdout == lines
        moved = f"model.encoders.text.weights={tmp_path / 'elsewhere'}"
        assert json.loads(driver.cuttle("eval", held, "--json", moved).stdout)["episodes"] == 20
        copy = shutil.copytree(held, tmp_path / "copy")
        driver.cuttle("train", copy, moved, "train.steps=21", "--resume")
        assert driver.inspect(copy)["step"] == 21
        tensors = load_file(tmp_path / "elsewhere")
        tensors["embeddings.LayerNorm.bias"] = tensors["embeddings.LayerNorm.bias"] + 1
        with open(tmp_path / "elsewhere", "rb") as first:
            header = json.loads(first.read(int.from_bytes(first.read(8), "little")))
        save_file(tensors, file, metadata=header["__metadata__"])
        for command in (("predict", tmp_path / "adapted", shard), ("eval", held), ("train", held, "--resume")):
            assert "made with other weights of encoders" in driver.cuttle(*command, code=driver.USER_ERROR).stderr
    finally:
        shutil.move(tmp_path / "elsewhere", file)
    assert driver.cuttle("predict", tmp_path / "adapted", shard, "--json").stdout == lines


@pytest.mark.parametrize("change, said", [
    ("model.encoders.text.trained=9", "trained is 9, but there are 3 blocks"),
    ("model.encoders.text.weights=", "bert has no weights"),
    ("model.encoders.text.weights=nowhere.safetensors", "nowhere.safetensors is no file; make it with cuttle-data"),
    ("model.encoders.text.weigths=x", "weights"),
    ("model.encoders.text.type=lstm_speaker", "of bert and not of lstm_speaker; use type: bert"),
])
def test_wrong_words_are_refused(texts, tmp_path, change, said):
    assert said in driver.cuttle("train", texts, change, "--run-dir", tmp_path / "run",
                                 code=driver.USER_ERROR).stderr
    assert not (tmp_path / "run").exists()


def test_pieces_of_texts_are_a_file_too(config, files, tmp_path):
    pieces = tmp_path / "pieces.json"
    shutil.copy(files / "pieces.json", pieces)
    with_pieces = driver.one_sense_config(tmp_path / "pieces.yaml", config, "text",
                                          f"{{type: gru, width: 6, pieces: {pieces}}}")
    run = tmp_path / "run"
    driver.train(with_pieces, run)
    assert len(driver.inspect(run)["facts"]["encoder_weights"]) == len("text ") + 64
    kept = load_file(f"{driver.inspect(run)['last_checkpoint']}/parameters.safetensors")
    count = len(json.loads(pieces.read_text(encoding="utf-8"))["model"]["vocab"])
    assert kept["encoder.text.table.weight"].shape == (count + 1, 6)
    small = driver.make_shards(tmp_path / "small", "--classes", "3", "--splits", "1,0,0", "--shards", "1")
    (shard, ) = small.glob("*.h5")
    driver.cuttle("adapt", run, "--support", shard, "--out", tmp_path / "adapted", "--calibrate", "0")
    driver.cuttle("adapt", run, "--support", shard, "--out", tmp_path / "whole", "--calibrate", "0", "--stand-alone")
    assert json.loads(driver.cuttle("inspect", tmp_path / "whole", "--json").stdout)["stands_alone"]
    lines = driver.cuttle("predict", tmp_path / "adapted", shard, "--json").stdout
    told = json.loads(pieces.read_text(encoding="utf-8"))
    told["model"]["merges"].reverse()
    pieces.write_text(json.dumps(told), encoding="utf-8")
    for command in (("predict", tmp_path / "adapted", shard), ("eval", run), ("train", run, "--resume")):
        assert "or pieces of texts" in driver.cuttle(*command, code=driver.USER_ERROR).stderr
    for start in (f"train.init_from={run}", f"model.encoders.text.frozen_from={run}"):
        said = driver.train(with_pieces, tmp_path / "next", start, "adapt.algorithm=maml", "train.steps=1").stderr
        assert "of another file of weights or pieces" in said
        shutil.rmtree(tmp_path / "next")
    pieces.unlink()
    for command in (("predict", tmp_path / "adapted", shard), ("eval", run), ("train", run, "--resume")):
        assert f"{pieces} is no file" in driver.cuttle(*command, code=driver.USER_ERROR).stderr
    assert driver.cuttle("predict", tmp_path / "whole", shard, "--json").stdout == lines
    assert "pieces: is about texts" in driver.cuttle("validate", config, "model.encoders.image.type=transformer",
                                                     "model.encoders.image.width=32",
                                                     f"model.encoders.image.pieces={files / 'pieces.json'}",
                                                     code=driver.USER_ERROR).stderr
    pieces.write_text("{", encoding="utf-8")
    assert f"text.pieces: {pieces}" in driver.cuttle("validate", with_pieces, code=driver.USER_ERROR).stderr
