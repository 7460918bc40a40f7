"""mosi on miniatures of its pickles (MulT, MultiBench, MMSA) and of computational sequences."""

import json
import pickle

import h5py
import numpy as np
import pytest
from layouts import converted, refused

SIZES = {"train": 4, "valid": 2, "test": 3}
LONG = {"valid": "validation"}
WIDTHS = {"text": 3, "audio": 2, "vision": 4}


def steps_of(split, row, sense, length):
    """The content of a segment: no zero anywhere."""
    base = 100 * list(SIZES).index(split) + 10 * row + list(WIDTHS).index(sense)
    return (base + 1 + np.arange(length * WIDTHS[sense]).reshape(length, -1) / 64).astype(np.float32)


def label_of(split, row):
    return list(SIZES).index(split) + row / 4 - 1


def padded(content, steps, front):
    pad = np.zeros((steps - len(content), content.shape[1]), np.float32)
    return np.concatenate([pad, content] if front else [content, pad])


def videos(split):
    return [f"{split}_{row // 2}" for row in range(SIZES[split])]


def mult(steps, lengths, front=True, ids=True):
    """As MulT has it. steps: {sense: padded to}; lengths(row, sense)."""
    held = {}
    for split, count in SIZES.items():
        held[split] = {sense: np.stack([padded(steps_of(split, row, sense, lengths(row, sense)), steps[sense], front)
                                        for row in range(count)]) for sense in WIDTHS}
        held[split]["labels"] = np.array([label_of(split, row) for row in range(count)]).reshape(-1, 1, 1)
        if ids:
            held[split]["id"] = np.array([[video, str(row), str(row + 1)] for row, video in enumerate(videos(split))]
                                         ).astype("S")
    return held


def saved(tmp_path, held, protocol=4, name="mosi_data.pkl"):
    root = tmp_path / "in"
    root.mkdir()
    (root / name).write_bytes(pickle.dumps(held, protocol))
    return root


ALIGNED = dict.fromkeys(WIDTHS, 5)


def length_of_row(row, sense):
    return 2 + row % 3


def test_aligned(run, tmp_path):
    held = mult(ALIGNED, length_of_row)
    held["train"]["audio"][0, -1, 1] = -np.inf
    held["train"]["vision"][1] = 0  # no such sense
    held["train"]["vision"][2, 3] = 0  # a step without a face
    held["test"]["labels"][2] = 4.5
    held["extra"] = {}
    samples, text = converted(run, "mosi", saved(tmp_path, held, 2), tmp_path / "out")
    assert len(samples) == sum(SIZES.values())
    assert "not finite" in text and "1 sentiments are beyond 3" in text and "only padding" in text and "extra" in text
    for split, count in SIZES.items():
        for row, video in enumerate(videos(split)):
            sample = samples[f"{video}[{row},{row + 1}]"]
            assert (sample.class_name, sample.split, sample.group) == (video, LONG.get(split, split), "all")
            wanted = 4.5 if (split, row) == ("test", 2) else label_of(split, row)
            assert sample.targets == {"sentiment": wanted}
            for sense in WIDTHS:
                content = steps_of(split, row, sense, length_of_row(row, sense))
                if (split, row, sense) == ("train", 0, "audio"):
                    content[-1, 1] = 0
                if (split, row, sense) == ("train", 2, "vision"):
                    content[-2] = 0
                if (split, row, sense) == ("train", 1, "vision"):
                    assert sense not in sample.values
                else:
                    np.testing.assert_array_equal(sample.values[sense], content)


def test_aligned_senses_begin_with_the_first_word(run, tmp_path):
    held = mult(ALIGNED, length_of_row)
    held["train"]["audio"][0, 0] = 7  # sound before the first word
    held["train"]["text"][0, -1] = 0  # a last word without a vector
    held["train"]["text"][1] = 0
    held["train"]["vision"][1, 2:4] = 0
    samples, _ = converted(run, "mosi", saved(tmp_path, held), tmp_path / "out")
    first = samples["train_0[0,1]"].values
    assert {sense: len(first[sense]) for sense in WIDTHS} == {"text": 2, "audio": 2, "vision": 2}
    assert (first["text"][1] == 0).all()
    second = samples["train_0[1,2]"].values  # without words it begins where anything does
    assert "text" not in second and len(second["audio"]) == len(second["vision"]) == 3


def test_unaligned(run, tmp_path):
    steps = {"text": 5, "audio": 9, "vision": 12}

    def length(row, sense):
        return steps[sense] - row

    root = saved(tmp_path, mult(steps, length, front=False, ids=False))
    samples, text = converted(run, "mosi", root, tmp_path / "out")
    assert "are in several splits" in text
    for split, count in SIZES.items():
        for row in range(count):
            found = [sample for sample in samples.values() if sample.split == LONG.get(split, split)
                     and sample.targets["sentiment"] == label_of(split, row)]
            assert len(found) == 1 and found[0].class_name == f"{found[0].split}/all"
            for sense in WIDTHS:
                np.testing.assert_array_equal(found[0].values[sense],
                                              steps_of(split, row, sense, length(row, sense)))


