"""`floor`: known accuracies, protocol, seeds, missing modalities."""

import argparse
import json

import numpy as np
import pytest

from cuttle_data import features, floor
from cuttle_data.schema import Modality
from cuttle_data.shards import Sample
from test_shards import write

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


def test_one_episode_has_no_interval(run, tmp_path):
    make(tmp_path, lambda c, g: {"vector": one_hot(c)})
    found = results(run, tmp_path, "--episodes", "1")["vector"]
    assert found == {"accuracy": 1.0, "interval_95": None, "episodes": 1}
    assert "+-" not in run("floor", tmp_path, "--episodes", "1")[1]
    assert "100.0 +- 0.0" in run("floor", tmp_path, "--episodes", "2")[1]


def test_groups_apart(run, tmp_path):
    """Values tell the group and not the class. Two groups, so either both classes have their
    queries in the group of no support (a tie), or each query looks like the other class."""
    make(tmp_path, lambda c, g: {"vector": one_hot(g)}, groups=2)
    apart = results(run, tmp_path, "--episodes", "100", "--groups-apart", "--way",
                    "2")["vector"]["accuracy"]
    assert apart == pytest.approx(0.25, abs=0.1)
    args = argparse.Namespace(way=3, shot=2, query=2, groups_apart=True)
    classes = [{f"g{g}": [10 * g + i for i in range(2)] for g in range(3)} for _ in range(3)]
    for seed in range(20):
        support, query = floor.plan_episode(np.random.default_rng(seed), classes, args)
        for shot, rest in zip(support, query):
            assert len(set(shot)) == len(set(rest)) == 2
            assert not {index // 10 for index in shot} & {index // 10 for index in rest}


def test_classes_too_small_for_groups_apart_are_not_used():
    args = argparse.Namespace(shot=2, query=2, groups_apart=True)
    for sizes, enough in (([4], False), ([2, 2], True), ([3, 1], False), ([1, 1, 1, 1], True),
                          ([3, 1, 1], True), ([1, 1, 1], False)):
        assert floor._enough({f"g{i}": [0] * n for i, n in enumerate(sizes)}, args) == enough, sizes


def test_the_seed_decides_the_episodes(run, tmp_path):
    random = np.random.default_rng(0)
    make(tmp_path, lambda c, g: {"vector": one_hot(c) + random.normal(0, 1, 16).astype(np.float32)})
    first, again, other = (results(run, tmp_path, "--episodes", "40", "--seed", s) for s in "001")
    assert first == again != other
    assert 0 < first["vector"]["interval_95"] < 0.2


def test_mean_and_interval_are_those_of_the_episodes(run, tmp_path):
    """Way 2 with one query a class: an episode has accuracy 0, 1/2 or 1; recompute from the
    episodes."""
    random = np.random.default_rng(0)
    values = random.normal(0, 1, (6, 4, 16)).astype(np.float32)
    paths = make(tmp_path, lambda c, g: {"vector": values[c, g]})
    found = results(run, tmp_path, "--episodes", "50", "--way", "2")["vector"]
    collection = floor.Collection([floor.Shard(path) for path in paths])
    args = argparse.Namespace(way=2, shot=1, query=1, groups_apart=False, split="test")
    classes = floor.usable_classes(collection, args)
    flat, accuracies = values.reshape(-1, 16), []
    for episode in range(50):
        support, query = floor.plan_episode(np.random.default_rng([0, episode]), classes, args)
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


def test_fusion_uses_what_is_present(run, tmp_path):
    """Even classes are told apart by the text, odd ones by the vector, and each sample has only one
    of them."""
    words = ["alpha", "bravo", "xylophone", "zebra", "quick", "jumbo"]
    modalities = [*VECTOR, Modality("text", "text")]
    make(tmp_path,
         lambda c, g: {"text": words[c]} if c % 2 else {"vector": one_hot(c)},
         modalities=modalities)
    found = results(run, tmp_path, "--episodes", "20")
    assert found["fused"]["accuracy"] == 1.0 and found["vector"]["accuracy"] == 1.0
    with_texts = [Sample("t", None, "g", "train", {"text": "x"})]
    make(tmp_path / "empty", lambda c, g: {"vector": one_hot(c)}, modalities=modalities,
         more=with_texts)
    assert "text" not in results(run, tmp_path / "empty", "--episodes", "5")


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
