"""`pack`: a few files laid out like the data set of a model."""

import os
from pathlib import Path

import numpy as np
import pytest

from conftest import save_image, save_wav
from cuttle_data.reader import Shard


@pytest.fixture
def like(run, tmp_path):
    assert run("make_synthetic", "--out", tmp_path / "like", "--shards", "1", "--classes",
               "4")[0] == 0
    return next((tmp_path / "like").glob("*.h5"))


@pytest.fixture
def files(tmp_path):
    """cats/{a.png,a.txt,b.wav}, dogs/c.npy, loose.png."""
    root = tmp_path / "files"
    save_image(root / "cats/a.png", 10)
    (root / "cats/a.txt").write_text("a cat")
    save_wav(root / "cats/b.wav", np.arange(200, dtype="<i2"), rate=16000)
    (root / "dogs").mkdir()
    np.save(root / "dogs/c.npy", np.ones((6, 3)))
    save_image(root / "loose.png", 20)
    return root


def pack(run, like, out, *inputs):
    code, text, err = run("pack", *inputs, "--like", like, "--out", out)
    assert (code, text) == (0, ""), err
    with Shard(out) as shard:
        rows = {}
        for row, name in enumerate(shard.sample_names):
            class_id = shard.sample_class[row]
            rows[name.rsplit("/", 1)[-1]] = (None if class_id < 0 else shard.class_names[class_id],
                                            {m
                                             for m, r in shard.rows.items() if r[row] >= 0})
        return shard, rows, err


def test_layout_and_statistics_are_those_of_the_other(run, like, files, tmp_path):
    shard, rows, text = pack(run, like, tmp_path / "out.h5", files)
    with Shard(like) as other:  # no file is a vector
        assert shard.modalities == [m for m in other.modalities if m.name != "vector"]
    assert rows == {
        "a": ("cats", {"image", "text"}), "b.wav": ("cats", {"audio"}),
        "c.npy": ("dogs", {"series"}), "loose.png": (None, {"image"})
    }
    assert "4 samples, 3 of them labelled, 2 classes, laid out like synthetic" in text
    assert set(shard.sample_split.tolist()) == {2}
    assert run("verify", tmp_path / "out.h5")[0] == 0
    with Shard(tmp_path / "out.h5") as packed:
        at = packed.sample_names.index(str(files / "cats/b.wav"))
        assert len(packed.read(at, "audio")) == 100  # 16 kHz -> 8 kHz
        image = packed.read(packed.sample_names.index(str(files / "loose.png")), "image")
        assert image.shape == (16, 16, 3) and (image == 20).all()


def test_senses_that_no_file_is_of_are_not_declared(run, like, files, tmp_path):
    shard, _, text = pack(run, like, tmp_path / "out.h5", files / "loose.png")
    assert [modality.name for modality in shard.modalities] == ["image"]
    with Shard(like) as other:
        assert shard.modalities[0] == other.modalities[0]
    assert "no sample has text, audio, series, vector: the shard does without" in text


def test_labels(run, like, files, tmp_path):
    assert {row[0]
            for row in pack(run, like, tmp_path / "1.h5", "--no-labels", files)[1].values()
            } == {None}
    _, rows, _ = pack(run, like, tmp_path / "2.h5", f"wölfe [x]={files}/loose.png",
                      f"dog={files}/dogs")
    assert rows == {"loose.png": ("wölfe [x]", {"image"}), "c.npy": ("dog", {"series"})}
    odd = files / "a=b.png"
    save_image(odd, 5)
    assert pack(run, like, tmp_path / "3.h5", odd)[1] == {"a=b.png": (None, {"image"})}
    assert pack(run, like, tmp_path / "4.h5", f"x={odd}")[1] == {"a=b.png": ("x", {"image"})}


def test_views_are_those_of_the_data_set(run, tmp_path):
    for place in ("in/a", "in/b", "new/a"):
        for stem in "12":
            save_image(tmp_path / place / f"{stem}.left.png", 10)
            save_image(tmp_path / place / f"{stem}.Right.png", 200)
    assert run("folder", tmp_path / "in", "--out", tmp_path / "set", "--size", "4", "--all-test")[0] == 0
    shard, rows, _ = pack(run, next((tmp_path / "set").glob("*.h5")), tmp_path / "out.h5", tmp_path / "new")
    assert rows == {stem: ("a", {"image_left", "image_right"}) for stem in "12"}


def test_files_are_read_by_the_same_options(run, like, tmp_path):
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "a.txt").write_bytes("Größe".encode("cp1252"))
    shard, rows, text = pack(run, like, tmp_path / "out.h5", folder, "--encoding", "cp1252")
    with Shard(tmp_path / "out.h5") as packed:
        assert packed.read(0, "text").tobytes().decode() == "Größe"