def mmsa(aligned):
    held = mult(ALIGNED if aligned else {"text": 5, "audio": 9, "vision": 12}, length_of_row, front=False)
    for split, content in held.items():
        count, videos_of = SIZES[split], videos(split)
        del content["labels"]
        content["id"] = [f"{video}$_${row}" for row, video in enumerate(videos_of)]
        content["raw_text"] = np.array([f"  {split} é {row}\r\n" if row else "" for row in range(count)], object)
        content["regression_labels"] = np.array([label_of(split, row) for row in range(count)])
        content["classification_labels"] = np.zeros(count)
        content["annotations"] = ["Neutral"] * count
        content["text_bert"] = np.zeros((count, 3, 5), np.float32)
        for row in range(count):
            content["text_bert"][row, 1, :length_of_row(row, "text")] = 1
            content["text"][row, length_of_row(row, "text"):] = 0.5  # what BERT makes of padding
            if not aligned:
                content["audio"][row, 1] = 0  # silence, and no padding
        if not aligned:
            content["audio_lengths"] = [length_of_row(row, "audio") for row in range(count)]
            content["vision_lengths"] = np.array([length_of_row(row, "vision") for row in range(count)])
            for sense in "TAV":
                content[f"regression_labels_{sense}"] = np.full(count, ord(sense) / 100)
    return held


@pytest.mark.parametrize("aligned", [True, False])
def test_mmsa(run, tmp_path, aligned):
    samples, _ = converted(run, "mosi", saved(tmp_path, mmsa(aligned)) / "mosi_data.pkl", tmp_path / "out",
                           "--class", "all")
    for split, count in SIZES.items():
        for row, video in enumerate(videos(split)):
            sample = samples[f"{video}$_${row}"]
            assert (sample.class_name, sample.group) == (f"{sample.split}/all", video)
            labels = {} if aligned else {f"sentiment_{sense}": np.float32(ord(sense) / 100) for sense in "TAV"}
            assert sample.targets == {"sentiment": label_of(split, row), **labels}
            assert sample.values.get("raw_text") == (f"{split} é {row}" if row else None)
            for sense in WIDTHS:
                content = steps_of(split, row, sense, length_of_row(row, sense))
                if sense == "audio" and not aligned:
                    content[1] = 0
                np.testing.assert_array_equal(sample.values[sense], content)


def test_iemocap(run, tmp_path):
    held = mult(ALIGNED, length_of_row, ids=False)
    for split, count in SIZES.items():
        labels = np.zeros((count, 4, 2), int)
        for row in range(count):
            labels[row, np.arange(4), [row & 1, 1, 0, row & 1]] = 1
        held[split]["labels"] = labels
    samples, _ = converted(run, "mosi", saved(tmp_path, held), tmp_path / "out")
    kinds = [sample.targets for sample in samples.values()]
    assert kinds.count({"neutral": 1, "happy": 1, "sad": 0, "angry": 1}) == 2 + 1 + 1
    assert kinds.count({"neutral": 0, "happy": 1, "sad": 0, "angry": 0}) == 2 + 1 + 2


def test_labels_that_are_no_numbers_are_left_out(run, tmp_path):
    held = mult(ALIGNED, length_of_row)
    held["train"]["labels"][1] = np.nan
    samples, text = converted(run, "mosi", saved(tmp_path, held), tmp_path / "out")
    assert len(samples) == 8 and "train_0[1,2]: its label is no number" in text


def change(held, **values):
    held["valid"].update(values)
    return held


@pytest.mark.parametrize("changes", [
    {"audio": np.zeros((2, 5, 9), np.float32)}, {"audio": np.zeros((2, 5))}, {"audio": np.zeros((1, 5, 2))},
    {"labels": np.zeros((2, 2))}, {"id": [b"a"]}, {"text": np.array([["a"]])}, {"labels": "x"},
    {"vision_lengths": [1]}, {"text_bert": 3},
])
def test_other_shapes_are_refused(run, tmp_path, changes):
    root = saved(tmp_path, change(mult(ALIGNED, length_of_row), **changes))
    assert "does not hold what mosi has" in refused(run, "mosi", root, tmp_path / "out")


def test_what_is_no_layout(run, tmp_path):
    root = saved(tmp_path, {"train": 1})
    assert "does not hold" in refused(run, "mosi", root, tmp_path / "out")
    (root / "other.pkl").write_bytes(b"")
    assert "one pickle" in refused(run, "mosi", root, tmp_path / "out")
    assert "no such folder" in refused(run, "mosi", tmp_path / "none", tmp_path / "out")


def save_sequence(root, name, data, words=False, metadata=None):
    with h5py.File(root / f"{name}.csd", "w") as file:
        for video, (features, intervals) in data.items():
            group = file.create_group(f"{name}/data/{video}")
            group["features"] = np.array(features, "S" if words else np.float32)
            group["intervals"] = np.array(intervals, float)
        for key, value in (metadata or {"root name": name}).items():
            file.create_dataset(f"{name}/metadata/{key}", data=[json.dumps(value)], dtype=h5py.string_dtype())


