"""What `frame` reads: separators, marks and encodings of CSV, Parquet, JSON lines, SQLite."""

import gzip
import json
import sqlite3

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from conftest import save_image
from frames import convert, modalities, read, texts, write_csv

USERS = [["user", "a", "b", "y"]] + [[u, f"{1.5 + i}", str(2 + i), str(10.25 + i)]
                                     for i, u in enumerate(["ann", "ann", "bob", "bob", "cid", "cid"])]


def expect_users(out, users=("ann", "bob", "cid")):
    found = read(out)
    assert sorted({c for c, *_ in found.values()}) == sorted(users)
    values = sorted((v["vector"].tolist(), t) for _, _, _, v, t in found.values())
    assert values == [([1.5 + i, 2 + i], [10.25 + i]) for i in range(6)]


@pytest.mark.parametrize("separator, name", [(";", ";"), ("\t", "tab"), ("|", "|"), (",", ",")])
def test_separators_are_found_out(run, tmp_path, separator, name):
    text = convert(run, write_csv(tmp_path / "t.csv", USERS, separator), tmp_path / "out")
    assert f"separated by {name} (4 columns)" in text
    expect_users(tmp_path / "out")


def test_a_separator_that_is_given(run, tmp_path):
    convert(run, write_csv(tmp_path / "t.csv", USERS, "~"), tmp_path / "out", "--separator", "~")
    expect_users(tmp_path / "out")
    code, text, err = run("frame", tmp_path / "t.csv", "--out", tmp_path / "x")
    assert code == 2 and "if it is another one, give --separator" in text and "no column says" in err


@pytest.mark.parametrize("options", [(), ("--separator", ";", "--decimal", ",")])
def test_decimal_commas(run, tmp_path, options):
    rows = [[cell.replace(".", ",") for cell in row] for row in USERS]
    text = convert(run, write_csv(tmp_path / "t.csv", rows, ";"), tmp_path / "out", *options)
    assert options or "decimal comma in a, y" in text
    expect_users(tmp_path / "out")


@pytest.mark.parametrize("encoding, options", [("utf-8-sig", ()), ("utf-16", ()), ("utf-32", ()),
                                               ("cp1252", ("--encoding", "cp1252"))])
def test_encodings(run, tmp_path, encoding, options):
    rows = [["Jörg" if cell == "bob" else cell for cell in row] for row in USERS]
    convert(run, write_csv(tmp_path / "t.csv", rows, encoding=encoding), tmp_path / "out", *options)
    expect_users(tmp_path / "out", ("ann", "Jörg", "cid"))


@pytest.mark.parametrize("encoding, message", [("cp1252", "name its --encoding"), ("utf-16-le", "give --encoding")])
def test_encodings_that_nothing_tells(run, tmp_path, encoding, message):
    rows = [["Jörg" if cell == "bob" and encoding == "cp1252" else cell for cell in row] for row in USERS]
    code, _, err = run("frame", write_csv(tmp_path / "t.csv", rows, encoding=encoding), "--out", tmp_path / "x")
    assert code == 2 and message in err


@pytest.mark.parametrize("twin", ["bob ", " bob", "\u00a0bob"])
def test_names_are_trimmed(run, tmp_path, twin):
    rows = [list(row) for row in USERS]
    rows[4][0] = twin
    convert(run, write_csv(tmp_path / "t.csv", rows), tmp_path / "out")
    expect_users(tmp_path / "out")


def test_names_are_compared_in_the_composed_form(run, tmp_path):
    rows = [list(row) for row in USERS]
    rows[3][0], rows[4][0] = "Jo\u0308rg", "J\u00f6rg"
    convert(run, write_csv(tmp_path / "t.csv", rows), tmp_path / "out")
    expect_users(tmp_path / "out", ("ann", "J\u00f6rg", "cid"))


def test_blanks_after_separators_and_an_index_without_a_name(run, tmp_path):
    rows = [[" " + cell for cell in row] for row in USERS[1:]]
    convert(run, write_csv(tmp_path / "t.csv", [USERS[0], *rows]), tmp_path / "out")
    expect_users(tmp_path / "out")
    rows = [["" if i == 0 else str(i - 1), *row] for i, row in enumerate(USERS)]
    text = convert(run, write_csv(tmp_path / "i.csv", rows), tmp_path / "index")
    assert "column 1 has no name: taken for an index, not used" in text
    expect_users(tmp_path / "index")


def test_compressed(run, tmp_path):
    write_csv(tmp_path / "t.csv", USERS)
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress((tmp_path / "t.csv").read_bytes()))
    convert(run, tmp_path / "t.csv.gz", tmp_path / "out", "--name", "t")
    expect_users(tmp_path / "out")


