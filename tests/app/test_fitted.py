"""Preprocessing with fitted state: its numbers beside NumPy's, what they may be fitted on, and where they are used."""

import dataclasses
import json

import driver
import numpy as np
import part_data
import pytest

SENSES = [part_data.Modality(name, kind, (4, ), mean=(), stddev=(), holes=True)
          for name, kind in (("vector", "vector"), ("series", "series"))]
SPLITS = ["train"] * 5 + ["validation"] * 3 + ["test"] * 3
STEPS = ["impute by=median", "clip deviations=2", "standardise", "pca columns=2 whiten=true"]
TRAIN = {"steps": 4, "validate_every": 2, "validation_episodes": 4, "checkpoint_every": 2}


def rows_of(change=None):
    """{class: [sample: {sense: rows}]} with holes; `change`: a split whose samples are others."""
    draw = np.random.default_rng(5)
    classes = []
    for number, split in enumerate(SPLITS):
        samples = []
        for _ in range(6):
            flat = draw.normal(number % 4, [1, 2, 3, 0.5], size=(9, 4)) @ (np.eye(4) + 0.3)
            flat[draw.random((9, 4)) < 0.1] = np.nan
            flat = (flat * 7 + 3 if split == change else flat).astype("f4")
            samples.append({"vector": flat[0], "series": flat[1:]})
        classes.append(samples)
    return classes


def write(path, classes, senses=None, only=None):
    senses = senses or SENSES
    samples = [part_data.Loaded(f"{number}/{index}", f"class {number}", "all", SPLITS[number],
                                {sense.name: sense.convert(arrays[sense.name]) for sense in senses}, None)
               for number, of_class in enumerate(classes) if only in (None, SPLITS[number])
               for index, arrays in enumerate(of_class)]
    part_data.write_shard(path, part_data.DatasetInfo("fitted", "made by a test", "CC0-1.0", "a test"), senses, samples)
    return path


def config(path, shards, steps=STEPS, **more):
    encoder = {"type": "mlp", "width": 8, "depth": 2}
    encoders = {"vector": {**encoder, "fitted": steps}, "series": {"type": "series_conv", "width": 8, "fitted": steps}}
    path.write_text(json.dumps({
        "name": "fitted", "data": {"shards": [str(shards)]}, "adapt": {"algorithm": "protonet"}, "train": TRAIN,
        "episode": {"way": 3, "shot": 1, "query": 2, "meta_batch_size": 2}, "model": {"encoders": encoders},
        "evaluation": {"episodes": 6}, **more}), encoding="utf-8")
    return path


def trained(folder, shards, steps=STEPS, *words):
    """The hash of the parameters, and what the run says of its senses."""
    said = driver.train(config(folder / "config.yaml", shards, steps), folder / "run", *words).stderr
    return said.partition("parameters sha256 ")[2].split()[0], senses_of(folder / "run")


def senses_of(run):
    facts = json.loads((max((run / "checkpoints").glob("step-*")) / "facts.json").read_text(encoding="utf-8"))
    return json.loads(facts["modalities"])


@pytest.fixture(scope="module", name="first")
def first_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("first")
    return folder, trained(folder, write(folder / "data.h5", rows_of()))


def chain(rows, training):
    """What STEPS make of rows, by NumPy."""
    median = np.nanmedian(training, axis=0)
    stages = [lambda x: np.where(np.isnan(x), median, x)]
    training = stages[0](training)
    low, high = (training.mean(0) + sign * 2 * training.std(0) for sign in (-1, 1))
    stages.append(lambda x: np.clip(x, low, high))
    training = stages[1](training)
    mean, deviation = training.mean(0), training.std(0)
    stages.append(lambda x: (x - mean) / deviation)
    training = stages[2](training)
    centre = training.mean(0)
    _, sizes, directions = np.linalg.svd(training - centre, full_matrices=False)
    most = np.argmax(np.abs(directions), axis=1)
    directions *= np.sign(directions[np.arange(4), most])[:, None]
    scale = sizes / np.sqrt(len(training) - 1)
    stages.append(lambda x: ((x - centre) @ directions.T / scale)[:, :2])
    for stage in stages:
        rows = stage(rows)
    return rows


