"""CSV tables: `table`, and the --targets of image_folder and pack."""

import numpy as np
import pytest

from cuttle_data.errors import BadInput, UserError
from cuttle_data.files import shard_paths
from cuttle_data.reader import Shard
from cuttle_data.tables import Table, TargetTable, numbers
from conftest import save_image

PATIENTS = """patient,age,dose,day,response,side effect
anna,30,1.5,mon,0.5,1
anna,31,2.5,mon,0.75,2
anna,31,3.5,tue,0.25,-2e1
bert,40,1,mon,3,4
bert,41,2,tue,4,4
"""
COLUMNS = ("--class-column", "patient", "--group-column", "day", "--targets",
           "response,side effect")


@pytest.fixture
def csv(tmp_path):
    def write(text=PATIENTS, name="patients.csv"):
        (tmp_path / name).write_text(text, encoding="utf-8")
        return tmp_path / name

    return write


def convert(run, file, out, *options):
    code, text, err = run("table", file, "--out", out, "--shards", "1", *options)
    assert (code, err) == (0, ""), err
    return Shard(shard_paths([out])[0]), text


def test_rows_become_samples_with_targets(run, csv, tmp_path):
    shard, text = convert(run, csv(), tmp_path / "out", *COLUMNS, "--splits", "1,0,0")
    with shard:
        assert [shard.class_names[c] for c in shard.sample_class] == ["anna"] * 3 + ["bert"] * 2
        assert [shard.group_names[g] for g in shard.sample_group
                ] == ["mon", "mon", "tue", "mon", "tue"]
        assert shard.target_names == ("response", "side effect")
        assert shard.targets.tolist() == [[0.5, 1], [0.75, 2], [0.25, -20], [3, 4], [4, 4]]
        values = [shard.read(row, "x").tolist() for row in range(5)]
        assert values == [[30, 1.5], [31, 2.5], [31, 3.5], [40, 1], [41, 2]]
        np.testing.assert_allclose(shard.modalities[0].mean, np.mean(values, axis=0), rtol=1e-6)
        assert shard.sample_names[2] == "line 4" and set(shard.sample_split.tolist()) == {0}
        assert shard.header["dataset"] == "patients"
    assert "features of x: age, dose" in text
    assert run("verify", tmp_path / "out")[0] == 0


def test_features_order_modality_and_split_column(run, csv, tmp_path):
    text = PATIENTS.replace("day", "where").replace("mon", "train").replace("tue", "train")
    text = text.replace("1,train,3", "1,test,3").replace("2,train,4", "2,test,4")
    shard, _ = convert(run, csv(text), tmp_path / "out", "--class-column", "patient", "--targets",
                       "response", "--features", "dose,age", "--split-column", "where",
                       "--modality", "blood")
    with shard:
        assert shard.read(0, "blood").tolist() == [1.5, 30]
        assert shard.sample_split.tolist() == [0, 0, 0, 2, 2] and shard.group_names == ["all"]
        assert shard.target_names == ("response", )


def test_without_classes_and_targets_it_is_for_predict(run, csv, tmp_path):
    shard, _ = convert(run, csv("a,b\n1,2\n"), tmp_path / "out")
    with shard:
        assert shard.sample_class.tolist() == [-1] and shard.sample_split.tolist() == [2]
        assert shard.target_names == () and shard.read(0, "x").tolist() == [1, 2]


def test_rows_that_cannot_be_used_are_named(run, csv, tmp_path):
    text = PATIENTS + "anna,,1,mon,1,1\nanna,1,1,mon,nan,1\n,1,1,mon,1,1\nanna,1,1,,1,1\n\n" \
        "anna,1e39,1,mon,1,1\n"
    shard, text = convert(run, csv(text), tmp_path / "out", *COLUMNS)
    with shard:
        assert len(shard.sample_class) == 6  # line 7 has a hole
        assert np.isnan(shard.read(3, "x")).tolist() == [True, False]
    for line in ("holes (empty cells) among 9 rows: age 1",
                 "patients.csv:8: column response holds 'nan', not a number",
                 "patients.csv:9: column patient is empty", "patients.csv:10: column day is empty",
                 "patients.csv:12: holds values that are not finite in float32"):
        assert line in text


@pytest.mark.parametrize("options, message",
                         [(("--class-column", "user"), "no column 'user'; it has patient, age"),
                          (("--targets", "response,response"), "name each target once"),
                          (("--targets", "pulse"), "no column 'pulse'"),
                          (("--features", "age,pulse"), "no column 'pulse'"),
                          (("--features", "age,response", "--targets", "response"),
                           "a target must not be learned from"),
                          (("--features", "age,age"), "names a column twice"),
                          (("--targets", "patient,age,dose,day,response,side effect"),
                           "no column is left"),
                          (("--features", "age", "--modality", "A b"), "not usable"),
                          (("--features", "age", "--class-column", "patient", "--split-column",
                            "day"), "unknown split 'mon'"),
                          ((), "no usable row")])
