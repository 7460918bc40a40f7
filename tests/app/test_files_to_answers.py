"""From one's own files to answers, as a new user goes: three commands to a trained and measured model (convert, train a
preset, eval), two from a run to answers about new files (adapt, predict), nothing given but the files."""

import csv
import json

import driver
import numpy as np
import pytest
import soundfile
from driver import cuttle, cuttle_json
from PIL import Image

RATE = 8000
# What makes a preset as small as the miniatures; a user gives none of it.
TINY = ("train.steps=30", "train.validate_every=15", "train.validation_episodes=20", "evaluation.episodes=20",
        "episode.way=5", "evaluation.way=3", "episode.query=2", "episode.meta_batch_size=2")


def photographs(folder, names, count, seed):
    """A folder a class: stripes of a colour and a direction of its own, noisy, of any size."""
    random = np.random.default_rng(seed)
    for name in names:
        own = np.random.default_rng([7, name])
        colour, angle = own.uniform(0, 255, 3), own.uniform(0, 3)
        (folder / f"thing {name}").mkdir(parents=True)
        for i in range(count):
            y, x = np.mgrid[:40 + i, :48]
            wave = np.sin((x * np.cos(angle) + y * np.sin(angle)) / 3)[..., None]
            pixels = (colour + 60 * wave + random.normal(0, 10, (*x.shape, 3))).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / f"thing {name}" / f"IMG {i}.jpg")
    return folder


