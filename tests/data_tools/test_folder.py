"""`folder`: splits, groups, side files, and everything that can be wrong with a folder."""

import tracemalloc

import numpy as np
import pytest

from conftest import save_image, save_wav
from cuttle_data import cli, folder_tree
from cuttle_data.files import shard_paths
from cuttle_data.folder_samples import Gatherer
from cuttle_data.reader import Shard
from cuttle_data.report import Report


def read_all(out):
    """{sample name: (class, group, split, {modality: array})}."""
    samples = {}
    for path in shard_paths([out]):
        with Shard(path) as shard:
            for row, name in enumerate(shard.sample_names):
                values = {m: shard.read(row, m) for m, rows in shard.rows.items() if rows[row] >= 0}
                samples[name] = (shard.class_names[shard.sample_class[row]],
                                 shard.group_names[shard.sample_group[row]],
                                 int(shard.sample_split[row]), values)
    return samples


@pytest.fixture
def convert(run, tree, tmp_path):
    """Converts the tree; gives (samples, stdout)."""
    def call(*options, out="out"):
        code, text, err = run("folder", tree, "--out", tmp_path / out, "--size", "4",
                              *options)
        assert (code, err) == (0, "")
        assert run("verify", tmp_path / out)[0] == 0
        return read_all(tmp_path / out), text

    return call


def test_a_plain_tree(convert, tmp_path):
    samples, text = convert("--shards", "3", "--gray")
    assert len(samples) == 24 and "skipped" not in text
    for class_id in range(6):
        for sample in range(4):
            class_name, group, _, values = samples[f"class{class_id}/s{sample}"]
            assert (class_name, group) == (f"class{class_id}", "all")
            assert values["image"].shape == (4, 4, 1) and (values["image"]
                                                           == 30 * class_id + sample).all()
    splits = {class_name: split for class_name, _, split, _ in samples.values()}
    assert sorted(splits.values()) == [0, 0, 0, 0, 1, 2]
    assert (tmp_path / "out/conversion.log").read_text().count("note:") == 2


def test_the_seed_decides_the_split(convert):
    split_of = [{name: row[2]
                 for name, row in convert("--seed", seed, out=f"o{run}")[0].items()}
                for run, seed in enumerate("0012")]
    assert split_of[0] == split_of[1] and any(other != split_of[0] for other in split_of[2:])


def test_split_folders(run, tmp_path):
    for split, count in (("train", 2), ("test", 1)):
        for class_id in range(count):
            for sample in range(2):
                save_image(tmp_path / f"in/{split}/{split}{class_id}/{sample}.png", 9)
    code, text, _ = run("folder", tmp_path / "in", "--out", tmp_path / "out", "--size", "4")
    assert code == 0 and "splits by folders: test, train" in text
    assert {row[:3:2]
            for row in read_all(tmp_path / "out").values()} == {("train0", 0), ("train1", 0),
                                                                ("test0", 2)}
    save_image(tmp_path / "in/train/test0/9.png", 9)
    code, _, err = run("folder", tmp_path / "in", "--out", tmp_path / "out2")
    assert code == 2 and "class test0 is in the folders test and train" in err


def test_groups(convert, tree):
    assert {row[1]
            for row in convert("--group-from", "prefix", out="a")[0].values()
            } == {"s0", "s1", "s2", "s3"}
    for style in ("ink", "oil"):
        for class_id in range(6):
            save_image(tree / f"class{class_id}/{style}/x.png", 7)
    samples, text = convert("--group-from", "subfolder", out="b")
    assert len(samples) == 12 and samples["class0/ink/x"][1] == "ink"
    assert "24 x not a folder, where one is expected" in text
    samples, text = convert(out="c")
    assert len(samples) == 36 and samples["class0/ink/x"][:2] == ("class0", "all")


