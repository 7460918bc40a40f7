"""What write_dataset puts into the files, read back with h5py alone."""

import hashlib
import json
import zlib

import h5py
import numpy as np
import pytest

from cuttle_data.errors import BadInput, UserError
from cuttle_data.report import Report
from cuttle_data.shards import (DatasetInfo, Modality, Sample, load_samples, write_dataset,
                                write_shard)

INFO = DatasetInfo("toy", "a test", "CC0-1.0", "pytest")
MODALITIES = [
    Modality("image", "image", (2, 3, 1)),
    Modality("text", "text"),
    Modality("audio", "audio", sample_rate=8000),
    Modality("series", "series", (2, )),
    Modality("vector", "vector", (3, ))
]


def make_samples(classes=4, each=3):
    """Class 0 trains, the last one tests; sample i lacks modality i % 6 (5: none)."""
    random = np.random.default_rng(1)
    samples = []
    for index in range(classes * each):
        class_id = index // each
        values = {
            "image": random.integers(0, 256, (2, 3, 1), np.uint8), "text": f"wört {index}",
            "audio": random.integers(-99, 99, index + 1).astype(np.int16),
            "series": random.normal(5, 2, (index + 2, 2)).astype(np.float32),
            "vector": random.normal(0, 1, 3).astype(np.float32)
        }
        values.pop([*values, None][index % 6], None)
        samples.append(
            Sample(f"sample {index}", f"class {class_id}", f"group {index % 2}",
                   "test" if class_id == classes - 1 else "train", values))
    return samples


def write(out, samples, modalities=MODALITIES, report=None, **options):
    report = report or Report()
    write_dataset(out, INFO, modalities, samples,
                  **{"shards": 2, "seed": 3, "report": report, **options})
    return sorted(out.glob("*.h5")), report


def texts(file, folder):
    data, offsets = file[f"{folder}/names"][()].tobytes(), file[f"{folder}/offsets"][()]
    return [data[a:b].decode() for a, b in zip(offsets, offsets[1:])]


def test_every_value_is_stored_in_order_with_its_checksum(tmp_path):
    samples = make_samples()
    paths, _ = write(tmp_path, samples)
    assert [p.name for p in paths] == ["toy-00000-of-00002.h5", "toy-00001-of-00002.h5"]
    stored = []
    for path in paths:
        with h5py.File(path) as file:
            classes, groups, sample_names = (texts(file, f)
                                             for f in ("classes", "groups", "samples"))
            for row, name in enumerate(sample_names):
                values = {}
                for modality in MODALITIES:
                    folder = file["modalities"][modality.name]
                    if folder["present"][row]:
                        at = int(folder["present"][:row].sum())
                        if "offsets" in folder:
                            value = folder["data"][folder["offsets"][at]:folder["offsets"][at + 1]]
                        else:
                            value = folder["data"][at]
                        assert folder["crc32"][at] == zlib.crc32(value.tobytes())
                        values[modality.name] = value
                stored.append(
                    (name, classes[file["samples/class"][row]], groups[file["samples/group"][row]],
                     file["samples/split"][row], values))
    assert len(stored) == len(samples)
    for sample, (name, class_name, group, split, values) in zip(samples, stored):
        assert (name, class_name, group) == (sample.name, sample.class_name, sample.group)
        assert split == {"train": 0, "test": 2}[sample.split]
        assert set(values) == set(sample.values)
        for key, value in values.items():
            expected = sample.values[key]
            assert value.tobytes() == (expected.encode() if key == "text" else expected.tobytes())


def test_types_attributes_and_index_hash(tmp_path):
    path = write(tmp_path, make_samples())[0][1]
    with h5py.File(path) as file:
        assert file.attrs["format"] == b"cuttle-shard" and file.attrs["version"].dtype == np.int64
        header = json.loads(file.attrs["header"])
        assert list(header) == [
            "dataset", "source", "license", "created_by", "seed", "shard", "shards", "modalities"
        ]
        assert (header["shard"], header["shards"], header["seed"]) == (1, 2, 3)
        assert [m["name"] for m in header["modalities"]] == [m.name for m in MODALITIES]
        types, digest = {}, hashlib.sha256(file.attrs["header"])
        file.visititems(lambda p, d: types.update({"/" + p: d})
                        if isinstance(d, h5py.Dataset) else None)
        for name in sorted(types, key=str.encode):
            assert types[name].chunks is None
            if not name.endswith("/data"):
                digest.update(name.encode() + b"\0" + types[name][()].tobytes())
        assert file.attrs["index_sha256"].decode() == digest.hexdigest()
        found = {name: d.dtype.str for name, d in types.items()}
    assert found["/samples/class"] == found["/samples/group"] == "<i4" and found[
        "/samples/split"] == "|u1"
    assert found["/modalities/audio/data"] == "<i2" and found["/modalities/series/data"] == "<f4"
    assert found["/modalities/text/offsets"] == "<i8" and found["/modalities/text/crc32"] == "<u4"


