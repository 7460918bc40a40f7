"""`frame`: what cannot be guessed is refused with what to do, what cannot be used is counted by kind."""

import re

import pytest

from cuttle_data.frame import guesses
from frames import convert, patients, read, texts, write_csv

NUMBERS = [[i, i / 2, "ab"[i % 2], "uvw"[i % 3]] for i in range(24)]


@pytest.mark.parametrize("head, rows, message", [
    (["a", "b", "sex", "town"], NUMBERS, "the class may be sex or town; give --class with one of them"),
    (["a", "b"], [row[:2] for row in NUMBERS], "no column says the class: a, b; give --class COLUMN"),
    (["a", "class", "label", "x"], [[i, "ab"[i % 2], "uvw"[i % 3], i] for i in range(24)],
     "the class may be class or label (they differ); give --class class"),
    (["user", "a", "y"], [[f"u{i % 4}", i, i % 3] for i in range(24)],
     "column y may be the class or a number to predict; give --class y, or --class user --targets y"),
    (["patient", "pulse", "label"], [[f"p{i // 2}", i, f"c{i // 2 % 3}"] for i in range(24)],
     "give --id patient for the one, --group patient for the other"),
    (["patient", "time", "pulse", "label"], [[f"p{i // 4}", i, i, f"c{i % 3}"] for i in range(24)],
     "rows of one patient may be one sample"),
    (["patient", "user", "a", "label"], [[f"p{i // 4}", f"u{i // 4}", i, f"c{i % 3}"] for i in range(24)],
     "patient and user repeat; give --id"),
    (["nothing", "label"], [["", f"c{i % 3}"] for i in range(24)], "no column is left to learn from")])
def test_what_is_ambiguous_is_refused(run, tmp_path, head, rows, message):
    code, text, err = run("frame", write_csv(tmp_path / "t.csv", [head, *rows]), "--out", tmp_path / "x")
    assert code == 2 and message in err, err
    assert head[0] in text and "?" in text  # the types, as far as they are known
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("head, rows, said", [
    (["machine", "a", "y"], [["uvw"[i % 3], i / 2, i / 3] for i in range(24)],
     [r"machine +category +class \(nothing else repeats\)", r"y +number +target \(by its name; too many numbers"]),
    (["a", "y"], [[i / 2, i % 3] for i in range(24)], [r"y +number +class \(by its name; few whole numbers\)"]),
    (["a", "label"], [[i / 2, "uvw"[i % 3]] for i in range(24)], [r"label +category +class \(by its name\)"]),
    (["a", "sex"], [[i / 2, "uvw"[i % 3]] for i in range(24)], [r"sex +category +class \(the only categories\)"])])
def test_why_a_column_is_taken_for_what_it_is(run, tmp_path, head, rows, said):
    file = write_csv(tmp_path / "t.csv", [head, *rows])
    _, text, _ = run("frame", file, "--dry-run")
    assert all(re.search(words, text) for words in said), text
    _, text, _ = run("frame", file, "--dry-run", "--class", head[-1])
    assert re.search(rf"{head[-1]} +\w+ +class ", text) and "by its name" not in text


@pytest.mark.parametrize("options, message", [
    (("--class", "sexx"), "no column 'sexx'; it has a, b, sex, town"),
    (("--class", "sex", "--targets", "sex"), "column sex is to be two things"),
    (("--class", "sex", "--type", "a=float"), "no type 'float'; give COLUMN=TYPE"),
    (("--class", "sex", "--type", "c=text"), "no column 'c'"),
    (("--class", "sex", "--values", "a,b,a"), "column a is to be two things"),
    (("--class", "sex", "--splits", "1,1,1"), "are not three fractions"),
    (("--class", "sex", "--targets", "town"), "no usable row"),
    (("--class", "sex", "--type", "a=image"), "no file of column a is there, such as"),
    (("--class", "sex", "--separator", ";;"), "--separator ';;' has 2 characters (one is between cells)"),
    (("--class", "sex", "--encoding", "latin-99"), "name its --encoding and --separator"),
    (("--class", "sex", "--split", "town"), "unknown split 'u' in column town")])
