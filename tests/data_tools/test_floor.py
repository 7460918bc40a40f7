"""`floor`: known accuracies, protocol, seeds, missing modalities."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from cuttle_data import episodes, features, floor
from cuttle_data.schema import Modality
from cuttle_data.shards import Sample
from test_shards import write

DRAWN = Path(__file__).resolve().parent / "episodes"
VECTOR = [Modality("vector", "vector", (16, ))]


def make(out, value_of, classes=6, groups=4, modalities=VECTOR, split="test", more=()):
    """Shards; sample (class c, group g) has the values value_of(c, g). `more`: other samples."""
    samples = [*more] + [
        Sample(f"{c}/{g}", f"c{c}", f"g{g}", split, value_of(c, g)) for c in range(classes)
        for g in range(groups)
    ]
    return write(out, samples, modalities, shards=2)[0]


def results(run, out, *options):
    code, text, err = run("floor", out, "--json", *options)
    assert (code, err) == (0, "")
    return json.loads(text)["results"]


def one_hot(index, noise=0.0):
    value = np.full(16, noise, np.float32)
    value[index] = 1
    return value


def test_separable_classes_and_no_information(run, tmp_path):
    make(tmp_path / "good", lambda c, g: {"vector": one_hot(c)})
    assert results(run, tmp_path / "good", "--episodes",
                   "20")["vector"] == {"accuracy": 1.0, "interval_95": 0.0, "episodes": 20}
    make(tmp_path / "none", lambda c, g: {"vector": one_hot(0)})
    found = results(run, tmp_path / "none", "--episodes", "20")["vector"]
    assert found["accuracy"] == pytest.approx(0.2)  # ties share the credit
    for name, told in (("good", False), ("none", True)):
        text = run("floor", tmp_path / name, "--episodes", "20")[1]
        assert ("warning: vector: every episode scored exactly chance" in text) == told


def test_one_episode_has_no_interval(run, tmp_path):
    make(tmp_path, lambda c, g: {"vector": one_hot(c)})
    found = results(run, tmp_path, "--episodes", "1")["vector"]
    assert found == {"accuracy": 1.0, "interval_95": None, "episodes": 1}
    assert "+-" not in run("floor", tmp_path, "--episodes", "1")[1]
    assert "100.0 +- 0.0" in run("floor", tmp_path, "--episodes", "2")[1]


def test_groups_apart(run, tmp_path):
    """Values tell the group and not the class. The episode has one order of its two groups: both
    supports are in one and look alike, both queries in the other."""
    make(tmp_path, lambda c, g: {"vector": one_hot(g)}, groups=2)
    apart = results(run, tmp_path, "--episodes", "100", "--groups-apart", "--way",
                    "2")["vector"]["accuracy"]
    assert apart == 0.5  # ties
    classes = [[(g, 10 * g + i) for g in range(3) for i in range(2)] for _ in range(3)]
    planner = episodes.Planner(classes, 2, 2, apart=True)
    for seed in range(20):
        support, query = planner.plan(3, episodes.Random(seed, "test", 0))
        for shot, rest in zip(support, query):
            assert len(set(shot)) == len(set(rest)) == 2
            assert not {index // 10 for index in shot} & {index // 10 for index in rest}


def test_classes_too_small_for_groups_apart_are_not_used():
    for sizes, enough in (([4], False), ([2, 2], True), ([3, 1], False), ([1, 1, 1, 1], True),
                          ([3, 1, 1], True), ([1, 1, 1], False)):
        assert (episodes.split_groups(sizes, 2, 2) is not None) == enough, sizes
        classes = [[(group, 0) for group, size in enumerate(sizes) for _ in range(size)]]
        assert episodes.Planner(classes, 2, 2, True).usable_classes() == enough, sizes


def test_the_seed_decides_the_episodes(run, tmp_path):
    random = np.random.default_rng(0)
    make(tmp_path, lambda c, g: {"vector": one_hot(c) + random.normal(0, 1, 16).astype(np.float32)})
    first, again, other = (results(run, tmp_path, "--episodes", "40", "--seed", s) for s in "112")
    assert first == again != other
    assert 0 < first["vector"]["interval_95"] < 0.2


def test_mean_and_interval_are_those_of_the_episodes(run, tmp_path):
    """Way 2 with one query a class: an episode has accuracy 0, 1/2 or 1; recompute from the
    episodes."""
    random = np.random.default_rng(0)
    values = random.normal(0, 1, (6, 4, 16)).astype(np.float32)
    paths = make(tmp_path, lambda c, g: {"vector": values[c, g]})
    found = results(run, tmp_path, "--episodes", "50", "--way", "2")["vector"]
    shards = [floor.Shard(path) for path in paths]
    classes = episodes.classes_of(shards, "test", ["vector"], False)
    planner, flat, accuracies = episodes.Planner(classes, 1, 1, False), values.reshape(-1, 16), []
    for episode in range(50):
        support, query = planner.plan(2, episodes.Random(1, "test", episode))
        right = 0
        for way in range(2):
            q = flat[query[way][0]]
            cosine = [
                q @ flat[s[0]] / np.linalg.norm(q) / np.linalg.norm(flat[s[0]]) for s in support
            ]
            right += np.argmax(cosine) == way
        accuracies.append(right / 2)
    assert found["accuracy"] == pytest.approx(np.mean(accuracies))
    assert found["interval_95"] == pytest.approx(1.96 * np.std(accuracies, ddof=1) / 50**0.5)
    few = results(run, tmp_path, "--episodes", "20", "--way", "2")["vector"]  # t, 19 degrees
    assert few["interval_95"] == pytest.approx(2.0930 * np.std(accuracies[:20], ddof=1) / 20**0.5,
                                               rel=1e-4)
    assert results(run, tmp_path, "--episodes", "1")["vector"]["interval_95"] is None


def test_the_episodes_are_those_of_the_program():
    """planner_files_test.cpp compares the program's with the same lines."""
    sys.path.insert(0, str(DRAWN))
    import make
    lines = (DRAWN / "drawn.txt").read_text(encoding="utf-8").splitlines()
    protocols = [line.removeprefix("protocol ") for line in lines if line.startswith("protocol ")]
    assert tuple(protocols) == make.PROTOCOLS
    for protocol in protocols:
        first = lines.index(f"protocol {protocol}") + 1
        assert lines[first:first + make.EPISODES] == list(make.drawn(protocol)), protocol