def test_statistics_are_of_the_training_split_only(tmp_path):
    samples = make_samples()
    path = write(tmp_path, samples, shards=3)[0][0]
    with h5py.File(path) as file:
        header = {m["name"]: m for m in json.loads(file.attrs["header"])["modalities"]}
    for name, scale in (("image", 255), ("series", 1), ("vector", 1)):
        rows = np.concatenate([
            s.values[name].astype(float).reshape(-1, s.values[name].shape[-1]) / scale
            for s in samples if s.split == "train" and name in s.values
        ])
        np.testing.assert_allclose(header[name]["mean"], rows.mean(axis=0), rtol=1e-6)
        np.testing.assert_allclose(header[name]["stddev"], rows.std(axis=0), rtol=1e-6)
    assert header["text"]["mean"] == header["audio"]["stddev"] == []


def test_constant_channel_and_no_training_samples(tmp_path):
    constant = [
        Sample(str(i), "c", "g", "train", {"vector": np.ones(3, np.float32)}) for i in range(2)
    ]
    unseen = [
        Sample(str(i), "c", "g", "test", {"vector": np.ones(3, np.float32)}) for i in range(2)
    ]
    for folder, samples, mean, stddev in (("a", constant, [1] * 3, [1] * 3), ("b", unseen, [], [])):
        path = write(tmp_path / folder, samples, MODALITIES[4:])[0][0]
        with h5py.File(path) as file:
            modality = json.loads(file.attrs["header"])["modalities"][0]
        assert (modality["mean"], modality["stddev"]) == (mean, stddev)


def test_long_statistics_fit_into_the_header(tmp_path):
    values = [np.random.default_rng(i).normal(size=5000).astype(np.float32) for i in range(2)]
    samples = [
        Sample(str(i), "c", "g", "train", {"vector": value}) for i, value in enumerate(values)
    ]
    path = write(tmp_path, samples, [Modality("vector", "vector", (5000, ))])[0][0]
    with h5py.File(path) as file:
        assert len(file.attrs["header"]) > 2**16
        assert len(json.loads(file.attrs["header"])["modalities"][0]["mean"]) == 5000


def test_same_inputs_give_the_same_bytes(tmp_path):
    first, second = (write(tmp_path / name, make_samples())[0] for name in "ab")
    assert [p.read_bytes() for p in first] == [p.read_bytes() for p in second]
    other = write(tmp_path / "c", make_samples(), seed=4)[0]
    assert first[0].read_bytes() != other[0].read_bytes()


@pytest.mark.parametrize("shards", [1, 2, 3, 5, 7, 9])
def test_classes_stay_whole_and_no_shard_is_empty(tmp_path, shards):
    sizes = [2, 30, 2, 2, 2, 40, 2]
    samples = [
        Sample(f"{c}/{i}", f"c{c}", "g", "train", {"text": "x"}) for c, n in enumerate(sizes)
        for i in range(n)
    ]
    paths, report = write(tmp_path, samples, MODALITIES[1:2], shards=shards)
    assert len(paths) == min(shards, len(sizes))
    assert ("7 shards instead of 9: there are not more classes" in report.notes) == (shards == 9)
    order = []
    for path in paths:
        with h5py.File(path) as file:
            order.append(texts(file, "classes"))
    assert all(order) and sum(order, []) == [f"c{c}" for c in range(7)]


