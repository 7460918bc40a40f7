"""`pack` of tables: columns by the names that they had in the model's data set, else by what they hold."""

import json

import numpy as np
import pytest

from conftest import save_image
from cuttle_data.files import shard_paths
from cuttle_data.reader import Shard
from frames import convert, patients, texts, write_csv
from test_pack_like import record, save_adapted


def model(run, tmp_path, rows, *options, names=True, encoder="table"):
    """A file of `cuttle adapt` for the data set that `frame` makes of rows; names: with those of columns."""
    convert(run, write_csv(tmp_path / "training.csv", rows), tmp_path / "set", "--shards", "1", *options)
    shard = shard_paths([tmp_path / "set"])[0]
    facts = record(shard)
    with Shard(shard) as opened:
        facts["target_width"] = str(len(opened.target_names))
    if not names:
        entries = json.loads(facts["modalities"])
        facts["modalities"] = json.dumps([{k: v for k, v in entry.items() if k != "columns"} for entry in entries])
    config = f"name: x\nmodel:\n  fusion: concat\n  encoders:\n    vector:\n      type: {encoder}\n      width: 8\n"
    return save_adapted(tmp_path / "m.adapted", {**facts, "config": config, "format": "cuttle-adapted-1"})


def pack(run, tmp_path, like, *arguments):
    """({name: (class, {sense: value}, targets)}, what was said)"""
    code, text, err = run("pack", *arguments, "--like", like, "--out", tmp_path / "out.h5")
    assert (code, text) == (0, ""), err
    assert run("verify", tmp_path / "out.h5")[0] == 0
    with Shard(tmp_path / "out.h5") as shard:
        return {name: (shard.class_names[shard.sample_class[i]] if shard.sample_class[i] >= 0 else None,
                       {m: shard.read(i, m) for m, rows in shard.rows.items() if rows[i] >= 0},
                       shard.targets[i].tolist()) for i, name in enumerate(shard.sample_names)}, err


def refusal(run, tmp_path, like, *arguments):
    code, text, err = run("pack", *arguments, "--like", like, "--out", tmp_path / "no.h5")
    assert (code, text) == (2, "") and not (tmp_path / "no.h5").exists()
    return err


PEOPLE = [["age", "sex", "size", "class"]] + [[20 + i, "fm"[i % 2], i / 2, f"c{i % 3}"] for i in range(12)]


def test_columns_are_found_by_name_and_categories_by_word(run, tmp_path):
    like = model(run, tmp_path, PEOPLE)
    table = write_csv(tmp_path / "new.csv", [["size", "sex", "note", "age"], [0.5, "m", "x", 30], [1, "?", "y", 40]])
    found, err = pack(run, tmp_path, like, table)
    assert {name: (c, v["vector"].tolist()) for name, (c, v, _) in found.items()} == {
        "line 2": (None, [30, 0, 1, 0.5]), "line 3": (None, [40, 0, 0, 1])}
    assert "vector from age, sex, size" in err
    assert "column sex has 1 categories that the model does not know, such as '?'" in err
    table = write_csv(tmp_path / "bad.csv", [["size", "sex", "years"], [1, "m", 30]])
    assert "no column age (the model's sense vector is made of age, sex=f, sex=m, size)" in refusal(
        run, tmp_path, like, table)


@pytest.mark.parametrize("rows, new, warning", [
    ([["glucose", "weight", "class"], *[[i, i / 2, f"c{i % 3}"] for i in range(12)]],
     [["mass", "sugar"], [7, 1], [8, 2]],
     "no column is called glucose, weight; took mass, sugar by their order (right only if they mean the same); name "
     "the columns so, or choose by cuttle-data pack --values"),
    ([["text", "label"], *texts()], [["comment"], ["one two"], ["you too"]],
     "no column is called text; took comment (right only if it means the same); name the column so, or choose")])