def recordings(folder, names, count, seed):
    """A folder a class: two tones of its own, with phase and level drawn."""
    random = np.random.default_rng(seed)
    for name in names:
        tones = np.random.default_rng([9, name]).uniform(200, 3500, 2)
        (folder / f"bird {name}").mkdir(parents=True)
        for i in range(count):
            t = np.arange(RATE // 4) / RATE
            sound = sum(np.sin(2 * np.pi * tone * t + random.uniform(0, 6)) for tone in tones)
            sound = random.uniform(0.05, 0.3) * sound + random.normal(0, 0.01, t.shape)
            soundfile.write(folder / f"bird {name}" / f"{i}.wav", sound, RATE)
    return folder


def sentences(path, names, count, seed):
    """A CSV of texts: each intent has words of its own among common ones."""
    random = np.random.default_rng(seed)
    with open(path, "w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["text", "intent"])
        for name in names:
            own = ["".join(word) for word in np.random.default_rng([3, name]).choice(list("aeiorstln"), (3, 6))]
            for i in range(count):
                words = [*random.choice(["please", "could you", "now", "the"], 3), *random.permutation(own)]
                table.writerow([" ".join(words) + f" {i}", f"intent {name}"])
    return path


def patients(path, names, count, seed):
    """A CSV of visits: a value that is a line of two measurements, one line for each patient."""
    random = np.random.default_rng(seed)
    with open(path, "w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["patient", "age", "dose", "level"])
        for name in names:
            a, b = np.random.default_rng([5, name]).normal(size=2)
            for age, dose in random.uniform(-1, 1, (count, 2)).round(3):
                table.writerow([f"p{name}", age, dose, round(a * age + b * dose + random.normal(0, 0.01), 3)])
    return path


def nothing_like_it(kind, folder):
    """A file of the kind that is of no class: noise of all colours, or of all pitches, or digits."""
    random = np.random.default_rng(4)
    folder.mkdir()
    if kind == "photographs":
        Image.fromarray(random.integers(0, 256, (40, 48, 3), np.uint8)).save(folder / "noise.png")
    elif kind == "recordings":
        soundfile.write(folder / "noise.wav", random.normal(0, 0.3, RATE // 4), RATE)
    else:
        (folder / "digits.txt").write_text("0123 456 789 0123 456 789 0123", encoding="utf-8")
    return folder


def convert(*words):
    return driver.run([str(driver.ROOT / "data_tools/cuttle-data"), *map(str, words)])


def trained(preset, shards, folder, *words):
    cuttle("train", driver.ROOT / f"configs/presets/{preset}.yaml", f"data.shards=[{shards}/*.h5]", *TINY, *words,
           "--run-dir", folder / "run")
    return folder / "run"


def answered(run, support, new, folder, *words):
    """What `adapt` and `predict` say of new files."""
    cuttle("adapt", run, "--support", support, "--out", folder / "mine.adapted", "--calibrate", "20")
    result = cuttle("predict", folder / "mine.adapted", new, "--json", *words)
    return [json.loads(line) for line in result.stdout.splitlines()], result.stderr


KINDS = {"photographs": ("folder", "images_small", photographs), "recordings": ("folder", "recordings", recordings),
         "sentences": ("frame", "sentences", sentences)}


@pytest.mark.parametrize("kind", KINDS)
def test_of_classes(kind, tmp_path):
    tool, preset, make = KINDS[kind]
    ending = ".csv" if tool == "frame" else ""
    files = make(tmp_path / f"mine{ending}", range(20), 6, 1)
    convert(tool, files, "--out", tmp_path / "shards")
    run = trained(preset, tmp_path / "shards", tmp_path)
    assert cuttle_json("eval", run)["accuracy"] > 0.5  # chance is a third
    support = make(tmp_path / f"support{ending}", range(30, 33), 3, 2)
    new = make(tmp_path / f"new{ending}", range(30, 33), 4, 3)
    answers, said = answered(run, support, new, tmp_path, "--reject", "0.02")
    assert len(answers) == 12 and "accuracy" in said and "of 12 labelled samples are right" in said
    for answer in answers:
        assert sum(answer["probabilities"].values()) == pytest.approx(1, abs=1e-4) and 0 < answer["known"] <= 1
    usual = np.median([answer["known"] for answer in answers])
    far = cuttle("predict", tmp_path / "mine.adapted", nothing_like_it(kind, tmp_path / "far"), "--json").stdout
    assert json.loads(far)["known"] < usual / 4, (json.loads(far)["known"], usual)
    right = sum(answer["class"] is not None and answer["class"] == max(answer["probabilities"],
                                                                       key=answer["probabilities"].get)
                for answer in answers)
    assert right == sum(not answer.get("rejected") for answer in answers)


def test_of_patients(tmp_path):
    table = patients(tmp_path / "visits.csv", range(40), 24, 1)
    convert("frame", table, "--class", "patient", "--targets", "level", "--out", tmp_path / "shards")
    run = trained("patients", tmp_path / "shards", tmp_path, "episode.way=1", "evaluation.way=0", "episode.query=4",
                  "train.steps=150", "train.validate_every=75")
    error = cuttle_json("eval", run)["loss"]
    support = patients(tmp_path / "known.csv", [50], 12, 2)
    answers, said = answered(run, support, patients(tmp_path / "new.csv", [50], 6, 3), tmp_path)
    cuttle("predict", tmp_path / "mine.adapted", tmp_path / "new.csv", "--out", tmp_path / "answers.csv")
    assert (tmp_path / "answers.csv").read_text(encoding="utf-8").startswith("sample,level\n")
    rows = list(csv.DictReader(open(tmp_path / "new.csv", encoding="utf-8")))
    off = [answer["values"][0] - float(row["level"]) for answer, row in zip(answers, rows)]
    assert f"mean squared error {np.mean(np.square(off)):.4g}, mean absolute" in said and "of 6 samples" in said
    assert len(off) == 6 and error < 0.2 and np.mean(np.square(off)) < 0.5


def test_of_one_set_by_a_model_of_another(tmp_path):
    theirs = photographs(tmp_path / "theirs", range(20), 6, 1)
    convert("folder", theirs, "--out", tmp_path / "shards")
    run = trained("images_small", tmp_path / "shards", tmp_path)
    ours = photographs(tmp_path / "ours", range(40, 46), 6, 2)
    convert("pack", ours, "--like", run, "--out", tmp_path / "ours.h5")
    told = cuttle_json("eval", run, "--shards", tmp_path / "ours.h5", "--split", "all")
    assert told["split"] == "all" and told["accuracy"] > 0.5 and str(tmp_path / "ours.h5") in str(told["shards"])