def test_the_same_bytes_again(run, like, files, tmp_path):
    for name in ("a.h5", "b.h5"):
        pack(run, like, tmp_path / name, files)
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_bad_files_are_named_and_skipped(run, like, files, tmp_path):
    (files / "cats/broken.png").write_bytes(b"x")
    (files / "cats/what.xyz").write_bytes(b"x")
    np.save(files / "dogs/short.npy", np.ones(3))
    np.save(files / "dogs/wide.npy", np.ones((4, 9)))
    np.save(files / "dogs/trap.npy", np.array([{}]), allow_pickle=True)
    save_image(files / "cats/a.bmp", 3)
    _, rows, text = pack(run, like, tmp_path / "out.h5", files)
    assert set(rows) == {"a", "a.bmp", "b.wav", "c.npy", "loose.png"} and "skipped: 5\n" in text
    for line in ("broken.png [image]: broken image", "what.xyz: unknown file type .xyz",
                 "short.npy [vector]: has shape [3], not [8]",
                 "wide.npy [series]: has shape [4, 9], not [any, 3]", "trap.npy: broken .npy"):
        assert line in text


def refuse(monkeypatch, module, name, places):
    """What the operating system does to other users, as tests may be run by root."""
    real = getattr(module, name)

    def refusing(path, *arguments, **keywords):
        if str(path) in map(str, places):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, *arguments, **keywords)

    monkeypatch.setattr(module, name, refusing)


@pytest.mark.parametrize("name, inside", [("scandir", ""), ("stat", "/.")])
def test_what_may_not_be_read_is_skipped_with_its_reason(run, like, files, tmp_path, monkeypatch, name, inside):
    for place in ("cats/deep/1.png", "closed/1.png", "closed/2/3.png"):
        save_image(files / place, 1)
    refuse(monkeypatch, os, name, [f"{files}/cats/deep{inside}", f"{files}/closed{inside}"])
    refuse(monkeypatch, Path, "read_bytes", [files / "cats/a.png", files / "cats/a.txt", files / "cats/b.wav"])
    _, rows, text = pack(run, like, tmp_path / "out.h5", files)
    assert set(rows) == {"c.npy", "loose.png"}
    assert "skipped: 6\n  5 x cannot be read: Permission denied" in text and "class cats: class without" in text


@pytest.mark.parametrize("closed, skipped", [("b", "b: cannot be read: Permission denied"),
                                             ("b/deep", "b/deep: cannot be read: Permission denied")])
def test_closed_folders_of_a_folder_tree_are_skipped(run, tree, tmp_path, monkeypatch, closed, skipped):
    save_image(tree / "b/deep/1.png", 1)
    refuse(monkeypatch, os, "scandir", [tree / closed])
    code, text, err = run("folder", tree, "--out", tmp_path / "out", "--all-test")
    assert code == 0 and skipped in text + err and "empty folder" not in text + err


def test_senses_that_the_model_does_not_have(run, tmp_path):
    for place in ("in/a", "in/b"):
        for stem in "12":
            save_image(tmp_path / place / f"{stem}.left.png", 10)
            save_image(tmp_path / place / f"{stem}.right.png", 200)
    assert run("folder", tmp_path / "in", "--out", tmp_path / "set", "--size", "4", "--all-test")[0] == 0
    (tmp_path / "in/a/1.txt").write_text("x")
    save_image(tmp_path / "in/a/1.png", 10)
    text = pack(run, next((tmp_path / "set").glob("*.h5")), tmp_path / "out.h5", tmp_path / "in")[2]
    assert "a/1.txt: the model has no sense for texts" in text
    assert "a/1.png: the model has 2 senses for pictures (image_left, image_right), and the file's name does" in text


def test_refusals(run, like, files, tmp_path):
    out = tmp_path / "out.h5"
    (tmp_path / "bad.png").write_bytes(b"x")
    (tmp_path / "bad.xyz").write_bytes(b"x")
    for inputs, message in (((tmp_path / "none.png", ), "no such file"),
                            ((f"={files}", ), "label is empty"), (("", ), "INPUT is empty"), ((tmp_path / "bad.png", ),
                                                                  "every file or row was skipped"),
                            ((tmp_path / "bad.xyz", ), "has a sense for")):
        code, _, err = run("pack", *inputs, "--like", like, "--out", out)
        assert code == 2 and message in err and not out.exists()
    assert "must end with .h5" in run("pack", files, "--like", like, "--out", tmp_path / "out")[2]
    assert "no shard, no run and no file" in run("pack", files, "--like", tmp_path / "bad.png", "--out", out)[2]
    assert run("pack", files, "--like", like, "--out", out,
               "--dry-run")[0] == 0 and not out.exists()
    assert run("pack", files, "--like", like, "--out", tmp_path / "no/such/folder.h5")[0] == 2