def hugging_face(path, folder, rows=range(12)):
    """A Parquet file as `datasets` writes it: pictures {bytes, path}, numbers of named classes."""
    cells = []
    for index in rows:
        save_image(folder / f"{index}.png", 20 * index)
        cells.append({"bytes": (folder / f"{index}.png").read_bytes(), "path": None} if index % 2 else
                     {"bytes": None, "path": f"{index}.png"})
    features = {"image": {"_type": "Image"}, "label": {"_type": "ClassLabel", "names": ["ape", "bee", "cat"]}}
    table = pa.table({"image": cells, "label": [i % 3 for i in rows]})
    table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    path.parent.mkdir(exist_ok=True)
    pq.write_table(table, path, row_group_size=5)


def test_parquet_of_hugging_face(run, tmp_path):
    hugging_face(tmp_path / "t.parquet", tmp_path)
    convert(run, tmp_path / "t.parquet", tmp_path / "out", "--size", "2", "--gray")
    found = read(tmp_path / "out")
    assert modalities(tmp_path / "out") == {"image": ("image", (2, 2, 1))}
    assert {n: (c, v["image"].max()) for n, (c, _, _, v, _) in found.items()} == {
        f"row {i + 1}": (["ape", "bee", "cat"][i % 3], 20 * i) for i in range(12)}


def pictures(out):
    return {n: (c, s, v["image"].max()) for n, (c, _, s, v, _) in read(out).items()}


def test_parquet_files_of_several_splits(run, tmp_path):
    """As Hugging Face has them: a folder, from whose names the splits are taken if classes keep to them."""
    names = ["train-00000-of-00002", "train-00001-of-00002", "test-00000-of-00001"]
    for number, name in enumerate(names):
        rows = [i for i in range(12) if i % 3 != 2][4 * number:4 * number + 4] if number < 2 else [2, 5, 8, 11]
        hugging_face(tmp_path / f"set/{name}.parquet", tmp_path / "set", rows)
    (tmp_path / "set/dataset_infos.json").write_text("{}")
    text = convert(run, tmp_path / "set", tmp_path / "out", "--size", "2", "--gray")
    assert "3 files, of 12 rows together, are one table" in text and "column 1" not in text
    found = pictures(tmp_path / "out")
    assert {value[:2] for value in found.values()} == {("ape", 0), ("bee", 0), ("cat", 2)} and len(found) == 12
    assert found["test-00000-of-00001.parquet row 2"] == ("cat", 2, 100)
    code, text, err = run("frame", tmp_path / f"set/{names[0]}.parquet", tmp_path / f"set/{names[2]}.parquet", "--out",
                          tmp_path / "some", "--size", "2", "--gray")
    assert code == 0 and len(read(tmp_path / "some")) == 8
    hugging_face(tmp_path / "set/test-00000-of-00001.parquet", tmp_path / "set", [0, 1, 2, 5])
    text = convert(run, tmp_path / "set", tmp_path / "mixed", "--size", "2")
    assert "column split has classes in several splits" in text


README = """---
license: mit
dataset_info:
- config_name: other
  features:
  - name: words
    dtype: string
- config_name: plain
  features:
  - name: image
    dtype: image
  - name: label
    dtype:
      class_label:
        names:
          '0': ape
          '1': bee
          '10': cat
---
# A data set
"""
INFOS = {"default": {"features": {"image": {"_type": "Image"}, "label": {"_type": "ClassLabel",
                                                                         "names": ["ape", "bee", "cat"]}}}}


@pytest.mark.parametrize("name, said, named", [
    ("README.md", README, True), ("README.md", README.replace("name: plain", "name: default"), True),
    ("dataset_infos.json", json.dumps(INFOS), True),
    ("README.md", README.replace("name: label", "name: other"), False), ("README.md", "# no head\n---\n", False),
    ("README.md", "---\ndataset_info: [\n---\n", False), ("README.md", README.replace("'10'", "ten"), False),
    ("dataset_infos.json", "[]", False)])
def test_names_of_classes_beside_parquet(run, tmp_path, name, said, named):
    """Older data sets name them in the README's head, or in dataset_infos.json, above the files."""
    hugging_face(tmp_path / "set/train.parquet", tmp_path / "set")
    table = pq.read_table(tmp_path / "set/train.parquet").replace_schema_metadata(None)
    (tmp_path / "set/plain/train").mkdir(parents=True)
    (tmp_path / "set/train.parquet").unlink()
    for index in range(0, 12, 2):
        (tmp_path / f"set/{index}.png").rename(tmp_path / f"set/plain/train/{index}.png")
    pq.write_table(table, tmp_path / "set/plain/train/0000.parquet")
    (tmp_path / "set" / name).write_text(said)
    convert(run, tmp_path / "set", tmp_path / "out", "--size", "2", "--gray")
    words = ["ape", "bee", "cat"] if named else ["0", "1", "2"]
    assert {name: (c, value) for name, (c, _, value) in pictures(tmp_path / "out").items()} == {
        f"row {i + 1}": (words[i % 3], 20 * i) for i in range(12)}


