"""Targets: written beside the samples, covered by the index hash, refused when anything is wrong."""

import json
from dataclasses import replace

import h5py
import numpy as np
import pytest

from cuttle_data.errors import UserError
from cuttle_data.reader import Shard
from cuttle_data.report import Report
from cuttle_data.schema import DatasetInfo
from cuttle_data.shards import write_dataset
from test_resume import hashes
from test_shards import INFO, MODALITIES, make_samples
from test_verify import replace as replace_dataset
from test_verify import expect_named, reseal, set_value

TARGETS = replace(INFO, targets=("y", "dose (mg/l)"))


def with_targets(**options):
    samples = make_samples(**options)
    for index, sample in enumerate(samples):
        sample.targets = (index, 1 / (index + 1))
    return samples


def write(out, samples, info=TARGETS, **options):
    report = Report()
    write_dataset(out, info, MODALITIES, samples,
                  **{"shards": 2, "seed": 3, "report": report, **options})
    return sorted(out.glob("*.h5")), report


@pytest.fixture
def shards(tmp_path):
    return write(tmp_path / "set", with_targets())[0]


def test_they_are_stored_in_order_as_float32_and_come_back(shards, run):
    with h5py.File(shards[1]) as file:
        stored = file["samples/targets"]
        assert stored.dtype.str == "<f4" and stored.chunks is None and stored.shape == (6, 2)
        assert stored[()].tolist() == [[i, np.float32(1 / (i + 1))] for i in range(6, 12)]
        assert json.loads(file.attrs["header"])["targets"] == ["y", "dose (mg/l)"]
    with Shard(shards[1]) as shard:
        assert shard.target_names == ("y", "dose (mg/l)") and shard.targets[0, 0] == 6
    code, out, err = run("verify", *shards)
    assert (code, err) == (0, "") and "note: targets of every sample: y, dose (mg/l)\n" in out


def test_the_report_of_the_writer_names_them(tmp_path):
    assert "targets of every sample: y, dose (mg/l)" in write(tmp_path, with_targets())[1].notes


def test_shards_without_them_say_nothing_of_them(tmp_path, run):
    path = write(tmp_path, make_samples(), INFO)[0][0]
    with h5py.File(path) as file:
        assert "samples/targets" not in file and "targets" not in file.attrs["header"].decode()
    with Shard(path) as shard:
        assert shard.target_names == () and shard.targets.shape == (6, 0)
    assert "targets" not in run("verify", tmp_path)[1]


def test_samples_that_are_skipped_take_their_targets_along(tmp_path):
    samples = with_targets()
    samples[7].values.clear()
    path = write(tmp_path, samples, shards=1)[0][0]
    with Shard(path) as shard:
        assert shard.targets[:, 0].tolist() == [0, 1, 2, 3, 4, 5, 6, 8, 9, 10, 11]
        assert shard.sample_names[7] == "sample 8"


def test_a_part_of_skipped_samples_alone_still_has_the_dataset(tmp_path):
    samples = with_targets()
    for sample in samples[:6]:
        sample.values.clear()
    path = write(tmp_path, samples)[0][0]
    with h5py.File(path) as file:
        assert file["samples/targets"].shape == (0, 2)
    with Shard(path) as shard:
        assert shard.targets.shape == (0, 2)


def test_another_target_is_another_plan_and_other_bytes(tmp_path):
    write(tmp_path / "a", with_targets())
    changed = with_targets()
    changed[3].targets = (3.5, 0.25)
    with pytest.raises(UserError, match="another conversion"):
        write(tmp_path / "a", changed)
    write(tmp_path / "b", changed)
    write(tmp_path / "c", with_targets())
    write(tmp_path / "d", with_targets(), replace(TARGETS, targets=("y", "z")))
    write(tmp_path / "e", make_samples(), INFO)
    a, b, c, d, e = (hashes(tmp_path / name) for name in "abcde")
    assert a == c and len({json.dumps(h) for h in (a, b, d, e)}) == 4


@pytest.mark.parametrize("targets, message",
                         [(None, r"sample 4: has targets of shape \[0\], not \[2\]"),
                          ((1, ), r"has targets of shape \[1\]"),
                          (((1, 2), ), r"has targets of shape \[1, 2\]"),
                          ((1, np.nan), "not finite in float32"),
                          ((1e39, 1), "not finite in float32"),
                          (("1", "2"), "not numbers")])
def test_unusable_ones_are_refused_before_anything_is_written(tmp_path, targets, message):
    samples = with_targets()
    samples[4].targets = targets
    with pytest.raises(UserError, match=message):
        write(tmp_path / "out", samples)
    assert not (tmp_path / "out").exists()


def test_undeclared_ones_are_refused(tmp_path):
    with pytest.raises(UserError, match=r"sample 0: has targets of shape \[2\], not \[0\]"):
        write(tmp_path / "out", with_targets(), INFO)


@pytest.mark.parametrize("target_names", [("", ), ("a", "a"), ("\udcff", ), ("é" * 33, )])
def test_unusable_names_are_refused(target_names):
    with pytest.raises(UserError, match="target name"):
        DatasetInfo("toy", "a test", "CC0-1.0", "pytest", targets=target_names).check()


