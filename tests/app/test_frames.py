"""From a table to answers: `cuttle-data frame`, five steps on what it wrote, and another table of the same columns."""

import json
import random
import subprocess
import sys

import driver
import pytest

TOOLS = driver.ROOT / "data_tools"
sys.path.insert(0, str(TOOLS))

from cuttle_data import load  # noqa: E402

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


def data_tools(*words):
    done = subprocess.run([sys.executable, "-m", "cuttle_data", *words], capture_output=True, text=True,
                          env={**driver.ENVIRONMENT, "PYTHONPATH": str(TOOLS)})
    assert done.returncode == 0, done.stderr


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
def test_a_table_trains_adapts_and_is_answered(tmp_path, monkeypatch, rows, episode, encoders):
    monkeypatch.setenv("CUTTLE_PROGRAM", str(driver.PROGRAM))
    table = tmp_path / "t.csv"
    table.write_text("".join(",".join(map(str, row)) + "\n" for row in rows()), encoding="utf-8")
    data_tools("frame", table, "--out", tmp_path / "shards")
    shard = next((tmp_path / "shards").glob("*-00000-*.h5"))
    assert all(sense in driver.cuttle("inspect", shard).stdout for sense in ("text", "series", "vector")
               if sense in encoders)
    config = tmp_path / "c.yaml"
    config.write_text(CONFIG.replace("SHARDS", str(tmp_path / "shards")).replace("EPISODE", episode)
                      .replace("ENCODERS", encoders), encoding="utf-8")
    driver.train(config, tmp_path / "run")
    assert len(driver.metrics(tmp_path / "run", "train")) == 5
    use(tmp_path, rows()[:1] + [row for row in rows()[1:] if int("".join(filter(str.isdigit, str(row[0]))) or 0) < 3],
        encoders)


def use(folder, rows, encoders):
    """A table of the same columns adapts the run; the answers to it bear the names of its rows."""
    (folder / "new.csv").write_text("".join(",".join(map(str, row)) + "\n" for row in rows), encoding="utf-8")
    data_tools("pack", folder / "new.csv", "--like", folder / "run", "--out", folder / "support.h5")
    driver.cuttle("adapt", folder / "run", "--support", folder / "support.h5", "--out", folder / "m.adapted")
    data_tools("pack", folder / "new.csv", "--like", folder / "m.adapted", "--no-labels", "--out", folder / "query.h5")
    lines = driver.cuttle("predict", folder / "m.adapted", folder / "query.h5", "--json").stdout.splitlines()
    answers = list(map(json.loads, lines))
    assert {answer["sample"] for answer in answers} == (
        {row[0] for row in rows[1:]} if "series" in encoders else {f"line {i}" for i in range(2, len(rows) + 1)})
    if "--stream" not in driver.cuttle("predict", "--help").stdout:
        return  # the program does not answer from Python yet
    with load(folder / "m.adapted") as model:
        streamed = {answer.sample: answer for answer in model.predict(folder / "new.csv")}
    assert {name: a.label or list(a.values) for name, a in streamed.items()} == {
        answer["sample"]: answer.get("class") or answer["values"] for answer in answers}