def test_side_files(convert, tree):
    sound, series = np.arange(-50, 50, dtype="<i2"), np.ones((5, 2), np.float32)
    (tree / "class1/s2.txt").write_text(" hôtel\n")
    save_wav(tree / "class1/s2.wav", sound)
    np.save(tree / "class1/s2.npy", series)
    np.save(tree / "class1/s3.npy", np.arange(3))
    values = (samples := convert()[0])["class1/s2"][3]
    assert values["text"].tobytes().decode() == "hôtel" and (values["audio"] == sound).all()
    assert (values["series"]
            == series).all() and set(values) == {"image", "text", "audio", "series"}
    assert samples["class1/s3"][3]["vector"].tolist() == [0, 1, 2]
    assert set(samples["class0/s0"][3]) == {"image"}


def test_whatever_is_wrong_is_named_and_counted(convert, tree):
    (tree / "class0/s0.png").write_bytes(b"no image")
    (tree / "class0/s1.png").write_bytes((tree / "class0/s1.png").read_bytes()[:50])
    (tree / "class0/s1.txt").write_text("the text alone remains")
    (tree / "class0/readme.pdf").write_text("")
    save_image(tree / "class1/s0.jpg", 1)
    (tree / "class2/lonely.txt").write_text("no partner")
    (tree / "class2/s0.wav").write_text("no sound")
    save_wav(tree / "class1/s2.wav", np.zeros(10, "<i2"))
    np.save(tree / "class2/s1.npy", np.zeros((4, 2)))
    np.save(tree / "class2/s2.npy", np.zeros((4, 3)))
    np.save(tree / "class3/s2.npy", np.zeros((4, 2)))
    np.save(tree / "class2/s3.npy", np.array([{}]), allow_pickle=True)
    (tree / "class2/s3.txt").write_text("")
    (tree / "class2/link.png").symlink_to("nowhere.png")
    save_image(tree / "single/x.png", 3)
    (tree / "void").mkdir()
    (tree / "notes").mkdir()
    (tree / "notes/only.txt").write_text("x")
    (tree / "stray.png").write_bytes(b"")
    (tree / ".hidden").mkdir()
    samples, text = convert("--shards", "1")
    for line in ("class0/s0 [image]: broken image",
                 "class0/s1 [image]: broken image", "readme.pdf: unknown file type .pdf",
                 "s0.png: second image of one stem",
                 "lonely.txt: side file without an image of that stem",
                 "class2/s0 [audio]: broken sound, or of a format that libsndfile does not read",
                 "s2.npy: .npy with 3 channels, while most series files have 2",
                 "s3.npy: broken .npy:", "class2/s3 [text]: text is empty", "link.png: not a file",
                 "class single: class with 1 usable sample(s)", "void: empty folder",
                 "notes: class folder without a usable file", "stray.png: not a folder"):
        assert line in (log := (tree.parent / "out/conversion.log").read_text()), line
    assert "skipped: 15" in log and text.count("side file without") == 1
    assert len(samples) == 23 and set(samples["class0/s1"][3]) == {"text"} and set(
        samples["class1/s0"][3]) == {"image"}


@pytest.mark.parametrize(
    "name", ["with space", "[brackets]", "クラス", "quote'\"", "per%cent {x}", "a=b", "*?"])
def test_odd_names(run, tmp_path, name):
    for sample in ("1 [a]", "é*"):
        save_image(tmp_path / "in" / name / f"{sample}.png", 5)
    code, _, err = run("folder", tmp_path / "in", "--out", tmp_path / f"out {name}", "--size",
                       "4")
    assert (code, err) == (0, "")
    assert {row[0] for row in read_all(tmp_path / f"out {name}").values()} == {name}


def test_names_that_are_not_utf8(convert, tree):
    save_image(tree / "class0" / b"\xff.png".decode("utf-8", "surrogateescape"), 5)
    (tree / b"\xfe".decode("utf-8", "surrogateescape")).mkdir()
    samples, text = convert()
    assert len(samples) == 24 and "2 x name is not UTF-8" in text