def test_numbers_are_philoxs():
    """The vectors published with Random123."""
    assert episodes.philox((0, 0, 0, 0), (0, 0)) == (0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8)
    ones = 0xffffffff
    assert episodes.philox((ones, ) * 4, (ones, ) * 2) == (0x408f276d, 0x41c83b0e, 0xa20bc7c6,
                                                           0x6d5451fd)


def test_fusion_uses_what_is_present(run, tmp_path):
    """Even classes are told apart by the text, odd ones by the vector, and each sample has only one
    of them."""
    words = ["alpha", "bravo", "xylophone", "zebra", "quick", "jumbo"]
    modalities = [*VECTOR, Modality("text", "text")]
    make(tmp_path,
         lambda c, g: {"text": words[c]} if c % 2 else {"vector": one_hot(c)},
         modalities=modalities)
    found = results(run, tmp_path, "--episodes", "20", "--way", "6")
    assert found["fused"]["accuracy"] == 1.0
    # Half of the queries have the one, half the other: those are right, the rest guesses of one in 6.
    assert found["vector"]["accuracy"] == found["text"]["accuracy"] == pytest.approx(7 / 12)
    with_texts = [Sample("t", None, "g", "train", {"text": "x"})]
    make(tmp_path / "empty", lambda c, g: {"vector": one_hot(c)}, modalities=modalities,
         more=with_texts)
    assert results(run, tmp_path / "empty", "--episodes", "5")["text"]["accuracy"] == pytest.approx(0.2)


def test_all_columns_are_over_all_queries_and_complete_ones_have_every_sense(run, tmp_path):
    """The text tells the classes apart, but only groups 0 and 1 have one."""
    words = ["alpha", "bravo", "xylophone", "zebra", "quick", "jumbo"]
    modalities = [*VECTOR, Modality("text", "text")]
    make(tmp_path, lambda c, g: {"vector": one_hot(0), **({"text": words[c]} if g < 2 else {})},
         modalities=modalities)
    options = ("--episodes", "200", "--way", "2")
    text = results(run, tmp_path, *options)["text"]
    # Half of the queries have none, and guess. Of the others a third has a support of its class
    # with text (right), a third the other class's alone (wrong), a third neither (a guess).
    assert text["accuracy"] == pytest.approx(0.5, abs=0.05) and text["episodes"] == 200
    complete = results(run, tmp_path, *options, "--complete")
    assert complete["text"]["accuracy"] == 1.0
    code, said, _ = run("floor", tmp_path, *options, "--complete")
    assert code == 0 and "complete samples" in said
    code, _, said = run("floor", tmp_path, "--complete", "--shot", "2")
    assert code == 2 and "0 classes of the split test have 2 + 1 complete samples" in said


