"""What `predict` says of samples: how sure it is, what belongs to no class, and how often it is right."""

import csv
import json
import math

import driver
import hand_shard
import numpy as np
import pytest
from PIL import Image
from driver import cuttle, cuttle_json
from test_predict import Shard, part_of, samples_by_class

NOISE = """
data: {shards: [SHARDS]}
episode: {way: 3, shot: 2, query: 2, meta_batch_size: 4}
model: {encoders: {vector: {type: mlp, width: 4, depth: 1}}}
adapt: {algorithm: protonet}
train: {steps: 2, validate_every: 0}
"""


@pytest.fixture(scope="module", name="split")
def split_samples(tmp_path_factory):
    """Shards of test classes: (two samples each of three classes, their others, those of other classes)."""
    folder = tmp_path_factory.mktemp("split")
    (whole, ) = driver.make_shards(folder / "whole", "--shards", "1").glob("*.h5")
    classes = samples_by_class(whole)
    known, others = classes[:3], classes[3:]
    return tuple(part_of(whole, samples, folder / f"{name}.h5") for name, samples in (
        ("support", [i for of in known for i in of[:2]]), ("query", [i for of in known for i in of[2:]]),
        ("foreign", [i for of in others for i in of])))


@pytest.fixture(scope="module", name="adapted")
def adapted_file(trained, split, tmp_path_factory):
    """(calibrated, as it is)."""
    folder = tmp_path_factory.mktemp("adapted")
    said = cuttle("adapt", trained, "--support", split[0], "--out", folder / "calibrated").stderr
    assert "calibrated on 100 validation episodes (3-way 2-shot): temperature" in said and "AUROC" in said
    cuttle("adapt", trained, "--support", split[0], "--out", folder / "plain", "--calibrate", "0")
    return folder / "calibrated", folder / "plain"


def told(*words):
    return [json.loads(line) for line in cuttle("predict", *words, "--json").stdout.splitlines()]


def calibration_of(file):
    content = file.read_bytes()
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8:8 + size])
    first, last = header["calibration.distances"]["data_offsets"]
    return json.loads(header["__metadata__"]["calibration"]), np.frombuffer(content[8 + size + first:8 + size + last],
                                                                            "<f4")


def test_probabilities_are_those_of_the_temperature(adapted, split):
    kept, distances = calibration_of(adapted[0])
    assert kept["way"] == 3 and kept["shot"] == 2 and 0.5 < kept["separation"] <= 1
    assert (np.diff(distances) >= 0).all() and len(distances) == 100 * 3 * 2
    for sure, plain in zip(told(adapted[0], split[1]), told(adapted[1], split[1])):
        names = sorted(plain["probabilities"])
        raw = np.array([plain["probabilities"][name] for name in names])
        mended = raw**(1 / kept["temperature"])
        assert [sure["probabilities"][name] for name in names] == pytest.approx(mended / mended.sum(), abs=1e-4)
        assert sure["class"] == plain["class"] == names[raw.argmax()] and plain["known"] is None
        assert list(sure["probabilities"].values()) == sorted(sure["probabilities"].values(), reverse=True)
        assert sure["probability"] == sure["probabilities"][sure["class"]]


def test_inspect_says_what_an_adapted_file_is(adapted):
    said = cuttle_json("inspect", adapted[0])
    kept, _ = calibration_of(adapted[0])
    assert len(said["classes"]) == 3 and said["answers"] == "inductive" and said["learner"] == "maml"
    assert said["calibration"] == {"temperature": kept["temperature"], "episodes": 100, "way": 3, "shot": 2,
                                   "known": True, "separation": kept["separation"]}
    assert [sense["name"] for sense in said["modalities"]] == ["image", "text"]
    assert cuttle_json("inspect", adapted[1])["calibration"] == "none"
    assert "about runs" in cuttle("inspect", adapted[0], "--deterministic", code=driver.USER_ERROR).stderr


