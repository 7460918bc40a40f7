"""Values in units of the training classes, and which samples an evaluation asked about with its answers."""

import csv
import json

import driver
import numpy as np
import part_data
import pytest
from cuttle_data.reader import Shard
from cuttle_data.schema import DatasetInfo
from cuttle_data.shard_file import Loaded, write_shard
from driver import USER_ERROR, cuttle, cuttle_json

SPLITS = ["train"] * 4 + ["validation"] * 2 + ["test"] * 3
SENSE = part_data.vector("x", 2)
TARGETS = ("level", "slope")


@pytest.fixture(scope="module", name="own")
def values_of_persons(tmp_path_factory):
    """A shard whose targets are far from 0 and wide, in the training classes not as in the others."""
    draw, samples = np.random.default_rng(3), []
    for number, split in enumerate(SPLITS):
        for index in range(8):
            x = draw.normal(size=2).astype("f4")
            y = [300 + 50 * number + 9 * x[0], -0.02 * (1 + 0.1 * number) * x[1]]
            samples.append(Loaded(f"{number}/{index}", f"person {number}", "all", split, {"x": x}, np.array(y, "f4")))
    return written(tmp_path_factory.mktemp("units") / "own.h5", samples)


def written(path, samples):
    write_shard(path, DatasetInfo(path.stem, "made by a test", "CC0-1.0", "a test", targets=TARGETS), [SENSE], samples)
    return path


def units_of(shard):
    """Mean and deviation of the training samples' targets, in float64."""
    known = shard.targets[shard.sample_split == 0].astype("f8")
    return known.mean(0), known.std(0)


def scaled(own, path):
    """The same samples, their targets less the mean by the deviation."""
    with Shard(own) as shard:
        mean, deviation = (part.astype("f4") for part in units_of(shard))
        return written(path, [
            Loaded(name, shard.class_names[shard.sample_class[i]], "all",
                   ("train", "validation", "test")[shard.sample_split[i]], {"x": shard.read(i, "x")},
                   (shard.targets[i] - mean) / deviation) for i, name in enumerate(shard.sample_names)])


def trained(shard, run, target, **more):
    config = {"name": "units", "data": {"shards": [str(shard)]},
              "episode": {"target": target, "way": 1, "shot": 3, "query": 4, "meta_batch_size": 4, **more},
              "model": {"encoders": {"x": {"type": "mlp", "width": 8, "depth": 1}}},
              "adapt": {"algorithm": "neural_process", "width": 8}, "step": {"outer_lr": 0.01},
              "train": {"steps": 6, "validate_every": 3, "validation_episodes": 4, "checkpoint_every": 3},
              "evaluation": {"episodes": 12}}
    driver.train(driver.write_config(run.with_suffix(".yaml"), "", json.dumps(config)), run)
    return run


def parameters_of(run):
    return sorted(run.rglob("parameters.safetensors"))[-1].read_bytes()


def asked_of(run, path, *words):
    cuttle("eval", run, "--per-episode", path, *words)
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("target, beside", [
    ("value", ()), ("gaussian", ("deviations", )), ("quantile", ("low", "high"))])
def test_training_is_that_of_scaled_values_and_answers_are_in_their_own(target, beside, own, tmp_path):
    there = scaled(own, tmp_path / "scaled.h5")
    run, twin = (trained(own, tmp_path / "run", target, units="training"), trained(there, tmp_path / "twin", target))
    assert parameters_of(run) == parameters_of(twin)
    with Shard(own) as shard:
        mean, deviation = units_of(shard)
        targets = dict(zip(shard.sample_names, shard.targets.tolist()))
    told, of_twin = cuttle_json("eval", run), cuttle_json("eval", twin)
    assert told["loss"] == pytest.approx(of_twin["loss"], rel=1e-5)  # in units, as in training
    for t, name in enumerate(TARGETS):
        for figure in ("mean_absolute_error", "root_mean_squared_error"):
            assert told["by_target"][name][figure] == pytest.approx(
                of_twin["by_target"][name][figure] * deviation[t], rel=1e-4)
        if target == "value":  # as if nothing had been scaled there and back
            assert told["by_target"][name]["r_squared"] == pytest.approx(
                of_twin["by_target"][name]["r_squared"], rel=2e-7)
    lines, of_scaled = asked_of(run, tmp_path / "run.jsonl"), asked_of(twin, tmp_path / "twin.jsonl")
    assert len(lines) == 12 * 7
    for record, other in zip(lines, of_scaled):
        assert (record["sample"], record["of"], record["part"]) == (other["sample"], other["of"], other["part"])
        assert record["truth"] == targets[record["sample"]]
        if record["part"] == "support":
            continue
        for what in ("values", *beside):
            shift = 0 if what == "deviations" else mean
            np.testing.assert_allclose(record[what], np.array(other[what]) * deviation + shift, rtol=1e-4, atol=1e-4)
    errors = np.array([np.subtract(record["values"], record["truth"]) for record in lines if "values" in record])
    for name, error in zip(TARGETS, errors.T):
        assert told["by_target"][name]["root_mean_squared_error"] == pytest.approx(np.sqrt(np.mean(error**2)), rel=1e-4)
    if target == "gaussian":
        deviations = np.array([record["deviations"] for record in lines if "values" in record])
        likelihood = -np.log(deviations) - np.log(2 * np.pi) / 2 - (errors / deviations)**2 / 2
        assert told["log_likelihood"] == pytest.approx(likelihood.mean(), rel=1e-4)