def test_columns_of_other_names_are_taken_with_a_warning(run, tmp_path, rows, new, warning):
    like = model(run, tmp_path, rows)
    table = write_csv(tmp_path / "new.csv", new)
    assert f"warning: {table}: {warning}" in pack(run, tmp_path, like, table, "--quiet")[1]
    assert pack(run, tmp_path, like, table, "--quiet", "--values", ",".join(new[0]))[1] == ""
    right = [rows[0][-2::-1], *new[1:]]  # the model's names in another order
    assert pack(run, tmp_path, like, write_csv(tmp_path / "new.csv", right), "--quiet")[1] == ""
    like = model(run, tmp_path, rows, names=False)
    assert pack(run, tmp_path, like, write_csv(tmp_path / "new.csv", new), "--quiet")[1] == ""


def test_labels_are_guessed_given_or_left_out(run, tmp_path):
    like = model(run, tmp_path, PEOPLE)
    table = write_csv(tmp_path / "new.csv", [[*PEOPLE[0], "town"], *[[*row, "uv"[i % 2]] for i, row in
                                                                     enumerate(PEOPLE[1:5])]])
    labels = {"": ["c0", "c1", "c2", "c0"], "town": list("uvuv"), "none": [None] * 4}
    for column, wanted in labels.items():
        found, err = pack(run, tmp_path, like, table, *(["--class", column] if column else []))
        assert [c for c, *_ in found.values()] == wanted
    assert [c for c, *_ in pack(run, tmp_path, like, "--no-labels", table)[0].values()] == [None] * 4
    assert [c for c, *_ in pack(run, tmp_path, like, f"new={table}")[0].values()] == ["new"] * 4
    rows = [[*row[:3], "uv"[i % 2], "wz"[i // 2]] for i, row in enumerate(PEOPLE[1:5])]
    table = write_csv(tmp_path / "two.csv", [["age", "sex", "size", "town", "street"], *rows])
    assert "the class may be town or street; the rows have no labels (see --class)" in pack(
        run, tmp_path, like, table)[1]


def test_a_record_without_names_of_columns_counts_them(run, tmp_path):
    like = model(run, tmp_path, [row[::2] + row[3:] for row in PEOPLE], names=False)
    table = write_csv(tmp_path / "new.csv", [["years", "cm"], [30, 0.5], [31, 1]])
    found, _ = pack(run, tmp_path, like, table)
    assert [v["vector"].tolist() for _, v, _ in found.values()] == [[30, 0.5], [31, 1]]
    table = write_csv(tmp_path / "more.csv", [["a", "b", "c"], [30, 0.5, 1], [31, 1, 2]])
    assert "3 numbers (a, b, c) for the model's sense vector, which takes 2" in refusal(run, tmp_path, like, table)
    found, _ = pack(run, tmp_path, like, table, "--values", "c,a")
    assert [v["vector"].tolist() for _, v, _ in found.values()] == [[1, 30], [2, 31]]


@pytest.mark.parametrize("encoding, options", [("utf-8-sig", ()), ("utf-16", ()), ("cp1252", ("--encoding", "cp1252"))])
def test_encodings(run, tmp_path, encoding, options):
    like = model(run, tmp_path, [["text", "label"], *texts()])
    table = write_csv(tmp_path / "new.csv", [["text"], ["Größe"]], encoding=encoding)
    (_, values, _), = pack(run, tmp_path, like, table, *options)[0].values()
    assert bytes(values["text"]).decode() == "Größe"


@pytest.mark.parametrize("head, message", [(["text", "label"], None), (["what", "label"], None), (["what"], None),
                                           (["a", "b", "c"], "no column is what the model takes (text)")])
def test_texts(run, tmp_path, head, message):
    like = model(run, tmp_path, [["text", "label"], *texts()])
    rows = [[f"one two {i} {j}" if j != 1 else "ab"[i % 2] for j in range(len(head))] for i in range(4)]
    if message:
        rows = [[i, i + 1, i + 2] for i in range(4)]
        assert message in refusal(run, tmp_path, like, write_csv(tmp_path / "new.csv", [head, *rows]))
        return
    found, _ = pack(run, tmp_path, like, write_csv(tmp_path / "new.csv", [head, *rows]))
    assert [bytes(v["text"]).decode() for _, v, _ in found.values()] == [f"one two {i} 0" for i in range(4)]
    assert [c for c, *_ in found.values()] == (list("abab") if len(head) == 2 else [None] * 4)


def test_texts_of_files_and_of_rows_in_one_shard(run, tmp_path):
    like = model(run, tmp_path, [["text", "label"], *texts()])
    (tmp_path / "a.txt").write_text("hello")
    table = write_csv(tmp_path / "new.csv", [["id", "text"], ["k1", "you"], ["k2", ""]])
    found, err = pack(run, tmp_path, like, tmp_path / "a.txt", table)
    assert {name: bytes(v["text"]) for name, (_, v, _) in found.items()} == {
        str(tmp_path / "a.txt"): b"hello", f"{table} k1": b"you"}
    assert "1 x sample without any value that the model takes; such as" in err and "new.csv:3" in err


def test_pictures_have_the_size_of_the_models(run, tmp_path):
    for index in range(6):
        save_image(tmp_path / f"{index}.png", 10 * index)
    rows = [[f"{i}.png", f"c{i % 2}"] for i in range(6)]
    like = model(run, tmp_path, [["photo", "label"], *rows], "--size", "5", "--gray", "--all-test")
    (tmp_path / "5.png").write_bytes(b"x")
    rows = [["1.png"], ["5.png"], ["2.png"], ["9.png"]]
    found, err = pack(run, tmp_path, like, write_csv(tmp_path / "new.csv", [["picture"], *rows]))
    assert {name: (v["image"].shape, v["image"].max()) for name, (_, v, _) in found.items()} == {
        "line 2": ((5, 5, 1), 10), "line 4": ((5, 5, 1), 20)}
    assert "new.csv:3 [image]: broken image" in err and "1 x file of column picture that is not there" in err
    assert "skipped: 1\n" in err and err.count("left out:") == 1  # each row once


def test_rows_of_a_patient_are_one_series(run, tmp_path):
    head = ["patient", "time", "pulse", "age", "diagnosis"]
    like = model(run, tmp_path, [head, *patients()])
    found, err = pack(run, tmp_path, like, write_csv(tmp_path / "new.csv", [head, *patients(2, 3, 2)]))
    assert found["p1"][0] == "d1" and found["p1"][1]["series"].tolist() == [[61.5], [61.25], [61]]
    assert found["p0"][1]["vector"].tolist() == [30] and len(found) == 2
    one = write_csv(tmp_path / "one.csv", [["patient", "time", "pulse", "age"], ["p", 1, 60, 30]])
    assert pack(run, tmp_path, like, one)[0]["p"][1]["series"].tolist() == [[60]]
    none = write_csv(tmp_path / "none.csv", [["time", "pulse", "age"], [1, 60, 30]])
    assert "no column may say which; give --id COLUMN" in refusal(run, tmp_path, like, none)


def test_a_series_without_names_of_columns(run, tmp_path):
    head = ["patient", "time", "pulse", "diagnosis"]
    rows = [[*row[:3], row[4]] for row in patients()]
    like = model(run, tmp_path, [head, *rows], names=False)
    found, _ = pack(run, tmp_path, like, write_csv(tmp_path / "new.csv", [head, *rows[:10]]))
    assert [v["series"].tolist() for _, v, _ in found.values()] == [
        [[60 + p + t / 4] for t in range(4, -1, -1)] for p in range(2)]


def test_targets_are_found_for_adapting_and_left_out_for_predicting(run, tmp_path):
    rows = [["user", "a", "y"], *[[f"u{i % 3}", i, i / 2 + 0.25] for i in range(12)]]
    like = model(run, tmp_path, rows)
    table = write_csv(tmp_path / "new.csv", [["user", "a", "y"], ["x", 1, 2.5], ["x", 2, ""], ["x", 3, 1]])
    found, err = pack(run, tmp_path, like, table)
    assert found == {"line 2": ("x", {"vector": 1}, [2.5]), "line 4": ("x", {"vector": 3}, [1])}
    assert "targets from y" in err and "column y: not a number" in err and err.count("left out:") == 1
    assert [t for *_, t in pack(run, tmp_path, like, table, "--no-labels")[0].values()] == [[]] * 3
    other = write_csv(tmp_path / "other.csv", [["a", "dose"], [1, 2], [3, 4]])
    assert [t for *_, t in pack(run, tmp_path, like, other, "--targets", "dose")[0].values()] == [[2], [4]]
    found, err = pack(run, tmp_path, like, other)
    assert found["line 2"][2] == [] and "adapt needs --targets" in err
    assert "no column 'd'" in refusal(run, tmp_path, like, other, "--targets", "d")
    assert "have the same" in refusal(run, tmp_path, like, table, other)


def test_lists_of_labels_are_read_as_in_training(run, tmp_path):
    rows = [["user", "a", "tags"], *[[f"u{i % 3}", i, "old|fast" if i % 2 else "loud"] for i in range(12)]]
    model(run, tmp_path, rows, "--class", "user", "--labels", "tags")
    like = shard_paths([tmp_path / "set"])[0]
    new = [["user", "a", "tags"], ["x", 1, "fast"], ["x", 2, ""], ["x", 3, "loud|old"]]
    table = write_csv(tmp_path / "new.csv", new)
    found, err = pack(run, tmp_path, like, table)
    with Shard(like) as shard:
        places = [shard.target_names.index(name) for name in ("fast", "loud", "old")]
    assert [[values[place] for place in places] for *_, values in found.values()] == [[1, 0, 0], [0, 0, 0], [0, 1, 1]]
    assert "targets from tags" in err
    other = write_csv(tmp_path / "other.csv", [["user", "a", "tags"], ["x", 1, "fast|new"]])
    assert "without the targets" in pack(run, tmp_path, like, other)[1]


@pytest.mark.parametrize("name, content", [("t.csv", "a,a\n1,2\n"), ("t.csv", ""), ("t.parquet", "x"), ("t.db", "x"),
                                           ("t.json", "{"), ("t.csv", "a,b\n")])
def test_damaged_tables_are_refused(run, tmp_path, name, content):
    like = model(run, tmp_path, PEOPLE)
    (tmp_path / name).write_text(content)
    assert name in refusal(run, tmp_path, like, tmp_path / name)


def test_many_rows_are_quick_and_small(run, tmp_path):
    like = model(run, tmp_path, PEOPLE)
    rows = [[i % 90, "fm"[i % 2], i] for i in range(20_000)]
    found, _ = pack(run, tmp_path, like, write_csv(tmp_path / "new.csv", [["age", "sex", "size"], *rows]))
    assert len(found) == 20_000 and np.array_equal(found["line 20001"][1]["vector"], [19_999 % 90, 0, 1, 19_999])


def test_narrow_tables_are_filled_up_when_that_is_wanted(run, tmp_path):
    wide = [["a", "b", "c", "d", "class"], *[[i, i / 2, i / 3, i / 4, f"c{i % 3}"] for i in range(12)]]
    like = model(run, tmp_path, wide, names=False)
    table = write_csv(tmp_path / "new.csv", [["u", "v", "class"], [1, 2, "red"], [3, 4.5, "blue"]])
    said = refusal(run, tmp_path, like, table)
    assert "2 numbers (u, v) for the model's sense vector, which takes 4; fill its rows with zeros by" in said
    found, err = pack(run, tmp_path, like, table, "--pad")
    assert "encoder" not in err
    assert {name: (c, v["vector"].tolist()) for name, (c, v, _) in found.items()} == {
        "line 2": ("red", [1, 2, 0, 0]), "line 3": ("blue", [3, 4.5, 0, 0])}
    words = [["u", "kind", "class"], *[[i, "uv"[i % 2], "red"] for i in range(6)]]
    table = write_csv(tmp_path / "words.csv", words)
    assert "--pad takes numbers, and kind has categories" in refusal(
        run, tmp_path, like, table, "--pad", "--class", "class")


def test_zeros_are_told_of_where_the_model_takes_them_for_values(run, tmp_path):
    wide = [["a", "b", "c", "class"], *[[i, i / 2, i / 3, f"c{i % 3}"] for i in range(12)]]
    like = model(run, tmp_path, wide, names=False, encoder="mlp")
    table = write_csv(tmp_path / "new.csv", [["u", "v"], [1, 2], [3, 4.5]])
    told = pack(run, tmp_path, like, table, "--pad")[1]
    assert "the model's encoder of vector is mlp, to which zeros are values" in told
    assert "--pad" not in refusal(run, tmp_path, like, table)
