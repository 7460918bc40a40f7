"""`sinusoid`: the values are those of the functions that the classes are named after."""

import math
import re

import numpy as np
import pytest

from cuttle_data.files import shard_paths
from cuttle_data.reader import Shard
from test_resume import hashes

SMALL = ("--functions", "6,2,3", "--samples-per-function", "5", "--shards", "2")


def sinusoid(run, out, *options):
    code, text, err = run("sinusoid", "--out", out, *options)
    assert (code, err) == (0, "")
    return text


def points_of(out):
    """{class name: ([x], [y], split)} in the order of the shards."""
    points = {}
    for path in shard_paths([out]):
        with Shard(path) as shard:
            for row, class_id in enumerate(shard.sample_class):
                xs, ys, _ = points.setdefault(shard.class_names[class_id],
                                              ([], [], shard.sample_split[row]))
                value = shard.read(row, "x")
                assert value.shape == (1, ) and value.dtype == np.float32
                xs.append(float(value[0]))
                ys.append(float(shard.targets[row, 0]))
    return points


def test_values_are_those_of_the_declared_functions(run, tmp_path):
    sinusoid(run, tmp_path, *SMALL)
    points = points_of(tmp_path)
    assert len(points) == 11
    for name, (xs, ys, split) in points.items():
        match = re.fullmatch(r"(train|validation|test)/\d{5} A=(\S+) phase=(\S+)", name)
        assert match[1] == ("train", "validation", "test")[split]
        amplitude, phase = float(match[2]), float(match[3])
        assert 0.1 <= amplitude <= 5 and 0 <= phase <= math.pi and len(set(xs)) == 5
        for x, y in zip(xs, ys):
            assert -5 <= x <= 5
            assert y == pytest.approx(amplitude * math.sin(x - phase), rel=1e-6, abs=1e-6)
    assert [split for _, _, split in points.values()] == [0] * 6 + [1] * 2 + [2] * 3


def test_the_header_declares_raw_x_one_target_and_where_it_comes_from(run, tmp_path):
    text = sinusoid(run, tmp_path, *SMALL, "--seed", "7")
    assert "targets of every sample: y" in text
    with Shard(shard_paths([tmp_path])[0]) as shard:
        assert [(m.name, m.kind, m.shape, m.mean, m.stddev)
                for m in shard.modalities] == [("x", "vector", (1, ), (), ())]
        assert shard.target_names == ("y", ) and shard.group_names == ["all"]
        header = shard.header
    assert (header["created_by"], header["license"], header["seed"]) == ("cuttle-data sinusoid",
                                                                         "CC0-1.0", 7)
    assert "A sin(x - phase)" in header["source"] and "noise 0" in header["source"]
    assert run("verify", tmp_path)[0] == 0


def test_same_arguments_same_bytes_other_seed_other_functions(run, tmp_path):
    for name, options in (("a", ()), ("b", ()), ("c", ("--seed", "1"))):
        sinusoid(run, tmp_path / name, *SMALL, *options)
    assert hashes(tmp_path / "a") == hashes(tmp_path / "b") != hashes(tmp_path / "c")
    assert not set(points_of(tmp_path / "a")) & set(points_of(tmp_path / "c"))
    assert "nothing to do" in sinusoid(run, tmp_path / "a", *SMALL)


def test_a_function_does_not_depend_on_how_many_there_are(run, tmp_path):
    sinusoid(run, tmp_path / "few", *SMALL)
    sinusoid(run, tmp_path / "many", "--functions", "9,9,9", "--samples-per-function", "5")
    few, many = points_of(tmp_path / "few"), points_of(tmp_path / "many")
    assert len(many) == 27 and all(many[name] == points for name, points in few.items())


def test_noise_is_added_to_y_alone(run, tmp_path):
    options = ("--functions", "20,0,0", "--samples-per-function", "50")
    sinusoid(run, tmp_path / "clean", *options)
    sinusoid(run, tmp_path / "noisy", *options, "--noise", "0.5")
    clean, noisy = points_of(tmp_path / "clean"), points_of(tmp_path / "noisy")
    assert [p[0] for p in clean.values()] == [p[0] for p in noisy.values()]
    added = np.array([p[1] for p in noisy.values()]) - np.array([p[1] for p in clean.values()])
    assert added.std() == pytest.approx(0.5, rel=0.1) and abs(added.mean()) < 0.06


def test_functions_fill_their_ranges(run, tmp_path):
    sinusoid(run, tmp_path, "--functions", "300,0,0", "--samples-per-function", "2")
    found = [re.findall(r"=(\S+)", name) for name in points_of(tmp_path)]
    amplitudes, phases = np.array(found, float).T
    for values, low, high in ((amplitudes, 0.1, 5), (phases, 0, math.pi)):
        counts = np.histogram(values, 5, (low, high))[0]
        assert counts.sum() == 300 and counts.min() > 35  # 60 expected, deviation 7


@pytest.mark.parametrize("options, message",
                         [(("--functions", "5"), "not three counts"),
                          (("--functions", "5,-1,2"), "not three counts"),
                          (("--functions", "0,0,0"), "not three counts"),
                          (("--functions", "1000000,1,0"), "at most 1000000 together"),
                          (("--samples-per-function", "1"), "at least 2"),
                          (("--noise", "-1"), "no standard deviation"),
                          (("--noise", "nan"), "no standard deviation")])
def test_refusals(run, tmp_path, options, message):
    code, _, err = run("sinusoid", "--out", tmp_path / "x", *options)
    assert code == 2 and message in err and not (tmp_path / "x").exists()


def test_dry_run_writes_nothing(run, tmp_path):
    text = sinusoid(run, tmp_path / "x", *SMALL, "--dry-run")
    assert "would write 2 shards" in text and not (tmp_path / "x").exists()
