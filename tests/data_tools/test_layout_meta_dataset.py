"""meta_dataset on miniatures of its three kinds of specification, records written byte by byte."""

import json
import struct

import numpy as np
import pytest
from cuttle_data.errors import BadInput
from cuttle_data.layouts import tfrecords
from layouts import converted, is_of, picture_bytes, refused

COUNTS = {"TRAIN": 3, "VALID": 1, "TEST": 2}
SPLITS = ["train"] * 3 + ["validation"] + ["test"] * 2


def crc32c(data):
    """Bit by bit, as RFC 3720 defines it."""
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff


def masked(data):
    crc = crc32c(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xa282ead8) & 0xffffffff)


def framed(data):
    length = struct.pack("<Q", len(data))
    return length + masked(length) + data + masked(data)


def varint(value):
    data = b""
    while value > 127:
        data, value = data + bytes([value & 127 | 128]), value >> 7
    return data + bytes([value])


def part(field, data):
    return varint(field << 3 | 2) + varint(len(data)) + data


def example(packed=True, **features):
    """The bytes of a tf.Example; _ stands for /. bytes, [float] or int."""
    entries = b""
    for name, value in features.items():
        if isinstance(value, bytes):
            feature = part(1, part(1, value))
        elif isinstance(value, int):
            number = varint(value & (1 << 64) - 1)
            feature = part(3, part(1, number) if packed else b"\x08" + number)
        elif packed:
            feature = part(2, part(1, struct.pack(f"<{len(value)}f", *value)))
        else:
            feature = part(2, b"".join(b"\x0d" + struct.pack("<f", number) for number in value))
        entries += part(1, part(1, name.replace("_", "/").encode()) + part(2, feature))
    return part(1, entries)


def test_the_checksum_is_the_known_one():
    assert crc32c(b"123456789") == 0xe3069283 and crc32c(bytes(32)) == 0x8a9136aa  # RFC 3720, B.4


@pytest.mark.parametrize("packed", [True, False])
def test_features_of_every_kind(tmp_path, packed):
    path = tmp_path / "x.tfrecords"
    path.write_bytes(framed(b"") + framed(example(packed, a=b"\xff\0" * 90, b_c=[1.5, -2], label=300, low=-7)))
    (first, second), problem = tfrecords.index(path)
    assert not problem and tfrecords.read(path, *first) == {}
    held = tfrecords.read(path, *second)
    assert held["a"] == [b"\xff\0" * 90] and held["b/c"].tolist() == [1.5, -2]
    assert held["label"].tolist() == [300] and held["low"].tolist() == [-7]


@pytest.mark.parametrize("data", [b"\x0a\x05abc", b"\x0a", b"\xff" * 12, b"\x0b", part(1, part(1, b"")),
                                  part(1, part(1, part(1, b"a") + part(2, part(2, part(1, b"abc")))))])
def test_what_is_no_example(tmp_path, data):
    path = tmp_path / "x.tfrecords"
    path.write_bytes(framed(data))
    with pytest.raises(BadInput, match="broken record"):
        tfrecords.read(path, *tfrecords.index(path)[0][0])


def test_damaged_files(tmp_path):
    path, whole = tmp_path / "x.tfrecords", framed(b"abc") + framed(b"defg")
    for end in range(len(whole)):
        path.write_bytes(whole[:end])
        places, problem = tfrecords.index(path)
        assert len(places) == (end >= 19) and problem.startswith("cut off") == (end not in (0, 19)), end
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1:])
        places, problem = tfrecords.index(path)
        inside = place if place < 19 else place - 19
        assert bool(problem) == (inside < 12), place
        for record in places:
            hit = place >= 12 and record[0] <= place < record[0] + record[1] + 4
            if hit:
                with pytest.raises(BadInput, match="CRC-32C"):
                    tfrecords.read(path, *record)


def colour(class_id, number):
    return 40 * class_id, 20 * number, 77


def save(root, spec, files):
    root.mkdir()
    (root / "dataset_spec.json").write_text(json.dumps({"path": "/elsewhere", "name": "toy", **spec}))
    for name, records in files.items():
        (root / f"{name}.tfrecords").write_bytes(b"".join(map(framed, records)))
    return root


def record(class_id, number, kind="JPEG"):
    return example(image=picture_bytes(colour(class_id, number), kind=kind), label=class_id)


def flat(**changes):
    return {"__class__": "DatasetSpecification", "classes_per_split": COUNTS, "file_pattern": "{}.tfrecords",
            "images_per_class": {str(key): 3 for key in range(6)},
            "class_names": {str(key): f"name {key % 5}" for key in range(6)}, **changes}


def records(count=3):
    return {str(key): [record(key, number, "PNG" if number else "JPEG") for number in range(count)]
            for key in range(6)}


def test_flat(run, tmp_path):
    files = records()
    files["9"] = [record(9, 0)]
    samples, text = converted(run, "meta_dataset", save(tmp_path / "in", flat(), files), tmp_path / "out")
    assert len(samples) == 18 and "9.tfrecords: no class of dataset_spec.json" in text
    for key in range(6):
        for number in range(3):
            sample = samples[f"{key}/{number}"]
            assert sample.class_name == ("name 0 (5)" if key == 5 else f"name {key}")
            assert (sample.split, sample.group) == (SPLITS[key], "all")
            assert sample.values["image"].shape == (84, 84, 3)
            assert is_of(sample.values["image"], colour(key, number))
    assert (tmp_path / "out/toy-00000-of-00002.h5").exists()


