"""food101 on a miniature, titles as tables and as JSON."""

import json

import pytest
from layouts import converted, is_of, refused, save_picture

CLASSES = ["apple_pie", "baby_back_ribs", "cup_cakes", "donuts", "edamame", "falafel"]


def names_of(split):
    return [f"{name}_{number}.jpg" for name in CLASSES for number in (range(3) if split == "train" else (7, 8))]


def colour(name):
    return 40 * CLASSES.index(name.rpartition("_")[0]), 20, 10 * int(name[-5])


def title(name):
    return f'Recipe, "the best" of {name[:-4]} é'


@pytest.fixture(params=["tables", "json"])
def food(request, tmp_path):
    root = tmp_path / "food"
    for split in ("train", "test"):
        for name in names_of(split):
            save_picture(root / "images" / split / name.rpartition("_")[0] / name, colour(name))
    if request.param == "json":
        titles = {name: title(name) for split in ("train", "test") for name in names_of(split)}
        (root / "text.json").write_text(json.dumps(titles))
    else:
        (root / "texts").mkdir()
        for split in ("train", "test"):
            lines = []
            for name in names_of(split):
                quoted = '"' + title(name).replace('"', '""') + '"' if "_1" in name else title(name)
                lines.append(f"{name},{quoted},{name.rpartition('_')[0]}")
            (root / f"texts/{split}_titles.csv").write_text("\n".join(lines) + "\n")
    return root


def test_classes_are_split(run, food, tmp_path):
    samples, _ = converted(run, "food101", food, tmp_path / "out", "--splits", "0.5,0.17,0.33")
    assert samples.keys() == {*names_of("train"), *names_of("test")}
    for name, sample in samples.items():
        assert sample.class_name == name.rpartition("_")[0]
        assert is_of(sample.values["image"], colour(name)) and sample.values["text"] == title(name)
    assert len({(sample.class_name, sample.split) for sample in samples.values()}) == 6


@pytest.mark.parametrize("listed", [False, True])
def test_published_split(run, food, tmp_path, listed):
    wanted = {name: split for split in ("train", "test") for name in names_of(split)}
    if listed:
        for name in names_of("train"):
            wanted[name] = "validation" if "_2" in name else "train"
        (food / "split.json").write_text(json.dumps({
            said: [name for name, own in wanted.items() if own == split]
            for said, split in (("train", "train"), ("val", "validation"), ("test", "test"))}))
    samples, text = converted(run, "food101", food, tmp_path / "out", "--published")
    lonely = [name for name in wanted if listed and wanted[name] == "validation"]
    assert samples.keys() == wanted.keys() - set(lonely) and ("class with 1 usable" in text) == listed
    for name, sample in samples.items():
        assert (sample.split, sample.class_name) == (wanted[name], f"{wanted[name]}/{name.rpartition('_')[0]}")


def test_missing_senses(run, food, tmp_path):
    (food / "images/train/donuts/donuts_0.jpg").unlink()
    (food / "images/test/donuts/donuts_7.jpg").write_bytes(b"<html>")
    save_picture(food / "images/train/donuts/donuts_3.jpg", (1, 2, 3))
    if (food / "texts").is_dir():
        with open(food / "texts/train_titles.csv", "ab") as file:
            file.write(b"lonely line\ndonuts_4.jpg,caf\xe9,donuts\n")
    else:
        (food / "split.json").write_text(json.dumps({"train": names_of("train"), "test": names_of("test")}))
    samples, text = converted(run, "food101", food, tmp_path / "out")
    assert samples["donuts_0.jpg"].values.keys() == samples["donuts_7.jpg"].values.keys() == {"text"}
    assert samples["donuts_3.jpg"].values.keys() == {"image"} and "a page of HTML" in text
    if (food / "texts").is_dir():
        assert "train_titles.csv:19: line is no NAME,title,CLASS" in text
        assert samples["donuts_4.jpg"].values["text"] == "caf\ufffd"


def test_what_is_no_layout(run, food, tmp_path):
    (food / "split.json").write_text('["x"]')
    assert "split.json: does not hold" in refused(run, "food101", food, tmp_path / "out")
    (tmp_path / "empty").mkdir()
    assert "--help" in refused(run, "food101", tmp_path / "empty", tmp_path / "out")
