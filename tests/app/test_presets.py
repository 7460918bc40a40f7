"""Every preset validates and trains on data of its kind."""

import pytest

import driver
import part_data

PRESETS = driver.ROOT / "configs/presets"
SHORT = ("train.minutes=0", "train.steps=2", "train.validate_every=2", "train.validation_episodes=4")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("presets")
    driver.make_shards(folder / "senses", "--classes", "24", "--samples-per-class", "8", "--missing", "0")
    patients = part_data.write(folder / "patients.h5", ["train"] * 4 + ["validation"] * 2,
                               [part_data.vector("vector", 5)], targets=("y", ), count=24)
    return {"patients": patients, "senses": folder / "senses/*.h5"}


@pytest.mark.parametrize("preset", sorted(path.stem for path in PRESETS.glob("*.yaml")))
def test_a_preset_validates_and_trains(preset, data, tmp_path):
    shards = data.get(preset, data["senses"])
    driver.cuttle("validate", PRESETS / f"{preset}.yaml", f"data.shards=[{shards}]")
    driver.train(PRESETS / f"{preset}.yaml", tmp_path / "run", f"data.shards=[{shards}]", *SHORT)
    assert driver.inspect(tmp_path / "run")["complete"]


def test_all_presets_are_in_the_readme():
    told = (driver.ROOT / "configs/README.md").read_text(encoding="utf-8")
    presets = [path.name for path in PRESETS.glob("*.yaml")]
    assert len(presets) == 6 and all(f"presets/{name}" in told for name in presets)
