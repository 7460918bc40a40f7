"""`pack --like` a run, a checkpoint, a file of `cuttle adapt`; names, folders and what is given twice."""

import hashlib
import json

import numpy as np
import pytest

from conftest import save_image
from cuttle_data.files import shard_paths
from cuttle_data.reader import Shard


@pytest.fixture(scope="module")
def like(tmp_path_factory):
    from cuttle_data import cli
    out = tmp_path_factory.mktemp("like")
    assert cli.main(["make_synthetic", "--out", str(out), "--shards", "1", "--classes", "4"]) == 0
    return shard_paths([out])[0]


def record(like, **changes):
    """What a run made of this data set says of its senses, all values texts."""
    with Shard(like) as shard:
        entries = [{**m.to_header(), "sample_rate": float(m.sample_rate), "centred": False} for m in shard.modalities]
    return {"modalities": json.dumps(entries), "target_width": "0", **changes}


def save_checkpoint(folder, facts):
    folder.mkdir(parents=True)
    data = json.dumps(facts).encode()
    (folder / "facts.json").write_bytes(data)
    said = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    (folder / "manifest.json").write_text(json.dumps({"files": {"facts.json": said}}))
    return folder


def save_adapted(path, metadata):
    head = json.dumps({"__metadata__": metadata, "w": {}}).encode()
    path.write_bytes(len(head).to_bytes(8, "little") + head + b"\0" * 64)
    return path


def pack(run, out, *arguments):
    """([(name, class)], what was said)"""
    code, text, err = run("pack", *arguments, "--out", out)
    assert (code, text) == (0, ""), err
    assert run("verify", out)[0] == 0
    with Shard(out) as shard:
        return [(name, shard.class_names[c] if c >= 0 else None)
                for name, c in zip(shard.sample_names, shard.sample_class)], err


def test_a_run_a_checkpoint_and_an_adapted_file_say_what_a_shard_says(run, like, tmp_path):
    save_image(tmp_path / "x.png", 9)
    step = save_checkpoint(tmp_path / "run/checkpoints/step-00000020", record(like))
    save_checkpoint(tmp_path / "run/checkpoints/step-00000003", record(like, modalities="[]"))
    adapted = save_adapted(tmp_path / "m.adapted", record(like, format="cuttle-adapted-1"))
    made = set()
    for place in (like, like.parent, tmp_path / "run", step, adapted):
        found, err = pack(run, tmp_path / "out.h5", tmp_path / "x.png", "--like", place)
        assert found == [(str(tmp_path / "x.png"), None)]
        made.add((tmp_path / "out.h5").read_bytes())
    assert len(made) == 1


def test_a_damaged_checkpoint_is_passed_by(run, like, tmp_path):
    save_image(tmp_path / "x.png", 9)
    save_checkpoint(tmp_path / "run/checkpoints/step-00000003", record(like))
    newest = save_checkpoint(tmp_path / "run/checkpoints/step-100000000", record(like, modalities="[]"))
    (newest / "facts.json").write_text("{}")
    pack(run, tmp_path / "out.h5", tmp_path / "x.png", "--like", tmp_path / "run")
    (tmp_path / "run/checkpoints/step-00000003/manifest.json").unlink()
    code, _, err = run("pack", tmp_path / "x.png", "--like", tmp_path / "run", "--out", tmp_path / "o.h5")
    assert code == 2 and "its checkpoints are damaged" in err


@pytest.mark.parametrize("content, message", [
    (b"", "no shard, no run and no file of cuttle adapt"), (b"\xff" * 64, "no shard, no run"),
    (b"\x05\0\0\0\0\0\0\0[1,2]", "no shard, no run"), (b"\x89HDF\r\n\x1a\n cut off", "cannot be opened"),
    ({}, "cannot be read"), ({"modalities": "[{}]"}, "cannot be read"), ({"modalities": "x"}, "cannot be read"),
    ({"target_width": "many"}, "cannot be read"), ({"format": "other"}, "no shard, no run")])
def test_what_is_no_model_is_refused(run, like, tmp_path, content, message):
    save_image(tmp_path / "x.png", 9)
    path = tmp_path / "m.adapted"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        save_adapted(path, {"format": "cuttle-adapted-1", **(content and record(like)), **content})
    code, text, err = run("pack", tmp_path / "x.png", "--like", path, "--out", tmp_path / "o.h5")
    assert code == 2 and message in err and text == "" and not (tmp_path / "o.h5").exists(), err


