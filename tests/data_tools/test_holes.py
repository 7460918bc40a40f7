"""Tables as they come: empty cells, categories as numbers, dates, rows at any time."""

import datetime
import json
import math

import numpy as np
import pytest

from cuttle_data.errors import BadInput, UserError
from cuttle_data.files import shard_paths
from cuttle_data.frame import cells
from cuttle_data.reader import Shard
from cuttle_data.shards import Modality
from cuttle_data.statistics import Moments

TYPES = ("--type", "colour=category", "--class", "kind", "--values", "colour,seen,size,weight")
SPLITS = ["train"] * 4 + ["validation"] * 2 + ["test"] * 2


def rows(red="red"):
    """Eight classes of six; a colour that only the last has, holes, a date."""
    table = []
    for index in range(48):
        number = index // 6
        colour = ["green", red, "", "blue"][index % 4] if number < 7 else "violet"
        size = "" if index % 5 == 0 else index / 4
        weight = ["NA", -index, "nan"][index % 3]
        seen = datetime.date(2024, 1, 1) + datetime.timedelta(days=11 * index) if index % 7 else ""
        table.append([f"k{number}", SPLITS[number], colour, seen, size, weight])
    return [["kind", "split", "colour", "seen", "size", "weight"], *table]


def write(path, table):
    path.write_text("\n".join(",".join(map(str, row)) for row in table) + "\n", encoding="utf-8")
    return path


def convert(run, file, out, *options, code=0):
    found, text, err = run("frame", file, "--out", out, "--shards", "1", *options)
    assert found == code, err
    return text + err


def read(out):
    """(Modality, {sample: values}) of the only shard's only sense."""
    with Shard(shard_paths([out])[0]) as shard:
        (modality, ) = shard.modalities
        return modality, {
            name: shard.read(row, modality.name)
            for row, name in enumerate(shard.sample_names) if shard.rows[modality.name][row] >= 0}


def test_empty_cells_are_holes_and_counted(run, tmp_path):
    text = convert(run, write(tmp_path / "t.csv", rows()), tmp_path / "out", *TYPES[2:4], "--values", "size,weight")
    assert "note: holes (empty cells) among 48 rows: size 10, weight 32" in text
    assert "size 10, weight 32" in (tmp_path / "out/conversion.log").read_text()
    modality, found = read(tmp_path / "out")
    assert modality.holes and len(found) == 41  # seven samples have neither
    given = np.array([[math.nan if cell in ("", "NA", "nan") else cell for cell in row[4:]] for row in rows()[1:]])
    assert found.keys() == {f"line {i + 2}" for i in np.flatnonzero(~np.isnan(given).all(axis=1))}
    np.testing.assert_array_equal(found["line 3"], np.float32([0.25, -1]))
    np.testing.assert_allclose(modality.mean, np.nanmean(given[:24], axis=0), rtol=1e-6)
    np.testing.assert_allclose(modality.stddev, np.nanstd(given[:24], axis=0), rtol=1e-6)
    assert run("verify", tmp_path / "out", "--sheet", tmp_path / "sheet.png")[0] == 0
    for fill, count in (("nan", 41), ("-1", 48), ("drop", 10)):
        convert(run, tmp_path / "t.csv", tmp_path / fill, *TYPES[2:4], "--values", "size,weight", "--fill", fill)
        again, filled = read(tmp_path / fill)
        assert len(filled) == count and again.holes == (fill == "nan")
    assert read(tmp_path / "nan")[0] == modality


def test_a_class_that_loses_all_its_rows_is_named(run, tmp_path):
    table = rows() + [["lost", "train", "red", "", "heavy", 3], ["gone", "train", "", "", "", ""]] * 2
    options = ("--class", "kind", "--values", "size,weight")
    text = convert(run, write(tmp_path / "t.csv", table), tmp_path / "out", *options)
    assert "class lost: class without a usable row" in text + (tmp_path / "out/conversion.log").read_text()
    assert "class gone: class without a usable row" in (tmp_path / "out/conversion.log").read_text()