def test_wrong_options(run, tmp_path, options, message):
    file = write_csv(tmp_path / "t.csv", [["a", "b", "sex", "town"], *NUMBERS])
    code, _, err = run("frame", file, "--out", tmp_path / "x", *options)
    assert code == 2 and message in err and not (tmp_path / "x").exists(), err


def test_roles_and_types_can_be_corrected(run, tmp_path):
    file = write_csv(tmp_path / "t.csv", [["a", "b", "sex", "town"], *NUMBERS])
    text = convert(run, file, tmp_path / "out", "--class", "town", "--type", "sex=text", "--values",
                   "a,sex", "--group", "none", "--splits", "1,0,0")
    name, group, split, values, targets = read(tmp_path / "out")["line 3"]
    assert (name, group, split, targets) == ("v", "all", 0, None)
    assert values["vector"].tolist() == [1] and bytes(values["text"]) == b"b"
    assert "features of vector: a" in text
    convert(run, file, tmp_path / "none", "--class", "none", "--values", "a,b", "--shards", "1")
    assert {(c, s) for c, _, s, _, _ in read(tmp_path / "none").values()} == {(None, 2)}


def test_ids_and_groups_can_be_given(run, tmp_path):
    rows = [[f"p{i // 4}", i, f"c{i // 4 % 3}"] for i in range(24)]
    file = write_csv(tmp_path / "t.csv", [["patient", "pulse", "label"], *rows])
    convert(run, file, tmp_path / "series", "--id", "patient")
    assert read(tmp_path / "series")["p1"][3]["series"].tolist() == [[4], [5], [6], [7]]
    convert(run, file, tmp_path / "rows", "--group", "patient")
    assert read(tmp_path / "rows")["line 6"][1] == "p1"


def test_columns_that_say_the_same_are_one_class(run, tmp_path):
    """As in ESC-50: `target` numbers the categories."""
    rows = [[words, int(topic[-1]), topic] for words, topic in texts()]
    text = convert(run, write_csv(tmp_path / "t.csv", [["what", "target", "category"], *rows]), tmp_path / "out")
    assert {c for c, *_ in read(tmp_path / "out").values()} == {f"topic {c}" for c in range(6)}
    assert "not used: says the same as category" in text


def test_ten_thousand_bad_rows_are_a_few_lines(run, tmp_path):
    rows = [[f"c{i % 5}", i, f"3_{i}" if i % 2 else i] for i in range(20_000)]
    rows[:9] = [["", 1, 1], ["c0", "", 1], ["c0", 1, "inf"], ["c0", "1e999", 1], ["c0", "1e39", 1],
                ["c0", 1], ["c0", 1, 1, 1], ["alone", 1, 1], ["c0", "NA", 1]]
    text = convert(run, write_csv(tmp_path / "t.csv", [["class", "a", "b"], *rows]), tmp_path / "out")
    assert len(read(tmp_path / "out")) == 9997
    left_out = [line.split("; such as")[0] for line in text.splitlines() if line.startswith("left out")]
    assert left_out == ["left out: 2 x row with another number of cells than the 3 columns",
                        "left out: 1 x column class: empty", "left out: 1 x column a: not a number",
                        "left out: 1 x column a: not finite in float32",
                        "left out: 9,997 x column b: not a number",
                        "left out: 1 x class with fewer than 2 usable samples"]
    assert "t.csv:4: column b holds 'inf', not a number" in text and "class alone" in text
    assert len(text.splitlines()) < 25


def test_empty_numbers_can_be_filled(run, tmp_path):
    rows = [[f"c{i % 3}", "" if i == 4 else i, i] for i in range(12)]
    file = write_csv(tmp_path / "t.csv", [["class", "a", "b"], *rows])
    assert "1 x column a: not a number" in convert(run, file, tmp_path / "out", "--fill", "drop")
    assert "line 6" not in read(tmp_path / "out")
    convert(run, file, tmp_path / "filled", "--fill", "-1")
    assert read(tmp_path / "filled")["line 6"][3]["vector"].tolist() == [-1, 4]