def test_values_of_a_run_count_by_their_number(run, like, tmp_path):
    save_image(tmp_path / "x.png", 9)
    checkpoint = save_checkpoint(tmp_path / "c", record(like, target_width="2"))
    (tmp_path / "t.csv").write_text(f"file,a,b\n{tmp_path}/x.png,1,2\n")
    (tmp_path / "one.csv").write_text(f"file,a\n{tmp_path}/x,1\n")
    _, err = pack(run, tmp_path / "none.h5", tmp_path / "x.png", "--like", checkpoint)
    assert f"without the targets of {checkpoint}" in err
    config = "episode:\n  source: causal_tables\n  target: class\n"  # which has values, and asks for classes
    classes = save_adapted(tmp_path / "m.adapted", record(like, format="cuttle-adapted-1", target_width="2",
                                                          config=config))
    assert "targets" not in pack(run, tmp_path / "classes.h5", tmp_path / "x.png", "--like", classes)[1]
    pack(run, tmp_path / "out.h5", tmp_path / "x.png", "--like", checkpoint, "--targets", tmp_path / "t.csv")
    with Shard(tmp_path / "out.h5") as shard:
        assert shard.target_names == ("a", "b") and shard.targets.tolist() == [[1, 2]]
    for targets, message in (("one.csv", "has the targets a, but"), ("none.csv", "none.csv"), ("a,b", "no such file")):
        targets = tmp_path / targets if "." in targets else targets
        code, _, err = run("pack", tmp_path / "x.png", "--like", checkpoint, "--out", tmp_path / "o.h5", "--targets",
                           targets)
        assert code == 2 and message in err, err


def test_files_at_any_depth_are_taken(run, like, tmp_path, monkeypatch):
    for name in ("loose.png", "cat/1.png", "cat/deep/er/2.png", "dog/1.png", ".hidden/3.png", "dog/.DS_Store"):
        save_image(tmp_path / "in" / name, 9) if name.endswith("png") else (tmp_path / "in" / name).write_text("")
    (tmp_path / "in/cat/deep/rows.csv").write_text("a,b\n1,2\n")
    (tmp_path / "in/cat/deep/why.pdf").write_text("")
    monkeypatch.chdir(tmp_path)
    found, err = pack(run, tmp_path / "out.h5", "in", "--like", like)
    assert found == [("in/loose.png", None), ("in/cat/1.png", "cat"), ("in/cat/deep/er/2.png", "cat"),
                     ("in/dog/1.png", "dog")]
    assert "1 files lie in folders below the folder of their class in in" in err
    assert "in/cat/deep/rows.csv: table among files; give it as an INPUT of its own" in err
    assert "in/cat/deep/why.pdf: unknown file type .pdf" in err
    found, _ = pack(run, tmp_path / "out.h5", "--no-labels", "in", "--like", like)
    assert [label for _, label in found] == [None] * 4
    found, _ = pack(run, tmp_path / "out.h5", "pet=in", "--like", like)
    assert {label for _, label in found} == {"pet"} and len(found) == 4


def test_names_that_are_not_utf8_are_left_out(run, like, tmp_path):
    odd = b"\xff".decode("utf-8", "surrogateescape")
    for name in (f"in/{odd}.png", f"in/{odd}/a.png", f"in/cat/{odd}.png", "in/cat/b.png"):
        save_image(tmp_path / name, 9)
    for places in (["in"], ["in/cat/b.png", f"in/{odd}.png", f"in/{odd}"]):
        found, err = pack(run, tmp_path / "out.h5", *[tmp_path / place for place in places], "--like", like)
        assert [name for name, _ in found] == [str(tmp_path / "in/cat/b.png")]
        assert "x name is not UTF-8, e.g." in err


def test_folders_of_splits_are_no_classes(run, like, tmp_path):
    for name in ("train/cat/1.png", "test/cat/2.png", "test/dog/1.png"):
        save_image(tmp_path / "in" / name, 9)
    found, _ = pack(run, tmp_path / "out.h5", tmp_path / "in", "--like", like)
    assert sorted(label for _, label in found) == ["cat", "cat", "dog"]


def test_what_is_given_twice_is_kept_under_two_names(run, like, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("in/a.png", "in/b.png"):
        save_image(tmp_path / name, 9)
    (tmp_path / "in/a.txt").write_text("a")
    save_image(tmp_path / "in/b.bmp", 9)
    found, _ = pack(run, tmp_path / "out.h5", "in/a.png", "in", "in/", "--like", like)
    assert [name for name, _ in found] == ["in/a.png", "in/a", "in/b.bmp", "in/b.png", "in/a#2", "in/b.bmp#2",
                                           "in/b.png#2"]
    found, _ = pack(run, tmp_path / "out.h5", "x=in/b.png", "y=in/b.png", "--like", like)
    assert found == [("in/b.png", "x"), ("in/b.png#2", "y")]


def test_values_are_not_held_in_memory(run, like, tmp_path, monkeypatch):
    """They pass through a file in blocks; the bytes do not depend on how large these are."""
    from cuttle_data import shard_file
    for index in range(20):
        save_image(tmp_path / f"in/{index:02}.png", index)
    np.save(tmp_path / "in/01.npy", np.ones((5, 3)))
    pack(run, tmp_path / "a.h5", tmp_path / "in", "--like", like)
    monkeypatch.setattr(shard_file, "WAITING_BYTES", 1000)
    pack(run, tmp_path / "b.h5", tmp_path / "in", "--like", like)
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {"in", "a.h5", "b.h5"}
    with Shard(tmp_path / "a.h5") as shard:
        assert [shard.read(i, "image").max() for i in range(20)] == list(range(20))
