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
from part_cases import CASES, config_of


@pytest.fixture(scope="module", name="sets")
def data_sets(tmp_path_factory):
    return part_data.make(tmp_path_factory.mktemp("sets"))


def adapted_to(name, sets, folder, *words):
    """What a run of the case after one step has adapted to the samples of use."""
    config = driver.write_config(folder / "config.yaml", "", json.dumps(config_of(name, sets)))
    driver.train(config, folder / "run", "train.steps=1", "train.validate_every=0")
    cuttle("adapt", folder / "run", "--support", sets[CASES[name]["use"]]["use"], "--out", folder / "adapted", *words)
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


def test_probabilities_of_labels_are_calibrated(sets, tmp_path):
    use, run = sets["labels"]["use"], tmp_path / "run"
    raw = answers_to(adapted_to("labels", sets, tmp_path, "--calibrate", 0), use, tmp_path)[0]
    said = cuttle("adapt", run, "--support", use, "--out", tmp_path / "sure", "--calibrate", 20).stderr
    found = cuttle_json("inspect", tmp_path / "sure")["calibration"]
    assert f"calibrated on 20 validation episodes ({found['shot']}-shot): temperature" in said
    assert found["temperature"] > 0 and not found["known"]
    told = answers_to(tmp_path / "sure", use, tmp_path)[0]
    before, after = (np.array([list(record["probabilities"].values()) for record in records])
                     for records in (raw, told))
    logits = np.log(before / (1 - before)) / found["temperature"]
    assert np.allclose(after, 1 / (1 + np.exp(-logits)), atol=1e-5)
    told = cuttle_json("eval", run, "--episodes", 8, "--calibrated")
    assert 0 <= told["calibrated_error"] <= 1 and 0 <= told["calibration_error"] <= 1 and told["temperature"] > 0
    assert "calibration error" in cuttle("eval", run, "--episodes", 8).stdout


def test_what_has_no_probabilities_is_not_calibrated_in_silence(sets, tmp_path):
    adapted_to("quantile", sets, tmp_path)
    words = ("adapt", tmp_path / "run", "--support", sets["values"]["use"], "--out", tmp_path / "out")
    told = "--calibrate does nothing: it is about probabilities of classes or labels, and answers of quantile are none"
    assert told in cuttle(*words, "--calibrate", 20).stderr and told not in cuttle(*words).stderr
    said = cuttle("eval", tmp_path / "run", "--calibrated", code=USER_ERROR).stderr
    assert "--calibrated is about probabilities of classes or labels" in said


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


def test_quantiles_stand_beside_the_medians(sets, tmp_path):
    use = sets["values"]["use"]
    adapted = adapted_to("quantile", sets, tmp_path)
    told, rows, header, said = answers_to(adapted, use, tmp_path)
    targets, _ = targets_of(use)
    assert header == ["sample", "y", "y_low", "y_high", "z", "z_low", "z_high"]
    median, low, high = (np.array([record[key] for record in told]) for key in ("values", "low", "high"))
    written = np.array([row[1:] for row in rows], np.float32).reshape(-1, 2, 3)
    assert (written == np.stack([median, low, high], axis=2).astype(np.float32)).all()
    covered = 100 * np.mean((low <= targets) & (targets <= high))
    off = median - targets
    assert f"mean squared error {np.mean(off**2):.4g}, mean absolute {np.mean(abs(off)):.4g}" in said
    assert f"{covered:.1f} % between their bounds" in said
    found = cuttle_json("eval", tmp_path / "run", "--episodes", 8)
    assert abs(found["quantile_loss"] - found["loss"]) < 1e-6 and 0 <= found["coverage"] <= 1
    each = [found["by_target"][name] for name in ("y", "z")]  # all have as many values
    for name in ("mean_absolute_error", "coverage", "interval_width"):
        assert abs(found[name] - np.mean([one[name] for one in each])) < 1e-6
    squares = np.mean([one["root_mean_squared_error"]**2 for one in each])
    assert abs(found["root_mean_squared_error"]**2 - squares) < 1e-6


def test_ratings_are_levels_with_their_means(sets, tmp_path):
    use = sets["ratings"]["use"]
    told, rows, header, said = answers_to(adapted_to("ordinal", sets, tmp_path), use, tmp_path)
    assert header == ["sample", "y", "y_expected", "z", "z_expected"] and len(rows) == len(told)
    levels, means = (np.array([record[key] for record in told]) for key in ("values", "expected"))
    assert set(levels.flat) <= {1, 2, 3, 4, 5} and ((1 < means) & (means < 5)).all()
    targets, _ = targets_of(use)
    off = levels - targets
    chance = ((levels[:, None] - targets[None])**2).sum() / len(levels)
    assert (f"quadratic kappa {1 - (off**2).sum() / chance:.3f}, {100 * np.mean(off == 0):.1f} % are the very level, "
            f"mean absolute error {np.mean(abs(off)):.4g}, of {len(levels)} samples") in said
    lines = cuttle("predict", tmp_path / "adapted", use).stdout.splitlines()  # as for people: named, too
    assert lines[0].split("\t") == header and len(lines) == 1 + len(rows)
    found = cuttle_json("eval", tmp_path / "run", "--episodes", 8)
    assert found["accuracy_ci95"] > 0
    assert -1 <= found["quadratic_kappa"] <= 1 and 0 <= found["accuracy"] <= 1 and found["mean_absolute_error"] > 0


def test_a_score_that_no_validation_episode_has_is_said_and_does_not_stop_a_run(sets, tmp_path):
    none = part_data.write(tmp_path / "none.h5", part_data.SPLITS, [part_data.vector("x", 5), part_data.SERIES],
                           ("a", "b", "c"), count=6, of=(0, ))
    config = driver.write_config(tmp_path / "config.yaml", "", json.dumps(config_of("labels", sets)))
    said = driver.train(config, tmp_path / "run", f"data.shards=[{none}]", "train.steps=3", "train.validate_every=1",
                        "train.patience=1").stderr
    assert "no average_precision can be told of the" in said and "cannot be the best" in said
    assert driver.inspect(tmp_path / "run")["step"] == 3


def test_rankings_have_figures_of_the_first(sets, tmp_path):
    adapted_to("ranking", sets, tmp_path)
    found = cuttle_json("eval", tmp_path / "run", "--episodes", 8)
    assert all(0 < found[name] <= 1 for name in ("ndcg_at_2", "recall_at_2", "reciprocal_rank"))
    assert cuttle("eval", tmp_path / "run", "--episodes", 8).stdout.startswith(f"NDCG@2 {found['ndcg_at_2']:.4f} +- ")


def test_learners_of_one_output_a_value_are_refused_where_there_are_more(sets, tmp_path):
    for name in ("quantile", "ordinal"):
        config = driver.write_config(tmp_path / f"{name}.yaml", "",
                                     json.dumps({**config_of(name, sets), "adapt": {"algorithm": "matching"}}))
        said = cuttle("train", config, "--run-dir", tmp_path / "run", code=USER_ERROR).stderr
        assert "matching gives one output for each value" in said
