"""The reader and `verify`: good shards pass, everything else is named."""

import hashlib
import re
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

from conftest import ROOT
from cuttle_data import trial
from cuttle_data.errors import UserError
from cuttle_data.reader import Shard
from cuttle_data.shard_file import index_sha256
from test_shards import MODALITIES, make_samples, write


@pytest.fixture
def shards(tmp_path):
    return write(tmp_path / "set", make_samples())[0]


def content(path):
    """Everything that a reader gets out of a shard."""
    with Shard(path) as shard:
        values = [
            shard.read(sample, name).tobytes() for name, rows in shard.rows.items()
            for sample in np.flatnonzero(rows >= 0)
        ]
        return (shard.header, shard.class_names, shard.group_names, shard.sample_names, values,
                shard.sample_class.tolist(), shard.sample_group.tolist(),
                shard.sample_split.tolist())


def expect_named(path, change, message):
    """The shard is refused with this message after the change, though its hash is made right again."""
    with h5py.File(path, "r+") as file:
        change(file)
    reseal(path)
    with pytest.raises(UserError, match=message):
        Shard(path)


def reseal(path):
    """Makes the index hash right again, so that the check behind it is reached."""
    with h5py.File(path, "r+") as file:
        file.attrs["index_sha256"] = np.bytes_(index_sha256(file, file.attrs["header"].decode()))


def test_good_shards_pass(shards, run):
    code, out, err = run("verify", shards[0].parent)
    assert code == 0 and err == ""
    assert "2 shard(s), all fields and checksums right" in out
    assert re.search(r"toy-00001-of-00002.h5 +\S+ KiB +6 +3 +0 +3 +2 +2 +yes", out)


def test_the_example_of_the_format_passes(tmp_path, run, monkeypatch):
    code = re.search(r"```python\n(.*?)```", (ROOT / "data_tools/FORMAT.md").read_text(),
                     re.DOTALL).group(1)
    monkeypatch.chdir(tmp_path)
    exec(code, {})  # the document's own program
    assert run("verify", tmp_path)[0] == 0
    with Shard(tmp_path / "hand-00000-of-00001.h5") as shard:
        assert shard.class_names == ["cat", "dog"] and shard.read(2, "vector").tolist() == [1, 1]


def test_no_flipped_bit_goes_unnoticed(shards, tmp_path):
    """Each flip is refused, or lies where nothing is stored: then the content is the same."""
    data, expected = shards[0].read_bytes(), content(shards[0])
    path, refused = tmp_path / "flipped.h5", 0
    for position in range(0, len(data), 101):
        flipped = bytearray(data)
        flipped[position] ^= 1 << position % 8
        path.write_bytes(flipped)
        try:
            assert content(path) == expected, position
        except UserError as error:
            assert str(path) in str(error)
            refused += 1
    assert refused > 20


@pytest.mark.parametrize("keep", [0, 7, 100, 0.5, -1])
def test_truncated(shards, keep, run):
    data = shards[0].read_bytes()
    shards[0].write_bytes(data[:int(keep * len(data)) if isinstance(keep, float) else keep])
    code, _, err = run("verify", *shards)
    assert code == 2 and "toy-00000-of-00002.h5" in err and "cannot be opened" in err


def test_a_flipped_value_is_named_with_its_sample(shards, run):
    with h5py.File(shards[0], "r+") as file:
        file["modalities/text/data"][0] ^= 1
    code, out, err = run("verify", *shards)
    assert code == 2 and "sample sample 0 [text] has a wrong CRC-32" in err and err.count(
        "CRC") == 1
    assert re.search(r"toy-00000.* no\n", out) and re.search(r"toy-00001.* yes\n", out)


def set_value(path, row, value):
    return lambda file: file[path].__setitem__(row, value)


def replace(path, data, **options):
    def change(file):
        del file[path]
        file.create_dataset(path, data=data, **options)

    return change


