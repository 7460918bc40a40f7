"""The restricted unpickler: arrays of every protocol and both Pythons, and nothing else."""

import os
import pickle
import struct
from collections import OrderedDict, defaultdict

import numpy as np
import pytest
from cuttle_data.errors import UserError
from cuttle_data.layouts import pickles

HELD = {
    "matrix": np.arange(6, dtype="<f4").reshape(2, 3), "columns first": np.arange(6).reshape(2, 3).T,
    "big": np.arange(3, dtype=">i2"), "none": np.zeros((0, 4)), "words": np.array(["a", "bé"]),
    "bytes": np.array([b"ab", b"c"]), "things": np.array(["x", None, 3], object),
    "number": np.float64(2.5), "truth": np.bool_(True), "lists": defaultdict(list, {1: [2]}),
    "order": OrderedDict(a=(1, 2.5, "z")), "raw": b"\xff\0", "empty": b"", "set": {1, 2}
}
# What Python 2 and its NumPy write of {"a": np.array([[1, 2], [3, 4]], "u1"), "n": "k\xc3\xa9"}.
PYTHON_2 = (b"\x80\x02}q\x00(U\x01acnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
            b"(K\x01K\x02K\x02\x86cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R"
            b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89U\x04\x01\x02\x03\x04tb"
            b"U\x01nU\x03k\xc3\xa9u.")
ARRAY = (b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
         b"(K\x01%scnumpy\ndtype\nU%sK\x00K\x01\x87R(K\x03U\x01<%sJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
         b"\x89%stb.")


def loaded(tmp_path, data):
    path = tmp_path / "held.pkl"
    path.write_bytes(data)
    return pickles.load(path)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("numpy_name", [b"numpy._core", b"numpy.core"])
def test_arrays_and_containers_come_back(tmp_path, protocol, numpy_name):
    data = pickle.dumps(HELD, protocol)
    if protocol < 4:  # later names have their length before them
        data = data.replace(b"numpy._core", numpy_name)
    found = loaded(tmp_path, data)
    assert found.keys() == HELD.keys()
    for key, value in HELD.items():
        if isinstance(value, np.ndarray):
            assert found[key].dtype.newbyteorder("=") == value.dtype.newbyteorder("=")
            np.testing.assert_array_equal(found[key], value)
        else:
            assert found[key] == value, key


def test_python_2(tmp_path):
    found = pickles.keyed(loaded(tmp_path, PYTHON_2))
    np.testing.assert_array_equal(found["a"], [[1, 2], [3, 4]])
    assert found["a"].dtype == np.uint8 and pickles.text_of(found["n"]) == "ké"
    assert pickles.text_of(b"\xe9") == "é" and pickles.keyed([1]) == {}


class Calls:

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


class Own:
    pass


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("value, named", [
    (Calls(os.system, "touch owned"), "posix.system"), (Calls(eval, "1"), "eval"), (Calls(exec, "1"), "exec"),
    (Calls(getattr, dict, "fromkeys"), "getattr"), (Calls(np.load, "x", None, True), "numpy.load"), (Own(), ""),
    (Calls(np.frombuffer, b"x"), "frombuffer"), (np.ma.array([1]), "numpy.ma"),
])
def test_anything_else_is_refused_by_name(tmp_path, monkeypatch, protocol, value, named):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=f"{named}.*only NumPy arrays and plain containers"):
        loaded(tmp_path, pickle.dumps({"a": [value]}, protocol))
    assert not (tmp_path / "owned").exists()


def array_of(shape=b"K\x02\x85", code=b"\x02u1", structure=b"NNN", content=b"U\x02ab"):
    return ARRAY % (shape, code, structure, content)


def test_the_forged_array_would_be_one():
    assert pickle.loads(array_of(), encoding="bytes").tolist() == [97, 98]


CALLED = b"\x80\x02cnumpy.core.multiarray\n_reconstruct\n"
ALTERED = b"}X\x09\x00\x00\x00function_Ns"


@pytest.mark.parametrize("data, reason", [
    (array_of(shape=b"\x8a\x06" + bytes(5) + b"\x01\x85"), "an array of shape"),  # 2^40 elements
    (array_of(shape=b"J\xff\xff\xff\xff\x85"), r"an array of shape \(-1,\)"),
    (array_of(shape=b"G?\xf0\0\0\0\0\0\0\x85"), r"an array of shape \(1.0,\)"),
    (array_of(code=b"\x04V999"), "an array of dtype"), (array_of(code=b"\x0bi4,O8,f8,i1"), "an array of dtype"),
    (array_of(code=b"\x02O8"), "an array of shape"),
    (array_of(structure=b"N(U\x01at}U\x01acnumpy\ndtype\nU\x02O8K\x00K\x01\x87RK\x00\x86s"), "array of structures"),
    (array_of(content=b"]"), "whose content is not 2 long"), (array_of(content=b"N"), "whose content"),
    (array_of(content=b"U\x03abc"), "whose content is not 2 long"), (array_of(content=b"](NNe"), "whose content"),
    (b"\x80\x02cnumpy\nndarray\nK\x05\x85R.", "calls what is no function"),  # an array of what lies in memory
    (b"\x80\x02cnumpy\nndarray\n)\x81.", "NEWOBJ"),
    (CALLED + b"cnumpy\ndtype\nK\x00\x85U\x01b\x87R.", "odd way"),
    (CALLED + b"N" + ALTERED + b"\x86b.", "alters a function"), (CALLED + ALTERED + b"b.", "__dict__"),
    (b"\x80\x04\x8e" + struct.pack("<Q", 1 << 40) + b"x.", "claims 1099511627776 bytes"),
    (b"\x80\x04\x95" + struct.pack("<Q", 1 << 40) + b".", "claims 1099511627776 bytes"),
    (b"\x80\x02}r\xff\xff\xff\x7f.", "names place 2147483647"), (b"p4000000000\n.", "names place"),
    (b"\x80\x02U\x01aQ.", "persistent"), (b"\x80\x02\x82\x01.", "extension"), (b"", ""), (b"\x80", ""),
    (b"no pickle", ""), (pickle.dumps(HELD)[:-40], ""),
])
def test_hostile_and_broken_pickles(tmp_path, data, reason):
    with pytest.raises(UserError, match=f"broken pickle: .*{reason}.*fetch it again"):
        loaded(tmp_path, data)
    assert pickles.load(saved_array(tmp_path)).tolist() == [1]  # what may be called is as it was


def saved_array(tmp_path):
    path = tmp_path / "good.pkl"
    path.write_bytes(pickle.dumps(np.array([1])))
    return path


def test_no_file(run, tmp_path):
    with pytest.raises(OSError):
        pickles.load(tmp_path / "none.pkl")
