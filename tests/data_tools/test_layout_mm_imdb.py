"""mm_imdb on miniatures of its HDF5 file and of its JSON and JPEG files."""

import json

import h5py
import numpy as np
import pytest
from layouts import converted, is_of, refused, save_picture

GENRES = ["Drama", "Comedy", "Film-Noir"]
BOUNDS = {"train": (0, 5), "dev": (5, 7), "test": (7, 10)}
LONG = {"dev": "validation"}
SOURCES = ("features", "vgg_features", "images", "genres", "imdb_ids", "sequences")
MEAN = np.array([103.939, 116.779, 123.68])


def split_of(row):
    return next(LONG.get(split, split) for split, (start, stop) in BOUNDS.items() if start <= row < stop)


def colour(row):
    return 10 + 20 * row, 90, 250 - 20 * row


def genres_of(row):
    return [1, row % 2, row == 3]


def features(row, width):
    return np.arange(width, dtype=np.float32) + row / 8


def save_hdf5(root, centred):
    root.mkdir()
    with h5py.File(root / "multimodal_imdb.hdf5", "w") as file:
        file["features"] = np.stack([features(row, 4) for row in range(10)])
        file["vgg_features"] = np.stack([features(row, 6) for row in range(10)])
        pixels = np.array([colour(row) for row in range(10)])
        if centred:
            pixels = pixels[:, ::-1] - MEAN
        file["images"] = np.broadcast_to(pixels[:, :, None, None], (10, 3, 16, 10)).astype(np.int32)
        file["genres"] = np.array([genres_of(row) for row in range(10)], np.int32)
        file["genres"].attrs["target_names"] = json.dumps(GENRES)
        file["imdb_ids"] = np.array([f"{row:07d}" for row in range(10)], "S7")
        file["sequences"] = np.zeros(10, np.int32)
        table = [(split.encode(), source.encode(), start, stop, b"", source != "sequences", b".")
                 for split, (start, stop) in BOUNDS.items() for source in SOURCES]
        file.attrs["split"] = np.array(table, [("split", "S5"), ("source", "S12"), ("start", "i8"), ("stop", "i8"),
                                               ("indices", "S1"), ("available", "?"), ("comment", "S1")])
    return root


@pytest.mark.parametrize("centred", [True, False])
def test_hdf5(run, tmp_path, centred):
    root = save_hdf5(tmp_path / "in", centred)
    samples, text = converted(run, "mm_imdb", root, tmp_path / "out", "--size", "16x10")
    assert len(samples) == 10 and "splits: as published" in text
    for row in range(10):
        sample = samples[f"{row:07d}"]
        assert (sample.class_name, sample.split) == (f"{split_of(row)}/all", split_of(row))
        assert sample.targets == dict(zip(GENRES, genres_of(row)))
        assert sample.values.keys() == {"image", "word2vec", "vgg"}
        np.testing.assert_array_equal(sample.values["word2vec"], features(row, 4))
        np.testing.assert_array_equal(sample.values["vgg"], features(row, 6))
        assert (sample.values["image"] == colour(row)).all(), row


def test_rarest_genres_are_classes(run, tmp_path):
    root = save_hdf5(tmp_path / "in", False)
    samples, _ = converted(run, "mm_imdb", root, tmp_path / "out", "--class", "genre", "--splits", "1,0,0")
    rarest = ["Drama", "Comedy"]
    assert [samples[f"{row:07d}"].class_name for row in range(10)] == [
        "Film-Noir" if row == 3 else rarest[row % 2] for row in range(10)]
    assert "nothing says a year" in refused(run, "mm_imdb", root, tmp_path / "no", "--class", "decade")


def change(root, **datasets):
    with h5py.File(root / "multimodal_imdb.hdf5", "a") as file:
        for name, value in datasets.items():
            del file[name]
            if value is not None:
                file[name] = value
    return root


@pytest.mark.parametrize("datasets", [
    {"genres": np.zeros((10, 3))}, {"imdb_ids": None}, {"features": np.zeros((9, 4))}, {"imdb_ids": np.array([b"1"])},
])
def test_other_hdf5_files_are_refused(run, tmp_path, datasets):
    root = change(save_hdf5(tmp_path / "in", True), **datasets)
    assert "does not hold what mm_imdb has" in refused(run, "mm_imdb", root, tmp_path / "out")


