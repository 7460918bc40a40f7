"""A new run that starts from another's parameters: what it takes, what it leaves, and whose standardisation."""

import json
from pathlib import Path

import driver
import pytest
from safetensors.numpy import load_file

FROZEN_STEPS = ("step.outer_lr=1.0e-30", "train.steps=1", "train.validate_every=0", "model.modality_dropout=0")


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    """Data with other statistics."""
    return driver.make_shards(tmp_path_factory.mktemp("brighter") / "shards", "--name", "other", "--seed", "3")


def parameters_of(run):
    return load_file(f"{driver.inspect(run)['last_checkpoint']}/parameters.safetensors")


def images_of(run):
    """Mean and stddev that a run standardises images by."""
    facts = Path(driver.inspect(run)["last_checkpoint"], "facts.json").read_text(encoding="utf-8")
    specs = json.loads(json.loads(facts)["modalities"])
    return next((spec["mean"], spec["stddev"]) for spec in specs if spec["name"] == "image")


def test_it_takes_what_fits_and_says_what_not(config, trained, tmp_path):
    words = [f"train.init_from={trained}", *FROZEN_STEPS]
    said = driver.train(config, tmp_path / "1", *words, "model.encoders.text.width=16", ranks=2).stderr
    assert "parameters: encoder.image (" in said and "is taken in part" in said
    assert "of another shape: encoder.text.table.weight [1024, 8] there, [1024, 16] here" in said
    best = load_file(f"{driver.cuttle_json('eval', trained, '--episodes', '1')['checkpoint']}/parameters.safetensors")
    ours = parameters_of(tmp_path / "1")
    image = [name for name in ours if name.startswith("encoder.image.")]
    assert image and all(abs(ours[name] - best[name]).max() < 1e-20 for name in image)
    said = driver.train(config, tmp_path / "2", *words, "adapt.algorithm=protonet").stderr
    assert "not in this model: head (" in said
    assert "taken in part" not in driver.train(config, tmp_path / "3", *words, "--strict-init").stderr


def test_the_same_bits_on_several_ranks_and_a_resume_reads_the_source_no_more(config, trained, other, tmp_path):
    words = [f"train.init_from={tmp_path}/source", "train.init_statistics=source", f"data.shards=[{other}/*.h5]",
             "model.encoders.text.width=16"]
    (tmp_path / "source").symlink_to(trained)
    for run, ranks in (("one", None), ("three", 3)):
        driver.train(config, tmp_path / run, *words, ranks=ranks)
    driver.train(config, tmp_path / "parted", *words, "train.steps=10")
    (tmp_path / "source").unlink()
    driver.cuttle("train", tmp_path / "parted", "--resume", "train.steps=20", ranks=2)
    gold = driver.inspect(tmp_path / "one")["parameters_sha256"]
    for run in ("three", "parted"):
        assert driver.inspect(tmp_path / run)["parameters_sha256"] == gold
        assert (tmp_path / run / "metrics.jsonl").read_bytes() == (tmp_path / "one/metrics.jsonl").read_bytes()


def said_by_statistics(config, key, trained, other, folder):
    """What training on `other` says, from a run in `key`, standardised by its own statistics and by the run's."""
    words = [f"{key}={trained}", f"data.shards=[{other}/*.h5]", *FROZEN_STEPS]
    return [driver.train(config, folder / name, *words, *more).stderr
            for name, more in (("own", ()), ("source", ("train.init_statistics=source", )))]


def test_whose_statistics_standardise(config, trained, other, tmp_path):
    own, source = said_by_statistics(config, "train.init_from", trained, other, tmp_path)
    assert "was trained on image of another standardisation" in own and "train.init_statistics=source" in own
    assert "standardisation" not in source
    assert images_of(tmp_path / "source") == images_of(trained) != images_of(tmp_path / "own")
    ours, theirs = (driver.cuttle_json("eval", tmp_path / run, "--episodes", "50")["loss"] for run in ("own", "source"))
    assert ours != theirs
    # The same model on the same inputs: as the source itself is evaluated on these shards.
    assert theirs == pytest.approx(
        driver.cuttle_json("eval", trained, "--shards", f"{other}/*.h5", "--episodes", "50")["loss"], rel=1e-5)


def test_statistics_of_a_frozen_encoders_run(config, trained, other, tmp_path):
    own, source = said_by_statistics(config, "model.encoders.image.frozen_from", trained, other, tmp_path)
    assert "model.encoders.image.frozen_from: " in own and "of another standardisation" in own
    assert "another standardisation" not in source
    assert images_of(tmp_path / "source") == images_of(trained)