def test_holes_of_other_formats(run, tmp_path):
    lines = [json.dumps({"class": f"c{i % 4}", "a": None if i == 5 else i, "b": i / 2}) for i in range(20)]
    (tmp_path / "t.jsonl").write_text("\n".join(lines), encoding="utf-8")
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    values = np.where(np.arange(20) == 5, np.nan, np.arange(20))
    pq.write_table(pa.table({"class": [f"c{i % 4}" for i in range(20)], "a": values, "b": np.arange(20) / 2}),
                   tmp_path / "t.parquet")
    for name, row in (("t.jsonl", "line 6"), ("t.parquet", "row 6")):
        assert "among 20 rows: a 1" in convert(run, tmp_path / name, tmp_path / f"{name}.out")
        assert np.isnan(read(tmp_path / f"{name}.out")[1][row]).tolist() == [True, False]


def test_moments_with_holes_are_numpys_in_any_parts():
    draw = np.random.default_rng(3)
    values = draw.normal(1e4, 1, (60, 3))
    values[draw.random(values.shape) < 0.4] = np.nan
    values[:20, 1] = np.nan  # a part without any
    moments = Moments()
    for part in np.split(values, [20, 25]):
        one = Moments()
        one.add(part)
        moments.merge(Moments(*json.loads(json.dumps(one.to_json()))))
    mean, stddev = moments.result()
    np.testing.assert_allclose(mean, np.nanmean(values, axis=0), rtol=1e-6)
    np.testing.assert_allclose(stddev, np.nanstd(values, axis=0), rtol=1e-4)
    nothing = Moments()
    nothing.add(np.full((2, 1), np.nan))
    assert nothing.result() == ((), ())


def test_categories_are_those_of_training_by_number(run, tmp_path):
    text = convert(run, write(tmp_path / "t.csv", rows()), tmp_path / "out", *TYPES, "--codes")
    modality, found = read(tmp_path / "out")
    assert modality.columns == ("colour", "seen", "seen:year_sin", "seen:year_cos", "seen:week_sin", "seen:week_cos",
                                "size", "weight")
    assert modality.categories == (("green", "red", "blue"), *[()] * 7) and modality.holes
    assert modality.mean[0] == 0 and modality.stddev[0] == 1
    assert "categories that no training sample has are unknown (holes): 1 of colour" in text
    assert [found[f"line {line}"][0] for line in (2, 3, 5)] == [0, 1, 2]
    assert np.isnan([found[f"line {line}"][0] for line in (4, 44, 49)]).all()
    plain = convert(run, tmp_path / "t.csv", tmp_path / "plain", *TYPES)
    assert "colour=violet" in plain and read(tmp_path / "plain")[0].categories == ()


def test_dates_say_where_in_the_year_and_the_week_they_are():
    days = [datetime.date(2024, 12, 31), datetime.date(1969, 3, 1), datetime.date(2026, 11, 30)]
    parts = cells.date_parts(np.array([(day - datetime.date(1970, 1, 1)).days for day in days] + [np.nan]))
    for day, row in zip(days, parts):
        length = 366 if day.year % 4 == 0 else 365
        year, week = (day.timetuple().tm_yday - 1) / length, day.weekday() / 7
        expected = [wave(2 * math.pi * turn) for turn in (year, week) for wave in (math.sin, math.cos)]
        np.testing.assert_allclose(row, expected, atol=1e-12)
    assert np.isnan(parts[3]).all()


