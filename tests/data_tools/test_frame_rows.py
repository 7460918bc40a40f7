"""`frame`: which rows are taken, and videos that are lists of pictures."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from conftest import save_image
from frames import convert, modalities, read, texts, write_csv

HEAD = ["test", "person", "value", "day"]
ROWS = [["hdl", f"p{i % 5}", i, i] for i in range(24)] + [["ldl", f"p{i % 5}", 100 + i, i] for i in range(10)]


def test_where_takes_rows_and_least_classes(run, tmp_path):
    file = write_csv(tmp_path / "t.csv", [HEAD, *ROWS])
    options = ("--class", "person", "--targets", "value", "--values", "day", "--splits", "1,0,0")
    convert(run, file, tmp_path / "all", *options)
    text = convert(run, file, tmp_path / "some", *options, "--where", "test= hdl", "--least", "5")
    assert len(read(tmp_path / "all")) == 34 and "1 x class with fewer than 5" in text and "such as class p4" in text
    found = read(tmp_path / "some")
    assert len(found) == 20 and {sample[0] for sample in found.values()} == {"p0", "p1", "p2", "p3"}
    assert found["line 8"][4] == [6] and max(sample[4][0] for sample in found.values()) < 24
    convert(run, file, tmp_path / "one", *options, "--where", "test=ldl", "--where", "person=p1")
    assert sorted(read(tmp_path / "one")) == ["line 27", "line 32"]


def test_rows_without_any_value_are_counted(run, tmp_path):
    rows = [*texts(), ["", "topic 0"], ["", "topic 1"]]
    text = convert(run, write_csv(tmp_path / "t.csv", [["note", "label"], *rows]), tmp_path / "out")
    assert len(read(tmp_path / "out")) == len(rows) - 2
    assert f"2 x sample without any value, e.g. line {len(rows)}" in " ".join(text.split()), text


def test_where_over_several_files(run, tmp_path):
    for name, rows in (("a", ROWS[:20]), ("b", ROWS[20:])):
        write_csv(tmp_path / f"data/{name}.csv", [HEAD, *rows])
    convert(run, tmp_path / "data", tmp_path / "out", "--class", "person", "--values", "day,value", "--where",
            "test=ldl")
    assert sorted(read(tmp_path / "out"))[0].startswith("b.csv line") and len(read(tmp_path / "out")) == 10


@pytest.mark.parametrize("option, message", [
    (("--where", "test"), "--where test is no COLUMN=CELL"), (("--where", "nope=1"), "no column 'nope'"),
    (("--where", "test=hd"), "no row has test=hd"), (("--least", "0"), "--least 0 is no number of samples")])
def test_wrong_rows(run, tmp_path, option, message):
    file = write_csv(tmp_path / "t.csv", [HEAD, *ROWS])
    code, _, err = run("frame", file, "--out", tmp_path / "x", "--class", "person", "--values", "day", *option)
    assert code == 2 and message in err and not (tmp_path / "x").exists(), err


def test_where_refuses_bytes_in_parquet(run, tmp_path):
    pq.write_table(pa.table({"c": ["a", "b"], "x": [b"1", b"2"]}), tmp_path / "t.parquet")
    code, _, err = run("frame", tmp_path / "t.parquet", "--out", tmp_path / "x", "--where", "c=a")
    assert code == 2 and "--where cannot choose rows with bytes in Parquet (column x)" in err


def test_lists_of_pictures_are_videos(run, tmp_path):
    rows = []
    for number in range(8):
        paths = [f"frames/{number}-{place}.png" for place in range(3 + number % 2)]
        for place, path in enumerate(paths):
            save_image(tmp_path / path, 10 * number + place)
        rows.append({"label": "ab"[number // 4], "frames": paths})
    rows[0]["frames"] = [*rows[0]["frames"], "frames/lost.png"]
    rows[2]["frames"] = []
    rows[4]["frames"] = None
    file = tmp_path / "t.json"
    file.write_text(json.dumps(rows))
    text = convert(run, file, tmp_path / "out", "--size", "2", "--frames", "3", "--splits", "1,0,0", "--class", "label")
    assert modalities(tmp_path / "out") == {"video": ("video", (2, 2, 3))}
    found = read(tmp_path / "out")
    assert sorted(found) == ["row 2", "row 4", "row 6", "row 7", "row 8"] and "lost.png" in text
    assert found["row 8"][3]["video"][:, 0, 0, 0].tolist() == [70, 72, 73]
    assert np.all(found["row 7"][3]["video"][1] == 61)
    file.write_text(json.dumps([{"label": "ab"[i % 2], "words": ["x", "y.png"]} for i in range(4)]))
    code, text, _ = run("frame", file, "--out", tmp_path / "x", "--class", "label", "--dry-run")
    assert code == 2 and "words     labels" in text  # half of them is no picture