@pytest.mark.parametrize(
    "change, message",
    [(lambda f: f.attrs.__setitem__("version", np.int64(2)), "has version 2, not 1"),
     (lambda f: f.attrs.__setitem__("format", np.bytes_("other")), "is of format"),
     (lambda f: f.attrs.__delitem__("format"), "lacks the attribute format"),
     (lambda f: f.__delitem__("groups/names"), "lacks /groups/names"),
     (lambda f: f.__delitem__("modalities/text/data"), "lacks /modalities/text/data"),
     (set_value("samples/class", 0, 9), r"/samples/class has a value outside \[-1, 2\)"),
     (set_value("samples/class", 0, -2), "/samples/class has a value outside"),
     (set_value("samples/group", 0, -1), "/samples/group has a value outside"),
     (set_value("samples/split", 0, 3), "/samples/split has a value outside"),
     (set_value("classes/offsets", 1, 99), "/classes/offsets does not rise"),
     (set_value("classes/offsets", 0, 1), "/classes/offsets does not rise"),
     (set_value("classes/names", 0, 255), "/classes/names is not UTF-8"),
     (set_value("modalities/text/offsets", -1, 10**6), "/modalities/text/offsets does not rise"),
     (set_value("modalities/image/present", 0, 2), "other than 0 and 1"),
     (set_value("modalities/image/present", 0, 1), "/modalities/image/crc32 has type"),
     (replace("samples/class", np.zeros(6, "<i8")), "/samples/class has type int64"),
     (replace("samples/split", np.zeros(5, "u1")), "/samples/split has type uint8"),
     (replace("modalities/image/data", np.zeros(
         (5, 2, 2, 1), "u1")), "/modalities/image/data has type"),
     (replace("samples/split", np.zeros(6, "u1"), chunks=(2, )), "is not contiguous")])
def test_wrong_fields_are_named_even_with_a_right_hash(shards, change, message):
    expect_named(shards[0], change, message)


def elsewhere(make):
    """Moves the images into another file and calls make(file, path of it, data)."""
    path = "modalities/image/data"

    def change(file):
        other, data = Path(file.filename).with_name("other.h5"), file[path][()]
        with h5py.File(other, "w") as moved:
            moved["data"] = data
        del file[path]
        make(file, path, other, data)

    return change


def link_group(file, path, other, _):
    file.move("modalities/image", "hidden")
    file["modalities/image"] = h5py.ExternalLink(other, "/")


def store_outside(file, path, other, data):
    file.create_dataset(path, data.shape, data.dtype, external=[(other, 0, data.nbytes)])


def map_outside(file, path, other, data):
    layout = h5py.VirtualLayout(data.shape, data.dtype)
    layout[:] = h5py.VirtualSource(other, "data", data.shape)
    file.create_virtual_dataset(path, layout)


@pytest.mark.parametrize("make, message", [
    (lambda f, p, other, _: f.__setitem__(p, h5py.ExternalLink(other, "/data")), "/modalities/image/data is a link"),
    (lambda f, p, other, _: f.__setitem__(p, h5py.SoftLink("/samples/split")), "/modalities/image/data is a link"),
    (link_group, "/modalities/image is a link"), (store_outside, "does not lie in this file"),
    (map_outside, "does not lie in this file"),
    (lambda f, p, *_: f.create_group(p), "/modalities/image/data holds no data")])
def test_no_shard_reads_other_files(shards, make, message):
    expect_named(shards[0], elsewhere(make), message)


@pytest.mark.parametrize("old, new, message",
                         [('"shard": 0', '"shard": 2', "shard number is out of range"),
                          ('"seed": 3', '"seed": "3"', "seed is missing or not"),
                          ('"kind": "text"', '"kind": "smell"', "unknown kind"),
                          ('"name": "text"', '"name": "image"', "named twice"),
                          ('"shape": [3]', '"shape": [0]', "does not fit"),
                          ('"dataset": "toy", ', "", "dataset is missing"),
                          ('"mean": []', '"mean": [1.0]', "statistics of text"),
                          ('"mean": []', '"columns": "a", "mean": []', "columns of text are not a list"),
                          ('"mean": []', '"columns": ["a", "b"], "mean": []', "2 columns do not fit"),
                          ('"mean": []', '"mean": ' + "[" * 10000 + "]" * 10000, "recursion"),
                          ("{", "[", "Expecting")])
def test_wrong_headers_are_named(shards, old, new, message):
    with h5py.File(shards[0], "r+") as file:
        header = file.attrs["header"].decode()
        assert old in header
        file.attrs["header"] = np.bytes_(header.replace(old, new, 1))
    reseal(shards[0])
    with pytest.raises(UserError, match=message):
        Shard(shards[0])


def test_a_header_that_is_a_list(shards):
    with h5py.File(shards[0], "r+") as file:
        file.attrs["header"] = np.bytes_("[]")
    reseal(shards[0])
    with pytest.raises(UserError, match="not a JSON object"):
        Shard(shards[0])