def test_other_tables_are_matched_by_columns_categories_and_parts(run, tmp_path):
    convert(run, write(tmp_path / "t.csv", rows()), tmp_path / "out", *TYPES, "--codes")
    modality, found = read(tmp_path / "out")
    turned = [[*row[:1], *row[:1:-1]] for row in rows("yellow")]  # and a category that nobody knows
    shard = tmp_path / "new.h5"
    code, text, err = run("pack", write(tmp_path / "new.csv", turned), "--like", tmp_path / "out", "--out", shard)
    assert code == 0 and "colour has 2 categories that the model does not know" in text + err
    again, packed = read(shard)
    assert again == modality
    for name, values in found.items():
        expected = np.where((np.arange(8) == 0) & (values == 1), np.nan, values)
        np.testing.assert_array_equal(packed[name], expected, err_msg=name)
    assert "among 48 rows: colour 27, seen 7, size 10, weight 32" in text + err
    lacks = write(tmp_path / "lacks.csv", [row[:-1] for row in turned])
    assert "no column colour" in run("pack", lacks, "--like", tmp_path / "out", "--out", shard)[2]


def test_holes_are_packed_for_models_that_take_them_alone(run, tmp_path):
    options = ("--class", "kind", "--values", "size,weight", "--fill", "0")
    convert(run, write(tmp_path / "t.csv", rows()), tmp_path / "whole", *options)
    code, text, err = run("pack", tmp_path / "t.csv", "--like", tmp_path / "whole", "--out", tmp_path / "a.h5")
    assert code == 0 and "10 x column size: not a number" in text + err
    assert len(read(tmp_path / "a.h5")[1]) == 13


def test_columns_that_no_training_sample_knows_are_named(run, tmp_path):
    table = [[*row, "late" if n == 0 else n if row[1] == "test" else ""] for n, row in enumerate(rows())]
    for columns, told in (("size,late", True), ("size,weight", False)):
        file = write(tmp_path / "t.csv", table)
        text = convert(run, file, tmp_path / columns, "--class", "kind", "--values", columns)
        assert ("warning: vector: no training sample has a value of late" in text) == told


def test_a_column_that_is_no_date_is_said_to_be_none(run, tmp_path):
    file = write(tmp_path / "t.csv", rows())
    options = ("--class", "kind", "--values", "size,seen", "--type", "size=date")
    text = convert(run, file, tmp_path / "out", *options, code=2)
    assert "column size: not a date" in text and "column size holds '0.25', not a date" in text


def test_a_look_needs_no_place_for_shards(run, tmp_path):
    file = write(tmp_path / "t.csv", rows())
    code, text, _ = run("frame", file, "--class", "kind", "--dry-run")
    assert code == 0 and "would write 4 shards\n" in text and list(tmp_path.iterdir()) == [file]
    assert "--out is not given" in run("frame", file, "--class", "kind")[2]


def visits(shift=0):
    """Ten people, rows in no order: a day, a pulse that is sometimes missing, a place of birth."""
    table = [["patient", "day", "pulse", "pressure", "sex", "group"]]
    for index in range(60):
        person, visit = index % 10, index // 10
        table.append([f"p{person}", shift + person * 100 + visit * visit, "" if index % 4 == 0 else visit + person,
                      "" if (index + visit) % 4 < 2 else visit, "fm"[person % 2], f"c{person % 5}"])
    return table[:1] + table[:0:-1]


