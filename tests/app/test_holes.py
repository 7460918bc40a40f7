"""Tables and series as they come, from a file to answers: what is missing teaches, what nobody has seen is unknown."""

import json
import subprocess
import sys

import driver
import numpy as np
import part_data
import pytest
from driver import cuttle, cuttle_json

SPLITS = ["train"] * 16 + ["validation"] * 4 + ["test"] * 6
TABLE = part_data.Modality("x", "vector", (8, ), holes=True)
SERIES = part_data.Modality("x", "series", (2, ), holes=True)
CONFIG = {"name": "holes", "episode": {"way": 3, "shot": 2, "query": 4, "meta_batch_size": 4},
          "adapt": {"algorithm": "protonet"}, "step": {"outer_lr": 0.01},
          "train": {"steps": 60, "validate_every": 0}, "evaluation": {"episodes": 60}}


def write(path, sense, sample):
    """Shards of twelve samples a class; sample(number of the class, draw): one."""
    draw = np.random.default_rng(7)
    samples = [part_data.Loaded(f"{number}/{index}", f"class {number}", "all", split,
                                {"x": np.ascontiguousarray(sample(number, draw), "<f4")}, None)
               for number, split in enumerate(SPLITS) for index in range(12)]
    part_data.write_shard(path, part_data.DatasetInfo("holes", "made by a test", "CC0-1.0", "a test"), [sense], samples)
    return path


def accuracy(folder, shards, encoder):
    config = {**CONFIG, "data": {"shards": [str(shards)]}, "model": {"encoders": {"x": encoder}}}
    path = driver.write_config(folder / f"{encoder['type']}.yaml", "", json.dumps(config))
    driver.train(path, folder / encoder["type"])
    return cuttle_json("eval", folder / encoder["type"])["accuracy"]


def missing(number, draw):
    """Ones, of which a class lacks some, and now and then another: nothing but the holes tells classes apart."""
    lacks = np.unpackbits(np.uint8([(37 * number + 11) % 256])).astype(bool)
    return np.where(lacks ^ (draw.random(8) < 0.05), np.nan, 1)


def test_a_table_is_told_apart_by_what_is_missing(tmp_path):
    shards = write(tmp_path / "data.h5", TABLE, missing)
    assert accuracy(tmp_path, shards, {"type": "columns", "width": 16}) > 0.85
    filled = {"type": "mlp", "width": 16, "depth": 2, "fitted": ["impute"]}
    assert accuracy(tmp_path, shards, filled) == pytest.approx(1 / 3, abs=1e-6)
    probed = cuttle_json("probe", shards, "--way", "3", "--query", "2", "--episodes", "20", "--split", "test")
    means = {raw["encoder"]: raw["accuracy"]["mean"] for raw in probed["senses"]["x"]}
    assert means == {"{type: raw, fitted: [impute]}": pytest.approx(1 / 3, abs=1e-6),
                     "{type: raw, fitted: [impute, standardise]}": pytest.approx(1 / 3, abs=1e-6)}


def test_holes_of_any_source_are_seen_at_the_start(tmp_path):
    whole = write(tmp_path / "whole.h5", part_data.vector("x", 8), lambda number, draw: draw.normal(number, 1, 8))
    some = write(tmp_path / "some.h5", TABLE, missing)
    config = {**CONFIG, "model": {"encoders": {"x": {"type": "mlp", "width": 8}}}, "sources": {
        "first": {"type": "episodes", "weight": 1, "shards": [str(whole)]},
        "second": {"type": "episodes", "weight": 1, "shards": [str(some)]}}}
    path = driver.write_config(tmp_path / "two.yaml", "", json.dumps(config))
    said = cuttle("validate", path, code=driver.USER_ERROR)
    assert "model.encoders.x: x has holes" in said.stdout + said.stderr
    cuttle("validate", driver.write_config(tmp_path / "columns.yaml", "", json.dumps(config).replace("mlp", "columns")))


def late(number, draw):
    """Twelve moments at which two ones are seen, a class's own number of moments apart."""
    series = np.full((12, 2), np.nan)
    first = draw.integers(0, 4)
    series[first, 0] = series[first + 1 + number % 7, 1] = 1
    return series


def test_series_are_told_apart_by_when_values_came(tmp_path):
    shards = write(tmp_path / "data.h5", SERIES, late)
    said = cuttle("suggest", shards).stdout
    assert "irregular: true" in said and "91.7 % holes" in said
    for kind in ("gru", "series_conv"):
        assert accuracy(tmp_path, shards, {"type": kind, "width": 16, "irregular": True}) > 0.6
        (tmp_path / kind).rename(tmp_path / f"{kind} irregular")
    filled = {"type": "gru", "width": 16, "fitted": ["impute"]}
    assert accuracy(tmp_path, shards, filled) == pytest.approx(1 / 3, abs=1e-6)


def rows(classes, colours, draw):
    """Eight rows a class as text: a colour that says most of it, a date, numbers, some of them missing."""
    table = []
    for number in classes:
        for _ in range(8):
            colour = colours[number % len(colours)] if draw.random() < 0.9 else ""
            day = "" if draw.random() < 0.2 else f"2025-{1 + number % 12:02d}-{draw.integers(1, 28):02d}"
            size = "NA" if draw.random() < 0.3 else round(draw.normal(number, 1), 3)
            table.append([f"k{number}", colour, day, size, round(draw.normal(), 3)])
    return table


def save(path, table, head=("kind", "colour", "seen", "size", "noise")):
    path.write_text("\n".join(",".join(map(str, row)) for row in [head, *table]) + "\n", encoding="utf-8")
    return path


def test_a_table_with_categories_dates_and_holes_goes_from_a_file_to_answers(tmp_path):
    draw = np.random.default_rng(3)
    table = save(tmp_path / "t.csv", rows(range(24), ["red", "green", "blue", "white", "black"], draw))
    words = ("frame", table, "--out", tmp_path / "data", "--class", "kind", "--codes")
    subprocess.run([sys.executable, "-m", "cuttle_data", *map(str, words)], check=True, capture_output=True,
                   env={**driver.ENVIRONMENT, "PYTHONPATH": str(driver.ROOT / "data_tools")})
    said = cuttle("suggest", tmp_path / "data").stdout
    assert "type: columns, width: 64" in said and "% holes" in said
    (tmp_path / "my.yaml").write_text(said, encoding="utf-8")
    driver.train(tmp_path / "my.yaml", tmp_path / "run", "train.minutes=0", "train.steps=60", "step.outer_lr=0.01",
                 "train.validation_episodes=5")
    known = save(tmp_path / "known.csv", rows([30, 31, 33], ["red", "green", "blue"], draw))
    cuttle("adapt", tmp_path / "run", "--support", known, "--out", tmp_path / "mine.adapted")
    told = cuttle_json("inspect", tmp_path / "mine.adapted")["modalities"][0]
    assert set(told["categories"]["colour"]) <= {"red", "green", "blue", "white", "black"} and told["holes"]
    asked = rows([30, 31, 33], ["red", "mauve", "blue"], draw)
    turned = [[row[1], row[4], row[3], row[2], row[0]] for row in asked]
    given = save(tmp_path / "asked.csv", turned, ("colour", "noise", "size", "seen", "kind"))
    result = cuttle("predict", tmp_path / "mine.adapted", given, "--json")
    answers = [json.loads(line).get("class") for line in result.stdout.splitlines()]
    assert "colour has 1 categories that the model does not know, such as 'mauve'" in result.stderr
    right = [answer == row[0] for answer, row in zip(answers, asked)]
    assert len(right) == 24 and np.mean(right) > 0.6