def test_bad_values_are_left_out_and_named(tmp_path):
    def broken():
        raise BadInput("broken thing")

    good = {"vector": np.ones(3, np.float32), "text": "ok"}
    nan = np.array([1, np.nan, 1], np.float32)
    bad = [{**good, "vector": nan}, {**good, "vector": np.ones(4,
                                                               np.float32)}, {**good, "text": ""},
           {**good, "text": b"\xff"}, {"text": broken}, {**good, "vector": np.array(["a"] * 3)}]
    samples = [Sample(f"bad {i}", "a", "g", "train", values) for i, values in enumerate(bad)]
    samples += [
        Sample("last", "b", "g", "train", good),
        Sample("broken", "b", "g", "train", {"text": broken}),
        Sample("empty", "b", "g", "train", {})
    ]
    paths, report = write(tmp_path, samples, [MODALITIES[4], MODALITIES[1]], shards=1)
    assert dict(report.skips) == {
        "bad 0 [vector]": "holds values that are not finite in float32 (NaN, and holes are not kept)",
        "bad 1 [vector]": "has shape [4], not [3]", "bad 2 [text]": "is empty",
        "bad 3 [text]": "is not UTF-8", "bad 4 [text]": "broken thing",
        "bad 5 [vector]": "holds <U1, not numbers",
        "broken [text]": "broken thing", "empty": "sample without any value",
        "class b": "class with 1 usable sample(s); at least 2 are needed"
    }
    with h5py.File(paths[0]) as file:
        assert texts(file, "classes") == ["a"] and texts(
            file, "samples") == [f"bad {i}" for i in (0, 1, 2, 3, 5)]
    assert "empty: sample without" in (tmp_path / "conversion.log").read_text()


@pytest.mark.parametrize(
    "change, message", [(lambda s: setattr(s[4], "split", "test"), "in the splits train and test"),
                        (lambda s: setattr(s[0], "split", "holdout"), "unknown split"),
                        (lambda s: setattr(s[0], "group", ""), "empty or not UTF-8"),
                        (lambda s: setattr(s[0], "class_name", "\udcff"), "empty or not UTF-8"),
                        (lambda s: s[0].values.update(smell=1), "undeclared modality"),
                        (lambda s: s.clear(), "no usable sample")])
def test_unusable_plans_are_refused_before_anything_is_written(tmp_path, change, message):
    samples = make_samples()
    change(samples)
    with pytest.raises(UserError, match=message):
        write(tmp_path / "out", samples)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("modality, message",
                         [(Modality("a/b", "text"), "not usable"),
                          (Modality("x", "smell"), "unknown kind"),
                          (Modality("x", "image", (3, 3)), "does not fit"),
                          (Modality("x", "vector", (0, )), "does not fit"),
                          (Modality("x", "audio"), "sample rate"),
                          (Modality("x", "text", sample_rate=1), "sample rate")])
def test_unusable_modalities_are_refused(tmp_path, modality, message):
    with pytest.raises(UserError, match=message):
        write(tmp_path / "out", make_samples(), [modality])


def test_a_modality_that_no_sample_has_is_refused(tmp_path):
    samples = make_samples()
    for sample in samples:
        sample.values.pop("audio", None)
    with pytest.raises(UserError, match="no sample has the modality audio .*do not declare it"):
        write(tmp_path / "planned", samples)
    assert not (tmp_path / "planned").exists()

    def broken():
        raise BadInput("broken thing")

    for sample in samples:
        sample.values["audio"] = broken
    with pytest.raises(UserError, match="no sample has the modality audio .*see what was skipped"):
        write(tmp_path / "loaded", samples)
    assert not list((tmp_path / "loaded").rglob("*.h5"))
    samples[3].values["audio"] = np.ones(3, np.int16)
    assert len(write(tmp_path / "loaded", samples)[0]) == 2  # one is enough
    loaded = load_samples(samples[:3], MODALITIES, 1, lambda *skip: None)
    with pytest.raises(UserError, match="no sample has the modality audio"):
        write_shard(tmp_path / "one.h5", INFO, MODALITIES, loaded)
    assert not (tmp_path / "one.h5").exists()


def test_header_texts_must_be_utf8(tmp_path):
    info = DatasetInfo("toy", "\udcff", "CC0-1.0", "pytest")
    with pytest.raises(UserError, match="not UTF-8"):
        write_dataset(tmp_path, info, MODALITIES, make_samples(), shards=1, seed=0, report=Report())


def test_unlabelled_samples_have_class_minus_one(tmp_path):
    samples = [Sample("x", None, "g", "test", {"text": "x"})]
    path = write(tmp_path, samples, MODALITIES[1:2])[0][0]
    with h5py.File(path) as file:
        assert file["samples/class"][()].tolist() == [
            -1
        ] and file["classes/offsets"][()].tolist() == [0]