def test_an_adapted_file_knows_the_units(own, tmp_path):
    run = trained(own, tmp_path / "run", "gaussian", units="training")
    lines = asked_of(run, tmp_path / "asked.jsonl", "--episodes", 1)
    with Shard(own) as shard:
        for part in ("support", "query"):
            names = [record["sample"] for record in lines if record["part"] == part]
            places = [shard.sample_names.index(name) for name in names]
            written(tmp_path / f"{part}.h5", [
                Loaded(name, "one", "all", "test", {"x": shard.read(i, "x")}, shard.targets[i])
                for name, i in zip(names, places)])
    cuttle("adapt", run, "--support", tmp_path / "support.h5", "--out", tmp_path / "adapted")
    told = driver.inspect(tmp_path / "adapted")
    assert told["values"] == 2 and told["targets"] == list(TARGETS)
    with Shard(own) as shard:
        np.testing.assert_allclose([told["units"]["origin"], told["units"]["scale"]], units_of(shard), rtol=1e-9)
    said = cuttle("predict", tmp_path / "adapted", tmp_path / "query.h5", "--json")
    told = [json.loads(line) for line in said.stdout.splitlines()]
    queries = [record for record in lines if record["part"] == "query"]
    assert [record["sample"] for record in told] == [record["sample"] for record in queries]
    for record, query in zip(told, queries):
        for what in ("values", "deviations"):
            np.testing.assert_allclose(record[what], query[what], rtol=1e-4)
    squared = np.mean([np.square(np.subtract(record["values"], query["truth"]))
                       for record, query in zip(told, queries)])
    assert f"mean squared error {squared:.4g}" in said.stderr


def test_units_are_those_of_training(own, tmp_path):
    run = trained(own, tmp_path / "run", "value", units="training")
    refused = cuttle("eval", run, "episode.units=own", code=USER_ERROR).stderr
    assert "episode.units: is own" in refused and "leave the key as it was in training" in refused
    plain = trained(own, tmp_path / "plain", "value")
    assert "episode.units: is training" in cuttle("eval", plain, "episode.units=training", code=USER_ERROR).stderr


def test_every_rank_count_tells_the_same_answers(own, tmp_path):
    run = trained(own, tmp_path / "run", "value", units="training")
    one, three = tmp_path / "one.jsonl", tmp_path / "three.jsonl"
    cuttle("eval", run, "--per-episode", one)
    cuttle("eval", run, "--per-episode", three, ranks=3)
    assert one.read_bytes() == three.read_bytes() and len(one.read_bytes()) > 1000


def test_answers_of_classes_are_those_that_are_scored(tmp_path):
    shards = driver.make_shards(tmp_path / "shards", "--classes", "12", "--samples-per-class", "6")
    run = tmp_path / "run"
    driver.train(driver.write_config(tmp_path / "config.yaml", shards), run)
    told = cuttle_json("eval", run, "--per-episode", tmp_path / "scores.csv")
    lines = asked_of(run, tmp_path / "asked.jsonl")
    costs = [-np.log(record["probabilities"][record["of"]]) for record in lines if record["part"] == "query"]
    assert told["loss"] == pytest.approx(np.mean(costs), rel=1e-4)
    scores = [float(row[1]) for row in csv.reader((tmp_path / "scores.csv").read_text().splitlines()[1:])]
    for episode, score in enumerate(scores):
        support, query = ([record for record in lines if (record["episode"], record["part"]) == (episode, part)]
                          for part in ("support", "query"))
        classes = [record["of"] for record in support]
        assert len(set(classes)) == len(support) == 3 and len(query) == 6
        assert sorted(record["of"] for record in query) == sorted(2 * classes)
        assert not {record["sample"] for record in support} & {record["sample"] for record in query}
        assert np.mean([record["of"] == record["class"] for record in query]) == pytest.approx(score, abs=1e-6)
        for record in query:
            assert set(record["probabilities"]) == set(classes)
            assert sum(record["probabilities"].values()) == pytest.approx(1, abs=1e-5)
            assert record["probability"] == max(record["probabilities"].values())
    refused = cuttle("eval", run, "--unbalanced", "--per-episode", tmp_path / "x.jsonl", code=USER_ERROR).stderr
    assert "--unbalanced leaves some out" in refused and not (tmp_path / "x.jsonl").exists()