def test_modalities_in_use(run, tmp_path):
    """As data.modalities: samples that have none of them are not drawn."""
    modalities = [*VECTOR, Modality("text", "text")]
    make(tmp_path, lambda c, g: {"vector": one_hot(c)} if g < 2 else {"text": "same"},
         modalities=modalities)
    found = results(run, tmp_path, "--episodes", "20", "--modalities", "vector")
    assert set(found) == {"vector", "fused"} and found["fused"]["accuracy"] == 1.0
    code, _, said = run("floor", tmp_path, "--modalities", "smell")
    assert code == 2 and "no modality 'smell'; they have vector, text" in said


def test_refusals(run, tmp_path):
    make(tmp_path, lambda c, g: {"vector": one_hot(c)}, classes=3)
    for options, message in ((("--way", "5"), "3 classes of the split test"),
                             (("--split", "train"), "0 classes"), (("--shot", "9", "--way", "2"),
                                                                   "0 classes"),
                             (("--shot", "0"), "at least 1"), (("--way", "1"),
                                                               "--way must be at least 2")):
        code, _, err = run("floor", tmp_path, *options)
        assert code == 2 and message in err
    make(tmp_path / "other",
         lambda c, g: {"vector": np.ones(2, np.float32)},
         modalities=[Modality("vector", "vector", (2, ))])
    assert "different modalities" in run("floor", tmp_path, tmp_path / "other")[2]


def test_centring_uses_the_training_split(run, tmp_path):
    """A large constant in all values hides the classes from the cosine unless it is removed."""
    random = np.random.default_rng(0)
    noise = {key: random.normal(0, 0.2, 16).astype(np.float32) for key in np.ndindex(12, 4)}
    samples = [Sample(f"{c}/{g}", f"c{c}", f"g{g}", "train" if c < 6 else "test",
                      {"vector": 1000 + one_hot(c % 6) + noise[c, g]})
               for c in range(12) for g in range(4)]
    write(tmp_path / "with", samples, VECTOR)
    write(tmp_path / "without", [s for s in samples if s.split == "test"], VECTOR)
    centred, plain = (results(run, tmp_path / name, "--episodes", "50")["vector"]["accuracy"]
                      for name in ("with", "without"))
    assert centred > plain + 0.15
    assert "not centred" in run("floor", tmp_path / "without", "--episodes", "2")[1]


def test_image_feature():
    assert features.image_feature(np.full((64, 80, 3), 51, np.uint8)).shape == (32 * 32 * 3, )
    small = np.arange(12, dtype=np.uint8).reshape(2, 3, 2)
    np.testing.assert_allclose(features.image_feature(small), np.arange(12) / 255, rtol=1e-6)
    halves = np.zeros((64, 64, 1), np.uint8)
    halves[::2] = 255
    np.testing.assert_allclose(features.image_feature(halves), 0.5, atol=0.01)


def test_text_feature():
    assert features.text_feature("ab").sum() == 4 + 3 + 2  # " ab "
    assert (features.text_feature("ÄB") == features.text_feature("äb")).all()
    assert (features.text_feature("ab") != features.text_feature("ba")).any()


def test_audio_feature_finds_the_band():
    rate, bands = 16000, features.MEL_BANDS
    tone = (9000 * np.sin(2 * np.pi * 1000 * np.arange(rate // 2) / rate)).astype(np.int16)
    mel = lambda hertz: 2595 * np.log10(1 + hertz / 700)  # noqa: E731
    expected = mel(1000) / mel(rate / 2) * (bands + 1) - 1
    assert abs(np.argmax(features.audio_feature(tone, rate)[:bands]) - expected) <= 1
    assert np.isfinite(features.audio_feature(tone[:10], rate)).all()


def test_series_feature_is_independent_of_length():
    ramp = lambda n: np.stack([np.linspace(0, 1, n), np.linspace(5, 3, n)], 1).astype(
        np.float32)  # noqa: E731
    np.testing.assert_allclose(features.series_feature(ramp(7)),
                               features.series_feature(ramp(50)),
                               atol=1e-6)
    assert features.series_feature(np.ones((1, 2), np.float32)).shape == (64, )