def test_one_row_group_of_bytes_is_in_memory(run, tmp_path, monkeypatch):
    hugging_face(tmp_path / "t.parquet", tmp_path)
    reads, read_group = [], pq.ParquetFile.read_row_group
    monkeypatch.setattr(pq.ParquetFile, "read_row_group",
                        lambda self, group, **how: reads.append(group) or read_group(self, group, **how))
    convert(run, tmp_path / "t.parquet", tmp_path / "out", "--size", "2", "--gray", "--shards", "1")
    assert reads == [0, 1, 2] * 3  # what is there, what it is, its values


def test_tables_that_do_not_fit_together(run, tmp_path):
    first = write_csv(tmp_path / "in/a.csv", USERS)
    (tmp_path / "empty").mkdir()
    write_csv(tmp_path / "in/b.csv", [["user", "a", "b", "x"], *USERS[1:]])
    (tmp_path / "c.json").write_text("[]")
    for places, message in (([tmp_path / "in"], "do not both have the column x, y"),
                            ([first, tmp_path / "c.json"], "are of several kinds"),
                            ([tmp_path / "empty"], "no table in this folder")):
        code, _, err = run("frame", *places, "--out", tmp_path / "x")
        assert code == 2 and message in err, err
    write_csv(tmp_path / "in/b.csv", USERS)
    convert(run, tmp_path / "in", tmp_path / "out")
    assert sorted(read(tmp_path / "out"))[::11] == ["a.csv line 2", "b.csv line 7"]


def test_parquet_of_numbers_lists_and_dictionaries(run, tmp_path):
    label = pa.array([f"c{i % 4}" for i in range(12)]).dictionary_encode()
    pq.write_table(pa.table({"v": [[float(i), 1.0] for i in range(12)], "class": label,
                             "n": pa.array(range(12))}), tmp_path / "t.parquet")
    convert(run, tmp_path / "t.parquet", tmp_path / "out", "--values", "n,v")
    values = read(tmp_path / "out")["row 6"][3]
    assert values["v"].tolist() == [5, 1] and values["vector"].tolist() == [5]


def test_json_lines(run, tmp_path):
    rows = [json.dumps({"words": words, "label": label, **({"n": 1} if i > 9 else {})})
            for i, (words, label) in enumerate(texts())]
    rows[3] = "{broken"
    (tmp_path / "t.jsonl").write_text("\n".join(rows) + "\n\n", encoding="utf-8")
    text = convert(run, tmp_path / "t.jsonl", tmp_path / "out")
    assert "1 x line that is no JSON object; such as" in text and "t.jsonl:4" in text
    found = read(tmp_path / "out")
    assert len(found) == 23 and found["line 5"][0] == "topic 1"


def test_json_list(run, tmp_path):
    rows = [{"words": words, "label": label} for words, label in texts()]
    (tmp_path / "t.json").write_text(json.dumps(rows), encoding="utf-8")
    convert(run, tmp_path / "t.json", tmp_path / "out")
    assert len(read(tmp_path / "out")) == 24


@pytest.fixture
def database(tmp_path):
    with sqlite3.connect(tmp_path / "t.db") as connection:
        connection.execute("create table \"my posts\" (words text, label text)")
        connection.executemany("insert into \"my posts\" values (?, ?)", texts())
        connection.execute("create table other (a real)")
    return tmp_path / "t.db"


def test_sqlite(run, tmp_path, database):
    for number, options in enumerate((("--sqlite-table", "my posts"),
                                      ("--query", "select label, words from \"my posts\""))):
        convert(run, database, tmp_path / f"out{number}", *options)
        assert len(read(tmp_path / f"out{number}")) == 24
    for options, message in (((), "2 tables (one is to be read); give --sqlite-table, one of my posts, other"),
                             (("--sqlite-table", "x"), "no table 'x'"), (("--query", "selec"), "the query failed"),
                             (("--query", "delete from other"), "the query failed"),
                             (("--sqlite-table", "other"), "no rows")):
        code, _, err = run("frame", database, "--out", tmp_path / "x", *options)
        assert code == 2 and message in err, err


@pytest.mark.parametrize("name, content", [("t.parquet", b"PAR1 cut off"), ("t.db", b"SQLite format 3\0 cut off"),
                                           ("t.json", b"[1, 2"), ("t.jsonl", b"\xff\xfe"), ("t.jsonl", b""),
                                           ("t.csv.gz", b"\x1f\x8bno"), ("t.csv", b"")])
def test_damaged_files_are_refused(run, tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    code, _, err = run("frame", tmp_path / name, "--out", tmp_path / "x")
    assert code == 2 and name in err and not (tmp_path / "x").exists()
