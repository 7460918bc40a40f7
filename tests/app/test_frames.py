"""From a table to a trained model: one command of `cuttle-data frame`, then five steps on what it wrote."""

import random
import subprocess
import sys

import driver
import pytest

CONFIG = """
name: table
data: {shards: [SHARDS/*.h5]}
episode: {EPISODE, shot: 1, query: 2, meta_batch_size: 2}
model: {encoders: {ENCODERS}}
adapt: {algorithm: maml, inner_steps: 1, inner_lr: 0.01}
step: {outer_lr: 0.001}
train: {steps: 5, validate_every: 5, validation_episodes: 3, checkpoint_every: 5}
evaluation: {episodes: 5}
"""
CLASSES, EACH = 20, 4
DICE = random.Random(3)


def sentences():
    words = "red blue good bad fast slow house tree".split()
    return [["text", "label"]] + [[" ".join(DICE.choices(words, k=4)) + f" {c}", f"topic {c}"]
                                  for c in range(CLASSES) for _ in range(EACH)]


def measurements():
    return [["patient", "day", "pulse", "age", "diagnosis"]] + [
        [f"p{p}", day, 60 + p % CLASSES + DICE.random(), p, f"d{p % CLASSES}"] for p in range(CLASSES * EACH)
        for day in range(6)]


def doses():
    return [["user", "dose", "y"]] + [[f"u{c}", s, c * s + 0.5] for c in range(CLASSES) for s in range(EACH)]


@pytest.mark.parametrize("rows, episode, encoders", [
    (sentences, "way: 3", "text: {type: char_conv, width: 8, depth: 1}"),
    (measurements, "way: 3",
     "series: {type: series_conv, width: 8, depth: 1}, vector: {type: mlp, width: 8, depth: 1}"),
    (doses, "target: value, way: 1", "vector: {type: mlp, width: 8, depth: 1}")])
def test_a_table_trains(tmp_path, rows, episode, encoders):
    table = tmp_path / "t.csv"
    table.write_text("".join(",".join(map(str, row)) + "\n" for row in rows()), encoding="utf-8")
    subprocess.run([sys.executable, "-m", "cuttle_data", "frame", table, "--out", tmp_path / "shards"], check=True,
                   env={**driver.ENVIRONMENT, "PYTHONPATH": str(driver.ROOT / "data_tools")}, capture_output=True)
    shard = next((tmp_path / "shards").glob("*-00000-*.h5"))
    assert all(sense in driver.cuttle("inspect", shard).stdout for sense in ("text", "series", "vector")
               if sense in encoders)
    config = tmp_path / "c.yaml"
    config.write_text(CONFIG.replace("SHARDS", str(tmp_path / "shards")).replace("EPISODE", episode)
                      .replace("ENCODERS", encoders), encoding="utf-8")
    driver.train(config, tmp_path / "run")
    assert len(driver.metrics(tmp_path / "run", "train")) == 5
