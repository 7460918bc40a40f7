"""webdataset on made-up tars: fields by ending, keys, JSON, numbers of classes, and tars that are damaged."""

import gzip
import io
import json
import tarfile
import wave

import numpy as np
import pytest
from cuttle_data.frame import tars
from frames import columns
from layouts import converted, picture_bytes, refused

NAMES = ("ape", "bee", "cat")
ALONE = ("--splits", "1,0,0")


def sound(value):
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(16000)
        out.writeframes(np.full(40, value, "<i2").tobytes())
    return file.getvalue()


def array(values):
    file = io.BytesIO()
    np.save(file, np.asarray(values, np.float32))
    return file.getvalue()


def grey(value):
    return picture_bytes((value, value, value), (4, 4))


def members(number):
    """Of the sample `number`, in no order of endings; every other one lacks its sound."""
    found = {"PNG": grey(10 * number), "seg.png": grey(200 - number), "cls": f"{number % 3}\n".encode(),
             "txt": f" sample {number}: Ü\r\n".encode(), "npy": array([number, 0.5]),
             "json": json.dumps({"weight": number / 2, "place": f"p{number % 2}", "tags": ["a", "b"][:number % 3],
                                 "inner": {"x": 1}}).encode()}
    return {**found, "wav": sound(number)} if number % 2 else found