@pytest.mark.parametrize(
    "change, message",
    [(set_value("samples/targets", (2, 1), np.nan),
      r"target dose \(mg/l\) of sample 2 \(sample 2\) is nan"),
     (set_value("samples/targets", (5, 0), -np.inf), r"target y of sample 5 \(sample 5\) is -inf"),
     (lambda f: f.__delitem__("samples/targets"), "lacks /samples/targets"),
     (replace_dataset("samples/targets", np.zeros((6, 3), "<f4")), r"shape \(6, 3\), not <f4"),
     (replace_dataset("samples/targets", np.zeros((5, 2), "<f4")), r"shape \(5, 2\), not <f4"),
     (replace_dataset("samples/targets", np.zeros(12, "<f4")), r"shape \(12,\), not <f4"),
     (replace_dataset("samples/targets", np.zeros(
         (6, 2), "<f8")), "/samples/targets has type float64"),
     (replace_dataset("samples/targets", np.zeros(
         (6, 2), "<f4"), chunks=(2, 2)), "/samples/targets is not contiguous")])
def test_damaged_ones_are_named_even_with_a_right_hash(shards, change, message):
    expect_named(shards[0], change, message)


@pytest.mark.parametrize(
    "value, message", [("[]", "not a list of names"), ("null", "not a list of names"),
                       ('"y"', "not a list of names"), ("[1, 2]", "not a list of names"),
                       ('["y", "y"]', "name each target once"), ('["y", ""]', "not usable"),
                       ('["y"]', r"shape \(6, 2\), not <f4 and \(6, 1\)")])
def test_wrong_names_in_the_header(shards, value, message):
    change_header(shards[0], '["y", "dose (mg/l)"]', value)
    with pytest.raises(UserError, match=message):
        Shard(shards[0])


def test_targets_that_the_header_does_not_declare(shards):
    change_header(shards[0], ', "targets": ["y", "dose (mg/l)"]', "")
    with pytest.raises(UserError, match="has undeclared /samples/targets"):
        Shard(shards[0])


def change_header(path, old, new):
    with h5py.File(path, "r+") as file:
        header = file.attrs["header"].decode()
        assert old in header
        file.attrs["header"] = np.bytes_(header.replace(old, new))
    reseal(path)


def test_a_claim_larger_than_the_file_allocates_nothing(shards):
    with h5py.File(shards[0], "r+") as file:
        del file["samples/targets"]
        file.create_dataset("samples/targets", shape=(6, 2**50), dtype="<f4")
    with pytest.raises(UserError, match="/samples/targets is larger than the file"):
        Shard(shards[0])


def test_a_flipped_bit_breaks_the_index_hash(shards, run):
    with h5py.File(shards[0], "r+") as file:
        file["samples/targets"][1, 1] = np.nextafter(file["samples/targets"][1, 1], np.float32(9))
    code, _, err = run("verify", *shards)
    assert code == 2 and "does not have the SHA-256" in err


@pytest.mark.parametrize("first, second", [(TARGETS, INFO), (INFO, TARGETS),
                                           (TARGETS, replace(TARGETS, targets=("y", "z")))])
def test_shards_with_different_targets_do_not_fit_together(tmp_path, run, first, second):
    sets = []
    for folder, info in (("a", first), ("b", second)):
        samples = with_targets() if info.targets else make_samples()
        sets.append(write(tmp_path / folder, samples, info)[0])
    sets[1][1].replace(sets[0][1])
    code, _, err = run("verify", tmp_path / "a")
    assert code == 2 and "toy-00001-of-00002.h5: header: targets differs from that of" in err


@pytest.mark.parametrize("kind, names, levels", [("labels", 3, {0, 1}), ("ratings", 1, {1, 2, 3, 4, 5}),
                                                 ("relevances", 1, {0, 1, 2})])
def test_made_up_targets_lie_along_directions_of_a_class(tmp_path, run, kind, names, levels):
    words = ("make_synthetic", "--targets", kind, "--classes", "2", "--samples-per-class", "60", "--missing", "0",
             "--splits", "0,0,1", "--shards", "1")
    assert run(*words, "--out", tmp_path / "one")[0] == run(*words, "--out", tmp_path / "two")[0] == 0
    (path, ) = (tmp_path / "one").glob("*.h5")
    assert [file.read_bytes() for file in (tmp_path / "two").glob("*.h5")] == [path.read_bytes()]
    with Shard(path) as shard:
        targets, classes = np.array(shard.targets), np.array(shard.sample_class)
        vectors = np.array([shard.read(row, "vector") for row in range(len(classes))], np.float64)
    assert targets.shape[1] == names and set(targets.flat) == levels
    for number in range(2):
        x = np.column_stack([vectors[classes == number], np.ones(60)])
        y = targets[classes == number]
        fitted = x @ np.linalg.lstsq(x, y, rcond=None)[0]
        assert (1 - ((fitted - y)**2).sum(0) / ((y - y.mean(0))**2).sum(0) > 0.4).all()
