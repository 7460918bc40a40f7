"""`folder`: which senses a tree has, how its splits are found, and what takes no place in them."""

import json
import unicodedata

import numpy as np
import pytest
from PIL import Image

from conftest import save_image, save_wav
from cuttle_data import cli, splits
from test_folder import read_all


@pytest.fixture
def convert(run, tmp_path):
    """Converts tmp_path/in; gives (samples, stdout)."""
    def call(*options, out="out"):
        code, text, err = run("folder", tmp_path / "in", "--out", tmp_path / out, "--size", "4", *options)
        assert (code, err) == (0, ""), text
        assert run("verify", tmp_path / out)[0] == 0
        return read_all(tmp_path / out), text

    return call


def fill(folder, count=2, value=9):
    for sample in range(count):
        save_image(folder / f"{sample}.png", value)


def splits_of(samples):
    return {row[0]: ("train", "validation", "test")[row[2]] for row in samples.values()}


def test_texts_alone_and_sounds_with_their_words(convert, tmp_path):
    for class_name in "ab":
        folder = tmp_path / "in" / class_name
        folder.mkdir(parents=True)
        for sample in range(4):
            (folder / f"{sample}.txt").write_text(f"text {sample}")
    samples, text = convert(out="texts")
    assert len(samples) == 8 and {tuple(row[3]) for row in samples.values()} == {("text", )}
    for class_name in "ab":
        for sample in range(3):
            save_wav(tmp_path / "in" / class_name / f"{sample}.wav", np.ones(99, "<i2"))
    samples, text = convert()
    assert len(samples) == 6 and {tuple(row[3]) for row in samples.values()} == {("text", "audio")}
    assert "2 x side file without an audio of that stem (see --keep-unpaired)" in text
    assert len(convert("--keep-unpaired", out="kept")[0]) == 8


def test_files_at_any_depth_belong_to_the_class(convert, tmp_path):
    for class_name in "ab":
        fill(tmp_path / "in/data/pictures" / class_name / "x/y")
    samples, text = convert()
    assert {row[0] for row in samples.values()} == {"a", "b"} and "data/pictures/a/x/y/0" in samples
    assert "the classes are taken from" in text and "4 files lie in folders below" in text


def test_classes_inside_classes(convert, run, tmp_path):
    for alphabet in ("Greek", "Latin"):
        for character in "ab":
            fill(tmp_path / "in/Train" / alphabet / character)
    samples, text = convert("--class-depth", "2")
    assert set(splits_of(samples)) == {"Greek/a", "Greek/b", "Latin/a", "Latin/b"} and "files lie" not in text
    assert set(splits_of(convert(out="outer")[0])) == {"Greek", "Latin"}
    code, _, err = run("folder", tmp_path / "in", "--out", tmp_path / "o", "--class-depth", "0")
    assert code == 2 and "--class-depth 0" in err


def test_a_class_of_broken_files_alone_is_named(convert, tmp_path):
    for name in "abcd":
        fill(tmp_path / "in" / name)
    for sample in range(2):
        (tmp_path / f"in/a/{sample}.png").write_bytes(b"")
    assert "1 x class a: class without a usable sample" in convert("--all-test")[1]


@pytest.mark.parametrize("names", [("train", "val", "test"), ("Train", "VALID", "Test"), ("train", "dev", "test"),
                                   ("training", "validation", "testing")])
def test_split_folders_in_any_spelling(convert, tmp_path, names):
    for number, split in enumerate(names):
        fill(tmp_path / "in/wrapped" / split / f"c{number}")
    assert splits_of(convert()[0]) == {"c0": "train", "c1": "validation", "c2": "test"}
    assert set(splits_of(convert("--all-test", out="tested")[0]).values()) == {"test"}


def test_splits_beside_classes_are_refused_and_a_class_called_train_is_one(run, convert, tmp_path):
    for name in ("train", "car", "bus"):
        fill(tmp_path / "in" / name)
    assert set(splits_of(convert()[0])) == {"train", "car", "bus"}
    fill(tmp_path / "in/test/x")
    code, _, err = run("folder", tmp_path / "in", "--out", tmp_path / "o")
    assert code == 2 and "look like splits, but bus lies beside them" in err