def test_what_is_far_from_all_classes_has_no_class(adapted, split):
    for shard in split[1:]:
        free, strict = told(adapted[0], shard), told(adapted[0], shard, "--reject", "0.3")
        for was, now in zip(free, strict):
            assert now["known"] == was["known"] and now["probabilities"] == was["probabilities"]
            assert now.get("rejected", False) == (was["known"] < 0.3) == (now["class"] is None)
            assert "rejected" not in was and 0 < was["known"] <= 1
    inside, outside = ([answer["known"] for answer in told(adapted[0], shard)] for shard in split[1:])
    assert np.mean(outside) < np.mean(inside)
    refused = cuttle("predict", adapted[1], split[1], "--reject", "0.05", code=driver.USER_ERROR).stderr
    assert "does not say how far" in refused and "cuttle adapt" in refused


def wilson(right, count):
    p, z = right / count, 1.96
    middle, half = p + z * z / (2 * count), z * math.sqrt(p * (1 - p) / count + z * z / (4 * count * count))
    return [100 * (middle + sign * half) / (1 + z * z / count) for sign in (-1, 1)]


def test_labelled_samples_are_scored(adapted, split, tmp_path):
    with Shard(split[1]) as shard:
        truths = [shard.class_names[name] for name in shard.sample_class]
    answers = told(adapted[0], split[1])
    right = sum(answer["class"] == truth for answer, truth in zip(answers, truths))
    matrix = tmp_path / "matrix.csv"
    said = cuttle("predict", adapted[0], split[1], "--confusion", matrix).stderr
    low, high = wilson(right, len(truths))
    assert (f"accuracy {100 * right / len(truths):.1f} % (95 % interval {low:.1f} to {high:.1f}): {right} of "
            f"{len(truths)} labelled samples are right") in said
    names = sorted(set(truths))
    recall = {name: np.mean([answer["class"] == name for answer, truth in zip(answers, truths) if truth == name])
              for name in names}
    worst = min(names, key=recall.get)
    assert (f"worst class '{worst}' with {100 * recall[worst]:.1f} %" in said) == (recall[worst] < 1)
    assert_matrix(matrix, names, answers, truths)


def assert_matrix(path, names, answers, truths):
    """The last row is of samples of other classes, the last column of those without a class."""
    rows = list(csv.reader(path.read_text(encoding="utf-8").splitlines()))
    assert rows[0][1:] == [row[0] for row in rows[1:]] == [*names, "(none of them)"]
    for row, name in zip(rows[1:], [*names, None]):
        mine = [answer for answer, truth in zip(answers, truths) if (truth if truth in names else None) == name]
        assert [int(count) for count in row[1:]] == [
            sum(answer["class"] == other for answer in mine) for other in [*names, None]]


def test_what_is_rejected_counts_as_no_class(adapted, split, tmp_path):
    with Shard(split[1]) as shard:
        names = sorted(set(shard.class_names[name] for name in shard.sample_class))
    for path, share in zip(split[1:], ("0.4", "0.5")):
        with Shard(path) as shard:
            truths = [shard.class_names[name] for name in shard.sample_class]
        answers = told(adapted[0], path, "--reject", share)
        said = cuttle("predict", adapted[0], path, "--reject", share, "--confusion", tmp_path / "matrix.csv").stderr
        silent = sum(answer["class"] is None for answer in answers)
        assert silent > 0 and f"{silent} of {len(answers)} samples are rejected" in said
        assert f"{silent} of them got no class" in said
        assert ("of classes that the model does not know" in said) == (path == split[2])
        assert_matrix(tmp_path / "matrix.csv", names, answers, truths)


def test_supports_that_validation_has_no_like_of_are_named(trained, split, tmp_path):
    said = cuttle("adapt", trained, "--support", split[1], "--out", tmp_path / "a", "evaluation.query=5").stderr
    assert "(3-way 3-shot)" in said and "cannot give 3-way 5-shot episodes" in said and "may be off" in said