def test_rows_at_any_time_say_how_long_after_the_first_they_were(run, tmp_path):
    options = ("--class", "group", "--id", "patient", "--order", "day", "--values", "pulse,pressure,sex")
    file = write(tmp_path / "t.csv", visits(1_700_000_000))
    text = convert(run, file, tmp_path / "out", *options, "--times", "--codes")
    assert "channels of series: day:elapsed, pulse, pressure" in text
    with Shard(shard_paths([tmp_path / "out"])[0]) as shard:
        series, vector = shard.modalities
        assert series.columns == ("day:elapsed", "pulse", "pressure") and series.holes
        assert vector.categories == (("f", "m"), ) or vector.categories == (("m", "f"), )
        found = {name: shard.read(row, "series") for row, name in enumerate(shard.sample_names)}
    expected = sorted((row for row in visits()[1:] if row[0] == "p0" and row[2:4] != ["", ""]), key=lambda row: row[1])
    numbers = [[row[1] - expected[0][1], *(math.nan if cell == "" else cell for cell in row[2:4])] for row in expected]
    assert 0 < len(expected) < 6
    np.testing.assert_array_equal(found["p0"], np.float32(numbers))
    plain = ("--class", "group", "--id", "patient", "--order", "day", "--values", "pulse,pressure")
    convert(run, file, tmp_path / "plain", *plain)
    assert {len(values) for values in read(tmp_path / "plain")[1].values()} == {6}  # a moment is one, if it is empty
    assert "give --id and --order" in convert(run, file, tmp_path / "x", "--class", "group", "--group", "patient",
                                                    "--times", code=2)
    code, text, err = run("pack", file, "--like", tmp_path / "out", "--out", tmp_path / "new.h5")
    assert code == 0, err
    with Shard(tmp_path / "new.h5") as shard:
        packed = {name: shard.read(row, "series") for row, name in enumerate(shard.sample_names)}
    assert packed.keys() == found.keys()
    for name, values in found.items():
        np.testing.assert_array_equal(packed[name], values)


def test_the_floor_fills_holes_with_the_mean_of_training(run, tmp_path):
    """Classes lie apart in what is known; a hole says nothing."""
    table = [["kind", "split", "a", "b"]]
    for index in range(72):
        number = index // 9
        a, b = (10 * (number % 4), 10 * (number % 3)) if index % 9 else ("", 10 * (number % 3))
        table.append([f"k{number}", SPLITS[number], a, b])
    convert(run, write(tmp_path / "t.csv", table), tmp_path / "out", "--class", "kind")
    code, text, err = run("floor", tmp_path / "out", "--way", "2", "--episodes", "40", "--json")
    accuracy = json.loads(text)["results"]["vector"]["accuracy"]
    assert code == 0 and 0.8 < accuracy <= 1, err
    modality = read(tmp_path / "out")[0]
    from cuttle_data.features import feature_of
    np.testing.assert_allclose(feature_of(modality, np.float32([np.nan, 3])), [modality.mean[0], 3], rtol=1e-6)
    coded = Modality("x", "vector", (2, ), mean=(0.0, 7.0), stddev=(1.0, 1.0), columns=("c", "n"), holes=True,
                     categories=(("a", "b"), ()))
    assert feature_of(coded, np.float32([1, np.nan])).tolist() == [0, 1, 7]
    assert feature_of(coded, np.float32([np.nan, 2])).tolist() == [0, 0, 2]


def test_what_categories_cannot_be(run):
    fine = {"columns": ("c", "n"), "holes": True, "categories": (("a", "b"), ())}
    modality = Modality("x", "vector", (2, ), **fine)
    modality.check()
    with pytest.raises(BadInput, match="holds 2 in column c, of 2 categories"):
        modality.convert(np.float32([2, 0]))
    with pytest.raises(BadInput, match="holds 0.5 in column c"):
        modality.convert(np.float32([0.5, 0]))
    for wrong in ({"holes": False}, {"categories": (("a", "b"), )}, {"categories": (("a", "a"), ())}, {"columns": ()}):
        with pytest.raises(UserError, match="categor"):
            Modality("x", "vector", (2, ), **{**fine, **wrong}).check()


def test_a_colon_in_a_name_is_no_part_of_another_column(run, tmp_path):
    table = [["kind", "a: b", "c"], *([f"k{i % 4}", i, i / 3] for i in range(24))]
    convert(run, write(tmp_path / "t.csv", table), tmp_path / "out")
    other = write(tmp_path / "u.csv", [["kind", "a", "c"], *table[1:]])
    code, _, err = run("pack", other, "--like", tmp_path / "out", "--out", tmp_path / "u.h5")
    assert code == 2 and "no column a: b" in err