def write(path, samples, more=()):
    """samples: {key: {ending: bytes}}; more: TarInfos without content, first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for info in more:
            archive.addfile(info)
        for key, fields in samples.items():
            for ending, data in fields.items():
                info = tarfile.TarInfo(f"{key}.{ending}" if ending else key)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
    return path


def plain(count=6, first=0):
    """Samples of a picture and a class."""
    return {f"{i:04d}": {"jpg": grey(i), "cls": str(i % 2).encode()} for i in range(first, first + count)}


def special(name, kind):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, "/etc/passwd"
    return info


def test_fields_become_senses(run, tmp_path):
    for part in range(2):
        write(tmp_path / f"in/set-{part}.tar", {f"a.b/{i}": members(i) for i in range(6 * part, 6 * part + 6)})
    (tmp_path / "names.txt").write_text("\n".join(NAMES) + "\n")
    options = ("--size", "4", "--classes", tmp_path / "names.txt", "--group", "json.place", "--targets", "json.weight")
    samples, text = converted(run, "webdataset", tmp_path / "in", tmp_path / "out", *options, *ALONE)
    assert samples.keys() == {f"a.b/{i}" for i in range(12)} and "skipped" not in text
    for i in range(12):
        sample = samples[f"a.b/{i}"]
        assert (sample.class_name, sample.group, sample.targets) == (NAMES[i % 3], f"p{i % 2}", {"json.weight": i / 2})
        assert (sample.values["png"] == 10 * i).all() and (sample.values["seg_png"] == 200 - i).all()
        assert sample.values["text"] == f"sample {i}: Ü" and sample.values["npy"].tolist() == [i, 0.5]
        assert ("audio" in sample.values) == bool(i % 2)
        assert i % 2 == 0 or sample.values["audio"].tolist() == [i] * 40
    assert columns(tmp_path / "out")["png"] == ("png", )


def test_labels_of_json_are_targets(run, tmp_path):
    write(tmp_path / "a.tar", {str(i): members(i) for i in range(9)})
    samples, _ = converted(run, "webdataset", tmp_path / "a.tar", tmp_path / "out", "--labels", "json.tags", "--values",
                           "json.weight,txt", *ALONE)
    for i in range(9):
        assert samples[str(i)].targets == {"a": float(i % 3 > 0), "b": float(i % 3 > 1)}
        assert samples[str(i)].class_name == str(i % 3) and samples[str(i)].values["vector"].tolist() == [i / 2]


def test_keys_and_members_that_are_left_out(run, tmp_path, monkeypatch):
    more = [special("folder", tarfile.DIRTYPE), special("0000.link.png", tarfile.SYMTYPE),
            special("dev.png", tarfile.CHRTYPE)]
    odd = {"__index__.json": {"": b"{}"}, "noending": {"": b"x"}, ".hidden": {"": b"x"},
           "../../../evil": {"jpg": grey(9), "cls": b"1"}, "/abs/olute": {"jpg": grey(8), "cls": b"0"}}
    write(tmp_path / "in/a.tar", {**plain(4), **odd}, more)
    write(tmp_path / "in/b.tar", plain(4))
    before = sorted(path.name for path in tmp_path.rglob("*"))
    samples, text = converted(run, "webdataset", tmp_path / "in", tmp_path / "out", "--size", "4", *ALONE)
    assert samples.keys() == {f"{t}/000{i}" for t in "ab" for i in range(4)} | {"a/../../../evil", "a//abs/olute"}
    assert (samples["a/../../../evil"].values["image"] == 9).all() and samples["b/0003"].class_name == "1"
    assert sorted(p.name for p in tmp_path.rglob("*") if "out" not in p.parts and p.name != "out") == before
    assert "2 x member without a key or an ending, e.g. a.tar: noending" in text
    assert "2 x member that is no plain file, e.g. a.tar: 0000.link.png" in text


def test_tars_say_splits(run, tmp_path):
    for number, part in enumerate(("train", "val", "test")):
        write(tmp_path / f"in/toy-{part}-000.tar", {
            f"{i}": {"txt": f"t {i} {part}".encode(), "cls": f"{part}{i % 2}".encode()} for i in range(4)})
    samples, _ = converted(run, "webdataset", tmp_path / "in", tmp_path / "out")
    assert {(s.class_name, s.split) for s in samples.values()} == {
        (f"{part}{i}", split) for part, split in (("train", "train"), ("val", "validation"), ("test", "test"))
        for i in range(2)}
    assert samples["toy-val-000/3"].values["text"] == "t 3 val"


def test_values_that_do_not_fit(run, tmp_path):
    samples = {str(i): members(i) for i in range(12)}
    samples["1"]["PNG"], samples["2"]["json"], samples["3"]["txt"] = b"\x89PNG\r\n no", b"{no", b"\xff\xfe\xfd"
    samples["4"]["json"], samples["5"]["cls"], samples["6"]["wav"] = b"[1]", b"7", b"RIFFno"
    write(tmp_path / "a.tar", samples)
    (tmp_path / "names.txt").write_text("\n".join(NAMES))
    found, text = converted(run, "webdataset", tmp_path / "a.tar", tmp_path / "out", "--size", "4", "--classes",
                            tmp_path / "names.txt", *ALONE)
    assert len(found) == 11 and "5" not in found and "names.txt does not name, such as 7" in text
    assert "png" not in found["1"].values and "text" not in found["3"].values and "audio" not in found["6"].values
    for said in ("broken image", "member that is no JSON object", "it is no object", "member that is no text",
                 "broken sound"):
        assert said in text, text
    (tmp_path / "names.txt").write_bytes(b"\xff\xfe\xfa")
    assert "names.txt: not UTF-8" in refused(run, "webdataset", tmp_path / "a.tar", tmp_path / "x", "--classes",
                                             tmp_path / "names.txt")
    (tmp_path / "names.txt").write_text("")
    assert "names none of the numbers of cls" in refused(run, "webdataset", tmp_path / "a.tar", tmp_path / "x",
                                                         "--classes", tmp_path / "names.txt")


def test_keys_that_come_twice(run, tmp_path):
    path, out = tmp_path / "a.tar", tmp_path / "out"
    with tarfile.open(path, "w") as archive:
        for name in ("1.jpg", "1.cls", "1.JPG"):
            archive.addfile(tarfile.TarInfo(name))
    assert "a.tar: 1.jpg is there twice" in refused(run, "webdataset", path, out)
    with tarfile.open(path, "w") as archive:
        for name in ("1.jpg", "2.jpg", "1.cls"):
            archive.addfile(tarfile.TarInfo(name))
    assert "the members of 1 do not follow each other" in refused(run, "webdataset", path, out)


@pytest.mark.parametrize("cut, left", [(4096, 8), (1024 + 512 + 200, 7), (1024 + 512 + 4, 6), (2048 + 100, 7),
                                       (2048 + 511, 7), (3072, 7)])
def test_tars_that_are_cut_off(run, tmp_path, cut, left):
    """Before the mark of the end, in the padding after a text, in that text, in two heads, between two members.
    Each member is a head and a block; the last four are cut at so many bytes."""
    path = write(tmp_path / "a.tar", {f"{i}": {"cls": str(i % 2).encode(), "txt": f"words of {i}".encode()}
                                      for i in range(8)})
    whole = path.read_bytes()
    end = 16 * 1024
    assert whole[:end].rstrip(b"\0") and not whole[end:].rstrip(b"\0")
    path.write_bytes(whole[:end - 4096 + cut])
    assert "cut off or damaged after" in refused(run, "webdataset", path, tmp_path / "x")
    samples, text = converted(run, "webdataset", path, tmp_path / "out", "--truncated", *ALONE)
    assert "what there is of it is taken" in text and len(samples) == left
    for name, sample in samples.items():
        assert sample.values["text"] == f"words of {name}"


def test_what_is_no_tar(run, tmp_path):
    out, path = tmp_path / "out", tmp_path / "a.tar"
    whole = write(tmp_path / "b.tar", plain()).read_bytes()
    path.write_bytes(gzip.compress(whole))
    assert "uncompress it" in refused(run, "webdataset", path, out)
    path.write_bytes(b"")
    assert "a.tar" in refused(run, "webdataset", path, out)
    path.write_bytes(whole[:2048] + b"garbage!" * 64 + whole[2560:])
    assert "damaged after 0000" in refused(run, "webdataset", path, out)
    (tmp_path / "none").mkdir()
    assert "no .tar in this folder" in refused(run, "webdataset", tmp_path / "none", out)
    write(path, {"__meta__": {"": b"x"}})
    assert "no sample, such as" in refused(run, "webdataset", path, out)
    write(path, {str(i): {"txt": b"a b"} for i in range(4)})
    assert "give --class" in refused(run, "webdataset", path, out)


def test_a_text_of_any_size_is_none(run, tmp_path, monkeypatch):
    monkeypatch.setattr(tars, "LARGEST", 9)
    write(tmp_path / "a.tar", {str(i): {"txt": b"words" * (1 + i % 2), "cls": b"0"} for i in range(6)})
    samples, text = converted(run, "webdataset", tmp_path / "a.tar", tmp_path / "out", *ALONE)
    assert samples.keys() == {"0", "2", "4"} and "3 x member that is no text: it has more than 9 bytes" in text


def test_few_samples_are_in_memory(run, tmp_path, monkeypatch):
    monkeypatch.setattr(tars, "ROWS", 4)
    write(tmp_path / "a.tar", plain(10))
    reads, read = [], tars.TarColumn.read
    monkeypatch.setattr(tars.TarColumn, "read", lambda self, *part: reads.append(part[3]) or read(self, *part))
    samples, _ = converted(run, "webdataset", tmp_path / "a.tar", tmp_path / "out", "--size", "4", *ALONE)
    assert all((samples[f"{i:04d}"].values["image"] == i).all() for i in range(10)) and set(reads) == {4, 2}