def test_hdf5_without_pictures(run, tmp_path):
    root = change(save_hdf5(tmp_path / "in", True), images=None)
    samples, _ = converted(run, "mm_imdb", root, tmp_path / "out")
    assert len(samples) == 10 and samples["0000002"].values.keys() == {"word2vec", "vgg"}


def test_cut_off_hdf5(run, tmp_path):
    path = save_hdf5(tmp_path / "in", True) / "multimodal_imdb.hdf5"
    path.write_bytes(path.read_bytes()[:-1000])
    assert "multimodal_imdb.hdf5" in refused(run, "mm_imdb", tmp_path / "in", tmp_path / "out")


@pytest.fixture(params=["dataset", "labels"])
def films(request, tmp_path):
    """Film 1 lacks its poster, 2 its plot, 3 both, 4 its genres; 8 has a broken poster; 9 a plot
    outline only; there is no JSON of 5."""
    root = tmp_path / "in"
    pictures = root / ("images" if request.param == "labels" else "dataset")
    said = root / request.param
    said.mkdir(parents=True)
    for row in range(10):
        plots = [] if row in (2, 3, 9) else ["short", f"the longest plot of {row}", "shorter"]
        genres = ["News"] if row == 4 else [name for name, own in zip(GENRES, genres_of(row)) if own] + ["News"]
        film = {"genres": genres, "plot": plots, "year": 1988 + row if row else None, "title": "x", "cast": [{}]}
        if row == 9:
            film["plot outline"] = " outlined\n"
        if row != 5:
            (said / f"{row:07d}.json").write_text(json.dumps(film))
        if row not in (1, 3):
            save_picture(pictures / f"{row:07d}.jpeg", colour(row), (10, 16))
    (pictures / "0000008.jpeg").write_bytes(b"\xff\xd8\xff")
    (root / "split.json").write_text(json.dumps({
        split: [f"{row:07d}" for row in range(start, stop)] for split, (start, stop) in BOUNDS.items()}))
    return root


def test_json(run, films, tmp_path):
    samples, text = converted(run, "mm_imdb", films, tmp_path / "out", "--class", "decade")
    assert samples.keys() == {f"{row:07d}" for row in (0, 1, 2, 6, 7, 8, 9)}
    for words in ("0000003: sample without any value", "0000004: has none", "0000005.json is missing",
                  "[image]: broken"):
        assert words in text
    for name, sample in samples.items():
        row = int(name)
        senses = {"image", "text"}
        senses -= {"image"} if row in (1, 8) else set()
        senses -= {"text"} if row == 2 else set()
        assert sample.values.keys() == senses
        decade = "unknown" if row == 0 else "1980s" if row < 2 else "1990s"
        assert sample.class_name in (decade, f"{sample.split}/{decade}") and sample.split == split_of(row)
        assert {key: value for key, value in sample.targets.items() if value} == {
            genre: 1 for genre, own in zip(GENRES, genres_of(row)) if own}
        assert len(sample.targets) == 23
        if row != 2:
            assert sample.values["text"] == ("outlined" if row == 9 else f"the longest plot of {row}")
        if "image" in senses:
            assert is_of(sample.values["image"], colour(row))


def test_ids_that_are_there_twice(run, films, tmp_path):
    said = json.loads((films / "split.json").read_text())
    said["test"] += ["0000000", "0000009"]
    said["other"] = ["0000001"]
    (films / "split.json").write_text(json.dumps(said))
    samples, text = converted(run, "mm_imdb", films, tmp_path / "out")
    assert "3 x is in split.json twice" in text and samples["0000000"].split == "train"


def test_broken_json(run, films, tmp_path):
    folder = films / "dataset" if (films / "dataset").is_dir() else films / "labels"
    (folder / "0000000.json").write_text("{")
    (folder / "0000006.json").write_text("[]")
    (folder / "0000007.json").write_text('{"genres": ["Drama"], "plot": 3}')
    samples, text = converted(run, "mm_imdb", films, tmp_path / "out")
    assert samples.keys() == {f"{row:07d}" for row in (1, 2, 8, 9)} and "no whole JSON file" in text
    (films / "split.json").write_text('{"train": 1}')
    assert "split.json: does not hold" in refused(run, "mm_imdb", films, tmp_path / "no")
    (films / "split.json").unlink()
    assert "neither multimodal_imdb.hdf5" in refused(run, "mm_imdb", films, tmp_path / "no")