def by_numpy(classes):
    """The same samples after STEPS."""
    training = {name: np.concatenate([sample[name].reshape(-1, 4).astype("f8") for samples, split in
                                      zip(classes, SPLITS) if split == "train" for sample in samples])
                for name in ("vector", "series")}
    made = [[{name: np.ascontiguousarray(chain(rows.reshape(-1, 4).astype("f8"), training[name]), "<f4")
              for name, rows in sample.items()}
             for sample in samples] for samples in classes]
    return [[{"vector": sample["vector"][0], "series": sample["series"]} for sample in samples] for samples in made]


def tensors(run):
    file = max((run / "checkpoints").glob("step-*")) / "parameters.safetensors"
    raw = file.read_bytes()
    start = 8 + int.from_bytes(raw[:8], "little")
    told = json.loads(raw[8:start])
    return {name: np.frombuffer(raw[start:][slice(*entry["data_offsets"])], "<f4")
            for name, entry in told.items() if name != "__metadata__"}


def test_a_run_sees_what_numpy_makes_of_its_samples(first, tmp_path):
    senses = [part_data.Modality(sense.name, sense.kind, (2, ), mean=(), stddev=()) for sense in SENSES]
    trained(tmp_path, write(tmp_path / "made.h5", by_numpy(rows_of()), senses), [])
    ours, plain = tensors(first[0] / "run"), tensors(tmp_path / "run")
    assert ours.keys() == plain.keys()
    for name, values in ours.items():
        np.testing.assert_allclose(values, plain[name], atol=2e-4, err_msg=name)


def test_the_numbers_are_kept_and_told(first):
    vector = next(sense for sense in first[1][1] if sense["name"] == "vector")
    assert vector["shape"] == [2] and [step["words"] for step in vector["fitted"]] == STEPS
    training = np.array([sample["vector"] for samples in rows_of()[:5] for sample in samples], "f8")
    np.testing.assert_allclose(vector["fitted"][0]["numbers"]["values"], np.nanmedian(training, axis=0), rtol=1e-12)


@pytest.mark.parametrize("split", ["validation", "test"])
def test_no_number_sees_another_class_than_those_of_training(first, tmp_path, split):
    assert trained(tmp_path, write(tmp_path / "data.h5", rows_of(split))) == first[1]


def test_training_classes_have_a_part_in_them(first, tmp_path):
    parameters, senses = trained(tmp_path, write(tmp_path / "data.h5", rows_of("train")))
    assert parameters != first[1][0] and senses != first[1][1]


def test_adapt_and_predict_use_what_training_fitted(first, tmp_path):
    folder = first[0]
    other = write(tmp_path / "test.h5", rows_of(), only="test")  # no training class is there
    plain = driver.cuttle_json("eval", folder / "run", "--split", "test")
    alone = driver.cuttle_json("eval", folder / "run", "--split", "test", "--shards", other)
    assert plain["accuracy"] == alone["accuracy"]
    driver.cuttle("adapt", folder / "run", "--support", other, "--out", tmp_path / "mine.adapted")
    told = driver.cuttle_json("inspect", tmp_path / "mine.adapted")["modalities"]
    assert [sense["fitted"] for sense in told] == [STEPS, STEPS]
    answers = [line.split("\t")[1] for line in driver.cuttle("predict", tmp_path / "mine.adapted",
                                                             other).stdout.splitlines()]
    assert len(answers) == 18 and set(answers) <= {f"class {number}" for number in (8, 9, 10)}


