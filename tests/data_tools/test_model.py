"""`cuttle_data.load`: answers from Python, here of a stand-in for the program that speaks its protocol."""

import logging
import os
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

from conftest import ROOT, save_image
from cuttle_data import load
from cuttle_data.errors import ProgramError, UserError
from cuttle_data.files import shard_paths
from cuttle_data.model import program
from frames import write_csv
from test_pack_like import record, save_adapted

STAND_IN = """#!{python}
import json, os, sys
sys.path.insert(0, {tools!r})
from cuttle_data.reader import Shard
assert sys.argv[1] == "predict" and sys.argv[3:5] == ["--stream", "--reject"], sys.argv
mode = os.environ.get("STAND_IN", "")
print(os.getpid(), file=open(sys.argv[2] + ".pid", "w"))
if mode == "crash":
    sys.exit("m.adapted: odd")
if mode == "refuse":
    print("10:00:00 warning: old\\n10:00:01 error: m.adapted: a read error: damaged; make it again", file=sys.stderr)
    sys.exit(2)
for line in sys.stdin:
    path = json.loads(line)["shard"]
    if mode == "error":
        print(json.dumps({{"error": "no such task"}}), flush=True)
        continue
    with Shard(path) as shard:
        for row, name in enumerate(shard.sample_names):
            if mode == "die" and row == 1:
                sys.exit("out of memory")
            if mode == "babble":
                print("hello", flush=True)
            if mode == "values":
                print(json.dumps({{"sample": name, "values": [1.5, 2.0], "deviations": [0.5, 0.25],
                                   "low": [1, 0], "high": [2, 3], "expected": [1.25, 2], "labels": []}}), flush=True)
                continue
            seen = sorted(m for m, rows in shard.rows.items() if rows[row] >= 0)
            print(json.dumps({{"sample": name, "class": None if "text" in seen else "cat", "probability": 0.75,
                               "known": 0.5, "rejected": 0.5 < float(sys.argv[5]),
                               "probabilities": {{"cat": 0.75, "dog": 0.25, "/".join(seen): 0}},
                               "values": [shard.read(row, seen[0]).tolist()] if mode == "echo" else None}}), flush=True)
    print(json.dumps({{"done": len(shard.sample_names)}}), flush=True)
"""


@pytest.fixture
def adapted(run, tmp_path, monkeypatch):
    """An adapted file of five senses, and the stand-in as the program."""
    assert run("make_synthetic", "--out", tmp_path / "like", "--shards", "1", "--classes", "4")[0] == 0
    script = tmp_path / "cuttle"
    script.write_text(STAND_IN.format(python=sys.executable, tools=str(ROOT / "data_tools")))
    script.chmod(0o755)
    monkeypatch.setenv("CUTTLE_PROGRAM", str(script))
    monkeypatch.chdir(tmp_path)
    return save_adapted(tmp_path / "m.adapted", record(shard_paths([tmp_path / "like"])[0], format="cuttle-adapted-1"))


def is_alive(adapted):
    """Whether the program runs, or is a zombie."""
    return Path(f"/proc/{Path(f'{adapted}.pid').read_text().strip()}").exists()


def wait_for_start(adapted):
    end = time.monotonic() + 60
    while not (Path(f"{adapted}.pid").exists() and Path(f"{adapted}.pid").read_text().strip()):
        assert time.monotonic() < end
        time.sleep(0.05)


def test_files_folders_tables_and_arrays_are_answered(adapted, caplog):
    save_image(Path("a.png"), 9)
    save_image(Path("in/deep/b.png"), 9)
    Path("in/what.pdf").write_text("")
    write_csv(Path("t.csv"), [["text"], ["hello you"]])
    with load("m.adapted") as model:
        inputs = ["a.png", Path("in"), "t.csv", {"text": "hello", "vector": np.ones(8)}]
        with caplog.at_level(logging.WARNING, "cuttle_data"):
            answers = {answer.sample: answer for answer in model.predict(inputs)}
        assert {name: list(answer.probabilities)[-1] for name, answer in answers.items()} == {
            "a.png": "image", "in/deep/b.png": "image", "input 3": "text/vector", "t.csv line 2": "text"}
        first = answers["a.png"]
        assert (first.label, first.probability, first.known, first.rejected) == ("cat", 0.75, 0.5, False)
        assert first.probabilities == {"cat": 0.75, "dog": 0.25, "image": 0}
        assert answers["input 3"].label is None and first.values is None
        assert "in/what.pdf: unknown file type .pdf" in caplog.text
        assert [a.sample for a in model.predict("a.png")] == ["a.png"] and is_alive(adapted)
        folder = model.folder_.name
        assert os.listdir(folder) == []
    assert not is_alive(adapted) and not os.path.exists(folder)
    with pytest.raises(UserError, match="was closed"):
        model.predict("a.png")


