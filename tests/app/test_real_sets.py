"""Tables on real data: what is made up is as it says, configs have what rows name, what is done is not done again."""

import sys

import numpy as np
import pytest
import yaml

import driver

sys.path.insert(0, str(driver.ROOT / "tests/benchmark"))
import made_up_mosi  # noqa: E402
import real  # noqa: E402
import real_sets  # noqa: E402

SMALL = ("train.steps=4", "train.validate_every=2", "train.validation_episodes=4")


def test_a_made_up_sentiment_is_in_no_sense_by_itself():
    senses, sentiment = made_up_mosi.segments(np.random.default_rng(3), 4000)
    states = {name: np.sign(steps.max(1)[:, 1] - steps.max(1)[:, 0]) for name, steps in senses.items()}
    said = [np.corrcoef(state, sentiment)[0, 1] for state in states.values()]
    assert np.abs(said).max() < 0.05, "each by itself, and so their sums"
    assert np.corrcoef(states["text"] * states["audio"], np.sign(sentiment))[0, 1] > 0.99
    assert np.corrcoef(states["vision"], np.abs(sentiment))[0, 1] > 0.99


@pytest.mark.parametrize("name", list(real_sets.SETS))
def test_rows_name_what_their_config_has(name):
    config = yaml.safe_load((driver.ROOT / f"configs/real/{name}.yaml").read_text(encoding="utf-8"))
    rows, folders = real_sets.SETS[name].rows, real_sets.SETS[name].folders
    assert config["name"] == name and config["data"]["shards"] == [f".data/{next(iter(folders))}/*.h5"]
    assert set().union(*(row.senses for row in rows)) <= set(config["data"]["modalities"])
    assert not rows[0].senses, "the first is the config as it is"
    assert len({row.name for row in rows}) == len(rows)


@pytest.fixture(name="table")
def small_table(tmp_path, monkeypatch, capfd):
    """Prints the table of a small set of three rows: all senses, one of them, nothing learned."""
    rows = [real_sets.Row(row.name, row.senses, (*row.words, *SMALL)) for row in
            (real_sets.Row("all"), *real_sets.alone("audio"))]
    made = real_sets.Set({"sentiment": ("mosi", )}, rows,
                         write=lambda path: made_up_mosi.write(path, {"train": 4, "valid": 2, "test": 3}))
    monkeypatch.setattr(real, "DATA", tmp_path / "data")
    monkeypatch.setitem(real.SETS, "sentiment", made)
    arguments = real.parser().parse_args(["--build", str(driver.PROGRAM.parent), "--out", str(tmp_path / "out"),
                                          "--ranks", "1"])

    def printed():
        real.table("sentiment", arguments)
        return capfd.readouterr().out
    return printed


def test_a_table_is_made_once(table, tmp_path, monkeypatch):
    first = table()
    assert [line.split("|")[1].strip() for line in first.splitlines() if line] == ["sentiment", "---", "all", "audio"]
    assert first.count("+-") == 3, "two scores, one lead"
    monkeypatch.setattr(real, "train", lambda *_: pytest.fail("trained again"))
    assert table() == first
    (tmp_path / "out/sentiment/audio-0/eval.json").unlink()
    with pytest.raises(pytest.fail.Exception):
        table()