def test_text_where_numbers_belong(shards):
    with h5py.File(shards[0], "r+") as file:
        replace("samples/names", "text")(file)
    with pytest.raises(UserError, match="/samples/names is not contiguous numbers"):
        Shard(shards[0])


def test_a_claim_larger_than_the_file_allocates_nothing(shards):
    with h5py.File(shards[0], "r+") as file:
        del file["samples/split"]
        file.create_dataset("samples/split", shape=(2**50, ),
                            dtype="u1")  # never written: no room is taken
    with pytest.raises(UserError, match="/samples/split is larger than the file"):
        Shard(shards[0])


def test_values_that_the_kind_forbids(tmp_path, run):
    path = write(tmp_path, make_samples(), MODALITIES)[0][0]
    with h5py.File(path, "r+") as file:
        data = file["modalities/vector/data"]
        data[0] = np.nan
        import zlib
        file["modalities/vector/crc32"][0] = zlib.crc32(data[0].tobytes())
    reseal(path)
    code, _, err = run("verify", path)
    assert code == 2 and "[vector] holds values that are not finite" in err


def test_shards_that_do_not_fit_together(shards, tmp_path, run):
    folder = shards[0].parent
    shutil.copy(shards[0], folder / "copy.h5")
    assert "is shard 0, as" in run("verify", folder)[2]
    (folder / "copy.h5").unlink()
    other = make_samples()
    for sample in other:
        sample.split = "validation"
    changed = write(tmp_path / "other", other, seed=4)[0]
    shutil.copy(changed[1], shards[1])
    _, _, err = run("verify", folder)
    assert "header: seed differs" in err and "header: modalities differs" in err
    shards[1].unlink()
    assert "lacks shard(s) 1 of 2" in run("verify", folder)[2]
    assert run("verify", shards[0])[0] == 0


def test_a_class_in_two_splits_across_shards(shards, tmp_path, run):
    other = write(tmp_path / "other", [s for s in make_samples() if s.class_name == "class 0"])[0]
    with h5py.File(other[0], "r+") as file:
        file["samples/split"][...] = 2
    reseal(other[0])
    code, _, err = run("verify", *shards, *other)
    assert code == 2 and "class class 0 is in the splits test and train" in err


def test_nothing_to_verify(tmp_path, run):
    assert "no shards" in run("verify", tmp_path)[2]
    assert "no such file" in run("verify", tmp_path / "none.h5")[2]
    (tmp_path / "text.h5").write_text("hello")
    code, out, err = run("verify", tmp_path)
    assert code == 2 and "cannot be opened" in err


def test_verify_changes_nothing(shards, run):
    before = [hashlib.sha256(path.read_bytes()).digest() for path in shards]
    run("verify", *shards)
    assert before == [hashlib.sha256(path.read_bytes()).digest() for path in shards]


FRAIL = r"""#!/bin/bash
# A Python whose HDF5 does not survive files with such names.
for shard in "${@:3}"; do
  case $shard in
    *crash*) kill -SEGV $$ ;;
    *hang*) sleep 60 ;;
  esac
  echo opened
done
"""


def test_a_shard_that_kills_the_library_is_named_and_the_others_are_checked(shards, tmp_path, run, monkeypatch):
    frail = tmp_path / "python"
    frail.write_text(FRAIL, encoding="utf-8")
    frail.chmod(0o755)
    monkeypatch.setattr(trial.sys, "executable", str(frail))
    monkeypatch.setattr(trial, "SECONDS", 1)
    bad = [shutil.copy(shards[0], tmp_path / f"set/{name}.h5") for name in ("b-crash", "a-hang")]
    code, out, err = run("verify", tmp_path / "set")
    assert code == 2 and f"{bad[0]}: the HDF5 library dies of SIGSEGV" in err
    assert f"{bad[1]}: the HDF5 library does not come back" in err
    assert all(path.name in out for path in shards) and "2 problem(s)" in err


def test_the_child_opens_good_shards_and_refuses_bad_ones(shards, tmp_path, capsys):
    (tmp_path / "text.h5").write_text("hello")
    trial.main([*shards, tmp_path / "text.h5"])
    assert capsys.readouterr().out.count("opened") == len(shards) + 1
    assert trial.crashing([*shards, tmp_path / "text.h5"]) == {}