def test_files_are_packed_as_wide_as_they_come_and_may_have_holes(first, tmp_path):
    """The steps make two columns of four; the data tools see four, and leave holes to them."""
    folder, _ = first
    for number, samples in enumerate(rows_of()[-3:]):
        (tmp_path / f"support/class {number}").mkdir(parents=True)
        for index, sample in enumerate(samples):
            np.save(tmp_path / f"support/class {number}/{index}.npy", sample["vector"])
    said = driver.cuttle("adapt", folder / "run", "--support", tmp_path / "support", "--out", tmp_path / "new.adapted",
                         "--calibrate", "0").stderr
    assert "adapted to 3 classes from 18 samples" in said
    answers = driver.cuttle("predict", tmp_path / "new.adapted", tmp_path / "support", "--json").stdout.splitlines()
    assert len(answers) == 18 and all(json.loads(line)["probability"] >= 1 / 3 for line in answers)


def test_holes_that_nothing_fills_teach_nothing(first, tmp_path):
    whole = [[{name: np.nan_to_num(rows) for name, rows in sample.items()} for sample in samples]
             for samples in rows_of()]
    plain = [dataclasses.replace(sense, holes=False) for sense in SENSES]
    said = driver.cuttle("validate", config(tmp_path / "holes.yaml", first[0] / "data.h5", ["standardise"]),
                         code=driver.USER_ERROR)
    assert "vector has holes" in said.stdout + said.stderr and "such as [impute]" in said.stdout + said.stderr
    driver.train(config(tmp_path / "plain.yaml", write(tmp_path / "whole.h5", whole, plain), ["standardise"]),
                 tmp_path / "run")
    holes = write(tmp_path / "holes.h5", rows_of(), only="test")
    words = ("adapt", tmp_path / "run", "--out", tmp_path / "a.adapted", "--calibrate", "0", "--support")
    said = driver.cuttle(*words, holes, code=driver.USER_ERROR).stderr
    assert "is no number" in said and "model.encoders.SENSE.fitted" in said and not (tmp_path / "a.adapted").exists()
    driver.cuttle(*words, write(tmp_path / "support.h5", whole, only="test"))
    answers = driver.cuttle("predict", tmp_path / "a.adapted", holes, "--json")
    labels = [json.loads(line).get("class") for line in answers.stdout.splitlines()]
    with_holes = sum(any(np.isnan(rows).any() for rows in sample.values()) for samples in rows_of()[-3:]
                     for sample in samples)
    assert len(labels) == 18 and labels.count(None) == with_holes > 0
    assert f"{with_holes} of 18 samples have none of the model's senses" in answers.stderr
    assert "its vector may have holes (NaN), of which the model knows nothing" in answers.stderr


def test_other_steps_are_refused_where_they_would_change_what_was_trained(first):
    run = first[0] / "run"
    words = "model.encoders.vector.fitted=[impute]"
    config_file = first[0] / "config.yaml"
    said = driver.train(config_file, run, "train.steps=6", words, "--resume", code=driver.USER_ERROR).stderr
    assert "a resumed run may not change" in said and "model.encoders.vector.fitted" in said
    said = driver.cuttle("eval", run, words, code=driver.USER_ERROR).stderr
    assert "model.encoders.vector.fitted: is [impute]" in said and "leave the key" in said


def test_a_run_that_starts_from_another_can_take_its_numbers(first, tmp_path):
    shards = write(tmp_path / "data.h5", rows_of("train"))
    words = (f"train.init_from={first[0] / 'run'}", "train.init_statistics=source")
    assert trained(tmp_path, shards, STEPS, *words)[1] == first[1][1]
    said = driver.train(config(tmp_path / "other.yaml", shards, ["standardise"]), tmp_path / "other", *words,
                        code=driver.USER_ERROR).stderr
    assert "leave out train.init_statistics=source" in said


def spoiled(value, column=0):
    classes = rows_of()
    for sample in classes[0] if np.isinf(value) else [sample for samples in classes for sample in samples]:
        sample["vector"][column] = value
    return classes