@pytest.mark.parametrize("days, number", [(["13/02/2026", "01/03/2026"], [20497, 20513]),
                                          (["2/13/2026", "3/1/2026"], [20497, 20513])])
def test_dates_with_slashes_are_read_where_one_shows_the_day(run, tmp_path, days, number):
    rows = [[f"c{i % 3}", days[i % 2], i] for i in range(12)]
    file = write_csv(tmp_path / "t.csv", [["class", "seen", "b"], *rows])
    text = convert(run, file, tmp_path / "out", "--type", "seen=number")
    found = read(tmp_path / "out")
    assert [found[f"line {line}"][3]["vector"].tolist()[0] for line in (2, 3)] == number
    assert re.search("seen +date", run("frame", file, "--out", tmp_path / "x", "--dry-run")[1])
    rows = [[f"c{i % 3}", "01/02/2026", i] for i in range(12)]
    text = run("frame", write_csv(file, [["class", "seen", "b"], *rows]), "--out", tmp_path / "x", "--dry-run")[1]
    assert re.search("seen +category", text)


def test_per_cent_are_numbers_if_all_are(run, tmp_path):
    rows = [[f"c{i % 3}", f"{i}.5 %", f"{i}%" if i else "7"] for i in range(12)]
    file = write_csv(tmp_path / "t.csv", [["class", "a", "b"], *rows])
    text = convert(run, file, tmp_path / "out", "--values", "a")
    assert read(tmp_path / "out")["line 4"][3]["vector"].tolist() == [2.5]
    text = run("frame", file, "--out", tmp_path / "x", "--dry-run", "--type", "b=number")[1]
    assert "11 x column b: not a number" in text


def test_empty_columns_at_the_end_are_not_used(run, tmp_path):
    for head in ("class,a,,\n", "class,a\n"):
        lines = [f"c{i % 3},{i},," if i != 4 else f"c1,{i}" for i in range(12)] + ["c1,2,,9"]
        (tmp_path / "t.csv").write_text(head + "\n".join(lines) + "\n", encoding="utf-8")
        text = convert(run, tmp_path / "t.csv", tmp_path / "out", "--overwrite")
        assert len(read(tmp_path / "out")) == 12 and "t.csv:14: 4 cells under 2" in text


def test_bad_rows_of_a_series(run, tmp_path):
    rows = patients()
    rows[0][2] = "high"  # a step without number
    rows[5][1] = ""  # without time
    rows[10][4] = "other"  # a patient with two classes
    rows[15][0] = ""
    file = write_csv(tmp_path / "t.csv", [["patient", "time", "pulse", "age", "diagnosis"], *rows])
    text = convert(run, file, tmp_path / "out", "--id", "patient")
    found = read(tmp_path / "out")
    assert {name: len(values["series"]) for name, (_, _, _, values, _) in found.items()} == {
        f"p{p}": 4 if p in (0, 1, 3) else 5 for p in range(12) if p not in (2, 8)}
    assert "1 x sample whose rows differ in column diagnosis; such as patient p2" in text
    assert "1 x class with fewer than 2 usable samples; such as class d2" in text
    assert "column pulse: not a number" in text and "column time: no time" in text


@pytest.mark.parametrize("head, message", [("a,a,b", "one is there twice"), ("a,,b", "column 2 has no name")])
def test_names_of_columns(run, tmp_path, head, message):
    (tmp_path / "t.csv").write_text(head + "\n1,2,3\n", encoding="utf-8")
    code, _, err = run("frame", tmp_path / "t.csv", "--out", tmp_path / "x")
    assert code == 2 and message in err


def test_only_a_header(run, tmp_path):
    (tmp_path / "t.csv").write_text("a,b,class\n\n\n", encoding="utf-8")
    code, _, err = run("frame", tmp_path / "t.csv", "--out", tmp_path / "x")
    assert code == 2 and "no rows below the header" in err


def test_every_type_is_known():
    assert set(guesses.SUFFIXES) == set(guesses.MEDIA) <= set(guesses.TYPES)
