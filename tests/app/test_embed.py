"""`cuttle embed`: what a run's model makes of samples, read by NumPy; its nearest class means are the run's answers."""

import csv

import driver
import numpy as np
import pytest
from driver import USER_ERROR, cuttle

SENSES = ("image", "text")


@pytest.fixture(scope="module", name="given")
def small_shard(tmp_path_factory):
    folder = driver.make_shards(tmp_path_factory.mktemp("given") / "small", "--classes", "4", "--splits", "1,0,0",
                                "--shards", "1", "--missing", "0.3", "--samples-per-class", "6")
    return next(folder.glob("*.h5"))


@pytest.fixture(scope="module", name="runs")
def trained_runs(config, tmp_path_factory):
    """Fusions of one part and of several, without norms that look at a support set."""
    folder = tmp_path_factory.mktemp("embed")
    words = ("adapt.algorithm=protonet", "train.steps=3", *(f"model.encoders.{sense}.norm=layer" for sense in SENSES))
    made = {}
    for fusion in ("concat", "late"):
        driver.train(config, folder / fusion, *words, f"model.fusion={fusion}")
        made[fusion] = folder / fusion
    return made


def read(folder):
    with open(folder / "samples.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file)), {path.stem: np.load(path) for path in folder.glob("*.npy")}


@pytest.mark.parametrize("fusion", ["concat", "late"])
def test_rows_are_the_samples(runs, given, tmp_path, fusion):
    cuttle("embed", runs[fusion], given, "--out", tmp_path / "out", "--tokens")
    samples, arrays = read(tmp_path / "out")
    assert len(samples) == 24 and len({row["sample"] for row in samples}) == 24
    assert {row["class"] for row in samples} and all(len(arrays[name]) == 24 for name in (*SENSES, "embedding"))
    absent = {sense: np.isnan(arrays[sense]).all(1) for sense in SENSES}
    assert all(0 < absent[sense].sum() < 24 for sense in SENSES)
    assert all(np.isfinite(arrays[sense][~absent[sense]]).all() for sense in SENSES)
    assert np.isfinite(arrays["embedding"]).all()
    if fusion == "late":  # the parts are the senses, side by side
        parts = np.concatenate([np.nan_to_num(arrays[sense]) for sense in SENSES], 1)
        np.testing.assert_array_equal(arrays["embedding"], parts)
    tokens, offsets = arrays["text.tokens"], arrays["text.offsets"]
    assert len(offsets) == 25 and offsets[0] == 0 and offsets[-1] == len(tokens) and np.isfinite(tokens).all()
    np.testing.assert_array_equal(np.diff(offsets) == 0, absent["text"])


def test_a_sample_is_the_same_bits_alone(runs, given, tmp_path):
    cuttle("embed", runs["concat"], given, "--out", tmp_path / "all")
    texts = tmp_path / "texts"
    texts.mkdir()
    (texts / "one.txt").write_text("hello there", encoding="utf-8")
    (texts / "two.txt").write_text("a much longer text than that", encoding="utf-8")
    cuttle("embed", runs["concat"], texts / "one.txt", "--out", tmp_path / "one")
    cuttle("embed", runs["concat"], texts / "one.txt", texts / "two.txt", "--out", tmp_path / "both")
    one, both = read(tmp_path / "one")[1], read(tmp_path / "both")[1]
    np.testing.assert_array_equal(one["embedding"][0], both["embedding"][0])
    assert not (tmp_path / "one" / "text.tokens.npy").exists() and np.isnan(one["image"]).all()


def test_class_means_of_embeddings_are_what_predict_goes_by(runs, given, tmp_path):
    cuttle("embed", runs["concat"], given, "--out", tmp_path / "out")
    samples, arrays = read(tmp_path / "out")
    cuttle("adapt", runs["concat"], "--support", given, "--out", tmp_path / "a", "--calibrate", "0")
    answers = [line.split("\t")[:2] for line in cuttle("predict", tmp_path / "a", given).stdout.splitlines()]
    classes = sorted({row["class"] for row in samples})
    labels = np.array([classes.index(row["class"]) for row in samples])
    means = np.stack([arrays["embedding"][labels == c].mean(0) for c in range(len(classes))])
    nearest = ((arrays["embedding"][:, None] - means) ** 2).sum(2).argmin(1)
    blind = np.isnan(arrays["image"]).all(1) & np.isnan(arrays["text"]).all(1)
    assert [answer for _, answer in answers] == ["-" if none else classes[c] for c, none in zip(nearest, blind)]
    assert [name for name, _ in answers] == [row["sample"] for row in samples]


def test_norms_by_the_support_need_one(config, runs, given, tmp_path):
    driver.train(config, tmp_path / "run", "adapt.algorithm=protonet", "train.steps=1",
                 *(f"model.encoders.{sense}.norm=support" for sense in SENSES))
    said = cuttle("embed", tmp_path / "run", given, "--out", tmp_path / "out", code=USER_ERROR).stderr
    assert "give one: --support FOLDER" in said and not (tmp_path / "out").exists()
    cuttle("embed", tmp_path / "run", given, "--out", tmp_path / "out", "--support", given)
    assert np.isfinite(read(tmp_path / "out")[1]["embedding"]).all()
    said = cuttle("embed", runs["concat"], given, "--out", tmp_path / "b", "--support", given, code=USER_ERROR).stderr
    assert "nothing of this model goes by a support set" in said


def test_what_cannot_be_embedded_is_refused(config, runs, given, tmp_path):
    cuttle("embed", runs["concat"], given, "--out", tmp_path / "out")
    assert "is there already" in cuttle("embed", runs["concat"], given, "--out", tmp_path / "out",
                                        code=USER_ERROR).stderr
    for words, text in (((tmp_path / "none", given), "no such folder"), ((runs["concat"], "gone.png"), "gone.png")):
        assert text in cuttle("embed", *words, "--out", tmp_path / "x", code=USER_ERROR).stderr
        assert not (tmp_path / "x").exists()
    driver.train(config, tmp_path / "batch", "adapt.algorithm=protonet", "train.steps=1",
                 "model.encoders.image.norm=batch")
    assert "a norm goes by the batch at hand" in cuttle("embed", tmp_path / "batch", given, "--out", tmp_path / "x",
                                                        code=USER_ERROR).stderr