def test_as_many_classes_are_told_as_are_asked_for(adapted, split, tmp_path):
    full = told(adapted[0], split[1])
    for top, columns in ((1, 4), (2, 6), (9, 8)):
        words = ("predict", adapted[0], split[1], "--top", str(top))
        lines = [line.split("\t") for line in cuttle(*words).stdout.splitlines()]
        cuttle(*words, "--out", tmp_path / "answers.csv")
        header, *rows = csv.reader((tmp_path / "answers.csv").read_text(encoding="utf-8").splitlines())
        assert len(header) == columns and len(rows) == len(lines) == len(full)
        assert header[:6] == ["sample", "class", "probability", "known", "class_2", "probability_2"][:columns]
        for line, row, answer in zip(lines, rows, full):
            pairs = list(answer["probabilities"].items())[:top]
            names, numbers = [row[1], *row[4::2]], [row[2], *row[5::2]]
            assert names == [name for name, _ in pairs] == [line[1], *line[4::2]]
            assert list(map(float, numbers)) == pytest.approx([number for _, number in pairs], abs=1e-6)
            assert [float(number) for number in (line[2], *line[5::2])] == pytest.approx(
                [number for _, number in pairs], abs=1e-4)
        assert [list(answer["probabilities"]) for answer in told(adapted[0], split[1], "--top", str(top))] == [
            list(answer["probabilities"])[:top] for answer in full]


def test_without_its_shards_a_run_adapts_uncalibrated_and_says_so(trained, split, tmp_path):
    said = cuttle("adapt", trained, "--support", split[0], "--out", tmp_path / "a", "data.shards=[gone/*.h5]").stderr
    assert "not calibrated: " in said and "gone/*.h5" in said and "data.shards=" in said
    assert {answer["known"] for answer in told(tmp_path / "a", split[1])} == {None}


def test_eval_says_how_far_probabilities_are_from_the_truth(trained):
    plain = cuttle_json("eval", trained, "--episodes", "12")
    assert 0 < plain["calibration_error"] < 1 and "temperature" not in plain
    mended = cuttle_json("eval", trained, "--episodes", "12", "--calibrated")
    assert mended["calibration_error"] == plain["calibration_error"] != mended["calibrated_error"]
    assert mended == cuttle_json("eval", trained, "--episodes", "12", "--calibrated", ranks=2)
    shown = cuttle("eval", trained, "--episodes", "12", "--calibrated").stdout
    errors = f"{100 * plain['calibration_error']:.2f} %, {100 * mended['calibrated_error']:.2f} %"
    assert f"calibration error {errors} with the temperature {mended['temperature']:.2f}" in shown


def test_eval_tells_what_is_outside_from_its_queries(trained, tmp_path):
    words = ("eval", trained, "--episodes", "12")
    told = cuttle_json(*words, "--outside")
    outside = told.pop("outside")
    assert told == cuttle_json(*words) and outside["shards"] == []
    assert 0.5 < outside["auroc"] < 1 and outside["accuracy_at_95_recall"] <= told["accuracy"]
    for ranks in (2, 3):
        assert cuttle_json(*words, "--outside", ranks=ranks) == {**told, "outside": outside}
    shown = cuttle(*words, "--outside").stdout
    assert f"outside ({outside['samples']} samples of the split): AUROC {outside['auroc']:.4f} +- " in shown
    others = driver.make_shards(tmp_path / "others", "--name", "others", "--classes", "3", "--splits", "0,0,1",
                                "--shards", "1", "--seed", "9")
    given = cuttle_json(*words, "--outside", others)["outside"]
    assert given["samples"] == 24  # 8 of each class
    assert given["shards"] == [str(others)] and given["auroc"] != outside["auroc"]
    # Episodes of all three classes leave none outside.
    said = cuttle(*words, "--shards", others, "--outside", code=driver.USER_ERROR).stderr
    assert "none is sure to be outside" in said and "evaluation.way" in said