def test_what_belongs_to_no_class_is_rejected_if_that_is_asked_for(adapted):
    save_image(Path("a.png"), 9)
    with load(adapted, reject=0.6) as model:
        (answer, ) = model.predict("a.png")
        assert answer.rejected and answer.known == 0.5


def test_answers_may_be_left(adapted):
    for name in "abc":
        save_image(Path(f"in/{name}.png"), 9)
    with load(adapted) as model:
        for answer in model.predict("in"):
            break
        left = model.predict("in")
        assert next(left).sample == "in/a.png"
        assert len(list(model.predict(["in/a.png", "in/b.png"]))) == 2
        with pytest.raises(UserError, match="read them first"):
            next(left)


def test_values(adapted, monkeypatch):
    monkeypatch.setenv("STAND_IN", "values")
    with load(adapted) as model:
        answer, = model.predict({"vector": np.zeros(8)})
    assert (answer.values, answer.deviations) == ((1.5, 2.0), (0.5, 0.25))
    assert (answer.low, answer.high, answer.expected, answer.labels) == ((1, 0), (2, 3), (1.25, 2), ())
    assert (answer.label, answer.probabilities) == (None, {})


@pytest.mark.parametrize("mode, message", [("crash", "exit code 1.*m.adapted: odd"), ("babble", "it said b'hello"),
                                           ("die", "it ended; exit code 1.*out of memory"), ("error", "no such task")])
def test_a_failing_program_is_an_exception(adapted, monkeypatch, mode, message):
    monkeypatch.setenv("STAND_IN", mode)
    for name in "ab":
        save_image(Path(f"in/{name}.png"), 9)
    with load(adapted) as model:
        with pytest.raises(ProgramError, match=message):
            list(model.predict("in"))
        assert is_alive(adapted) == (mode == "error")
        monkeypatch.setenv("STAND_IN", "")
        if mode != "error":  # started again
            assert len(list(model.predict("in"))) == 2


def test_what_the_program_refuses_is_the_users_to_change(adapted, monkeypatch):
    monkeypatch.setenv("STAND_IN", "refuse")
    with load(adapted) as model:
        with pytest.raises(UserError, match="^m.adapted: a read error: damaged; make it again$"):
            list(model.predict({"text": "a"}))
        monkeypatch.setenv("STAND_IN", "")
        assert len(list(model.predict({"text": "a"}))) == 1


def test_an_interrupt_ends_the_program(adapted):
    save_image(Path("a.png"), 9)
    with load(adapted) as model:
        answers = model.predict("a.png")
        next(answers)
        with pytest.raises(KeyboardInterrupt):
            answers.throw(KeyboardInterrupt)
        assert not is_alive(adapted)
        assert len(list(model.predict("a.png"))) == 1


def test_a_model_that_is_forgotten_leaves_nothing(adapted):
    model = load(adapted)
    wait_for_start(adapted)
    folder = model.folder_.name
    del model
    assert not is_alive(adapted) and not os.path.exists(folder)


def test_wrong_inputs_are_named(adapted, tmp_path, monkeypatch):
    Path("x.png").write_bytes(b"x")
    with load(adapted) as model:
        for inputs, message in (
            ("none.png", "no such file"), ("x.png", "no usable sample"), ([], "nothing was given; give files"),
            (5, "input 0 is of the type int .*; give a path, or a dict such as {'image': value}"),
            (b"a.png", "input 0 is of the type bytes"), (["x.png", b"a.png"], "input 1 is of the type bytes"),
            ([np.zeros((8, 8, 3), np.uint8)], "input 0 is of the type ndarray"), (np.zeros(2), "of the type float64"),
            (np.array(3), "of the type ndarray"), (None, "NoneType")):
            with pytest.raises(UserError, match=message):
                model.predict(inputs)
        save_image(Path("a.png"), 9)
        assert len(list(model.predict("a.png"))) == 1
    for path, message in (("none.adapted", "none.adapted: No such file"), ("x.png", "no adapted model"),
                          ("like", "no adapted model"), (b"x", r"load\(b'x'\): no path"), (None, "no path")):
        with pytest.raises(UserError, match=message):
            load(path)
    for reject in (2, -1, "a", True, float("nan"), None):
        with pytest.raises(UserError, match=f"reject={reject!r} is no share of samples; give a number from 0 to 1"):
            load(adapted, reject=reject)
    monkeypatch.setenv("CUTTLE_PROGRAM", "nowhere")
    with pytest.raises(UserError, match="nowhere: no such program"):
        load(adapted)