def test_refusals(run, csv, tmp_path, options, message):
    code, _, err = run("table", csv(), "--out", tmp_path / "x", *options)
    assert code == 2 and message in err and not (tmp_path / "x").exists()


@pytest.mark.parametrize("text, message",
                         [("", "does not name every column once"), ("a,a\n1,2\n", "every column"),
                          ("a,\n1,2\n", "every column"), ("a,b\n1,2\n1\n", "csv:3: 1 cells under 2"),
                          ("a,b\n\"1,2\n", "not a table"), ("a,b\n\udcff,2\n", "not a table")])
def test_what_is_no_table(tmp_path, text, message):
    path = tmp_path / "bad.csv"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(UserError, match=message):
        Table(path)


def test_a_missing_table_and_a_byte_order_mark(run, csv, tmp_path):
    assert "No such file" in run("table", tmp_path / "no.csv", "--out", tmp_path / "x")[2]
    assert Table(csv("\ufeffa, b\n1,2\n")).columns == ["a", "b"]


def test_target_tables(csv):
    assert TargetTable(csv("name,y,z\na,1,2\n")).names == ("y", "z")
    for text, message in (("name\na\n", "no column beside 'name'"),
                          ("name,y\na,1\na,2\n", "csv:3: sample 'a' is there twice")):
        with pytest.raises(UserError, match=message):
            TargetTable(csv(text))


def test_cells_of_target_tables_are_trimmed_and_composed(csv):
    table = Table(csv("name, y\n Jo\u0308rg , 3_5\n"))
    assert table.rows == [(2, {"name": "J\u00f6rg", "y": "3_5"})]
    with pytest.raises(BadInput, match="'3_5', not a number"):
        numbers(table.rows[0][1], ["y"])


def test_image_folder_with_targets(run, tree, csv, tmp_path):
    rows = [f"class{c}/s{s},{c + s / 4}\n" for c in range(6) for s in range(4)]
    rows[5] = "class1/s1,high\n"
    file = csv("file,weight\n" + "".join(rows[:-1]) + "class9/s9,1\n")
    code, text, err = run("image_folder", tree, "--out", tmp_path / "out", "--size", "8",
                          "--shards", "2", "--targets", file)
    assert (code, err) == (0, "")
    assert "class1/s1: sample without usable targets: column weight holds 'high'" in text
    assert "class5/s3: sample without usable targets: no line in" in text
    assert "class9/s9: targets of no sample" in text
    count = 0
    for path in shard_paths([tmp_path / "out"]):
        with Shard(path) as shard:
            assert shard.target_names == ("weight", )
            for name, target in zip(shard.sample_names, shard.targets):
                assert target[0] == int(name[5]) + int(name[-1]) / 4
                count += 1
    assert count == 22 and run("verify", tmp_path / "out")[0] == 0


@pytest.fixture
def like(run, tree, csv, tmp_path):
    """A shard of images with the target `weight`."""
    rows = "".join(f"class{c}/s{s},1\n" for c in range(6) for s in range(4))
    run("image_folder", tree, "--out", tmp_path / "like", "--size", "8", "--shards", "1",
        "--targets", csv("file,weight\n" + rows))
    return shard_paths([tmp_path / "like"])[0]


def test_pack_with_and_without_targets(run, like, csv, tmp_path):
    for name in ("a", "b"):
        save_image(tmp_path / f"new/{name}.png", 9)
    file = csv(f"file,weight\n{tmp_path}/new/b,2.5\n", "new.csv")
    code, text, err = run("pack", tmp_path / "new", "--like", like, "--out", tmp_path / "adapt.h5",
                          "--targets", file)
    assert (code, text) == (0, "") and "new/a.png: sample without usable targets" in err
    with Shard(tmp_path / "adapt.h5") as shard:
        assert shard.target_names == ("weight", ) and shard.targets.tolist() == [[2.5]]
    text = run("pack", tmp_path / "new", "--like", like, "--out", tmp_path / "predict.h5")[2]
    assert "without the targets of" in text and "adapt needs --targets" in text
    with Shard(tmp_path / "predict.h5") as shard:
        assert shard.target_names == () and len(shard.sample_names) == 2
    for made in ("adapt.h5", "predict.h5"):
        assert run("verify", tmp_path / made)[0] == 0


def test_pack_refuses_other_targets_than_the_models(run, like, csv, tmp_path):
    save_image(tmp_path / "new/a.png", 9)
    code, _, err = run("pack", tmp_path / "new", "--like", like, "--out", tmp_path / "x.h5",
                       "--targets", csv("file,height\na,1\n", "new.csv"))
    assert code == 2 and "has the targets height, but" in err and "has weight" in err
    assert not (tmp_path / "x.h5").exists()