@pytest.mark.parametrize("classes, steps, problem", [
    (spoiled(np.nan), ["impute"], "column 1 has no value in any training sample"),
    (rows_of(), ["pca"], "put impute before it"),
    (rows_of(), ["impute", "pca columns=5"], "vary in 4 directions at most"),
    (rows_of(), ["impute", "standardize"], "did you mean 'standardise'"),
    (rows_of(), ["impute bye=mean"], "did you mean by="),
])
def test_what_cannot_be_fitted_is_refused_before_the_run_begins(tmp_path, classes, steps, problem):
    shards = write(tmp_path / "data.h5", classes)
    said = driver.cuttle("validate", config(tmp_path / "config.yaml", shards, steps), code=driver.USER_ERROR)
    assert problem in said.stdout + said.stderr and ".fitted: " in said.stdout + said.stderr


def test_pictures_have_no_columns_to_fit(tmp_path):
    shards = driver.make_shards(tmp_path / "shards")
    words = json.dumps({"image": {"type": "conv4", "fitted": ["standardise"]}})
    path = config(tmp_path / "config.yaml", f"{shards}/*.h5", model={"encoders": json.loads(words)})
    said = driver.cuttle("validate", path, code=driver.USER_ERROR)
    assert "image is image, and standardise is for vector and series alone" in said.stdout + said.stderr


KINDS = [part_data.Modality("text", "text", ()), part_data.Modality("audio", "audio", (), 1000), part_data.Modality(
    "series", "series", (2, ), mean=(), stddev=())]
STOPPED = {"the", "of", "o'clock"}  # of every training text


def texts_sounds_and_series():
    """{class: [sample: {sense: value}]}, whose ends are silent and whose texts are shouted now and then."""
    draw = np.random.default_rng(9)
    classes = []
    for number, _ in enumerate(SPLITS):
        samples = []
        for index in range(6):
            words = [f"word{number}", "The", "of", f"x{draw.integers(9)}", "o'clock"]
            text = " ".join(words[place] for place in draw.permutation(5))
            sound = np.concatenate([np.zeros(200), draw.normal(0, 3000, 300 + 10 * index), np.zeros(130)])
            samples.append({"text": text.upper() if index % 2 else text, "audio": sound.astype("<i2"),
                            "series": draw.normal(size=(9, 2)).astype("f4")})
        classes.append(samples)
    return classes