def test_junk_takes_no_place_in_the_splits(convert, tmp_path):
    for number in range(5):
        fill(tmp_path / f"in/c{number}")
    expected = splits_of(convert()[0])
    fill(tmp_path / "in/.ipynb_checkpoints")
    fill(tmp_path / "in/single", 1)
    for name in ("__MACOSX/c0/._0.png", "c1/Thumbs.db", "c1/desktop.ini", "c2/.DS_Store", "@eaDir/x.png",
                 "papers/x.pdf"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_bytes(b"\0\5\x16\7")
    (tmp_path / "in/empty/inner").mkdir(parents=True)
    samples, text = convert(out="junk")
    assert splits_of(samples) == expected and sorted(expected.values()) == ["test", *["train"] * 3, "validation"]
    assert "empty folder" in text and "Thumbs" not in text


def test_names_that_differ_in_their_unicode_form_only_are_one_class(convert, tmp_path):
    for form in ("NFC", "NFD"):
        fill(tmp_path / "in" / unicodedata.normalize(form, "Jörg"))
    fill(tmp_path / "in/ann ")
    samples, text = convert()
    assert {row[0] for row in samples.values()} == {"Jörg", "ann"} and len(samples) == 6
    assert {"Jörg/0", "Jörg/0#2"} <= set(samples) and "class Jörg has 2 folders" in text


def test_a_split_without_classes_is_said_unless_all_are_for_testing(convert, tmp_path):
    for number in range(3):
        fill(tmp_path / f"in/c{number}")
    assert "warning: no validation class" in convert()[1]
    for options in (("--all-test", ), ("--splits", "0,0,1")):
        samples, text = convert(*options, out=options[0])
        assert "warning" not in text and set(splits_of(samples).values()) == {"test"}


def test_views_are_senses_of_one_sample(convert, tmp_path):
    for class_name in "ab":
        for sample in ("1", "v1.5"):
            for view, value in (("left", 10), ("Right", 200)):
                save_image(tmp_path / "in" / class_name / f"{sample}.{view}.png", value)
            (tmp_path / "in" / class_name / f"{sample}.txt").write_text("both")
    samples, text = convert()
    assert set(samples) == {f"{c}/{s}" for c in "ab" for s in ("1", "v1.5")}
    for row in samples.values():
        assert set(row[3]) == {"text", "image_left", "image_right"}
        assert (row[3]["image_left"] == 10).all() and (row[3]["image_right"] == 200).all()
    assert "views of one sample by the ends of stems: left, right" in text
    assert len(convert("--views", "none", "--keep-unpaired", out="plain")[0]) == 12


def test_dots_in_names_are_no_views(convert, tmp_path):
    for class_name in "ab":
        for name in ("img.001", "img.002", "small.cat", "large.dog"):
            save_image(tmp_path / "in" / class_name / f"{name}.png", 9)
    samples, _ = convert()
    assert len(samples) == 8 and all(set(row[3]) == {"image"} for row in samples.values())


@pytest.mark.parametrize("odd, message", [(np.zeros((4, 3)), "with 3 channels, while most series files have 2"),
                                          (np.zeros(4), "with 1 dimensions, while most have 2")])
def test_a_first_odd_series_decides_nothing(convert, tmp_path, odd, message):
    for class_name in "ab":
        fill(tmp_path / "in" / class_name, 4)
        for sample in range(4):
            np.save(tmp_path / "in" / class_name / f"{sample}.npy", np.zeros((4, 2)))
    np.save(tmp_path / "in/a/0.npy", odd)
    samples, text = convert()
    assert sum("series" in row[3] for row in samples.values()) == 7 and message in text


def test_the_options_of_reading_reach_the_files(convert, tmp_path):
    for class_name in "ab":
        for sample in range(2):
            path = tmp_path / "in" / class_name / f"{sample}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((4, 4), 1600, np.uint16)).save(path)
            path.with_suffix(".txt").write_bytes("Größe".encode("latin-1"))
    (tmp_path / "in/a/0.txt").write_text("Größe", encoding="utf-8-sig")
    samples, text = convert("--gray")
    assert "4 x picture comes out nearly black" in text and "warning" in text
    assert all((row[3]["image"] == 6).all() for row in samples.values())
    assert "3 x text is not UTF-8; say what it is with --encoding" in text
    samples, text = convert("--gray", "--range", "12", "--encoding", "latin-1", out="right")
    assert all((row[3]["image"] == 100).all() for row in samples.values()) and "black" not in text
    assert all(row[3]["text"].tobytes().decode() == "Größe" for row in samples.values())


def test_dataset_json_lists_the_classes_with_their_counts(convert, tmp_path):
    for number in range(3):
        fill(tmp_path / f"in/ö{number}", 2 + number)
    convert()
    found = json.loads((tmp_path / "out/dataset.json").read_text(encoding="utf-8"))["splits"]
    assert {name: count for entry in found.values() for name, count in entry["classes"].items()} == {
        "ö0": 2, "ö1": 3, "ö2": 4}
    assert sum(entry["samples"] for entry in found.values()) == 9


def test_every_converter_that_splits_can_give_all_to_the_test(run, tmp_path):
    assert run("make_synthetic", "--out", tmp_path / "s", "--all-test", "--classes", "3")[0] == 0
    assert set(splits_of(read_all(tmp_path / "s")).values()) == {"test"}
    for command in ("folder", "omniglot", "emoji", "emoji_archive"):
        args = cli.build_parser().parse_args(
            [command, *["x"] * (command != "emoji"), "--out", "y", "--all-test"])
        assert splits.chosen_fractions(args) == (0, 0, 1)