FOLDS = """raise SystemExit("never run")
standard_train_fold=['v_1',
  'v-2']
standard_valid_fold=['v3']
standard_test_fold=['v4', 'not there']
"""


@pytest.fixture
def aligned_sequences(tmp_path):
    root = tmp_path / "csd"
    root.mkdir()
    segments = [f"{video}[{i}]" for video in ("v_1", "v-2", "v3", "v4", "v5") for i in range(2)]
    save_sequence(root, "Opinion Segment Labels", {name: ([[i / 4 - 1]], [[i, i + 1]])
                                                   for i, name in enumerate(segments)})
    save_sequence(root, "FACET 4.2", {name: ([[i, 1], [i, 2]], [[i, i + .5], [i + .5, i + 1]])
                                      for i, name in enumerate(segments) if i != 1})
    save_sequence(root, "words", {name: ([[b"sp"], [b"hello"], [f"n{i}".encode()]], [[i, i + 1]] * 3)
                                  for i, name in enumerate(segments)}, words=True)
    (root / "cmu_mosi_std_folds.py").write_text(FOLDS)
    return root


def test_aligned_sequences(run, aligned_sequences, tmp_path):
    samples, text = converted(run, "mosi", aligned_sequences, tmp_path / "out")
    assert "in no fold" in text and len(samples) == 8
    for i, (name, split) in enumerate([("v_1", "train"), ("v-2", "train"), ("v3", "validation"), ("v4", "test")]):
        for half in range(2):
            number, sample = 2 * i + half, samples[f"{name}[{half}]"]
            assert (sample.class_name, sample.split) == (name, split)
            assert sample.targets == {"sentiment": number / 4 - 1}
            assert sample.values["words"] == f"hello n{number}"
            if number == 1:
                assert "facet_4_2" not in sample.values
            else:
                np.testing.assert_array_equal(sample.values["facet_4_2"], [[number, 1], [number, 2]])


def test_sequences_are_cut_by_the_times_of_the_labels(run, tmp_path):
    root = tmp_path / "csd"
    root.mkdir()
    names = ["sentiment", "joy"]
    save_sequence(root, "All Labels", {f"v{v}": ([[v, 0], [v, 1], [np.nan, 0]], [[0, 1], [1.5, 3], [4, 5]])
                                       for v in range(10)}, metadata={"dimension names": names})
    order = [5, 0, 4, 1, 2, 3]  # not that of time
    times = [[t / 2, t / 2 + .5] for t in order]
    save_sequence(root, "COVAREP", {f"v{v}": ([[v, t] if t else [-np.inf, 1] for t in order], times)
                                    for v in range(9)})
    save_sequence(root, "OpenFace_2", {f"v{v}": ([[1]], [[0, .5]]) for v in range(10)})
    samples, text = converted(run, "mosi", root, tmp_path / "out")
    assert "splits: classes by fractions" in text and "10 x " in text and "its label is no number" in text
    assert len(samples) == 19 and {sample.split for sample in samples.values()} == {"train", "validation", "test"}
    assert samples["v3[1]"].targets == {"sentiment": 3, "joy": 1}
    np.testing.assert_array_equal(samples["v3[0]"].values["covarep"], [[0, 1], [3, 1]])
    np.testing.assert_array_equal(samples["v3[1]"].values["covarep"], [[3, 3], [3, 4], [3, 5]])
    np.testing.assert_array_equal(samples["v9[0]"].values["openface_2"], [[1]])
    assert "openface_2" not in samples["v3[1]"].values and "v9[1]" not in samples


def test_broken_sequences(run, aligned_sequences, tmp_path):
    with h5py.File(aligned_sequences / "FACET 4.2.csd", "a") as file:
        data = file["FACET 4.2/data"]
        del data["v3[0]/intervals"]
        data["v3[0]/intervals"] = np.zeros((5, 2))
        del data["v3[1]/features"]
        data["v3[1]/features"] = np.ones((2, 3))
    samples, text = converted(run, "mosi", aligned_sequences, tmp_path / "out")
    assert "2 features with 5 intervals" in text and "not [any, 2]" in text
    assert not {"facet_4_2"} & (samples["v3[0]"].values.keys() | samples["v3[1]"].values.keys())
    path = aligned_sequences / "FACET 4.2.csd"
    whole = path.read_bytes()
    path.write_bytes(whole[:len(whole) // 2])
    assert "no computational sequence" in refused(run, "mosi", aligned_sequences, tmp_path / "no")
    path.unlink()
    (aligned_sequences / "cmu_mosi_std_folds.py").write_text("standard_train_fold = open('x')")
    assert "no lists of videos" in refused(run, "mosi", aligned_sequences, tmp_path / "no")
    (aligned_sequences / "Opinion Segment Labels.csd").unlink()
    assert "0 sequences of labels" in refused(run, "mosi", aligned_sequences, tmp_path / "no")