WRONG_VALUES = [
    ("smell", 1, "the model has no sense 'smell'; it takes image, text"),
    ("vector", np.ones(3), r"has shape \[3\], not \[8\]; give 8 numbers, or leave vector out"),
    ("vector", [[1], [2, 3]], "is no array"), ("vector", None, "is of the type NoneType, not numbers"),
    ("series", np.ones(3), r"not \[any, 3\]; give an array of numbers, \[steps, 3\]"),
    *[("text", value, f"is of the type {type(value).__name__}; give a str") for value in (None, ["a"], 5, b"x")],
    ("text", "\ud800", "half a letter, '.ud800'"), ("text", " \n", "is empty"),
    ("image", np.zeros((16, 16, 3)), r"holds float64 \(whether white is 1 or 255 cannot be known\); give an array of"),
    ("image", np.zeros((16, 16, 3), int), "holds int64, not uint8"), ("image", "a.png", "is of the type str"),
    ("image", np.zeros((3, 9, 9), np.uint8), r"has shape \[3, 9, 9\], not \[16, 16, 3\]"),
    ("image", np.zeros((0, 9, 3), np.uint8), "has shape"), ("image", Image.new("P", (9, 9)), "np.asarray"),
    ("audio", np.zeros(9, int), "holds int64, not int16; give a row of int16, or of floats in .* 8000 a second"),
    ("audio", [0.5, 2], "reaches 2 where 1 is full scale"), ("audio", [np.nan], "not finite"),
    ("audio", np.zeros((9, 2)), "has shape"), ("audio", [], "has shape|is empty")]


def test_wrong_values_are_named(adapted):
    Path("x.png").write_bytes(b"x")
    with load(adapted) as model:
        for sense, value, message in WRONG_VALUES:
            with pytest.raises(UserError, match=f"^input 1: .*{message}"):
                model.predict(["x.png", {sense: value}])
        with pytest.raises(UserError, match="input 0: an empty dict; give a value for one of image, text"):
            model.predict({})


def test_values_become_what_files_become(adapted, monkeypatch):
    """Pictures of any size, sounds as floats, texts of other systems."""
    monkeypatch.setenv("STAND_IN", "echo")
    rng = np.random.default_rng(3)
    for shape in ((30, 20, 3), (30, 20), (30, 20, 1), (30, 20, 4), (16, 16, 3)):
        pixels = rng.integers(0, 256, shape, np.uint8)
        Image.fromarray(pixels.squeeze()).save("a.png")
        with load(adapted) as model:
            file, array = (answer.values for answer in model.predict(["a.png", {"image": pixels}]))
        assert file == array and np.shape(file) == (1, 16, 16, 3)
    samples = np.array([0, 0.5, -1, 1], np.float32)
    soundfile.write("a.wav", samples, 8000, "FLOAT")
    Path("b.txt").write_bytes("Gro\u0308\u00dfe\r\n".encode())
    with load(adapted) as model:
        answers = [answer.values for answer in model.predict(
            ["a.wav", "b.txt", {"audio": samples}, {"audio": (samples * 32767.99).astype("<i2")},
             {"text": "Gro\u0308\u00dfe\r\n"}])]
    assert answers[0] == answers[2] == ([0, 16384, -32768, 32767], ) and answers[3][0][3] == 32767
    assert answers[1] == answers[4] == (list("Gr\u00f6\u00dfe".encode()), )


def test_where_the_program_is(monkeypatch, tmp_path):
    monkeypatch.delenv("CUTTLE_PROGRAM", raising=False)
    for place in ("build/release/cuttle", "prefix/bin/cuttle", "path/cuttle"):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_text("")
        (tmp_path / place).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    for tools, wanted in (("data_tools", "build/release/cuttle"), ("a/b/c/data_tools", "path/cuttle"),
                          ("prefix/share/cuttle/data_tools", "prefix/bin/cuttle")):
        monkeypatch.setattr("cuttle_data.model.__file__", str(tmp_path / tools / "cuttle_data/model.py"))
        assert program() == str(tmp_path / wanted)
