"""mini_imagenet on miniatures of its three layouts."""

import pickle

import numpy as np
import pytest
from layouts import converted, is_of, refused, save_picture

SPLITS = {"train": ("n01", "n02", "n03"), "val": ("n11", "n12"), "test": ("n21", "n22")}
LONG = {"val": "validation"}


def colour(name, index):
    return int(name[1:]) * 8, 40 * index, 100


def expected():
    return {(name, index): LONG.get(split, split) for split, classes in SPLITS.items() for name in classes
            for index in range(3)}


@pytest.fixture
def tables(tmp_path):
    root = tmp_path / "mini"
    for split, classes in SPLITS.items():
        rows = ["filename,label"]
        for name in classes:
            for index in range(3):
                rows.append(f"{name}{index:08d}.jpg,{name}")
                save_picture(root / "images" / f"{name}{index:08d}.jpg", colour(name, index), (20, 12))
        (root / f"{split}.csv").write_text("\n".join(rows) + "\n")
    return root


def test_tables(run, tables, tmp_path):
    (tables / "images/n0100000001.jpg").write_bytes(b"\xff\xd8 cut")
    (tables / "images/n1200000001.jpg").unlink()
    samples, text = converted(run, "mini_imagenet", tables, tmp_path / "out")
    assert len(samples) == 19 and "2 x" not in text and "skipped: 2" in text
    for (name, index), split in expected().items():
        sample = samples.get(f"{name}{index:08d}.jpg")
        if sample:
            assert (sample.class_name, sample.split, sample.group) == (name, split, "all")
            assert sample.values["image"].shape == (84, 84, 3)
            assert is_of(sample.values["image"], colour(name, index))


def test_fractions_instead(run, tables, tmp_path):
    samples, _ = converted(run, "mini_imagenet", tables, tmp_path / "out", "--all-test", "--size", "8x10", "--gray")
    assert {sample.split for sample in samples.values()} == {"test"}
    assert {sample.values["image"].shape for sample in samples.values()} == {(8, 10, 1)}


def pixels(classes):
    return np.stack([np.full((84, 84, 3), colour(name, index), np.uint8)
                     for index in range(3) for name in classes])


def test_cache_pickles(run, tmp_path):
    root = tmp_path / "cache"
    root.mkdir()
    for split, classes in SPLITS.items():
        held = {"image_data": pixels(classes),
                "class_dict": {name: [place, place + len(classes), place + 2 * len(classes)]
                               for place, name in enumerate(classes)}}
        (root / f"mini-imagenet-cache-{LONG.get(split, split)}.pkl").write_bytes(pickle.dumps(held, 2))
    samples, _ = converted(run, "mini_imagenet", root, tmp_path / "out")
    found = {(sample.class_name, tuple(sample.values["image"][0, 0]), sample.split) for sample in samples.values()}
    assert found == {(name, colour(name, index), split) for (name, index), split in expected().items()}


@pytest.fixture
def split_pickles(tmp_path):
    """Labels are numbers and begin anew in every split, as bytes of Python 2 name the keys."""
    root = tmp_path / "fs"
    root.mkdir()
    for split, classes in SPLITS.items():
        held = {b"data": pixels(classes)[:, :32, :32], b"labels": list(range(len(classes))) * 3}
        (root / f"CIFAR_FS_{split}.pickle").write_bytes(pickle.dumps(held, 2))
    return root


def test_split_pickles(run, split_pickles, tmp_path):
    (split_pickles / "CIFAR_FS_train_phase_val.pickle").write_bytes(b"not looked at")
    samples, text = converted(run, "mini_imagenet", split_pickles, tmp_path / "out")
    assert "further pictures of the training classes" in text
    assert samples["CIFAR_FS_val/3"].values["image"].shape == (32, 32, 3)
    for split, classes in SPLITS.items():
        for place in range(3 * len(classes)):
            sample, label = samples[f"CIFAR_FS_{split}/{place}"], place % len(classes)
            long = LONG.get(split, split)
            shared = "" if split == "train" and label == 2 else f"{long}/"
            assert (sample.class_name, sample.split) == (f"{shared}{label}", long)
            assert is_of(sample.values["image"], colour(classes[label], place // len(classes)))


TWO = np.zeros((2, 8, 8, 3), np.uint8)


@pytest.mark.parametrize("held, named", [
    ({"data": TWO.astype(float), "labels": [0, 1]}, "uint8"), ({"data": TWO}, "0 labels"),
    ({"image_data": TWO, "class_dict": {"a": [0, 2]}}, "2 labels"), ([1], "uint8"),
    ({"image_data": TWO, "class_dict": {"a": [0, 1, 1]}}, "3 labels"),
    ({"image_data": TWO, "class_dict": {"a": ["x", 1]}}, "2 labels"),
    ({"image_data": TWO, "class_dict": {"a": 1}}, "does not hold what mini_imagenet has"),
    ({"image_data": TWO[..., :2], "class_dict": {"a": [0, 1]}}, "uint8"),
])
def test_other_pickles_are_refused(run, tmp_path, held, named):
    (tmp_path / "in").mkdir()
    (tmp_path / "in/FC100_train.pickle").write_bytes(pickle.dumps(held))
    assert named in refused(run, "mini_imagenet", tmp_path / "in", tmp_path / "out")


def test_what_is_no_layout(run, split_pickles, tmp_path):
    (tmp_path / "in").mkdir()
    assert "--help" in refused(run, "mini_imagenet", tmp_path / "in", tmp_path / "out")
    assert "no such folder" in refused(run, "mini_imagenet", tmp_path / "none", tmp_path / "out")
    (tmp_path / "in/train.csv").write_text("file,class\na,b\n")
    assert "'filename'" in refused(run, "mini_imagenet", tmp_path / "in", tmp_path / "out")
    (split_pickles / "other_val.pkl").write_bytes(b"")
    assert "which one" in refused(run, "mini_imagenet", split_pickles, tmp_path / "out")
