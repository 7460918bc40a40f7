"""A model that learned from random tables takes real ones, of fewer columns, which are known by their names."""

import subprocess
import sys

import numpy as np
import pytest

import driver
from driver import cuttle, cuttle_json

CONFIG = """
name: tables
episode: {source: causal_tables, features: 5, features_min: 2, latent: 2, mixed: true, target: class, way: 3, shot: 4,
          query: 2, class_weights: none, meta_batch_size: 2}
model: {encoders: {x: {type: table, width: 8}}}
adapt: {algorithm: caml, width: 16, layers: 1, joint: false}
train: {steps: 2, validate_every: 0}
"""
COLUMNS = {"length": 0, "width": 1, "weight": 2}


def write_table(path, columns, rows=18):
    """Three classes, an even number of rows of each; the same rows whatever the columns."""
    values = np.random.default_rng(1).normal(size=(rows, 3)).round(3)
    lines = [",".join([*columns, "class"])]
    for row in range(rows):
        values[row] += 3 * row % 3
        lines.append(",".join([*(str(values[row, COLUMNS.get(name, 0)]) for name in columns), "abc"[row % 3]]))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def pack(table, like, *words, more=(), code=driver.DONE):
    """The shard, or what was said where the code is another. more: further tables."""
    out = table.with_suffix(".h5")
    out.unlink(missing_ok=True)
    given = map(str, (table, *more, "--like", like, "--out", out))
    tool = [sys.executable, "-m", "cuttle_data", "pack", *given, *words]
    environment = {**driver.ENVIRONMENT, "PYTHONPATH": str(driver.ROOT / "data_tools")}
    result = subprocess.run(tool, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == code, result.stderr
    return out if code == driver.DONE else result.stderr


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tables")
    (folder / "tables.yaml").write_text(CONFIG, encoding="utf-8")
    driver.train(folder / "tables.yaml", folder / "run")
    return folder / "run"


@pytest.fixture(scope="module")
def adapted(run):
    known = pack(write_table(run.parent / "known.csv", ["length", "width", "weight"]), run, "--pad")
    cuttle("adapt", run, "--support", known, "--out", run.parent / "mine.adapted")
    return run.parent / "mine.adapted"


def answers(adapted, given):
    return [line.split("\t")[1:] for line in cuttle("predict", adapted, given).stdout.splitlines()]


def test_columns_are_found_by_their_names_in_any_order(run, adapted, tmp_path):
    told = cuttle_json("inspect", adapted)["modalities"][0]
    assert told["columns"] == ["length", "width", "weight", "", ""]
    expected = answers(adapted, pack(write_table(tmp_path / "same.csv", ["length", "width", "weight"]), run, "--pad"))
    assert len(expected) == 18
    swapped = write_table(tmp_path / "swapped.csv", ["weight", "length", "width"])
    assert answers(adapted, pack(swapped, run, "--pad")) == expected  # the shard knows nothing of the adapted model
    assert answers(adapted, pack(swapped, adapted)) == expected
    assert answers(adapted, swapped) == expected  # nobody has to pack, or to say how
    more = write_table(tmp_path / "more.csv", ["note", "weight", "length", "width"])
    assert answers(adapted, pack(more, run, "--pad")) == expected == answers(adapted, more)


def test_a_column_that_is_not_there_is_named(run, adapted, tmp_path):
    lacks = write_table(tmp_path / "lacks.csv", ["length", "weight"])
    said = cuttle("predict", adapted, pack(lacks, run, "--pad"), code=driver.USER_ERROR).stderr
    assert "its x has no column width (the model's is of length, width, weight); it has length, weight" in said
    assert "no column width" in cuttle("predict", adapted, lacks, code=driver.USER_ERROR).stderr
    other = write_table(tmp_path / "other.csv", ["a", "b", "c"])
    said = cuttle("predict", adapted, pack(other, run, "--pad")).stderr
    assert "the columns a, b, c, of which the model knows none (length, width, weight)" in said


def test_tables_of_one_shard_have_their_columns_in_one_order(run, tmp_path):
    first = write_table(tmp_path / "first.csv", ["length", "width"])
    second = write_table(tmp_path / "second.csv", ["width", "length"])
    shard = pack(first, run, "--pad", more=[second])
    cuttle("adapt", run, "--support", shard, "--calibrate", "0", "--out", tmp_path / "a")
    assert cuttle_json("inspect", tmp_path / "a")["modalities"][0]["columns"] == ["length", "width", "", "", ""]
    third = write_table(tmp_path / "third.csv", ["length", "weight"])
    assert "no column width" in pack(first, run, "--pad", more=[third], code=driver.USER_ERROR)


def test_narrow_tables_are_told_how_to_be_taken(run, tmp_path):
    table = write_table(tmp_path / "t.csv", ["length", "width"])
    said = cuttle("adapt", run, "--support", table, "--out", tmp_path / "a", code=driver.USER_ERROR).stderr
    assert "fill its rows with zeros by cuttle-data pack --pad" in said


def test_eval_asks_about_the_classes_of_real_tables(run, tmp_path):
    table = pack(write_table(tmp_path / "t.csv", ["length", "width"]), run, "--pad")
    words = ("eval", run, "--shards", table, "--split", "all", "--episodes", "4")
    said = cuttle(*words).stderr
    assert "--shards: episodes of their classes, in place of causal_tables" in said
    assert cuttle_json(*words)["accuracy"] == cuttle_json(*words, "episode.source=episodes")["accuracy"]