def test_distances_that_say_nothing_of_classes_are_told(tmp_path):
    draw = np.random.default_rng(4)
    classes = np.repeat(np.arange(16), 8)
    hand_shard.write(tmp_path / "noise.h5", draw.normal(size=(128, 3)), classes, np.minimum(classes // 6, 2))
    config = driver.write_config(tmp_path / "noise.yaml", tmp_path / "noise.h5", NOISE)
    driver.train(config, tmp_path / "run")
    hand_shard.write(tmp_path / "few.h5", draw.normal(size=(6, 3)), np.repeat(np.arange(3), 2), [0] * 6)
    words = ("adapt", tmp_path / "run", "--support", tmp_path / "few.h5", "--out", tmp_path / "noise.adapted")
    assert "known and --reject say little" in cuttle(*words).stderr
    asked = ("predict", tmp_path / "noise.adapted", tmp_path / "few.h5")
    assert "--reject goes by distances that say little" in cuttle(*asked, "--reject", "0.05").stderr
    assert "say little" not in cuttle(*asked).stderr


def test_a_process_answers_one_request_after_the_other(adapted, split, tmp_path):
    requests = [{"shard": str(split[1])}, {"shard": str(tmp_path / "none.h5")}, {"shard": 3}, {"shard": str(split[2])}]
    text = "\n".join([*map(json.dumps, requests), "not JSON", ""])
    words = ["sh", "-c", 'printf %s "$1" | "$0" predict "$2" --stream', str(driver.PROGRAM), text, str(adapted[0])]
    lines = [json.loads(line) for line in driver.run(words).stdout.splitlines()]
    first, last = told(adapted[0], split[1]), told(adapted[0], split[2])
    at = len(first)
    assert lines[:at] == first and lines[at] == {"done": at}
    assert "none.h5" in lines[at + 1]["error"]
    assert all("a request is" in line["error"] for line in (lines[at + 2], lines[-1]))
    assert lines[at + 3:-2] == last and lines[-2] == {"done": len(last)}
    for wrong in ((split[1], "--reject", "nan"), (split[1], "--out", "a.csv", "--confusion", "a.csv"),
                  (split[1], "--stream"), ("--stream", "--together"), ()):
        cuttle("predict", adapted[0], *wrong, code=driver.USER_ERROR)


@pytest.fixture(scope="module", name="files")
def files_of_samples(split, tmp_path_factory):
    """Folders of the pictures and texts of both shards: support/CLASS/n.png, n.txt and query/CLASS/..."""
    folder = tmp_path_factory.mktemp("files")
    for part, path in zip(("support", "query"), split):
        with Shard(path) as shard:
            for i, name in enumerate(shard.sample_class):
                place = folder / part / shard.class_names[name]
                place.mkdir(parents=True, exist_ok=True)
                Image.fromarray(np.asarray(shard.read(i, "image")).squeeze()).save(place / f"{i}.png")
                (place / f"{i}.txt").write_bytes(bytes(shard.read(i, "text")))
    return folder


def test_answers_about_files_are_those_about_their_shard(trained, files, adapted, split, tmp_path):
    said = cuttle("adapt", trained, "--support", files / "support", "--out", tmp_path / "a").stderr
    assert "adapted to 3 classes from 6 samples" in said and "packed.h5" not in said
    by_probability = sorted(answer["probability"] for answer in told(adapted[0], split[1]))
    answers = told(tmp_path / "a", files / "query")
    assert sorted(answer["probability"] for answer in answers) == pytest.approx(by_probability, abs=1e-5)
    assert "accuracy" in cuttle("predict", tmp_path / "a", files / "query").stderr
    one = sorted((files / "query").rglob("*.png"))[0]
    (alone, ) = told(tmp_path / "a", one)
    assert alone["sample"] == str(one) and alone["class"]
    words = [word for place in sorted((files / "support").iterdir()) for word in ("--support", f"{place.name}={place}")]
    cuttle("adapt", trained, *words, "--out", tmp_path / "b")
    assert [answer["probabilities"] for answer in told(tmp_path / "b", files / "query")] == [
        answer["probabilities"] for answer in answers]


def test_files_that_give_nothing_are_refused(trained, files, adapted, split, tmp_path, monkeypatch):
    (tmp_path / "empty").mkdir()
    (tmp_path / "other.xyz").write_text("?", encoding="utf-8")
    for inputs, said in (((tmp_path / "none.png", ), "none.png"), ((tmp_path / "empty", ), "empty"),
                         ((tmp_path / "other.xyz", ), "other.xyz"), ((split[1], files / "query"), "others are not")):
        failed = cuttle("predict", adapted[0], *inputs, code=driver.USER_ERROR)
        assert said in failed.stderr and not failed.stdout
    failed = cuttle("adapt", trained, "--support", tmp_path / "empty", "--out", tmp_path / "a", code=driver.USER_ERROR)
    assert "could not be packed" in failed.stderr and not (tmp_path / "a").exists()
    monkeypatch.setitem(driver.ENVIRONMENT, "TMPDIR", str(tmp_path / "empty"))
    cuttle("predict", adapted[0], files / "query")
    assert not any((tmp_path / "empty").iterdir())