def test_sound_without_images(run, tmp_path):
    for class_name in "ab":
        for sample in range(3):
            (tmp_path / "in" / class_name).mkdir(parents=True, exist_ok=True)
            save_wav(tmp_path / "in" / class_name / f"{sample}.wav",
                     np.arange(100, dtype="<i2"),
                     rate=8000)
    arguments = ("folder", tmp_path / "in", "--out", tmp_path / "out", "--sample-rate",
                 "16000")
    assert run(*arguments)[0] == 0
    samples = read_all(tmp_path / "out")
    assert len(samples) == 6 and {len(row[3]["audio"]) for row in samples.values()} == {200}


def test_refusals(run, tree, tmp_path):
    (tmp_path / "empty").mkdir()
    out = tmp_path / "out"
    for arguments, message in (((tmp_path / "none", ), "no such folder"), ((tmp_path / "empty", ),
                                                                           "holds an image"),
                               ((tree, "--splits", "0.5,0.6,0.1"),
                                "the sum must be 1"), ((tree, "--size", "big"), "--size big"),
                               ((tree, "--name", "a/b"), "--name"), ((tree, "--sample-rate", "1"),
                                                                     "--sample-rate 1")):
        code, _, err = run("folder", *arguments, "--out", out)
        assert code == 2 and message in err and not out.exists(), err


def test_a_changed_file_is_noticed(convert, tree, run, tmp_path):
    convert()
    assert "complete already" in convert()[1]
    save_image(tree / "class0/s0.png", 200)
    code, _, err = run("folder", tree, "--out", tmp_path / "out", "--size", "4")
    assert code == 2 and "--overwrite" in err
    assert (convert("--overwrite")[0]["class0/s0"][3]["image"] == 200).all()


def test_a_million_files_need_less_than_a_gigabyte(tmp_path):
    """What is held of each file, measured on a few: 0.8 KB."""
    for number in range(3000):
        place = tmp_path / f"class{number % 3}"
        place.mkdir(exist_ok=True)
        (place / f"text_{number:06}.txt").write_text("x")
    args = cli.build_parser("folder").parse_args(["folder", str(tmp_path), "--out", "x"])
    tree = folder_tree.ClassTree(tmp_path, 1, False, Report())
    tracemalloc.start()
    try:
        samples = Gatherer(args, Report()).samples(tree.classes)
        lines = tracemalloc.take_snapshot().statistics("lineno")
    finally:
        tracemalloc.stop()
    held = sum(line.size for line in lines if line.count > 1)  # what is one thing is the interpreter's table of names
    assert len(samples) == 3000 and held < 3000 * 1000


def test_a_tree_without_a_class_of_two_is_refused(run, tmp_path):
    for name in "ab":
        save_image(tmp_path / "in" / name / "x.png", 3)
    code, text, err = run("folder", tmp_path / "in", "--out", tmp_path / "out")
    assert code == 2 and "no class has 2 samples" in err and "2 x class with 1 usable sample(s)" in text
    assert not (tmp_path / "out").exists()


def test_numbers_that_are_not_known_are_kept_when_asked(run, tmp_path):
    for name in "ab":
        (tmp_path / "in" / name).mkdir(parents=True)
        for index in range(3):
            np.save(tmp_path / "in" / name / f"{index}.npy", [[index, np.nan if index == 2 else 1.5]] * 4)
    code, text, err = run("folder", tmp_path / "in", "--out", tmp_path / "left")
    assert (code, err) == (0, "")
    assert "2 x holds values that are not finite in float32 (NaN, and holes are not kept)" in text
    code, text, err = run("folder", tmp_path / "in", "--out", tmp_path / "kept", "--holes")
    assert (code, err) == (0, "") and run("verify", tmp_path / "kept")[0] == 0
    left, kept = read_all(tmp_path / "left"), read_all(tmp_path / "kept")
    assert len(left) == 4 and len(kept) == 6
    np.testing.assert_array_equal(kept["a/2"][3]["series"], np.float32([[2, np.nan]] * 4))
