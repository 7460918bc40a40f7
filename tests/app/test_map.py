"""`cuttle map`: training tasks are kept with a run, and `adapt` says how far a task is from them."""

import json
import shutil

import driver
import numpy as np
import pytest
from PIL import Image
from driver import cuttle, cuttle_json
from test_predict import Shard, part_of, samples_by_class

KEPT = "known_tasks.safetensors"
FEW = ("--tasks", 20, "--held-out", 9)


@pytest.fixture(scope="module", name="samples")
def few_samples(tmp_path_factory):
    """Shards of one and of two samples each of three test classes."""
    folder = tmp_path_factory.mktemp("samples")
    (whole, ) = driver.make_shards(folder / "whole", "--shards", "1").glob("*.h5")
    return [part_of(whole, [i for of in samples_by_class(whole)[:3] for i in of[:shot]], folder / f"{shot}.h5")
            for shot in (1, 2)]


@pytest.fixture(scope="module", name="mapped")
def mapped_run(trained, tmp_path_factory):
    """(the run, what `map` said)."""
    folder = tmp_path_factory.mktemp("mapped") / "run"
    shutil.copytree(trained, folder)
    return folder, cuttle_json("map", folder, *FEW)


def adapt(run, support, out):
    """(what the file holds, what was logged)."""
    done = cuttle("adapt", run, "--support", support, "--out", out, "--calibrate", "0", "--json")
    return json.loads(done.stdout), done.stderr


def test_a_map_is_the_same_on_any_number_of_ranks(mapped, tmp_path):
    said = mapped[1]
    assert said["by"] == "statistics" and (said["tasks"], said["held_out"]) == (20, 9)
    assert (said["way"], said["shot"]) == (3, 1) and said["file"] == str(mapped[0] / KEPT)
    assert 0 < said["held_out_distance"]["median"] <= said["held_out_distance"]["all_but_5_percent"]
    shutil.copytree(mapped[0], tmp_path / "run")
    for by in ("statistics", "fisher"):
        shown = [cuttle("map", tmp_path / "run", *FEW, "--by", by, ranks=ranks).stdout for ranks in (1, 2, 3)]
        content = (tmp_path / "run" / KEPT).read_bytes()
        cuttle("map", tmp_path / "run", *FEW, "--by", by)
        assert content == (tmp_path / "run" / KEPT).read_bytes()
        assert shown[0] == shown[1] == shown[2] and f"by: {by}" in shown[0]
        assert (content == (mapped[0] / KEPT).read_bytes()) == (by == "statistics")


def test_a_checkpoint_by_its_folder_is_the_runs(mapped, tmp_path):
    shutil.copytree(mapped[0], tmp_path / "run")
    (tmp_path / "run" / KEPT).unlink()
    checkpoint = max((tmp_path / "run/checkpoints").glob("step-*"))
    assert cuttle_json("map", f"{checkpoint}/", *FEW)["file"] == str(tmp_path / "run" / KEPT)


def test_adapt_says_how_far_a_task_is(mapped, samples, tmp_path):
    said, log = adapt(mapped[0], samples[0], tmp_path / "one")
    place = said["known_tasks"]
    distances = [near["distance"] for near in place["nearest"]]
    assert distances == sorted(distances) and place["distance"] == distances[0] > 0 and len(distances) == 5
    assert 0 <= place["farther_than"] <= 1 and place["held_out"] == 9
    assert all(len(set(near["classes"])) == 3 and near["number"] < 20 for near in place["nearest"])
    assert f"nearest training task: {', '.join(place['nearest'][0]['classes'])} (distance {distances[0]:.2f}; " in log
    assert f"{100 * place['farther_than']:.0f} % of 9 validation tasks are nearer to theirs" in log
    assert cuttle_json("inspect", tmp_path / "one") == said
    assert f"farther_than: {place['farther_than']}" in cuttle("inspect", tmp_path / "one").stdout


def test_a_task_of_another_size_is_told(mapped, samples, tmp_path):
    assert "be off" not in adapt(mapped[0], samples[0], tmp_path / "one")[1]
    log = adapt(mapped[0], samples[1], tmp_path / "two")[1]
    assert "3-way 1-shot, and this is 3-way 2-shot" in log and "evaluation.shot=2" in log
    shutil.copytree(mapped[0], tmp_path / "run")
    cuttle("map", tmp_path / "run", *FEW, "evaluation.shot=2")
    assert "be off" not in adapt(tmp_path / "run", samples[1], tmp_path / "two")[1]


def test_what_is_unlike_anything_seen_is_told(mapped, tmp_path):
    draw = np.random.default_rng(0)
    for name in "abc":
        (tmp_path / "noise" / name).mkdir(parents=True)
        Image.fromarray(draw.integers(0, 256, (28, 28), dtype=np.uint8)).save(tmp_path / "noise" / name / "0.png")
    said, log = adapt(mapped[0], tmp_path / "noise", tmp_path / "adapted")
    assert said["known_tasks"]["farther_than"] == 1 and "nothing like it was learned from" in log


def test_a_task_that_lacks_a_sense_is_not_called_near(mapped, samples, tmp_path):
    """Its pictures are like those seen; of its texts nothing is known."""
    with Shard(samples[0]) as shard:
        for i, name in enumerate(shard.sample_class):
            (tmp_path / "some" / f"{name}").mkdir(parents=True)
            picture = np.asarray(shard.read(i, "image")).squeeze()
            Image.fromarray(picture).save(tmp_path / "some" / f"{name}" / f"{i}.png")
    said, log = adapt(mapped[0], tmp_path / "some", tmp_path / "adapted")
    assert "farther_than" not in said["known_tasks"] and said["known_tasks"]["distance"] > 0
    assert "lacks a sense that the known tasks have" in log and "are nearer to theirs" not in log


def test_a_map_of_other_parameters_is_no_map(mapped, samples, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(mapped[0], folder)
    assert driver.inspect(folder)["known_tasks"]["step"] == mapped[1]["step"]
    content = (folder / KEPT).read_bytes()
    (folder / KEPT).write_bytes(content[:-1])
    refused = cuttle("adapt", folder, "--support", samples[0], "--out", tmp_path / "a", code=driver.USER_ERROR).stderr
    assert KEPT in refused and "make it again with cuttle map" in refused
    assert "make it again with cuttle map" in driver.inspect(folder)["known_tasks"]
    place = content.index(b'"parameters_sha256":"') + len(b'"parameters_sha256":"')
    (folder / KEPT).write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1:])
    said, log = adapt(folder, samples[0], tmp_path / "a")
    assert "known_tasks" not in said and "make it again with cuttle map" in log


def test_tasks_without_classes_are_mapped_by_statistics(tmp_path):
    config = {"episode": {"source": "sinusoids", "target": "value", "way": 1, "shot": 4, "query": 2},
              "model": {"encoders": {"x": {"type": "mlp", "width": 8, "depth": 1}}}, "adapt": {"algorithm": "r2d2"},
              "train": {"steps": 1, "validate_every": 0}}
    path = driver.write_config(tmp_path / "curves.yaml", "", json.dumps(config))
    driver.train(path, tmp_path / "run")
    said = cuttle_json("map", tmp_path / "run", *FEW)
    assert said["way"] == 0 and said["held_out_distance"]["median"] > 0
    refused = cuttle("map", tmp_path / "run", "--by", "fisher", code=driver.USER_ERROR).stderr
    assert "fisher is about classes" in refused and "use statistics" in refused