def test_shards_and_pools(run, tmp_path):
    files = {}
    for key in range(6):
        for part_of, name in enumerate(("train", "test") if key % 2 else ("0", "1")):
            files[f"{key}_{name}"] = [record(key, 2 * part_of + number) for number in range(2)]
    counts = {str(key): {"train": 2, "test": 2} if key % 2 else 4 for key in range(6)}
    spec = flat(images_per_class=counts, file_pattern="{}_{}.tfrecords")
    samples, text = converted(run, "meta_dataset", save(tmp_path / "in", spec, files), tmp_path / "out")
    assert len(samples) == 24 and "warning" not in text
    assert {sample.group for name, sample in samples.items() if int(name[0]) % 2} == {"train", "test"}
    assert samples["3_test/1"].group == "test" and samples["2_1/1"].group == "all"
    assert is_of(samples["3_test/1"].values["image"], colour(3, 3))


def test_bilevel(run, tmp_path):
    spec = {"__class__": "BiLevelDatasetSpecification", "superclasses_per_split": {"TRAIN": 1, "VALID": 1, "TEST": 1},
            "classes_per_superclass": {"0": 3, "1": 1, "2": 2}, "superclass_names": {"0": "A", "1": "B", "2": "C"},
            "images_per_class": {str(key): 3 for key in range(6)},
            "class_names": {str(key): f"c{key % 3}" for key in range(6)}, "file_pattern": "{}.tfrecords"}
    samples, _ = converted(run, "meta_dataset", save(tmp_path / "in", spec, records()), tmp_path / "out")
    wanted = ["A/c0", "A/c1", "A/c2", "B/c0", "C/c1", "C/c2"]
    assert [samples[f"{key}/0"].class_name for key in range(6)] == wanted
    assert [samples[f"{key}/0"].split for key in range(6)] == SPLITS


def test_hierarchical(run, tmp_path):
    leaves = {"TRAIN": ["n0", "n1", "n2"], "VALID": ["n3"], "TEST": ["n4", "n5"]}
    spec = {"__class__": "HierarchicalDatasetSpecification", "file_pattern": "{}.tfrecords",
            "split_subgraphs": {split: [{"wn_id": "root", "children_ids": names}] for split, names in leaves.items()},
            "images_per_class": {split: {**dict.fromkeys(names, 3), f"root of {split}": 9}
                                 for split, names in leaves.items()},
            "class_names": {str(key): f"n{key}" for key in range(6)}}
    samples, _ = converted(run, "meta_dataset", save(tmp_path / "in", spec, records()), tmp_path / "out")
    assert [(samples[f"{key}/0"].class_name, samples[f"{key}/0"].split) for key in range(6)] == [
        (f"n{key}", SPLITS[key]) for key in range(6)]


def test_features(run, tmp_path):
    files = {str(key): [example(image_embedding=[key, number, .5], image_class_label=1000 + key) for number in range(3)]
             for key in range(6)}
    samples, _ = converted(run, "meta_dataset", save(tmp_path / "in", flat(), files), tmp_path / "out")
    assert samples["4/2"].values.keys() == {"embedding"}
    np.testing.assert_array_equal(samples["4/2"].values["embedding"], [4, 2, .5])


def test_damaged_records_are_left_out(run, tmp_path):
    files = records()
    files["1"][0] = example(image=b"no picture", label=1)
    files["1"][1] = example(label=1)
    files["2"][0] = record(3, 0)
    root = save(tmp_path / "in", flat(), files)
    data = bytearray((root / "0.tfrecords").read_bytes())
    data[200] ^= 1
    (root / "0.tfrecords").write_bytes(data)
    (root / "5.tfrecords").write_bytes((root / "5.tfrecords").read_bytes()[:-1])
    samples, text = converted(run, "meta_dataset", root, tmp_path / "out")
    assert {f"{key}/{number}" for key in range(6) for number in range(3)} - samples.keys() == {
        "0/0", "1/0", "1/1", "1/2", "2/0", "5/2"}
    for words in ("0/0 [image]: broken record: wrong CRC-32C", "broken image", "another class's label",
                  "5.tfrecords: cut off after 2 records", "has 2 records, and dataset_spec.json says 3"):
        assert words in text, words


@pytest.mark.parametrize("changes", [
    {"classes_per_split": {"TRAIN": 3}}, {"class_names": {"0": "a"}}, {"class_names": []},
    {"images_per_class": {"x": 1}},
    {"classes_per_split": {"TRAIN": "a", "VALID": 1, "TEST": 1}}, {"split_subgraphs": {}},
])
def test_other_specifications_are_refused(run, tmp_path, changes):
    root = save(tmp_path / "in", flat(**changes), records())
    assert "does not hold what meta_dataset has" in refused(run, "meta_dataset", root, tmp_path / "out")


def test_what_is_no_layout(run, tmp_path):
    root = save(tmp_path / "toy", flat(), {})
    assert "name the folder of one data set: toy" in refused(run, "meta_dataset", tmp_path, tmp_path / "out")
    assert "--help" in refused(run, "meta_dataset", root, tmp_path / "out")