def by_python(sample):
    """The same after lower, stop_words, trim_silence, difference and windows."""
    kept = [word for word in sample["text"].lower().split(" ") if word not in STOPPED]
    changes = np.diff(sample["series"].astype("f8"), axis=0)
    end = -(-len(np.trim_zeros(sample["audio"], "b")) // 20) * 20 + 20  # in frames of 20 samples
    return {"text": " ".join(kept), "audio": sample["audio"][180:end],
            "series": np.concatenate([changes[:-1], changes[1:]], axis=1).astype("f4")}


def kinds_config(path, shards, **fitted):
    types = {"text": "char_conv", "audio": "mel_conv", "series": "series_conv"}
    return config(path, shards, model={"encoders": {
        sense: {"type": kind, "width": 8, "depth": 2, **({"fitted": fitted[sense]} if fitted else {})}
        for sense, kind in types.items()}})


@pytest.fixture(scope="module", name="texts")
def run_on_texts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("texts")
    shards = write(folder / "data.h5", texts_sounds_and_series(), KINDS)
    path = kinds_config(folder / "config.yaml", shards, text=["lower", "stop_words share=0.9"],
                        audio=["trim_silence below=60 keep=0.02"], series=["difference", "windows length=2"])
    driver.train(path, folder / "run")
    return folder


def test_texts_sounds_and_series_are_what_python_makes_of_them(texts, tmp_path):
    classes = [[by_python(sample) for sample in samples] for samples in texts_sounds_and_series()]
    senses = [*KINDS[:2], part_data.Modality("series", "series", (4, ), mean=(), stddev=())]
    driver.train(kinds_config(tmp_path / "config.yaml", write(tmp_path / "made.h5", classes, senses)), tmp_path / "run")
    ours, plain = tensors(texts / "run"), tensors(tmp_path / "run")
    assert ours.keys() == plain.keys() and all((ours[name] == plain[name]).all() for name in ours)


def test_the_words_that_are_left_out_are_kept_and_told(texts):
    text = next(sense for sense in senses_of(texts / "run") if sense["name"] == "text")
    assert text["fitted"][1]["texts"] == sorted(STOPPED)


def counted(classes, columns):
    """Rows of length 1: counts of the most frequent training words times their inverse document frequency."""
    texts = [set(sample["text"].lower().split()) for samples in classes[:5] for sample in samples]
    counts = {word: sum(word in text for text in texts) for word in sorted(set.union(*texts))}
    words = sorted(sorted(counts, key=lambda word: (-counts[word], word))[:columns])
    idf = [np.log((1 + len(texts)) / (1 + counts[word])) + 1 for word in words]
    rows = [[np.array([sample["text"].lower().split().count(word) for word in words]) * idf for sample in samples]
            for samples in classes]
    return [[{"text": (row / np.linalg.norm(row)).astype("f4")} for row in samples] for samples in rows]


def test_texts_become_vectors_of_their_words(tmp_path):
    classes = texts_sounds_and_series()
    vector = part_data.Modality("text", "vector", (12, ), mean=(), stddev=())
    encoder = {"type": "mlp", "width": 8, "depth": 2}
    steps = ["lower", "tf_idf columns=12", "unit_length"]
    for name, senses, made, more in (("words", KINDS[:1], classes, {"fitted": steps}),
                                     ("numbers", [vector], counted(classes, 12), {})):
        shards = write(tmp_path / f"{name}.h5", made, senses)
        path = config(tmp_path / f"{name}.yaml", shards, model={"encoders": {"text": {**encoder, **more}}})
        driver.train(path, tmp_path / name)
    ours, plain = tensors(tmp_path / "words"), tensors(tmp_path / "numbers")
    assert ours.keys() == plain.keys()
    assert all(np.allclose(ours[name], plain[name], rtol=1e-4, atol=1e-6) for name in ours)
    assert driver.cuttle_json("eval", tmp_path / "words")["accuracy"] > 1 / 3
    for number, samples in enumerate(classes[-3:]):  # and files of texts are still what it takes
        (tmp_path / "use" / f"class {number}").mkdir(parents=True)
        for index, sample in enumerate(samples):
            (tmp_path / f"use/class {number}/{index}.txt").write_text(sample["text"], encoding="utf-8")
    driver.cuttle("adapt", tmp_path / "words", "--support", tmp_path / "use", "--out", tmp_path / "a.adapted",
                  "--calibrate", "0")
    said = driver.cuttle("predict", tmp_path / "a.adapted", tmp_path / "use", "--json")
    assert len(said.stdout.splitlines()) == 18


def test_files_of_texts_come_through_the_steps(texts, tmp_path):
    """Shouted or not, with stop words or without: the same answers."""
    for folder, change in (("plain", str), ("loud", lambda text: "THE " + text.upper())):
        for number, samples in enumerate(texts_sounds_and_series()[-3:]):
            (tmp_path / folder / f"class {number}").mkdir(parents=True)
            for index, sample in enumerate(samples):
                (tmp_path / folder / f"class {number}/{index}.txt").write_text(change(sample["text"]), encoding="utf-8")
    driver.cuttle("adapt", texts / "run", "--support", tmp_path / "plain", "--out", tmp_path / "a.adapted",
                  "--calibrate", "0")
    answers = [[json.loads(line)["probability"] for line in driver.cuttle(
        "predict", tmp_path / "a.adapted", tmp_path / folder, "--json").stdout.splitlines()]
               for folder in ("plain", "loud")]
    assert len(answers[0]) == 18 and answers[0] == answers[1]


def test_holes_are_written_on_request_alone():
    plain = part_data.Modality("vector", "vector", (1, ), mean=(), stddev=())
    for values, modality in (([np.nan], plain), ([np.inf], SENSES[0])):
        with pytest.raises(Exception, match="not finite"):
            modality.convert(np.array(values * modality.shape[0], "f4"))
    with pytest.raises(Exception, match="holes are of numbers"):
        part_data.Modality("text", "text", holes=True).check()
