"""Targets beside classes and plain values: what eval and predict tell of them, against NumPy, and what is refused."""

import csv
import json
import re

import driver
import numpy as np
import part_data
import pytest
from cuttle_data.reader import Shard
from driver import USER_ERROR, cuttle, cuttle_json
from part_cases import config_of


@pytest.fixture(scope="module", name="sets")
def data_sets(tmp_path_factory):
    return part_data.make(tmp_path_factory.mktemp("sets"))


def adapted_to(name, sets, folder):
    """The case's config, and what its run after one step has adapted to the samples of use."""
    config = driver.write_config(folder / "config.yaml", "", json.dumps(config_of(name, sets)))
    driver.train(config, folder / "run", "train.steps=1", "train.validate_every=0")
    cuttle("adapt", folder / "run", "--support", sets[name]["use"], "--out", folder / "adapted")
    return folder / "adapted"


def answers_to(adapted, use, folder):
    """(records, CSV's rows after their header, the header, what was said)."""
    said = cuttle("predict", adapted, use, "--out", folder / "answers.csv").stderr
    header, *rows = csv.reader((folder / "answers.csv").read_text(encoding="utf-8").splitlines())
    told = [json.loads(line) for line in cuttle("predict", adapted, use, "--json").stdout.splitlines()]
    return told, rows, header, said


def targets_of(use):
    with Shard(use) as shard:
        return np.array(shard.targets, np.float64), shard.target_names


def test_labels_are_told_with_their_probabilities(sets, tmp_path):
    use = sets["labels"]["use"]
    told, rows, header, said = answers_to(adapted_to("labels", sets, tmp_path), use, tmp_path)
    there, names = targets_of(use)
    assert header == ["sample", *names]
    assert [[row[0], *map(np.float32, row[1:])] for row in rows] == [
        [record["sample"], *(np.float32(record["probabilities"][name]) for name in names)] for record in told]
    probabilities = np.array([list(record["probabilities"].values()) for record in told])
    assert ((0 < probabilities) & (probabilities < 1)).all()
    assert [record["labels"] for record in told] == [
        [name for name, probability in zip(names, row) if probability > 0.5] for row in probabilities]
    found = probabilities > 0.5
    right, either = (found * there).sum(0), found.sum(0) + there.sum(0)
    micro, macro = 200 * right.sum() / either.sum(), 200 * np.mean((right / np.maximum(either, 1))[either > 0])
    assert f"F1 {micro:.1f} % (micro), {macro:.1f} % (macro, of {(either > 0).sum()} labels" in said


def test_eval_tells_figures_of_all_labels_and_of_each(sets, tmp_path):
    adapted_to("labels", sets, tmp_path)
    words = ("eval", tmp_path / "run", "--episodes", 20)
    told = cuttle_json(*words, "--per-episode", tmp_path / "episodes.csv")
    figures = ("auc", "f1_micro", "f1_macro", "f1_samples")
    assert all(0 <= told[name] <= 1 and told[f"{name}_ci95"] > 0 for name in (*figures, "average_precision", "ci95")
               if name != "ci95" and name != "average_precision")
    assert 0 < told["average_precision"] <= 1 and told["ci95"] > 0 and 0 <= told["label_accuracy"] <= 1
    assert list(told["by_target"]) == ["a", "b", "c"]
    for name in ("average_precision", "auc"):  # all labels' terms are the labels'
        low, high = (take(each[name] for each in told["by_target"].values()) for take in (min, max))
        assert low <= told[name] <= high
    scores = [float(row[1]) for row in csv.reader((tmp_path / "episodes.csv").read_text().splitlines()[1:])]
    assert len(scores) == 20 and abs(np.nanmean(scores) - told["average_precision"]) < 0.05
    said = cuttle(*words).stdout
    assert said.startswith(f"mean average precision {100 * told['average_precision']:.2f} +- ")
    assert f"\nauc {told['auc']:.4f} +- {told['auc_ci95']:.4f}\nf1_micro " in said


def test_targets_of_another_kind_are_refused(sets, tmp_path):
    config = driver.write_config(tmp_path / "config.yaml", "", json.dumps(config_of("labels_matching", sets)))
    train = ("train", config, "--run-dir", tmp_path / "run")
    said = cuttle(*train, f"data.shards=[{sets['values']['shards']}]", code=USER_ERROR).stderr
    assert re.search(r"'y' of sample 'class \d/0' is -?0\.\d+, and this episode.target takes 0 or 1", said)
    assert "y" in cuttle("validate", config, f"data.shards=[{sets['values']['shards']}]", code=USER_ERROR).stderr
    for word, expected in (("adapt.algorithm=protonet", "compares samples with classes"),
                           ("adapt.algorithm=caml", "caml estimates values")):
        assert expected in cuttle(*train, word, code=USER_ERROR).stderr
    drawn = driver.write_config(tmp_path / "drawn.yaml", "", json.dumps(config_of("values_neural_process", sets)))
    said = cuttle("train", drawn, "--run-dir", tmp_path / "run", "episode.target=labels", code=USER_ERROR).stderr
    assert "episode.target: labels takes 0 or 1, and" in said and "sinusoids draws any numbers" in said
